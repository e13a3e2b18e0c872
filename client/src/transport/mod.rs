//! The only place of this crate that opens connections.
//!
//! [`Nodes`] speaks gRPC to any number of nodes of one cluster and goes on to another one when a node has no
//! leader or does not answer. [`HttpSource`] reads a C2SP monitoring prefix. Neither believes what it gets: see
//! `submit` for the checks on answers, and `offline`, `fsck` and `monitor` for the rest.

mod admin;
mod http;
mod nodes;
mod payloads;
mod status;
mod submit;
mod tokens;

pub use http::HttpSource;
pub use nodes::{ATTEMPTS_MAX, Nodes, NodesConfig};
pub use payloads::PayloadOwner;
pub use status::{ENDED_AGENTS_MAX, ENDED_PAGES_MAX, Ended, Evaluated, check_staple};
pub use submit::{BATCH_MAX, Submitted, Which};
