//! What a replay leaves behind, so that the next one begins where it ended.
//!
//! ```text
//! maip-replay-state/1 <version of this software>\n
//! <origin>\n
//! <entries> <state.root entries among them> <values>\n
//! the leaf hash of each entry, 32 bytes
//! each value of the state: two lengths (u32, big-endian), key, value
//! SHA-256 of all of it, 32 bytes
//! ```
//!
//! It is the replayer's own memory and nobody's proof: whoever takes somebody else's believes that one. That its entries are those of the
//! log is checked each time; the digest is against disks, not against people.

use ledger_format::{Hash, record::Digest};
use ledger_state::MemoryState;

use super::Replayed;

const MAGIC: &str = "maip-replay-state/1";
/// Another version may write the state in other bytes.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const HASH_BYTES: usize = 32;

/// A replay that was kept.
#[derive(Debug)]
pub struct Kept {
    pub(super) origin: String,
    pub(super) state: MemoryState,
    pub(super) state_roots: u64,
}

/// Why a file is not what an earlier replay kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// Something else, or another version's.
    #[error("it is not what this version ({VERSION}) keeps of a replay")]
    Form,
    /// Cut off or changed.
    #[error("it is damaged: its digest is another")]
    Damaged,
}

impl Kept {
    /// Reads what [`Replayed::keep`] wrote.
    ///
    /// # Errors
    /// When it is something else, or damaged.
    pub fn parse(bytes: &[u8]) -> Result<Kept, KeptError> {
        if !bytes.starts_with(format!("{MAGIC} {VERSION}\n").as_bytes()) {
            return Err(KeptError::Form);
        }
        let content = bytes.len().checked_sub(HASH_BYTES).ok_or(KeptError::Damaged)?;
        let (content, digest) = bytes.split_at(content);
        if Digest::sha256(content).bytes[..] != *digest {
            return Err(KeptError::Damaged);
        }
        let mut rest = Rest(content);
        rest.line()?;
        let origin = rest.line()?.to_owned();
        let numbers = rest.line()?.split(' ').map(number).collect::<Option<Vec<_>>>();
        let [entries, state_roots, values] = numbers.unwrap_or_default()[..] else {
            return Err(KeptError::Form);
        };
        let leaves = (0..entries).map(|_| rest.hash()).collect::<Result<Vec<_>, _>>()?;
        let values = (0..values).map(|_| rest.pair()).collect::<Result<Vec<_>, _>>()?;
        if !rest.0.is_empty() || !values.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(KeptError::Form);
        }
        let state = MemoryState::from_parts(values, leaves);
        // The state says how far the replay came, and the leaves are what is compared with the log: one may not stand without the other.
        if ledger_state::size(&state) != entries {
            return Err(KeptError::Form);
        }
        Ok(Kept { origin, state, state_roots })
    }

    /// How many entries were replayed.
    pub fn size(&self) -> u64 {
        self.state.leaves().len() as u64
    }
}

/// A number in the one spelling in which it is kept.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// What is left to read. Nothing is reserved by a number that it states.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], KeptError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(KeptError::Form)?;
        self.0 = rest;
        Ok(taken)
    }

    fn line(&mut self) -> Result<&'a str, KeptError> {
        let end = self.0.iter().position(|byte| *byte == b'\n').ok_or(KeptError::Form)?;
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| KeptError::Form)
    }

    fn hash(&mut self) -> Result<Hash, KeptError> {
        Ok(Hash(self.take(HASH_BYTES)?.try_into().map_err(|_| KeptError::Form)?))
    }

    fn length(&mut self) -> Result<usize, KeptError> {
        let bytes = self.take(4)?.try_into().map_err(|_| KeptError::Form)?;
        Ok(u32::from_be_bytes(bytes) as usize)
    }

    fn pair(&mut self) -> Result<(Vec<u8>, Vec<u8>), KeptError> {
        let (key, value) = (self.length()?, self.length()?);
        Ok((self.take(key)?.to_vec(), self.take(value)?.to_vec()))
    }
}

impl Replayed {
    /// What the next replay can begin with ([`super::replay_since`]).
    pub fn keep(&self) -> Vec<u8> {
        let (leaves, values) = (self.state.leaves(), self.state.values());
        let (origin, roots) = (&self.checkpoint.origin, self.state_roots);
        let mut bytes =
            format!("{MAGIC} {VERSION}\n{origin}\n{} {roots} {}\n", leaves.len(), values.len()).into_bytes();
        leaves.iter().for_each(|leaf| bytes.extend_from_slice(&leaf.0));
        for (key, value) in values {
            for part in [key, value] {
                // Keys and values are far below 4 GiB: they come from entries of 64 KiB.
                bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            }
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(value);
        }
        let digest = Digest::sha256(&bytes);
        bytes.extend_from_slice(&digest.bytes);
        bytes
    }
}
