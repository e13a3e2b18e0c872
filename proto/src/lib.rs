//! The gRPC interface of the ledger: generated code, nothing else.
//!
//! [`v1`] holds the messages, clients and servers of `ledger.proto`, `payloads.proto` (public) and `peer.proto` (between the nodes of
//! one cluster). **Invariant:** no logic lives here, and a record crosses this crate as opaque bytes.

/// Messages, clients and servers of `maip.ledger.v1`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated from the .proto files, which hold the documentation"
)]
pub mod v1 {
    tonic::include_proto!("maip.ledger.v1");
}

/// The compiled `.proto` files, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
