//! A stored private value: its bytes, and until when they count.

use crate::codec::{DecodeError, Decoder, Encoder};
use crate::values::{VERSION, Value};

/// What lies under a private key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PrivateValue {
    /// From this log time on it counts as absent.
    pub(crate) expires_at_ms: Option<u64>,
    /// The value.
    pub(crate) bytes: Vec<u8>,
}

impl PrivateValue {
    /// Whether it counts at that log time.
    pub(crate) fn live(&self, log_ms: u64) -> bool {
        self.expires_at_ms.is_none_or(|end| log_ms < end)
    }
}

/// Values are secrets: what is printed says their length only.
impl std::fmt::Debug for PrivateValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateValue({} bytes, until {:?})", self.bytes.len(), self.expires_at_ms)
    }
}

impl Value for PrivateValue {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, self.bytes.len() + 16);
        e.optional(self.expires_at_ms, |e, end| {
            e.integer(end);
        });
        e.bytes(&self.bytes);
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let value = Self { expires_at_ms: d.optional(Decoder::integer)?, bytes: d.bytes()?.to_vec() };
        d.finish()?;
        Ok(value)
    }
}
