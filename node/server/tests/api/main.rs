//! The MAIP API over HTTP, asked of a real node.

mod accounts;
mod agents;
mod billing;
mod certificates;
mod claims;
mod client;
mod compliance;
mod data;
mod delegations;
mod docs;
mod federation;
mod isolation;
mod keys;
#[path = "../it/node.rs"]
#[allow(dead_code, reason = "shared with the other tests of this crate, which use the rest")]
mod node;
mod observability;
mod older;
mod operations;
mod orchestrations;
mod platform;
mod policies;
mod receipts;
mod refusals;
mod runs;
mod secrets;
mod sessions;
mod target;
mod tools;
mod trust;
mod webhooks;
mod workflows;
mod writes;
