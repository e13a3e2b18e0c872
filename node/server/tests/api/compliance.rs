//! Compliance checks and reports, and anomalies.

use serde_json::{Value, json};

use crate::client::{Api, Caller};

fn agent(caller: &Caller<'_>, scopes: &[&str]) -> String {
    let made = caller.post("/v1/agents", &json!({"display_name": "Billing bot", "scopes": scopes})).ok(201);
    made["agent_id"].as_str().unwrap().to_owned()
}

fn act(caller: &Caller<'_>, agent: &str, action: &str) -> u64 {
    let body = json!({"agent_id": agent, "receipt_type": "action", "action": action, "payload": {"n": 1}});
    caller.post("/v1/agent-receipts", &body).ok(201)["log_index"].as_u64().unwrap()
}

fn finding<'a>(answer: &'a Value, control: &str) -> &'a Value {
    let findings = answer["findings"].as_array().unwrap();
    findings
        .iter()
        .find(|finding| finding["control"] == control)
        .unwrap_or_else(|| panic!("no {control}: {answer}"))
}

fn used(caller: &Caller<'_>) -> u64 {
    let usage = caller.get("/v1/billing/usage").ok(200);
    let meter =
        usage["items"].as_array().unwrap().iter().find(|meter| meter["metric"] == "maip.compliance_checks");
    meter.unwrap()["used"].as_u64().unwrap()
}

#[test]
fn a_check_cites_the_entries_that_show_it() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let agent = agent(live, &["invoices:read"]);
    let registered = live.get(&format!("/v1/agents/{agent}")).ok(200)["log_index"].as_u64().unwrap();
    let good = act(live, &agent, "invoices:read");
    let bad = act(live, &agent, "invoices:delete");
    let body = json!({"entity_type": "agent", "entity_id": agent, "regulation": "SOC2"});
    let made = live.post("/v1/compliance/check", &body).ok(200);
    assert_eq!((&made["entity_type"], &made["entity_id"]), (&json!("agent"), &json!(agent)));
    assert_eq!(
        (&made["regulation"], &made["framework"], &made["scope"]),
        (&json!("SOC2"), &json!("soc2"), &json!("full"))
    );
    assert_eq!((&made["cached"], &made["ack"]), (&json!(false), &json!("sequenced")));
    // An action beyond its scopes is severe.
    assert_eq!(made["status"], "non_compliant");
    let scope = finding(&made, "CC6.3");
    assert_eq!((&scope["status"], &scope["evidence"]), (&json!("fail"), &json!([bad])));
    assert_eq!((&scope["severity"], scope["remedy"].is_string()), (&json!("high"), true));
    assert_eq!(scope["description"], "1 of 2 recorded actions went beyond scopes or grants");
    let least = finding(&made, "CC6.1");
    assert_eq!(
        (&least["status"], &least["evidence"], &least["remedy"]),
        (&json!("pass"), &json!([registered]), &Value::Null)
    );
    let recorded = finding(&made, "CC7.1");
    assert_eq!((&recorded["status"], &recorded["evidence"]), (&json!("pass"), &json!([good, bad])));
    assert_eq!(finding(&made, "CC7.2")["status"], "not_applicable");
    let counts = &made["summary"];
    let total: u64 =
        ["pass", "fail", "not_applicable"].iter().map(|name| counts[name].as_u64().unwrap()).sum();
    assert_eq!(total, made["findings"].as_array().unwrap().len() as u64);

    // The log holds the findings.
    let index = made["log_index"].as_u64().unwrap();
    let record = live.get(&format!("/v1/records/{index}")).ok(200);
    let logged = &record["record"]["body"];
    assert_eq!((&logged["framework"], &logged["agent"]), (&json!("soc2"), &json!(agent)));
    let cc63 =
        logged["findings"].as_array().unwrap().iter().find(|finding| finding["control"] == "cc6.3").unwrap();
    assert_eq!((&cc63["status"], &cc63["evidence"]), (&json!("fail"), &json!([bad])));

    // The same again is the same, whatever has happened since, and counts once.
    act(live, &agent, "invoices:erase");
    let again = live.post("/v1/compliance/check", &json!({"agent_id": agent, "framework": "soc2"})).ok(200);
    assert_eq!((&again["check_id"], &again["cached"]), (&made["check_id"], &json!(true)));
    assert_eq!((&again["findings"], &again["log_index"]), (&made["findings"], &made["log_index"]));
    assert_eq!(used(live), 1);

    // Other controls, another framework, another entity are another check.
    let some = json!({"agent_id": agent, "framework": "soc2", "scope": {"controls": ["CC6.3"]}});
    let some = live.post("/v1/compliance/check", &some).ok(200);
    assert_eq!((&some["scope"], some["findings"].as_array().unwrap().len()), (&json!("CC6.3"), 1));
    assert_eq!(finding(&some, "CC6.3")["evidence"].as_array().unwrap().len(), 2);
    let whole = json!({"entity_type": "tenant", "entity_id": "tenant", "regulation": "EU_AI_ACT"});
    let whole = live.post("/v1/compliance/check", &whole).ok(200);
    assert_eq!((&whole["entity_id"], &whole["entity_name"]), (&json!(acme.id), &json!("Acme")));
    // Nobody can say no to an autonomous agent.
    assert_eq!(finding(&whole, "Art. 14")["status"], "fail");
    assert_eq!(used(live), 3);

    for path in ["checks", "check"] {
        let read = live.get(&format!("/v1/compliance/{path}/{}", made["check_id"].as_str().unwrap())).ok(200);
        assert_eq!((&read["findings"], &read["status"]), (&made["findings"], &made["status"]));
    }
    let listed = live.get("/v1/compliance/checks?regulation=SOC2").ok(200);
    assert_eq!(listed["checks"][0]["check_id"], some["check_id"]);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(live.get(&format!("/v1/compliance/checks?agent_id={agent}")).ok(200)["total"], 2);
    assert_eq!(live.get("/v1/compliance/checks?status=compliant").ok(200)["items"], json!([]));
    let frameworks = api.nobody().get("/v1/compliance/frameworks").ok(200);
    assert_eq!(frameworks["total"], 5);
    assert_eq!(frameworks["items"][3]["regulation"], "HIPAA");
}

#[test]
fn what_is_wrong_with_a_check_is_named() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let live = &acme.live;
    let (own, theirs) = (agent(live, &[]), agent(&other.live, &[]));
    let of = |kind: &str, id: &str| json!({"entity_type": kind, "entity_id": id, "regulation": "SOC2"});
    for (body, status, code, field) in [
        (json!({}), 422, "INVALID_INPUT", "entity_type"),
        (json!({"entity_type": "agent", "entity_id": own}), 422, "INVALID_INPUT", "regulation"),
        (
            json!({"entity_type": "robot", "entity_id": own, "regulation": "SOC2"}),
            422,
            "INVALID_INPUT",
            "entity_type",
        ),
        (
            json!({"entity_type": "agent", "entity_id": own, "regulation": "SOX"}),
            422,
            "INVALID_INPUT",
            "regulation",
        ),
        (json!({"agent_id": own, "framework": "soc2", "scope": "A.5.18"}), 422, "INVALID_INPUT", "scope"),
        (json!({"agent_id": own, "framework": "soc2", "colour": 1}), 422, "INVALID_INPUT", "colour"),
        (of("agent", "nobody"), 422, "INVALID_INPUT", "entity_id"),
        (of("agent", &theirs), 404, "NOT_FOUND", "entity_id"),
        (json!({"agent_id": theirs, "framework": "soc2"}), 404, "NOT_FOUND", "agent_id"),
        (of("tenant", &other.id), 404, "NOT_FOUND", "entity_id"),
        (of("dataset", "maip-ds:01KC2G2V3T3XJ6W1B0D9QH8Y7W"), 404, "NOT_FOUND", "entity_id"),
        (of("model", "maip-model:01KC2G2V3T3XJ6W1B0D9QH8Y7W"), 404, "NOT_FOUND", "entity_id"),
        (of("workflow", "maip-wf:01KC2G2V3T3XJ6W1B0D9QH8Y7W"), 404, "NOT_FOUND", "entity_id"),
    ] {
        live.post("/v1/compliance/check", &body).refused(status, code, field);
    }
    assert_eq!(used(live), 0, "a refused check counts nothing");
    let check = other.live.post("/v1/compliance/check", &of("agent", &theirs)).ok(200);
    let check = check["check_id"].as_str().unwrap();
    live.get(&format!("/v1/compliance/checks/{check}")).refused(404, "NOT_FOUND", "check_id");
    live.get(&format!("/v1/compliance/check/{check}")).refused(404, "NOT_FOUND", "check_id");
    live.get("/v1/compliance/checks/x").refused(400, "MALFORMED", "check_id");
    live.get(&format!("/v1/compliance/checks?agent_id={theirs}")).refused(404, "NOT_FOUND", "agent_id");
    live.with("x-tenant-id", &other.id).post("/v1/compliance/check", &of("agent", &own)).refused(
        403,
        "FORBIDDEN",
        "X-Tenant-ID",
    );
}

#[test]
fn the_plan_bounds_the_checks() {
    let api = Api::start();
    let small = api.tenant("Small", "developer");
    let live = &small.live;
    let agent = agent(live, &["a:b"]);
    let controls = ["CC5.2", "CC6.1", "CC6.2", "CC6.3", "CC6.6", "CC6.7", "CC7.1", "CC7.2", "CC7.3", "CC7.4"];
    for control in controls {
        let body = json!({"agent_id": agent, "framework": "soc2", "scope": control});
        live.post("/v1/compliance/check", &body).ok(200);
    }
    let over = live.post("/v1/compliance/check", &json!({"agent_id": agent, "framework": "gdpr"}));
    over.refused(402, "QUOTA_EXCEEDED", "");
    let details = &over.body["details"];
    assert_eq!(
        (&details["metric"], &details["limit"], &details["used"]),
        (&json!("maip.compliance_checks"), &json!(10), &json!(10))
    );
    assert!(details["resets_at"].is_string(), "{details}");
    // What is known already costs nothing.
    let known = json!({"agent_id": agent, "framework": "soc2", "scope": "CC6.1"});
    assert_eq!(live.post("/v1/compliance/check", &known).ok(200)["cached"], true);
}

#[test]
fn a_model_is_checked_by_what_it_has_learnt_from() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let agent = agent(live, &[]);
    let hash = "ab".repeat(32);
    let attest = |path: &str, body: Value| live.post(&format!("/v1/{path}/attest"), &body).ok(201);
    let dataset = attest("datasets", json!({"agent_id": agent, "name": "d", "hash": hash}));
    let known = attest(
        "models",
        json!({"agent_id": agent, "name": "m", "hash": hash, "training_dataset_ids": [dataset["dataset_id"]]}),
    );
    let unknown = attest("models", json!({"agent_id": agent, "name": "n", "hash": hash}));
    let check = |kind: &str, id: &Value| {
        let body =
            json!({"entity_type": kind, "entity_id": id, "regulation": "EU_AI_ACT", "scope": "Art. 10"});
        live.post("/v1/compliance/check", &body).ok(200)
    };
    let good = check("model", &known["model_id"]);
    assert_eq!(
        (&good["status"], &good["findings"][0]["evidence"]),
        (&json!("compliant"), &json!([known["log_index"]]))
    );
    let bad = check("model", &unknown["model_id"]);
    assert_eq!(
        (&bad["status"], &bad["findings"][0]["evidence"]),
        (&json!("non_compliant"), &json!([unknown["log_index"]]))
    );
    assert_eq!(
        check("dataset", &dataset["dataset_id"])["findings"][0]["evidence"],
        json!([dataset["log_index"]])
    );
}

#[test]
fn an_anomaly_answers_by_itself_and_is_resolved_once() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let agent = agent(live, &["invoices:read"]);
    let status = || live.get(&format!("/v1/agents/{agent}")).ok(200)["status"].clone();
    let report = |severity: &str| {
        let body = json!({
            "agent_id": agent, "anomaly_type": "rate_spike", "severity": severity, "description": "40 times as many",
            "evidence": {"calls": 4000},
        });
        live.post("/v1/anomalies", &body).ok(201)
    };
    let resolve = |made: &Value, resolution: &str| {
        let path = format!("/v1/anomalies/{}/resolve", made["anomaly_id"].as_str().unwrap());
        live.post(&path, &json!({"resolution": resolution, "notes": "looked at", "resolved_by": "alice"}))
    };

    let low = report("low");
    assert_eq!((&low["status"], &low["auto_response"]), (&json!("open"), &json!("none")));
    assert_eq!(
        (&low["anomaly_type"], &low["details"], &low["evidence"]),
        (&json!("rate_spike"), &json!({"calls": 4000}), &json!({"calls": 4000}))
    );
    let record = live.get(&format!("/v1/records/{}", low["log_index"])).ok(200);
    assert_eq!(record["record"]["body"]["evidence"], low["evidence_digest"]);
    assert!(
        low["evidence_digest"].as_str().unwrap().starts_with("sha256:")
            && low["salt"].as_str().unwrap().len() == 32
    );
    assert_eq!(report("high")["auto_response"], "sessions_ended");
    assert_eq!(status(), "active");

    // Critical suspends; a false alarm gives everything back that can be given back.
    let critical = report("critical");
    assert_eq!((&critical["auto_response"], status()), (&json!("agent_suspended"), json!("suspended")));
    let done = resolve(&critical, "false_positive").ok(200);
    assert_eq!(
        (&done["status"], &done["resolution"], &done["resolved_by"]),
        (&json!("resolved"), &json!("false_positive"), &json!("alice"))
    );
    assert_eq!((&done["notes"], done["resolved_at"].is_string()), (&json!("looked at"), true));
    assert_eq!(status(), "active");
    resolve(&critical, "mitigated").refused(409, "ANOMALY_RESOLVED", "anomaly_id");

    // A suspension by hand stays what it is.
    let second = report("critical");
    live.post(&format!("/v1/agents/{agent}/reactivate"), &json!({})).ok(200);
    live.post(&format!("/v1/agents/{agent}/suspend"), &json!({})).ok(200);
    resolve(&second, "accepted_risk").ok(200);
    assert_eq!(status(), "suspended");
    live.post(&format!("/v1/agents/{agent}/reactivate"), &json!({})).ok(200);

    let last = report("medium");
    assert_eq!(last["auto_response"], "throttled");
    assert_eq!(resolve(&last, "agent_revoked").ok(200)["resolution"], "agent_revoked");
    assert_eq!(status(), "revoked");

    let read = live.get(&format!("/v1/anomalies/{}", critical["anomaly_id"].as_str().unwrap())).ok(200);
    assert_eq!(
        (&read["resolution"], &read["resolution_log_index"]),
        (&done["resolution"], &done["resolution_log_index"])
    );
    let open = live.get("/v1/anomalies?status=open").ok(200);
    let severities: Vec<&Value> =
        open["anomalies"].as_array().unwrap().iter().map(|one| &one["severity"]).collect();
    assert_eq!(severities, ["high", "low"]);
    assert_eq!(live.get(&format!("/v1/anomalies?agent_id={agent}")).ok(200)["total"], 5);
    assert_eq!(
        live.get("/v1/anomalies?severity=critical&anomaly_type=rate_spike").ok(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(live.get("/v1/anomalies?anomaly_type=trust_drop").ok(200)["items"], json!([]));
}

#[test]
fn what_is_wrong_with_an_anomaly_is_named() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let live = &acme.live;
    let (own, theirs) = (agent(live, &[]), agent(&other.live, &[]));
    for (body, status, code, field) in [
        (json!({"agent_id": own, "severity": "low"}), 422, "INVALID_INPUT", "anomaly_type"),
        (json!({"agent_id": own, "anomaly_type": "rate_spike"}), 422, "INVALID_INPUT", "severity"),
        (
            json!({"agent_id": own, "anomaly_type": "rate_spike", "severity": "awful"}),
            422,
            "INVALID_INPUT",
            "severity",
        ),
        (
            json!({"agent_id": own, "anomaly_type": "rate_spike", "severity": "low", "evidence": []}),
            422,
            "INVALID_INPUT",
            "evidence",
        ),
        (
            json!({"agent_id": own, "anomaly_type": "rate_spike", "severity": "low", "colour": 1}),
            422,
            "INVALID_INPUT",
            "colour",
        ),
        (
            json!({"agent_id": theirs, "anomaly_type": "rate_spike", "severity": "low"}),
            404,
            "NOT_FOUND",
            "agent_id",
        ),
    ] {
        live.post("/v1/anomalies", &body).refused(status, code, field);
    }
    let body =
        json!({"agent_id": theirs, "anomaly_type": "trust_drop", "severity": "critical", "details": {}});
    let made = other.live.post("/v1/anomalies", &body).ok(201);
    let id = made["anomaly_id"].as_str().unwrap();
    live.get(&format!("/v1/anomalies/{id}")).refused(404, "NOT_FOUND", "anomaly_id");
    live.post(&format!("/v1/anomalies/{id}/resolve"), &json!({"resolution": "mitigated"})).refused(
        404,
        "NOT_FOUND",
        "anomaly_id",
    );
    other.live.post(&format!("/v1/anomalies/{id}/resolve"), &json!({"resolution": "gone"})).refused(
        422,
        "INVALID_INPUT",
        "resolution",
    );
    other.live.post(&format!("/v1/anomalies/{id}/resolve"), &json!({})).refused(
        422,
        "INVALID_INPUT",
        "resolution",
    );
    live.get("/v1/anomalies/x").refused(400, "MALFORMED", "anomaly_id");
    live.get("/v1/anomalies?status=lost").refused(400, "MALFORMED", "status");
    live.get(&format!("/v1/anomalies?agent_id={theirs}")).refused(404, "NOT_FOUND", "agent_id");
    live.with("x-tenant-id", &other.id).get("/v1/anomalies").refused(403, "FORBIDDEN", "X-Tenant-ID");
    assert_eq!(live.get("/v1/anomalies").ok(200)["total"], 0);
}

/// A key that may report may not resolve.
#[test]
fn reporting_and_resolving_are_two_scopes() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let agent = agent(&acme.live, &[]);
    let key =
        acme.live.post("/v1/api-keys", &json!({"name": "watcher", "scopes": ["anomalies:write"]})).ok(201);
    let watcher = api.caller(key["secret"].as_str().unwrap());
    let body = json!({"agent_id": agent, "anomaly_type": "trust_drop", "severity": "low"});
    let made = watcher.post("/v1/anomalies", &body).ok(201);
    let path = format!("/v1/anomalies/{}/resolve", made["anomaly_id"].as_str().unwrap());
    let body = json!({"resolution": "mitigated"});
    watcher.post(&path, &body).refused(403, "FORBIDDEN", "authorization");
    acme.live.post(&path, &body).ok(200);
}

#[test]
fn a_report_is_a_page_for_an_auditor_and_the_log_holds_its_digest() {
    let api = Api::start();
    let evil = "<script>alert(1)</script> & \"Söhne\"";
    let (acme, other) = (api.tenant(evil, "business"), api.tenant("Other", "business"));
    let live = &acme.live;
    let agent = agent(live, &["invoices:read"]);
    let bad = act(live, &agent, "invoices:delete");
    let body = json!({
        "entity_type": "tenant", "entity_id": "tenant", "regulation": "SOC2", "period_start": "2001-01-01",
        "period_end": "2100-12-31", "generated_by": "maip-vscode",
    });
    let made = live.post("/v1/compliance/reports", &body).ok(201);
    assert_eq!((&made["status"], &made["verdict"]), (&json!("ready"), &json!("non_compliant")));
    assert_eq!(
        (&made["period_start"], &made["period_end"]),
        (&json!("2001-01-01T00:00:00.000Z"), &json!("2100-12-31T23:59:59.999Z"))
    );
    let document = &made["document"];
    assert_eq!((&document["tenant_name"], &document["generated_by"]), (&json!(evil), &json!("maip-vscode")));
    assert_eq!(finding(&made, "CC6.3")["evidence"], json!([bad]));
    // Every cited entry is there, with its leaf and its proof.
    let entries = document["entries"].as_array().unwrap();
    for index in made["findings"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|finding| finding["evidence"].as_array().unwrap())
    {
        assert!(entries.iter().any(|entry| entry["log_index"] == *index), "{index} is not among the entries");
    }
    let cited = entries.iter().find(|entry| entry["log_index"] == bad).unwrap();
    assert_eq!(cited["flags"][0], "out_of_scope");
    let record = live.get(&format!("/v1/records/{bad}")).ok(200);
    assert_eq!((&record["leaf_hash"], &record["receipt_id"]), (&cited["leaf_hash"], &cited["receipt_id"]));
    assert_eq!(live.get(cited["proof_url"].as_str().unwrap()).status, 200);
    let tree_size = document["log"]["tree_size"].as_u64().unwrap();
    assert!(tree_size > bad, "the checkpoint covers what is cited");
    assert!(
        document["log"]["checkpoint"].as_str().unwrap().contains(&format!("\n{tree_size}\n")),
        "{document}"
    );

    // Nobody has seen this log but its operator, and the report says so.
    assert_eq!(document["log"]["witnesses"], json!([]));
    let body =
        json!({"entity_type": "tenant", "entity_id": "tenant", "regulation": "ISO27001", "scope": "A.5.33"});
    assert_eq!(live.post("/v1/compliance/check", &body).ok(200)["findings"][0]["status"], "fail");

    // The digest in the log is of the document.
    let bytes = serde_json::to_vec(document).unwrap();
    let digest = ledger_format::record::Digest::sha256(&bytes).to_string();
    assert_eq!(made["digest"], digest.as_str());
    let record = live.get(&format!("/v1/records/{}", made["log_index"])).ok(200);
    assert_eq!(record["record"]["body"]["digest"], digest.as_str());

    let id = made["report_id"].as_str().unwrap();
    let read = live.get(&format!("/v1/compliance/reports/{id}")).ok(200);
    assert_eq!((&read["document"], &read["digest"]), (document, &made["digest"]));
    let page = live.get(&format!("/v1/compliance/reports/{id}/html"));
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(!page.text.contains("<script"), "{}", page.text);
    for wanted in [
        "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;Söhne&quot;",
        "CC6.3",
        cited["leaf_hash"].as_str().unwrap(),
        cited["proof_url"].as_str().unwrap(),
        digest.as_str(),
    ] {
        let wanted = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        assert!(page.text.contains(wanted), "{wanted} is not on the page");
    }

    // The list, as the editors' plug-ins ask for it.
    let listed = live.get("/v1/compliance/reports?start=2026-01-01&end=2026-12-31&format=json").ok(200);
    assert_eq!(
        (&listed["reports"][0]["report_id"], &listed["reports"][0]["document"]),
        (&made["report_id"], &Value::Null)
    );
    assert_eq!(live.get("/v1/compliance/reports?end=2000-01-01").ok(200)["items"], json!([]));
    assert_eq!(live.get("/v1/compliance/reports?regulation=gdpr").ok(200)["items"], json!([]));

    for path in [format!("/v1/compliance/reports/{id}"), format!("/v1/compliance/reports/{id}/html")] {
        other.live.get(&path).refused(404, "NOT_FOUND", "report_id");
        live.with("x-tenant-id", &other.id).get(&path).refused(403, "FORBIDDEN", "X-Tenant-ID");
    }
    assert_eq!(other.live.get("/v1/compliance/reports").ok(200)["total"], 0);
}

#[test]
fn a_report_is_about_its_period() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let agent = agent(live, &["invoices:read"]);
    act(live, &agent, "invoices:delete");
    let report = |start: &str, end: &str| {
        let body = json!({"entity_type": "agent", "entity_id": agent, "regulation": "GDPR", "period_start": start, "period_end": end});
        live.post("/v1/compliance/reports", &body)
    };
    let before = report("2001-01-01", "2001-12-31").ok(201);
    assert_eq!(finding(&before, "Art. 29")["status"], "not_applicable");
    assert_eq!(before["document"]["activity"]["actions"], 0);
    let now = report("2001-01-01", "2100-01-01").ok(201);
    assert_eq!(
        (&finding(&now, "Art. 29")["status"], &now["document"]["activity"]["actions"]),
        (&json!("fail"), &json!(1))
    );
    report("2026-02-01", "2026-01-01").refused(422, "INVALID_INPUT", "period_end");
    report("soon", "2026-01-01").refused(422, "INVALID_INPUT", "period_start");
    live.post("/v1/compliance/reports", &json!({"entity_type": "tenant", "entity_id": "tenant", "regulation": "SOC2", "period_start": "2026-01-01"}))
        .refused(422, "INVALID_INPUT", "period_end");
    live.get("/v1/compliance/reports/x/html").refused(400, "MALFORMED", "report_id");
}
