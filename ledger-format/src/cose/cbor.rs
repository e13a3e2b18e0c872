//! As much of CBOR (RFC 8949) as receipts need, in its deterministic form only: shortest heads, definite lengths.

use super::CoseError;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const NULL: u8 = 0xf6;

/// Appends CBOR to a buffer.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn int(self, value: i64) -> Self {
        if value < 0 { self.head(NEGATIVE, !value as u64) } else { self.head(UNSIGNED, value as u64) }
    }

    pub(super) fn unsigned(self, value: u64) -> Self {
        self.head(UNSIGNED, value)
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let mut writer = self.head(BYTES, bytes.len() as u64);
        writer.0.extend_from_slice(bytes);
        writer
    }

    pub(super) fn text(self, text: &str) -> Self {
        let mut writer = self.head(TEXT, text.len() as u64);
        writer.0.extend_from_slice(text.as_bytes());
        writer
    }

    pub(super) fn array(self, items: usize) -> Self {
        self.head(ARRAY, items as u64)
    }

    pub(super) fn map(self, pairs: usize) -> Self {
        self.head(MAP, pairs as u64)
    }

    pub(super) fn tag(self, tag: u64) -> Self {
        self.head(TAG, tag)
    }

    pub(super) fn null(mut self) -> Self {
        self.0.push(NULL);
        self
    }

    /// Major type and argument, as short as possible (RFC 8949 section 4.2.1).
    fn head(mut self, major: u8, argument: u64) -> Self {
        let major = major << 5;
        let bytes = argument.to_be_bytes();
        match argument {
            0..24 => self.0.push(major | bytes[7]),
            24..0x100 => self.0.extend_from_slice(&[major | 24, bytes[7]]),
            0x100..0x1_0000 => {
                self.0.push(major | 25);
                self.0.extend_from_slice(&bytes[6..]);
            }
            0x1_0000..0x1_0000_0000 => {
                self.0.push(major | 26);
                self.0.extend_from_slice(&bytes[4..]);
            }
            _ => {
                self.0.push(major | 27);
                self.0.extend_from_slice(&bytes);
            }
        }
        self
    }
}

/// Takes CBOR from the front of a slice. Every error names the byte where the item starts.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(super) fn finish(self) -> Result<(), CoseError> {
        if self.offset == self.bytes.len() { Ok(()) } else { Err(CoseError::Trailing) }
    }

    pub(super) fn int(&mut self) -> Result<i64, CoseError> {
        let error = CoseError::Cbor { offset: self.offset };
        let (major, argument) = self.any_head()?;
        let argument = i64::try_from(argument).map_err(|_| error)?;
        match major {
            UNSIGNED => Ok(argument),
            NEGATIVE => Ok(!argument),
            _ => Err(error),
        }
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, CoseError> {
        self.head(UNSIGNED)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], CoseError> {
        let error = CoseError::Cbor { offset: self.offset };
        let length = self.head(BYTES)?;
        let length = usize::try_from(length).map_err(|_| error)?;
        let bytes = self.bytes[self.offset..].get(..length).ok_or(error)?;
        self.offset += length;
        Ok(bytes)
    }

    /// The number of items, which may be more than the input holds: read them one by one.
    pub(super) fn array(&mut self) -> Result<u64, CoseError> {
        self.head(ARRAY)
    }

    pub(super) fn expect_array(&mut self, items: u64) -> Result<(), CoseError> {
        self.expect(ARRAY, items)
    }

    pub(super) fn expect_map(&mut self, pairs: u64) -> Result<(), CoseError> {
        self.expect(MAP, pairs)
    }

    pub(super) fn expect_tag(&mut self, tag: u64) -> Result<(), CoseError> {
        self.expect(TAG, tag)
    }

    pub(super) fn expect_int(&mut self, value: i64) -> Result<(), CoseError> {
        let error = CoseError::Cbor { offset: self.offset };
        if self.int()? == value { Ok(()) } else { Err(error) }
    }

    pub(super) fn expect_null(&mut self) -> Result<(), CoseError> {
        let error = CoseError::Cbor { offset: self.offset };
        if self.byte()? == NULL { Ok(()) } else { Err(error) }
    }

    fn expect(&mut self, major: u8, argument: u64) -> Result<(), CoseError> {
        let error = CoseError::Cbor { offset: self.offset };
        if self.head(major)? == argument { Ok(()) } else { Err(error) }
    }

    fn head(&mut self, want: u8) -> Result<u64, CoseError> {
        let error = CoseError::Cbor { offset: self.offset };
        let (major, argument) = self.any_head()?;
        if major == want { Ok(argument) } else { Err(error) }
    }

    fn any_head(&mut self) -> Result<(u8, u64), CoseError> {
        let error = CoseError::Cbor { offset: self.offset };
        let initial = self.byte()?;
        let (extra, smallest) = match initial & 31 {
            direct @ 0..24 => return Ok((initial >> 5, u64::from(direct))),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            // Reserved, or indefinite length.
            _ => return Err(error),
        };
        let mut argument = 0;
        for _ in 0..extra {
            argument = argument << 8 | u64::from(self.byte()?);
        }
        // A number that fits a shorter head has another spelling here.
        if argument < smallest { Err(error) } else { Ok((initial >> 5, argument)) }
    }

    fn byte(&mut self) -> Result<u8, CoseError> {
        let byte = *self.bytes.get(self.offset).ok_or(CoseError::Cbor { offset: self.offset })?;
        self.offset += 1;
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for value in [0, 1, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let bytes = Writer::default().unsigned(value).finish();
            assert_eq!(Reader::new(&bytes).unsigned(), Ok(value), "{value}");
        }
        for value in [-1, -8, -24, -25, -257, i64::MIN, i64::MAX] {
            let bytes = Writer::default().int(value).finish();
            assert_eq!(Reader::new(&bytes).int(), Ok(value), "{value}");
        }
        for longer in
            [&[0x18, 23][..], &[0x19, 0, 255], &[0x1a, 0, 0, 255, 255], &[0x1b, 0, 0, 0, 0, 1, 1, 1, 1]]
        {
            assert_eq!(Reader::new(longer).unsigned(), Err(CoseError::Cbor { offset: 0 }), "{longer:?}");
        }
        for other in [&[][..], &[0x1c], &[0x1f], &[0x5f], &[0x19, 1]] {
            assert!(Reader::new(other).unsigned().is_err(), "{other:?}");
        }
    }

    #[test]
    fn a_length_past_the_end_allocates_nothing() {
        let mut reader = Reader::new(&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!(reader.bytes(), Err(CoseError::Cbor { offset: 0 }));
    }
}
