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

openraft::declare_raft_types!(
    /// Raft as this ledger runs it.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Reply,
        NodeId = u64,
        Node = Member,
);

pub(crate) type RaftEntry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(crate) type LeaderId = openraft::alias::LeaderIdOf<TypeConfig>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type Raft = openraft::Raft<TypeConfig, crate::raft::machine::Machine>;
