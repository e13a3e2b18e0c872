//! The `maip` command against a log made here: offline files, a static HTTP server, a small gRPC server.

mod chain;
mod commands;
mod decision;
mod delegate;
mod history;
mod key_agent;
mod kill;
mod monitor;
mod multi;
mod nodes;
mod record;
mod replay;
mod staple;
mod support;
mod tenant;
mod trust;
mod usage;
mod vault;
mod verify;
