//! Guardrails & Delegation: grants.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::{
    Chain, ChainMoment, ChainQuestion, Policy,
    record::{
        Actor, AgentId, Body, DelegationId, DelegationOffer, Draft, GrantLimits, GrantTo, Kid, RecordHash,
        Scope, SigningKey, TenantId, Ulid,
    },
    verify_chain,
};
use serde_json::{Value, json};

use crate::{
    client::{Api, Caller, Tenant},
    federation::agree,
};

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
    let body =
        json!({"agent_id": agent.id, "action": action, "delegation_id": grant, "payload": {"n": rand()}});
    caller.post("/v1/agent-receipts", &body).ok(201)
}

/// Equal receipts within a minute are one receipt: these differ.
fn rand() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
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
    let grant = DelegationId(Ulid::from_parts(1_795_716_000_000, u128::from(rand()) + 77));
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
        Ulid::from_parts(1_795_716_000_000, u128::from(rand()) + 7_777),
        Actor::Agent(id(&by.id)),
        1_795_716_000_000,
        Body::DelegationOffer(Box::new(body)),
    );
    let record = URL_SAFE_NO_PAD.encode(record.sign(&by.key).to_bytes());
    (grant.to_string(), tenant.live.post("/v1/records", &json!({"record": record})).ok(201))
}

/// Milliseconds since 1970 of an RFC 3339 time in UTC with milliseconds.
fn ms_of(text: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days from the civil calendar; years begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60_000 + number(17..19) * 1_000 + number(20..23)
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
    let made = live.post("/v1/delegations/offer", &body).ok(201);
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
    assert_eq!((&made["ttl_seconds"], &made["signed_by"]), (&json!(3600), &json!("operator")));
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
fn a_chain_is_as_long_as_the_agents_sign_it() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (top, middle, leaf) = (agent(&acme, &["invoices:*"]), agent(&acme, &[]), agent(&acme, &[]));
    let mut body = offer(&top, &middle, &["invoices:*"]);
    body["max_depth"] = json!(2);
    let root = live.post("/v1/delegations/offer", &body).ok(201);
    let (grant, _) = hand_on(&acme, &middle, &root, &leaf, |_| {});
    let made = live.get(&format!("/v1/delegations/{grant}")).ok(200);
    assert_eq!(
        (&made["depth"], &made["holds"], &made["signed_by"]),
        (&json!(1), &json!(true), &json!("agent"))
    );
    assert_eq!(made["parent_delegation_id"], root["delegation_id"]);
    let tree = live.get(&format!("/v1/agents/{}/delegation-tree", leaf.id)).ok(200);
    assert_eq!(
        (&tree["chain_depth"], &tree["effective_scopes"]),
        (&json!(2), &json!(["invoices:read"])),
        "{tree}"
    );
    assert_eq!(tree["chain"][0]["delegation_id"], root["delegation_id"]);
    let check = |question: Value| live.post("/v1/delegations/check", &question).ok(200);
    let yes = check(json!({"delegation_id": grant, "action": "invoices:read", "agent_id": leaf.id}));
    assert_eq!(
        (&yes["valid"], &yes["reason"], &yes["judged_by"]),
        (&json!(true), &json!("holds"), &json!("state"))
    );
    let effects: Vec<&str> =
        yes["determining_rules"].as_array().unwrap().iter().map(|rule| text(rule, "effect")).collect();
    assert_eq!(effects, ["allows", "allows"], "{yes}");
    let no = check(json!({"delegation_id": grant, "action": "invoices:pay"}));
    assert_eq!(
        (&no["valid"], &no["reason"], &no["verdict"]),
        (&json!(false), &json!("out_of_scope"), &json!("SCOPE_VIOLATION"))
    );
    assert_eq!(no["determining_rules"][1]["effect"], "does_not_cover", "{no}");
    let other = check(json!({"delegation_id": grant, "agent_id": top.id}));
    assert_eq!((&other["valid"], &other["reason"]), (&json!(false), &json!("not_its_grantor")), "{other}");
    assert_eq!(act(live, &leaf, "invoices:read", &grant)["flags"], json!([]));

    // What the middle may not hand on, it does not: the log flags it, and it grants nothing.
    let (void, _) = hand_on(&acme, &middle, &root, &leaf, |offer| {
        offer.scopes = vec![Scope::parse("orders:read").unwrap()]
    });
    let void = live.get(&format!("/v1/delegations/{void}")).ok(200);
    assert_eq!(
        (&void["status"], &void["holds"], &void["fault"]),
        (&json!("void"), &json!(false), &json!("not_live"))
    );

    // Who takes back the root takes back all below it.
    live.post(
        &format!("/v1/delegations/{}/revoke", text(&root, "delegation_id")),
        &json!({"reason": "over"}),
    )
    .ok(200);
    let after = live.get(&format!("/v1/delegations/{grant}")).ok(200);
    assert_eq!((&after["status"], &after["holds"]), (&json!("offered"), &json!(false)), "{after}");
    let status = live.get(&format!("/v1/revocation/status/{grant}")).ok(200);
    assert_eq!(
        (&status["revoked"], &status["revoked_delegation_id"]),
        (&json!(true), &root["delegation_id"])
    );
    let tree = live.get(&format!("/v1/agents/{}/delegation-tree?delegation_id={grant}", leaf.id)).ok(200);
    assert_eq!(
        (&tree["valid"], &tree["verdict"], &tree["reason"]),
        (&json!(false), &json!("REVOKED"), &json!("not_live"))
    );
    assert_eq!(check(json!({"delegation_id": grant}))["effective_scopes"], json!([]));
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

#[test]
fn another_tenants_grants_do_not_exist() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let (giver, getter) = (agent(&acme, &["invoices:*"]), agent(&acme, &[]));
    let theirs = agent(&other, &["invoices:*"]);
    let made = acme.live.post("/v1/delegations", &offer(&giver, &getter, &["invoices:read"])).ok(201);
    let (id, stranger) = (text(&made, "delegation_id"), &other.live);
    for path in [format!("/v1/delegations/{id}"), format!("/v1/revocation/status/{id}")] {
        stranger.get(&path).refused(404, "NOT_FOUND", "delegation_id");
    }
    for word in ["accept", "reject", "revoke"] {
        let path = format!("/v1/delegations/{id}/{word}");
        stranger.post(&path, &json!({})).refused(404, "NOT_FOUND", "delegation_id");
    }
    stranger.call("DELETE", &format!("/v1/delegations/{id}"), None).refused(
        404,
        "NOT_FOUND",
        "delegation_id",
    );
    stranger.post("/v1/delegations/check", &json!({"delegation_id": id})).refused(
        404,
        "NOT_FOUND",
        "delegation_id",
    );
    for path in ["delegations", "delegation-tree"] {
        let path = format!("/v1/agents/{}/{path}", getter.id);
        stranger.get(&path).refused(404, "NOT_FOUND", "agent_id");
    }
    stranger.get(&format!("/v1/delegations/{}/chain/verify", getter.id)).refused(
        404,
        "NOT_FOUND",
        "agent_id",
    );
    let body = json!({"to_agent_id": theirs.id, "scopes": ["invoices:read"]});
    stranger.post(&format!("/v1/agents/{}/delegations", giver.id), &body).refused(
        404,
        "NOT_FOUND",
        "agent_id",
    );
    let tree = format!("/v1/agents/{}/delegation-tree?delegation_id={id}", theirs.id);
    stranger.get(&tree).refused(404, "NOT_FOUND", "delegation_id");
    assert_eq!(stranger.get("/v1/delegations").ok(200)["total"], 0);
    stranger.get(&format!("/v1/delegations?agent_id={}", getter.id)).refused(404, "NOT_FOUND", "agent_id");
    // Neither in the name of another tenant's agent, nor to one without an agreement.
    let from_theirs =
        json!({"from_agent_id": giver.id, "to_agent_id": theirs.id, "scopes": ["invoices:read"]});
    stranger.post("/v1/delegations", &from_theirs).refused(404, "NOT_FOUND", "from_agent_id");
    let to_theirs =
        json!({"from_agent_id": theirs.id, "to_agent_id": getter.id, "scopes": ["invoices:read"]});
    stranger.post("/v1/delegations", &to_theirs).refused(404, "NOT_FOUND", "to_agent_id");
    let mut named = to_theirs.clone();
    named["to_tenant_id"] = json!(acme.id);
    stranger.post("/v1/delegations/cross-tenant/offer", &named).refused(
        409,
        "AGREEMENT_UNKNOWN",
        "to_tenant_id",
    );
    let wrong = stranger.with("x-tenant-id", &acme.id);
    assert_eq!(wrong.get(&format!("/v1/delegations/{id}")).status, 403);
}

#[test]
fn a_grant_to_another_tenant_needs_both() {
    let api = Api::start();
    let (acme, harbour) = (api.tenant("Acme", "business"), api.tenant("Harbour", "business"));
    let third = api.tenant("Third", "business");
    let (giver, getter) = (agent(&acme, &["crates:*"]), agent(&harbour, &[]));
    let agreement = agree(&acme, &harbour, &["crates:inspect", "crates:weigh"]);
    let good = json!({
        "offered_by_agent_id": giver.id, "to_agent_id": getter.id, "target_tenant_id": harbour.id,
        "scopes": ["crates:inspect"], "ttl_hours": 1, "max_depth": 1,
    });
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    for (body, code, field) in [
        (with("scopes", json!(["crates:open"])), "SCOPE_ESCALATION", "scopes[0]"),
        (with("ttl_hours", json!(9)), "SCOPE_ESCALATION", "ttl_hours"),
        (with("ttl_hours", json!(25)), "INVALID_INPUT", "ttl_hours"),
        (with("max_depth", json!(4)), "INVALID_INPUT", "max_depth"),
    ] {
        acme.live.post("/v1/delegations/cross-tenant/offer", &body).refused(422, code, field);
    }
    let made = acme.live.post("/v1/delegations/cross-tenant/offer", &good).ok(201);
    let id = text(&made, "delegation_id");
    assert_eq!(
        (&made["status"], &made["holds"], &made["fault"]),
        (&json!("offered"), &json!(false), &json!("not_accepted"))
    );
    assert_eq!(
        (&made["agreement_id"], &made["offered_by_tenant_id"]),
        (&agreement["agreement_id"], &json!(acme.id))
    );

    // Both see it, in their lists too; the giver cannot accept for the receiver, and a third party sees nothing.
    for party in [&acme.live, &harbour.live] {
        assert_eq!(party.get(&format!("/v1/delegations/{id}")).ok(200)["delegation_id"], id);
        assert_eq!(party.get("/v1/delegations").ok(200)["items"][0]["delegation_id"], id);
    }
    assert_eq!(harbour.live.get("/v1/delegations?direction=given").ok(200)["total"], 0);
    third.live.get(&format!("/v1/delegations/{id}")).refused(404, "NOT_FOUND", "delegation_id");
    third.live.post(&format!("/v1/delegations/{id}/revoke"), &json!({})).refused(
        404,
        "NOT_FOUND",
        "delegation_id",
    );
    let accept = format!("/v1/delegations/{id}/accept");
    acme.live.post(&accept, &json!({})).refused(403, "FORBIDDEN", "delegation_id");
    let flags = act(&harbour.live, &getter, "crates:inspect", id)["flags"].to_string();
    assert!(flags.contains("grant_ended"), "it was used before it was accepted: {flags}");
    let accepted = harbour.live.post(&accept, &json!({"accepted_by_agent_id": getter.id})).ok(200);
    assert_eq!((&accepted["status"], &accepted["holds"]), (&json!("accepted"), &json!(true)), "{accepted}");
    assert_eq!(accepted["accepted_by_tenant_id"], harbour.id);
    assert_eq!(act(&harbour.live, &getter, "crates:inspect", id)["flags"], json!([]));
    assert_eq!(
        harbour.live.get(&format!("/v1/agents/{}/delegations", getter.id)).ok(200)["items"][0]["status"],
        "active"
    );

    // Without naming the tenant the agreement finds it; the receiver may end it as well.
    let mut unnamed = good.clone();
    unnamed.as_object_mut().unwrap().remove("target_tenant_id");
    let second = acme.live.post("/v1/delegations/offer", &unnamed).ok(201);
    assert_eq!(second["to_tenant_id"], harbour.id);
    let rejected = format!("/v1/delegations/{}/reject", text(&second, "delegation_id"));
    acme.live.post(&rejected, &json!({})).refused(403, "FORBIDDEN", "delegation_id");
    assert_eq!(harbour.live.post(&rejected, &json!({})).ok(200)["status"], "rejected");

    // With the agreement every grant under it ends, and no other can be made.
    let end = format!("/v1/federation/agreements/{}/end", text(&agreement, "agreement_id"));
    harbour.live.post(&end, &json!({"reason": "contract over"})).ok(200);
    let read = acme.live.get(&format!("/v1/delegations/{id}")).ok(200);
    assert_eq!(
        (&read["status"], &read["holds"], &read["fault"]),
        (&json!("accepted"), &json!(false), &json!("agreement_ended"))
    );
    acme.live.post("/v1/delegations/offer", &good).refused(409, "AGREEMENT_ENDED", "to_tenant_id");
    assert_eq!(
        harbour.live.post(&format!("/v1/delegations/{id}/revoke"), &json!({})).ok(200)["status"],
        "revoked"
    );
}

#[test]
fn an_offer_to_a_tenant_awaits_an_agent() {
    let api = Api::start();
    let (acme, harbour) = (api.tenant("Acme", "business"), api.tenant("Harbour", "business"));
    let third = api.tenant("Third", "business");
    let (giver, getter) = (agent(&acme, &["crates:*"]), agent(&harbour, &[]));
    let body = json!({
        "offered_by_agent_id": giver.id, "target_tenant_id": harbour.id, "scopes": ["crates:inspect"], "ttl_hours": 1,
        "max_depth": 1, "metadata": {"ticket": 7},
    });
    acme.live.post("/v1/delegations/offer", &body).refused(409, "AGREEMENT_UNKNOWN", "to_tenant_id");
    agree(&acme, &harbour, &["crates:*"]);
    let anonymous = json!({"target_tenant_id": harbour.id, "scopes": ["crates:inspect"]});
    acme.live.post("/v1/delegations/offer", &anonymous).refused(422, "INVALID_INPUT", "from_agent_id");
    let offer = || acme.live.post("/v1/delegations/offer", &body).ok(201);
    let made = offer();
    let id = text(&made, "delegation_id");
    assert_eq!(
        (&made["status"], &made["holds"], &made["to_agent_id"]),
        (&json!("offered"), &json!(false), &Value::Null)
    );
    // The log holds that it was offered, and the digest of the terms.
    let record = acme.live.get(&format!("/v1/records/{}", made["log_index"])).ok(200);
    assert_eq!(record["record_type"], "receipt.delegation");
    assert_eq!(record["record"]["body"]["detail"]["grant"], id, "{record}");
    assert!(!record.to_string().contains("crates:inspect"), "{record}");
    for party in [&acme.live, &harbour.live] {
        assert_eq!(party.get(&format!("/v1/delegations/{id}")).ok(200)["metadata"], json!({"ticket": 7}));
        let open = party.get("/v1/delegations/open").ok(200);
        assert_eq!((&open["total"], &open["items"][0]["delegation_id"]), (&json!(1), &json!(id)));
    }
    assert_eq!(third.live.get("/v1/delegations/open").ok(200)["total"], 0);
    let accept = format!("/v1/delegations/{id}/accept");
    third.live.get(&format!("/v1/delegations/{id}")).refused(404, "NOT_FOUND", "delegation_id");
    third.live.post(&accept, &json!({})).refused(404, "NOT_FOUND", "delegation_id");
    third.live.post(&format!("/v1/delegations/{id}/revoke"), &json!({})).refused(
        404,
        "NOT_FOUND",
        "delegation_id",
    );
    third.live.post(&format!("/v1/delegations/{id}/reject"), &json!({})).refused(
        404,
        "NOT_FOUND",
        "delegation_id",
    );

    // Only an agent of the other tenant takes it, and then it is a grant under these terms.
    acme.live.post(&accept, &json!({"agent_id": giver.id})).refused(403, "FORBIDDEN", "delegation_id");
    harbour.live.post(&accept, &json!({})).refused(422, "INVALID_INPUT", "agent_id");
    harbour.live.post(&accept, &json!({"agent_id": giver.id})).refused(404, "NOT_FOUND", "agent_id");
    harbour.live.post(&format!("/v1/delegations/{id}/reject"), &json!({})).refused(
        409,
        "OFFER_OPEN",
        "delegation_id",
    );
    harbour.live.post(&format!("/v1/delegations/{id}/revoke"), &json!({})).refused(
        409,
        "OFFER_OPEN",
        "delegation_id",
    );
    let accepted = harbour.live.post(&accept, &json!({"accepted_by_agent_id": getter.id})).ok(200);
    assert_eq!((&accepted["status"], &accepted["holds"]), (&json!("accepted"), &json!(true)), "{accepted}");
    assert_eq!(
        (&accepted["to_agent_id"], &accepted["scopes"]),
        (&json!(getter.id), &json!(["crates:inspect"]))
    );
    assert_eq!(accepted["expires_at"], made["expires_at"]);
    assert_eq!(act(&harbour.live, &getter, "crates:inspect", id)["flags"], json!([]));
    assert_eq!(acme.live.get("/v1/delegations").ok(200)["items"][0]["delegation_id"], id);
    assert_eq!(harbour.live.get("/v1/delegations/open").ok(200)["total"], 0);
    harbour.live.post(&accept, &json!({})).refused(409, "GRANT_ACCEPTED", "delegation_id");

    // What was taken back, and what its giver may not do any more, nobody takes.
    let second = offer();
    let id = text(&second, "delegation_id");
    let withdrawn = acme.live.post(&format!("/v1/delegations/{id}/revoke"), &json!({"reason": "no"})).ok(200);
    assert_eq!(
        (&withdrawn["status"], withdrawn["receipt_id"].is_string()),
        (&json!("revoked"), true),
        "{withdrawn}"
    );
    let take = json!({"agent_id": getter.id});
    harbour.live.post(&format!("/v1/delegations/{id}/accept"), &take).refused(
        409,
        "OFFER_LAPSED",
        "delegation_id",
    );
    acme.live.post(&format!("/v1/delegations/{id}/revoke"), &json!({})).refused(
        409,
        "GRANT_ENDED",
        "delegation_id",
    );
    let third_offer = offer();
    let changes = json!({"scopes": ["crates:weigh"]}).to_string();
    acme.live.call("PATCH", &format!("/v1/agents/{}", giver.id), Some(changes)).ok(200);
    let path = format!("/v1/delegations/{}/accept", text(&third_offer, "delegation_id"));
    harbour.live.post(&path, &take).refused(409, "GRANT_ENDED", "delegation_id");
}

#[test]
fn a_grant_of_another_log_comes_with_its_record() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let getter = agent(&acme, &[]);
    let (root, far) = (SigningKey::from_seed([9; 32]), TenantId(Ulid::from_parts(1, 2)));
    let terms = json!({
        "peer_tenant_id": far.to_string(), "origin": "far.example/log", "scopes": ["crates:*"], "ttl_minutes": 60,
        "expires_at": "2099-01-01T00:00:00Z",
    });
    acme.live.post("/v1/federation/agreements/draft", &terms).refused(
        422,
        "INVALID_INPUT",
        "peer_public_key",
    );
    let agreement = crate::federation::signed(&acme, &terms, &root).ok(201);
    let grant = DelegationId(Ulid::from_parts(3, 4));
    let here = acme.live.get("/v1/logs").ok(200)["logs"][0]["origin"].clone();
    let soon = ms_of(text(&agreement, "created_at")) + 1_800_000;
    let body = DelegationOffer {
        agreement: Some(RecordHash([1; 32])),
        deny: Vec::new(),
        from: None,
        grant,
        hops: 0,
        limits: GrantLimits::until(soon),
        on_behalf_of: None,
        parent: None,
        scopes: vec![Scope::parse("crates:inspect").unwrap()],
        to: GrantTo {
            agent: AgentId::parse_any(&getter.id).unwrap(),
            kid: Kid::parse(&getter.key.kid().to_string()).unwrap(),
            origin: here.as_str().map(str::to_owned),
            tenant: TenantId::parse_any(&acme.id).unwrap(),
        },
    };
    let record =
        Draft::new(far.0, Ulid::from_parts(5, 6), Actor::Tenant, 7, Body::DelegationOffer(Box::new(body)));
    let record = URL_SAFE_NO_PAD.encode(record.sign(&root).to_bytes());
    let accept = format!("/v1/delegations/{grant}/accept");
    let foreign = |origin: &str| json!({"foreign": {"record_base64": record, "origin": origin, "agreement_id": agreement["agreement_id"]}});
    acme.live.post(&accept, &json!({})).refused(404, "NOT_FOUND", "delegation_id");
    other.live.post(&accept, &foreign("far.example/log")).refused(404, "NOT_FOUND", "agent_id");
    acme.live.post(&accept, &foreign("elsewhere.example/log")).refused(
        404,
        "AGREEMENT_UNKNOWN",
        "foreign.agreement_id",
    );
    let mut bent = foreign("far.example/log");
    bent["foreign"]["record_base64"] = json!("AAAA");
    acme.live.post(&accept, &bent).refused(422, "INVALID_INPUT", "foreign.record_base64");
    let accepted = acme.live.post(&accept, &foreign("far.example/log")).ok(200);
    assert_eq!((&accepted["status"], &accepted["holds"]), (&json!("accepted"), &json!(true)), "{accepted}");
    assert_eq!(
        (&accepted["origin"], &accepted["from_tenant_id"]),
        (&json!("far.example/log"), &json!(far.to_string()))
    );
    assert_eq!(act(&acme.live, &getter, "crates:inspect", &grant.to_string())["flags"], json!([]));
    assert_eq!(acme.live.get("/v1/delegations").ok(200)["items"][0]["delegation_id"], grant.to_string());
    acme.live.post(&accept, &foreign("far.example/log")).refused(409, "GRANT_ACCEPTED", "delegation_id");
}

#[test]
fn a_chain_file_is_judged_without_the_node() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let live = &acme.live;
    let (top, middle, leaf) = (agent(&acme, &["invoices:*"]), agent(&acme, &[]), agent(&acme, &[]));
    let mut body = offer(&top, &middle, &["invoices:*"]);
    body["max_depth"] = json!(2);
    let root = live.post("/v1/delegations/offer", &body).ok(201);
    let (grant, _) = hand_on(&acme, &middle, &root, &leaf, |_| {});
    let receipt = act(live, &leaf, "invoices:read", &grant);
    let path = format!("/v1/receipts/{}/chain", text(&receipt, "receipt_id"));
    let file = live.get(&path);
    assert_eq!(
        (file.status, file.header("content-type")),
        (200, Some("text/plain; charset=utf-8")),
        "{}",
        file.text
    );

    // As `maip verify` judges it: by the file and a policy.
    let policy = Policy::parse(&live.get("/v1/log/policy").text).unwrap();
    let chain = Chain::parse(file.text.as_bytes()).unwrap();
    let question = ChainQuestion {
        now_s: ms_of(text(&receipt, "created_at")) / 1_000,
        max_age_s: None,
        tenant_roots: &[],
        moment: ChainMoment::Now,
    };
    let verdict = verify_chain(&chain, &policy, &question).unwrap();
    assert_eq!((verdict.links.len(), verdict.receipt.action.as_str()), (2, "invoices:read"));
    assert!(!verdict.operator_vouches.is_empty(), "the operator signed the root");

    // The node says the same of the file, and why a changed one does not hold.
    let check = |body: Value| live.post("/v1/delegations/check", &body).ok(200);
    let good = check(json!({"chain": file.text, "action": "invoices:read"}));
    assert_eq!(
        (&good["valid"], &good["reason"], &good["judged_by"]),
        (&json!(true), &json!("holds"), &json!("chain_file"))
    );
    assert_eq!(
        (&good["delegation_id"], good["chain"].as_array().unwrap().len()),
        (&json!(grant), 2),
        "{good}"
    );
    assert!(good["as_of_size"].as_u64() > receipt["log_index"].as_u64(), "{good}");
    let other_action = check(json!({"chain": file.text, "action": "invoices:pay"}));
    assert_eq!((&other_action["valid"], &other_action["reason"]), (&json!(false), &json!("other_receipt")));
    let mut gap = chain.clone();
    gap.offers.remove(0);
    let gap = check(json!({"chain": gap.to_string()}));
    assert_eq!(
        (&gap["valid"], &gap["reason"], &gap["verdict"]),
        (&json!(false), &json!("gap"), &json!("CHAIN_BROKEN"))
    );
    let root_of = |key: &str| json!({"chain": file.text, "tenant_roots": [{"origin": verdict.receipt.origin, "tenant_id": acme.id, "key_id": key}]});
    let unpinned = check(root_of(&"0a".repeat(16)));
    assert_eq!(
        (&unpinned["reason"], &unpinned["verdict"]),
        (&json!("root_not_pinned"), &json!("UNTRUSTED_ROOT"))
    );

    // After the revocation the authority no longer stands, but it stood.
    live.post(&format!("/v1/delegations/{}/revoke", text(&root, "delegation_id")), &json!({})).ok(200);
    let later = live.get(&path);
    let now = check(json!({"chain": later.text}));
    assert_eq!((&now["valid"], &now["reason"]), (&json!(false), &json!("not_live")), "{now}");
    let then = check(json!({"chain": later.text, "moment": "receipt"}));
    assert_eq!((&then["valid"], &then["reason"]), (&json!(true), &json!("held")), "{then}");
    assert_eq!(then["ended"][0]["subject"], root["delegation_id"], "{then}");

    // No chain where nobody granted anything, and none for strangers.
    let own = json!({"agent_id": top.id, "action": "invoices:read"});
    let own = live.post("/v1/agent-receipts", &own).ok(201);
    live.get(&format!("/v1/receipts/{}/chain", text(&own, "receipt_id"))).refused(
        409,
        "NO_CHAIN",
        "receipt_id",
    );
    other.live.get(&path).refused(404, "NOT_FOUND", "receipt_id");
    live.get("/v1/receipts/nobody/chain").refused(400, "MALFORMED", "receipt_id");
}

#[test]
fn a_chain_file_across_tenants_holds_both_signatures() {
    let api = Api::start();
    let (acme, harbour) = (api.tenant("Acme", "business"), api.tenant("Harbour", "business"));
    let (giver, getter) = (agent(&acme, &["crates:*"]), agent(&harbour, &[]));
    agree(&acme, &harbour, &["crates:*"]);
    let made = acme.live.post("/v1/delegations", &offer(&giver, &getter, &["crates:inspect"])).ok(201);
    let id = text(&made, "delegation_id");
    harbour.live.post(&format!("/v1/delegations/{id}/accept"), &json!({})).ok(200);
    let receipt = act(&harbour.live, &getter, "crates:inspect", id);
    let path = format!("/v1/receipts/{}/chain", text(&receipt, "receipt_id"));
    let file = harbour.live.get(&path);
    assert_eq!(file.status, 200, "{}", file.text);
    let chain = Chain::parse(file.text.as_bytes()).unwrap();
    assert_eq!((chain.offers.len(), chain.accepts.len(), chain.agreements.len()), (1, 1, 1));
    let good = acme.live.post("/v1/delegations/check", &json!({"chain": file.text})).ok(200);
    assert_eq!((&good["valid"], &good["reason"]), (&json!(true), &json!("holds")), "{good}");
    acme.live.get(&path).refused(404, "NOT_FOUND", "receipt_id");
}
