//! The types that openraft is instantiated with.

use std::fmt;

use bytes::Bytes;
use ledger_state::Outcome;

use crate::options::Member;

/// One command on its way through Raft: the encoded bytes of a [`ledger_state::Command`].
///
/// It stays encoded because it is copied to every follower and to disk, and decoded once per replica, in apply.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proposal(pub(crate) Bytes);

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposal({} bytes)", self.0.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What apply answers to the proposer: one outcome per record, or one for a command without records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// In the order of the records.
    pub(crate) outcomes: Vec<Outcome>,
}

#[cfg(not(simulation))]
openraft::declare_raft_types!(
    /// Raft as this ledger runs it.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Reply,
        NodeId = u64,
        Node = Member,
);

/// Chance from a seed: see `simulations/README.md`.
#[cfg(simulation)]
pub(crate) type Runtime = openraft::rt::deterministic_rng::DeterministicRng<openraft_rt_tokio::TokioRuntime>;

/// Runs what opens a log or calls its peers' side: all chance that Raft takes in it comes from the seed.
#[cfg(simulation)]
pub fn with_seed<F: Future>(seed: u64, future: F) -> impl Future<Output = F::Output> {
    Runtime::scope(seed, future)
}

#[cfg(simulation)]
openraft::declare_raft_types!(
    /// Raft with chance from a seed.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Reply,
        NodeId = u64,
        Node = Member,
        AsyncRuntime = Runtime,
);

pub(crate) type RaftEntry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(crate) type LeaderId = openraft::alias::LeaderIdOf<TypeConfig>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type Raft = openraft::Raft<TypeConfig, crate::raft::machine::Machine>;
