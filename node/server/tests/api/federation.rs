//! Federation: agreements, partners, root keys.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::SigningKey;
use serde_json::{Value, json};

use crate::{
    client::{Api, Reply, Tenant},
    delegations::text,
};

/// An agreement of two tenants of this log: the second one signs with a root key that it sets for it.
pub(crate) fn agree(own: &Tenant<'_>, peer: &Tenant<'_>, scopes: &[&str]) -> Value {
    let key = root_key(peer);
    let terms = json!({
        "peer_tenant_id": peer.id, "scopes": scopes, "ttl_minutes": 480, "expires_at": "2099-01-01T00:00:00Z",
    });
    signed(own, &terms, &key).ok(201)
}

/// Gives a tenant its root key.
fn root_key(tenant: &Tenant<'_>) -> SigningKey {
    let key = SigningKey::from_seed([42; 32]);
    let public = URL_SAFE_NO_PAD.encode(key.public().as_bytes());
    tenant.live.post("/v1/federation/key", &json!({"public_key": public})).ok(201);
    key
}

/// Drafts the terms, signs what the draft says as the peer, and makes the agreement.
pub(crate) fn signed(own: &Tenant<'_>, terms: &Value, key: &SigningKey) -> Reply {
    let mut body = terms.clone();
    if terms["origin"].is_string() {
        body["peer_public_key"] = json!(URL_SAFE_NO_PAD.encode(key.public().as_bytes()));
    }
    let draft = own.live.post("/v1/federation/agreements/draft", &body).ok(200);
    let bytes = URL_SAFE_NO_PAD.decode(text(&draft, "signed_bytes_base64")).unwrap();
    body["peer_signature"] = json!(URL_SAFE_NO_PAD.encode(key.sign(&bytes)));
    own.live.post("/v1/federation/agreements", &body)
}

#[test]
fn two_tenants_agree_and_part() {
    let api = Api::start();
    let (acme, harbour) = (api.tenant("Acme", "business"), api.tenant("Harbour", "business"));
    let third = api.tenant("Third", "business");
    let terms = json!({
        "peer_tenant_id": harbour.id, "scopes": ["crates:weigh", "crates:inspect"], "hops": 1, "ttl_minutes": 480,
        "expires_at": "2099-01-01T00:00:00Z",
    });
    // Who signs needs a root key, which is set once.
    let draft = "/v1/federation/agreements/draft";
    acme.live.post(draft, &terms).refused(409, "PEER_KEY_MISSING", "peer_tenant_id");
    harbour.live.get("/v1/federation/key").refused(404, "NOT_FOUND", "tenant_id");
    let key = root_key(&harbour);
    let known = harbour.live.get("/v1/federation/key").ok(200);
    assert_eq!(known["key_id"], key.kid().to_string());
    let again =
        json!({"public_key": URL_SAFE_NO_PAD.encode(SigningKey::from_seed([1; 32]).public().as_bytes())});
    harbour.live.post("/v1/federation/key", &again).refused(409, "KEY_EXISTS", "public_key");

    let drafted = acme.live.post(draft, &terms).ok(200);
    assert_eq!(drafted["peer_key_id"], key.kid().to_string());
    assert!(text(&drafted, "command").starts_with("maip delegate sign-agreement --tenant maip-tenant:"));
    assert!(text(&drafted, "signed_text").contains("federation.agree"));
    assert_eq!(acme.live.get("/v1/federation/agreements").ok(200)["total"], 0, "a draft was logged");
    let made = signed(&acme, &terms, &key).ok(201);
    assert_eq!(
        (&made["status"], &made["hops"], &made["ttl_minutes"]),
        (&json!("in_force"), &json!(1), &json!(480))
    );
    assert_eq!(made["scopes"], json!(["crates:inspect", "crates:weigh"]));
    assert!(made["receipt_id"].is_string() && made["leaf_hash"].is_string(), "{made}");
    let id = text(&made, "agreement_id");
    let record = acme.live.get(&format!("/v1/records/{}", made["log_index"])).ok(200);
    assert_eq!((&record["record_hash"], &record["record_type"]), (&json!(id), &json!("federation.agree")));

    // Both see it and each other; nobody else does.
    for (party, other) in [(&acme, &harbour), (&harbour, &acme)] {
        let path = format!("/v1/federation/agreements/agreement:{id}?min_index={}", made["log_index"]);
        assert_eq!(party.live.get(&path).ok(200)["agreement_id"], id);
        let listed = party.live.get("/v1/federation/agreements?status=in_force").ok(200);
        assert_eq!((&listed["total"], &listed["agreements"][0]["agreement_id"]), (&json!(1), &json!(id)));
        let partners = party.live.get("/v1/federation/partners").ok(200);
        assert_eq!(partners["partners"][0]["tenant_id"], other.id, "{partners}");
        assert_eq!(partners["items"][0]["agreements"], json!([id]));
    }
    assert_eq!(third.live.get("/v1/federation/agreements").ok(200)["total"], 0);
    assert_eq!(third.live.get("/v1/federation/partners").ok(200)["items"], json!([]));
    let path = format!("/v1/federation/agreements/{id}");
    third.live.get(&path).refused(404, "NOT_FOUND", "agreement_id");
    third.live.post(&format!("{path}/end"), &json!({})).refused(404, "NOT_FOUND", "agreement_id");
    third.live.call("DELETE", &path, None).refused(404, "NOT_FOUND", "agreement_id");

    // The peer alone may end it, once.
    let ended = harbour.live.post(&format!("{path}/end"), &json!({"reason": "contract over"})).ok(200);
    assert_eq!((&ended["status"], ended["ended_at"].is_string()), (&json!("ended"), true), "{ended}");
    acme.live.post(&format!("{path}/end"), &json!({})).refused(409, "AGREEMENT_ENDED", "agreement_id");
    assert_eq!(acme.live.get("/v1/federation/partners").ok(200)["total"], 0);
    let gone = acme.live.get(&format!("/v1/federation/agreements?peer_tenant_id={}", harbour.id)).ok(200);
    assert_eq!(gone["items"][0]["status"], "ended");
}

#[test]
fn an_agreement_that_the_peer_did_not_sign_is_none() {
    let api = Api::start();
    let (acme, harbour) = (api.tenant("Acme", "business"), api.tenant("Harbour", "business"));
    let key = root_key(&harbour);
    let terms =
        json!({"peer_tenant_id": harbour.id, "scopes": ["crates:*"], "expires_at": "2099-01-01T00:00:00Z"});
    let with = |key: &str, value: Value| {
        let mut body = terms.clone();
        body[key] = value;
        body
    };
    let create = "/v1/federation/agreements";
    for (body, status, code, field) in [
        (with("scopes", json!([])), 422, "INVALID_INPUT", "scopes"),
        (with("scopes", json!(["!crates:open"])), 422, "INVALID_INPUT", "scopes[0]"),
        (with("hops", json!(4)), 422, "INVALID_INPUT", "hops"),
        (with("ttl_minutes", json!(1_441)), 422, "INVALID_INPUT", "ttl_minutes"),
        (with("expires_at", json!("2001-01-01")), 422, "INVALID_INPUT", "expires_at"),
        (with("peer_tenant_id", json!(acme.id)), 422, "INVALID_INPUT", "peer_tenant_id"),
        (
            with("peer_tenant_id", json!("maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7N")),
            404,
            "NOT_FOUND",
            "peer_tenant_id",
        ),
        (with("colour", json!(1)), 422, "INVALID_INPUT", "colour"),
        (terms.clone(), 422, "INVALID_INPUT", "peer_signature"),
    ] {
        if code != "INVALID_INPUT" || field != "peer_signature" {
            acme.live.post("/v1/federation/agreements/draft", &body).refused(status, code, field);
        }
        let mut body = body;
        if field != "peer_signature" {
            body["peer_signature"] = json!("A".repeat(86));
        }
        acme.live.post(create, &body).refused(status, code, field);
    }
    let strange = SigningKey::from_seed([7; 32]);
    let public = URL_SAFE_NO_PAD.encode(strange.public().as_bytes());
    let body = with("peer_public_key", json!(public));
    acme.live.post("/v1/federation/agreements/draft", &body).refused(409, "KEY_NOT_VALID", "peer_public_key");
    // Another key, other terms, no signature at all, and the same signature for another tenant.
    signed(&acme, &terms, &strange).refused(422, "INVALID_INPUT", "peer_signature");
    let draft = acme.live.post("/v1/federation/agreements/draft", &terms).ok(200);
    let bytes = URL_SAFE_NO_PAD.decode(text(&draft, "signed_bytes_base64")).unwrap();
    let signature = URL_SAFE_NO_PAD.encode(key.sign(&bytes));
    let mut wider = with("scopes", json!(["*:*"]));
    wider["peer_signature"] = json!(signature);
    acme.live.post(create, &wider).refused(422, "INVALID_INPUT", "peer_signature");
    acme.live.post(create, &with("peer_signature", json!("AAAA"))).refused(
        422,
        "INVALID_INPUT",
        "peer_signature",
    );
    let third = api.tenant("Third", "business");
    third.live.post(create, &with("peer_signature", json!(signature))).refused(
        422,
        "INVALID_INPUT",
        "peer_signature",
    );
    assert_eq!(acme.live.get(create).ok(200)["total"], 0);
    acme.live.get("/v1/federation/agreements/nothing").refused(400, "MALFORMED", "agreement_id");
    acme.live.get("/v1/federation/agreements?status=green").refused(400, "MALFORMED", "status");
    acme.live.post(create, &with("peer_signature", json!(signature))).ok(201);
    let reader = acme.live.post("/v1/api-keys", &json!({"name": "r", "scopes": ["federation:read"]})).ok(201);
    let reader = api.caller(text(&reader, "secret"));
    reader.post("/v1/federation/key", &json!({"public_key": public})).refused(
        403,
        "FORBIDDEN",
        "authorization",
    );
    reader.post("/v1/federation/agreements/draft", &terms).refused(403, "FORBIDDEN", "authorization");
    reader.get("/v1/federation/agreements").ok(200);
}
