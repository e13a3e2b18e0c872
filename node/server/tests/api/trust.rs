//! Trust & Witness.

use serde_json::{Value, json};

use crate::client::{Api, Caller};

const FACTORS: [&str; 5] =
    ["behavioral_compliance", "scope_adherence", "anomaly_score", "peer_attestations", "session_hygiene"];

/// Of an RFC 3339 time: all up to the hour.
const HOUR_DIGITS: usize = "2026-01-01T00".len();

pub(crate) fn agent(caller: &Caller, scopes: &[&str]) -> Value {
    caller.post("/v1/agents", &json!({"display_name": "bot", "scopes": scopes})).ok(201)
}

fn id(agent: &Value) -> &str {
    agent["agent_id"].as_str().unwrap()
}

/// A receipt of an action with the tenant's verdict over it.
fn acts(caller: &Caller, agent: &Value, verdict: &str, number: usize) -> Value {
    let body = json!({
        "agent_id": agent["agent_id"], "action": "invoices:read", "verdict": verdict, "payload": {"number": number},
    });
    caller.post("/v1/agent-receipts", &body).ok(201)
}

fn compute(agent: &Value) -> String {
    format!("/v1/agents/{}/trust-score/compute", id(agent))
}

fn close(a: &Value, b: f64) -> bool {
    a.as_f64().is_some_and(|a| (a - b).abs() < 1e-9)
}

/// Does a round again where an hour of the log's time, and perhaps a day, turned in the middle of it: scores count by both. A round
/// gives its first and its last time.
fn within_an_hour<T>(round: impl Fn() -> (T, [String; 2])) -> T {
    // One round takes seconds: two hours do not turn in two of them.
    for _ in 0..3 {
        let (told, [first, last]) = round();
        if first[..HOUR_DIGITS] == last[..HOUR_DIGITS] {
            return told;
        }
    }
    panic!("no round is done within an hour");
}

fn time(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

/// An agent that nothing was known of, and that has done what it should twenty times.
fn newcomer(caller: &Caller) -> Value {
    let bot = agent(caller, &["invoices:read"]);
    let unscored = caller.get(&format!("/v1/agents/{}/trust", id(&bot))).ok(200);
    assert_eq!((&unscored["score"], &unscored["trust_score"]), (&Value::Null, &Value::Null));
    assert_eq!((&unscored["level"], &unscored["response"]), (&json!("low"), &json!("none")));
    (0..20).for_each(|number| drop(acts(caller, &bot, "ok", number)));
    bot
}

#[test]
fn a_score_is_the_same_under_every_published_path() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let (bot, scores, [named, listed]) = within_an_hour(|| {
        let bot = newcomer(&acme.live);
        let read = |path: &str| acme.live.get(&format!("/v1/{path}")).ok(200);
        let mut scores = Vec::new();
        for path in ["agents/ID/trust", "agents/ID/trust-score", "trust-scores/ID", "trust/ID/score"] {
            for spelling in [id(&bot).replace(':', "%3A"), bot["id"].as_str().unwrap().to_owned()] {
                let path = path.replace("ID", &spelling);
                scores.push((read(&path), path));
            }
        }
        let factors = ["trust", "trust-score"].map(|tail| read(&format!("agents/{}/{tail}", id(&bot))));
        let times = [time(&bot, "created_at"), time(&factors[1], "computed_at")];
        ((bot, scores, factors.map(|score| score["factors"].clone())), times)
    });
    for (score, path) in scores {
        // A newcomer's cap on its first day, whatever the factors say.
        assert!(close(&score["score"], 52.5) && close(&score["trust_score"], 0.525), "{path}: {score}");
        assert_eq!((&score["agentId"], &score["id"]), (&bot["agent_id"], &bot["id"]), "{path}");
        assert_eq!((&score["level"], &score["response"]), (&json!("medium"), &json!("monitor")));
        assert_eq!(score["caps_hit"], json!(["newcomer"]));
        assert!(close(&score["trust_ceiling"], 52.5) && close(&score["caps"]["severity"], 100.0));
        assert!(score["combined"].as_f64().unwrap() > 52.5, "{score}");
        assert_eq!((&score["deltas"]["day"], &score["trend"]), (&Value::Null, &Value::Null));
        assert!(close(&score["score_components"]["delegation_depth"], 100.0), "{score}");
        assert!(score["valid_until"].as_str() > score["computed_at"].as_str(), "{score}");
        assert_eq!((&score["computedAt"], &score["status"]), (&score["computed_at"], &json!("active")));
    }
    for (name, factor) in FACTORS.iter().zip(listed.as_array().unwrap()) {
        assert_eq!((&factor["name"], &factor["value"]), (&json!(name), &named[name]));
        assert!(factor["weight"].is_number() && factor["description"].is_string(), "{factor}");
    }
    assert!(named["behavioral_compliance"].as_f64().unwrap() > 75.0, "{named}");
    assert_eq!(named["session_hygiene"], Value::Null);
    let older = acme.live.get(&format!("/v1/machine-identity/trust/{}/score", id(&bot)));
    assert_eq!(older.header("deprecation"), Some("true"));
}

#[test]
fn computing_puts_a_score_on_record_and_counts() {
    let api = Api::start();
    let (small, bot, made, first) = within_an_hour(|| {
        let small = api.tenant("Small", "developer");
        let bot = agent(&small.live, &["invoices:read"]);
        (0..5).for_each(|number| drop(acts(&small.live, &bot, "ok", number)));
        let body = json!({"agentId": bot["id"], "factors": ["scope_adherence"]});
        let made = small.live.post(&compute(&bot), &body).ok(200);
        // The older SDKs send `{}`, others nothing; a repetition under a key is the same and counts once.
        let whole = small.live.call("POST", &format!("/v1/agents/{}/trust/compute", id(&bot)), None).ok(200);
        assert_eq!(whole["factors"].as_object().unwrap().len(), 5);
        assert!(whole.get("history").is_none());
        let keyed = small.live.with("idempotency-key", "once");
        let first = keyed.post(&compute(&bot), &json!({"include_history": true})).ok(200);
        assert_eq!(keyed.post(&compute(&bot), &json!({"include_history": true})).ok(200), first);
        let times = [time(&bot, "created_at"), time(&first, "computed_at")];
        ((small, bot, made, first), times)
    });
    assert_eq!(made["factors"].as_array().unwrap().len(), 1);
    assert_eq!((&made["as_of"], &made["ack"]), (&made["log_index"], &json!("sequenced")));
    assert!(made["receipt_id"].is_string() && made["leaf_hash"].is_string() && close(&made["score"], 52.5));
    let record = small.live.get(&format!("/v1/records/{}", made["log_index"])).ok(200);
    assert_eq!(
        (&record["record_type"], &record["receipt_id"]),
        (&json!("trust.compute"), &made["receipt_id"])
    );
    assert_eq!(first["history"].as_array().unwrap().len(), 1, "{first}");

    let explained = small.live.get(&format!("/v1/agents/{}/trust/explain", id(&bot))).ok(200);
    assert_eq!(explained["on_record"]["log_index"], first["log_index"]);
    (0..47).for_each(|_| drop(small.live.post(&compute(&bot), &json!({})).ok(200)));
    let over = small.live.post(&compute(&bot), &json!({}));
    over.refused(402, "QUOTA_EXCEEDED", "");
    let details = &over.body["details"];
    assert_eq!((&details["metric"], &details["used"]), (&json!("maip.trust_computes"), &json!(50)));
    assert!(details["resets_at"].is_string());
    small.live.get(&format!("/v1/agents/{}/trust", id(&bot))).ok(200);
}

#[test]
fn harm_shows_in_the_score_its_history_and_its_explanation() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let bot = agent(&acme.live, &["invoices:read"]);
    let good = acts(&acme.live, &bot, "ok", 0);
    let before = acts(&acme.live, &bot, "ok", 1)["log_index"].as_u64().unwrap();
    let harm = acts(&acme.live, &bot, "critical", 2);
    let index = harm["log_index"].as_u64().unwrap();
    let path = |tail: &str| format!("/v1/agents/{}/{tail}", id(&bot));

    let score = acme.live.get(&path("trust?min_index=0")).ok(200);
    assert_eq!((&score["level"], &score["status"]), (&json!("critical"), &json!("suspended")), "{score}");
    assert_eq!(score["response"], "suspend");
    assert!(close(&score["trust_ceiling"], 29.0), "{score}");

    let history = acme.live.get(&path("trust/history")).ok(200);
    let points = history["history"].as_array().unwrap();
    let last = points.last().unwrap();
    assert_eq!((&last["log_index"], &last["event_type"]), (&json!(index), &json!("receipt.action")));
    assert_eq!(last["event_detail"], "invoices:read: critical");
    assert_eq!((&last["score"], history["total"].as_u64()), (&score["score"], Some(points.len() as u64)));
    for same in [path("trust-history?limit=100"), format!("/v1/trust/{}/history?limit=100", id(&bot))] {
        assert_eq!(acme.live.get(&same).ok(200), json!(points), "{same}");
    }
    let week = acme.live.get(&format!("/v1/trust-scores/{}/history?period=7d", id(&bot))).ok(200);
    assert_eq!(&week["history"], &json!(points));
    let none = acme.live.get(&path("trust/history?to=2020-01-01")).ok(200);
    assert_eq!((&none["history"], &none["total"]), (&json!([]), &json!(0)));

    let explained = acme.live.get(&path("trust/explain")).ok(200);
    let entries = explained["entries"].as_array().unwrap();
    assert_eq!((&entries[0]["log_index"], &entries[0]["effect"]), (&json!(index), &json!("critical")));
    assert_eq!(entries[0]["flags"], json!(["trust_suspended"]));
    assert_eq!(entries[2]["receipt_id"], good["receipt_id"]);
    assert_eq!(entries[2]["factors"], json!(["behavioral_compliance", "scope_adherence", "anomaly_score"]));
    assert_eq!(explained["explanation"]["caps"]["severity"], 2900);
    assert!(close(&explained["tenant_cap"], 29.0), "{explained}");
    assert_eq!(acme.live.get(&path("trust/explain?limit=1")).ok(200)["entries"].as_array().unwrap().len(), 1);

    // The past: exact, or not told.
    let as_of = |index: u64| acme.live.get(&path(&format!("trust?as_of={index}")));
    let then = as_of(index).ok(200);
    assert_eq!((&then["score"], &then["as_of"]), (&score["score"], &json!(index)));
    let registered = bot["log_index"].as_u64().unwrap();
    as_of(registered - 1).refused(404, "NOT_FOUND", "as_of");
    as_of(1_000_000).refused(404, "NOT_FOUND", "as_of");
    if points.len() == 1 {
        // All of it in one hour of log time.
        as_of(before).refused(404, "NOT_FOUND", "as_of");
    }
}

#[test]
fn a_tenant_sets_its_thresholds() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let known = acme.live.get("/v1/trust/thresholds").ok(200);
    assert_eq!(
        (&known["monitor"], &known["approval"], &known["suspend"], &known["own"]),
        (&json!(70.0), &json!(50.0), &json!(30.0), &json!(false))
    );
    let put = |body: Value| acme.live.call("PUT", "/v1/trust/thresholds", Some(body.to_string()));
    let set = put(json!({"suspend": 10, "monitor": 80.5})).ok(200);
    assert_eq!((&set["suspend"], &set["own"]), (&json!(10.0), &json!(true)));
    assert!(set["receipt_id"].is_string() && set["log_index"].is_u64(), "{set}");
    let index = &set["log_index"];
    let read = acme.live.get(&format!("/v1/trust/thresholds?min_index={index}")).ok(200);
    assert_eq!((&read["monitor"], &read["approval"]), (&json!(80.5), &json!(50.0)));
    for (body, field) in [
        (json!({"suspend": 60}), "suspend"),
        (json!({"monitor": 40}), "approval"),
        (json!({"monitor": 101}), "monitor"),
        (json!({"colour": 1}), "colour"),
    ] {
        put(body).refused(422, "INVALID_INPUT", field);
    }
    // A critical action no longer suspends.
    let bot = agent(&acme.live, &["invoices:read"]);
    acts(&acme.live, &bot, "critical", 0);
    let score = acme.live.get(&format!("/v1/agents/{}/trust", id(&bot))).ok(200);
    assert_eq!((&score["status"], &score["response"]), (&json!("active"), &json!("approval")));
}

#[test]
fn agents_say_of_each_other_what_they_know() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let (first, second) = (agent(&acme.live, &["invoices:read"]), agent(&acme.live, &["invoices:read"]));
    let say = |subject: &Value, index: u64, verdict: &str| {
        let body = json!({
            "agent_id": first["agent_id"], "subject_agent_id": subject["agent_id"], "interaction_index": index, "verdict": verdict,
        });
        acme.live.post("/v1/trust/attestations", &body)
    };
    say(&second, 0, "good").refused(422, "INTERACTION_UNKNOWN", "interaction_index");
    say(&first, 0, "good").refused(422, "INVALID_INPUT", "subject_agent_id");
    say(&second, 0, "fine").refused(422, "INVALID_INPUT", "verdict");
    let missing = json!({"agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N"});
    say(&missing, 0, "good").refused(404, "NOT_FOUND", "subject_agent_id");
    let listed = acme.live.get("/v1/trust/attestations").ok(200);
    assert_eq!((&listed["total"], &listed["attestations"]), (&json!(0), &json!([])));
}

#[test]
fn trust_is_the_tenants_own() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let theirs = agent(&other.live, &["invoices:read"]);
    let live = &acme.live;
    for path in [
        "agents/ID/trust",
        "agents/ID/trust-score",
        "trust-scores/ID",
        "trust/ID/score",
        "agents/ID/trust/history",
        "agents/ID/trust-history",
        "trust-scores/ID/history",
        "trust/ID/history",
        "agents/ID/trust/explain",
    ] {
        let path = |id: &str| format!("/v1/{}", path.replace("ID", id));
        live.get(&path(id(&theirs))).refused(404, "NOT_FOUND", "agent_id");
        live.get(&path("nobody")).refused(400, "MALFORMED", "agent_id");
        other.live.get(&path(id(&theirs))).ok(200);
        live.with("x-tenant-id", &other.id).get(&path(id(&theirs))).refused(403, "FORBIDDEN", "X-Tenant-ID");
        api.nobody().get(&path(id(&theirs))).refused(401, "UNAUTHORIZED", "authorization");
    }
    for path in ["trust/compute", "trust-score/compute"] {
        let path = format!("/v1/agents/{}/{path}", id(&theirs));
        live.post(&path, &json!({})).refused(404, "NOT_FOUND", "agent_id");
        other.live.post(&path, &json!({"agent_id": bot_of(live)})).refused(422, "INVALID_INPUT", "agent_id");
        other.live.post(&path, &json!({"include": 1})).refused(422, "INVALID_INPUT", "include");
    }
    let history = format!("/v1/agents/{}/trust/history", id(&theirs));
    for (query, field) in
        [("period=7w", "period"), ("limit=0", "limit"), ("limit=1001", "limit"), ("from=yesterday", "from")]
    {
        other.live.get(&format!("{history}?{query}")).refused(400, "MALFORMED", field);
    }
    let both = other.live.get(&format!("{history}?period=7d&from=2026-01-01"));
    both.refused(422, "INVALID_INPUT", "period");
    let body = json!({
        "agent_id": theirs["agent_id"], "subject_agent_id": bot_of(live), "interaction_index": 0, "verdict": "good",
    });
    live.post("/v1/trust/attestations", &body).refused(404, "NOT_FOUND", "agent_id");
    live.get(&format!("/v1/trust/attestations?agent_id={}", id(&theirs))).refused(
        404,
        "NOT_FOUND",
        "agent_id",
    );
}

fn bot_of(caller: &Caller) -> String {
    id(&agent(caller, &[])).to_owned()
}

#[test]
fn thresholds_that_are_set_at_the_same_time_are_both_set() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let put = |body: Value| {
        acme.live.call("PUT", "/v1/trust/thresholds", Some(body.to_string())).ok(200);
    };
    for round in 0..20 {
        let (monitor, suspend) = (60.0 + f64::from(round), 10.0 + f64::from(round));
        std::thread::scope(|scope| {
            scope.spawn(|| put(json!({"monitor": monitor})));
            scope.spawn(|| put(json!({"suspend": suspend})));
        });
        let read = acme.live.get("/v1/trust/thresholds").ok(200);
        assert_eq!((&read["monitor"], &read["suspend"]), (&json!(monitor), &json!(suspend)), "round {round}");
    }
}
