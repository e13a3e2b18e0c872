//! What every engine and the Raft log must pass, and a disk that fails when it is told to.
//!
//! The suites panic with a reason. They are run by the tests of this crate; whoever writes another engine runs them too.

mod engine;
mod fault_disk;
mod raft_log;

pub use engine::{Change, EngineModel, check_engine};
pub use fault_disk::{Fault, FaultDisk};
pub use raft_log::{RaftLogModel, check_raft_log};
