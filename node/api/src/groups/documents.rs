//! Documents: an agent vouches for one, and somebody competent judges it.

mod attest;
mod judge;
mod view;

use serde_json::json;

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    // Part of the group of claims.
    routes
        .post("/v1/truth/document/verify", "verify_document", attest::attest)
        .summary("Put a document on record and have it verified")
        .about(
            "The log holds the document's digest; the document itself is hashed and not kept. `content` may have 6 MiB: of a larger one send `document_hash` alone. The \
             document is `processing` until somebody competent records a verdict: no node judges what is in it.",
        )
        .needs("documents:write")
        .body_bytes_max(attest::BODY_BYTES_MAX)
        .example(json!({
            "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "document_type": "invoice", "file_name": "F-2026-17.pdf",
            "document_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        }));
    routes
        .get("/v1/truth/document", "list_documents", view::list)
        .summary("List documents")
        .about("Newest first.")
        .needs("documents:read")
        .paged();
    routes
        .get("/v1/truth/document/{document_id}", "get_document", view::get)
        .summary("Get a document")
        .needs("documents:read");
    routes
        .post("/v1/truth/document/{document_id}/verdict", "judge_document", judge::judge)
        .summary("Record a verdict over a document")
        .about("By a person, by a verifier that is registered as a tool, or as the votes on a claim about it say. A later verdict takes the place of an earlier one.")
        .needs("documents:judge")
        .answers(200)
        .example(json!({"verdict": "authentic", "verification_method": "human", "notes": "Compared with the original."}));
}
