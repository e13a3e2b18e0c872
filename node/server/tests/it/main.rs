//! `maip-node` as a process and as a library: from `init` to a published log, and everything that is turned away.

mod bucket;
mod commands;
mod doors;
mod export;
mod fuzz;
mod given;
mod ledger;
mod node;
mod otlp;
mod sandbox;
mod static_log;
#[path = "../api/target.rs"]
#[allow(dead_code, reason = "shared with the tests of the API, which use the rest")]
mod target;
mod tokens;
