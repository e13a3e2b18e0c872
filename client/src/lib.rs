//! Client library of the ledger: talk to any node, believe none of them.
//!
//! ```text
//!   transport   nodes (gRPC over TLS, fail-over, retry)      monitoring prefixes (HTTP)
//!       |                                                          |
//!   keys, drafts   what this side signs                        source   tiles, bundles, checkpoint: URL or directory
//!       |                                                          |
//!       +---> offline   proof files and verdicts       fsck, monitor, replay   a whole log, nothing believed
//! ```
//!
//! **Invariant:** nothing a node says is passed on unchecked. A returned leaf hash is recomputed from the record that
//! was sent; a proof is verified before it is written to a file; a consistency proof before it is printed.
//! `offline` uses `ledger_format` and `std::fs` and nothing else, so verifying a file cannot reach a network.

pub mod error;
pub mod fsck;
pub mod history;
pub mod key_agent;
pub mod keys;
pub mod monitor;
pub mod offline;
pub mod replay;
pub mod source;
pub mod transport;
pub mod vault;

pub use error::{ClientError, Plain};
pub use source::{DirSource, Source, SourceError};
pub use transport::{Nodes, NodesConfig, Submitted};
