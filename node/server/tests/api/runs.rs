//! Runs of workflows: many steps and many runs at once, and calls that are made again.

use serde_json::{Value, json};

use crate::{
    client::{Api, Caller},
    orchestrations::{agent, published, text, until},
};

fn start(caller: &Caller<'_>, workflow: &str, agent: &str) -> String {
    let body = json!({"workflow_id": workflow, "agent_id": agent});
    let started = caller.post("/v1/orchestrations", &body).ok(201);
    text(&started, "orchestration_id").to_owned()
}

/// Steps that wait for nothing.
fn many(count: usize, kind: &str, config: &Value) -> Value {
    let step = |n| json!({"name": format!("s{n}"), "type": kind, "config": config});
    Value::Array((0..count).map(step).collect())
}

/// How many steps stand so.
fn standing(run: &Value, status: &str) -> usize {
    run["steps"].as_array().unwrap().iter().filter(|step| step["status"] == status).count()
}

#[test]
fn a_run_with_many_open_steps_can_be_stopped() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "bot", &["orchestrations:execute"]);
    let workflow = published(live, &many(70, "tool_call", &json!({})));
    let id = start(live, &workflow, &bot);
    let path = format!("/v1/orchestrations/{id}");
    until("seventy steps for the agent", || {
        let run = live.get(&path).ok(200);
        if standing(&run, "ready") == 70 { Ok(()) } else { Err(run.to_string()) }
    });
    let cancelled = live.post(&format!("{path}/cancel"), &json!({"reason": "too many"})).ok(200);
    assert_eq!((text(&cancelled, "status"), standing(&cancelled, "cancelled")), ("cancelled", 70));
    assert_eq!(live.get(&format!("/v1/agents/{bot}/work")).ok(200)["items"], json!([]));
}
