//! Agent Receipts: what agents did, in the log; reading, verifying and proving it.

mod answers;
mod create;
mod fate;
mod found;
mod kinds;
mod proof;
mod repeat;
mod verify;
mod view;

use axum::http::Method;
use serde_json::json;

pub(crate) use answers::{FilterReceipts, ReceiptStatus, filtered, verify_own, whole_view};
pub(crate) use create::{CreateReceipt, create};
pub(crate) use fate::{SupersedeReceipt, WhyReceipt, redact_receipt, revoke_receipt, supersede_receipt};
pub(crate) use found::{Found, ReceiptNotes, salted_digest};
pub(crate) use proof::{ProofBundle, bundle};
pub(crate) use verify::{Verdict, check};
pub(crate) use view::{ReceiptView, receipt_view};

pub(crate) use crate::wire::hex;

use crate::endpoint::Routes;

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Agent Receipts",
        "Statements of what agents did, in the log for good. Payload and metadata stay with the nodes; the log holds their salted digests. \
         The operator signs for the credential that calls, and every answer says so; an agent that signs itself sends its record to `/v1/records`.",
    );
    routes
        .post("/v1/agent-receipts", "create_agent_receipt", create::create)
        .summary("Make a receipt")
        .about(
            "Without an `Idempotency-Key`, an equal receipt of the last minute is the same receipt, and the answer has \
             `Idempotency-Replayed: true`. What the agent should not have done is logged all the same, and flagged.",
        )
        .needs("receipts:write")
        .example(json!({
            "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "receipt_type": "action", "action": "invoices:read",
            "payload": {"invoice": "F-2026-17"},
            "inputs_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        }));
    routes
        .get("/v1/agent-receipts", "list_agent_receipts", answers::filter)
        .summary("List receipts")
        .about("Newest first.")
        .needs("receipts:read")
        .paged();
    routes
        .get("/v1/agent-receipts/filter", "filter_agent_receipts", answers::filter)
        .summary("List receipts that fit")
        .needs("receipts:read")
        .paged();
    routes
        .get("/v1/agent-receipts/agent/{agent_id}", "list_receipts_of_agent", answers::of_agent)
        .summary("List an agent's receipts")
        .needs("receipts:read")
        .paged();
    declare_one(routes);
    declare_fate(routes);
}

fn declare_one(routes: &mut Routes) {
    routes
        .get("/v1/agent-receipts/{receipt_id}", "get_agent_receipt", answers::get)
        .summary("Get a receipt")
        .needs("receipts:read");
    routes
        .get("/v1/agent-receipts/verify/{receipt_id}", "verify_agent_receipt", answers::verify_own)
        .summary("Verify a receipt")
        .about(
            "Checks the record's signature under the key that was valid at its index, its place under the published checkpoint, its chain, and \
             what became of it. Waits up to `timeout_ms` for a checkpoint that covers it. Whoever does not trust this node verifies the proof file instead.",
        )
        .needs("receipts:read");
    routes
        .raw(
            Method::GET,
            "/v1/agent-receipts/{receipt_id}/proof",
            "get_agent_receipt_proof",
            TEXT,
            proof::proof,
        )
        .summary("The proof file of a receipt")
        .about("As `/v1/receipts/{receipt_id}/proof`.")
        .needs("receipts:read");
    routes
        .get("/v1/agent-receipts/{receipt_id}/proof-bundle", "get_agent_receipt_bundle", proof::proof_bundle)
        .summary("The proof bundle of a receipt")
        .needs("receipts:read");
    routes
        .raw(Method::GET, "/v1/receipts/{receipt_id}/proof", "get_receipt_proof", TEXT, proof::proof)
        .summary("The proof file of any record")
        .about(
            "A `.tlog-proof` with the entry, for every `receipt_id` that a write has answered: `maip verify` needs nothing else but a policy. Waits up to \
             `timeout_ms` for a checkpoint that covers the record, then 503 with `Retry-After`.",
        )
        .needs("receipts:read");
}

fn declare_fate(routes: &mut Routes) {
    routes
        .post("/v1/agent-receipts/{receipt_id}/revoke", "revoke_agent_receipt", fate::revoke)
        .summary("Revoke a receipt")
        .about("It was wrong. It stays in the log, marked.")
        .needs("receipts:write")
        .answers(200)
        .example(json!({"reason": "recorded twice"}));
    routes
        .post("/v1/agent-receipts/{receipt_id}/supersede", "supersede_agent_receipt", fate::supersede)
        .summary("Supersede a receipt")
        .about("Another receipt of the same agent counts instead.")
        .needs("receipts:write")
        .answers(200)
        .example(json!({"replacement_id": "maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y7N"}));
    routes
        .post("/v1/agent-receipts/{receipt_id}/redact", "redact_agent_receipt", fate::redact)
        .summary("Destroy a receipt's payload")
        .about("Payload, metadata and salt go, after the log holds that they do; the record, its digests and its proof stay.")
        .needs("receipts:redact")
        .answers(200)
        .example(json!({"reason": "erasure request"}));
}
