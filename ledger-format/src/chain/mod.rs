//! Chain files: all it takes to judge offline that an action was allowed, by whom, and that nothing of it is taken back.
//!
//! ```text
//! grant --accepted, under an agreement--> grant ... --used by--> receipt      each a `.tlog-proof` with its entry
//!   |                                        |                     |
//!  keys of whoever signed: registrations of the same log           |          each a `.tlog-proof` with its entry
//!  status of every grant, agreement, agent and tenant on the way ------------ each a staple
//! ```
//!
//! The file holds text: a first line, then the parts in the order of [`PartKind`], offers from the root to the leaf.
//!
//! ```text
//! maip.dev/chain/v1
//! receipt <length in bytes>
//! <that many bytes>
//! offer <length>
//! <bytes>
//! ...
//! ```
//!
//! Parts may come from several logs, with one policy for all of them. [`verify_chain`] takes nothing from the file on trust: which logs
//! count, which root keys, what the time is and how old a status may be are the verifier's. Authority is worked out from the offers,
//! link by link; a leaf's own word counts for nothing. What an offer may have been when it was made (the scopes of the agent that grants,
//! for one) is the log's to judge: an offer of more than its grantor had is `void` in its status, and that is no status to go on with.

mod action;
mod crossing;
mod fault;
mod file;
mod keys;
mod links;
mod load;
mod status;
mod verify;

pub use fault::{ChainFault, ChainReason};
pub use file::{CHAIN_BYTES_MAX, CHAIN_HEADER, CHAIN_PARTS_MAX, Chain, ChainError, PartKind};
pub use verify::{
    ChainEnd, ChainFreshness, ChainLink, ChainLog, ChainMoment, ChainQuestion, ChainReceipt, ChainVerdict,
    TenantRoot, verify_chain,
};
