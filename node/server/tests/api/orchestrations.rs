//! Runs of workflows: what agents do, what nodes do, and what stops them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    client::{Api, Caller, Reply},
    target::Target,
};

/// How long to wait for what must happen: a bound for a broken build.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

pub(crate) fn agent(caller: &Caller<'_>, name: &str, scopes: &[&str]) -> String {
    let made = caller.post("/v1/agents", &json!({"display_name": name, "scopes": scopes})).ok(201);
    text(&made, "agent_id").to_owned()
}

/// A workflow that may be run.
pub(crate) fn published(caller: &Caller<'_>, steps: &Value) -> String {
    let made = caller.post("/v1/workflows", &json!({"name": "W", "steps": steps})).ok(201);
    let id = text(&made, "workflow_id").to_owned();
    caller.call("POST", &format!("/v1/workflows/{id}/publish"), None).ok(200);
    id
}

/// Looks at something until it is as it must become.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(seen) if begun.elapsed() > PATIENCE => panic!("{what}: still {seen}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The run, once it stands so.
#[track_caller]
pub(crate) fn run_in(caller: &Caller<'_>, id: &str, status: &str) -> Value {
    until(status, || {
        let run = caller.get(&format!("/v1/orchestrations/{id}")).ok(200);
        if run["status"] == status { Ok(run) } else { Err(run.to_string()) }
    })
}

/// The next step for an agent.
#[track_caller]
pub(crate) fn work(caller: &Caller<'_>, agent: &str) -> Value {
    let list = caller.get(&format!("/v1/agents/{agent}/work?wait_seconds=30")).ok(200);
    list["items"].get(0).unwrap_or_else(|| panic!("no work for {agent}")).clone()
}

pub(crate) fn step(caller: &Caller<'_>, item: &Value, verb: &str, mut body: Value) -> Reply {
    body["agent_id"] = item["agent_id"].clone();
    if verb != "claim" {
        body["attempt"] = item["attempt"].clone();
    }
    let (run, name) = (text(item, "orchestration_id"), text(item, "step_id"));
    caller.post(&format!("/v1/orchestrations/{run}/steps/{name}/{verb}"), &body)
}

/// Claims the next step of an agent and completes it.
#[track_caller]
fn do_one(caller: &Caller<'_>, agent: &str, output: &Value) -> Value {
    let item = work(caller, agent);
    let item = step(caller, &item, "claim", json!({})).ok(200);
    step(caller, &item, "complete", json!({"output": output})).ok(200)
}

/// The records of the caller's tenant from an index on, as many as a run has.
fn records(caller: &Caller<'_>, from: u64) -> Vec<Value> {
    let found = (from..from + 60).map(|index| caller.get(&format!("/v1/records/{index}")));
    found.filter(|reply| reply.status == 200).map(|reply| reply.body).collect()
}

pub(crate) fn named<'a>(run: &'a Value, step: &str) -> &'a Value {
    let steps = run["steps"].as_array().unwrap();
    steps.iter().find(|found| found["step_id"] == step).unwrap_or_else(|| panic!("{step} in {run}"))
}

#[test]
fn agents_and_nodes_do_a_workflow_and_the_log_tells_it() {
    let (api, target) = (Api::start(), Target::start());
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let reader = agent(live, "reader", &["invoices:read", "mail:send"]);
    let payer = agent(live, "payer", &["invoices:pay"]);
    let url = target.url();
    let steps = json!([
        {"name": "Read", "type": "llm_inference", "action": "invoices:read", "config": {"prompt": "How much?", "inputs": {"number": "input.invoice"}}},
        {"name": "Total", "type": "transform", "depends_on": ["Read"], "config": {"expression": "steps.read.output.amount + parameters.fee"}},
        {"name": "Size", "type": "decision", "depends_on": ["Total"],
         "config": {"choices": [{"when": "steps.total.output < 1000", "next": ["Check"]}], "otherwise": ["Escalate"]}},
        {"name": "Check", "type": "guardrail_check", "action": "invoices:pay", "agent_id": payer, "depends_on": ["Size"], "config": {}},
        {"name": "Escalate", "type": "tool_call", "depends_on": ["Size"], "config": {}},
        {"name": "Pay", "type": "tool_call", "action": "invoices:pay", "agent_id": payer, "depends_on": ["Check", "Escalate"], "config": {}},
        {"name": "Tell", "type": "webhook", "action": "mail:send", "depends_on": ["Pay"],
         "config": {"url": url, "body": "{'paid': steps.total.output}", "headers": {"X-Team": "finance"}}},
    ]);
    let workflow = published(live, &steps);
    let body = json!({"agent_id": reader, "input": {"invoice": 17}, "parameters": {"fee": 3}});
    let path = format!("/v1/workflows/{workflow}/execute");

    // First only what would be: nothing is kept and nothing logged.
    let mut dry = body.clone();
    dry["dry_run"] = json!(true);
    let foreseen = live.post(&path, &dry).ok(200);
    assert_eq!((&foreseen["dry_run"], &foreseen["log_index"]), (&json!(true), &Value::Null));
    assert_eq!(named(&foreseen, "pay")["foreseen"]["result"], "allowed");
    assert_eq!(named(&foreseen, "escalate")["foreseen"]["result"], "denied", "no scope for it");
    live.get(&format!("/v1/orchestrations/{}", text(&foreseen, "orchestration_id"))).refused(
        404,
        "NOT_FOUND",
        "orchestration_id",
    );

    let started = live.post(&path, &body).ok(200);
    let id = text(&started, "orchestration_id").to_owned();
    assert_eq!((text(&started, "status"), text(&started, "run_id")), ("running", id.as_str()));
    let item = work(live, &reader);
    assert_eq!((&item["inputs"], text(&item, "action")), (&json!({"number": 17}), "invoices:read"));
    assert_eq!(text(&item["config"], "prompt"), "How much?");
    let claimed = step(live, &item, "claim", json!({"lease_seconds": 30})).ok(200);
    assert!(claimed["lease_expires_at"].is_string());
    step(live, &item, "claim", json!({})).refused(409, "STEP_STATE", "step_id");
    step(live, &item, "heartbeat", json!({})).ok(200);
    let done = step(live, &item, "complete", json!({"output": {"amount": 640}, "cost_cents": 2})).ok(200);
    let again = step(live, &item, "complete", json!({"output": {"amount": 640}, "cost_cents": 2})).ok(200);
    assert_eq!(named(&done, "read")["receipt_id"], named(&again, "read")["receipt_id"]);
    do_one(live, &payer, &json!({"receipt": "r-1"}));

    let run = run_in(live, &id, "completed");
    let states: Vec<&str> =
        run["steps"].as_array().unwrap().iter().map(|step| text(step, "status")).collect();
    assert_eq!(
        states,
        ["succeeded", "succeeded", "succeeded", "succeeded", "skipped", "succeeded", "succeeded"]
    );
    assert_eq!((&run["results"]["total"], &run["total_cost_cents"]), (&json!(643), &json!(2)));
    assert_eq!(run["output"], json!({"status": 200, "body": "ok"}));
    let got = target.got();
    assert_eq!(got.len(), 1);
    assert_eq!((&got[0].body, got[0].header("x-team")), (&json!({"paid": 643}), "finance"));
    assert!(got[0].header("idempotency-key").contains("tell"));

    // The log alone tells who did what, under which decision, with a receipt.
    let receipt = live.get(&format!("/v1/receipts/{}", text(named(&run, "pay"), "receipt_id"))).ok(200);
    assert_eq!(text(&receipt, "agent_id"), payer);
    let records = records(live, started["log_index"].as_u64().unwrap());
    let steps = records.iter().filter(|record| record["record_type"] == "orchestration.step");
    let told: Vec<(String, String)> = steps
        .map(|record| {
            let body = &record["record"]["body"];
            (text(body, "step").to_owned(), text(body, "status").to_owned())
        })
        .collect();
    let of = |name: &str| -> Vec<&str> {
        told.iter().filter(|(step, _)| step == name).map(|(_, status)| status.as_str()).collect()
    };
    for name in ["read", "total", "size", "check", "pay", "tell"] {
        assert_eq!(of(name), ["assigned", "succeeded"], "{name}: {told:?}");
    }
    assert_eq!(of("escalate"), ["skipped"]);
    let decisions = records.iter().filter(|record| record["record_type"] == "decision").count();
    assert_eq!(decisions, 4, "read, check, pay, tell");
    assert_eq!(live.get("/v1/orchestrations?status=completed").ok(200)["total"], 1);
    assert_eq!(live.get(&format!("/v1/orchestrations?agent_id={payer}")).ok(200)["total"], 0);
}

#[test]
fn a_step_that_may_not_be_done_ends_the_run() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "bot", &["mail:send"]);
    let run = |action: &str, input: Value| {
        let steps = json!([{"name": "do", "action": action, "input": input}]);
        let made = live.post("/v1/orchestrations", &json!({"agent_id": bot, "steps": steps})).ok(201);
        text(&made, "orchestration_id").to_owned()
    };
    let denied = run_in(live, &run("invoices:pay", json!({})), "failed");
    assert_eq!((text(&denied["error"], "code"), text(&denied["error"], "step_id")), ("DENIED", "do"));
    assert!(named(&denied, "do")["decision_id"].is_string(), "the no is on record");

    let rule = json!({
        "name": "outgoing", "action": "mail:send", "severity": "error", "threshold": 100, "window_seconds": 60,
        "cooldown_seconds": 60, "content": {"blocked_terms": ["secret"]},
    });
    live.post("/v1/guardrails/rules", &rule).ok(201);
    let steps = json!([{"name": "do", "action": "mail:send"}]);
    let body = json!({"agent_id": bot, "steps": steps, "input": {"body": "a secret"}});
    let made = live.post("/v1/orchestrations", &body).ok(201);
    let stopped = run_in(live, text(&made, "orchestration_id"), "failed");
    assert!(text(&stopped["error"], "message").starts_with("outgoing"), "{stopped}");

    // Stopping an agent stops its steps.
    let id = run("mail:send", json!({}));
    let item = work(live, &bot);
    step(live, &item, "claim", json!({})).ok(200);
    live.post(&format!("/v1/agents/{bot}/kill"), &json!({"reason": "test"})).ok(200);
    let failed = run_in(live, &id, "failed");
    assert_eq!(text(&failed["error"], "code"), "AGENT_NOT_ACTIVE");
    step(live, &item, "complete", json!({"output": 1})).refused(409, "AGENT_NOT_ACTIVE", "agent_id");
}

#[test]
fn a_step_waits_for_a_person_and_another_agent_can_take_it_over() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let first = agent(live, "first", &["invoices:pay"]);
    let second = agent(live, "second", &["invoices:pay"]);
    let steps = json!([
        {"name": "pay", "type": "tool_call", "action": "invoices:pay", "config": {}, "requires_approval": true,
         "retry": {"max_attempts": 2, "backoff_ms": 0}},
    ]);
    let workflow = published(live, &steps);
    let body = json!({"workflow_id": workflow, "agent_id": first});
    let started = live.post("/v1/orchestrations/execute", &body).ok(201);
    let id = text(&started, "orchestration_id").to_owned();
    let approval = until("an approval", || {
        let run = live.get(&format!("/v1/orchestrations/{id}")).ok(200);
        match named(&run, "pay") {
            step if step["status"] == "awaiting_approval" => Ok(text(step, "approval_id").to_owned()),
            _ => Err(run.to_string()),
        }
    });
    assert_eq!(live.get(&format!("/v1/agents/{first}/work")).ok(200)["items"], json!([]));
    live.post(&format!("/v1/approvals/{approval}/approve"), &json!({"comment": "fine"})).ok(200);
    let item = work(live, &first);
    step(live, &item, "claim", json!({})).ok(200);
    step(live, &item, "handoff", json!({"to_agent_id": second})).ok(200);
    let again = until("a second approval", || {
        let run = live.get(&format!("/v1/orchestrations/{id}")).ok(200);
        match named(&run, "pay") {
            step if step["status"] == "awaiting_approval" => Ok(text(step, "approval_id").to_owned()),
            _ => Err(run.to_string()),
        }
    });
    assert_ne!(again, approval, "another agent needs its own");
    live.post(&format!("/v1/approvals/{again}/approve"), &json!({})).ok(200);
    let item = work(live, &second);
    step(live, &item, "claim", json!({})).ok(200);
    let error = json!({"error": {"code": "NO_BANK", "message": "the bank is closed"}});
    step(live, &item, "fail", error.clone()).ok(200);
    // The next attempt is asked about, too.
    let third = until("a third approval", || {
        let run = live.get(&format!("/v1/orchestrations/{id}")).ok(200);
        match named(&run, "pay") {
            step if step["status"] == "awaiting_approval" => Ok(text(step, "approval_id").to_owned()),
            _ => Err(run.to_string()),
        }
    });
    live.post(&format!("/v1/approvals/{third}/reject"), &json!({"comment": "no"})).ok(200);
    let failed = run_in(live, &id, "failed");
    assert_eq!(text(&failed["error"], "code"), "APPROVAL_REJECTED");
}

#[test]
fn runs_begin_in_every_shape_that_clients_send_and_can_be_stopped() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let live = &acme.live;
    let first = agent(live, "first", &["invoices:read", "orchestrations:execute"]);
    let second = agent(live, "second", &["invoices:read"]);
    let sdk = json!({
        "coordinatorAgentId": first, "participantAgentIds": [second],
        "scope": {"actions": ["read"], "resources": ["invoices"]}, "parameters": {"k": 1},
    });
    let made = live.post("/v1/orchestrations", &sdk).ok(201);
    assert_eq!(text(&made, "coordinatorAgentId"), first);
    assert_eq!(made["participantAgentIds"], json!([second]));
    let id = text(&made, "orchestration_id").to_owned();
    assert_eq!(text(&work(live, &second), "action"), "invoices:read");

    let alone = live
        .post("/v1/orchestrate/execute", &json!({"agent_id": first, "model": "m-1", "input": {"q": 1}}))
        .ok(201);
    let item = work(live, &first);
    assert_eq!((text(&item, "type"), text(&item["config"], "model")), ("llm_inference", "m-1"));
    do_one(live, &first, &json!("42"));
    assert_eq!(run_in(live, text(&alone, "orchestration_id"), "completed")["output"], "42");

    let path = format!("/v1/orchestrations/{id}");
    other.live.get(&path).refused(404, "NOT_FOUND", "orchestration_id");
    other.live.post(&format!("{path}/cancel"), &json!({})).refused(404, "NOT_FOUND", "orchestration_id");
    let cancelled = live.post(&format!("{path}/cancel"), &json!({"reason": "entered twice"})).ok(200);
    assert_eq!(
        (text(&cancelled, "status"), text(&cancelled["error"], "message")),
        ("cancelled", "entered twice")
    );
    live.post(&format!("{path}/cancel"), &json!({})).refused(409, "RUN_OVER", "orchestration_id");
    assert_eq!(live.get(&format!("/v1/agents/{second}/work")).ok(200)["items"], json!([]));
    let record = live.get(&format!("/v1/records/{}", cancelled["log_index"])).ok(200);
    assert_eq!(text(&record["record"]["body"], "result"), "cancelled");

    live.post("/v1/orchestrations", &json!({"input": {}})).refused(422, "INVALID_INPUT", "agent_id");
    let draft =
        json!({"name": "W", "steps": [{"name": "a", "type": "transform", "config": {"expression": "1"}}]});
    let draft = live.post("/v1/workflows", &draft).ok(201);
    let body = json!({"workflow_id": text(&draft, "workflow_id")});
    live.post("/v1/orchestrations", &body).refused(409, "WORKFLOW_NOT_PUBLISHED", "workflow_id");
    let foreign = agent(&other.live, "foreign", &[]);
    live.post("/v1/orchestrations", &json!({"agent_id": foreign})).refused(404, "NOT_FOUND", "agent_id");
}

#[test]
fn the_same_start_under_a_key_is_one_run() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let bot = agent(&acme.live, "bot", &["orchestrations:execute"]);
    let once = acme.live.with("idempotency-key", "start-1");
    let body = json!({"agent_id": bot, "input": {"q": 1}});
    let (one, two) =
        (once.post("/v1/orchestrations", &body).ok(201), once.post("/v1/orchestrations", &body).ok(201));
    assert_eq!(one["orchestration_id"], two["orchestration_id"]);
    assert_eq!(acme.live.get("/v1/orchestrations").ok(200)["total"], 1);
}

#[test]
fn a_webhook_that_fails_is_called_again_under_another_key() {
    let (api, target) = (Api::start(), Target::start());
    let acme = api.tenant("Acme", "business");
    let bot = agent(&acme.live, "bot", &["orchestrations:execute"]);
    target.answers(&[500, 200]);
    let steps = json!([{"name": "call", "type": "webhook", "config": {"url": target.url()}, "retry": {"max_attempts": 2, "backoff_ms": 1}}]);
    let workflow = published(&acme.live, &steps);
    let body = json!({"workflow_id": workflow, "agent_id": bot});
    let started = acme.live.post("/v1/orchestrations", &body).ok(201);
    let run = run_in(&acme.live, text(&started, "orchestration_id"), "completed");
    assert_eq!(named(&run, "call")["attempt"], 2);
    let keys: Vec<String> = target.got().iter().map(|got| got.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}
