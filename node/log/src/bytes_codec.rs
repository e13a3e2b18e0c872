//! A small deterministic byte codec: fixed-width big-endian integers, length-prefixed strings.
//!
//! Reading is total: every length is checked against what is there before anything is allocated.

use bytes::Bytes;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// Whoever wrote them is wrong, or the disk is.
    #[error("malformed {what} at byte {at}")]
    At {
        /// What was being read.
        what: &'static str,
        /// Offset of the fault.
        at: usize,
    },
    /// They begin with a version that this program does not know.
    #[error(
        "{what} of version {version}, which this program does not know: a newer one wrote it; upgrade this node"
    )]
    Version {
        /// What was being read.
        what: &'static str,
        /// The version.
        version: u8,
    },
}

/// Appends values to a buffer.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    /// A length (u32) and the bytes.
    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        let len = u32::try_from(value.len()).expect("a value in one message is far below 4 GiB");
        self.u32(len).raw(value)
    }

    pub(crate) fn finish(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.0))
    }
}

/// Reads values from a buffer without copying.
pub(crate) struct Reader {
    buffer: Bytes,
    at: usize,
    what: &'static str,
}

impl Reader {
    pub(crate) fn new(buffer: Bytes, what: &'static str) -> Self {
        Self { buffer, at: 0, what }
    }

    pub(crate) fn fault(&self) -> Malformed {
        Malformed::At { what: self.what, at: self.at }
    }

    /// Reads the version that comes first.
    pub(crate) fn version(&mut self, known: u8) -> Result<(), Malformed> {
        match self.u8()? {
            version if version > known => Err(Malformed::Version { what: self.what, version }),
            version if version == known => Ok(()),
            _ => Err(self.fault()),
        }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<Bytes, Malformed> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.buffer.len()).ok_or(self.fault())?;
        let slice = self.buffer.slice(self.at..end);
        self.at = end;
        Ok(slice)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes(bytes[..].try_into().expect("four bytes were taken")))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        let bytes = self.take(8)?;
        Ok(u64::from_be_bytes(bytes[..].try_into().expect("eight bytes were taken")))
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let len = self.u32()? as usize;
        self.take(len)
    }

    pub(crate) fn string(&mut self) -> Result<String, Malformed> {
        let fault = self.fault();
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| fault)
    }

    pub(crate) fn hash(&mut self) -> Result<ledger_format::Hash, Malformed> {
        let bytes = self.take(32)?;
        Ok(ledger_format::Hash(bytes[..].try_into().expect("thirty-two bytes were taken")))
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// Everything must have been read: a second spelling with trailing bytes is refused.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.left() == 0 { Ok(()) } else { Err(self.fault()) }
    }
}
