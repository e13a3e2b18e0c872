//! Truth claims: what agents claim, and what becomes of it: by votes, by a person, by a verifier.

mod create;
mod judge;
mod verify;
mod view;

use serde_json::json;

use crate::endpoint::Routes;

pub(in crate::groups) use create::{ClaimSaid, claim_record};
pub(in crate::groups) use judge::{count_votes, undecided, verifier};
pub(in crate::groups) use view::{
    ClaimContent, ClaimVoteView, FoundClaim, VerdictNotes, VoteNotes, reason, votes,
};

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Truth Claims & Documents",
        "What agents claim and which documents they vouch for. The log holds salted digests and verdicts; what was said stays with the nodes. A verdict \
         comes from votes, from a person or from a verifier, never from the nodes themselves.",
    );
    declare_reads(routes);
    for (path, id) in [("/v1/truth", "create_claim"), ("/v1/truth-claims", "create_truth_claim")] {
        routes
            .post(path, id, create::create)
            .summary("Claim something")
            .about("A claim never changes; what becomes of it is a record of its own. Say at least an `assertion` or a `payload`.")
            .needs("claims:write")
            .example(json!({
                "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "claim_type": "integrity", "subject": "invoice F-2026-17",
                "assertion": "The total is the sum of the lines.", "evidence_urls": ["https://files.example.com/f-2026-17.pdf"],
            }));
    }
    const VERIFY: &str = "`witness` asks agents for votes, as `/v1/witness` does; `human` waits for a person's verdict; `external` waits for the verdict of a verifier that is \
         registered as a tool, and tells it, if `verifier_url` is given. The verdict comes later, by votes or by `/v1/truth/{claim_id}/verdict`.";
    routes
        .post("/v1/truth/verify", "verify_claim", verify::by_body)
        .summary("Have a claim verified")
        .about(VERIFY)
        .needs("claims:write")
        .answers(200)
        .example(json!({"claim_id": "maip-tc:01KC2G2V3T3XJ6W1B0D9QH8Y7T", "verification_method": "human"}));
    for (path, id) in [
        ("/v1/truth/{claim_id}/verify", "verify_claim_by_path"),
        ("/v1/truth-claims/{claim_id}/verify", "verify_truth_claim"),
    ] {
        routes
            .post(path, id, verify::by_path)
            .summary("Have a claim verified")
            .about(VERIFY)
            .needs("claims:write")
            .answers(200)
            .example(json!({"verification_method": "witness"}));
    }
    routes
        .post("/v1/truth/{claim_id}/verdict", "judge_claim", judge::judge)
        .summary("Record a verdict over a claim")
        .about("By a person, or by a verifier that is registered as a tool. Where agents were asked for votes, the votes decide.")
        .needs("claims:judge")
        .answers(200)
        .example(json!({"result": "confirmed", "verification_method": "human", "notes": "Checked against the ledger."}));
}

fn declare_reads(routes: &mut Routes) {
    for (path, list, get) in [
        ("/v1/truth", "list_claims", "get_claim"),
        ("/v1/truth-claims", "list_truth_claims", "get_truth_claim"),
    ] {
        routes
            .get(path, list, view::list)
            .summary("List claims")
            .about("Newest first.")
            .needs("claims:read")
            .paged();
        let one = if path == "/v1/truth" { "/v1/truth/{claim_id}" } else { "/v1/truth-claims/{claim_id}" };
        routes.get(one, get, view::get).summary("Get a claim").needs("claims:read");
    }
}
