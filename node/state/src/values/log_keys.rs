//! The verifier keys of the log: which may sign, which did.

use super::{VERSION, Value};
use crate::codec::{DecodeError, Decoder, Encoder};

/// Most keys that one log ever has, retired ones counted. Rotated each year, they last a lifetime.
pub const LOG_KEYS_EVER_MAX: usize = 64;

/// One verifier key and the indices between which it was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKeySpan {
    /// The key: `name+hash+key`.
    pub vkey: String,
    /// Index of the record that added it.
    pub from: u64,
    /// Index of the record that retired it; `None` while it is in force.
    pub until: Option<u64>,
}

/// Every verifier key that the log has or had, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogKeys(pub Vec<LogKeySpan>);

impl LogKeys {
    /// The keys that may sign now.
    pub fn in_force(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|key| key.until.is_none()).map(|key| key.vkey.as_str())
    }

    /// Whether this key may sign now.
    pub fn is_in_force(&self, vkey: &str) -> bool {
        self.in_force().any(|known| known == vkey)
    }
}

impl Value for LogKeys {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, 128 * self.0.len() + 8);
        e.integer(self.0.len() as u64);
        for key in &self.0 {
            e.text(&key.vkey).integer(key.from).optional(key.until, |e, until| {
                e.integer(until);
            });
        }
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let count = d.count(LOG_KEYS_EVER_MAX)?;
        let key = |d: &mut Decoder<'_>| {
            Ok(LogKeySpan { vkey: d.text()?, from: d.integer()?, until: d.optional(Decoder::integer)? })
        };
        let keys = (0..count).map(|_| key(&mut d)).collect::<Result<_, DecodeError>>()?;
        d.finish()?;
        Ok(Self(keys))
    }
}
