//! A witness for transparency logs: it cosigns what extends the last thing it cosigned, and forgets nothing.
//!
//! Spec: <https://c2sp.org/tlog-witness>, <https://c2sp.org/tlog-cosignature>
//!
//! ```text
//! serve --bytes--> witness: decide --Advance--> sign --Cosigned--> persist --Released--> serve
//!                  pure                         invisible          durable               may leave
//! ```
//!
//! | module | one idea |
//! |---|---|
//! | [`decide`] | the table of the specification, pure |
//! | [`sign`] | cosignatures and their time |
//! | [`persist`] | the memory: compare, store, flush, and only then release |
//! | [`witness`] | a request from bytes to answer |
//! | [`verify`] | the verifying grade: fetch, check, replay |
//! | [`subtree`] | the optional `sign-subtree` |
//! | [`serve`] | HTTP, with a limit on everything |
//! | [`logs`], [`config`] | which logs, and the files that say so |
//! | [`metrics`] | what an operator watches |
//!
//! **Invariant.** For each origin the witness releases signatures for one chain of trees: sizes never go back,
//! no size has two roots, and each step was proven. It holds over crashes, as a signature leaves only after
//! its checkpoint is durable; and it holds over operators' mistakes as far as a program can: see [`persist`].

mod budget;
pub mod clock;
pub mod config;
pub mod decide;
mod evidence;
mod fetch;
pub mod logs;
pub mod metrics;
mod outcome;
pub mod persist;
#[cfg(not(simulation))]
pub mod serve;
pub mod sign;
pub mod subtree;
#[cfg(test)]
#[allow(unreachable_pub, missing_docs, dead_code, reason = "the integration tests use the same file")]
#[path = "../tests/support/log.rs"]
mod testlog;
#[cfg(test)]
#[allow(unreachable_pub, missing_docs, dead_code, reason = "the integration tests use the same file")]
#[path = "../tests/support/site.rs"]
mod testsite;
pub mod verify;
pub mod witness;

pub use clock::{Clock, SystemClock};
pub use decide::{Advance, Latest, Refusal};
pub use persist::Memory;
pub use sign::Signer;
pub use verify::Verifier;
pub use witness::{Denial, Witness};

#[cfg(test)]
use testlog::TestLog;
