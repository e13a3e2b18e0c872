//! Billing and audit.

use serde_json::{Value, json};

use crate::client::Api;

fn meter<'a>(usage: &'a Value, metric: &str) -> &'a Value {
    let meters = usage["items"].as_array().unwrap();
    meters.iter().find(|meter| meter["metric"] == metric).unwrap_or_else(|| panic!("no {metric}"))
}

#[test]
fn usage_counts_what_the_log_holds() {
    let api = Api::start();
    let (small, large) = (api.tenant("Small", "developer"), api.tenant("Large", "enterprise"));
    let fresh = small.live.get("/v1/billing/usage").ok(200);
    assert_eq!((&fresh["plan"], &fresh["tenant_id"]), (&json!("developer"), &json!(small.id)));
    assert_eq!(fresh["usage"], fresh["items"]);
    let agents = meter(&fresh, "maip.agents");
    assert_eq!((&agents["used"], &agents["limit"], &agents["remaining"]), (&json!(0), &json!(2), &json!(2)));
    assert_eq!((&agents["period"], &agents["resets_at"]), (&json!("total"), &Value::Null));
    let checks = meter(&fresh, "maip.compliance_checks");
    assert_eq!((&checks["limit"], &checks["period"]), (&json!(10), &json!("monthly")));
    assert_eq!(checks["resets_at"], fresh["resets_at"]);

    for _ in 0..2 {
        let made = small.live.post("/v1/agents", &json!({"display_name": "x"})).ok(201);
        assert!(made["log_index"].is_u64());
    }
    let used = small.live.get("/v1/billing/usage").ok(200);
    let agents = meter(&used, "maip.agents");
    assert_eq!(
        (&agents["used"], &agents["remaining"], &agents["allowed"]),
        (&json!(2), &json!(0), &json!(false))
    );
    assert_eq!(meter(&large.live.get("/v1/billing/usage").ok(200), "maip.agents")["limit"], -1);
    assert_eq!(meter(&large.live.get("/v1/billing/usage").ok(200), "maip.agents")["used"], 0);

    // Another month, and a table of several.
    let past = small.live.get("/v1/billing/usage?period=2001-02").ok(200);
    assert_eq!(
        (&past["period_start"], &past["period_end"]),
        (&json!("2001-02-01T00:00:00.000Z"), &json!("2001-02-28T23:59:59.999Z"))
    );
    let table = small.live.get("/v1/billing/usage.csv?months=3");
    assert_eq!((table.status, table.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    let lines: Vec<&str> = table.text.split("\r\n").collect();
    assert_eq!((lines.len(), lines[0]), (14, "period,metric,used,limit,unit,resets_at"));
    let period = used["period"].as_str().unwrap();
    assert_eq!(lines[1], format!("{period},maip.agents,2,2,count,"));
    assert!(
        small
            .live
            .get("/v1/billing/usage.csv?period=1970-01&months=24")
            .text
            .contains("1970-01,maip.sessions,0,100,")
    );
    for bad in ["2026-13", "2026-1", "now", ""] {
        small.live.get(&format!("/v1/billing/usage?period={bad}")).refused(400, "MALFORMED", "period");
    }
    small.live.get("/v1/billing/usage.csv?months=25").refused(400, "MALFORMED", "months");
    api.nobody().get("/v1/billing/usage").refused(401, "UNAUTHORIZED", "authorization");
    small.live.with("x-tenant-id", &large.id).get("/v1/billing/usage").refused(
        403,
        "FORBIDDEN",
        "X-Tenant-ID",
    );
}

#[test]
fn anybody_sees_the_plans() {
    let api = Api::start();
    let plans = api.nobody().get("/v1/billing/plans").ok(200);
    assert_eq!(plans["total"], 3);
    assert_eq!(plans["items"][0]["id"], "plan_developer");
    assert_eq!(plans["items"][1]["limits"]["maip.sessions"], 10_000);
    assert_eq!(plans["items"][2]["limits"]["maip.sessions"], Value::Null);
    assert_eq!(plans["items"][2]["meters"][0]["limit"], -1);
}

#[test]
fn an_estimate_says_which_plan_includes_it() {
    let api = Api::start();
    let asked = |usage: Value| api.nobody().post("/v1/billing/estimate", &json!({"usage": usage}));
    let small = asked(json!({"maip.agents": 2, "maip.sessions": 100})).ok(200);
    assert_eq!((&small["recommended_plan"], &small["total"]), (&json!("plan_developer"), &json!(3)));
    let medium = asked(json!({"maip.agents": 3, "maip.compliance_checks": 500})).ok(200);
    assert_eq!(medium["recommended_plan"], "plan_business");
    let developer = &medium["items"][0];
    assert_eq!((&developer["id"], &developer["fits"]), (&json!("plan_developer"), &json!(false)));
    let over: Vec<&Value> =
        developer["meters"].as_array().unwrap().iter().map(|meter| &meter["over"]).collect();
    assert_eq!(over, [&json!(1), &json!(0), &json!(0), &json!(490)], "{developer}");
    let large = asked(json!({"maip.trust_computes": 9_007_199_254_740_991u64})).ok(200);
    assert_eq!(large["recommended_plan"], "plan_enterprise");
    assert_eq!(
        (&large["items"][2]["meters"][2]["limit"], &large["items"][2]["fits"]),
        (&json!(-1), &json!(true))
    );
    assert_eq!(asked(json!({})).ok(200)["recommended_plan"], "plan_developer");
    asked(json!({"maip.agents": -1})).refused(422, "INVALID_INPUT", "usage.maip.agents");
    asked(json!([null, null])).refused(422, "INVALID_INPUT", "usage");
    asked(json!({"agents": 1})).refused(422, "INVALID_INPUT", "usage.agents");
}

#[test]
fn the_audit_lists_every_record_with_its_place() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let live = &acme.live;
    let made = live.post("/v1/agents", &json!({"display_name": "A"})).ok(201);
    let agent = made["agent_id"].as_str().unwrap();
    let second = live.post("/v1/agents", &json!({"display_name": "B"})).ok(201);
    live.post(&format!("/v1/agents/{agent}/suspend"), &json!({"reason": "review"})).ok(200);
    other.live.post("/v1/agents", &json!({"display_name": "C"})).ok(201);

    let all = live.get("/v1/audit").ok(200);
    let types: Vec<&str> =
        all["events"].as_array().unwrap().iter().map(|event| event["event_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["agent.suspend", "agent.register", "agent.register", "tenant.register"]);
    assert_eq!(all["total"], 4);
    assert_eq!(live.get("/v1/audit/events").ok(200), all);
    let registered = &all["items"][2];
    assert_eq!(
        (&registered["receipt_id"], &registered["leaf_hash"]),
        (&made["receipt_id"], &made["leaf_hash"])
    );
    assert_eq!((&registered["actor_type"], &registered["agent_id"]), (&json!("operator"), &json!(agent)));
    assert_eq!((&registered["outcome"], &registered["metadata"]["name"]), (&json!("success"), &json!("A")));
    let proof = live.get(registered["proof_url"].as_str().unwrap());
    assert_eq!(proof.status, 200, "{}", proof.text);

    // Filters.
    let of = |query: &str| live.get(&format!("/v1/audit?{query}")).ok(200);
    assert_eq!(of("event_type=agent.register")["total"], 2);
    assert_eq!(of("event_type=agent")["total"], 3);
    assert_eq!(of(&format!("agent_id={agent}"))["total"], 2);
    assert_eq!(of("from=2001-01-01&to=2001-12-31")["items"], json!([]));
    let from = registered["timestamp"].as_str().unwrap();
    assert_eq!(of(&format!("from={from}&event_type=agent"))["items"].as_array().unwrap().len(), 3);
    let first = of("limit=3");
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(of(&format!("limit=3&cursor={cursor}"))["items"], json!([all["items"][3]]));
    assert_eq!(of("limit=1&offset=2")["items"], json!([registered]));
    assert_eq!(of("limit=4")["next_cursor"], Value::Null);

    live.get("/v1/audit?event_type=nothing").refused(400, "MALFORMED", "event_type");
    assert_eq!(of("from=2100-01-01&to=2001-01-01")["total"], 0);
    let theirs = other.live.get("/v1/audit").ok(200);
    assert_eq!(theirs["total"], 2);
    let theirs = theirs["items"][0]["agent_id"].as_str().unwrap();
    for path in ["audit", "audit/events", "audit/export"] {
        live.get(&format!("/v1/{path}?agent_id={theirs}")).refused(404, "NOT_FOUND", "agent_id");
        live.with("x-tenant-id", &other.id).get(&format!("/v1/{path}")).refused(
            403,
            "FORBIDDEN",
            "X-Tenant-ID",
        );
    }

    let report = live.get("/v1/machine-identity/audit/report?from=2001-01-01&to=2100-01-01").ok(200);
    assert_eq!((&report["total"], &report["counts"]["agent.register"]), (&json!(4), &json!(2)));
    assert_eq!(report["events"], all["items"]);
    assert_eq!(second["agent_id"], all["items"][1]["agent_id"]);
}

#[test]
fn the_export_holds_what_the_leaf_hashes_are_of() {
    use base64::Engine as _;

    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    for name in ["=1+1", "B"] {
        live.post("/v1/agents", &json!({"display_name": name})).ok(201);
    }
    let lines = live.get("/v1/audit/export");
    assert_eq!((lines.status, lines.header("content-type")), (200, Some("application/jsonl")));
    assert_eq!(lines.header("x-next-index"), None);
    let events: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&Value> = events.iter().map(|event| &event["event_type"]).collect();
    assert_eq!(types, ["tenant.register", "agent.register", "agent.register"]);
    for event in &events {
        let entry = base64::engine::general_purpose::STANDARD
            .decode(event["entry_base64"].as_str().unwrap())
            .unwrap();
        let leaf = ledger_format::leaf_hash(&entry).0;
        let leaf: String = leaf.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(event["leaf_hash"], leaf.as_str());
    }
    let from = events[2]["log_index"].as_u64().unwrap();
    assert_eq!(live.get(&format!("/v1/audit/export?from_index={from}")).text.lines().count(), 1);
    let table = live.get("/v1/audit/export?format=csv&event_type=agent.register");
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"));
    let rows: Vec<&str> = table.text.split("\r\n").filter(|row| !row.is_empty()).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows[1].contains(",agent.register,operator,") && rows[1].contains("/proof"), "{}", rows[1]);
    live.get("/v1/audit/export?format=xml").refused(400, "MALFORMED", "format");
}
