//! Proofs of records: the file that needs no server again, and the platform's bundle around it.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ledger_format::{
    TlogProof,
    record::{Digest, TenantId},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{found::Found, verify::key_at, view::receipt_view};
use crate::{
    ApiError,
    endpoint::{Context, NoBody, NoQuery, Reply},
    wire::{hex, time_text},
};

/// A log publishes about once a second.
const PUBLISHED_AFTER_S: u32 = 1;

/// The `.tlog-proof` of an entry, under a checkpoint that covers it.
///
/// # Errors
/// 503 when none does by the time that the call may wait.
pub(crate) async fn tlog_proof(context: &Context, index: u64) -> Result<Vec<u8>, ApiError> {
    if context.reader.wait_published(index + 1, context.timeout).await.is_none() {
        return Err(ApiError::not_yet(
            "NOT_PUBLISHED",
            format!("no published checkpoint covers entry {index} yet"),
            PUBLISHED_AFTER_S,
        ));
    }
    let proof = context.reader.proof(index).map_err(ApiError::internal)?;
    proof.ok_or_else(|| ApiError::internal("a published entry has no proof"))
}

/// `GET …/proof`: of any record of the caller's tenant.
pub(super) async fn proof(context: Context, _: NoQuery, _: NoBody) -> Result<Response, ApiError> {
    let found = Found::own(&context, "receipt_id")?;
    let proof = tlog_proof(&context, found.at.index).await?;
    let name = format!("attachment; filename=\"{}.tlog-proof\"", found.record.id);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        // A later proof of the same record is as good: it may be remembered, by the caller only.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=60")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(ApiError::internal)?),
    ];
    let mut response = (headers, proof).into_response();
    response.headers_mut().insert("x-log-index", found.at.index.into());
    Ok(response)
}

/// The path from the entry to the root.
#[derive(Serialize, ToSchema)]
pub(crate) struct InclusionProof {
    log_index: u64,
    leaf_index: u64,
    leaf_hash: String,
    tree_size: u64,
    root_hash: String,
    /// The leaf's sibling first, hex.
    hashes: Vec<String>,
}

/// The checkpoint that covers it.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedTreeHead {
    tree_size: u64,
    root_hash: String,
    /// The signature lines of the log and its witnesses.
    signature: String,
    /// The whole signed note: what the signatures cover, and they.
    checkpoint: String,
}

/// A record with all that proves it, in the platform's shape. What a verifier needs is in `transparency_log`: the proof file, and the
/// policy that says whom it trusts, which a verifier should have from somewhere else.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProofBundle {
    bundle_id: String,
    bundle_version: &'static str,
    generated_at: String,
    tenant_id: String,
    /// SHA-256 of the bundle as JSON with sorted keys and without spaces, with this member empty.
    bundle_hash_b64url: String,
    #[schema(value_type = Object)]
    header: Value,
    /// The record as its own endpoint shows it.
    #[schema(value_type = Object)]
    attestation: Value,
    /// The same again, where receipts are looked for.
    #[schema(value_type = Object)]
    receipt: Value,
    #[schema(value_type = Object)]
    issuer: Value,
    #[schema(value_type = Object)]
    issuer_current: Value,
    /// The issuer's registration in the log, with its own proof.
    #[schema(value_type = Object)]
    issuer_certificate: Value,
    /// The key that signed the record.
    #[schema(value_type = Object)]
    key: Value,
    inclusion_proof: InclusionProof,
    signed_tree_head: SignedTreeHead,
    #[schema(value_type = Object)]
    transparency_log: Value,
    #[schema(value_type = Vec<Object>)]
    proofs: Vec<Value>,
    #[schema(value_type = Object)]
    verification_hints: Value,
    #[schema(value_type = Object)]
    audit: Value,
    /// What authenticates the bundle: the signed checkpoint, from which everything in it is reached.
    #[schema(value_type = Object)]
    bundle_signature: Value,
}

/// `GET …/proof-bundle` of a receipt of an agent.
pub(super) async fn proof_bundle(context: Context, _: NoQuery) -> Result<Reply<ProofBundle>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let shown = serde_json::to_value(receipt_view(&context, &found)?).map_err(ApiError::internal)?;
    let index = found.at.index;
    Ok(Reply::new(bundle(&context, &found, shown).await?).at(index))
}

/// The bundle of a record that its own endpoint shows as `shown`.
pub(crate) async fn bundle(context: &Context, found: &Found, shown: Value) -> Result<ProofBundle, ApiError> {
    let file = tlog_proof(context, found.at.index).await?;
    let proof = TlogProof::parse(&file).map_err(ApiError::internal)?;
    let checkpoint = proof.note.to_string();
    let (_, signatures) = checkpoint.rsplit_once("\n\n").unwrap_or(("", ""));
    let head = ledger_format::Checkpoint::parse(proof.note.text()).map_err(ApiError::internal)?;
    let inclusion_proof = InclusionProof {
        log_index: found.at.index,
        leaf_index: found.at.index,
        leaf_hash: hex(&found.at.leaf.0),
        tree_size: head.size,
        root_hash: hex(&head.root.0),
        hashes: proof.hashes.iter().map(|hash| hex(&hash.0)).collect(),
    };
    let signed_tree_head = SignedTreeHead {
        tree_size: head.size,
        root_hash: hex(&head.root.0),
        signature: signatures.to_owned(),
        checkpoint: checkpoint.clone(),
    };
    let (issuer, issuer_certificate) = issuer(context, found).await?;
    let file = String::from_utf8(file).map_err(ApiError::internal)?;
    let key = key_at(context, found)?.map(|key| URL_SAFE_NO_PAD.encode(key.as_bytes()));
    let mut bundle = ProofBundle {
        bundle_id: format!("{}-{}", found.record.id.uuid(), head.size),
        bundle_version: "1.0",
        generated_at: time_text(context.now_ms),
        tenant_id: TenantId(found.tenant).to_string(),
        bundle_hash_b64url: String::new(),
        header: json!({"record_type": found.record.type_name(), "record_version": ledger_format::record::VERSION}),
        attestation: shown.clone(),
        receipt: shown,
        issuer: issuer.clone(),
        issuer_current: issuer,
        issuer_certificate,
        key: json!({
            "kid": found.record.sig.kid.to_string(), "alg": "Ed25519", "public_key": key,
            "public_key_b64url": key, "signed_by": found.signed_by(), "status": "valid at the record's index",
        }),
        transparency_log: json!({
            "log_id": head.origin, "origin": head.origin, "vkey": context.log.vkey().to_string(),
            "entry_base64": STANDARD.encode(&found.entry), "tlog_proof": file,
            "policy": context.log.policy_text(),
        }),
        proofs: vec![json!({"type": "c2sp.org/tlog-proof@v1", "proof": file})],
        verification_hints: json!({
            "command": "maip verify FILE --policy POLICY",
            "file": "transparency_log.tlog_proof", "policy": "from a source other than this bundle",
            "signer": found.signer_statement(),
        }),
        audit: json!({"log_index": found.at.index, "log_time": time_text(found.at.log_ms), "flags": found.flags.names().collect::<Vec<_>>()}),
        bundle_signature: json!({"type": "c2sp.org/tlog-checkpoint", "value": checkpoint}),
        inclusion_proof,
        signed_tree_head,
    };
    let plain = serde_json::to_value(&bundle).and_then(|value| serde_json::to_vec(&value));
    let hash = Digest::sha256(&plain.map_err(ApiError::internal)?);
    bundle.bundle_hash_b64url = URL_SAFE_NO_PAD.encode(hash.bytes);
    Ok(bundle)
}

/// The agent whose receipt it is, and its registration with its proof.
async fn issuer(context: &Context, found: &Found) -> Result<(Value, Value), ApiError> {
    let Some(id) = found.agent() else { return Ok((json!({}), json!({}))) };
    let agent = context.view(|view| ledger_state::agent(view, id))?;
    let Some(agent) = agent else { return Ok((json!({}), json!({}))) };
    let registered = agent.registered;
    let issuer = json!({
        "id": id.0.uuid(), "agent_id": id.to_string(), "issuer_id": id.to_string(),
        "did": format!("did:truthlock:{}", id.0.uuid()), "name": agent.name,
        "status": super::super::platform::issuer_status(&agent),
        "public_key": URL_SAFE_NO_PAD.encode(agent.key.public), "kid": agent.key.kid.to_string(),
    });
    // It was registered before it made the record, so the same checkpoint covers it.
    let proof = String::from_utf8(tlog_proof(context, registered).await?).map_err(ApiError::internal)?;
    let record = match context.entry(registered)? {
        Some((_, record)) => serde_json::from_slice(&record.to_bytes()).map_err(ApiError::internal)?,
        None => Value::Null,
    };
    Ok((
        issuer,
        json!({"type": "agent.register", "log_index": registered, "record": record, "tlog_proof": proof}),
    ))
}
