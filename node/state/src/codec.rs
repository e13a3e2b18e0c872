//! Bytes of commands and state values: one spelling, strict reading.
//!
//! Integers are LEB128 in their shortest form, byte strings carry their length, optional values a byte 0 or 1. The same
//! value always gives the same bytes, so replicas can be compared byte by byte.

/// Why stored or replicated bytes cannot be read. Never a client's fault: the bytes were written by this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end in the middle of a value.
    #[error("the bytes end too early")]
    End,
    /// Bytes are left over.
    #[error("bytes are left over after the value")]
    Trailing,
    /// A version that this code does not know: written by a newer one.
    #[error("unknown version {0}: written by newer software; upgrade this node")]
    Version(u8),
    /// A command that this code does not know: proposed by a newer one.
    #[error("unknown command {0}: proposed by newer software; upgrade this node")]
    Command(u8),
    /// An integer in a longer form than needed, or beyond 64 bits.
    #[error("an integer is not in its shortest form")]
    Integer,
    /// A tag, flag or length outside what the value allows.
    #[error("invalid {0}")]
    Invalid(&'static str),
}

/// Writes values one after the other.
#[derive(Debug)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    /// Begins with the version byte.
    pub(crate) fn new(version: u8, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.push(version);
        Self(bytes)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn integer(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// Bytes whose length the reader knows.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.integer(bytes.len() as u64).fixed(bytes)
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => self.byte(0),
            Some(value) => {
                self.byte(1);
                write(self, value);
                self
            }
        }
    }
}

/// Reads what [`Encoder`] wrote, and nothing else.
#[derive(Debug)]
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    /// Checks the version byte.
    pub(crate) fn new(bytes: &'a [u8], version: u8) -> Result<Self, DecodeError> {
        let mut decoder = Self(bytes);
        match decoder.byte()? {
            found if found == version => Ok(decoder),
            found => Err(DecodeError::Version(found)),
        }
    }

    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&first, rest) = self.0.split_first().ok_or(DecodeError::End)?;
        self.0 = rest;
        Ok(first)
    }

    pub(crate) fn integer(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            // The tenth byte holds bit 63 only, and the last byte of a longer form is never zero.
            let too_large = shift == 63 && byte > 1;
            if too_large || shift > 0 && byte == 0 {
                return Err(DecodeError::Integer);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Integer)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::End)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.integer()?).map_err(|_| DecodeError::End)?;
        let (head, rest) = self.0.split_at_checked(length).ok_or(DecodeError::End)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn text(&mut self) -> Result<String, DecodeError> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Invalid("text"))?;
        Ok(text.to_owned())
    }

    pub(crate) fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Invalid("flag")),
        }
    }

    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// How many items follow; each takes at least one byte, so a lie is caught before anything is allocated for it.
    pub(crate) fn count(&mut self, max: usize) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.integer()?).map_err(|_| DecodeError::End)?;
        if count > max {
            return Err(DecodeError::Invalid("number of items"));
        }
        if count > self.0.len() { Err(DecodeError::End) } else { Ok(count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_form() {
        for value in [0, 1, 127, 128, 300, 1 << 53, u64::MAX - 1, u64::MAX] {
            let mut e = Encoder::new(1, 0);
            e.integer(value);
            let bytes = e.finish();
            let mut d = Decoder::new(&bytes, 1).unwrap();
            assert_eq!(d.integer(), Ok(value));
            assert_eq!(d.finish(), Ok(()));
        }
        for bad in [&[1, 0x80, 0][..], &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]] {
            assert_eq!(Decoder::new(bad, 1).unwrap().integer(), Err(DecodeError::Integer), "{bad:?}");
        }
        assert_eq!(Decoder::new(&[1, 0x80], 1).unwrap().integer(), Err(DecodeError::End));
    }

    #[test]
    fn a_length_beyond_the_bytes_is_caught() {
        let mut e = Encoder::new(1, 0);
        e.integer(u64::MAX);
        let bytes = e.finish();
        assert_eq!(Decoder::new(&bytes, 1).unwrap().bytes(), Err(DecodeError::End));
        assert_eq!(Decoder::new(&bytes, 1).unwrap().count(usize::MAX), Err(DecodeError::End));
        assert_eq!(Decoder::new(&bytes, 2).unwrap_err(), DecodeError::Version(1));
        assert_eq!(Decoder::new(&[], 1).unwrap_err(), DecodeError::End);
    }
}
