//! Workflows and their runs.

use serde_json::{Value, json};

use crate::client::{Api, Caller};

/// Three steps, the last of which is chosen or not.
fn invoice_check() -> Value {
    json!({
        "name": "Invoice check", "description": "Pays small ones.", "version": "1.2.0",
        "steps": [
            {"name": "Pay", "type": "tool_call", "action": "invoices:pay", "depends_on": ["Small?"], "config": {"tool": "bank"}},
            {"name": "Read", "type": "llm_inference", "action": "invoices:read", "config": {"prompt": "How much?"},
             "retry": {"max_attempts": 3}, "timeout_seconds": 120},
            {"name": "Small?", "type": "decision", "depends_on": ["read"],
             "config": {"choices": [{"when": "steps.read.output.amount < 1000", "next": ["Pay"]}]}},
        ],
    })
}

fn with_steps(steps: &Value) -> Value {
    json!({"name": "W", "steps": steps})
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn put(caller: &Caller<'_>, path: &str, body: &Value) -> crate::client::Reply {
    caller.call("PUT", path, Some(body.to_string()))
}

#[test]
fn a_workflow_is_written_published_and_archived() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let made = live.post("/v1/workflows", &invoice_check());
    assert_eq!(made.header("etag"), Some("\"1\""));
    let made = made.ok(201);
    let path = format!("/v1/workflows/{}", text(&made, "workflow_id"));
    assert_eq!((text(&made, "status"), text(&made, "version")), ("draft", "1.2.0"));
    assert_eq!((&made["version_number"], text(&made, "description")), (&json!(1), "Pays small ones."));
    assert_eq!(
        (text(&made["steps"][2], "step_id"), &made["steps"][1]["retry"]["max_attempts"]),
        ("small_", &json!(3))
    );
    // The log holds the graph in an order that works, and a digest for the rest.
    let index = made["log_index"].as_u64().unwrap();
    let record = live.get(&format!("/v1/records/{index}")).ok(200);
    let body = &record["record"]["body"];
    assert_eq!(body["digest"], made["digest"]);
    let steps: Vec<&str> = body["steps"].as_array().unwrap().iter().map(|step| text(step, "step")).collect();
    assert_eq!(steps, ["read", "small_", "pay"]);
    assert_eq!(
        (&body["steps"][2]["after"], text(&body["steps"][2], "scope")),
        (&json!(["small_"]), "invoices:pay")
    );
    assert!(!record.to_string().contains("How much?"), "a prompt is in the log");

    assert_eq!(text(&live.get(&format!("{path}?min_index={index}")).ok(200), "status"), "draft");
    let published = live.call("POST", &format!("{path}/publish"), None).ok(200);
    assert_eq!(text(&published, "status"), "published");
    let record = live.get(&format!("/v1/records/{}", published["log_index"])).ok(200);
    assert_eq!(text(&record, "record_type"), "workflow.publish");

    // A new version is a draft; the old one stays as it is.
    let mut changed = invoice_check();
    changed["steps"][1]["config"]["prompt"] = json!("Which amount?");
    changed.as_object_mut().unwrap().remove("version");
    let second = put(live, &path, &changed).ok(200);
    assert_eq!(
        (text(&second, "status"), text(&second, "version"), &second["newest_version"]),
        ("draft", "2.0.0", &json!(2))
    );
    let old = live.get(&format!("{path}?version=1")).ok(200);
    assert_eq!((text(&old, "status"), &old["steps"]), ("published", &made["steps"]));
    live.get(&format!("{path}?version=3")).refused(404, "NOT_FOUND", "version");
    live.post(&format!("{path}/publish"), &json!({"version": 3})).refused(404, "NOT_FOUND", "version");

    let archived = live.post(&format!("{path}/archive"), &json!({})).ok(200);
    assert_eq!(text(&archived, "status"), "archived");
    assert!(archived["archived_at"].is_string());
    for refused in [
        live.post(&format!("{path}/archive"), &json!({})),
        live.post(&format!("{path}/publish"), &json!({})),
        put(live, &path, &changed),
    ] {
        refused.refused(409, "WORKFLOW_ARCHIVED", "workflow_id");
    }
}

#[test]
fn whoever_reads_an_old_version_overwrites_nothing() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let made = live.post("/v1/workflows", &invoice_check()).ok(201);
    let path = format!("/v1/workflows/{}", text(&made, "id"));
    let first = live.with("if-match", "\"1\"");
    assert_eq!(put(&first, &path, &invoice_check()).ok(200)["version_number"], 2);
    put(&first, &path, &invoice_check()).refused(412, "PRECONDITION_FAILED", "If-Match");
    first.post(&format!("{path}/publish"), &json!({})).refused(412, "PRECONDITION_FAILED", "If-Match");
    for tag in ["*", "\"1\", \"2\""] {
        live.with("if-match", tag).post(&format!("{path}/publish"), &json!({})).ok(200);
    }
}

#[test]
fn lists_have_each_workflow_once_in_its_newest_version() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let ids: Vec<String> = (0..3)
        .map(|_| text(&live.post("/v1/workflows", &invoice_check()).ok(201), "workflow_id").to_owned())
        .collect();
    put(live, &format!("/v1/workflows/{}", ids[0]), &invoice_check()).ok(200);
    live.post(&format!("/v1/workflows/{}/publish", ids[0]), &json!({})).ok(200);
    let all = live.get("/v1/workflows").ok(200);
    let listed: Vec<&str> =
        all["workflows"].as_array().unwrap().iter().map(|each| text(each, "workflow_id")).collect();
    assert_eq!(listed, [&ids[2], &ids[1], &ids[0]]);
    assert_eq!(all["items"][2]["version_number"], 2);
    let published = live.get("/v1/workflows?status=published").ok(200);
    assert_eq!(
        (published["total"].as_u64(), text(&published["data"][0], "workflow_id")),
        (Some(1), ids[0].as_str())
    );
    live.get("/v1/workflows?status=lost").refused(400, "MALFORMED", "status");
}

#[test]
fn a_workflow_that_cannot_run_is_refused_with_the_field() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let foreign = other.live.post("/v1/agents", &json!({"display_name": "x"})).ok(201);
    let step = |extra: Value| {
        let mut step = json!({"name": "a", "type": "tool_call", "config": {}});
        step.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        step
    };
    for (steps, status, code, field) in [
        (json!([]), 422, "INVALID_INPUT", "steps"),
        (json!([step(json!({})), step(json!({}))]), 422, "INVALID_INPUT", "steps[1].name"),
        (json!([step(json!({"depends_on": ["b"]}))]), 422, "INVALID_INPUT", "steps[0].depends_on[0]"),
        (json!([step(json!({"depends_on": ["a"]}))]), 422, "INVALID_INPUT", "steps[0].depends_on[0]"),
        (json!([step(json!({"type": "dance"}))]), 422, "INVALID_INPUT", "steps[0].type"),
        (json!([step(json!({"action": "invoices:*"}))]), 422, "INVALID_INPUT", "steps[0].action"),
        (
            json!([step(json!({"retry": {"max_attempts": 11}}))]),
            422,
            "INVALID_INPUT",
            "steps[0].retry.max_attempts",
        ),
        (json!([step(json!({"timeout_seconds": 0}))]), 422, "INVALID_INPUT", "steps[0].timeout_seconds"),
        (json!([step(json!({"more": 1}))]), 422, "INVALID_INPUT", "steps[0].more"),
        (json!([step(json!({"type": "transform"}))]), 422, "INVALID_INPUT", "steps[0].config.expression"),
        (
            json!([step(json!({"type": "transform", "config": {"expression": "1 +"}}))]),
            422,
            "INVALID_INPUT",
            "steps[0].config.expression",
        ),
        (
            json!([step(json!({"agent_id": text(&foreign, "agent_id")}))]),
            404,
            "NOT_FOUND",
            "steps[0].agent_id",
        ),
    ] {
        acme.live.post("/v1/workflows", &with_steps(&steps)).refused(status, code, field);
    }
    let many: Vec<Value> = (0..101).map(|n| json!({"name": format!("s{n}"), "type": "tool_call"})).collect();
    acme.live.post("/v1/workflows", &with_steps(&many.into())).refused(422, "INVALID_INPUT", "steps");
    acme.live.call("POST", "/v1/workflows", Some("[".into())).refused(400, "MALFORMED", "body");
    assert_eq!(acme.live.get("/v1/workflows").ok(200)["total"], 0, "something refused is there");
}

#[test]
fn another_tenants_workflow_does_not_exist() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let made = acme.live.post("/v1/workflows", &invoice_check()).ok(201);
    let path = format!("/v1/workflows/{}", text(&made, "workflow_id"));
    let foreign = &other.live;
    for refused in [
        foreign.get(&path),
        put(foreign, &path, &invoice_check()),
        foreign.post(&format!("{path}/publish"), &json!({})),
        foreign.post(&format!("{path}/archive"), &json!({})),
    ] {
        refused.refused(404, "NOT_FOUND", "workflow_id");
    }
    assert_eq!(foreign.get("/v1/workflows").ok(200)["total"], 0);
    foreign.with("x-tenant-id", &acme.id).get(&path).refused(403, "FORBIDDEN", "X-Tenant-ID");
    acme.live.get("/v1/workflows/nonsense").refused(400, "MALFORMED", "workflow_id");
}
