//! Grants between tenants, and between logs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{
    Actor, AgentId, Body, DelegationId, DelegationOffer, Draft, GrantLimits, GrantTo, Kid, RecordHash, Scope,
    SigningKey, TenantId, Ulid,
};
use serde_json::{Value, json};

use super::{act, agent, offer, text};
use crate::{
    client::{Api, ms_of},
    federation::agree,
};

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
fn an_offer_that_was_withdrawn_stays_withdrawn() {
    let api = Api::start();
    let (acme, harbour) = (api.tenant("Acme", "business"), api.tenant("Harbour", "business"));
    let (giver, getter) = (agent(&acme, &["crates:*"]), agent(&harbour, &[]));
    agree(&acme, &harbour, &["crates:*"]);
    // The answer is longer than one that is kept under an idempotency key: the repetition is worked out again, as it is when the first
    // answer was lost with its node.
    let scopes: Vec<String> = (0..250).map(|n| format!("crates:inspect-{n}{}", "x".repeat(40))).collect();
    let body = json!({
        "offered_by_agent_id": giver.id, "target_tenant_id": harbour.id, "scopes": scopes, "ttl_hours": 1,
        "max_depth": 1, "metadata": {"text": "x".repeat(15_000)},
    });
    let once = acme.live.with("idempotency-key", "offer-1");
    let made = once.post("/v1/delegations/offer", &body).ok(201);
    let id = text(&made, "delegation_id");
    acme.live.post(&format!("/v1/delegations/{id}/revoke"), &json!({"reason": "no"})).ok(200);
    let again = once.post("/v1/delegations/offer", &body).ok(201);
    assert_eq!(
        (&again["delegation_id"], &again["log_index"], &again["status"]),
        (&made["delegation_id"], &made["log_index"], &json!("revoked"))
    );
    let take = json!({"agent_id": getter.id});
    harbour.live.post(&format!("/v1/delegations/{id}/accept"), &take).refused(
        409,
        "OFFER_LAPSED",
        "delegation_id",
    );
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
