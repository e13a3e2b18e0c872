//! One hosted log: consensus, ingest, publishing, and everything that keeps it from forking.
//!
//! A node hosts any number of logs and none knows of the others. [`HostedLog`] is the door; inside:
//!
//! | room | what happens there |
//! |---|---|
//! | `ingest` | records are checked, queued, batched, proposed or forwarded to the leader |
//! | `raft` | adapters: openraft's traits on our Raft log, state and transport |
//! | `ledger` | committed raft_entries become entries, tiles and state, in one atomic write |
//! | `publish` | root vote, sign guard, signature, cosignatures, checkpoint through Raft; the fence |
//! | `seal` | when statuses go into the status map |
//! | `payloads` | what nodes keep for tenants in files of their own, until it is erased |
//! | `private` | what nodes keep together and the log does not say |
//! | `reader` | what is published, from any node; staples |
//! | `timeline` | a tenant's records by type and agent, built behind the log |
//! | `tokens` | session tokens, given and checked |
//! | `peer`, `snapshot` | what nodes give one another |
//! | `generations` | which log a sandbox is since its last reset |
//! | `scrub`, `housekeeping`, `backup`, `admin` | keeping it alive |
//! | [`ablation`] | rules that a simulated cluster can do without, to show that it is missed; in no other build |
//!
//! **Invariants.** A checkpoint is signed only over applied entries, after a root vote and behind the sign guard. State
//! changes only by applying committed raft_entries. No HTTP framework, no MAIP endpoint and no clock is known here: time,
//! peers and witnesses are handed in ([`World`]).

pub mod ablation;
mod admin;
mod alarm;
mod backup;
mod bytes_codec;
mod calls;
#[cfg(test)]
mod damaged;
mod generations;
mod genesis;
#[cfg(test)]
mod hooked;
mod hosted;
mod housekeeping;
mod incoming;
mod ingest;
mod ledger;
mod metrics;
mod options;
mod payloads;
mod peer;
mod present;
mod private;
mod publish;
mod purge;
mod raft;
mod reader;
mod scrub;
mod seal;
mod snapshot;
mod timeline;
mod tokens;
pub mod trace;

pub use admin::{AdminError, LogStatus, MemberStatus};
pub use alarm::{AlarmKind, Alarms};
pub use backup::{BackupError, restore};
pub use calls::CallFault;
pub use generations::Generation;
pub use hosted::{HostedLog, OpenError, Storage};
pub use ingest::{Ack, Credential, Noted, OwnRecord, Refused, RefusedKind, Submitted};
pub use ledger::{AppliedMark, LedgerError, PublishedCheckpoint};
pub use ledger_state::{Note, Question, Rejection, Subject, TokenReason, TokenRefused};
pub use options::{
    Clock, HttpAnswer, LogLimits, LogOptions, Member, PeerError, PeerStream, PeerTransport, PublishOptions,
    RaftOptions, SealOptions, WitnessTransport, World,
};
pub use payloads::{
    ErasureAt, NodeErasure, PAYLOAD_BYTES_MAX, PayloadFault, SUBJECT_PAYLOADS_MAX, SignedRequest,
    TENANT_PAYLOAD_BYTES_MAX, TENANT_SUBJECTS_MAX,
};
pub use peer::Kind;
pub use present::{Evaluated, Present};
pub use private::{Change, PRIVATE_RANGE_MAX, PrivateRange, TransactOutcome};
pub use publish::cosign::WitnessState;
#[cfg(simulation)]
pub use raft::types::with_seed;
pub use reader::{ReadError, Reader};
pub use timeline::{TIMELINE_LOOKS_MAX, TimelinePage, TimelineQuery, TimelineRow};
pub use tokens::{TokenCall, TokenCheck, TokenChecked, TokenFault};
