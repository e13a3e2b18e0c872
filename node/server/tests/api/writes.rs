//! Every write says where it is in the log: asked of every operation of the document.

use serde_json::Value;

use crate::{
    client::Api,
    operations::{PUBLIC, document, made},
};

#[test]
fn whatever_logs_a_record_says_its_index() {
    let api = Api::start();
    let operations = document(&api);
    let acme = api.tenant("Acme", "enterprise");
    let own = made(&operations, &acme);
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
        let now = records();
        if now == before {
            continue;
        }
        (before, logged) = (now, logged + 1);
        let index = answer.body.get("log_index").or_else(|| answer.body.pointer("/receipt/log_index"));
        let told = answer.header("x-log-index").and_then(|text| text.parse::<u64>().ok());
        let good = matches!(answer.status, 200..=202) && told.is_some();
        if !good || index.and_then(Value::as_u64) != told {
            faults.push(format!("{}: {} {told:?} {}", operation.name(), answer.status, answer.text));
        }
    }
    assert!(logged >= 35, "only {logged} operations have logged anything");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
