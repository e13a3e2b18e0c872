//! Guardrails & Delegation: grants.

mod across;
mod chains;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{
    Actor, AgentId, Body, DelegationId, DelegationOffer, Draft, GrantLimits, GrantTo, RecordHash, Scope,
    SigningKey, TenantId, Ulid,
};
use serde_json::{Value, json};

use crate::client::{Api, Caller, Tenant, ms_of};

/// An agent of a tenant, and its key.
pub(crate) struct Agent {
    pub(crate) id: String,
    pub(crate) uuid: String,
    pub(crate) key: SigningKey,
}

pub(crate) fn agent(tenant: &Tenant<'_>, scopes: &[&str]) -> Agent {
    let body = json!({"display_name": "Bot", "scopes": scopes});
    let made = tenant.live.post("/v1/agents", &body).ok(201);
    let seed = URL_SAFE_NO_PAD.decode(text(&made, "private_key")).unwrap();
    Agent {
        id: text(&made, "agent_id").to_owned(),
        uuid: text(&made, "id").to_owned(),
        key: SigningKey::from_seed(seed.try_into().unwrap()),
    }
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn offer(from: &Agent, to: &Agent, scopes: &[&str]) -> Value {
    json!({"from_agent_id": from.id, "to_agent_id": to.id, "scopes": scopes, "ttl_seconds": 3600})
}

/// An action under a grant: what the log noticed.
fn act(caller: &Caller<'_>, agent: &Agent, action: &str, grant: &str) -> Value {
    let body = json!({"agent_id": agent.id, "action": action, "delegation_id": grant, "payload": {"n": next_number()}});
    caller.post("/v1/agent-receipts", &body).ok(201)
}

/// Equal receipts within a minute are one receipt: these differ.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The grant handed on by its receiver, signed with the receiver's own key.
fn hand_on(
    tenant: &Tenant<'_>,
    by: &Agent,
    parent: &Value,
    to: &Agent,
    change: impl FnOnce(&mut DelegationOffer),
) -> (String, Value) {
    let id = |text: &str| AgentId::parse_any(text).unwrap();
    let tenant_id = TenantId::parse_any(&tenant.id).unwrap();
    let grant = DelegationId(Ulid::from_parts(1_795_716_000_000, u128::from(next_number()) + 77));
    let expires = parent["limits"]["expires_at"].as_str().unwrap();
    let mut body = DelegationOffer {
        agreement: None,
        deny: Vec::new(),
        from: Some(id(&by.id)),
        grant,
        hops: 0,
        limits: GrantLimits::until(ms_of(expires)),
        on_behalf_of: None,
        parent: RecordHash::parse(text(parent, "offer_hash")),
        scopes: vec![Scope::parse("invoices:read").unwrap()],
        to: GrantTo { agent: id(&to.id), kid: to.key.kid(), origin: None, tenant: tenant_id },
    };
    change(&mut body);
    let record = Draft::new(
        tenant_id.0,
        Ulid::from_parts(1_795_716_000_000, u128::from(next_number()) + 7_777),
        Actor::Agent(id(&by.id)),
        1_795_716_000_000,
        Body::DelegationOffer(Box::new(body)),
    );
    let record = URL_SAFE_NO_PAD.encode(record.sign(&by.key).to_bytes());
    (grant.to_string(), tenant.live.post("/v1/records", &json!({"record": record})).ok(201))
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[test]
fn a_grant_lives_and_ends() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (giver, getter) = (agent(&acme, &["invoices:*"]), agent(&acme, &[]));
    let body = json!({
        "from_agent_id": giver.id, "to_agent_id": getter.id, "scopes": ["invoices:read", "!invoices:delete"],
        "ttl_seconds": 3600, "conditions": {"max_invocations": 2}, "purpose": "Month end!", "max_depth": 2,
        "require_trust_score_above": 0, "metadata": {"ticket": 7},
    });
    let before_ms = now_ms();
    let made = live.post("/v1/delegations/offer", &body).ok(201);
    let asked_ms = before_ms..=now_ms();
    for key in ["id", "receipt_id", "leaf_hash", "ack", "created_at", "expires_at", "token", "to_key_id"] {
        assert!(made[key].is_string(), "{key}: {made}");
    }
    assert_eq!((&made["status"], &made["holds"]), (&json!("offered"), &json!(true)), "{made}");
    assert_eq!((&made["hops"], &made["max_depth"], &made["depth"]), (&json!(1), &json!(2), &json!(0)));
    assert_eq!(made["scopes"], json!(["invoices:read", "!invoices:delete"]));
    assert_eq!(
        (&made["conditions"]["max_invocations"], &made["metadata"]),
        (&json!(2), &json!({"ticket": 7}))
    );
    assert_eq!((&made["purpose"], &made["limits"]["purpose"]), (&json!("Month end!"), &json!("month_end_")));
    // From when it was asked for; how long it is in the log is less, by what it took to get there.
    let (from, end) = (ms_of(text(&made, "created_at")), ms_of(text(&made, "expires_at")));
    assert!(asked_ms.contains(&(end - 3_600_000)), "{made}");
    assert_eq!(
        (&made["ttl_seconds"], &made["signed_by"]),
        (&json!((end - from).div_ceil(1_000)), &json!("operator"))
    );
    assert_eq!(
        (&made["token"], &made["delegation_attestation_id"]),
        (&made["offer_hash"], &made["receipt_id"])
    );

    // The record says for whom the operator has signed, and the grant is read back under every spelling.
    let record = live.get(&format!("/v1/records/{}", made["log_index"])).ok(200);
    assert!(record["record"]["body"]["on_behalf_of"].is_string(), "{record}");
    assert_eq!(record["record_hash"], made["offer_hash"]);
    let (id, uuid) = (text(&made, "delegation_id").to_owned(), text(&made, "id").to_owned());
    for spelling in [id.clone(), id.replace(':', "%3A"), uuid] {
        let read = live.get(&format!("/v1/delegations/{spelling}?min_index={}", made["log_index"])).ok(200);
        assert_eq!((&read["delegation_id"], &read["to_agent_id"]), (&json!(id), &json!(getter.id)));
    }

    // The key that the grant names need not have scopes of its own; each use is counted, and the third is one too many.
    let token = json!({"token": made["token"], "agent_id": getter.uuid});
    let accepted = live.post(&format!("/v1/delegations/{id}/accept"), &token).ok(200);
    assert_eq!(
        (&accepted["status"], &accepted["accepted_by_agent_id"]),
        (&json!("accepted"), &json!(getter.id))
    );
    assert!(
        accepted["accepted_at"].is_string() && accepted["log_index"].as_u64() > made["log_index"].as_u64()
    );
    live.post(&format!("/v1/delegations/{id}/accept"), &json!({})).refused(
        409,
        "GRANT_ACCEPTED",
        "delegation_id",
    );
    assert_eq!(act(live, &getter, "invoices:read", &id)["flags"], json!([]));
    for (action, flag) in [("invoices:pay", "out_of_scope"), ("invoices:read", "grant_exceeded")] {
        let flags = act(live, &getter, action, &id)["flags"].to_string();
        assert!(flags.contains(flag), "{action}: {flags}");
    }

    let status = live.get(&format!("/v1/revocation/status/{id}")).ok(200);
    assert_eq!((&status["revoked"], &status["reason"]), (&json!(false), &json!("holds")), "{status}");
    let revoked = live.call("POST", &format!("/v1/delegations/{id}/revoke"), None).ok(200);
    assert_eq!((&revoked["status"], &revoked["holds"]), (&json!("revoked"), &json!(false)));
    assert_eq!(
        (&revoked["fault"], revoked["revoked_at"].is_string()),
        (&json!("not_live"), true),
        "{revoked}"
    );
    live.post(&format!("/v1/delegations/{id}/revoke"), &json!({})).refused(
        409,
        "GRANT_ENDED",
        "delegation_id",
    );
    live.call("DELETE", &format!("/v1/delegations/{id}"), None).refused(409, "GRANT_ENDED", "delegation_id");
    let status = live.get(&format!("/maip/v1/revocation/status/{id}")).ok(200);
    assert_eq!((&status["revoked"], &status["effective_index"]), (&json!(true), &revoked["log_index"]));
    let flags = act(live, &getter, "invoices:read", &id)["flags"].to_string();
    assert!(flags.contains("grant_ended"), "{flags}");
}

#[test]
fn the_older_clients_find_their_keys() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (parent, child) = (agent(&acme, &["invoices:*"]), agent(&acme, &[]));
    // The SDKs: camel case, a scope object, no body to accept.
    let sdk = api.nobody().with("authorization", &format!("Bearer {}", live.key));
    let scope = json!({"actions": ["read"], "resources": ["invoices"], "constraints": {}});
    let body =
        json!({"fromAgentId": parent.uuid, "toAgentId": child.uuid, "scope": scope, "ttlSeconds": 600});
    let made = sdk.post("/v1/delegations", &body).ok(201);
    assert_eq!((&made["status"], &made["scope"]), (&json!("offered"), &scope));
    assert_eq!((&made["fromAgentId"], &made["toAgentId"]), (&json!(parent.id), &json!(child.id)));
    assert!(made["expiresAt"].is_string() && made["createdAt"].is_string());
    let accepted =
        sdk.call("POST", &format!("/v1/delegations/{}/accept", text(&made, "id")), Some("{}".into()));
    assert_eq!(accepted.ok(200)["status"], "accepted");

    // The plug-ins: in the path of the giver, `active`, and the tree above the receiver.
    let body = json!({
        "child_agent_id": child.id, "scopes": ["invoices:read"], "purpose": "review",
        "constraints": {"rate_limit_per_hour": 5, "allowed_environments": ["test"]},
    });
    let made = live.post(&format!("/v1/machine-identity/agents/{}/delegations", parent.id), &body).ok(201);
    assert_eq!((&made["status"], &made["parent_agent_id"]), (&json!("active"), &json!(parent.id)), "{made}");
    assert_eq!(
        (&made["child_agent_id"], &made["limits"]["window_seconds"]),
        (&json!(child.id), &json!(3600))
    );
    assert_eq!(made["constraints"], json!({"max_actions_per_hour": 5, "allowed_environments": ["test"]}));
    let listed = live.get(&format!("/v1/agents/{}/delegations", child.id)).ok(200);
    assert_eq!((&listed["total"], &listed["delegations"][0]["id"]), (&json!(2), &made["id"]), "{listed}");
    let tree = live.get(&format!("/v1/agents/{}/delegation-tree", child.id)).ok(200);
    assert_eq!(
        (&tree["valid"], &tree["verdict"], &tree["chain_depth"]),
        (&json!(true), &json!("VALID"), &json!(1))
    );
    assert_eq!(tree["chain"][0]["delegation_id"], made["delegation_id"]);
    assert!(tree["warnings"].is_array() && tree["children"] == json!([]), "{tree}");
    let above = live.get(&format!("/v1/agents/{}/delegation-tree", parent.id)).ok(200);
    assert_eq!((&above["chain"], above["children"].as_array().unwrap().len()), (&json!([]), 2), "{above}");

    // Their shipped builds.
    let body = json!({"parent_agent_id": parent.id, "child_agent_id": child.id, "scopes": ["invoices:read"], "max_depth": 3});
    let made = live.post("/maip/v1/delegations", &body).ok(201);
    assert_eq!((&made["hops"], &made["parent_agent_id"]), (&json!(2), &json!(parent.id)));
    let listed = live.get(&format!("/v1/delegations?parent_agent_id={}", parent.uuid)).ok(200);
    assert_eq!((&listed["total"], &listed["data"][0]["id"]), (&json!(3), &made["id"]), "{listed}");
    let verified = live.get(&format!("/v1/delegations/{}/chain/verify", child.id)).ok(200);
    assert_eq!((&verified["valid"], &verified["delegation_id"]), (&json!(true), &made["delegation_id"]));
}

#[test]
fn grants_are_listed_in_pages_and_by_what_they_are() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (giver, getter) = (agent(&acme, &["invoices:*"]), agent(&acme, &["invoices:*"]));
    let make = |body: &Value| text(&live.post("/v1/delegations", body).ok(201), "delegation_id").to_owned();
    let ids = [
        make(&offer(&giver, &getter, &["invoices:read"])),
        make(&offer(&getter, &giver, &["invoices:read"])),
        make(&offer(&giver, &getter, &["invoices:pay"])),
    ];
    live.post(&format!("/v1/delegations/{}/reject", ids[0]), &json!({"reason": "no"})).ok(200);
    let names = |path: &str| -> Vec<String> {
        let items = live.get(path).ok(200)["items"].clone();
        items.as_array().unwrap().iter().map(|item| text(item, "delegation_id").to_owned()).collect()
    };
    assert_eq!(names("/v1/delegations"), [ids[2].clone(), ids[1].clone(), ids[0].clone()]);
    assert_eq!(names("/v1/delegations?status=rejected"), [ids[0].clone()]);
    assert_eq!(names("/v1/delegations?status=active&limit=1"), [ids[2].clone()]);
    assert_eq!(names(&format!("/v1/delegations?child_agent_id={}", giver.id)), [ids[1].clone()]);
    assert_eq!(names(&format!("/v1/agents/{}/delegations?direction=received", giver.id)), [ids[1].clone()]);
    let first = live.get("/v1/delegations?limit=2").ok(200);
    assert_eq!((&first["total"], first["items"].as_array().unwrap().len()), (&json!(3), 2));
    assert_eq!(
        names(&format!("/v1/delegations?limit=2&cursor={}", text(&first, "next_cursor"))),
        [ids[0].clone()]
    );
    live.get("/v1/delegations?status=green").refused(400, "MALFORMED", "status");
    live.get("/v1/delegations?limit=0").refused(400, "MALFORMED", "limit");
}

#[test]
fn what_may_not_be_granted_names_the_field() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (giver, getter) = (agent(&acme, &["invoices:*"]), agent(&acme, &[]));
    let good = offer(&giver, &getter, &["invoices:read"]);
    let with = |changes: Value| {
        let mut body = good.clone();
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let without = |key: &str| {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(key);
        body
    };
    let before = live.get("/v1/delegations").ok(200)["total"].clone();
    for (body, status, code, field) in [
        (with(json!({"scopes": ["invoices:read", "orders:read"]})), 422, "SCOPE_ESCALATION", "scopes[1]"),
        (with(json!({"scopes": ["*:*"]})), 422, "SCOPE_ESCALATION", "scopes[0]"),
        (with(json!({"scopes": []})), 422, "INVALID_INPUT", "scopes"),
        (with(json!({"scopes": ["!invoices:read"]})), 422, "INVALID_INPUT", "scopes"),
        (with(json!({"scopes": ["Invoices:read"]})), 422, "INVALID_INPUT", "scopes[0]"),
        (without("scopes"), 422, "INVALID_INPUT", "scopes"),
        (without("to_agent_id"), 422, "INVALID_INPUT", "to_agent_id"),
        (with(json!({"to_agent_id": giver.id})), 422, "DELEGATION_CYCLE", "to_agent_id"),
        (with(json!({"max_depth": 9})), 422, "INVALID_INPUT", "max_depth"),
        (with(json!({"ttl_seconds": 0})), 422, "INVALID_INPUT", "ttl_seconds"),
        (with(json!({"ttl_seconds": 31_536_001})), 422, "INVALID_INPUT", "ttl_seconds"),
        (with(json!({"ttl_hours": 1})), 422, "INVALID_INPUT", "ttl_hours"),
        (with(json!({"not_before": "2099-01-01"})), 422, "INVALID_INPUT", "not_before"),
        (with(json!({"colour": "red"})), 422, "INVALID_INPUT", "colour"),
        (
            with(json!({"constraints": {"ip_allowlist": ["10.0.0.0/8"]}})),
            422,
            "INVALID_INPUT",
            "constraints.ip_allowlist",
        ),
        (with(json!({"constraints": {"max_spend": 5}})), 422, "INVALID_INPUT", "constraints.currency"),
        (
            with(json!({"constraints": {"max_actions_per_hour": 5}, "conditions": {"max_invocations": 5}})),
            422,
            "INVALID_INPUT",
            "constraints.max_actions_per_hour",
        ),
        (with(json!({"agreement_id": "ab".repeat(32)})), 422, "INVALID_INPUT", "agreement_id"),
        (with(json!({"to_key_id": "ab".repeat(16)})), 403, "KEY_NOT_VALID", "to_key_id"),
        (with(json!({"require_trust_score_above": 101})), 422, "INVALID_INPUT", "require_trust_score_above"),
        (json!([]), 400, "MALFORMED", "body"),
    ] {
        live.post("/v1/delegations/offer", &body).refused(status, code, field);
    }
    let mut late = without("ttl_seconds");
    late["expires_at"] = json!("2099-01-01T00:00:00Z");
    live.post("/v1/delegations/offer", &late).refused(422, "INVALID_INPUT", "expires_at");
    late["expires_at"] = json!("2001-01-01T00:00:00Z");
    live.post("/v1/delegations/offer", &late).refused(422, "INVALID_INPUT", "expires_at");
    live.post("/v1/delegations/cross-tenant/offer", &good).refused(422, "INVALID_INPUT", "to_tenant_id");
    let path = format!("/v1/agents/{}/delegations", getter.id);
    live.post(&path, &good).refused(422, "INVALID_INPUT", "from_agent_id");
    assert_eq!(live.get("/v1/delegations").ok(200)["total"], before, "a refused offer was logged");

    // Nothing said: 90 days, not handed on.
    let made = live.post("/v1/delegations/offer", &without("ttl_seconds")).ok(201);
    let days = made["ttl_seconds"].as_u64().unwrap().div_ceil(86_400);
    assert_eq!((days, &made["max_depth"]), (90, &json!(1)), "{made}");
    let id = text(&made, "delegation_id");
    let accept = format!("/v1/delegations/{id}/accept");
    live.post(&accept, &json!({"token": "ab".repeat(32)})).refused(409, "OFFER_MISMATCH", "token");
    live.post(&accept, &json!({"agent_id": giver.id})).refused(422, "INVALID_INPUT", "agent_id");
    live.post("/v1/delegations/nobody/accept", &json!({})).refused(400, "MALFORMED", "delegation_id");
    live.post(&format!("/v1/delegations/{id}/reject"), &json!({"why": 1})).refused(
        422,
        "INVALID_INPUT",
        "why",
    );
    for (body, field) in [
        (json!({"delegation_id": id, "action": "invoices:*"}), "action"),
        (json!({"action": "invoices:read"}), "delegation_id"),
        (json!({"chain": "no chain"}), "chain"),
        (json!({"chain": "maip.dev/chain/v1\n", "policy": "log x"}), "policy"),
    ] {
        live.post("/v1/delegations/check", &body).refused(422, "INVALID_INPUT", field);
    }
    // An agent that may not act neither gives nor gets.
    live.post(&format!("/v1/agents/{}/suspend", giver.id), &json!({})).ok(200);
    live.post("/v1/delegations/offer", &good).refused(403, "AGENT_SUSPENDED", "from_agent_id");
    let tree = live.get(&format!("/v1/agents/{}/delegation-tree", getter.id)).ok(200);
    assert_eq!((&tree["valid"], &tree["reason"]), (&json!(false), &json!("not_live")), "{tree}");
    let key = live.post("/v1/api-keys", &json!({"name": "reader", "scopes": ["delegations:read"]})).ok(201);
    let reader = api.caller(text(&key, "secret"));
    reader.get(&format!("/v1/delegations/{id}")).ok(200);
    reader.post("/v1/delegations/offer", &good).refused(403, "FORBIDDEN", "authorization");
    reader.post(&accept, &json!({})).refused(403, "FORBIDDEN", "authorization");
    reader.post(&format!("/v1/delegations/{id}/revoke"), &json!({})).refused(
        403,
        "FORBIDDEN",
        "authorization",
    );
}
