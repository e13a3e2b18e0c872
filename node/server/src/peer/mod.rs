//! Nodes among themselves: gRPC over mutual TLS, with the log's own frames inside.

mod client;
mod server;

pub use client::GrpcPeers;
pub use server::router;

/// Largest frame between nodes: a tile, a piece of a snapshot or a full set of raft entries, with room.
const FRAME_BYTES_MAX: usize = 64 << 20;
