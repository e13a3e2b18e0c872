//! Replay: the state of a log from its published entries alone, and answers from it.
//!
//! ```text
//!   checkpoint ---> signed, witnessed? ---> entries ---> form, rules, state.root ---> root equal? ---> questions
//!                                                              └--> signatures, on all cores --> all good? --┘
//! ```
//!
//! Whoever replays needs nobody's word: every answer follows from entries that the log has signed. Memory: about 300 bytes an entry.
//!
//! Whoever has replayed up to one checkpoint replays only what lies between it and the next one ([`replay_since`]).

mod answers;
mod claim;
#[cfg(test)]
mod damaged;
mod decision;
mod difference;
mod kept;
mod signatures;
mod trust;
mod watch;

use ledger_format::{
    BundleId, Checkpoint, Hash, Note, Policy, TILE_WIDTH, TileHashReader, prove_subtree, verify_subtree,
};
use ledger_state::{MemoryState, ReplayError, Replayer, StepError};

pub use answers::Question;
pub use claim::{CLAIM_BYTES_MAX, Claim, ClaimError, Compared};
pub use decision::{DecisionWatch, Explained, FiredRule};
pub use kept::{Kept, KeptError};
pub use trust::{ClosingScore, Contribution, Standing, TRUST_ROWS_MAX, TrustWatch};
pub use watch::Watcher;

use difference::first_difference;
use signatures::Signatures;
use watch::Watched;

use crate::source::{
    BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX, Source, SourceError, Tiles, bundles, read_bundle, split_bundle,
};

/// How many bundles are fetched before their entries are replayed.
const BUNDLES_AHEAD: usize = 16;

/// Why a log could not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayTrouble {
    /// A file could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The checkpoint is not one that the policy accepts.
    #[error("the checkpoint is not accepted: {0}")]
    Checkpoint(String),
    /// More entries were asked for than the checkpoint covers.
    #[error("the checkpoint covers {size} entries, not {wanted}")]
    TooFar {
        /// Entries covered.
        size: u64,
        /// Entries asked for.
        wanted: u64,
    },
    /// An entry is not what an honest log would hold, or was changed on the way: the first one that is wrong.
    #[error(transparent)]
    Entry(#[from] ReplayError),
    /// An entry is not the one that the log signed: the copy is wrong, whatever the log did.
    #[error("entry {index} at {place} is not the one that the log signed: the copy was changed there")]
    Changed {
        /// The first entry that differs.
        index: u64,
        /// The directory or URL.
        place: String,
    },
    /// The replay that was kept is of another log, or goes further than was asked for.
    #[error("the replay that was kept is of {origin} and has {size} entries")]
    OtherKept {
        /// Its log.
        origin: String,
        /// How many entries it has.
        size: u64,
    },
    /// What the log signs now does not begin with what was replayed before.
    #[error("the tree that the log signed does not begin with the {size} entries that were replayed before")]
    NotSince {
        /// How many they were.
        size: u64,
    },
    /// The entries are not those of the signed tree.
    #[error("the first {size} entries give another root than the tree that the log signed")]
    OtherRoot {
        /// Entries replayed.
        size: u64,
    },
    /// The tiles do not show that the entries begin the signed tree.
    #[error("the tiles do not connect the first {size} entries with the signed tree: {reason}")]
    Tiles {
        /// Entries replayed.
        size: u64,
        /// What is wrong with them.
        reason: String,
    },
}

/// A log, replayed up to some size.
#[derive(Debug)]
pub struct Replayed {
    checkpoint: Checkpoint,
    state: MemoryState,
    state_roots: u64,
}

/// Replays the first `to` entries of a log, or all that its checkpoint covers. `progress` is told how many of how many are done.
///
/// # Errors
/// The first thing that is wrong; of entries, the first wrong one is named.
pub fn replay<S: Source>(
    source: &S,
    policy: &Policy,
    to: Option<u64>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Replayed, ReplayTrouble> {
    replay_watched(source, policy, to, &mut (), progress)
}

/// As [`replay`], with somebody looking on.
///
/// # Errors
/// As [`replay`]; what the watcher has seen is worth nothing then.
pub fn replay_watched<S: Source>(
    source: &S,
    policy: &Policy,
    to: Option<u64>,
    watcher: &mut dyn Watcher,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Replayed, ReplayTrouble> {
    replay_since(source, policy, None, to, watcher, progress)
}

/// As [`replay_watched`], but goes on where an earlier replay ended: only later entries are read, and watched. That the log still begins
/// with the entries of that replay is checked first.
///
/// # Errors
/// As [`replay`], and when what was kept does not fit.
pub fn replay_since<S: Source>(
    source: &S,
    policy: &Policy,
    since: Option<Kept>,
    to: Option<u64>,
    watcher: &mut dyn Watcher,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Replayed, ReplayTrouble> {
    let checkpoint = signed_checkpoint(source, policy)?;
    let size = to.unwrap_or(checkpoint.size);
    if size > checkpoint.size {
        return Err(ReplayTrouble::TooFar { size: checkpoint.size, wanted: size });
    }
    let (state, state_roots) = match since {
        None => (MemoryState::new(), 0),
        Some(kept) => (begins_with(source, &checkpoint, size, &kept).map(|()| kept.state)?, kept.state_roots),
    };
    let replayer = Replayer::resume(Watched { state, watcher });
    let mut run = Run { replayer, signatures: Signatures::start(), state_roots };
    let read = run.read(source, &checkpoint, size, progress);
    let Run { replayer, signatures, state_roots } = run;
    // A wrong signature is of an entry before whatever ended the reading.
    let replayed = signatures.finish().map_err(ReplayTrouble::Entry).and(read);
    let root = replayer.root();
    let state = replayer.into_state().state;
    replayed
        .and_then(|()| belongs(source, &checkpoint, size, root))
        .map_err(|trouble| locate(source, &checkpoint, &state, trouble))?;
    Ok(Replayed { checkpoint, state, state_roots })
}

/// Whether what was kept is of this log, and no further than is asked for.
fn begins_with<S: Source>(
    source: &S,
    checkpoint: &Checkpoint,
    to: u64,
    kept: &Kept,
) -> Result<(), ReplayTrouble> {
    let size = kept.size();
    if kept.origin != checkpoint.origin || size > to {
        return Err(ReplayTrouble::OtherKept { origin: kept.origin.clone(), size });
    }
    let root = ledger_state::status(&kept.state).root;
    belongs(source, checkpoint, size, root).map_err(|trouble| match trouble {
        ReplayTrouble::OtherRoot { size } => ReplayTrouble::NotSince { size },
        other => other,
    })
}

fn signed_checkpoint<S: Source>(source: &S, policy: &Policy) -> Result<Checkpoint, ReplayTrouble> {
    let bytes = source.fetch("checkpoint", CHECKPOINT_BYTES_MAX)?;
    let refuse = |reason: String| ReplayTrouble::Checkpoint(reason);
    let note = Note::parse(&bytes).map_err(|e| refuse(e.to_string()))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| refuse(e.to_string()))?;
    policy.check(&note).map_err(|e| refuse(e.to_string()))?;
    Ok(checkpoint)
}

/// A replay under way.
struct Run<'w> {
    replayer: Replayer<Watched<'w>>,
    signatures: Signatures,
    /// `state.root` entries that were computed again, and equal.
    state_roots: u64,
}

impl Run<'_> {
    /// Reads and replays, up to the first entry that is wrong in itself.
    fn read<S: Source>(
        &mut self,
        source: &S,
        checkpoint: &Checkpoint,
        size: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ReplayTrouble> {
        let known = self.replayer.size();
        let ids: Vec<_> = bundles(known, checkpoint.size)
            .take_while(|id| id.index * TILE_WIDTH < size && known < size)
            .collect();
        for chunk in ids.chunks(BUNDLES_AHEAD) {
            let paths: Vec<_> = chunk.iter().map(|id| id.path()).collect();
            for (&id, answer) in chunk.iter().zip(source.fetch_many(&paths, BUNDLE_BYTES_MAX)) {
                let bytes = match answer {
                    // The log may have grown past a partial bundle meanwhile.
                    Err(SourceError::Missing { .. }) => read_bundle(source, id)?,
                    other => other?,
                };
                self.bundle(id, &bytes, size)?;
                if self.signatures.is_any_wrong() {
                    return Ok(());
                }
                progress((id.index * TILE_WIDTH + u64::from(id.width)).min(size), size);
            }
        }
        Ok(())
    }

    fn bundle(&mut self, id: BundleId, bytes: &[u8], size: u64) -> Result<(), ReplayTrouble> {
        let known = self.replayer.size();
        for (index, entry) in (id.index * TILE_WIDTH..size).zip(split_bundle(id, bytes)?) {
            if index < known {
                continue;
            }
            match self.replayer.step_unsigned(index, &entry).map_err(never_stored)?.signature {
                Some(job) => self.signatures.push(job),
                None => self.state_roots += 1,
            }
        }
        Ok(())
    }
}

/// Memory always stores.
fn never_stored(error: StepError<std::convert::Infallible>) -> ReplayError {
    match error {
        StepError::Replay(error) => error,
        StepError::Store(never) => match never {},
    }
}

/// If entries before the trouble, or the one in trouble, are others than the log signed, the copy is at fault and the first of them is
/// the first wrong entry.
fn locate<S: Source>(
    source: &S,
    signed: &Checkpoint,
    state: &MemoryState,
    trouble: ReplayTrouble,
) -> ReplayTrouble {
    let known = state.leaves().len() as u64;
    let before = match &trouble {
        ReplayTrouble::Entry(error) => known.min(error.index),
        ReplayTrouble::OtherRoot { size } => known.min(*size),
        _ => return trouble,
    };
    match first_difference(source, signed, state, before) {
        Some(index) => ReplayTrouble::Changed { index, place: source.place() },
        None => trouble,
    }
}

/// Whether `root` is that of the first `size` leaves of the signed tree.
fn belongs<S: Source>(
    source: &S,
    checkpoint: &Checkpoint,
    size: u64,
    root: Hash,
) -> Result<(), ReplayTrouble> {
    if size == checkpoint.size || size == 0 {
        let equal = size == 0 || root == checkpoint.root;
        return if equal { Ok(()) } else { Err(ReplayTrouble::OtherRoot { size }) };
    }
    let tiles = Tiles(source);
    let reader = TileHashReader::new(&tiles, checkpoint.size);
    let hashes = prove_subtree(&reader, 0, size, checkpoint.size)
        .map_err(|e| ReplayTrouble::Tiles { size, reason: e.to_string() })?;
    verify_subtree(0, size, checkpoint.size, &hashes, root, checkpoint.root)
        .map_err(|_| ReplayTrouble::OtherRoot { size })
}

impl Replayed {
    /// The checkpoint under which everything was checked.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The state after the last entry.
    pub fn state(&self) -> &MemoryState {
        &self.state
    }

    /// How many `state.root` entries were computed again. Each was equal: else there is no `Replayed`.
    pub fn state_roots(&self) -> u64 {
        self.state_roots
    }

    /// Up to which size the last of them seals every status; 0 without any.
    pub fn sealed_size(&self) -> u64 {
        ledger_state::map_status(&self.state).newest.map_or(0, |map| map.as_of_size)
    }

    /// Entries replayed.
    pub fn size(&self) -> u64 {
        ledger_state::status(&self.state).size
    }

    /// The log's time in the last entry, ms since 1970.
    pub fn last_entry_ms(&self) -> u64 {
        ledger_state::status(&self.state).last_entry_ms
    }
}
