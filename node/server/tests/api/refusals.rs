//! Each class of refusal, asked of every operation of the document that has it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    client::{Api, Caller, Reply, Tenant},
    operations::{Operation, PUBLIC, document, made},
    writes::settle,
};

/// A word that no endpoint knows.
const UNKNOWN: &str = "nobody_knows";
/// Largest body of an operation that says nothing else.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Operations that take more.
const LARGER: &[&str] = &["POST /v1/records", "POST /v1/truth/document/verify", "POST /v1/delegations/check"];
/// Operations whose body may be a record itself, with any member.
const ANY_MEMBER: &[&str] = &["POST /v1/records"];

/// Metered operations that count the same question once: their own tests use them up.
const ONCE: &[&str] = &["POST /v1/compliance/check"];

/// What was answered otherwise than it should have been.
#[derive(Default)]
struct Faults {
    asked: usize,
    found: Vec<String>,
}

impl Faults {
    /// A refusal in the one shape: status, code, the field at fault, and something to read.
    fn ask(
        &mut self,
        what: &str,
        operation: &Operation,
        answer: &Reply,
        status: u16,
        code: &str,
        field: &str,
    ) {
        self.asked += 1;
        let details = &answer.body["details"];
        let as_asked = answer.status == status
            && answer.body["code"] == code
            && details["field"].as_str().unwrap_or("") == field;
        let whole = answer.body["http_status"] == status
            && ["message", "error"]
                .iter()
                .all(|name| answer.body[name].as_str().is_some_and(|text| !text.is_empty()))
            && answer.body["trace_id"].as_str().is_some_and(|text| text.len() == 32);
        let told = operation.may_answer(status);
        if !as_asked || !whole || !told {
            let told = if told { "" } else { ", and the document does not say so" };
            self.found.push(format!("{}, {what}: {} {}{told}", operation.name(), answer.status, answer.text));
        }
    }

    fn none(self, least: usize) {
        assert!(self.asked >= least, "only {} were asked", self.asked);
        assert!(self.found.is_empty(), "{} faults:\n{}", self.found.len(), self.found.join("\n"));
    }
}

/// Who may call an operation.
fn caller<'a>(api: &'a Api, tenant: &Tenant<'a>, operation: &Operation) -> Caller<'a> {
    match operation.access() {
        "adminKey" => api.admin().with("x-tenant-id", &tenant.id),
        PUBLIC => api.nobody(),
        _ => tenant.live.clone(),
    }
}

fn with_query(path: &str, more: &str) -> String {
    format!("{path}{}{more}", if path.contains('?') { '&' } else { '?' })
}

/// Records of a tenant so far.
fn records(tenant: &Tenant<'_>) -> Value {
    tenant.live.get("/v1/audit?limit=1").ok(200)["total"].clone()
}

#[test]
fn what_cannot_be_read_is_refused_and_logs_nothing() {
    let api = Api::start();
    let operations = document(&api);
    let acme = api.tenant("Acme", "enterprise");
    let own = made(&operations, &acme);
    settle(&acme.live);
    let before = records(&acme);
    let mut faults = Faults::default();
    for operation in operations.iter().filter(|operation| !operation.is_plain()) {
        let (who, path, method) =
            (caller(&api, &acme, operation), operation.path(&own), operation.method.as_str());
        let body = operation.body(&own);
        let unknown = who.call(method, &with_query(&path, &format!("{UNKNOWN}=1")), body.clone());
        faults.ask("a parameter that it does not have", operation, &unknown, 400, "MALFORMED", UNKNOWN);
        let twice = who.call(method, &with_query(&path, "limit=1&limit=2"), body.clone());
        faults.ask("a parameter twice", operation, &twice, 400, "MALFORMED", "limit");
        if !operation.takes_a_body() {
            continue;
        }
        for text in ["{", "[]", "7", "{\"a\":1,\"a\":2}", "\"\u{fffd}\""] {
            let answer = who.call(method, &path, Some(text.into()));
            faults.ask(&format!("the body {text}"), operation, &answer, 400, "MALFORMED", "body");
        }
        let text = who.with("content-type", "text/plain").call(method, &path, Some("hello".into()));
        faults.ask("a text", operation, &text, 415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type");
        if !LARGER.contains(&operation.name().as_str()) {
            let answer = who.call(method, &path, Some(" ".repeat(BODY_BYTES_MAX + 1)));
            faults.ask("a large body", operation, &answer, 413, "PAYLOAD_TOO_LARGE", "body");
        }
        if !ANY_MEMBER.contains(&operation.name().as_str()) {
            let mut example: Value = serde_json::from_str(body.as_deref().unwrap_or("{}")).unwrap();
            example[UNKNOWN] = json!(1);
            let answer = who.call(method, &path, Some(example.to_string()));
            faults.ask("a member that it does not have", operation, &answer, 422, "INVALID_INPUT", UNKNOWN);
        }
    }
    assert_eq!(records(&acme), before, "a request that was refused has logged something");
    faults.none(500);
}

#[test]
fn an_idempotency_key_of_another_request_is_refused_everywhere() {
    let api = Api::start();
    let operations = document(&api);
    let acme = api.tenant("Acme", "enterprise");
    let own = made(&operations, &acme);
    let mut faults = Faults::default();
    let posts = || operations.iter().filter(|each| !each.is_plain() && each.method == "POST");
    let takes_key = |each: &&Operation| each.parameter("Idempotency-Key").is_some();
    // What only asks remembers nothing.
    let others: Vec<String> = posts().filter(|each| !takes_key(each)).map(Operation::name).collect();
    assert_eq!(others, ["POST /v1/billing/estimate", "POST /v1/sessions/introspect", "POST /v1/verify"]);
    for (at, operation) in posts().filter(takes_key).enumerate() {
        let who = caller(&api, &acme, operation).with("idempotency-key", &format!("refusals-{at}"));
        // The first request need not succeed: it has the key, and another one has not.
        who.call("POST", &operation.path(&own), Some("{}".into()));
        let other = who.call("POST", &operation.path(&own), Some("{ }".into()));
        faults.ask("another request", operation, &other, 409, "IDEMPOTENCY_KEY_REUSED", "Idempotency-Key");
    }
    faults.none(50);
}

#[test]
fn what_has_changed_since_it_was_read_is_a_412() {
    let api = Api::start();
    let operations = document(&api);
    let acme = api.tenant("Acme", "enterprise");
    let own = made(&operations, &acme);
    settle(&acme.live);
    let before = records(&acme);
    let mut faults = Faults::default();
    for operation in operations.iter().filter(|operation| operation.may_answer(412)) {
        // What is made anew has no version to compare with.
        let parameters = operation.parameters();
        if parameters.is_empty() || parameters.iter().any(|name| !own.contains_key(*name)) {
            continue;
        }
        let who = caller(&api, &acme, operation).with("if-match", "\"9007199254740991\"");
        let answer = who.call(&operation.method, &operation.path(&own), operation.body(&own));
        faults.ask("another version", operation, &answer, 412, "PRECONDITION_FAILED", "If-Match");
    }
    assert_eq!(records(&acme), before, "a request that was refused has logged something");
    faults.none(8);
}

#[test]
fn a_used_up_quota_is_a_402_that_says_which() {
    let api = Api::start();
    let operations = document(&api);
    let acme = api.tenant("Acme", "developer");
    let (own, mut faults) = (BTreeMap::new(), Faults::default());
    let agent = acme.live.post("/v1/agents", &json!({"display_name": "A", "scopes": ["invoices:*"]})).ok(201);
    acme.live.post("/v1/agents", &json!({"display_name": "B"})).ok(201);
    let own = BTreeMap::from([("agent_id".to_owned(), agent["agent_id"].as_str().unwrap().to_owned())])
        .into_iter()
        .chain(own)
        .collect();
    let metered = operations.iter().filter(|operation| operation.may_answer(402));
    for operation in metered.filter(|operation| !ONCE.contains(&operation.name().as_str())) {
        let (path, body) = (operation.path(&own), operation.body(&own));
        // The plan's largest limit is 100 a month.
        let last = (0..=100)
            .map(|_| acme.live.call(&operation.method, &path, body.clone()))
            .find(|it| it.status == 402);
        let Some(last) = last else {
            faults.found.push(format!("{} is never a 402", operation.name()));
            continue;
        };
        let details = &last.body["details"];
        let said = ["metric", "resets_at", "limit", "used"].iter().all(|name| details.get(name).is_some());
        if !said || details["used"] != details["limit"] {
            faults.found.push(format!("{}: {}", operation.name(), last.text));
        }
        faults.ask("more than the plan includes", operation, &last, 402, "QUOTA_EXCEEDED", "");
    }
    faults.none(4);
}

#[test]
fn above_its_rate_a_key_is_refused_by_every_operation() {
    let api = Api::start_with("calls_a_minute = 1\n");
    let operations = document(&api);
    let acme = api.tenant("Acme", "enterprise");
    let (own, mut faults) = (BTreeMap::new(), Faults::default());
    for operation in operations.iter().filter(|operation| !matches!(operation.access(), PUBLIC | "adminKey"))
    {
        // A key may burst to twice its rate, and in a minute another call is granted.
        let ask = |_| acme.live.call(&operation.method, &operation.path(&own), operation.body(&own));
        let mut answers = (0..4).map(ask);
        let Some(answer) = answers.find(|answer| answer.status == 429) else {
            faults.found.push(format!("{} is never refused", operation.name()));
            continue;
        };
        let number = |name: &str| answer.header(name).and_then(|text| text.parse::<u64>().ok());
        let limits = (number("x-ratelimit-limit"), number("x-ratelimit-remaining"));
        let wait = number("retry-after").is_some_and(|seconds| (1..=60).contains(&seconds));
        if limits != (Some(1), Some(0))
            || !wait
            || number("x-ratelimit-reset").is_none()
            || answer.header("x-ratelimit-policy") != Some("\"1;w=60\"")
        {
            faults.found.push(format!("{}: {}", operation.name(), answer.head));
        }
        faults.ask("too often", operation, &answer, 429, "RATE_LIMITED", "");
    }
    faults.none(100);
}
