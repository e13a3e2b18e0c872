//! Every write says where it is in the log: asked of every operation of the document.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    client::{Api, Caller},
    operations::{PUBLIC, document, made},
    target::PATIENCE,
};

/// What is shown there is itself a record, and says its own index; the header tells of the write.
const RECORDS_THEMSELVES: &[&str] = &["receipts/{receipt_id}/", "/v1/anomalies/{anomaly_id}/resolve"];

#[test]
fn whatever_logs_a_record_says_its_index() {
    let api = Api::start();
    let operations = document(&api);
    let acme = api.tenant("Acme", "enterprise");
    let own = made(&operations, &acme);
    settle(&acme.live);
    let records = || acme.live.get("/v1/audit?limit=1").ok(200)["total"].as_u64().unwrap();
    let mut writers: Vec<_> = operations
        .iter()
        .filter(|operation| {
            operation.method != "GET" && !operation.is_plain() && operation.access() != PUBLIC
        })
        .collect();
    // What ends things comes last.
    let ends = ["kill", "revoke", "delete", "terminate", "suspend", "archive"];
    writers.sort_by_key(|each| each.method == "DELETE" || ends.iter().any(|end| each.name().ends_with(end)));
    let (mut before, mut logged, mut faults) = (records(), 0, Vec::new());
    for operation in writers {
        let admin = api.admin().with("x-tenant-id", &acme.id);
        let caller = if operation.access() == "adminKey" { &admin } else { &acme.live };
        let answer = caller.call(&operation.method, &operation.path(&own), operation.body(&own));
        settle(&acme.live);
        let now = records();
        if now == before {
            continue;
        }
        (before, logged) = (now, logged + 1);
        let index = answer.body.get("log_index").or_else(|| answer.body.pointer("/receipt/log_index"));
        let told = answer.header("x-log-index").and_then(|text| text.parse::<u64>().ok());
        let good = matches!(answer.status, 200..=202) && told.is_some();
        let own = RECORDS_THEMSELVES.iter().any(|path| operation.name().contains(path));
        if !good || (!own && index.and_then(Value::as_u64) != told) {
            faults.push(format!("{}: {} {told:?} {}", operation.name(), answer.status, answer.text));
        }
    }
    assert!(logged >= 35, "only {logged} operations have logged anything");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Waits until the runs that a call has begun wait for somebody: until then their records come by themselves.
pub(crate) fn settle(caller: &Caller<'_>) {
    let begun = Instant::now();
    loop {
        let runs = caller.get("/v1/orchestrations?status=running&limit=200").ok(200);
        let goes_on = |run: &Value| {
            let steps = run["steps"].as_array().unwrap();
            run["pending_records"] != 0
                || !steps
                    .iter()
                    .any(|step| step["status"] == "ready" || step["status"] == "awaiting_approval")
        };
        if !runs["items"].as_array().unwrap().iter().any(goes_on) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "runs do not come to rest: {runs}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
