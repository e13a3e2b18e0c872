//! Observability: events as a list and live, callers' own events, figures over a span of time.

mod emit;
mod list;
mod metrics;
mod stream;

use axum::http::Method;
use serde_json::json;

pub(super) use list::environment;

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Observability",
        "What happens in the tenant's part of the log. Each record is one event with one id, the same on every node, so nobody misses one and \
         nobody needs to guess which two are the same.",
    );
    routes
        .get("/v1/observability/events", "list_events", list::list)
        .summary("List events")
        .about("Newest first. `total` of a filtered list is counted from the page on, up to 10,000.")
        .needs("events:read")
        .paged();
    routes
        .post("/v1/observability/events", "emit_event", emit::emit)
        .summary("Emit an event")
        .about(
            "The caller's own event about one of its agents: a receipt of the kind `event`, so it is in the log like any other. The log holds \
             digests of `metadata` and `resource_id`; the nodes keep the values. A word that a record of the protocol makes cannot be emitted. \
             With an `Idempotency-Key`, a repetition is the same event.",
        )
        .needs("events:write")
        .example(json!({
            "event_type": "acme.invoice_paid", "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "resource_id": "invoice-4711",
            "metadata": {"amount": 1250},
        }));
    routes
        .raw(Method::GET, "/v1/observability/events/stream", "stream_events", "text/event-stream", stream::stream)
        .summary("Events as they happen")
        .about(
            "Server-sent events: `id` is the event's id, `event` its type, `data` the event as JSON. Reconnect with `Last-Event-ID` (browsers do) \
             or `last_event_id`, at any node, and the stream goes on behind that event. Without it the stream begins with what happens from now \
             on. A comment every 15 s shows that the stream lives. It ends when the credential does or the node stops. At most 8 at once for a \
             credential on a node; 429 above that.",
        )
        .needs("events:read");
    routes
        .get("/v1/observability/metrics", "get_observability_metrics", metrics::metrics)
        .summary("Figures over a span of time")
        .about(
            "Counted from the log: times are the log's. A span has at most 750 steps of the granularity and 100,000 records. \
             `guardrail_check` latencies are the only figures that are not from the log: they are of the node that answers, since it started.",
        )
        .needs("metrics:read");
}
