//! MAIP Policies: what a tenant's agents may not do although their scopes allow it, and what needs somebody's yes.

mod ask;
mod change;
mod evaluate;
mod published;
mod recorded;
mod rules;
mod view;

use axum::http::Method;
use serde_json::json;

pub(crate) use ask::{
    AmountBody, Asked, Decided, approval_lease, ask, ask_guardrail, decided_view, is_approved, sentence,
};

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "MAIP Policies",
        "Rules of a tenant. Its agents may do what their scopes allow, unless a rule of an active policy denies it: a deny overrides \
         everything, and rules that ask for an approval add up. Policies and decisions are records, so anybody who holds the log works \
         each answer out again.",
    );
    let example = json!({
        "name": "No large payments", "category": "trust", "priority": 10,
        "rules": [{
            "conditions": [
                {"field": "scope", "op": "eq", "value": "payments:write"},
                {"field": "trust_score", "op": "lt", "value": 0.7},
            ],
            "effect": "require_approval",
        }],
    });
    routes
        .post("/v1/maip/policies", "create_policy", change::create)
        .summary("Create a policy")
        .about(
            "A rule is written with `conditions`, all of which must hold, or in the form of the record: `actions`, `effect` `deny`, \
             `require` or `approve`, and `when`. A name is there once in the tenant.",
        )
        .needs("policies:write")
        .example(example.clone());
    routes
        .get("/v1/maip/policies", "list_policies", view::list)
        .summary("List policies")
        .about("In the order in which decisions look at them: by priority, then by age. Archived ones only when asked for.")
        .needs("policies:read")
        .paged();
    routes
        .post("/v1/maip/policies/evaluate", "evaluate_policies", evaluate::evaluate)
        .summary("May an agent do this?")
        .about(
            "Scopes, session, grant, trust, every active policy and every guardrail's breaker. The answer is a `decision` in the log, which counts \
             towards rates and budgets; with `\"log\": false` nothing is written and nothing counted.",
        )
        .needs("policies:evaluate")
        .answers(200)
        .example(json!({"agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "scope": "payments:write"}));
    routes
        .get("/v1/maip/policies/{policy_id}", "get_policy", view::get)
        .summary("Get a policy")
        .needs("policies:read")
        .versioned();
    routes
        .add(Method::PUT, "/v1/maip/policies/{policy_id}", "replace_policy", change::replace)
        .summary("Replace a policy")
        .about("A new version of it; one that was switched off stays so. Decisions name the version that they were made under.")
        .needs("policies:write")
        .versioned()
        .example(example);
    routes
        .add(Method::PATCH, "/v1/maip/policies/{policy_id}", "update_policy", change::update)
        .summary("Change parts of a policy")
        .about("What is left out stays. `status` switches it on and off, or archives it.")
        .needs("policies:write")
        .versioned()
        .example(json!({"priority": 5, "status": "active"}));
    declare_status(routes);
}

fn declare_status(routes: &mut Routes) {
    routes
        .post("/v1/maip/policies/{policy_id}/disable", "disable_policy", change::disable)
        .summary("Switch a policy off")
        .needs("policies:write")
        .versioned()
        .answers(200)
        .example(json!({"reason": "too strict"}));
    routes
        .post("/v1/maip/policies/{policy_id}/enable", "enable_policy", change::enable)
        .summary("Switch a policy on")
        .needs("policies:write")
        .versioned()
        .answers(200)
        .example(json!({"reason": "reviewed"}));
    routes
        .post("/v1/maip/policies/{policy_id}/archive", "archive_policy", change::archive)
        .summary("Archive a policy")
        .about("It is switched off and leaves the list; its versions stay in the log.")
        .needs("policies:write")
        .versioned()
        .answers(200)
        .example(json!({"reason": "replaced"}));
    routes
        .add(Method::DELETE, "/v1/maip/policies/{policy_id}", "delete_policy", change::delete)
        .summary("Archive a policy")
        .about("As `/archive`: what was decided under it must stay explicable.")
        .needs("policies:write")
        .versioned();
}
