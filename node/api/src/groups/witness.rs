//! Witnesses: agents are asked whether a claim holds, vote, and the votes are counted.

mod ask;
mod attest;
mod ballot;
mod consensus;
mod view;

use serde_json::json;

pub(in crate::groups) use ask::{AskVotes, ask};
pub(in crate::groups) use view::deadline_text;

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    // Part of the group of trust.
    routes
        .post("/v1/witness", "create_witness_request", ask::create)
        .summary("Ask agents whether a claim holds")
        .about(
            "For a claim of the tenant, or, with `agent_id` and `name` instead of `claim_id`, for one that is made by this call. Who is named may vote, of any tenant; \
             without names, every agent of the tenant itself. At least half of the votes that are needed must come from other tenants, unless the claim is internal: \
             name some of theirs.",
        )
        .needs("witness:request")
        .example(json!({"claim_id": "maip-tc:01KC2G2V3T3XJ6W1B0D9QH8Y7T", "required_witnesses": 3, "ttl_seconds": 86400}));
    routes
        .get("/v1/witness", "list_witness_requests", view::list)
        .summary("List the tenant's requests for votes")
        .about("Newest first.")
        .needs("witness:read")
        .paged();
    routes
        .get("/v1/witness/{witness_id}", "get_witness_request", view::get)
        .summary("Get a request for votes")
        .about("Also for tenants of which an agent may vote.")
        .needs("witness:read");
    routes
        .get("/v1/witness/{witness_id}/ballot", "get_witness_ballot", ballot::get)
        .summary("What an agent signs when it votes itself")
        .about(
            "The canonical bytes of the record that the vote would be, without its signature. The agent reads them, signs them with its own key and sends the \
             signature, with `attestation_id` and `at`, to `/v1/witness/{witness_id}/attest`. Nothing is kept of it.",
        )
        .needs("witness:attest");
    routes
        .post("/v1/witness/{witness_id}/attest", "attest_claim", attest::attest)
        .summary("Vote on a claim")
        .about(
            "Once for each agent, and not on its own claim. Without `signature` the operator signs on behalf of the credential, and every answer says so; with it \
             the record is the agent's own. The vote that completes the quorum also has the votes counted.",
        )
        .needs("witness:attest")
        .example(json!({"agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "verdict": "confirm", "evidence": "Summed the lines.", "confidence": 0.9}));
    routes
        .get("/v1/witness/{witness_id}/consensus", "get_witness_consensus", consensus::get)
        .summary("What the votes say")
        .about(
            "Confirmed needs the quorum, more votes for than against, and at least half of the quorum from other tenants unless the claim is internal. Abstentions \
             count for the quorum only. A tie is not confirmed.",
        )
        .needs("witness:read");
    routes
        .post("/v1/witness/{witness_id}/consensus", "count_witness_votes", consensus::count)
        .summary("Have the votes counted")
        .about("Once there are enough, the result goes on record and the claim is closed. Before that nothing is written.")
        .needs("witness:request")
        .answers(200);
}
