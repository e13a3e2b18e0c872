//! Guardrails & Delegation: grants from one agent to another, what becomes of them, and what they are worth.

mod answers;
mod bodies;
mod chain_file;
mod check;
mod judged;
mod limits;
mod lists;
mod offer;
mod open;
mod verdict;
mod view;

use axum::http::Method;
use serde_json::json;

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Delegation",
        "Grants: an agent, or a tenant, lets another agent do something, within bounds. Each is a record that the operator signs on behalf of the credential; an agent \
         that hands a grant on signs that itself, with the key that the grant names, and sends it to `/v1/records`.",
    );
    declare_offers(routes);
    declare_answers(routes);
    declare_reads(routes);
    declare_verdicts(routes);
}

fn declare_offers(routes: &mut Routes) {
    let about = "Inside a tenant the grant holds at once and lives at most 365 days (90 when nothing is said). To another tenant it needs an agreement \
                 (`/v1/federation/agreements`), holds from its acceptance on, which must come within 24 hours, and lives at most 24 hours. An offer of more than its \
                 giver has is refused with `SCOPE_ESCALATION`.";
    let example = json!({
        "from_agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "to_agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M",
        "scopes": ["invoices:read"], "ttl_seconds": 3600, "conditions": {"max_invocations": 100},
    });
    routes
        .post("/v1/delegations/offer", "offer_delegation", offer::offer)
        .summary("Offer a grant")
        .about(about)
        .needs("delegations:offer")
        .example(example.clone());
    routes
        .post("/v1/delegations", "create_delegation", offer::offer)
        .summary("Offer a grant")
        .about("As `/v1/delegations/offer`, where the SDKs look for it.")
        .needs("delegations:offer")
        .example(json!({
            "fromAgentId": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "toAgentId": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M",
            "scope": {"actions": ["read"], "resources": ["invoices"]}, "ttlSeconds": 3600,
        }));
    routes
        .post("/v1/delegations/cross-tenant/offer", "offer_delegation_across_tenants", offer::across_tenants)
        .summary("Offer a grant to another tenant")
        .about("As `/v1/delegations/offer`, and refused if the receiver is of the caller's own tenant.")
        .needs("delegations:offer")
        .example(json!({
            "from_agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "to_agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M",
            "to_tenant_id": "maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7A", "scopes": ["invoices:read"], "ttl_hours": 8,
            "constraints": {"max_actions_per_hour": 50}, "require_trust_score_above": 70,
        }));
    routes
        .post("/v1/agents/{agent_id}/delegations", "create_agent_delegation", offer::of_agent)
        .summary("Grant to another agent")
        .about("From the agent in the path. The answer's `status` is `active` while the grant holds.")
        .needs("delegations:offer")
        .example(json!({
            "to_agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M", "scopes": ["invoices:read"], "purpose": "month-end",
            "constraints": {"max_actions_per_hour": 50}, "expires_at": "2026-12-31T00:00:00Z",
        }));
}

fn declare_answers(routes: &mut Routes) {
    routes
        .post("/v1/delegations/{delegation_id}/accept", "accept_delegation", answers::accept)
        .summary("Accept a grant")
        .about(
            "By the receiver's tenant. `token` of the offer's answer, if it is sent, must name this very offer. A grant of another log is accepted with `foreign`: \
             the offer's record as it stands there.",
        )
        .needs("delegations:accept")
        .answers(200)
        .example(json!({"agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M"}));
    routes
        .post("/v1/delegations/{delegation_id}/reject", "reject_delegation", answers::reject)
        .summary("Reject a grant")
        .about("By the receiver's tenant. The grant has ended.")
        .needs("delegations:accept")
        .answers(200)
        .example(json!({"reason": "not needed"}));
    routes
        .post("/v1/delegations/{delegation_id}/revoke", "revoke_delegation", answers::revoke)
        .summary("Revoke a grant")
        .about(
            "By either party, or a tenant further up. From the record's index on the grant and all that hangs below it do not hold. Final.",
        )
        .needs("delegations:revoke")
        .answers(200)
        .example(json!({"reason": "finished"}));
    routes
        .add(Method::DELETE, "/v1/delegations/{delegation_id}", "delete_delegation", answers::revoke)
        .summary("Revoke a grant")
        .about("As `/v1/delegations/{delegation_id}/revoke`.")
        .needs("delegations:revoke")
        .example(json!({"reason": "finished"}));
}

fn declare_reads(routes: &mut Routes) {
    routes
        .get("/v1/delegations", "list_delegations", lists::list)
        .summary("List grants")
        .about("Those that the caller's tenant gives or gets, newest first.")
        .needs("delegations:read")
        .paged();
    routes
        .get("/v1/delegations/open", "list_open_offers", open::list)
        .summary("List offers that await an agent")
        .about(
            "Offers to a tenant as a whole, by and to the caller's. Who accepts one names the agent; only then the log has the grant, under the terms whose digest it holds \
             since the offer.",
        )
        .needs("delegations:read")
        .paged();
    routes
        .get("/v1/delegations/{delegation_id}", "get_delegation", lists::get)
        .summary("Get a grant")
        .about("Both parties see it, and so does every tenant further up; nobody else.")
        .needs("delegations:read");
    routes
        .get("/v1/agents/{agent_id}/delegations", "list_agent_delegations", lists::of_agent)
        .summary("List an agent's grants")
        .about("Those that it gives or gets, newest first. `status` is `active` while a grant holds.")
        .needs("delegations:read")
        .paged();
}

fn declare_verdicts(routes: &mut Routes) {
    routes
        .get("/v1/agents/{agent_id}/delegation-tree", "get_delegation_tree", judged::tree)
        .summary("The chain above an agent, and its grants below")
        .about(
            "Without `delegation_id`, of the newest grant to the agent that holds, or of the newest if none does. An agent that nobody has granted anything acts by its \
             own scopes: the chain is empty and valid.",
        )
        .needs("delegations:read");
    routes
        .get("/v1/delegations/{agent_id}/chain/verify", "verify_delegation_chain", judged::tree)
        .summary("Verify the chain above an agent")
        .about("As `/v1/agents/{agent_id}/delegation-tree`, where older clients look for it.")
        .needs("delegations:read")
        .older();
    routes
        .get("/v1/revocation/status/{delegation_id}", "get_revocation_status", judged::revocation)
        .summary("Whether a grant is revoked")
        .about("Anybody may ask for the same with its proof: `/v1/log/status/{delegation_id}`.")
        .needs("delegations:read");
    routes
        .post("/v1/delegations/check", "check_delegation", check::check)
        .summary("Judge a grant or a chain file")
        .about(
            "A grant by its id is judged by this node's state, with the action if one is named. A chain file (`/v1/receipts/{receipt_id}/chain`) is judged as `maip verify` \
             does it: by what it holds and the verifier's policy alone. `reason` is a stable word.",
        )
        .needs("delegations:read")
        .answers(200)
        .body_bytes_max(check::CHECK_BYTES_MAX)
        .example(json!({"delegation_id": "maip-deleg:01KC2G2V3T3XJ6W1B0D9QH8Y7R", "action": "invoices:read"}));
    routes
        .raw(
            Method::GET,
            "/v1/receipts/{receipt_id}/chain",
            "get_receipt_chain",
            "text/plain; charset=utf-8",
            chain_file::chain_file,
        )
        .summary("The chain file of a receipt")
        .about(
            "The receipt, every grant from the root, the keys of whoever signed, and the status of all on the way, each with its proof: `maip verify FILE --policy POLICY` \
             needs no server. Waits up to `timeout_ms` until the log has sealed the statuses. A chain through another log is made by `maip chain --peer`.",
        )
        .needs("receipts:read")
        .selective();
}
