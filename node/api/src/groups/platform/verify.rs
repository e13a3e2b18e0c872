//! Verifying attestations, by anybody, and receipts, by their tenant.

use ledger_format::record::{AgentId, Digest, Kid, PublicKey, ReceiptId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    attestations::{LogPlace, digests, is_attestation, is_expired, issuer_signature, public_facts},
    issuers::governance,
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    groups::receipts::{Found, Verdict, check},
    wire::{Base64Text, DigestText, Text},
};

/// Which attestation, and what it is compared with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyAttestation {
    attestation_id: Text<1, 256>,
    #[serde(default)]
    payload_b64url: Option<Base64Text>,
    /// Digest of the document that it is about.
    #[serde(default, alias = "document_hash")]
    document_hash_hex: Option<DigestText>,
}

impl BodyInput for VerifyAttestation {}

/// Which receipt.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyReceipt {
    receipt_id: Text<1, 256>,
}

impl BodyInput for VerifyReceipt {}

/// The verdict over an attestation or a receipt.
#[derive(Serialize, ToSchema)]
pub(super) struct PlatformVerdict {
    verdict: Verdict,
    /// Whether the verdict is `VALID`.
    valid: bool,
    signature_verified: bool,
    transparency_verified: bool,
    chain_verified: bool,
    /// What holds and what does not: `signature_ok`, `status_current`, `transparency_proof_ok`, `governance_ok`, `issuer_signature_ok`,
    /// `payload_hash_mismatch`, `document_hash_mismatch`, `document_hash_not_stored`, and what failed in sentences.
    reasons: Vec<String>,
    attestation_id: Option<String>,
    receipt_id: Option<String>,
    issuer_id: Option<String>,
    issued_at: Option<String>,
    issued_at_unix: Option<u64>,
    expires_at_unix: Option<i64>,
    kid: Option<String>,
    alg: Option<String>,
    payload_hash: Option<String>,
    document_hash: Option<String>,
    log: Option<VerifiedPlace>,
    #[schema(value_type = Option<Object>)]
    governance: Option<Value>,
    /// Who signed the record, in a sentence.
    signer_statement: Option<String>,
}

/// A place in the log that was looked at.
#[derive(Serialize, ToSchema)]
struct VerifiedPlace {
    #[serde(flatten)]
    place: LogPlace,
    /// Whether its proof under the published checkpoint holds.
    proof_checked: bool,
    tree_size: Option<u64>,
    /// Witnesses that cosigned the checkpoint.
    witnesses: Vec<String>,
}

impl PlatformVerdict {
    fn not_found() -> Self {
        Self {
            verdict: Verdict::NotFound,
            valid: false,
            signature_verified: false,
            transparency_verified: false,
            chain_verified: false,
            reasons: vec!["not_found".into()],
            attestation_id: None,
            receipt_id: None,
            issuer_id: None,
            issued_at: None,
            issued_at_unix: None,
            expires_at_unix: None,
            kid: None,
            alg: None,
            payload_hash: None,
            document_hash: None,
            log: None,
            governance: None,
            signer_statement: None,
        }
    }
}

/// `POST /v1/verify`: anybody may ask.
pub(super) async fn verify(
    context: Context,
    _: NoQuery,
    body: VerifyAttestation,
) -> Result<Reply<PlatformVerdict>, ApiError> {
    let found = match ReceiptId::parse_any(body.attestation_id.as_str()) {
        Some(id) => attestation(&context, id).await?,
        None => None,
    };
    let Some(found) = found else { return Ok(Reply::new(PlatformVerdict::not_found())) };
    let mut answer = checked(&context, &found).await?;
    let compared = compare(&context, &found, &body, &mut answer.reasons)?;
    if answer.verdict == Verdict::Valid {
        answer.verdict = match compared {
            _ if is_expired(&context, &found) => Verdict::Expired,
            Compared::Differs => Verdict::Altered,
            Compared::ForgedSignature => Verdict::InvalidSignature,
            Compared::Nothing => Verdict::Incomplete,
            Compared::Same => Verdict::Valid,
        };
    }
    answer.valid = answer.verdict == Verdict::Valid;
    (answer.attestation_id, answer.receipt_id) = (answer.receipt_id.take(), None);
    let facts = public_facts(&context, &found)?;
    let text = |key: &str| facts[key].as_str().map(str::to_owned);
    (answer.kid, answer.alg) = (text("kid"), text("alg"));
    (answer.payload_hash, answer.document_hash) = (text("payload_hash"), text("document_hash"));
    answer.expires_at_unix = facts["expires_at_unix"].as_i64();
    Ok(Reply::new(answer).at(found.at.index))
}

/// An attestation, whoever's it is: the log tells which tenant has made it.
async fn attestation(context: &Context, id: ReceiptId) -> Result<Option<Found>, ApiError> {
    let own = context.caller.as_ref().map(|caller| caller.tenant);
    let mut found = None;
    if let Some(tenant) = own {
        found = Found::of(context, tenant, id.0)?;
    }
    if found.is_none() {
        if !context.reader.wait_timeline(context.reader.applied_size(), context.timeout).await {
            return Err(ApiError::too_late("the lists of this node are not up to date yet"));
        }
        let made = context.reader.made_by(id.0).map_err(ApiError::internal)?;
        found = made.map(|(_, tenant)| Found::of(context, tenant, id.0)).transpose()?.flatten();
    }
    Ok(found.filter(is_attestation))
}

/// What the comparison with the caller's payload or document says.
enum Compared {
    Nothing,
    Same,
    Differs,
    /// The issuer's own signature does not verify over the payload.
    ForgedSignature,
}

fn compare(
    context: &Context,
    found: &Found,
    body: &VerifyAttestation,
    reasons: &mut Vec<String>,
) -> Result<Compared, ApiError> {
    let (payload, document) = digests(found);
    let mut compared = Compared::Nothing;
    if let Some(given) = body.document_hash_hex.as_ref().and_then(|given| given.digest) {
        match document {
            None => reasons.push("document_hash_not_stored".into()),
            Some(document) if document == given => compared = Compared::Same,
            Some(_) => {
                reasons.push("document_hash_mismatch".into());
                return Ok(Compared::Differs);
            }
        }
    }
    let Some(given) = &body.payload_b64url else { return Ok(compared) };
    if payload != Some(Digest::sha256(&given.0)) {
        reasons.push("payload_hash_mismatch".into());
        return Ok(Compared::Differs);
    }
    if let Some((kid, signature)) = issuer_signature(found) {
        if !issuer_signed(context, found, &kid, &signature, &given.0)? {
            reasons.push("issuer_signature_mismatch".into());
            return Ok(Compared::ForgedSignature);
        }
        reasons.push("issuer_signature_ok".into());
    }
    Ok(Compared::Same)
}

/// Whether the issuer's own signature verifies over the payload, under the key that it had then.
fn issuer_signed(
    context: &Context,
    found: &Found,
    kid: &str,
    signature: &[u8],
    payload: &[u8],
) -> Result<bool, ApiError> {
    let (Some(kid), Some(agent)) = (Kid::parse(kid), found.agent()) else { return Ok(false) };
    let span = context.view(|view| ledger_state::agent_key(view, agent, kid))?;
    let span = span.filter(|span| span.is_valid_at(found.at.index));
    let key = span.and_then(|span| PublicKey::from_bytes(&span.public).ok());
    let signature: Option<&[u8; 64]> = signature.try_into().ok();
    Ok(matches!((key, signature), (Some(key), Some(signature)) if key.verify(payload, signature).is_ok()))
}

/// `POST /v1/receipts/verify`: of the caller's tenant.
pub(super) async fn verify_receipt(
    context: Context,
    _: NoQuery,
    body: VerifyReceipt,
) -> Result<Reply<PlatformVerdict>, ApiError> {
    let tenant = context.tenant()?;
    let found = ReceiptId::parse_any(body.receipt_id.as_str())
        .map(|id| Found::of(&context, tenant, id.0))
        .transpose()?
        .flatten()
        .filter(|found| found.at.receipt_of.is_some());
    let Some(found) = found else { return Ok(Reply::new(PlatformVerdict::not_found())) };
    Ok(Reply::new(checked(&context, &found).await?).at(found.at.index))
}

/// What the record's own checks say.
async fn checked(context: &Context, found: &Found) -> Result<PlatformVerdict, ApiError> {
    let checks = check(context, found).await?;
    let verdict = checks.verdict(found.status());
    let issuer: AgentId = found.agent().ok_or_else(|| ApiError::internal("a receipt without an agent"))?;
    let governance = governance(context, issuer)?;
    let mut reasons: Vec<String> = [
        (checks.signature, "signature_ok"),
        (found.status() == "valid", "status_current"),
        (checks.transparency, "transparency_proof_ok"),
        (governance["issuer_status"] == "active", "governance_ok"),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, word)| word.to_owned())
    .collect();
    reasons.extend(checks.faults.iter().cloned());
    Ok(PlatformVerdict {
        verdict,
        valid: verdict == Verdict::Valid,
        signature_verified: checks.signature,
        transparency_verified: checks.transparency,
        chain_verified: checks.chain,
        reasons,
        receipt_id: Some(found.id().to_string()),
        issuer_id: Some(issuer.to_string()),
        issued_at: Some(crate::wire::time_text(found.at.log_ms)),
        issued_at_unix: Some(found.at.log_ms / 1000),
        log: Some(VerifiedPlace {
            place: LogPlace::of(context, found),
            proof_checked: checks.transparency,
            tree_size: checks.tree_size,
            witnesses: checks.witnesses,
        }),
        governance: Some(governance),
        signer_statement: Some(found.signer_statement()),
        ..PlatformVerdict::not_found()
    })
}
