//! Policies, decisions, approvals and scopes.

use serde_json::{Value, json};

use crate::client::{Api, Caller, Reply};

fn agent(caller: &Caller<'_>, kind: &str, scopes: &[&str]) -> String {
    let body = json!({"display_name": "Bot", "agent_type": kind, "scopes": scopes});
    caller.post("/v1/agents", &body).ok(201)["agent_id"].as_str().unwrap().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn policy(caller: &Caller<'_>, name: &str, rule: &Value) -> Value {
    caller.post("/v1/maip/policies", &json!({"name": name, "rules": [rule]})).ok(201)
}

fn evaluate(caller: &Caller<'_>, agent: &str, scope: &str) -> Value {
    caller.post("/v1/maip/policies/evaluate", &json!({"agent_id": agent, "scope": scope})).ok(200)
}

fn with(caller: &Caller<'_>, method: &str, path: &str, body: &Value, version: u64) -> Reply {
    caller.with("if-match", &format!("\"{version}\"")).call(method, path, Some(body.to_string()))
}

/// Index of a new entry, whatever it is about.
fn mark(caller: &Caller<'_>) -> u64 {
    caller.post("/v1/scopes", &json!({"name": "probe:mark"})).ok(201)["log_index"].as_u64().unwrap()
}

#[test]
fn a_policy_lives_through_its_versions() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let rule = json!({
        "conditions": [
            {"field": "scope", "op": "in", "value": ["payments:write", "payments:refund"]},
            {"field": "trust_score", "op": "lt", "value": 0.7},
        ],
        "effect": "deny",
    });
    let body = json!({
        "name": "Payments", "description": "Trusted agents only.", "category": "trust", "priority": 10, "rules": [rule],
    });
    let made = live.post("/v1/maip/policies", &body);
    let (etag, made) = (made.header("etag").unwrap().to_owned(), made.ok(201));
    let id = text(&made["policy_id"]);
    assert!(id.starts_with("maip-pol:"), "{made}");
    assert_eq!(
        (&made["name"], &made["category"], &made["status"], &made["priority"]),
        (&json!("Payments"), &json!("trust"), &json!("active"), &json!(10))
    );
    assert_eq!(made["rules"], json!([rule]));
    assert_eq!(
        made["recorded_rules"],
        json!([{"actions": ["payments:refund", "payments:write"], "effect": "deny", "when": {"trust_max_bp": 6999}}])
    );
    let version = made["log_index"].as_u64().unwrap();
    assert_eq!((etag, &made["version"]), (format!("\"{version}\""), &json!(version)));
    assert!(text(&made["receipt_id"]).starts_with("maip-rcpt:") && text(&made["leaf_hash"]).len() == 64);

    let path = format!("/v1/maip/policies/{id}");
    let read = live.get(&format!("{path}?min_index={version}")).ok(200);
    assert_eq!(
        (&read["description"], &read["policy_hash"]),
        (&json!("Trusted agents only."), &made["policy_hash"])
    );
    let by_uuid = live.get(&format!("/v1/maip/policies/{}", text(&made["id"]))).ok(200);
    assert_eq!(by_uuid["policy_id"], made["policy_id"]);

    // Two people edit what they have read: the second is told.
    let first = with(live, "PATCH", &path, &json!({"priority": 5}), version).ok(200);
    assert_eq!(
        (&first["priority"], &first["rules"], &first["description"]),
        (&json!(5), &read["rules"], &read["description"])
    );
    assert_ne!(first["policy_hash"], made["policy_hash"]);
    with(live, "PATCH", &path, &json!({"priority": 7}), version).refused(
        412,
        "PRECONDITION_FAILED",
        "If-Match",
    );
    with(live, "PUT", &path, &body, version).refused(412, "PRECONDITION_FAILED", "If-Match");
    live.with("if-match", "5").call("PATCH", &path, Some("{}".into())).refused(400, "MALFORMED", "If-Match");
    assert_eq!(live.get(&path).ok(200)["priority"], 5);

    // Switched off, changed, still off, on again.
    let off = live.post(&format!("{path}/disable"), &json!({"reason": "too strict"})).ok(200);
    assert_eq!((&off["status"], &off["status_reason"]), (&json!("disabled"), &json!("too strict")));
    live.post(&format!("{path}/disable"), &json!({})).refused(409, "POLICY_STATUS", "policy_id");
    let recorded = json!({"actions": ["payments:*"], "effect": "approve"});
    let whole = json!({"name": "Payments", "rules": [recorded]});
    let replaced = live.call("PUT", &path, Some(whole.to_string())).ok(200);
    assert_eq!(
        (&replaced["status"], &replaced["rules"], &replaced["priority"], &replaced["description"]),
        (&json!("disabled"), &json!([recorded]), &json!(100), &json!(""))
    );
    let patch = json!({"status": "active", "category": "scope"});
    let on = live.call("PATCH", &path, Some(patch.to_string())).ok(200);
    assert_eq!(
        (&on["status"], &on["category"], &on["rules"]),
        (&json!("active"), &json!("scope"), &json!([recorded]))
    );

    // An archived one leaves the list and its name; it is not forgotten.
    assert_eq!(live.call("DELETE", &path, None).ok(200)["status"], "archived");
    live.call("DELETE", &path, None).refused(409, "POLICY_STATUS", "policy_id");
    live.call("PATCH", &path, Some(json!({"priority": 1}).to_string())).refused(
        409,
        "POLICY_ARCHIVED",
        "policy_id",
    );
    assert_eq!(live.get("/v1/maip/policies").ok(200)["total"], 0);
    assert_eq!(live.get("/v1/maip/policies?status=archived").ok(200)["items"][0]["policy_id"], json!(id));
    policy(live, "Payments", &json!({"effect": "allow"}));
    live.post(&format!("{path}/enable"), &json!({})).refused(409, "NAME_TAKEN", "name");
}

#[test]
fn policies_are_listed_in_the_order_of_evaluation() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let rules = json!([{"effect": "allow"}]);
    for (name, priority) in [("c", 30), ("a", 10), ("b", 10)] {
        let body = json!({"name": name, "priority": priority, "rules": rules});
        acme.live.post("/v1/maip/policies", &body).ok(201);
    }
    let names = |reply: &Value| -> Vec<String> {
        reply["policies"].as_array().unwrap().iter().map(|policy| text(&policy["name"]).to_owned()).collect()
    };
    let first = acme.live.get("/v1/maip/policies?limit=2").ok(200);
    assert_eq!((names(&first), &first["total"]), (vec!["a".to_owned(), "b".to_owned()], &json!(3)));
    let rest =
        acme.live.get(&format!("/v1/maip/policies?limit=2&cursor={}", text(&first["next_cursor"]))).ok(200);
    assert_eq!((names(&rest), &rest["next_cursor"]), (vec!["c".to_owned()], &Value::Null));
    assert_eq!(acme.live.get("/v1/maip/policies?category=trust").ok(200)["total"], 0);
}

#[test]
fn a_decision_says_why_and_is_in_the_log() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "autonomous", &["payments:*", "!payments:delete"]);
    let yes = evaluate(live, &bot, "payments:read");
    assert_eq!(
        (&yes["allowed"], &yes["result"], &yes["reason_code"], &yes["denied_by"], &yes["requires_approval"]),
        (&json!(true), &json!("allowed"), &json!("within_scope"), &json!([]), &json!(false))
    );
    // The answer is the record.
    let index = yes["log_index"].as_u64().unwrap();
    let record = &live.get(&format!("/v1/records/{index}?min_index={index}")).ok(200)["record"];
    assert_eq!(
        (&record["type"], &record["body"]["result"]),
        (&json!("decision"), &json!("allowed")),
        "{record}"
    );
    assert_eq!(record["body"]["inputs"], yes["inputs_digest"]);

    for (scope, code) in [("payments:delete", "denied_scope"), ("invoices:read", "no_scope")] {
        let no = evaluate(live, &bot, scope);
        assert_eq!((&no["allowed"], &no["reason_code"]), (&json!(false), &json!(code)), "{no}");
    }
    // Two policies deny, a third would ask: a deny overrides.
    let about = json!([{"field": "scope", "op": "eq", "value": "payments:write"}]);
    let deny = json!({"conditions": about, "effect": "deny"});
    let ask = json!({"conditions": about, "effect": "require_approval"});
    let asking = policy(live, "ask", &ask);
    assert_eq!(evaluate(live, &bot, "payments:write")["result"], "needs_approval");
    let long = "No writing ".repeat(20);
    let first = policy(live, long.trim(), &deny);
    policy(live, "second", &deny);
    let no = evaluate(live, &bot, "payments:write");
    assert_eq!(no["denied_by"], json!([long.trim(), "second"]), "{no}");
    assert_eq!((&no["requires_approval"], &no["approval_id"]), (&json!(false), &Value::Null));
    assert_eq!((&no["rules"][0]["policy_id"], &no["rules"][0]["place"]), (&first["policy_id"], &json!(0)));
    let looked = no["policies"].as_array().unwrap();
    assert!(looked.len() == 3 && looked.contains(&asking["policy_hash"]), "{no}");
    // A suspended agent may nothing, whatever policies say.
    live.post(&format!("/v1/agents/{bot}/suspend"), &json!({})).ok(200);
    assert_eq!(evaluate(live, &bot, "payments:read")["reason_code"], "agent_not_active");
}

#[test]
fn a_dry_question_writes_and_counts_nothing() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "autonomous", &["mail:*"]);
    let rate = json!({"actions": ["mail:send"], "effect": "require", "when": {"calls": {"max": 2, "window_s": 31_536_000}}});
    policy(live, "Two mails", &rate);
    let before = mark(live);
    let body = json!({"agent_id": bot, "scope": "mail:send", "log": false, "action": "send", "resource": "newsletter"});
    for _ in 0..4 {
        let dry = live.post("/v1/maip/policies/evaluate", &body).ok(200);
        assert_eq!((&dry["allowed"], &dry["logged"]), (&json!(true), &json!(false)), "{dry}");
        assert_eq!((&dry["receipt_id"], &dry["log_index"]), (&Value::Null, &Value::Null));
        assert_eq!((&dry["action"], &dry["resource"]), (&json!("send"), &json!("newsletter")));
    }
    // The log's own entries, which are nobody's here, may stand between the two.
    for index in before..mark(live) {
        let entry = live.get(&format!("/v1/records/{index}"));
        assert_ne!(entry.body["record_type"], "decision", "a dry question was logged");
    }
    assert_eq!(evaluate(live, &bot, "mail:send")["allowed"], true);
    assert_eq!(evaluate(live, &bot, "mail:send")["allowed"], true);
    let third = evaluate(live, &bot, "mail:send");
    assert_eq!((&third["allowed"], &third["denied_by"]), (&json!(false), &json!(["Two mails"])));
    assert_eq!(live.post("/v1/maip/policies/evaluate", &body).ok(200)["allowed"], false);
}

#[test]
fn a_repeated_question_has_one_answer() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let bot = agent(&acme.live, "autonomous", &["mail:*"]);
    let keyed = acme.live.with("idempotency-key", "2f1c9f0e-one");
    let body = json!({"agent_id": bot, "scope": "mail:send"});
    let first = keyed.post("/v1/maip/policies/evaluate", &body).ok(200);
    let again = keyed.post("/v1/maip/policies/evaluate", &body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok(200), first);
}

#[test]
fn an_approval_is_asked_for_given_and_used_up() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    // A supervised agent's critical action.
    live.post("/v1/scopes", &json!({"name": "payments:write", "critical": true})).ok(201);
    let bot = agent(live, "supervised", &["payments:*"]);
    assert_eq!(evaluate(live, &bot, "payments:read")["allowed"], true);
    let waits = evaluate(live, &bot, "payments:write");
    assert_eq!(
        (&waits["allowed"], &waits["requires_approval"], &waits["reason_code"]),
        (&json!(false), &json!(true), &json!("approval_needed"))
    );
    let id = text(&waits["approval_id"]);
    let other = evaluate(live, &bot, "payments:write");
    let listed = live.get("/v1/approvals?status=pending&limit=1").ok(200);
    assert_eq!(listed["approvals"][0]["approval_id"], other["approval_id"], "newest first");
    let rest = live.get(&format!("/v1/approvals?limit=5&cursor={}", text(&listed["next_cursor"]))).ok(200);
    assert_eq!((&rest["items"][0]["approval_id"], &rest["total"]), (&json!(id), &json!(2)));
    let asked = live.get(&format!("/v1/approvals/{id}")).ok(200);
    assert_eq!(
        (&asked["status"], &asked["action"], &asked["agent_id"], &asked["verdict_id"]),
        (&json!("pending"), &json!("payments:write"), &json!(bot), &Value::Null)
    );
    let again = |approval: &str| {
        live.post(
            "/v1/maip/policies/evaluate",
            &json!({"agent_id": bot, "scope": "payments:write", "approval_id": approval}),
        )
    };
    again(id).refused(409, "APPROVAL_PENDING", "approval_id");
    let body = json!({"approver": "alice", "comment": "checked", "uses": 2, "ttl_minutes": 5});
    let said = live.post(&format!("/v1/approvals/{id}/approve"), &body).ok(200);
    assert_eq!(
        (&said["status"], &said["approver"], &said["comment"], &said["uses_left"]),
        (&json!("approved"), &json!("alice"), &json!("checked"), &json!(2))
    );
    assert_eq!(said["receipt_id"], said["verdict_id"]);
    live.post(&format!("/v1/approvals/{id}/reject"), &json!({})).refused(
        409,
        "ALREADY_DECIDED",
        "approval_id",
    );
    // By the id of the question or of the verdict; twice, not three times, and for nothing else.
    assert_eq!(again(id).ok(200)["allowed"], true);
    let elsewhere = json!({"agent_id": bot, "scope": "payments:read", "approval_id": id, "log": false});
    assert_eq!(live.post("/v1/maip/policies/evaluate", &elsewhere).ok(200)["allowed"], true);
    assert_eq!(again(text(&said["verdict_id"])).ok(200)["allowed"], true);
    assert_eq!(live.get(&format!("/v1/approvals/{id}")).ok(200)["status"], "used");
    let used = again(id).ok(200);
    assert_eq!((&used["allowed"], &used["requires_approval"]), (&json!(false), &json!(true)));

    let no = text(&other["approval_id"]);
    let rejected =
        live.post(&format!("/v1/approvals/{no}/reject"), &json!({"reason": "no such supplier"})).ok(200);
    assert_eq!((&rejected["status"], &rejected["comment"]), (&json!("rejected"), &json!("no such supplier")));
    assert_eq!(again(no).ok(200)["allowed"], false);
    assert_eq!(live.get(&format!("/v1/approvals?agent_id={bot}&status=rejected")).ok(200)["total"], 1);
}

#[test]
fn a_scope_has_a_meaning() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let limits = json!({"max_amount_cents": 100_000, "require_dual_approval_above": 50_000});
    let long = "Initiates payments. ".repeat(30);
    let body = json!({"name": "payments:write", "description": long, "constraints": limits});
    let made = acme.live.post("/v1/scopes", &body).ok(201);
    assert_eq!(
        (&made["name"], &made["constraints"], &made["description"], &made["critical"]),
        (&json!("payments:write"), &limits, &json!(long), &json!(false))
    );
    let again = acme.live.post("/v1/scopes", &json!({"name": "payments:write", "critical": true})).ok(201);
    let listed = acme.live.get("/v1/scopes").ok(200);
    assert_eq!((&listed["total"], &listed["scopes"][0]["id"]), (&json!(1), &again["id"]));
    assert_eq!(acme.live.get("/v1/scopes/payments%3Awrite").ok(200)["critical"], true);
    acme.live.get("/v1/scopes/payments:read").refused(404, "NOT_FOUND", "scope_name");
    acme.live.get("/v1/scopes/Payments").refused(400, "MALFORMED", "scope_name");
    for bad in ["!payments:write", "*:*"] {
        acme.live.post("/v1/scopes", &json!({"name": bad})).refused(422, "INVALID_INPUT", "name");
    }
    let other = api.tenant("Other", "business");
    other.live.get("/v1/scopes/payments:write").refused(404, "NOT_FOUND", "scope_name");
    assert_eq!(other.live.get("/v1/scopes").ok(200)["total"], 0);
}

#[test]
fn what_a_rule_cannot_say_is_refused_with_its_field() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let condition = |field: &str, op: &str, value: Value| json!({"conditions": [{"field": field, "op": op, "value": value}], "effect": "deny"});
    for (rule, field) in [
        (json!({"effect": "forbid"}), "rules[0].effect"),
        (json!({"effect": "deny", "colour": 1}), "rules[0].colour"),
        (condition("scope", "contains", json!("delete")), "rules[0].conditions[0].op"),
        (condition("agent_type", "eq", json!("llm")), "rules[0].conditions[0].value"),
        (condition("trust_score", "lt", json!(50)), "rules[0].conditions[0].value"),
        (condition("colour", "eq", json!("red")), "rules[0].conditions[0].field"),
        (condition("scope", "eq", json!({})), "rules[0].conditions[0].value"),
        (json!({"actions": [], "effect": "deny"}), "rules[0].actions"),
        (json!({"actions": ["a:b"], "effect": "require"}), "rules[0].when"),
        (json!({"actions": ["a:b"], "effect": "deny", "when": {}}), "rules[0].when"),
        (
            json!({"actions": ["a:b"], "effect": "deny", "when": {"minutes": {"from": 9, "to": 9}}}),
            "rules[0].when.minutes.to",
        ),
        (json!({"actions": ["a:b"], "effect": "deny", "when": {"days": [8]}}), "rules[0].when.days[0]"),
        (
            json!({"actions": ["a:b"], "effect": "require", "when": {
                "calls": {"max": 10, "window_s": 60},
                "spend": {"currency": "EUR", "max_minor": 10_000, "window_s": 86_400}}}),
            "rules[0].when.spend.window_s",
        ),
    ] {
        live.post("/v1/maip/policies", &json!({"name": "x", "rules": [rule]})).refused(
            422,
            "INVALID_INPUT",
            field,
        );
    }
    for (body, field) in [
        (json!({"rules": [{"effect": "deny"}]}), "name"),
        (json!({"name": "x"}), "rules"),
        (json!({"name": "x", "rules": []}), "rules"),
        (json!({"name": "x", "rules": [{"effect": "deny"}], "priority": 0}), "priority"),
        (json!({"name": "x", "rules": [{"effect": "deny"}], "category": "other"}), "category"),
    ] {
        live.post("/v1/maip/policies", &body).refused(422, "INVALID_INPUT", field);
    }
    policy(live, "x", &json!({"effect": "allow"}));
    live.post("/v1/maip/policies", &json!({"name": "x", "rules": [{"effect": "deny"}]})).refused(
        409,
        "NAME_TAKEN",
        "name",
    );
    let bot = agent(live, "autonomous", &["a:*"]);
    for (body, status, code, field) in [
        (json!({"agent_id": bot}), 422, "INVALID_INPUT", "scope"),
        (json!({"agent_id": bot, "scope": "a:*"}), 422, "INVALID_INPUT", "scope"),
        (json!({"agent_id": bot, "scope": "!a:b"}), 422, "INVALID_INPUT", "scope"),
        (json!({"agent_id": "nobody", "scope": "a:b"}), 422, "INVALID_INPUT", "agent_id"),
        (
            json!({"agent_id": bot, "scope": "a:b", "amount": {"currency": "eur", "minor": 1}}),
            422,
            "INVALID_INPUT",
            "amount.currency",
        ),
        (
            json!({"agent_id": bot, "scope": "a:b", "session_id": "maip-sess:01KC2G2V3T3XJ6W1B0D9QH8Y7P"}),
            404,
            "NOT_FOUND",
            "session_id",
        ),
        (
            json!({"agent_id": bot, "scope": "a:b", "delegation_id": "maip-deleg:01KC2G2V3T3XJ6W1B0D9QH8Y7P"}),
            404,
            "NOT_FOUND",
            "delegation_id",
        ),
        (
            json!({"agent_id": bot, "scope": "a:b", "approval_id": "maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y7P"}),
            404,
            "NOT_FOUND",
            "approval_id",
        ),
    ] {
        live.post("/v1/maip/policies/evaluate", &body).refused(status, code, field);
    }
    live.get("/v1/maip/policies/nothing").refused(400, "MALFORMED", "policy_id");
    live.get("/v1/approvals/nothing").refused(400, "MALFORMED", "approval_id");
    live.get("/v1/approvals?status=open").refused(400, "MALFORMED", "status");
}

#[test]
fn nothing_of_another_tenant_is_there() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let theirs = policy(&other.live, "Theirs", &json!({"effect": "require_approval"}));
    let path = format!("/v1/maip/policies/{}", text(&theirs["policy_id"]));
    let bot = agent(&other.live, "autonomous", &["a:*"]);
    let waits = text(&evaluate(&other.live, &bot, "a:b")["approval_id"]).to_owned();
    let whole = json!({"name": "Mine", "rules": [{"effect": "allow"}]});
    let live = &acme.live;
    live.get(&path).refused(404, "NOT_FOUND", "policy_id");
    for (method, body) in [("PUT", whole.clone()), ("PATCH", json!({"priority": 1})), ("DELETE", Value::Null)]
    {
        let body = (!body.is_null()).then(|| body.to_string());
        live.call(method, &path, body).refused(404, "NOT_FOUND", "policy_id");
    }
    for verb in ["disable", "enable", "archive"] {
        live.post(&format!("{path}/{verb}"), &json!({})).refused(404, "NOT_FOUND", "policy_id");
    }
    live.get(&format!("/v1/approvals/{waits}")).refused(404, "NOT_FOUND", "approval_id");
    for verb in ["approve", "reject"] {
        live.post(&format!("/v1/approvals/{waits}/{verb}"), &json!({})).refused(
            404,
            "NOT_FOUND",
            "approval_id",
        );
    }
    assert_eq!(live.get("/v1/approvals").ok(200)["total"], 0);
    live.get(&format!("/v1/approvals?agent_id={bot}")).refused(404, "NOT_FOUND", "agent_id");
    live.post("/v1/maip/policies/evaluate", &json!({"agent_id": bot, "scope": "a:b"})).refused(
        404,
        "NOT_FOUND",
        "agent_id",
    );
    let rule = json!({"actions": ["a:b"], "effect": "deny", "agents": [bot]});
    live.post("/v1/maip/policies", &json!({"name": "x", "rules": [rule]})).refused(
        404,
        "NOT_FOUND",
        "rules[0]",
    );
    let mine = agent(live, "autonomous", &["a:*"]);
    assert_eq!(evaluate(live, &mine, "a:b")["allowed"], true, "their policies are theirs");
    for path in ["/v1/maip/policies", "/v1/approvals", "/v1/scopes"] {
        live.with("x-tenant-id", &other.id).get(path).refused(403, "FORBIDDEN", "X-Tenant-ID");
        api.nobody().get(path).refused(401, "UNAUTHORIZED", "authorization");
    }
    // A key that may only ask changes nothing.
    let body = json!({"name": "asks", "scopes": ["policies:evaluate"]});
    let key = live.post("/v1/api-keys", &body).ok(201);
    let asks = api.caller(text(&key["secret"]));
    assert_eq!(evaluate(&asks, &mine, "a:b")["allowed"], true);
    asks.post("/v1/maip/policies", &whole).refused(403, "FORBIDDEN", "authorization");
    asks.get("/v1/approvals").refused(403, "FORBIDDEN", "authorization");
}

/// What an agent's own token opens: itself, and no yes to what it asked.
#[test]
fn an_agent_asks_for_itself_and_approves_nothing() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let scopes = ["policies:evaluate", "approvals:write", "guardrails:check", "payments:write"];
    let (bot, other) = (agent(live, "autonomous", &scopes), agent(live, "autonomous", &["payments:write"]));
    policy(live, "ask", &json!({"actions": ["payments:write"], "effect": "approve"}));
    let session = live.post("/v1/sessions", &json!({"agent_id": bot})).ok(201);
    let own = api.nobody().with("authorization", &format!("Bearer {}", text(&session["token"])));
    let waits = evaluate(&own, &bot, "payments:write");
    assert_eq!(waits["result"], "needs_approval");
    for path in ["/v1/maip/policies/evaluate", "/v1/guardrails/check"] {
        let body = match path {
            "/v1/guardrails/check" => json!({"agent_id": other, "action": "payments:write"}),
            _ => json!({"agent_id": other, "scope": "payments:write"}),
        };
        own.post(path, &body).refused(403, "FORBIDDEN", "agent_id");
    }
    let path = format!("/v1/approvals/{}/approve", text(&waits["approval_id"]));
    own.post(&path, &json!({})).refused(403, "FORBIDDEN", "authorization");
    assert_eq!(live.post(&path, &json!({})).ok(200)["status"], "approved");
}
