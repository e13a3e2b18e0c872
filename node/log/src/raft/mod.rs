//! Adapters between openraft and this crate. Names of openraft stay inside this folder.
//!
//! **Invariant:** what reaches disk or a peer is written by [`codec`], never by openraft's own serialisation, so that an
//! upgrade of the library cannot change a byte of ours.

pub(crate) mod codec;
pub(crate) mod log_store;
pub(crate) mod machine;
pub(crate) mod network;
#[cfg(simulation)]
mod slow;
pub(crate) mod types;
