//! Agreements and partners as callers see them.

use ledger_format::record::{RecordHash, TenantId};
use ledger_state::Agreement;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError,
    endpoint::{Context, Listed},
    wire::{WriteReceipt, Written, time_text},
};

/// An agreement.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AgreementView {
    /// Hash of its record: what offers name.
    agreement_id: String,
    /// The tenant that logged it.
    tenant_id: String,
    /// The tenant that countersigned it.
    peer_tenant_id: String,
    /// The log where the peer's records are; null: this log.
    origin: Option<String>,
    /// The key with which the peer signed.
    peer_key_id: String,
    /// `in_force`, `ended` or `expired`.
    status: &'static str,
    /// What grants under it may be about.
    scopes: Vec<String>,
    /// Tenants that a grant may pass through after the receiving one.
    hops: u64,
    /// Longest life of a grant under it.
    ttl_minutes: u64,
    expires_at: String,
    created_at: String,
    /// When one of the two ended it, RFC 3339 in UTC.
    ended_at: Option<String>,
    /// Index of its record, or of the write that this answers.
    log_index: u64,
    #[serde(flatten)]
    written: Written,
}

impl Listed for AgreementView {
    const PLURAL: &'static str = "agreements";
}

impl AgreementView {
    pub(super) fn of(context: &Context, hash: RecordHash, agreement: &Agreement) -> Result<Self, ApiError> {
        let status = match agreement.ended {
            Some(_) => "ended",
            None if agreement.is_live(context.now_ms) => "in_force",
            None => "expired",
        };
        Ok(Self {
            agreement_id: hash.to_string(),
            tenant_id: TenantId(agreement.tenant).to_string(),
            peer_tenant_id: agreement.peer.to_string(),
            origin: agreement.origin.clone(),
            peer_key_id: agreement.peer_kid.to_string(),
            status,
            scopes: agreement.scopes.iter().map(ToString::to_string).collect(),
            hops: agreement.hops,
            ttl_minutes: agreement.ttl_min,
            expires_at: time_text(agreement.expires_at),
            created_at: context.log_time(agreement.index)?,
            ended_at: agreement.ended.map(|index| context.log_time(index)).transpose()?,
            log_index: agreement.index,
            written: Written::default(),
        })
    }

    pub(super) fn status(&self) -> &'static str {
        self.status
    }

    /// With the answer of a write.
    pub(super) fn logged(mut self, receipt: WriteReceipt) -> Self {
        self.log_index = receipt.log_index;
        self.written = receipt.into();
        self
    }
}

/// A tenant with which an agreement is in force.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PartnerView {
    /// The other tenant.
    pub(super) tenant_id: String,
    /// What people call it; null for one of another log.
    pub(super) name: Option<String>,
    /// The log where its records are; null: this log.
    pub(super) origin: Option<String>,
    /// Hashes of the agreements in force, newest first.
    pub(super) agreements: Vec<String>,
    /// What grants may be about, under any of them.
    pub(super) scopes: Vec<String>,
    /// When the last of them ends by itself, RFC 3339 in UTC.
    pub(super) expires_at: String,
}

impl Listed for PartnerView {
    const PLURAL: &'static str = "partners";
}
