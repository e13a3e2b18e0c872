//! Following a log and trusting nothing of it.
//!
//! ```text
//!   checkpoint ---> contradicts the head?  ---yes---> evidence
//!       |no
//!   new entries --> re-hash --> replay     ---bad---> evidence, if the log committed to it
//!       |good
//!   root equal? --- no --> do the tiles contradict the head? evidence : damaged
//!       |yes
//!   witnesses enough? --- no --> wait
//!       |yes
//!   new head, written atomically
//! ```
//!
//! The monitor holds the log to three promises: it only adds (each checkpoint against the head), it publishes what it
//! signs (every entry re-hashed up to the root), and it keeps its own rules (every entry replayed by the state machine,
//! signatures included). Memory: about 300 bytes an entry for the replayed state.

mod catch;
mod mirror;
mod outcome;

use std::path::Path;

use ledger_format::{Checkpoint, Note, Policy, PolicyFailure, TILE_WIDTH, leaf_hash, record::RecordError};
use ledger_state::{ReplayError, ReplayFault, Replayer};

use crate::source::{
    BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX, Source, SourceError, bundles, read_bundle, split_bundle,
};

pub use catch::Caught;
pub use mirror::{Mirror, MirrorError};
pub use outcome::{Look, Trouble};

/// How many bundles are fetched before their entries are checked.
const BUNDLES_AHEAD: usize = 16;

/// A checkpoint that a log of the policy signed.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    note: Note,
    checkpoint: Checkpoint,
}

/// One log, followed.
#[derive(Debug)]
pub struct Monitor<S> {
    source: S,
    policy: Policy,
    mirror: Mirror,
    replayer: Replayer,
    head: Option<Head>,
}

impl<S: Source> Monitor<S> {
    /// Takes up where the last run ended: re-hashes and replays its own copy first. `progress` is told how many of how
    /// many entries are done.
    ///
    /// # Errors
    /// [`Trouble::Memory`] when the directory is not what the monitor left.
    pub fn open(
        source: S,
        policy: Policy,
        state: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, Trouble> {
        let mirror = Mirror::open(state)?;
        let mut monitor = Self { source, policy, mirror, replayer: Replayer::new(), head: None };
        monitor.recall(progress).map_err(|e| match e {
            Trouble::Memory(_) => e,
            other => Trouble::Memory(format!("{other}; remove {} to start over", state.display())),
        })?;
        Ok(monitor)
    }

    /// Size of the head.
    pub fn size(&self) -> u64 {
        self.head.as_ref().map_or(0, |h| h.checkpoint.size)
    }

    /// The head as it is kept, if there is one.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.head.as_ref().map(|h| &h.checkpoint)
    }

    fn recall(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Trouble> {
        let own = self.mirror.source();
        let bytes = match own.fetch("checkpoint", CHECKPOINT_BYTES_MAX) {
            Err(SourceError::Missing { .. }) => return Ok(()),
            other => other?,
        };
        let head = signed_by_log(&self.policy, &bytes).map_err(Trouble::NotTheLogs)?;
        let size = head.checkpoint.size;
        for id in bundles(0, size) {
            let entries = split_bundle(id, &read_bundle(&own, id)?)?;
            for entry in &entries {
                self.take(entry, true).map_err(|e| Trouble::Memory(e.to_string()))?;
            }
            progress(self.mirror.size(), size);
        }
        if self.mirror.root() != head.checkpoint.root {
            return Err(Trouble::Damaged("its entries do not give the root of its checkpoint".into()));
        }
        self.mirror.adopt();
        self.head = Some(head);
        Ok(())
    }

    /// Looks once: takes the log's checkpoint and checks everything up to it.
    ///
    /// # Errors
    /// After [`Trouble::Caught`], [`Trouble::Damaged`] or [`Trouble::Memory`] the monitor must be dropped.
    pub fn look(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<Look, Trouble> {
        let bytes = self.source.fetch("checkpoint", CHECKPOINT_BYTES_MAX)?;
        let new = signed_by_log(&self.policy, &bytes).map_err(Trouble::NotTheLogs)?;
        if let Some(head) = &self.head {
            if head.checkpoint.origin != new.checkpoint.origin {
                return Err(Trouble::NotTheLogs(format!(
                    "the directory remembers {}, this is {}",
                    head.checkpoint.origin, new.checkpoint.origin
                )));
            }
            if new.checkpoint.size <= head.checkpoint.size {
                return self.look_back(new);
            }
        }
        if let Err(failure) = self.policy.check(&new.note) {
            return self.unwitnessed(&new, &failure);
        }
        if new.checkpoint.size < self.mirror.size() {
            // A look that broke off has read further already; the next larger checkpoint decides about all of it.
            return Ok(Look::Unchanged { size: self.size() });
        }
        let from = self.size();
        self.read_entries(&new, progress)?;
        if self.mirror.root() != new.checkpoint.root {
            return Err(self.explain_root(&new));
        }
        self.mirror.commit(&new.note.to_bytes())?;
        let to = new.checkpoint.size;
        self.head = Some(new);
        Ok(Look::Advanced { from, to })
    }

    /// A checkpoint no larger than the head must be a prefix of it.
    fn look_back(&mut self, new: Head) -> Result<Look, Trouble> {
        let head = self.head.as_ref().expect("compared with it");
        if let Some(caught) = catch::older(head, &new, &self.mirror)? {
            return Err(self.convict(caught));
        }
        let (size, of_head) = (new.checkpoint.size, head.checkpoint.size);
        if size < of_head {
            return Ok(Look::Older { size, head: of_head });
        }
        // The same tree with other, perhaps fresher, cosignatures.
        if new.note != head.note && self.policy.check(&new.note).is_ok() {
            self.mirror.commit(&new.note.to_bytes())?;
            self.head = Some(new);
        }
        Ok(Look::Unchanged { size })
    }

    /// Too few witnesses: the head stays, but a contradiction is a contradiction.
    fn unwitnessed(&self, new: &Head, failure: &PolicyFailure) -> Result<Look, Trouble> {
        if let Some(head) = &self.head
            && let Some(caught) = catch::newer(head, new, &self.source)
        {
            return Err(self.convict(caught));
        }
        Ok(Look::Unwitnessed { size: new.checkpoint.size, reason: failure.to_string() })
    }

    fn read_entries(&mut self, new: &Head, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Trouble> {
        let (from, to) = (self.mirror.size(), new.checkpoint.size);
        let ids: Vec<_> = bundles(from, to).collect();
        for chunk in ids.chunks(BUNDLES_AHEAD) {
            let paths: Vec<_> = chunk.iter().map(|id| id.path()).collect();
            let answers = self.source.fetch_many(&paths, BUNDLE_BYTES_MAX);
            for (&id, answer) in chunk.iter().zip(answers) {
                let bytes = match answer {
                    // The log may have grown past a partial bundle meanwhile.
                    Err(SourceError::Missing { .. }) => read_bundle(&self.source, id)?,
                    other => other?,
                };
                let first = id.index * TILE_WIDTH;
                for (index, entry) in (first..).zip(split_bundle(id, &bytes)?) {
                    // The first bundle begins with entries that are known.
                    if index >= self.mirror.size() {
                        self.take(&entry, false).map_err(|e| self.explain_entry(new, &entry, e))?;
                    }
                }
                progress(self.mirror.size().saturating_sub(from), to - from);
            }
        }
        Ok(())
    }

    /// Replays and keeps one entry.
    fn take(&mut self, entry: &[u8], known: bool) -> Result<(), Taken> {
        let index = self.mirror.size();
        self.replayer.push(index, entry)?;
        self.mirror.push(entry, leaf_hash(entry), known)?;
        Ok(())
    }

    /// An entry does not replay: did the log commit to it, or was it changed on the way?
    fn explain_entry(&self, new: &Head, entry: &[u8], error: Taken) -> Trouble {
        let error = match error {
            Taken::Mirror(error) => return error.into(),
            Taken::Replay(error) => error,
        };
        match &error.fault {
            ReplayFault::Record(
                e @ (RecordError::UnknownType { .. } | RecordError::UnsupportedVersion { .. }),
            ) => {
                return Trouble::TooNew { index: error.index, reason: e.to_string() };
            }
            ReplayFault::Damaged(alarm) => return Trouble::Memory(alarm.to_string()),
            _ => {}
        }
        match catch::entry(new, error.index, entry, &self.source, &error) {
            Some(caught) => self.convict(caught),
            None => self.explain_root(new),
        }
    }

    /// The entries do not give the signed root: has the log changed its past, or is a file wrong?
    fn explain_root(&self, new: &Head) -> Trouble {
        if let Some(head) = &self.head
            && let Some(caught) = catch::newer(head, new, &self.source)
        {
            return self.convict(caught);
        }
        Trouble::Damaged(catch::first_damage(new, &self.source, self.size()))
    }

    fn convict(&self, mut caught: Caught) -> Trouble {
        match self.mirror.keep(&caught.name, &caught.file) {
            Ok(path) => {
                caught.path = path;
                Trouble::Caught(Box::new(caught))
            }
            Err(error) => {
                Trouble::Memory(format!("{}, but the evidence is not saved: {error}", caught.words))
            }
        }
    }
}

/// Why an entry was not taken.
#[derive(Debug, thiserror::Error)]
enum Taken {
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Mirror(#[from] MirrorError),
}

/// Parses a checkpoint that a log of the policy has signed, whoever else has.
fn signed_by_log(policy: &Policy, bytes: &[u8]) -> Result<Head, String> {
    let note = Note::parse(bytes).map_err(|e| e.to_string())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| e.to_string())?;
    let logs: Vec<_> = policy.logs().iter().filter(|l| l.vkey.name() == checkpoint.origin).collect();
    if logs.is_empty() {
        return Err(format!("the policy lists no log {:?}", checkpoint.origin));
    }
    let signed = logs
        .iter()
        .any(|log| note.signatures().iter().any(|line| log.vkey.verify(note.text(), line).is_ok()));
    if !signed {
        return Err(format!("it is not signed by {:?}", checkpoint.origin));
    }
    Ok(Head { note, checkpoint })
}
