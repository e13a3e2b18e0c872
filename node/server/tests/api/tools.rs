//! Tools and guardrails.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::client::{Api, Caller};

fn agent(caller: &Caller<'_>, kind: &str, scopes: &[&str]) -> String {
    let body = json!({"display_name": "Bot", "agent_type": kind, "scopes": scopes});
    caller.post("/v1/agents", &body).ok(201)["agent_id"].as_str().unwrap().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn tool(caller: &Caller<'_>, name: &str, scope: &str) -> Value {
    caller.post("/v1/tools", &json!({"name": name, "scope_required": scope})).ok(201)
}

fn invoke(caller: &Caller<'_>, tool: &str, agent: &str) -> Value {
    caller.post(&format!("/v1/tools/{tool}/invoke"), &json!({"agent_id": agent})).ok(200)
}

#[test]
fn a_tool_lives_through_its_versions() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let schema = json!({"type": "object", "properties": {"to": {"type": "string"}}});
    let body = json!({
        "name": "Send_Email", "display_name": "Send e-mail", "description": "Through the relay.", "scope_required": "mail:post",
        "risk_level": "low", "rate_limit_per_minute": 30, "category": "messaging", "metadata": {"team": "ops"}, "schema": schema,
    });
    let made = live.post("/v1/tools", &body).ok(201);
    assert_eq!(
        (&made["name"], &made["risk_level"], &made["requires_approval"], &made["rate_limit_per_minute"]),
        (&json!("Send_Email"), &json!("high"), &json!(false), &json!(30)),
        "its name tells of risk: {made}"
    );
    assert_eq!(
        (&made["scope_required"], &made["schema"], &made["metadata"]),
        (&json!("mail:post"), &schema, &json!({"team": "ops"}))
    );
    live.post("/v1/tools", &body).refused(409, "TOOL_EXISTS", "name");
    let id = text(&made["tool_id"]).to_owned();
    for spelling in ["Send_Email", &id, text(&made["id"])] {
        assert_eq!(live.get(&format!("/v1/tools/{spelling}")).ok(200)["tool_id"], json!(id));
    }
    let version = made["version"].as_u64().unwrap();
    let path = format!("/v1/tools/{id}");
    let patch = json!({"risk_level": "critical", "description": "Carefully."}).to_string();
    let fresh = live.with("if-match", &format!("\"{version}\""));
    let changed = fresh.call("PATCH", &path, Some(patch.clone())).ok(200);
    assert_eq!(
        (
            &changed["risk_level"],
            &changed["requires_approval"],
            &changed["description"],
            &changed["created_at"]
        ),
        (&json!("critical"), &json!(true), &json!("Carefully."), &made["created_at"])
    );
    assert_eq!(
        (&changed["schema_digest"], &changed["category"]),
        (&made["schema_digest"], &json!("messaging"))
    );
    fresh.call("PATCH", &path, Some(patch)).refused(412, "PRECONDITION_FAILED", "If-Match");
    assert_eq!(live.get("/v1/tools?risk_level=critical").ok(200)["tools"][0]["tool_id"], json!(id));
    assert_eq!(live.get("/v1/tools?category=other").ok(200)["total"], 0);

    // A deleted one is not there, allows nothing, and its name is free.
    let bot = agent(live, "autonomous", &["mail:*"]);
    assert_eq!(live.call("DELETE", &path, None).ok(200)["status"], "deleted");
    live.get("/v1/tools/Send_Email").refused(404, "NOT_FOUND", "tool_name");
    live.post("/v1/tools/Send_Email/invoke", &json!({"agent_id": bot})).refused(
        404,
        "NOT_FOUND",
        "tool_name",
    );
    live.call("DELETE", &path, None).refused(404, "NOT_FOUND", "tool_name");
    assert_eq!(live.get("/v1/tools").ok(200)["total"], 0);
    let again = live.post("/v1/tools", &json!({"name": "Send_Email"})).ok(201);
    assert_eq!(
        (&again["scope_required"], &again["rate_limit_per_minute"]),
        (&json!("tools:send_email"), &json!(60))
    );
    assert_ne!(again["tool_id"], json!(id));
    assert_eq!(invoke(live, "Send_Email", &bot)["reason_code"], "no_scope");
}

/// What whoever holds the JWK set, and no node, finds in a token; the signature is checked by the tests of the format.
fn claims(token: &str) -> (Value, Value) {
    let part = |at: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    (part(0), part(1))
}

#[test]
fn an_allowed_call_has_a_token_that_is_good_once() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "autonomous", &["mail:read"]);
    let made = tool(live, "inbox", "mail:read");
    let call = |arguments: &Value| {
        live.post("/v1/tools/inbox/invoke", &json!({"agent_id": bot, "arguments": arguments})).ok(200)
    };
    let answer = call(&json!({"z": 1, "a": {"y": [1.5, null], "x": "é"}}));
    assert_eq!(
        (&answer["allowed"], &answer["status"], &answer["reason_code"], &answer["result"]),
        (&json!(true), &json!("allowed"), &json!("within_scope"), &Value::Null)
    );
    assert_eq!(answer["arguments_json"], "{\"a\":{\"x\":\"é\",\"y\":[1.5,null]},\"z\":1}");
    let token = text(&answer["token"]);
    let (header, said) = claims(token);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("maip-call+jwt")));
    let set = api.nobody().get("/.well-known/jwks.json").ok(200);
    assert_eq!(set["keys"][0]["kid"], header["kid"], "the published key signs it");
    assert_eq!(
        (&said["sub"], &said["aud"], &said["args"], &said["scope"]),
        (&json!(bot), &made["tool_id"], &answer["arguments_hash"], &json!("mail:read"))
    );
    assert_eq!((&said["dec"], &said["idx"]), (&answer["decision_id"], &answer["log_index"]));
    // The decision is in the log.
    let record = live.get(&format!("/v1/records/{}", answer["log_index"])).ok(200);
    assert_eq!(record["record"]["body"]["tool"], made["tool_id"], "{record}");
    assert_eq!(record["record"]["body"]["inputs"], answer["inputs_digest"]);

    let redeem = |body: &Value| live.post("/v1/tools/inbox/redeem", body);
    let other = json!({"token": token, "arguments": {"z": 2}});
    redeem(&other).refused(409, "ARGUMENTS_DIFFER", "arguments");
    let body = json!({"token": token, "arguments": {"a": {"x": "é", "y": [1.5, null]}, "z": 1}});
    let redeemed = redeem(&body).ok(200);
    assert_eq!(
        (&redeemed["redeemed"], &redeemed["agent_id"], &redeemed["decision_id"], &redeemed["tool_name"]),
        (&json!(true), &json!(bot), &answer["decision_id"], &json!("inbox"))
    );
    redeem(&body).refused(409, "TOKEN_SPENT", "token");

    // Another tool's, a changed one, none at all.
    tool(live, "outbox", "mail:read");
    let fresh = text(&call(&json!({}))["token"]).to_owned();
    live.post("/v1/tools/outbox/redeem", &json!({"token": fresh})).refused(
        409,
        "TOKEN_OF_OTHER_TOOL",
        "token",
    );
    let cut = &fresh[..fresh.len() - 4];
    for bad in [cut, "x", &format!("{cut}AAAA")] {
        redeem(&json!({"token": bad})).refused(422, "INVALID_INPUT", "token");
    }
    // What the agent may no longer do is not redeemed.
    live.post(&format!("/v1/agents/{bot}/suspend"), &json!({})).ok(200);
    redeem(&json!({"token": fresh})).refused(409, "AGENT_ENDED", "token");
    let no = invoke(live, "inbox", &bot);
    assert_eq!(
        (&no["status"], &no["reason_code"], &no["token"]),
        (&json!("denied"), &json!("agent_not_active"), &Value::Null)
    );
}

#[test]
fn checks_come_in_order() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let body = json!({"name": "pay", "scope_required": "payments:*", "rate_limit_per_minute": 2, "requires_approval": true});
    live.post("/v1/tools", &body).ok(201);
    let bot = agent(live, "autonomous", &["payments:create"]);
    let call = |body: Value| live.post("/v1/tools/pay/invoke", &body);
    call(json!({"agent_id": bot})).refused(422, "INVALID_INPUT", "action");
    call(json!({"action": "payments:create"})).refused(422, "INVALID_INPUT", "agent_id");
    // Scope before rate: what no scope covers takes none of the calls.
    for _ in 0..3 {
        let no = call(json!({"agent_id": bot, "action": "payments:refund"})).ok(200);
        assert_eq!((&no["status"], &no["reason_code"]), (&json!("denied"), &json!("no_scope")));
    }
    let outside = call(json!({"agent_id": bot, "action": "mail:send"})).ok(200);
    assert_eq!(outside["reason_code"], "no_scope", "the tool has not that scope");
    // The approval gate comes last; the tool asks although no policy does.
    let waits = call(json!({"agent_id": bot, "action": "payments:create"})).ok(200);
    assert_eq!(
        (&waits["status"], &waits["requires_approval"], &waits["allowed"], &waits["token"]),
        (&json!("pending_approval"), &json!(true), &json!(false), &Value::Null)
    );
    let id = text(&waits["approval_id"]);
    let asked = live.get(&format!("/v1/approvals/{id}")).ok(200);
    assert_eq!((&asked["status"], &asked["tool_name"]), (&json!("pending"), &json!("pay")));
    live.post(&format!("/v1/approvals/{id}/approve"), &json!({})).ok(200);
    let with = json!({"agent_id": bot, "action": "payments:create", "approval_id": id});
    let yes = call(with.clone()).ok(200);
    assert_eq!((&yes["status"], yes["token"].is_string()), (&json!("allowed"), true), "{yes}");
    assert_eq!(live.get(&format!("/v1/approvals/{id}")).ok(200)["status"], "used");
    // Two calls in this minute are used up; unless the minute has turned, the third is one too many.
    let third = (0..3).map(|_| call(with.clone()).ok(200)).find(|answer| answer["reason_code"] == "rate");
    let third = third.expect("three calls in two minutes at most");
    assert_eq!((&third["status"], &third["allowed"]), (&json!("denied"), &json!(false)));
    // A policy's denial overrides what could be approved.
    let policy = json!({"name": "No payments", "rules": [{"actions": ["payments:*"], "effect": "deny"}]});
    live.post("/v1/maip/policies", &policy).ok(201);
    let other = agent(live, "autonomous", &["payments:create"]);
    let no = call(json!({"agent_id": other, "action": "payments:create"})).ok(200);
    assert_eq!((&no["status"], &no["denied_by"]), (&json!("denied"), &json!(["No payments"])));
}

#[test]
fn one_approval_lets_one_of_many_calls_pass() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    live.post(
        "/v1/tools",
        &json!({"name": "wipe", "scope_required": "disks:wipe", "risk_level": "critical"}),
    )
    .ok(201);
    let bot = agent(live, "autonomous", &["disks:wipe"]);
    let waits = invoke(live, "wipe", &bot);
    assert_eq!(waits["status"], "pending_approval");
    let id = text(&waits["approval_id"]);
    live.post(&format!("/v1/approvals/{id}/approve"), &json!({"uses": 1})).ok(200);
    let body = json!({"agent_id": bot, "approval_id": id});
    let allowed = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..4).map(|_| scope.spawn(|| live.post("/v1/tools/wipe/invoke", &body).ok(200))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).filter(|answer| answer["allowed"] == true).count()
    });
    assert_eq!(allowed, 1);
}

#[test]
fn of_all_who_redeem_a_token_one_succeeds() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    tool(live, "inbox", "mail:read");
    let bot = agent(live, "autonomous", &["mail:read"]);
    let body = json!({"token": invoke(live, "inbox", &bot)["token"]});
    let good = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..6).map(|_| scope.spawn(|| live.post("/v1/tools/inbox/redeem", &body).status)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).filter(|status| *status == 200).count()
    });
    assert_eq!(good, 1);
}

fn check(caller: &Caller<'_>, body: &Value) -> Value {
    caller.post("/v1/guardrails/check", body).ok(200)
}

#[test]
fn a_breaker_opens_closes_and_is_set_by_hand() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "autonomous", &["mail:*"]);
    let body = json!({
        "name": "outgoing", "description": "Mail.", "action": "mail:send", "threshold": 2, "window_seconds": 31_536_000,
        "cooldown_seconds": 31_536_000, "content": {"blocked_terms": ["secret plan"]},
    });
    let made = live.post("/v1/guardrails/rules", &body).ok(201);
    assert_eq!(
        (&made["rule_id"], &made["severity"], &made["circuit_breaker_status"], &made["enabled"]),
        (&json!("outgoing"), &json!("error"), &json!("closed"), &json!(true))
    );
    live.post("/v1/guardrails/rules", &body).refused(409, "RULE_EXISTS", "name");
    let fine = json!({"agent_id": bot, "action": "mail:send", "content": "hello"});
    let bad = json!({"agent_id": bot, "action": "mail:send", "content": "the Secret Plan"});
    let first = check(live, &fine);
    assert_eq!(
        (&first["allowed"], &first["violations"], &first["circuit_breaker_status"]),
        (&json!(true), &json!([]), &json!("closed"))
    );
    let dry =
        check(live, &json!({"agent_id": bot, "action": "mail:send", "content": "secret plan", "log": false}));
    assert_eq!(
        (&dry["allowed"], &dry["logged"], &dry["receipt_id"]),
        (&json!(false), &json!(false), &Value::Null)
    );
    let one = check(live, &bad);
    assert_eq!((&one["allowed"], &one["circuit_breaker_status"]), (&json!(false), &json!("closed")));
    assert_eq!(
        one["violations"],
        json!([{
            "rule_id": "outgoing", "rule": "outgoing", "severity": "error",
            "message": "the content holds the blocked term number 1",
            "description": "the content holds the blocked term number 1",
        }])
    );
    assert_eq!(live.get("/v1/guardrails/rules/outgoing").ok(200)["denials"], 1);
    assert_eq!(check(live, &bad)["circuit_breaker_status"], "open");
    let stopped = check(live, &fine);
    assert_eq!(
        (&stopped["allowed"], &stopped["violations"][0]["severity"]),
        (&json!(false), &json!("critical"))
    );
    // The breaker stops decisions, too.
    let asked = json!({"agent_id": bot, "scope": "mail:send"});
    assert_eq!(live.post("/v1/maip/policies/evaluate", &asked).ok(200)["reason_code"], "guardrail");
    assert_eq!(check(live, &json!({"agent_id": bot, "action": "mail:read"}))["allowed"], true);
    // Half open: what passes closes it.
    let path = "/v1/guardrails/rules/outgoing/breaker";
    assert_eq!(
        live.post(path, &json!({"state": "half_open"})).ok(200)["circuit_breaker_status"],
        "half_open"
    );
    assert_eq!(check(live, &fine)["circuit_breaker_status"], "closed");
    // And what does not opens it again.
    live.post(path, &json!({"state": "half_open"})).ok(200);
    assert_eq!(check(live, &bad)["circuit_breaker_status"], "open");
    let closed = live.post(path, &json!({"state": "closed", "reason": "fixed"})).ok(200);
    assert_eq!((&closed["circuit_breaker_status"], &closed["denials"]), (&json!("closed"), &json!(0)));
    live.post(path, &json!({"state": "disabled"})).refused(422, "INVALID_INPUT", "state");
}

#[test]
fn a_guardrail_rule_lives_through_its_versions() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "autonomous", &["mail:*"]);
    let body = json!({"name": "cards", "severity": "warning", "content": {"detect": ["card_number"]}});
    let made = live.post("/v1/guardrails/rules", &body).ok(201);
    assert_eq!(
        (&made["action"], &made["threshold"], &made["agent_id"]),
        (&json!("*:*"), &json!(5), &Value::Null)
    );
    let leak = json!({"agent_id": bot, "content": "4111 1111 1111 1111"});
    let warned = check(live, &leak);
    assert_eq!((&warned["allowed"], &warned["violations"][0]["severity"]), (&json!(true), &json!("warning")));
    assert!(!warned.to_string().contains("4111"), "the content was repeated");
    let path = "/v1/guardrails/rules/cards";
    let version = made["version"].as_u64().unwrap();
    let fresh = live.with("if-match", &format!("\"{version}\""));
    let patch = json!({"severity": "critical", "threshold": 9}).to_string();
    let changed = fresh.call("PATCH", path, Some(patch.clone())).ok(200);
    assert_eq!(
        (&changed["severity"], &changed["threshold"], &changed["content"]["detect"], &changed["created_at"]),
        (&json!("critical"), &json!(9), &json!(["card_number"]), &made["created_at"])
    );
    fresh.call("PATCH", path, Some(patch)).refused(412, "PRECONDITION_FAILED", "If-Match");
    assert_eq!(check(live, &leak)["allowed"], false);
    let only = json!({"agent_id": bot, "content": "4111 1111 1111 1111", "rules": ["others"]});
    assert_eq!(check(live, &only)["allowed"], true, "only the rules that are named");
    let off = live.call("PATCH", path, Some(json!({"enabled": false}).to_string())).ok(200);
    assert_eq!(off["enabled"], false);
    assert_eq!(check(live, &leak)["allowed"], true);
    live.post("/v1/guardrails/rules/cards/breaker", &json!({"state": "open"})).refused(
        409,
        "RULE_DISABLED",
        "rule_id",
    );
    assert_eq!(live.get("/v1/guardrails/rules").ok(200)["rules"][0]["enabled"], false);
    live.call("DELETE", path, None).ok(200);
    live.get(path).refused(404, "NOT_FOUND", "rule_id");
    assert_eq!(live.get("/v1/guardrails/rules").ok(200)["total"], 0);
    assert_eq!(live.post("/v1/guardrails/rules", &body).ok(201)["severity"], "warning");
}

#[test]
fn every_dialect_of_the_check_is_understood() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "autonomous", &["invoices:*"]);
    // The older SDKs.
    let sdk = api.nobody().with("authorization", &format!("Bearer {}", live.key));
    let body = json!({"agentId": bot, "action": "invoices:read", "resourceId": "invoice-1", "context": {"region": "eu"}});
    let answer = check(&sdk, &body);
    assert_eq!((&answer["allowed"], &answer["violations"]), (&json!(true), &json!([])));
    assert!(answer["checkedAt"].is_string() && answer["checkedAt"] == answer["checked_at"]);
    // The prose and the OpenAPI document of the published API.
    let prose =
        json!({"agent_id": bot, "content": "x", "action_type": "tool_call", "context": {"step_name": "a"}});
    let answer = check(live, &prose);
    assert_eq!(
        (&answer["action"], &answer["circuit_breaker_status"]),
        (&json!("legacy:tool_call"), &json!("closed"))
    );
    let open = json!({"agent_id": bot, "action": "invoices:read", "context": {}, "rules": []});
    let answer = check(live, &open);
    assert!(text(&answer["receipt_id"]).starts_with("maip-rcpt:"));
    let index = answer["log_index"].as_u64().unwrap();
    let record = live.get(&format!("/v1/records/{index}?min_index={index}")).ok(200);
    assert_eq!(
        (&record["record"]["body"]["kind"], &record["record"]["body"]["result"]),
        (&json!("guardrail"), &json!("allowed"))
    );
    // An agent that may not act does not pass.
    live.post(&format!("/v1/agents/{bot}/suspend"), &json!({})).ok(200);
    let answer = check(live, &open);
    assert_eq!(
        (&answer["allowed"], &answer["violations"][0]["rule"]),
        (&json!(false), &json!("agent-active"))
    );
}

#[test]
fn bad_input_names_the_field() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "autonomous", &["a:*"]);
    for (path, body, status, code, field) in [
        ("/v1/tools", json!({}), 422, "INVALID_INPUT", "name"),
        ("/v1/tools", json!({"name": "a b"}), 422, "INVALID_INPUT", "name"),
        ("/v1/tools", json!({"name": "a", "scope_required": "*:*"}), 422, "INVALID_INPUT", "scope_required"),
        ("/v1/tools", json!({"name": "a", "risk_level": "huge"}), 422, "INVALID_INPUT", "risk_level"),
        (
            "/v1/tools",
            json!({"name": "a", "rate_limit_per_minute": 0}),
            422,
            "INVALID_INPUT",
            "rate_limit_per_minute",
        ),
        ("/v1/tools", json!({"name": "a", "colour": 1}), 422, "INVALID_INPUT", "colour"),
        ("/v1/tools/nothing/invoke", json!({"agent_id": bot}), 404, "NOT_FOUND", "tool_name"),
        ("/v1/tools/nothing/redeem", json!({"token": "x"}), 404, "NOT_FOUND", "tool_name"),
        ("/v1/guardrails/check", json!({"agent_id": bot}), 422, "INVALID_INPUT", "action"),
        ("/v1/guardrails/check", json!({"action": "a:b"}), 422, "INVALID_INPUT", "agent_id"),
        ("/v1/guardrails/check", json!({"agent_id": bot, "action": ""}), 422, "INVALID_INPUT", "action"),
        ("/v1/guardrails/rules", json!({}), 422, "INVALID_INPUT", "name"),
        ("/v1/guardrails/rules", json!({"name": "A"}), 422, "INVALID_INPUT", "name"),
        ("/v1/guardrails/rules", json!({"name": "a", "action": "*:read"}), 422, "INVALID_INPUT", "action"),
        ("/v1/guardrails/rules", json!({"name": "a", "threshold": 0}), 422, "INVALID_INPUT", "threshold"),
        (
            "/v1/guardrails/rules",
            json!({"name": "a", "content": {"detect": ["x"]}}),
            422,
            "INVALID_INPUT",
            "content.detect[0]",
        ),
        ("/v1/guardrails/rules/nothing/breaker", json!({"state": "open"}), 404, "NOT_FOUND", "rule_id"),
    ] {
        live.post(path, &body).refused(status, code, field);
    }
    tool(live, "ok", "a:b");
    let call = |body: Value| live.post("/v1/tools/ok/invoke", &body);
    let both = json!({"agent_id": bot, "arguments": {}, "arguments_hash": "0".repeat(64)});
    call(both).refused(422, "INVALID_INPUT", "arguments_hash");
    let session = json!({"session_id": "maip-sess:01KC2G2V3T3XJ6W1B0D9QH8Y7P"});
    call(session).refused(404, "NOT_FOUND", "session_id");
    call(json!({"agent_id": bot, "token_ttl_seconds": 1})).refused(422, "INVALID_INPUT", "token_ttl_seconds");
}

#[test]
fn nothing_of_another_tenant_is_there() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let (live, theirs) = (&acme.live, agent(&other.live, "autonomous", &["a:b"]));
    let made = tool(&other.live, "theirs", "a:b");
    let token = invoke(&other.live, "theirs", &theirs)["token"].clone();
    other.live.post("/v1/guardrails/rules", &json!({"name": "theirs"})).ok(201);
    for name in ["theirs", text(&made["tool_id"])] {
        let path = format!("/v1/tools/{name}");
        live.get(&path).refused(404, "NOT_FOUND", "tool_name");
        live.call("PATCH", &path, Some("{}".into())).refused(404, "NOT_FOUND", "tool_name");
        live.call("DELETE", &path, None).refused(404, "NOT_FOUND", "tool_name");
        live.post(&format!("{path}/invoke"), &json!({"agent_id": theirs})).refused(
            404,
            "NOT_FOUND",
            "tool_name",
        );
        live.post(&format!("{path}/redeem"), &json!({"token": token})).refused(404, "NOT_FOUND", "tool_name");
    }
    // A name is one tenant's.
    tool(live, "theirs", "a:b");
    live.post("/v1/tools/theirs/invoke", &json!({"agent_id": theirs})).refused(404, "NOT_FOUND", "agent_id");
    live.post("/v1/tools/theirs/redeem", &json!({"token": token})).refused(
        409,
        "TOKEN_OF_OTHER_TOOL",
        "token",
    );
    live.post("/v1/tools", &json!({"name": "x", "agent_id": theirs})).refused(404, "NOT_FOUND", "agent_id");
    let path = "/v1/guardrails/rules/theirs";
    live.get(path).refused(404, "NOT_FOUND", "rule_id");
    live.call("PATCH", path, Some("{}".into())).refused(404, "NOT_FOUND", "rule_id");
    live.call("DELETE", path, None).refused(404, "NOT_FOUND", "rule_id");
    live.post(&format!("{path}/breaker"), &json!({"state": "open"})).refused(404, "NOT_FOUND", "rule_id");
    live.post("/v1/guardrails/check", &json!({"agent_id": theirs, "action": "a:b"})).refused(
        404,
        "NOT_FOUND",
        "agent_id",
    );
    live.post("/v1/guardrails/rules", &json!({"name": "x", "agent_id": theirs})).refused(
        404,
        "NOT_FOUND",
        "agent_id",
    );
    assert_eq!(live.get("/v1/guardrails/rules").ok(200)["total"], 0);
    assert_eq!(live.get("/v1/tools").ok(200)["total"], 1);
    for path in ["/v1/tools", "/v1/guardrails/rules"] {
        live.with("x-tenant-id", &other.id).get(path).refused(403, "FORBIDDEN", "X-Tenant-ID");
        api.nobody().get(path).refused(401, "UNAUTHORIZED", "authorization");
    }
}
