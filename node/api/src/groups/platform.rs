//! Issuers, attestations and receipts as the older platform has them, on the same records as everything else.
//!
//! An issuer is an agent of type `system`: its registration, standing and keys are the agent's, and so are the chain of what it
//! states and whether that still holds. An attestation is a `receipt.claim` of it with the payload's digest. Trusting an issuer gives it
//! the scope `attestations:write`, by a record.

mod attestations;
mod issuers;
mod keys;
mod receipts;
mod search;
mod types;
mod verify;

use axum::http::Method;
use ledger_format::record::AgentType;
use ledger_state::{Agent, AgentStatus};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::receipts::verify_own;
use crate::endpoint::Routes;

/// The runtime type of an agent that is an issuer.
const ISSUER: &str = "issuer";
/// What a trusted issuer may do.
const TRUSTED: &str = "attestations:write";

/// What the nodes keep of an attestation or a receipt of the platform.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PlatformNotes {
    /// The issuer's own name for the key.
    #[serde(default)]
    pub(crate) kid: String,
    #[serde(default)]
    pub(crate) alg: String,
    #[serde(default)]
    pub(crate) subject: Option<String>,
    #[serde(default)]
    pub(crate) receipt_version: String,
    #[serde(default)]
    pub(crate) retention_policy: String,
}

impl PlatformNotes {
    /// Without what may be personal.
    pub(crate) fn redacted(self) -> Self {
        Self { subject: None, ..self }
    }
}

/// `active`, `suspended` or `revoked`.
pub(crate) fn issuer_status(agent: &Agent) -> &'static str {
    match agent.status {
        AgentStatus::Active => "active",
        AgentStatus::Suspended { .. } => "suspended",
        AgentStatus::Revoked { .. } => "revoked",
    }
}

fn is_issuer(agent: &Agent) -> bool {
    agent.agent_type == AgentType::System && agent.runtime_type.as_deref() == Some(ISSUER)
}

pub(super) fn declare(routes: &mut Routes) {
    declare_issuers(routes);
    declare_attestations(routes);
    declare_receipts(routes);
    declare_types(routes);
}

fn declare_issuers(routes: &mut Routes) {
    routes.group(
        "Issuers & Keys",
        "Who issues attestations and receipts: agents of type `system` with keys of their own.",
    );
    routes
        .post("/v1/issuers", "create_issuer", issuers::create)
        .summary("Register an issuer")
        .about(
            "It is an agent of type `system` and counts as one. Its key stays with the issuer: send its `public_key`, or the answer holds a new \
             private key, once.",
        )
        .needs("issuers:write")
        .metered()
        .example(json!({"name": "Acme Certification", "legal_name": "Acme Certification GmbH", "jurisdiction": "DE"}));
    routes
        .get("/v1/issuers", "list_issuers", issuers::list)
        .summary("List issuers")
        .needs("issuers:read")
        .paged();
    routes
        .get("/v1/issuers/{issuer_id}", "get_issuer", issuers::get)
        .summary("Get an issuer")
        .needs("issuers:read");
    routes
        .post("/v1/issuers/{issuer_id}/trust", "trust_issuer", issuers::trust)
        .summary("Trust an issuer")
        .about("Gives it the scope `attestations:write`, by a record.")
        .needs("issuers:trust")
        .answers(200)
        .example(json!({}));
    routes
        .post("/v1/issuers/{issuer_id}/suspend", "suspend_issuer", issuers::suspend)
        .summary("Suspend an issuer")
        .needs("issuers:write")
        .answers(200)
        .example(json!({"reason": "under review"}));
    routes
        .post("/v1/issuers/{issuer_id}/revoke", "revoke_issuer", issuers::revoke)
        .summary("Revoke an issuer")
        .about("Final. What it has issued before stays as it is, unless `compromised_at` says since when it was in foreign hands.")
        .needs("issuers:write")
        .answers(200)
        .example(json!({"reason": "key compromise"}));
    routes
        .post("/v1/issuers/{issuer_id}/keys", "register_issuer_key", keys::register)
        .summary("Register an issuer's key")
        .about("Ed25519. It is the issuer's key from the record's index on.")
        .needs("issuers:write")
        .example(json!({"kid": "2026-11", "alg": "Ed25519", "public_key_b64url": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}));
    routes
        .get("/v1/issuers/{issuer_id}/keys", "list_issuer_keys", keys::list)
        .summary("List an issuer's keys")
        .needs("issuers:read")
        .paged();
}

fn declare_attestations(routes: &mut Routes) {
    routes.group(
        "Attestations & Verification",
        "What issuers attest. The log holds the payload's SHA-256, so whoever has the payload can check it; put a salt into a payload that could be guessed.",
    );
    let example = json!({
        "issuer_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "kid": "2026-11", "alg": "Ed25519", "payload_b64url": "eyJhIjoxfQ",
    });
    routes
        .post("/v1/attestations/mint", "mint_attestation", attestations::mint)
        .summary("Mint an attestation")
        .about(
            "The operator signs the record for the credential that calls. With `signature_b64url`, the issuer's own Ed25519 signature over the payload, \
             which is checked and logged with it.",
        )
        .needs("attestations:write")
        .example(example.clone());
    routes
        .post("/v1/attestations", "create_attestation", attestations::mint)
        .summary("Mint an attestation")
        .about("As `/v1/attestations/mint`.")
        .needs("attestations:write")
        .example(example);
    routes
        .get("/v1/attestations", "list_attestations", attestations::list)
        .summary("List attestations")
        .needs("attestations:read")
        .paged();
    routes
        .get("/v1/attestations/{attestation_id}", "get_attestation", attestations::get)
        .summary("Get an attestation")
        .needs("attestations:read");
    routes
        .post("/v1/attestations/{attestation_id}/revoke", "revoke_attestation", attestations::revoke)
        .summary("Revoke an attestation")
        .needs("attestations:write")
        .answers(200)
        .example(json!({"reason": "issued in error"}));
    routes
        .post("/v1/attestations/{attestation_id}/supersede", "supersede_attestation", attestations::supersede)
        .summary("Supersede an attestation")
        .needs("attestations:write")
        .answers(200)
        .example(json!({"replacement_id": "maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y7N"}));
    routes
        .get(
            "/v1/attestations/{attestation_id}/proof-bundle",
            "get_attestation_bundle",
            attestations::proof_bundle,
        )
        .summary("The proof bundle of an attestation")
        .needs("attestations:read");
    routes
        .post("/v1/verify", "verify_attestation", verify::verify)
        .summary("Verify an attestation")
        .about(
            "With the payload or the document's digest, whether it is what was attested. Without both, a good attestation is `INCOMPLETE`: \
             everything holds, and nothing was compared.",
        )
        .public()
        .asks()
        .answers(200)
        .example(json!({"attestation_id": "maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "payload_b64url": "eyJhIjoxfQ"}));
}

fn declare_receipts(routes: &mut Routes) {
    routes.group(
        "Receipts",
        "Receipts that issuers make, and, for older clients, receipts of agents: the body says which.",
    );
    routes
        .post("/v1/receipts", "mint_receipt", receipts::mint)
        .summary("Mint a receipt")
        .about("With `issuer_id`, a receipt of an issuer. With `agent_id`, as `/v1/agent-receipts`.")
        .needs("receipts:write")
        .example(json!({
            "issuer_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "kid": "2026-11", "alg": "Ed25519",
            "receipt_type": "payment_receipt", "subject": "order-17", "payload": {"amount": 1200, "currency": "EUR"},
        }));
    routes
        .get("/v1/receipts", "list_receipts", receipts::list)
        .summary("List receipts")
        .about("Of issuers, newest first; with `agent_id`, those of that agent.")
        .needs("receipts:read")
        .paged();
    routes
        .post("/v1/receipts/verify", "verify_receipt_by_body", verify::verify_receipt)
        .summary("Verify a receipt")
        .needs("receipts:read")
        .answers(200)
        .example(json!({"receipt_id": "maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y7N"}));
    routes
        .post("/v1/receipts/search", "search_receipts", search::search)
        .summary("Search receipts")
        .about("`q` is looked for in ids, types, subjects and payloads.")
        .needs("receipts:read")
        .answers(200)
        .example(json!({"q": "order-17", "receipt_type": "payment_receipt"}));
    routes
        .post("/v1/receipts/export", "export_receipts", search::export)
        .summary("Export receipts")
        .about("What the log held at that moment; at most ten thousand receipts.")
        .needs("receipts:read")
        .answers(202)
        .example(json!({"format": "json", "filters": {}}));
    routes
        .get("/v1/receipts/exports/{export_id}", "get_receipt_export", search::get_export)
        .summary("Status of an export")
        .needs("receipts:read");
    routes
        .raw(
            Method::GET,
            "/v1/receipts/exports/{export_id}/download",
            "download_receipt_export",
            "application/json",
            search::download,
        )
        .summary("Download an export")
        .about("In the form that the export was asked for.")
        .or_content("application/jsonl")
        .or_content("text/csv")
        .needs("receipts:read");
    routes
        .get("/v1/receipts/{receipt_id}", "get_receipt", receipts::get)
        .summary("Get a receipt")
        .needs("receipts:read");
    routes
        .get("/v1/receipts/{receipt_id}/verify", "verify_receipt", verify_own)
        .summary("Verify a receipt")
        .about("As `/v1/agent-receipts/verify/{receipt_id}`.")
        .needs("receipts:read");
    routes
        .get("/v1/receipts/{receipt_id}/proof-bundle", "get_receipt_bundle", receipts::proof_bundle)
        .summary("The proof bundle of a receipt")
        .needs("receipts:read");
    routes
        .post("/v1/receipts/{receipt_id}/revoke", "revoke_receipt", receipts::revoke)
        .summary("Revoke a receipt")
        .needs("receipts:write")
        .answers(200)
        .example(json!({"reason": "issued in error"}));
    routes
        .post("/v1/receipts/{receipt_id}/supersede", "supersede_receipt", receipts::supersede)
        .summary("Supersede a receipt")
        .needs("receipts:write")
        .answers(200)
        .example(json!({"replacement_id": "maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y7N"}));
    routes
        .post("/v1/receipts/{receipt_id}/redact", "redact_receipt", receipts::redact)
        .summary("Destroy a receipt's payload")
        .about("The record, its digests and its proof stay.")
        .needs("receipts:redact")
        .answers(200)
        .example(json!({}));
}

fn declare_types(routes: &mut Routes) {
    routes.group("Receipt Types", "Families of receipts, and which issuers may sign them.");
    routes
        .get("/v1/receipt-types", "list_receipt_types", types::list)
        .summary("List receipt types")
        .needs("receipts:read")
        .paged();
    routes
        .post("/v1/receipt-types", "create_receipt_type", types::create)
        .summary("Define a receipt type")
        .needs("receipts:admin")
        .example(json!({"name": "handover_receipt", "display_name": "Handover", "version": "1.0.0", "schema": {"required": ["place"]}}));
    routes
        .get("/v1/receipt-types/{name}", "get_receipt_type", types::get)
        .summary("Get a receipt type")
        .about("`name@version` pins a version.")
        .needs("receipts:read");
    routes
        .add(Method::PATCH, "/v1/receipt-types/{name}", "update_receipt_type", types::update)
        .summary("Change a receipt type")
        .needs("receipts:admin")
        .example(json!({"status": "deprecated"}));
    routes
        .get("/v1/receipt-types/{name}/signing-policy", "get_signing_policy", types::get_policy)
        .summary("Which issuers may sign a type")
        .needs("receipts:read");
    routes
        .post("/v1/receipt-types/{name}/signing-policy", "set_signing_policy", types::set_policy)
        .summary("Set which issuers may sign a type")
        .needs("receipts:admin")
        .answers(200)
        .example(json!({"allow_any_issuer": false, "allowed_issuer_ids": ["maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N"]}));
}
