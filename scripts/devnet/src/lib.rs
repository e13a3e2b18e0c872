//! A devnet: nodes and witnesses as real processes on loopback.
//!
//! [`Devnet`] makes keys, certificates and configurations in one directory, runs the programs `maip-node` and
//! `maip-witness`, and can do to them what a bad day does: kill, stop, wipe, cut links. The program `maip-devnet`
//! is its command line, `maip-bench` measures with it, and the tests of the whole system start from it.
//!
//! **Invariant:** it knows the programs by their command lines, files and network interfaces only. Whatever
//! works here works for somebody who has nothing but the binaries.

mod binaries;
pub mod chaos;
mod cluster;
pub mod demo;
pub mod fixture;
pub mod grpc;
pub mod http;
mod manifest;
mod options;
mod ports;
mod process;
mod proxy;
mod submit;
mod wait;
pub mod workload;

pub use binaries::{BIN_DIR_VARIABLE, Binaries};
pub use cluster::Devnet;
pub use manifest::{FILE_NAME, LogInfo, Manifest, NodeInfo, WitnessInfo};
pub use options::{Engine, Grade, Options};
pub use ports::Ports;
pub use process::{end_by_pid, is_ours, log_tail};
pub use proxy::Links;
pub use submit::Submitter;
pub use wait::{wait_until, wait_until_async};
