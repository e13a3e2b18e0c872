//! `maip delegate accept|reject|revoke`: what becomes of an offer.

use std::{fs, path::PathBuf};

use clap::{Args, ValueHint};
use ledger_client::keys::KeyHandle;
use ledger_format::record::{
    Actor, Body, DelegationAccept, DelegationId, DelegationReject, DelegationRevoke, RecordHash, Ulid,
    record_hash,
};
use serde_json::json;

use super::{
    Done, Failure, Global, Out,
    delegate::offer_of,
    ids::{grant_id, record_hash as hash},
    send::{Send, Stated},
    session::Owner,
    signer::AgentOrTenant,
    tenant::tenant_id,
};

#[derive(Debug, Args)]
pub(crate) struct Accept {
    /// The grant.
    #[arg(value_parser = grant_id)]
    grant: DelegationId,
    #[command(flatten)]
    owner: Owner,
    /// Hash of the offer's record. Default: asked of the node, or that of --foreign.
    #[arg(long, value_name = "HEX", value_parser = hash)]
    offer: Option<RecordHash>,
    /// The offer's record, when it stands in another log: `maip record show` reads it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires_all = ["foreign_origin", "agreement"])]
    foreign: Option<PathBuf>,
    /// That log.
    #[arg(long, value_name = "ORIGIN", requires = "foreign")]
    foreign_origin: Option<String>,
    /// Hash of the agreement of this log with the tenant that grants there.
    #[arg(long, value_name = "HEX", value_parser = hash, requires = "foreign")]
    agreement: Option<RecordHash>,
    #[command(flatten)]
    send: Send,
}

impl Accept {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let foreign = self.foreign.as_ref().map(read_record).transpose()?;
        let offer = match (self.offer, &foreign) {
            (Some(offer), _) => offer,
            (None, Some(text)) => record_hash(text.as_bytes()),
            (None, None) => offer_of(global, self.grant)?,
        };
        let body = DelegationAccept {
            agent: self.owner.agent,
            agreement: self.agreement,
            foreign,
            foreign_origin: self.foreign_origin.clone(),
            grant: self.grant,
            offer,
            on_behalf_of: None,
        };
        let words = format!("grant {} is accepted by {}", self.grant, self.owner.agent);
        let (tenant, signer) = (self.owner.tenant, self.owner.signer(global)?);
        let body = Body::DelegationAccept(Box::new(body));
        log(global, out, &self.send, tenant, signer, self.grant, body, &words)
    }
}

/// A record's canonical text; an editor's last newline is no part of it.
fn read_record(path: &PathBuf) -> Result<String, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|e| Failure::cannot(format!("{} cannot be read", path.display())).why(e))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Reject {
    /// The grant.
    #[arg(value_parser = grant_id)]
    grant: DelegationId,
    #[command(flatten)]
    owner: Owner,
    /// Why, in a word.
    #[arg(long, value_name = "WORD")]
    reason: String,
    /// Hash of the offer's record. Default: asked of the node.
    #[arg(long, value_name = "HEX", value_parser = hash)]
    offer: Option<RecordHash>,
    #[command(flatten)]
    send: Send,
}

impl Reject {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let offer = self.offer.map_or_else(|| offer_of(global, self.grant), Ok)?;
        let (agent, reason) = (self.owner.agent, self.reason.clone());
        let body = DelegationReject { agent, grant: self.grant, offer, on_behalf_of: None, reason };
        let words = format!("grant {} is rejected by {agent}", self.grant);
        let (tenant, signer) = (self.owner.tenant, self.owner.signer(global)?);
        let body = Body::DelegationReject(Box::new(body));
        log(global, out, &self.send, tenant, signer, self.grant, body, &words)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The grant.
    #[arg(value_parser = grant_id)]
    grant: DelegationId,
    /// The tenant that signs, or whose agent does.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    tenant: Ulid,
    #[command(flatten)]
    signer: AgentOrTenant,
    /// Why, in a word.
    #[arg(long, value_name = "WORD")]
    reason: String,
    #[command(flatten)]
    send: Send,
}

impl Revoke {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let body = DelegationRevoke { grant: self.grant, on_behalf_of: None, reason: self.reason.clone() };
        let words = format!("grant {} and whatever hangs below it have ended", self.grant);
        let body = Body::DelegationRevoke(Box::new(body));
        log(global, out, &self.send, self.tenant, self.signer.actor(global)?, self.grant, body, &words)
    }
}

#[expect(clippy::too_many_arguments, reason = "what every answer to an offer has")]
fn log(
    global: &Global,
    out: &Out,
    send: &Send,
    tenant: Ulid,
    signer: (Actor, KeyHandle),
    grant: DelegationId,
    body: Body,
    words: &str,
) -> Done {
    let (actor, key) = signer;
    let stated = Stated { operator: None, id: None, tenant, actor, prev: None, body };
    send.log(global, out, stated, &key, words, json!({ "grant": grant.to_string() }))
}
