//! Where definitions are kept: beside the record that holds their digest, by the nodes and not in the log.

use ledger_format::record::{Digest, Ulid, WorkflowId};
use serde::{Deserialize, Serialize};

use super::Definition;
use crate::{ApiError, account::Store};

/// A version with its definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Shelved {
    pub(crate) definition: Definition,
    /// The record that defined it.
    pub(crate) record: String,
}

/// The object that a version's notes are about: an id that follows from workflow and version.
pub(crate) fn object(workflow: WorkflowId, version: u64) -> Ulid {
    let mut hasher = blake3::Hasher::new_derive_key("maip-ledger 2026-11 a version of a workflow");
    hasher.update(&workflow.0.to_bytes()).update(&version.to_be_bytes());
    let hash = hasher.finalize();
    Ulid(u128::from_be_bytes(std::array::from_fn(|at| hash.as_bytes()[at])))
}

/// What the log holds of a definition.
pub(crate) fn digest(definition: &Definition) -> Result<Digest, ApiError> {
    Ok(Digest::sha256(&serde_json::to_vec(definition).map_err(ApiError::internal)?))
}

/// A version of a workflow, as this node has applied it.
pub(crate) fn find(store: &Store, workflow: WorkflowId, version: u64) -> Result<Option<Shelved>, ApiError> {
    Ok(store.get(&crate::endpoint::notes_place(object(workflow, version)))?.map(|(found, _)| found))
}
