//! Tenants, API keys, who may call what, idempotency.

use serde_json::json;

use crate::client::Api;

#[test]
fn credentials_are_told_apart() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let key = acme.live.key.clone();

    api.nobody().get("/v1/agents").refused(401, "UNAUTHORIZED", "authorization");
    api.caller("maip_live_nonsense").get("/v1/agents").refused(401, "UNAUTHORIZED", "authorization");
    let bearer = api.nobody().with("authorization", &format!("Bearer {key}"));
    assert_eq!(bearer.get("/v1/tenants/me").ok(200)["tenant_id"], acme.id.as_str());
    let scheme = api.nobody().with("authorization", &format!("ApiKey {key}"));
    assert_eq!(scheme.get("/v1/tenants/me").ok(200)["tenant_id"], acme.id.as_str());
    let older = api.caller(&key.replace("maip_live_", "tl_live_"));
    assert_eq!(older.get("/v1/tenants/me").ok(200)["tenant_id"], acme.id.as_str());

    // The header grants nothing, and may not contradict the credential.
    acme.live.with("x-tenant-id", &acme.id).get("/v1/agents").ok(200);
    acme.live.with("x-tenant-id", &other.id).get("/v1/agents").refused(403, "FORBIDDEN", "X-Tenant-ID");
    acme.live.with("x-tenant-id", "nobody").get("/v1/agents").refused(400, "MALFORMED", "X-Tenant-ID");
    // The admin key alone is no tenant's; only it registers tenants.
    api.admin().get("/v1/agents").refused(403, "FORBIDDEN", "X-Tenant-ID");
    api.admin().with("x-tenant-id", &acme.id).get("/v1/agents").ok(200);
    acme.live.post("/v1/tenants", &json!({"name": "x"})).refused(403, "FORBIDDEN", "");
}

#[test]
fn api_keys_are_shown_once_scoped_rotated_and_revoked() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let made = acme.live.post("/v1/api-keys", &json!({"name": "CI", "scopes": ["agents:read"]})).ok(201);
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let reader = api.caller(secret);
    reader.get("/v1/agents").ok(200);
    reader.post("/v1/agents", &json!({"display_name": "x"})).refused(403, "FORBIDDEN", "authorization");
    let more = reader.post("/v1/api-keys", &json!({"name": "y"}));
    more.refused(403, "FORBIDDEN", "authorization");

    let listed = acme.live.get("/v1/api-keys").ok(200);
    assert_eq!(listed["total"], 3);
    assert!(!listed.to_string().contains(&secret[20..]), "a secret is listed");
    // Nothing of it is on the disk either.
    let rotated = acme.live.post(&format!("/v1/api-keys/{id}/rotate"), &json!({})).ok(201);
    reader.get("/v1/agents").refused(401, "UNAUTHORIZED", "authorization");
    let second = api.caller(rotated["secret"].as_str().unwrap());
    second.get("/v1/agents").ok(200);
    let id = rotated["id"].as_str().unwrap();
    acme.live.call("DELETE", &format!("/v1/api-keys/{id}"), None).ok(200);
    second.get("/v1/agents").refused(401, "UNAUTHORIZED", "authorization");

    let other = api.tenant("Other", "business");
    other.live.post(&format!("/v1/api-keys/{id}/revoke"), &json!({})).refused(404, "NOT_FOUND", "key_id");
    let past = json!({"name": "z", "expires_at": "2020-01-01T00:00:00Z"});
    acme.live.post("/v1/api-keys", &past).refused(422, "INVALID_INPUT", "expires_at");
}

#[test]
fn an_idempotency_key_gives_the_same_answer() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let once = acme.live.with("idempotency-key", "0b0e7c3a-1");
    let body = json!({"display_name": "Bot", "scopes": ["a:b"]});
    let first = once.post("/v1/agents", &body);
    let again = once.post("/v1/agents", &body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.header("x-log-index"), again.header("x-log-index"));
    assert_eq!(first.ok(201), again.ok(201));
    once.post("/v1/agents", &json!({"display_name": "Other"})).refused(
        409,
        "IDEMPOTENCY_KEY_REUSED",
        "Idempotency-Key",
    );
    assert_eq!(acme.live.get("/v1/agents").ok(200)["total"], 1);
    // A key is its caller's own.
    let other = api.tenant("Other", "business");
    other
        .live
        .with("idempotency-key", "0b0e7c3a-1")
        .post("/v1/agents", &json!({"display_name": "Theirs"}))
        .ok(201);
}

#[test]
fn an_idempotency_key_of_the_operator_is_one_of_each_tenant_and_log() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let once = api.admin().with("idempotency-key", "setup-1");
    let body = json!({"display_name": "Bot"});
    let mut made = Vec::new();
    for (tenant, environment) in
        [(&acme, "production"), (&other, "production"), (&acme, "sandbox"), (&other, "sandbox")]
    {
        let caller = once.with("x-tenant-id", &tenant.id).with("x-environment", environment);
        let first = caller.post("/v1/agents", &body);
        assert_eq!(first.header("idempotency-replayed"), None, "the answer of another tenant or log");
        let first = first.ok(201);
        assert_eq!(caller.post("/v1/agents", &body).ok(201), first);
        assert_eq!(caller.get("/v1/agents").ok(200)["total"], 1);
        made.push(first["agent_id"].clone());
    }
    made.sort_unstable_by_key(ToString::to_string);
    made.dedup();
    assert_eq!(made.len(), 4);
}

#[test]
fn what_only_asks_is_answered_anew_under_an_idempotency_key() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let agent = acme.live.post("/v1/agents", &json!({"display_name": "Bot", "scopes": ["a:b"]})).ok(201);
    let session = acme.live.post("/v1/sessions", &json!({"agent_id": agent["agent_id"]})).ok(201);
    let nobody = api.nobody().with("idempotency-key", "is-it-good");
    let asked = json!({"token": session["token"]});
    assert_eq!(nobody.post("/v1/sessions/introspect", &asked).ok(200)["active"], true);
    for _ in 0..2 {
        let estimate = nobody.post("/v1/billing/estimate", &json!({"usage": {"maip.agents": 12}}));
        assert_eq!(estimate.header("idempotency-replayed"), None, "a question was remembered");
        estimate.ok(200);
    }
    acme.live
        .post(&format!("/v1/agents/{}/kill", agent["agent_id"].as_str().unwrap()), &json!({"reason": "x"}))
        .ok(200);
    assert_eq!(nobody.post("/v1/sessions/introspect", &asked).ok(200)["active"], false);
}

#[test]
fn anybody_may_try_the_sandbox_where_the_operator_allows_it() {
    let api = Api::start();
    let refused = api.nobody().post("/v1/developers/register", &json!({"email": "nobody"}));
    refused.refused(422, "INVALID_INPUT", "email");
    let made = api.nobody().post("/v1/developers/register", &json!({"email": "dev@example.com"})).ok(201);
    let key = made["api_key"].as_str().unwrap();
    assert!(key.starts_with("maip_test_"), "{made}");
    let sandbox = api.caller(key);
    sandbox.post("/v1/agents", &json!({"display_name": "Try"})).ok(201);
    assert_eq!(sandbox.get("/v1/tenants/me").ok(200)["environment"], "sandbox");
    assert_eq!(sandbox.get("/v1/agents").ok(200)["total"], 1);
    // What is in the sandbox is not in production, and its keys make none of production.
    let acme = api.tenant("Acme", "business");
    assert_eq!(acme.live.get("/v1/agents").ok(200)["total"], 0);
    let body = json!({"name": "x", "environment": "production"});
    sandbox.post("/v1/api-keys", &body).refused(403, "FORBIDDEN", "environment");
}
