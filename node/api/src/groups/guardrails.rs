//! Guardrails: breakers that open after too many denials, and rules about content; the check that asks all of them.

mod check;
mod content;
mod rules;
mod view;

use axum::http::Method;
use serde_json::json;

pub(crate) use check::stopped;

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Guardrails & Delegation",
        "What stops an agent at the moment of acting: rules about content, and breakers that open when an action is denied too often. And what agents hand \
         to each other.",
    );
    routes
        .post("/v1/guardrails/check", "check_guardrails", check::check)
        .summary("May this pass?")
        .about(
            "Asks every rule about the action: what the content may not hold, and whether a breaker is open. Violations of severity `error` and \
             `critical` stop it. The answer is a `decision` in the log, which breakers hear of; with `\"log\": false` nothing is written. The content is not kept.",
        )
        .needs("guardrails:check")
        .answers(200)
        .example(json!({
            "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "action": "mail:send",
            "content": "The invoice is attached.",
        }));
    let example = json!({
        "name": "outgoing-mail", "action": "mail:send", "severity": "error", "threshold": 5, "window_seconds": 60,
        "cooldown_seconds": 300, "content": {"blocked_terms": ["internal only"], "detect": ["card_number"]},
    });
    routes
        .post("/v1/guardrails/rules", "create_guardrail_rule", rules::create)
        .summary("Create a guardrail rule")
        .about(
            "A breaker over the actions that `action` covers: after `threshold` denied decisions within `window_seconds` it opens and nothing passes; after \
             `cooldown_seconds` it is half open, and the next decision closes or opens it. With `content`, the check also looks at what is sent.",
        )
        .needs("guardrails:write")
        .example(example);
    routes
        .get("/v1/guardrails/rules", "list_guardrail_rules", view::list)
        .summary("List guardrail rules")
        .about("By name, with how their breakers stand.")
        .needs("guardrails:read")
        .paged();
    routes
        .get("/v1/guardrails/rules/{rule_id}", "get_guardrail_rule", view::get)
        .summary("Get a guardrail rule")
        .needs("guardrails:read")
        .versioned();
    routes
        .add(Method::PATCH, "/v1/guardrails/rules/{rule_id}", "update_guardrail_rule", rules::update)
        .summary("Change a guardrail rule")
        .about("What is left out stays. The rule is defined anew, which closes its breaker; `enabled` switches it off and on.")
        .needs("guardrails:write")
        .versioned()
        .example(json!({"threshold": 10}));
    routes
        .add(Method::DELETE, "/v1/guardrails/rules/{rule_id}", "delete_guardrail_rule", rules::delete)
        .summary("Delete a guardrail rule")
        .needs("guardrails:write")
        .versioned();
    routes
        .post("/v1/guardrails/rules/{rule_id}/breaker", "set_guardrail_breaker", rules::set_breaker)
        .summary("Set a breaker by hand")
        .about("`open` stops the actions for `cooldown_seconds`; `closed` lets them pass again.")
        .needs("guardrails:write")
        .answers(200)
        .example(json!({"state": "closed", "reason": "the supplier was fixed"}));
}
