//! The trust score `maip-trust/1`: a pure function of the log.
//!
//! ```text
//! entries --> Input --> apply --> AgentState --> Reading { score, factors, caps, trend }
//! ```
//!
//! An [`Input`] is what an entry says about an agent (vector files call it an event). [`apply`] changes a bounded number of values of
//! a [`TrustStore`]; [`reading`] works on a copy. The same inputs in the same order give the same states bit for bit, in every
//! implementation: `node/state/vectors/trust` holds logs with what must come out, `docs/trust-score.md` explains the rules.
//!
//! Units: `_bp` basis points, `_q12` units of evidence times 4096, `_q8` octaves times 256, epoch an hour of log time, log day
//! 24 epochs.
//!
//! Deliberately absent: floats, clocks, maps without an order, and the way from records to inputs, which is the state
//! machine's.

mod activity;
mod agent;
mod algorithm;
mod arithmetic;
pub mod constants;
mod digest;
mod encoding;
mod engine;
mod error;
mod id;
mod input;
mod input_json;
mod memory;
mod passing;
mod peers;
mod reading;
mod score;
mod state_json;
mod store;

pub use agent::{AgentState, Status};
pub use algorithm::algorithm_json;
pub use constants::{ALGORITHM_ID, ALGORITHM_NAME, DAY_MS, EPOCH_MS, FULL_BP, MAX_INTEGER, ONE_Q12};
pub use engine::{apply, reading};
pub use error::{EngineError, TrustError};
pub use id::{ID_BYTES_MAX, Id};
pub use input::{ActionOutcome, Attestation, Input, SessionOutcome, StatusChange, Verdict, What};
pub use memory::MemoryTrust;
pub use peers::Bucket;
pub use reading::Reading;
pub use score::{Caps, Factor, Factors, Trend};
pub use store::{Citation, TrustStore};
