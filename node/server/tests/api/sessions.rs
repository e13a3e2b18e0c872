//! Sessions, and their tokens as credentials.

use ledger_format::{
    http_signature::{Call, CallProof, content_digest},
    record::SigningKey,
    token::{Token, jwks},
};
use serde_json::{Value, json};

use crate::client::{Api, Caller, Reply, Tenant, ms_of};

/// An agent of a tenant: its id.
fn agent(tenant: &Tenant<'_>, scopes: &[&str]) -> String {
    let made = tenant.live.post("/v1/agents", &json!({"display_name": "Bot", "scopes": scopes})).ok(201);
    made["agent_id"].as_str().unwrap().to_owned()
}

fn open(tenant: &Tenant<'_>, body: &Value) -> Value {
    tenant.live.post("/v1/sessions", body).ok(201)
}

/// Whoever shows the access token of an answer.
fn bearer<'a>(api: &'a Api, answer: &Value) -> Caller<'a> {
    api.nobody().with("authorization", &format!("Bearer {}", answer["token"].as_str().unwrap()))
}

/// A path of a session.
fn at(answer: &Value, rest: &str) -> String {
    format!("/v1/sessions/{}{rest}", answer["session_id"].as_str().unwrap())
}

fn refreshed(api: &Api, answer: &Value) -> Reply {
    api.nobody().post(&at(answer, "/refresh"), &json!({"refresh_token": answer["refresh_token"]}))
}

/// How long a session lives from its opening, ms. Both are the log's times. A token's `iat` is the node's time, before the log's: between
/// the two a second may turn.
fn life_ms(made: &Value) -> u64 {
    let time = |name: &str| ms_of(made[name].as_str().unwrap());
    time("expires_at") - time("created_at")
}

/// When the token of an answer ends: with its session.
fn ends_with_its_session(token: &Token, answer: &Value) {
    assert_eq!(token.claims.expires_at_s, ms_of(answer["expires_at"].as_str().unwrap()) / 1_000, "{answer}");
}

#[test]
fn a_session_opens_is_read_refreshed_handed_on_and_ends() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let (bot, second) = (agent(&acme, &["invoices:read", "sessions:read"]), agent(&acme, &["*:*"]));
    let body = json!({"agent_id": bot, "ttl_minutes": 5, "metadata": {"run": 7}});
    let made = acme.live.post("/v1/agent-sessions", &body).ok(201);
    assert_eq!(
        (&made["agent_id"], &made["status"], &made["scopes"], &made["metadata"]),
        (&json!(bot), &json!("active"), &json!(["invoices:read", "sessions:read"]), &json!({"run": 7}))
    );
    for name in ["id", "session_id", "agent_id", "status", "scopes", "metadata", "expires_at", "created_at"] {
        assert_eq!(made["session"][name], made[name], "{name}");
    }
    assert!(made["receipt_id"].is_string() && made["leaf_hash"].is_string() && made["ack"] == "sequenced");
    let first = bearer(&api, &made);
    let read = first.get(&at(&made, "")).ok(200);
    assert_eq!((&read["session_id"], &read["created_at"]), (&made["session_id"], &made["created_at"]));
    for secret in ["token", "access_token", "refresh_token"] {
        assert!(made[secret].is_string() && read.get(secret).is_none(), "{secret} was kept");
    }
    // The token is the log's own: a verifier elsewhere needs the key set alone.
    let token = Token::parse(made["token"].as_str().unwrap()).unwrap();
    let keys = api.nobody().get("/.well-known/jwks.json").ok(200);
    let key = ledger_format::record::PublicKey::parse(keys["keys"][0]["x"].as_str().unwrap()).unwrap();
    token.verify(&key).unwrap();
    assert_eq!(jwks(&[key]), api.nobody().get("/.well-known/jwks.json").text.into_bytes());
    assert_eq!(life_ms(&made), 300_000);
    ends_with_its_session(&token, &made);

    let second_tokens = refreshed(&api, &made).ok(200);
    assert!(second_tokens["refreshed_at"].is_string(), "{second_tokens}");
    assert_ne!(second_tokens["refresh_token"], made["refresh_token"]);
    assert!(second_tokens["expires_at"].as_str() > made["expires_at"].as_str(), "{second_tokens}");
    bearer(&api, &second_tokens).get("/v1/sessions").ok(200);

    let handed = acme.live.post(&at(&made, "/handoff"), &json!({"to_agent_id": second})).ok(200);
    assert_eq!(
        (&handed["agent_id"], &handed["handed_off_from"], &handed["handed_off_to"], &handed["status"]),
        (&json!(second), &json!(bot), &json!(second), &json!("active"))
    );
    first.get("/v1/sessions").refused(401, "UNAUTHORIZED", "authorization");
    bearer(&api, &handed).get("/v1/sessions").ok(200);
    // The first agent's refresh token is worth nothing, and ends nothing.
    refreshed(&api, &second_tokens).refused(401, "UNAUTHORIZED", "refresh_token");
    let third = refreshed(&api, &handed).ok(200);

    let ended = acme.live.post(&at(&made, "/terminate"), &json!({"reason": "work done"})).ok(200);
    assert_eq!((&ended["status"], &ended["status_reason"]), (&json!("terminated"), &json!("work done")));
    assert_eq!(ended["updated_at"], ended["terminated_at"]);
    bearer(&api, &third).get("/v1/sessions").refused(401, "UNAUTHORIZED", "authorization");
    refreshed(&api, &third).refused(401, "UNAUTHORIZED", "refresh_token");
    acme.live.post(&at(&made, "/terminate"), &json!({})).refused(409, "SESSION_ENDED", "session");
    let handoff = acme.live.post(&at(&made, "/handoff"), &json!({"to_agent_id": bot}));
    handoff.refused(409, "SESSION_ENDED", "session");
    let listed = acme.live.get("/v1/agent-sessions?status=terminated").ok(200);
    assert_eq!((&listed["total"], &listed["sessions"][0]["id"]), (&json!(1), &made["id"]));
    assert_eq!(acme.live.get("/v1/sessions?status=active").ok(200)["total"], 0);
    assert_eq!(acme.live.get("/v1/sessions?status=handed_off").ok(200)["total"], 1);
    assert_eq!(acme.live.get(&format!("/v1/sessions?agent_id={second}")).ok(200)["total"], 0);
}

#[test]
fn every_published_client_opens_and_ends_one() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let bot = agent(&acme, &["invoices:read", "invoices:write"]);
    let sdk = api.nobody().with("authorization", &format!("Bearer {}", acme.live.key));
    let scope = json!({"actions": ["read"], "resources": ["invoices"], "constraints": {}});
    let body = json!({"agentId": bot, "scope": scope, "ttlSeconds": 61});
    let made = sdk.post("/v1/sessions", &body).ok(201);
    assert_eq!((&made["agentId"], &made["scope"], &made["status"]), (&json!(bot), &scope, &json!("active")));
    assert_eq!(made["scopes"], json!(["invoices:read"]));
    assert!(made["expiresAt"] == made["expires_at"] && made["createdAt"] == made["created_at"]);
    let token = Token::parse(made["token"].as_str().unwrap()).unwrap();
    assert_eq!(life_ms(&made), 120_000, "seconds are rounded up to minutes");
    ends_with_its_session(&token, &made);
    // The older SDKs take the UUID, and send an empty body.
    let path = format!("/v1/sessions/{}/terminate", made["id"].as_str().unwrap());
    assert_eq!(sdk.post(&path, &json!({})).ok(200)["status"], "terminated");

    let seconds = json!({"agent_id": bot, "ttl_seconds": 600});
    let made = acme.live.post("/v1/sessions", &seconds).ok(201);
    let path = format!("/v1/agent-sessions/{}", made["session_id"].as_str().unwrap().replace(':', "%3A"));
    acme.live.get(&path).ok(200);
    let ended = acme.live.call("DELETE", &path, Some(json!({"reason": "x"}).to_string())).ok(200);
    assert_eq!((&ended["status"], &ended["session_id"]), (&json!("terminated"), &made["session_id"]));
}

#[test]
fn bad_input_names_the_field_and_the_plan_bounds_the_sessions() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "developer"));
    let bot = agent(&acme, &["invoices:read"]);
    let theirs = agent(&other, &["a:b"]);
    for (body, status, code, field) in [
        (json!({}), 422, "INVALID_INPUT", "agent_id"),
        (json!({"agent_id": "nobody"}), 422, "INVALID_INPUT", "agent_id"),
        (json!({"agent_id": theirs}), 404, "NOT_FOUND", "agent_id"),
        (json!({"agentId": theirs}), 404, "NOT_FOUND", "agent_id"),
        (json!({"agent_id": bot, "ttl_minutes": 0}), 422, "INVALID_INPUT", "ttl_minutes"),
        (json!({"agent_id": bot, "ttl_minutes": 1441}), 422, "INVALID_INPUT", "ttl_minutes"),
        (json!({"agent_id": bot, "ttl_seconds": 86401}), 422, "INVALID_INPUT", "ttl_seconds"),
        (json!({"agent_id": bot, "ttl_minutes": 5, "ttl_seconds": 300}), 422, "INVALID_INPUT", "ttl_seconds"),
        (json!({"agent_id": bot, "scopes": ["a:b", "x"]}), 422, "SCOPE_EXCEEDS_AGENT", "scopes[0]"),
        (json!({"agent_id": bot, "scopes": ["!invoices:read"]}), 422, "INVALID_INPUT", "scopes[0]"),
        (json!({"agent_id": bot, "proof_key": "abc"}), 422, "INVALID_INPUT", "proof_key"),
        (json!({"agent_id": bot, "colour": 1}), 422, "INVALID_INPUT", "colour"),
    ] {
        acme.live.post("/v1/sessions", &body).refused(status, code, field);
    }
    acme.live.get("/v1/sessions?status=red").refused(400, "MALFORMED", "status");
    acme.live.get(&format!("/v1/sessions?agent_id={theirs}")).refused(404, "NOT_FOUND", "agent_id");
    acme.live.get("/v1/sessions/nobody").refused(400, "MALFORMED", "session_id");
    let made = open(&acme, &json!({"agent_id": bot}));
    let own = acme.live.post(&at(&made, "/handoff"), &json!({"to_agent_id": bot}));
    own.refused(422, "INVALID_INPUT", "to_agent_id");
    let narrow = agent(&acme, &["a:b"]);
    let less = acme.live.post(&at(&made, "/handoff"), &json!({"to_agent_id": narrow}));
    less.refused(422, "SCOPE_EXCEEDS_AGENT", "to_agent_id");
    acme.live.post(&format!("/v1/agents/{bot}/suspend"), &json!({})).ok(200);
    let suspended = acme.live.post("/v1/sessions", &json!({"agent_id": bot}));
    suspended.refused(403, "AGENT_SUSPENDED", "agent");

    // Another tenant's sessions do not exist.
    for (method, rest) in
        [("GET", ""), ("POST", "/terminate"), ("POST", "/refresh"), ("POST", "/handoff"), ("DELETE", "")]
    {
        let path = at(&made, rest)
            .replace("/sessions/", if method == "DELETE" { "/agent-sessions/" } else { "/sessions/" });
        let body = match rest {
            "/refresh" => Some(json!({"refresh_token": made["refresh_token"]}).to_string()),
            "/handoff" => Some(json!({"to_agent_id": theirs}).to_string()),
            _ => None,
        };
        other.live.call(method, &path, body).refused(404, "NOT_FOUND", "session_id");
    }

    for _ in 0..100 {
        other.live.post("/v1/sessions", &json!({"agent_id": theirs})).ok(201);
    }
    let over = other.live.post("/v1/sessions", &json!({"agent_id": theirs}));
    over.refused(402, "QUOTA_EXCEEDED", "");
    let details = &over.body["details"];
    assert_eq!((&details["metric"], &details["used"]), (&json!("maip.sessions"), &json!(100)));
    assert!(details["resets_at"].is_string(), "{details}");
}

#[test]
fn an_idempotency_key_gives_the_same_tokens() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let bot = agent(&acme, &["a:b"]);
    let once = acme.live.with("idempotency-key", "3c1d-1");
    let first = once.post("/v1/sessions", &json!({"agent_id": bot})).ok(201);
    assert_eq!(first, once.post("/v1/sessions", &json!({"agent_id": bot})).ok(201));
    // So does a refresh whose answer was lost: it is the same use of the refresh token.
    let again = api.nobody().with("idempotency-key", "3c1d-2");
    let body = json!({"refresh_token": first["refresh_token"]});
    let second = again.post(&at(&first, "/refresh"), &body).ok(200);
    assert_eq!(second, again.post(&at(&first, "/refresh"), &body).ok(200));
    refreshed(&api, &second).ok(200);
}

#[test]
fn a_refresh_token_that_is_shown_twice_ends_the_session() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let bot = agent(&acme, &["sessions:read"]);
    let made = open(&acme, &json!({"agent_id": bot}));
    let other = open(&acme, &json!({"agent_id": bot}));
    // What was never given, or belongs to another session, ends nothing.
    let mut forged = made["refresh_token"].as_str().unwrap().to_owned();
    let last = if forged.ends_with('A') { "Q" } else { "A" };
    forged.replace_range(forged.len() - 1.., last);
    for token in [forged.as_str(), other["refresh_token"].as_str().unwrap(), "maip_live_refresh_", "x"] {
        let refused = api.nobody().post(&at(&made, "/refresh"), &json!({"refresh_token": token}));
        refused.refused(401, "UNAUTHORIZED", "refresh_token");
    }
    let second = refreshed(&api, &made).ok(200);
    bearer(&api, &second).get("/v1/sessions").ok(200);
    refreshed(&api, &made).refused(401, "UNAUTHORIZED", "refresh_token");
    bearer(&api, &second).get("/v1/sessions").refused(401, "UNAUTHORIZED", "authorization");
    refreshed(&api, &second).refused(401, "UNAUTHORIZED", "refresh_token");
    let ended = acme.live.get(&at(&made, "")).ok(200);
    assert_eq!(
        (&ended["status"], &ended["status_reason"]),
        (&json!("terminated"), &json!("refresh_token_reused"))
    );
    refreshed(&api, &other).ok(200);
}

#[test]
fn a_token_speaks_for_its_agent_alone_and_no_further_than_it_goes() {
    let api = Api::start();
    let (acme, foreign) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let scopes =
        ["receipts:write", "receipts:read", "sessions:write", "agents:*", "!agents:kill", "api-keys:write"];
    let (bot, other) = (agent(&acme, &scopes), agent(&acme, &["*:*"]));
    let narrow = json!({"agent_id": bot, "scopes": ["receipts:write", "sessions:write"]});
    let made = open(&acme, &narrow);
    let caller = bearer(&api, &made);

    // What it writes names the session, and is its own agent's.
    let receipt = json!({"agent_id": bot, "action": "invoices:read"});
    let mine = caller.post("/v1/agent-receipts", &receipt).ok(201);
    let record = acme.live.get(&format!("/v1/records/{}", mine["log_index"])).ok(200);
    let session = made["session_id"].as_str().unwrap().replace("maip-sess:", "session:");
    assert!(record.to_string().contains(&session), "{record}");
    let theirs = json!({"agent_id": other, "action": "invoices:read"});
    caller.post("/v1/agent-receipts", &theirs).refused(403, "FORBIDDEN", "agent_id");
    caller.post("/v1/sessions", &json!({"agent_id": other})).refused(403, "FORBIDDEN", "agent_id");
    let of_other = open(&acme, &json!({"agent_id": other, "scopes": ["a:b"]}));
    caller.post(&at(&of_other, "/terminate"), &json!({})).refused(403, "FORBIDDEN", "agent_id");

    // Within the token.
    caller.get("/v1/agent-receipts").refused(403, "FORBIDDEN", "authorization");
    let more = caller.post("/v1/sessions", &json!({"agent_id": bot, "scopes": ["agents:read"]}));
    more.refused(403, "FORBIDDEN", "scopes[0]");
    let same = caller.post("/v1/sessions", &json!({"agent_id": bot})).ok(201);
    assert_eq!(same["scopes"], json!(["receipts:write", "sessions:write"]));
    // Not what its agent is denied, and nothing that outlives it.
    let wide = bearer(&api, &open(&acme, &json!({"agent_id": bot})));
    wide.get("/v1/agents").ok(200);
    let kill = wide.post(&format!("/v1/agents/{other}/kill"), &json!({}));
    kill.refused(403, "FORBIDDEN", "authorization");
    wide.post("/v1/api-keys", &json!({"name": "x"})).refused(403, "FORBIDDEN", "authorization");
    // What it registers is below it.
    let child =
        wide.post("/v1/agents", &json!({"display_name": "child", "scopes": ["!agents:kill"]})).ok(201);
    assert_eq!(child["parent_agent_id"], bot.as_str());
    let beside = json!({"display_name": "x", "parent_agent_id": other});
    wide.post("/v1/agents", &beside).refused(403, "FORBIDDEN", "parent_agent_id");
    // A header grants nothing, here neither.
    caller.with("x-tenant-id", &foreign.id).get("/v1/agents").refused(403, "FORBIDDEN", "X-Tenant-ID");
    // What the agent loses, its tokens lose at once.
    let less = json!({"scopes": ["sessions:write"]}).to_string();
    acme.live.call("PATCH", &format!("/v1/agents/{bot}"), Some(less)).ok(200);
    caller.post("/v1/agent-receipts", &receipt).refused(403, "FORBIDDEN", "authorization");
    // An agent hands its session on, and gets no tokens of the other.
    let handed = caller.post(&at(&made, "/handoff"), &json!({"to_agent_id": other})).ok(200);
    assert!(handed.get("token").is_none() && handed.get("refresh_token").is_none(), "{handed}");
    // A kill ends them all, suspended or not.
    acme.live.post(&format!("/v1/agents/{bot}/kill"), &json!({})).ok(200);
    let killed = wide.get("/v1/agents");
    killed.refused(401, "UNAUTHORIZED", "authorization");
    assert!(killed.body["message"].as_str().unwrap().starts_with("agent_ended"), "{}", killed.text);
}

#[test]
fn a_token_is_of_one_log_and_for_whom_it_is_meant() {
    let api = Api::start_in_both_environments();
    let made = api.nobody().post("/v1/developers/register", &json!({"email": "dev@example.com"})).ok(201);
    let sandbox = api.caller(made["api_key"].as_str().unwrap());
    let bot = sandbox.post("/v1/agents", &json!({"display_name": "Try", "scopes": ["agents:read"]})).ok(201);
    let session = sandbox.post("/v1/sessions", &json!({"agent_id": bot["agent_id"]})).ok(201);
    let caller = bearer(&api, &session);
    assert_eq!(caller.get("/v1/agents").ok(200)["items"][0]["environment"], Value::Null);
    assert_eq!(caller.get("/v1/agents").ok(200)["total"], 1);
    refreshed(&api, &session).ok(200);
    let verdict = api.nobody().post("/v1/sessions/introspect", &json!({"token": session["token"]})).ok(200);
    assert_eq!((&verdict["active"], &verdict["session_id"]), (&json!(true), &session["session_id"]));

    let meant = json!({"agent_id": bot["agent_id"], "audience": "billing"});
    let meant = sandbox.post("/v1/sessions", &meant).ok(201);
    bearer(&api, &meant).get("/v1/agents").refused(401, "UNAUTHORIZED", "authorization");
    let itself = json!({"agent_id": bot["agent_id"], "audience": "maip.localhost/sandbox"});
    bearer(&api, &sandbox.post("/v1/sessions", &itself).ok(201)).get("/v1/agents").ok(200);
    // Another log's token, and what only looks like one.
    let text = session["token"].as_str().unwrap();
    let mut claims = Token::parse(text).unwrap().claims;
    claims.issuer = "elsewhere.example/log".into();
    let elsewhere = Token::sign(claims.clone(), &SigningKey::from_seed([1; 32])).unwrap().to_string();
    claims.issuer = "maip.localhost/sandbox".into();
    let forged = Token::sign(claims, &SigningKey::from_seed([1; 32])).unwrap().to_string();
    for (bad, reason) in
        [(elsewhere.as_str(), "log"), (&forged, "signature"), (&text[..text.len() - 4], "malformed")]
    {
        let refused = api.nobody().with("authorization", &format!("Bearer {bad}")).get("/v1/agents");
        refused.refused(401, "UNAUTHORIZED", "authorization");
        assert!(refused.body["message"].as_str().unwrap().starts_with(reason), "{}", refused.text);
        let verdict = api.nobody().post("/v1/sessions/introspect", &json!({"token": bad})).ok(200);
        assert_eq!((&verdict["active"], &verdict["reason"]), (&json!(false), &json!(reason)), "{verdict}");
    }
}

#[test]
fn a_token_is_judged_for_whoever_is_shown_it() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let bot = agent(&acme, &["invoices:*", "!invoices:delete"]);
    let made = open(&acme, &json!({"agent_id": bot, "audience": "billing"}));
    let ask = |mut more: Value| {
        more["token"] = made["token"].clone();
        api.nobody().post("/v1/sessions/introspect", &more).ok(200)
    };
    let good = ask(json!({"audience": "billing", "scope": "invoices:read", "fresh": true}));
    assert_eq!(
        (&good["active"], &good["agent_id"], &good["tenant_id"], &good["scopes"], &good["bound"]),
        (&json!(true), &json!(bot), &json!(acme.id), &json!(["invoices:*"]), &json!(false))
    );
    assert!(good["log_size"].as_u64() > made["log_index"].as_u64(), "{good}");
    for (question, reason) in [
        (json!({}), "audience"),
        (json!({"audience": "payroll"}), "audience"),
        (json!({"audience": "billing", "scope": "payroll:read"}), "scope"),
        (json!({"audience": "billing", "scope": "invoices:delete"}), "scope"),
    ] {
        let bad = ask(question.clone());
        assert_eq!((&bad["active"], &bad["reason"]), (&json!(false), &json!(reason)), "{question}");
        assert!(bad["agent_id"].is_null() && bad["message"].is_string(), "{bad}");
    }
    for (body, field) in [
        (json!({}), "token"),
        (json!({"token": "x", "scope": "!a:b"}), "scope"),
        (json!({"token": ""}), "token"),
    ] {
        api.nobody().post("/v1/sessions/introspect", &body).refused(422, "INVALID_INPUT", field);
    }
    acme.live.post(&format!("/v1/agents/{bot}/suspend"), &json!({})).ok(200);
    assert_eq!(ask(json!({"audience": "billing"}))["reason"], "agent_suspended");
    acme.live.post(&format!("/v1/agents/{bot}/reactivate"), &json!({})).ok(200);
    assert_eq!(ask(json!({"audience": "billing"}))["reason"], "session_ended");
}

/// A call that is signed with the key that a token is bound to, as it is sent.
struct Signed<'a> {
    api: &'a Api,
    token: String,
    key: SigningKey,
    nonce: u32,
}

impl Signed<'_> {
    /// Header fields for a call: what was signed, which need not be what is sent.
    fn fields(&mut self, method: &str, uri: &str, body: &str, audience: &str) -> Vec<(&'static str, String)> {
        self.nonce += 1;
        let digest = content_digest(body.as_bytes());
        let call = Call {
            method,
            target_uri: uri,
            token: &self.token,
            content_digest: &digest,
            audience,
            grant: None,
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let nonce = format!("nonce-of-a-call-{:04}", self.nonce);
        let proof = CallProof::sign(&call, now.as_secs(), &nonce, &self.key).unwrap();
        vec![
            ("authorization", format!("Bearer {}", self.token)),
            ("content-digest", digest),
            ("signature-input", proof.signature_input()),
            ("signature", proof.signature_field()),
        ]
    }

    fn send(&self, fields: &[(&'static str, String)], method: &str, path: &str, body: Option<&str>) -> Reply {
        let caller = fields.iter().fold(self.api.nobody(), |caller, (name, value)| caller.with(name, value));
        caller.call(method, path, body.map(str::to_owned))
    }
}

#[test]
fn a_token_that_is_bound_to_a_key_comes_with_a_signed_call() {
    const ORIGIN: &str = "maip.localhost/main";
    let api = Api::start_in_both_environments();
    let acme = api.tenant("Acme", "business");
    let bot = agent(&acme, &["receipts:write", "agents:read"]);
    let key = SigningKey::from_seed([9; 32]);
    let made = open(&acme, &json!({"agent_id": bot, "proof_key": key.public().to_string()}));
    assert!(made["proof_key_thumbprint"].is_string(), "{made}");
    let token = made["token"].as_str().unwrap().to_owned();
    let mut signed = Signed { api: &api, token: token.clone(), key, nonce: 0 };

    let refused = bearer(&api, &made).get("/v1/agents");
    refused.refused(401, "UNAUTHORIZED", "authorization");
    assert!(refused.body["message"].as_str().unwrap().starts_with("pop_missing"), "{}", refused.text);

    let fields = signed.fields("GET", "http://node/v1/agents?limit=1", "", ORIGIN);
    assert_eq!(signed.send(&fields, "GET", "/v1/agents?limit=1", None).ok(200)["total"], 1);
    let again = signed.send(&fields, "GET", "/v1/agents?limit=1", None);
    assert!(again.body["message"].as_str().unwrap().starts_with("nonce_used"), "{}", again.text);
    // Behind a proxy the caller sees https, and the node does not.
    let fields = signed.fields("GET", "https://node/v1/agents", "", ORIGIN);
    signed.send(&fields, "GET", "/v1/agents", None).ok(200);

    let body = json!({"agent_id": bot, "action": "invoices:read"}).to_string();
    let path = "/v1/agent-receipts";
    let uri = format!("http://node{path}");
    let fields = signed.fields("POST", &uri, &body, ORIGIN);
    signed.send(&fields, "POST", path, Some(&body)).ok(201);
    // Another body, another place, another method, another audience, another key.
    let other_body = body.replace("read", "write");
    let fields = signed.fields("POST", &uri, &body, ORIGIN);
    signed.send(&fields, "POST", path, Some(&other_body)).refused(401, "UNAUTHORIZED", "Content-Digest");
    for fields in [
        signed.fields("POST", "http://node/v1/receipts", &body, ORIGIN),
        signed.fields("PUT", &uri, &body, ORIGIN),
        signed.fields("POST", "http://tool.example/v1/agent-receipts", &body, ORIGIN),
        signed.fields("POST", &uri, &body, "tool.example"),
    ] {
        let refused = signed.send(&fields, "POST", path, Some(&body));
        refused.refused(401, "UNAUTHORIZED", "authorization");
        assert!(refused.body["message"].as_str().unwrap().starts_with("pop_wrong"), "{}", refused.text);
    }
    let mut thief = Signed { api: &api, token, key: SigningKey::from_seed([8; 32]), nonce: 0 };
    let fields = thief.fields("POST", &uri, &body, ORIGIN);
    thief.send(&fields, "POST", path, Some(&body)).refused(401, "UNAUTHORIZED", "authorization");
    // A signed call that says nothing of its body has none.
    let fields: Vec<_> = signed.fields("GET", "http://node/v1/agents", "", ORIGIN);
    let fields: Vec<_> = fields.into_iter().filter(|(name, _)| *name != "content-digest").collect();
    signed.send(&fields, "GET", "/v1/agents", None).ok(200);
}
