//! The program `maip-node`: configuration, keys, TLS, gRPC services, wiring; nothing else.
//!
//! `main.rs` tells how a record travels. Here are the parts it is built from: [`config`] and [`keys`] say what a node is,
//! [`node`] opens the hosted logs and serves them on three [`listener`]s through [`front`], [`grpc`] and [`peer`] translate between the
//! wire and `ledger-log`, `sandbox` follows resets, [`given`] looks after the files that the node is given, [`guard`] and [`idle`] bound what strangers can cost. The commands beside running are
//! [`init`], [`check`], [`export`] and [`backup`].
//!
//! **Invariant:** no rule of the log is decided here. What is refused here is refused for its form, its sender or its
//! size.

pub mod backup;
pub mod check;
pub mod cli;
mod clock;
pub mod config;
pub mod counters;
pub mod export;
pub mod front;
pub mod given;
pub mod grpc;
pub mod guard;
pub mod idle;
pub mod init;
pub mod keys;
pub mod listener;
pub mod node;
mod otlp;
mod outbound;
mod outgoing;
pub mod peer;
mod sandbox;
pub mod signals;
pub mod telemetry;
pub mod tls;
