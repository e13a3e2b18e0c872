//! The oracle: what must hold whatever happens, one file per invariant. It looks several times a simulated second, and at the
//! end once more at everything that the replicas hold.

mod acknowledged;
mod alarms;
mod deduplication;
mod linearizable;
mod liveness;
mod notes;
mod published;
mod replicas;
mod rot;
mod twins;
mod witnesses;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use ledger_format::{AddCheckpoint, Checkpoint, Hash};
use ledger_store::engine::Pair;

pub(super) use self::{
    linearizable::{Event, Op, Ret, Standing},
    twins::one_log,
};

/// A note that left its signer.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) by: u64,
    pub(super) size: u64,
    pub(super) root: Hash,
}

/// A cosignature that a witness gave away.
#[derive(Clone, Debug)]
pub(super) struct Cosigned {
    pub(super) witness: usize,
    pub(super) size: u64,
    pub(super) root: Hash,
    /// The size that it had stored when it gave it away.
    pub(super) stored: u64,
}

/// What a client was told.
#[derive(Clone, Debug)]
pub(super) struct Acknowledged {
    pub(super) record: Bytes,
    pub(super) index: u64,
    pub(super) leaf: Hash,
}

/// What a node served at some moment.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) node: u64,
    pub(super) life: u64,
    pub(super) size: u64,
    pub(super) root: Hash,
    /// Whether a stranger would accept the note under the policy.
    pub(super) valid: bool,
}

/// All that has been seen so far.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) signed: Vec<Signed>,
    pub(super) cosigned: Vec<Cosigned>,
    pub(super) acknowledged: Vec<Acknowledged>,
    pub(super) served: Vec<Served>,
    /// Fork alarms, by node.
    pub(super) fork_alarms: Vec<(u64, String)>,
    /// Place in `signed` at which the whole cluster was set back to a backup.
    pub(super) set_back_at: Option<usize>,
    /// What had been witnessed by then: the roots of the log at each size up to the largest that was.
    pub(super) witnessed_before: Vec<Hash>,
    /// Nodes on which a bit has flipped.
    pub(super) rotten: BTreeSet<u64>,
    /// Of these, those whose own disk contradicts the log from then on.
    pub(super) contradicting: BTreeSet<u64>,
    /// What was served, or kept without an alarm, although it had rotted.
    pub(super) wrong: Vec<String>,
    /// A witness has named a size that it never cosigned.
    pub(super) witness_lied: bool,
    /// A disk said that it had synced and had not: what a node acknowledged may be gone.
    pub(super) disk_lied: bool,
    /// Another cluster goes on from the same past, with the same key.
    pub(super) has_twin: bool,
    /// What was done to the keys of each agent, and what was read of them, in the order in which it happened.
    pub(super) registers: BTreeMap<u64, Vec<Event>>,
    /// What was judged before: the facts only grow.
    judged: Judged,
    /// After healing: whether a new record became a proof, or why not.
    pub(super) healed: Option<Result<(), String>>,
}

/// How many of the facts were judged.
#[derive(Clone, Copy, Default)]
struct Judged {
    signed: usize,
    cosigned: usize,
    served: usize,
}

/// What one replica holds at the end.
pub(super) struct Replica {
    pub(super) id: u64,
    pub(super) raft_index: u64,
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) state: Vec<Pair>,
}

/// Facts that grow. Clones are the same ones.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Facts>>);

impl Seen {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request to a witness has left a node.
    pub(super) fn signed(&self, by: u64, body: &[u8]) {
        let Ok(request) = AddCheckpoint::parse(body) else { return };
        let Ok(checkpoint) = Checkpoint::parse(request.note.text()) else { return };
        let mut facts = self.facts();
        let Checkpoint { size, root, .. } = checkpoint;
        if !facts.signed.iter().any(|known| known.by == by && known.size == size && known.root == root) {
            facts.signed.push(Signed { by, size, root });
        }
    }

    /// A witness has given a cosignature away.
    pub(super) fn cosigned(&self, witness: usize, checkpoint: &Checkpoint, stored: u64) {
        let Checkpoint { size, root, .. } = *checkpoint;
        self.facts().cosigned.push(Cosigned { witness, size, root, stored });
    }
}

/// A check of the facts, and of the replicas where there are some.
type Check = fn(&Facts, &[Replica]) -> Result<(), String>;

/// Every invariant.
const INVARIANTS: &[(&str, Check)] = &[
    ("all notes ever signed are consistent", notes::check),
    ("what was acknowledged is there, at its index", acknowledged::check),
    ("what is published never shrinks and satisfies the policy", published::check),
    ("replicas are equal byte for byte", replicas::check),
    ("a witness never signs two roots for a size, nor before it stored", witnesses::check),
    ("a record has one index", deduplication::check),
    ("a fork alarm means that entries are lost", alarms::check),
    ("what has rotted is not served, and is found", rot::check),
    ("fresh reads of keys and revocations are linearizable", linearizable::check),
    ("after healing a new record becomes a proof", liveness::check),
];

/// The first invariant that does not hold, with what is wrong.
pub(super) fn judge(seen: &Seen, replicas: &[Replica]) -> Result<(), String> {
    let mut facts = seen.facts();
    for (name, check) in INVARIANTS {
        check(&facts, replicas).map_err(|what| format!("{name}: {what}"))?;
    }
    facts.judged =
        Judged { signed: facts.signed.len(), cosigned: facts.cosigned.len(), served: facts.served.len() };
    Ok(())
}

impl Facts {
    /// Whether what was acknowledged may be gone, through no fault of the cluster's.
    fn may_have_lost(&self) -> bool {
        self.set_back_at.is_some() || self.disk_lied
    }

    /// The whole cluster is about to be set back; these are the replicas that it has.
    pub(super) fn set_back(&mut self, replicas: &[Replica]) {
        self.set_back_at = Some(self.signed.len());
        let longest = replicas.iter().max_by_key(|replica| replica.entries.len());
        let mut roots = longest.map(notes::roots).unwrap_or_default();
        let witnessed = self.signed.iter().filter(|note| is_witnessed(self, note.size, note.root));
        let largest = witnessed.map(|note| note.size).max().unwrap_or(0);
        roots.truncate(usize::try_from(largest).map_or(usize::MAX, |size| size.saturating_add(1)));
        self.witnessed_before = roots;
    }
}

/// What a quorum of witnesses (two) has cosigned.
pub(super) fn is_witnessed(facts: &Facts, size: u64, root: Hash) -> bool {
    let mut who: Vec<_> =
        facts.cosigned.iter().filter(|c| c.size == size && c.root == root).map(|c| c.witness).collect();
    who.sort_unstable();
    who.dedup();
    who.len() >= 2
}
