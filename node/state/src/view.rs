//! How the state machine sees the state before a command: the one door through which it reads.

use ledger_format::{Hash, HashReader};

use crate::applied::Alarm;
use crate::ending::Ending;
use crate::values::Value;

/// The state before a command. An implementation reads one consistent moment and changes nothing.
///
/// Storage can fail and this trait cannot say so: an implementation over a disk keeps the first failure for its owner,
/// answers `None`, and the owner throws the result of `apply` away.
pub trait View {
    /// The value under a key.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// The smallest key that has a value, `from <= key < to`. Per-record keys
    /// ([`crate::keys::is_per_record`]) are not found.
    fn next_key(&self, from: &[u8], to: &[u8]) -> Option<Vec<u8>>;

    /// The hash of the complete subtree of `2^level` leaves that starts at leaf `index << level`, for entries that are in
    /// the log before the command.
    fn subtree(&self, level: u8, index: u64) -> Option<Hash>;

    /// Hears that the command at hand ends agents, before the writes are worked out which say so. Nothing depends on it: whoever shows
    /// the state to others may let them know at once ([`crate::ended_early`]).
    fn ending(&self, _ending: &Ending) {}
}

impl<V: View + ?Sized> View for &V {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        (**self).get(key)
    }

    fn next_key(&self, from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
        (**self).next_key(from, to)
    }

    fn subtree(&self, level: u8, index: u64) -> Option<Hash> {
        (**self).subtree(level, index)
    }

    fn ending(&self, ending: &Ending) {
        (**self).ending(ending);
    }
}

/// Reads and decodes a value.
pub(crate) fn load<T: Value>(view: &(impl View + ?Sized), key: &[u8]) -> Result<Option<T>, Alarm> {
    let Some(bytes) = view.get(key) else { return Ok(None) };
    let corrupt =
        |e: crate::codec::DecodeError| Alarm::CorruptState { key: key.to_vec(), reason: e.to_string() };
    T::decode(&bytes).map(Some).map_err(corrupt)
}

/// The tree hashes of a view, for proofs and roots.
pub(crate) struct ViewHashes<'a, V: ?Sized>(pub(crate) &'a V);

impl<V: View + ?Sized> HashReader for ViewHashes<'_, V> {
    type Error = Alarm;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Alarm> {
        self.0.subtree(level, index).ok_or(Alarm::MissingSubtree { level, index })
    }
}
