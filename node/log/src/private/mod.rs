//! Private state: what nodes keep together and the log does not say. Changed by the node's own code only; no call of a client
//! reaches it as it is.
//!
//! [`HostedLog::transact`] works on every node: a follower hands the transaction to the leader. When an answer is lost (the leader
//! died, a link broke), the same transaction is sent again. That is safe: it carries an id, and as long as it may still be
//! done, every replica remembers under the id that it was. So it is done at most once, and the second sending hears `Done`. What
//! was not done leaves nothing behind, and is judged anew.
//!
//! [`HostedLog::transact`]: crate::HostedLog::transact

mod change;
mod sweep;
mod transact;

pub use change::{Change, TransactOutcome};
pub(crate) use sweep::run;
pub(crate) use transact::room;

use ledger_state::{keys, log_ms, private_pair};
use ledger_store::Space;

use crate::{
    ledger::LedgerError,
    reader::{ReadError, Reader},
};

/// Most values that one [`Reader::private_range`] gives.
pub const PRIVATE_RANGE_MAX: usize = 1_000;
/// No further value is read when those found hold this many bytes.
const RANGE_BYTES_MAX: usize = 4 << 20;
/// Values read from the engine at once.
const AT_ONCE: usize = 16;

/// Private values in the order of their keys.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateRange {
    /// Keys and values.
    pub pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether there may be more behind the last one.
    pub more: bool,
}

impl Reader {
    /// The private value under a key, as this node has applied it; `None` when there is none or its time is over, by the
    /// log's time.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn private(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.core.ledger.with_view(|view| ledger_state::private(view, key))?)
    }

    /// Private values whose keys begin with `prefix` and are behind `after`: at most `limit` of them and at most
    /// [`PRIVATE_RANGE_MAX`], fewer when they are large.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn private_range(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<PrivateRange, ReadError> {
        let ledger = &self.core.ledger;
        let limit = limit.min(PRIVATE_RANGE_MAX);
        let log_ms = ledger.with_view(|view| log_ms(view))?;
        let prefix = keys::private(prefix);
        let end = behind_prefix(&prefix);
        let mut from = match after {
            Some(after) => prefix.clone().max([keys::private(after).as_slice(), &[0]].concat()),
            None => prefix,
        };
        let mut found = PrivateRange { pairs: Vec::new(), more: false };
        let mut bytes = 0;
        loop {
            let some =
                ledger.engine().scan(Space::State, &from, Some(&end), AT_ONCE).map_err(LedgerError::from)?;
            let Some((last, _)) = some.last() else { return Ok(found) };
            from = [last.as_slice(), &[0]].concat();
            for (key, value) in &some {
                let Some((key, value)) = private_pair(key, value, log_ms) else { continue };
                if found.pairs.len() >= limit || bytes >= RANGE_BYTES_MAX {
                    found.more = true;
                    return Ok(found);
                }
                bytes += key.len() + value.len();
                found.pairs.push((key, value));
            }
        }
    }
}

/// The first key behind all that begin with `prefix`. Private keys begin with a byte that is not the last one, so there is one.
fn behind_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_behind_it() {
        for (prefix, want) in [(&b"za"[..], &b"zb"[..]), (b"z", b"{"), (b"z\xff\xff", b"{")] {
            assert_eq!(behind_prefix(prefix), want);
        }
    }
}
