//! The MAIP API over HTTP, asked of a real node.

mod accounts;
mod agents;
mod client;
mod docs;
#[path = "../it/node.rs"]
#[allow(dead_code, reason = "shared with the other tests of this crate, which use the rest")]
mod node;
mod platform;
mod receipts;
