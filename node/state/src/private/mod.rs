//! Private state: replicated through Raft, in snapshots and backups, never in the log.
//!
//! It holds what a node must know and the public must not: hashes of API keys and refresh tokens, webhook secrets, answers kept
//! for repeated requests. Nothing public depends on it, and a replay of the entries needs none of it.
//!
//! A [`Transaction`] changes it: it says what must be there, and what is to be there then. Values may expire, by the log's time. And a
//! record may bring a [`Note`], which is kept if the record is logged.

mod note;
mod transact;
mod transaction;
mod value;

pub use note::Note;
pub use transact::{PRIVATE_SWEEP_MAX, Transacted};
pub(crate) use transact::{keep, transact};
pub use transaction::{
    Expect, PRIVATE_BYTES_MAX, PRIVATE_EXPECTS_MAX, PRIVATE_KEY_BYTES_MAX, PRIVATE_VALUE_BYTES_MAX,
    PRIVATE_WAIT_MAX_MS, PRIVATE_WRITES_MAX, PrivateWrite, Transaction, TransactionFault, ValueDigest,
};
pub(crate) use value::PrivateValue;

use crate::keys;
use crate::status::log_ms;
use crate::values::Value as _;
use crate::view::View;

/// The value under a private key, unless it has expired by the log's time.
pub fn private(view: &(impl View + ?Sized), key: &[u8]) -> Option<Vec<u8>> {
    let value = PrivateValue::decode(&view.get(&keys::private(key))?).ok()?;
    value.live(log_ms(view)).then_some(value.bytes)
}

/// Reads a stored pair of the private state, as a scan finds it: its key and its value; `None` when it is no such pair or has
/// expired at `log_ms`.
pub fn private_pair(key: &[u8], value: &[u8], log_ms: u64) -> Option<(Vec<u8>, Vec<u8>)> {
    let key = key.strip_prefix(&[keys::PRIVATE_KEY_PREFIX])?;
    let value = PrivateValue::decode(value).ok()?;
    value.live(log_ms).then(|| (key.to_vec(), value.bytes))
}

/// When the next private value or mark expires, ms since 1970: from then on a transaction, and be it an empty one, clears it away.
pub fn private_due(view: &(impl View + ?Sized)) -> Option<u64> {
    let first = view.next_key(&keys::private_due_from(0), &keys::private_due_from(u64::MAX))?;
    keys::private_due_ms(&first)
}
