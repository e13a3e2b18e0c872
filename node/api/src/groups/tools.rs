//! Tools: what agents may use, and the gate before each use.

mod arguments;
mod invoke;
mod rate;
mod redeem;
mod register;
mod view;

use axum::http::Method;
use serde_json::json;

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Agent Sessions & Tools",
        "What agents are in the middle of, and the tools that they use. A node decides about a call and does not run it: the agent gets a token for \
         this one call, and the tool's owner verifies it offline or redeems it.",
    );
    let example = json!({
        "name": "send_email", "display_name": "Send e-mail", "scope_required": "mail:send", "risk_level": "medium",
        "rate_limit_per_minute": 30, "category": "messaging",
    });
    routes
        .post("/v1/tools", "register_tool", register::register)
        .summary("Register a tool")
        .about(
            "The risk is raised to `high` when the name or the scope holds write, delete, send, execute, deploy, destroy, drop or truncate. A `critical` \
             tool needs an approval for each call.",
        )
        .needs("tools:write")
        .example(example.clone());
    routes
        .get("/v1/tools", "list_tools", view::list)
        .summary("List tools")
        .about("Newest first.")
        .needs("tools:read")
        .paged();
    routes
        .get("/v1/tools/{tool_name}", "get_tool", view::get)
        .summary("Get a tool")
        .about("By its name or its id.")
        .needs("tools:read")
        .versioned();
    routes
        .add(Method::PATCH, "/v1/tools/{tool_name}", "update_tool", register::update)
        .summary("Change a tool")
        .about("A new version of it. What is left out stays; the name stays.")
        .needs("tools:write")
        .versioned()
        .example(json!({"rate_limit_per_minute": 10}));
    routes
        .add(Method::DELETE, "/v1/tools/{tool_name}", "delete_tool", register::delete)
        .summary("Delete a tool")
        .about("Its last version has no scopes, so no decision allows a call of it; its name is free again.")
        .needs("tools:write")
        .versioned();
    routes
        .post("/v1/tools/{tool_name}/invoke", "invoke_tool", invoke::invoke)
        .summary("May an agent call this tool now?")
        .about(
            "Looked at in this order: the agent, its session, scopes, the rate of calls, policies and guardrails, approval. The answer is a `decision` in the \
             log. If the call is allowed, `token` stands for it, once: for this tool, this agent and these arguments. A node does not run the tool, so \
             `result` is null.",
        )
        .needs("tools:invoke")
        .answers(200)
        .example(json!({
            "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N",
            "arguments": {"to": "ops@example.com", "subject": "Done"},
        }));
    routes
        .post("/v1/tools/{tool_name}/redeem", "redeem_tool_call", redeem::redeem)
        .summary("Redeem the token of a call")
        .about(
            "For the tool's owner, before it acts: whether the log made this token for this tool, whether it is still good, and that nobody has redeemed it before. \
             Of all who try, on any node, one succeeds.",
        )
        .needs("tools:redeem")
        .answers(200)
        .example(json!({
            "token": "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiIsInR5cCI6Im1haXAtY2FsbCtqd3QifQ.e30.c2ln",
            "arguments_hash": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        }));
}
