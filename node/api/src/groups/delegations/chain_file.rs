//! The chain file of a receipt: all it takes to judge offline that the action was allowed.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use ledger_format::{
    Chain, TlogProof,
    record::{Actor, Body, Kid, TenantId, Ulid},
};
use ledger_log::Subject;
use ledger_state::Grant;
use serde_json::Value;

use super::{super::receipts::Found, view::judged};
use crate::{
    ApiError,
    endpoint::{Context, NoBody, NoQuery},
};

/// Whoever signed a record of the chain: their registrations go in.
type Signer = (Ulid, Actor, Kid);

/// Places of the log that go into the file.
#[derive(Default)]
struct Places {
    offers: Vec<u64>,
    accepts: Vec<u64>,
    agreements: BTreeSet<u64>,
    identities: BTreeSet<u64>,
    subjects: BTreeSet<String>,
    signers: Vec<Signer>,
    /// The last index that the file must know of: a status from before it says too little.
    last: u64,
}

/// `GET /v1/receipts/{receipt_id}/chain`.
pub(super) async fn chain_file(context: Context, _: NoQuery, _: NoBody) -> Result<Response, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let Body::ReceiptAction(receipt) = &found.record.body else {
        return Err(no_chain("the receipt is not of an action"));
    };
    let Some(grant) = receipt.grant else {
        return Err(no_chain("the receipt names no grant: an action by the agent's own right has no chain"));
    };
    let chain = judged(&context, grant, None)?.ok_or_else(|| no_chain("the log knows no such grant"))?.chain;
    let mut places = Places::default();
    places.note(&context, found.at.index)?;
    for (id, grant) in &chain {
        if grant.foreign.is_some() || grant.to_origin.is_some() {
            return Err(ApiError::conflict("CHAIN_CROSSES_LOGS", "the chain goes through another log")
                .field("receipt_id")
                .fix("run `maip chain --receipt … --peer …`, which asks both"));
        }
        places.subjects.insert(id.to_string());
        places.grant(&context, grant)?;
    }
    places.registrations(&context)?;
    places.changes(&context)?;
    let file = places.file(&context, found.at.index).await?.to_bytes();
    let name = format!("attachment; filename=\"{}.chain\"", found.record.id);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(ApiError::internal)?),
    ];
    let mut response = (headers, file).into_response();
    response.headers_mut().insert("x-log-index", found.at.index.into());
    Ok(response)
}

fn no_chain(message: &str) -> ApiError {
    ApiError::conflict("NO_CHAIN", message)
        .field("receipt_id")
        .fix("take the proof of the receipt: /v1/receipts/{receipt_id}/proof")
}

impl Places {
    /// Notes that a record is part of the chain, and who signed it.
    fn note(&mut self, context: &Context, index: u64) -> Result<(), ApiError> {
        self.last = self.last.max(index);
        let (_, record) =
            context.entry(index)?.ok_or_else(|| ApiError::internal("a record of a chain is missing"))?;
        self.signers.push((record.tenant, record.actor, record.sig.kid));
        Ok(())
    }

    fn grant(&mut self, context: &Context, grant: &Grant) -> Result<(), ApiError> {
        self.note(context, grant.index)?;
        self.offers.push(grant.index);
        self.subjects.insert(TenantId(grant.tenant).to_string());
        self.subjects.insert(grant.to_tenant.to_string());
        self.subjects.insert(grant.to_agent.to_string());
        self.subjects.extend(grant.from.map(|from| from.to_string()));
        if let Some(index) = grant.accepted.filter(|_| grant.crosses()) {
            self.note(context, index)?;
            self.accepts.push(index);
        }
        let Some(hash) = grant.agreement else { return Ok(()) };
        let agreement = context.view(|view| ledger_state::agreement(view, hash))?;
        let agreement = agreement.ok_or_else(|| ApiError::internal("an agreement of a grant is missing"))?;
        self.subjects.insert(Subject::Agreement(hash).to_string());
        if self.agreements.insert(agreement.index) {
            self.note(context, agreement.index)?;
            self.signers.push((agreement.peer.0, Actor::Tenant, agreement.peer_kid));
        }
        Ok(())
    }

    /// The records that gave their keys to all who signed, and to who signed those.
    fn registrations(&mut self, context: &Context) -> Result<(), ApiError> {
        let mut done = BTreeSet::new();
        while let Some((tenant, actor, kid)) = self.signers.pop() {
            if !done.insert((tenant, actor, kid.to_string())) {
                continue;
            }
            let indexes = match actor {
                Actor::Operator => vec![0],
                Actor::Tenant => {
                    let status = status(context, Subject::Tenant(TenantId(tenant)))?;
                    let registered = number(&status, "registered")?;
                    // The key of a rotation is valid from the next index on.
                    let rotated = status["key_from"].as_u64().filter(|from| *from > registered);
                    [registered].into_iter().chain(rotated.map(|from| from - 1)).collect()
                }
                Actor::Agent(agent) => key_indexes(&status(context, Subject::Agent(agent))?, kid)?,
            };
            for index in indexes {
                if self.identities.insert(index) && index > 0 {
                    let entry = context.entry(index)?;
                    let (_, record) = entry.ok_or_else(|| ApiError::internal("a registration is missing"))?;
                    self.signers.push((record.tenant, record.actor, record.sig.kid));
                }
            }
        }
        Ok(())
    }

    /// What has happened to anybody on the way since, too: who has revoked a grant must find that in the file.
    fn changes(&mut self, context: &Context) -> Result<(), ApiError> {
        for subject in self.subjects.iter().filter_map(|name| Subject::parse(name)) {
            let since = status(context, subject)?["since"].as_u64();
            self.last = self.last.max(since.unwrap_or(0));
        }
        Ok(())
    }

    /// Everything with its proof, once a checkpoint covers it and the statuses are sealed.
    async fn file(self, context: &Context, receipt: u64) -> Result<Chain, ApiError> {
        let mut staples = Vec::with_capacity(self.subjects.len());
        for subject in &self.subjects {
            staples.push(crate::status::staple(&context.log, subject, self.last + 1, context.timeout).await?);
        }
        let mut proofs = BTreeMap::new();
        let mut proof = |index: u64| -> Result<TlogProof, ApiError> {
            if let Some(known) = proofs.get(&index) {
                return Ok(TlogProof::clone(known));
            }
            let bytes = context.reader.proof(index).map_err(ApiError::internal)?;
            let bytes = bytes.ok_or_else(|| ApiError::internal("a published entry has no proof"))?;
            let read = TlogProof::parse(&bytes).map_err(ApiError::internal)?;
            proofs.insert(index, read.clone());
            Ok(read)
        };
        let mut chain = Chain::of(proof(receipt)?);
        chain.offers = self.offers.iter().map(|index| proof(*index)).collect::<Result<_, _>>()?;
        chain.accepts = self.accepts.iter().map(|index| proof(*index)).collect::<Result<_, _>>()?;
        chain.agreements = self.agreements.iter().map(|index| proof(*index)).collect::<Result<_, _>>()?;
        chain.identities = self.identities.iter().map(|index| proof(*index)).collect::<Result<_, _>>()?;
        chain.staples = staples;
        Ok(chain)
    }
}

/// The public status of a subject, as its staple holds it.
fn status(context: &Context, subject: Subject) -> Result<Value, ApiError> {
    let bytes = context.view(|view| ledger_state::public_status(view, subject))?;
    let bytes = bytes.map_err(ApiError::internal)?;
    let bytes = bytes.ok_or_else(|| ApiError::internal(format!("the state knows no {subject}")))?;
    serde_json::from_slice(&bytes).map_err(ApiError::internal)
}

/// Where the records are that gave an agent its keys up to this one.
fn key_indexes(status: &Value, kid: Kid) -> Result<Vec<u64>, ApiError> {
    let keys = status["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    if number(status, "key_count")? > keys.len() as u64 {
        return Err(ApiError::conflict(
            "NO_CHAIN",
            "an agent on the way has had so many keys that its first ones are not in its status",
        )
        .field("receipt_id"));
    }
    let (kid, mut indexes) = (kid.to_string(), Vec::new());
    for (place, key) in keys.iter().enumerate() {
        let from = number(key, "from")?;
        indexes.push(if place == 0 { from } else { from.saturating_sub(1) });
        if key["kid"] == kid.as_str() {
            break;
        }
    }
    Ok(indexes)
}

fn number(value: &Value, field: &str) -> Result<u64, ApiError> {
    value[field].as_u64().ok_or_else(|| ApiError::internal(format!("a status has no {field}")))
}
