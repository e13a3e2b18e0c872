//! The values of the state and their bytes: a version byte, then the fields in order.

mod agent;
mod log;
mod log_keys;
mod tenant;

pub use agent::{Agent, AgentStatus, Chain, KeySpan, SignerKey};
pub use log::{Flags, Genesis, RecordAt, Service, Tree};
pub use log_keys::{LOG_KEYS_EVER_MAX, LogKeySpan, LogKeys};
pub use tenant::Tenant;

use crate::applied::Published;
use crate::codec::{DecodeError, Decoder, Encoder};

/// Version byte of every value.
pub(crate) const VERSION: u8 = 1;

/// A value with one spelling in bytes.
pub trait Value: Sized {
    /// The stored bytes.
    fn encode(&self) -> Vec<u8>;

    /// Reads what `encode` wrote, and nothing else.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

impl Value for Published {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, self.note.len() + 64);
        e.integer(self.size)
            .fixed(&self.root.0)
            .integer(self.log_ms)
            .byte(self.witnessed.into())
            .bytes(&self.note);
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let (size, root) = (d.integer()?, ledger_format::Hash(d.fixed()?));
        let (log_ms, witnessed, note) = (d.integer()?, d.flag()?, d.bytes()?.to_vec());
        d.finish()?;
        Ok(Self { size, root, log_ms, witnessed, note })
    }
}
