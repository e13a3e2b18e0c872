//! Payloads that nodes keep for tenants, each until its subject is erased.
//!
//! ```text
//!   <dir>/payloads/<tenant>-<subject>/key    the node's own key for this subject: 32 random bytes
//!   <dir>/payloads/<tenant>-<subject>/<hex>  one payload, encrypted under it; <hex> is its commitment
//! ```
//! What must be gone when it is erased may never be where things are kept for other reasons. So a payload is in no raft_entry, no
//! snapshot, no backup and no engine: the node that a tenant asks hands it to every other one over the peers' channel, and each
//! writes it under a key of its own, in files that are overwritten before they are removed. Keys never leave their node.
//!
//! The log says what is erased: a node that applies an `erasure` destroys the subject's key first, then the rest. It does so by
//! comparing its folders with its state, at its start, after a snapshot and after each erasure; so neither a crash nor a
//! long absence keeps anything alive. Keeping and destroying take turns, and nothing is kept for a subject that the node knows to be erased.

mod answer;
mod fault;
mod peers;
mod store;
mod tenant;
mod tend;

pub use fault::PayloadFault;
pub use peers::{ErasureAt, NodeErasure};
pub(crate) use store::PayloadStore;
pub use store::{PAYLOAD_BYTES_MAX, SUBJECT_PAYLOADS_MAX, TENANT_PAYLOAD_BYTES_MAX, TENANT_SUBJECTS_MAX};
pub use tenant::SignedRequest;
pub(crate) use tenant::room;
pub(crate) use tend::{catch_up, erase};

use ledger_format::{
    payload::file_name,
    record::{Digest, Ulid},
};

/// A subject of a tenant: what is erased together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) tenant: Ulid,
    pub(crate) name: Digest,
}

impl Subject {
    /// Only SHA-256 commitments name subjects of payloads: they are names of files.
    pub(crate) fn new(tenant: Ulid, name: Digest) -> Result<Self, PayloadFault> {
        file_name(&name).map(|_| Self { tenant, name }).map_err(|_| PayloadFault::OtherDigest(name))
    }

    fn folder(self) -> String {
        let name = file_name(&self.name).expect("checked when it was made");
        format!("{}-{name}", self.tenant)
    }

    fn of_folder(folder: &str) -> Option<Self> {
        let (tenant, hex) = folder.split_once('-')?;
        Some(Self { tenant: Ulid::parse(tenant)?, name: Digest::parse(&format!("sha256:{hex}"))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_its_subject() {
        let subject = Subject::new(Ulid(7), Digest::sha256(b"ada")).unwrap();
        assert_eq!(Subject::of_folder(&subject.folder()), Some(subject));
        for bad in ["", "LOCK", "7-7", &subject.folder()[1..], &format!("{}0", subject.folder())] {
            assert_eq!(Subject::of_folder(bad), None, "{bad}");
        }
        assert!(Subject::new(Ulid(7), Digest::blake3(b"ada")).is_err());
    }
}
