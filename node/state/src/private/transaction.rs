//! What a transaction on the private state says, its bounds, and its bytes.

use std::collections::BTreeMap;
use std::fmt;

use ledger_format::record::Digest;

use crate::codec::{DecodeError, Decoder, Encoder};

/// Most keys whose value a transaction may expect.
pub const PRIVATE_EXPECTS_MAX: usize = 64;
/// Most keys that a transaction may write.
pub const PRIVATE_WRITES_MAX: usize = 64;
/// Longest private key in bytes; the shortest has one.
pub const PRIVATE_KEY_BYTES_MAX: usize = 256;
/// Longest private value in bytes.
pub const PRIVATE_VALUE_BYTES_MAX: usize = 256 << 10;
/// Most bytes of keys and values in one transaction.
pub const PRIVATE_BYTES_MAX: usize = 1 << 20;
/// Furthest that `good_until_ms` may lie ahead of the log's time, ms: as long is remembered that a transaction was done.
pub const PRIVATE_WAIT_MAX_MS: u64 = 60 * 60 * 1_000;

/// Most items that a stored command may claim to have; what a transaction may have is checked with its other bounds.
const ITEMS_MAX: usize = 1 << 16;

const ABSENT: u8 = 0;
const IS: u8 = 1;

/// Names a value without holding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueDigest(pub [u8; 32]);

impl ValueDigest {
    /// The digest of a value: its SHA-256.
    pub fn of(value: &[u8]) -> Self {
        Self(Digest::sha256(value).bytes)
    }
}

/// What must be under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing, or a value that has expired.
    Absent,
    /// The value with this digest.
    Is(ValueDigest),
}

impl Expect {
    /// Whether that is so.
    pub fn holds(self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Expect::Absent, value) => value.is_none(),
            (Expect::Is(digest), value) => value.is_some_and(|value| ValueDigest::of(value) == digest),
        }
    }
}

/// What is to be under a key.
#[derive(Clone, PartialEq, Eq)]
pub enum PrivateWrite {
    /// Nothing.
    Delete,
    /// A value.
    Put {
        /// Its bytes.
        value: Vec<u8>,
        /// From this log time on, ms since 1970, it counts as absent; `None`: it stays.
        expires_at_ms: Option<u64>,
    },
}

/// Values are secrets: what is printed says their length only.
impl fmt::Debug for PrivateWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrivateWrite::Delete => f.write_str("Delete"),
            PrivateWrite::Put { value, expires_at_ms } => {
                write!(f, "Put({} bytes, until {expires_at_ms:?})", value.len())
            }
        }
    }
}

/// A change of the private state that is made as a whole, once, and only if everything that it expects is so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Drawn at random, one for each transaction. One that was done under this id is done already when it comes again, so whoever
    /// did not hear the answer may send it again.
    pub id: [u8; 16],
    /// The last log time, ms since 1970, at which it may be done: as long the id is remembered. After it nobody can tell a
    /// repetition from a first time, so it is not done any more.
    pub good_until_ms: u64,
    /// What must be there, by key.
    pub expects: BTreeMap<Vec<u8>, Expect>,
    /// What is to be there then, by key.
    pub writes: BTreeMap<Vec<u8>, PrivateWrite>,
}

/// Why a transaction is none: a fault of the code that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionFault {
    /// More than [`PRIVATE_EXPECTS_MAX`].
    #[error("it expects values of more than {PRIVATE_EXPECTS_MAX} keys")]
    TooManyExpects,
    /// More than [`PRIVATE_WRITES_MAX`].
    #[error("it writes more than {PRIVATE_WRITES_MAX} keys")]
    TooManyWrites,
    /// Empty, or longer than [`PRIVATE_KEY_BYTES_MAX`].
    #[error("a key is empty or longer than {PRIVATE_KEY_BYTES_MAX} bytes")]
    KeyLength,
    /// Longer than [`PRIVATE_VALUE_BYTES_MAX`].
    #[error("a value is longer than {PRIVATE_VALUE_BYTES_MAX} bytes")]
    ValueTooLong,
    /// More than [`PRIVATE_BYTES_MAX`] in all.
    #[error("keys and values are longer than {PRIVATE_BYTES_MAX} bytes together")]
    TooManyBytes,
    /// Good for longer than [`PRIVATE_WAIT_MAX_MS`] from the log's time on.
    #[error(
        "it is good for more than {PRIVATE_WAIT_MAX_MS} ms from the log's time on; are the nodes' clocks apart?"
    )]
    GoodForTooLong,
}

impl Transaction {
    /// Checks the bounds that do not depend on the log's time.
    ///
    /// # Errors
    /// The first bound that it breaks.
    pub fn check(&self) -> Result<(), TransactionFault> {
        if self.expects.len() > PRIVATE_EXPECTS_MAX {
            return Err(TransactionFault::TooManyExpects);
        }
        if self.writes.len() > PRIVATE_WRITES_MAX {
            return Err(TransactionFault::TooManyWrites);
        }
        if self.expects.keys().chain(self.writes.keys()).any(|key| !key_fits(key)) {
            return Err(TransactionFault::KeyLength);
        }
        let values = || {
            self.writes.values().map(|write| match write {
                PrivateWrite::Delete => 0,
                PrivateWrite::Put { value, .. } => value.len(),
            })
        };
        if values().any(|len| len > PRIVATE_VALUE_BYTES_MAX) {
            return Err(TransactionFault::ValueTooLong);
        }
        let keys = self.expects.keys().chain(self.writes.keys()).map(Vec::len);
        if keys.chain(values()).sum::<usize>() > PRIVATE_BYTES_MAX {
            return Err(TransactionFault::TooManyBytes);
        }
        Ok(())
    }

    pub(crate) fn write_to(&self, e: &mut Encoder) {
        e.fixed(&self.id).integer(self.good_until_ms).integer(self.expects.len() as u64);
        for (key, expect) in &self.expects {
            e.bytes(key);
            match expect {
                Expect::Absent => e.byte(ABSENT),
                Expect::Is(digest) => e.byte(IS).fixed(&digest.0),
            };
        }
        e.integer(self.writes.len() as u64);
        for (key, write) in &self.writes {
            e.bytes(key);
            let value = match write {
                PrivateWrite::Delete => None,
                PrivateWrite::Put { value, expires_at_ms } => Some((value, *expires_at_ms)),
            };
            e.optional(value, |e, (value, expires_at_ms)| {
                e.bytes(value).optional(expires_at_ms, |e, end| {
                    e.integer(end);
                });
            });
        }
    }

    pub(crate) fn read_from(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (id, good_until_ms) = (d.fixed()?, d.integer()?);
        let expects = ascending(d, |d| match d.byte()? {
            ABSENT => Ok(Expect::Absent),
            IS => Ok(Expect::Is(ValueDigest(d.fixed()?))),
            _ => Err(DecodeError::Invalid("expectation")),
        })?;
        let writes = ascending(d, |d| {
            let put = d.optional(|d| Ok((d.bytes()?.to_vec(), d.optional(Decoder::integer)?)))?;
            Ok(put.map_or(PrivateWrite::Delete, |(value, expires_at_ms)| PrivateWrite::Put {
                value,
                expires_at_ms,
            }))
        })?;
        Ok(Self { id, good_until_ms, expects, writes })
    }
}

fn key_fits(key: &[u8]) -> bool {
    (1..=PRIVATE_KEY_BYTES_MAX).contains(&key.len())
}

/// Keys in ascending order, each once: a transaction has one spelling.
fn ascending<T>(
    d: &mut Decoder<'_>,
    read: impl Fn(&mut Decoder<'_>) -> Result<T, DecodeError>,
) -> Result<BTreeMap<Vec<u8>, T>, DecodeError> {
    let mut map = BTreeMap::new();
    for _ in 0..d.count(ITEMS_MAX)? {
        let key = d.bytes()?.to_vec();
        if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(DecodeError::Invalid("order of private keys"));
        }
        let value = read(d)?;
        map.insert(key, value);
    }
    Ok(map)
}
