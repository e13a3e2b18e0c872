//! What an endpoint may refuse with, and how that looks.

use serde_json::{Value, json};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema,
    header::HeaderBuilder,
    schema::{SchemaType, Type},
};

use super::{Operation, operation::Access};

/// Name of the shape of every refusal.
pub(super) const ERROR: &str = "Error";

/// Every status that an endpoint may refuse with.
pub(super) fn refusals(operation: &Operation) -> Vec<u16> {
    if let Some(refuses) = operation.refuses {
        return refuses.to_vec();
    }
    // A filter by the id of what is not there.
    let names_something = operation.query.iter().any(|parameter| parameter.name.ends_with("_id"));
    let takes_body = operation.body.is_some();
    let public = operation.access == Access::Public;
    let all = [
        (true, 400),
        (true, 401),
        (operation.metered, 402),
        (true, 403),
        (operation.path.contains('{') || takes_body || operation.writes() || names_something, 404),
        (true, 408),
        (operation.writes() || operation.selective, 409),
        (operation.versioned, 412),
        (true, 413),
        (true, 415),
        // A query of its own may be read and still make no sense.
        (operation.writes() || !operation.query.is_empty(), 422),
        (!public || operation.writes(), 429),
        (true, 500),
        (true, 503),
        (true, 504),
    ];
    all.into_iter().filter(|(applies, _)| *applies).map(|(_, status)| status).collect()
}

/// One refusal as the document shows it.
pub(super) fn response(status: u16) -> Response {
    let (what, example) = meaning(status);
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ERROR))).build();
    content.example = Some(example);
    let mut response = ResponseBuilder::new().description(what).content("application/json", content);
    if status == 401 {
        let schemes = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        let about = "The schemes that there are.";
        response = response.header("WWW-Authenticate", schemes.description(Some(about)).build());
    }
    if matches!(status, 429 | 503) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0));
        let seconds = HeaderBuilder::new().schema(Some(seconds));
        let about = "When to ask again, in whole seconds.";
        response = response.header("Retry-After", seconds.description(Some(about)).build());
    }
    response.build()
}

fn meaning(status: u16) -> (&'static str, Value) {
    let (what, code, message, details) = match status {
        400 => (
            "The request cannot be read.",
            "MALFORMED",
            "limit must be a whole number from 1 to 200",
            json!({"field": "limit", "fix": "see the parameters of this endpoint under /docs"}),
        ),
        401 => (
            "No credential, or one that is none.",
            "UNAUTHORIZED",
            "the request carries no valid credential",
            json!({"field": "authorization", "fix": "send `X-API-Key: <key>` or `Authorization: Bearer <key or token>`"}),
        ),
        402 => (
            "The plan's quota is used up.",
            "QUOTA_EXCEEDED",
            "the plan includes 2 maip.agents, and 2 are used",
            json!({"fix": "wait for the reset, or ask the operator for a larger plan", "metric": "maip.agents", "limit": 2, "used": 2, "resets_at": null}),
        ),
        403 => (
            "The credential does not cover it, or is another tenant's.",
            "FORBIDDEN",
            "the credential does not cover agents:write",
            json!({"field": "authorization", "fix": "use a credential with the scope agents:write"}),
        ),
        404 => (
            "There is no such thing for this caller.",
            "NOT_FOUND",
            "there is no such agent",
            json!({"field": "agent_id", "fix": "check the id and the environment of the credential; a new one may need ?min_index="}),
        ),
        408 => (
            "The request came too slowly.",
            "TIMEOUT",
            "the request took longer than this node allows",
            json!({"fix": "send the body faster, or ask for less"}),
        ),
        409 => (
            "It contradicts what is there.",
            "IDEMPOTENCY_KEY_REUSED",
            "the key was used for another request",
            json!({"field": "Idempotency-Key", "fix": "use a new key for a new request"}),
        ),
        412 => (
            "It has changed since it was read.",
            "PRECONDITION_FAILED",
            "it has changed since it was read",
            json!({"field": "If-Match", "fix": "read it again and apply your change to what you read"}),
        ),
        413 => (
            "The body is too large.",
            "PAYLOAD_TOO_LARGE",
            "the body is larger than 262144 bytes",
            json!({"field": "body", "fix": "send less, or digests instead of content"}),
        ),
        415 => (
            "The body is not JSON.",
            "UNSUPPORTED_MEDIA_TYPE",
            "the body is not application/json",
            json!({"field": "Content-Type", "fix": "send Content-Type: application/json"}),
        ),
        422 => (
            "A field says something that it may not.",
            "INVALID_INPUT",
            "must have 1 to 256 characters, this has 0",
            json!({"field": "display_name", "fix": "see the fields of this endpoint under /docs"}),
        ),
        429 => (
            "Too often, or too much at once.",
            "RATE_LIMITED",
            "the credential has called too often",
            json!({"fix": "wait for the time in Retry-After; X-RateLimit-* says what is left"}),
        ),
        503 => (
            "No leader, or the log takes no records for now.",
            "NO_LEADER",
            "the cluster has no leader at the moment",
            json!({"fix": "ask again after the time in Retry-After"}),
        ),
        504 => (
            "What was waited for did not come in time.",
            "TIMEOUT",
            "this node has not applied entry 4711",
            json!({"field": "min_index", "fix": "ask again, or look at the alarms of Admin.Status"}),
        ),
        _ => (
            "The node failed.",
            "INTERNAL",
            "the node failed to answer",
            json!({"fix": "retry, or ask another node; the operator finds the cause under this trace id"}),
        ),
    };
    let example = json!({
        "code": code,
        "error": message,
        "message": message,
        "http_status": status,
        "details": details,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    });
    (what, example)
}

/// The shape of every refusal.
pub(super) fn error_schema() -> RefOr<Schema> {
    let text = |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    let whole = |about: &str| ObjectBuilder::new().schema_type(Type::Integer).description(Some(about));
    let resets = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some("Of a 402: when it begins anew, RFC 3339; null when it does not by itself."));
    let details = ObjectBuilder::new()
        .description(Some("Where the fault is and what helps."))
        .property("field", text("The field or parameter at fault."))
        .property("fix", text("What to do next."))
        .property("metric", text("Of a 402: what is counted."))
        .property("limit", whole("Of a 402: how much the plan includes."))
        .property("used", whole("Of a 402: how much is used."))
        .property("resets_at", resets);
    let mut error = ObjectBuilder::new()
        .description(Some("A refusal: what is wrong, where, and what to do next."))
        .property("code", text("A stable word for programs."))
        .property("error", text("The message again, for older clients."))
        .property("message", text("What is wrong, for people."))
        .property("http_status", whole("The status of the answer."))
        .property("details", details)
        .property("trace_id", text("Names the request in the logs of the nodes."));
    for name in ["code", "error", "message", "http_status", "details", "trace_id"] {
        error = error.required(name);
    }
    error.into()
}
