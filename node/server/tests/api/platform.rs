//! Issuers, attestations, receipts of issuers, receipt types; and the paths of the older clients.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{Digest, SigningKey};
use serde_json::{Value, json};

use crate::client::{Api, Tenant};

/// An issuer with a key of its own under the name `k1`.
fn issuer(tenant: &Tenant<'_>, key: &SigningKey) -> String {
    let public = URL_SAFE_NO_PAD.encode(key.public().as_bytes());
    let body = json!({"name": "Acme", "legal_name": "Acme GmbH", "jurisdiction": "DE", "public_key": public});
    let made = tenant.live.post("/v1/issuers", &body).ok(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let body = json!({"kid": "k1", "alg": "Ed25519", "public_key_b64url": public});
    tenant.live.post(&format!("/v1/issuers/{id}/keys"), &body).ok(201);
    id
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn an_issuer_is_an_agent_with_keys_and_a_standing() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let live = &acme.live;
    let first = SigningKey::from_seed([1; 32]);
    let id = issuer(&acme, &first);
    let read = live.get(&format!("/v1/issuers/{id}")).ok(200);
    assert_eq!(
        (&read["name"], &read["status"], &read["trust_tier"]),
        (&json!("Acme"), &json!("active"), &json!("registered"))
    );
    assert_eq!(read["did"], format!("did:truthlock:{id}"));
    let agent = live.get(&format!("/v1/agents/{}", text(&read, "issuer_id"))).ok(200);
    assert_eq!((&agent["agent_type"], &agent["runtime_type"]), (&json!("system"), &json!("issuer")));
    assert_eq!(live.get("/v1/issuers").ok(200)["issuers"][0]["id"], json!(id));

    assert_eq!(live.call("POST", &format!("/v1/issuers/{id}/trust"), None).ok(200)["trust_tier"], "verified");
    let trusted = live.get(&format!("/v1/agents/{id}")).ok(200);
    assert_eq!(trusted["scopes"], json!(["attestations:write", "receipts:write"]));

    // A second key takes the place of the first.
    let path = format!("/v1/issuers/{id}/keys");
    let second = URL_SAFE_NO_PAD.encode(SigningKey::from_seed([2; 32]).public().as_bytes());
    let taken = json!({"kid": "k1", "alg": "Ed25519", "public_key_b64url": second});
    live.post(&path, &taken).refused(409, "KEY_ID_TAKEN", "kid");
    let rsa = json!({"kid": "k2", "alg": "RS256", "public_key_b64url": second});
    live.post(&path, &rsa).refused(422, "INVALID_INPUT", "alg");
    live.post(&path, &json!({"kid": "k2", "alg": "Ed25519", "public_key_b64url": second})).ok(201);
    let keys = live.get(&path).ok(200);
    let states: Vec<_> =
        keys["keys"].as_array().unwrap().iter().map(|k| (text(k, "kid"), text(k, "status"))).collect();
    assert_eq!(states[..2], [("k2", "active"), ("k1", "inactive")]);
    let old = json!({"issuer_id": id, "kid": "k1", "alg": "Ed25519", "payload_b64url": "YQ"});
    live.post("/v1/attestations/mint", &old).refused(409, "KEY_INACTIVE", "kid");
    let none = json!({"issuer_id": id, "kid": "k9", "alg": "Ed25519", "payload_b64url": "YQ"});
    live.post("/v1/attestations/mint", &none).refused(422, "KEY_NOT_FOUND", "kid");

    assert_eq!(live.post(&format!("/v1/issuers/{id}/suspend"), &json!({})).ok(200)["status"], "suspended");
    let now = json!({"issuer_id": id, "kid": "k2", "alg": "Ed25519", "payload_b64url": "YQ"});
    live.post("/v1/attestations/mint", &now).refused(403, "ISSUER_SUSPENDED", "issuer_id");
    assert_eq!(
        live.post(&format!("/v1/issuers/{id}/revoke"), &json!({"reason": "end"})).ok(200)["status"],
        "revoked"
    );
    live.post("/v1/attestations/mint", &now).refused(403, "ISSUER_REVOKED", "issuer_id");

    for path in [format!("/v1/issuers/{id}"), path] {
        other.live.get(&path).refused(404, "NOT_FOUND", "issuer_id");
    }
    for word in ["trust", "suspend", "revoke"] {
        other.live.post(&format!("/v1/issuers/{id}/{word}"), &json!({})).refused(
            404,
            "NOT_FOUND",
            "issuer_id",
        );
    }
    other.live.post("/v1/attestations/mint", &now).refused(404, "NOT_FOUND", "issuer_id");
    live.post("/v1/issuers", &json!({})).refused(422, "INVALID_INPUT", "name");
    // An agent that is no issuer is none.
    let plain = live.post("/v1/agents", &json!({"display_name": "Bot"})).ok(201);
    live.get(&format!("/v1/issuers/{}", text(&plain, "id"))).refused(404, "NOT_FOUND", "issuer_id");
}

#[test]
fn an_attestation_is_verified_by_anybody() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let live = &acme.live;
    let key = SigningKey::from_seed([1; 32]);
    let id = issuer(&acme, &key);
    let payload = URL_SAFE_NO_PAD.encode(b"{\"degree\":\"MSc\"}");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(b"{\"degree\":\"MSc\"}"));
    let document = "cd".repeat(32);
    let body = json!({
        "issuer_id": id, "kid": "k1", "alg": "Ed25519", "payload_b64url": payload, "document_hash": document,
        "signature_b64url": signature, "claims": {"holder": "x"},
    });
    let minted = live.with("idempotency-key", "a1").post("/v1/attestations/mint", &body);
    let minted = minted.ok(201);
    assert_eq!(live.with("idempotency-key", "a1").post("/v1/attestations/mint", &body).ok(201), minted);
    let attestation = text(&minted, "attestation_id");
    assert_eq!(minted["payload_hash"], Digest::sha256(b"{\"degree\":\"MSc\"}").to_string()[7..]);
    assert_eq!((&minted["status"], &minted["kid"]), (&json!("active"), &json!("k1")));
    assert_eq!(
        (&minted["signature"]["signed_by"], &minted["issuer_signature"]["signed_by"]),
        (&json!("operator"), &json!("agent"))
    );
    assert!(minted["log"]["leaf_index"].is_u64() && minted["issued_at_unix"].is_u64(), "{minted}");
    let mut forged = body.clone();
    forged["payload_b64url"] = json!("YQ");
    live.post("/v1/attestations/mint", &forged).refused(422, "INVALID_INPUT", "signature_b64url");

    let ask = |more: Value| {
        let mut body = json!({"attestation_id": attestation});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.nobody().post("/v1/verify", &body).ok(200)
    };
    for (more, verdict, reason) in [
        (json!({"payload_b64url": payload}), "VALID", "issuer_signature_ok"),
        (json!({"document_hash_hex": document}), "VALID", "signature_ok"),
        (json!({}), "INCOMPLETE", "transparency_proof_ok"),
        (json!({"payload_b64url": "YQ"}), "ALTERED", "payload_hash_mismatch"),
        (json!({"document_hash_hex": "ef".repeat(32)}), "ALTERED", "document_hash_mismatch"),
    ] {
        let answer = ask(more.clone());
        assert_eq!(
            (text(&answer, "verdict"), &answer["valid"]),
            (verdict, &json!(verdict == "VALID")),
            "{more}"
        );
        assert!(answer["reasons"].as_array().unwrap().contains(&json!(reason)), "{answer}");
        assert_eq!(
            (&answer["signature_verified"], &answer["log"]["proof_checked"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(answer["governance"]["issuer_jurisdiction"], "DE");
    }
    for unknown in ["nothing", "maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y7N"] {
        let answer = api.nobody().post("/v1/verify", &json!({"attestation_id": unknown})).ok(200);
        assert_eq!(answer["verdict"], "NOT_FOUND");
    }

    let bundle = live.get(&format!("/v1/attestations/{attestation}/proof-bundle")).ok(200);
    for key in ["bundle_id", "bundle_version", "generated_at", "tenant_id", "bundle_hash_b64url"] {
        assert!(bundle[key].is_string(), "{key}");
    }
    for key in [
        "attestation",
        "issuer",
        "issuer_current",
        "key",
        "inclusion_proof",
        "signed_tree_head",
        "transparency_log",
        "verification_hints",
        "audit",
        "header",
        "issuer_certificate",
        "bundle_signature",
    ] {
        assert!(bundle[key].as_object().is_some_and(|object| !object.is_empty()), "{key}: {bundle}");
    }
    assert_eq!(bundle["attestation"]["attestation_id"], json!(attestation));

    // Another one counts instead; then neither.
    let mut second = body.clone();
    second["claims"] = json!({"holder": "y"});
    let second = live.post("/v1/attestations", &second).ok(201);
    let replacement = json!({"replacement_attestation_id": second["attestation_id"]});
    let path = format!("/v1/attestations/{attestation}/supersede");
    assert_eq!(live.post(&path, &replacement).ok(200)["status"], "superseded");
    assert_eq!(ask(json!({"payload_b64url": payload}))["verdict"], "SUPERSEDED");
    let path = format!("/v1/attestations/{}/revoke", text(&second, "attestation_id"));
    assert_eq!(live.post(&path, &json!({"reason": ""})).ok(200)["status"], "revoked");
    let listed = live.get("/v1/attestations?limit=10&offset=0").ok(200);
    let states: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|item| text(item, "status")).collect();
    assert_eq!(states, ["revoked", "superseded"]);

    for path in ["", "/proof-bundle"] {
        other.live.get(&format!("/v1/attestations/{attestation}{path}")).refused(
            404,
            "NOT_FOUND",
            "attestation_id",
        );
    }
    let path = format!("/v1/attestations/{attestation}/revoke");
    other.live.post(&path, &json!({})).refused(404, "NOT_FOUND", "attestation_id");
    let past =
        json!({"issuer_id": id, "kid": "k1", "alg": "Ed25519", "payload_b64url": "YQ", "expires_at_unix": 1});
    live.post("/v1/attestations/mint", &past).refused(422, "INVALID_INPUT", "expires_at");
}

#[test]
fn receipts_of_issuers_are_minted_found_and_exported() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let live = &acme.live;
    let id = issuer(&acme, &SigningKey::from_seed([1; 32]));
    let body = |kind: &str, subject: &str| {
        json!({
            "issuer_id": id, "kid": "k1", "alg": "Ed25519", "receipt_type": kind, "subject": subject,
            "payload": {"amount": 1200, "currency": "EUR"}, "receipt_version": "1.0.0", "metadata": {}, "retention_policy": "standard",
        })
    };
    let payment = live.post("/v1/receipts", &body("payment_receipt", "order-17")).ok(201);
    let compliance = live.post("/v1/receipts", &body("compliance_receipt", "audit-3")).ok(201);
    let receipt = text(&payment, "receipt_id");
    assert_eq!((&payment["status"], &payment["receipt_version"]), (&json!("active"), &json!("1.0.0")));
    assert!(
        payment["signature"]["value"].is_string() && payment["log"]["leaf_hash"].is_string(),
        "{payment}"
    );
    let salted = format!("{}{}", text(&payment, "salt"), r#"{"amount":1200,"currency":"EUR"}"#);
    assert_eq!(payment["payload_hash"], Digest::sha256(salted.as_bytes()).to_string()[7..]);
    assert_eq!(live.get(&format!("/v1/receipts/{receipt}")).ok(200)["payload_hash"], payment["payload_hash"]);

    let ids = |reply: Value| -> Vec<String> {
        reply["items"].as_array().unwrap().iter().map(|item| text(item, "receipt_id").to_owned()).collect()
    };
    let both = [text(&compliance, "receipt_id").to_owned(), receipt.to_owned()];
    assert_eq!(ids(live.get("/v1/receipts?limit=20&offset=0").ok(200)), both);
    assert_eq!(
        ids(live.get(&format!("/v1/receipts?issuer_id={id}&receipt_type=payment_receipt")).ok(200)),
        both[1..]
    );
    assert_eq!(ids(live.post("/v1/receipts/search", &json!({"q": "ORDER-17"})).ok(200)), both[1..]);
    assert_eq!(
        ids(live.post("/v1/receipts/search", &json!({"status": "active", "limit": 1})).ok(200)),
        both[..1]
    );
    assert_eq!(ids(live.post("/v1/receipts/search", &json!({"to_date": "2020-01-01"})).ok(200)), [""; 0]);

    let exported = live.post(
        "/v1/receipts/export",
        &json!({"format": "csv", "filters": {"receipt_type": "payment_receipt"}}),
    );
    let exported = exported.ok(202);
    let path = format!("/v1/receipts/exports/{}", text(&exported, "export_id"));
    // What comes after an export is not in it.
    live.post("/v1/receipts", &body("payment_receipt", "order-18")).ok(201);
    let status = live.get(&path).ok(200);
    let table = live.get(text(&status, "download_url"));
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(table.text.lines().count(), 2, "{}", table.text);
    assert!(table.text.contains(receipt), "{}", table.text);
    other.live.get(&path).refused(404, "NOT_FOUND", "export_id");
    live.post("/v1/receipts/export", &json!({"filters": {"from_date": "soon"}})).refused(
        422,
        "INVALID_INPUT",
        "filters.from_date",
    );

    let verdict = |who: &crate::client::Caller<'_>| {
        who.post("/v1/receipts/verify", &json!({"receipt_id": receipt})).ok(200)
    };
    assert_eq!(verdict(live)["verdict"], "VALID");
    assert_eq!(verdict(&other.live)["verdict"], "NOT_FOUND");
    let redacted = live.post(&format!("/v1/receipts/{receipt}/redact"), &json!({})).ok(200);
    assert_eq!((&redacted["payload"], &redacted["subject"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&redacted["payload_hash"], &verdict(live)["verdict"]),
        (&payment["payload_hash"], &json!("VALID"))
    );
    assert_eq!(live.post(&format!("/v1/receipts/{receipt}/revoke"), &json!({})).ok(200)["status"], "revoked");
    assert_eq!(verdict(live)["verdict"], "REVOKED");
    live.post("/v1/receipts", &body("lost_receipt", "x")).refused(404, "NOT_FOUND", "receipt_type");
}

#[test]
fn receipt_types_have_versions_and_policies() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let live = &acme.live;
    let id = issuer(&acme, &SigningKey::from_seed([1; 32]));
    let listed = live.get("/v1/receipt-types").ok(200);
    assert_eq!(listed["total"], 5);
    assert_eq!(live.get("/v1/receipt-types/payment_receipt%401.0.0").ok(200)["name"], "payment_receipt");
    live.get("/v1/receipt-types/payment_receipt%409.0.0").refused(404, "NOT_FOUND", "name");
    let own = json!({"name": "handover_receipt", "schema": {"required": ["place"]}});
    live.post("/v1/receipt-types", &own).ok(201);
    live.post("/v1/receipt-types", &own).refused(409, "RECEIPT_TYPE_EXISTS", "name");
    live.post("/v1/receipt-types", &json!({"name": "Handover"})).refused(422, "INVALID_INPUT", "name");
    other.live.get("/v1/receipt-types/handover_receipt").refused(404, "NOT_FOUND", "name");

    let mint = |payload: Value, version: Option<&str>| {
        let body = json!({
            "issuer_id": id, "kid": "k1", "alg": "Ed25519", "receipt_type": "handover_receipt", "payload": payload,
            "receipt_version": version,
        });
        live.post("/v1/receipts", &body)
    };
    mint(json!({}), None).refused(422, "PAYLOAD_SCHEMA_INVALID", "payload.place");
    let patch = json!({"version": "2.0.0", "schema": {}}).to_string();
    let changed = live.call("PATCH", "/v1/receipt-types/handover_receipt", Some(patch)).ok(200);
    assert_eq!(
        (&changed["id"], &changed["versions"]),
        (&json!("handover_receipt@2.0.0"), &json!(["1.0.0", "2.0.0"]))
    );
    assert_eq!(mint(json!({}), None).ok(201)["receipt_version"], "2.0.0");
    mint(json!({}), Some("1.0.0")).refused(422, "PAYLOAD_SCHEMA_INVALID", "payload.place");
    let published = live.call("PATCH", "/v1/receipt-types/payment_receipt", Some("{}".into()));
    published.refused(409, "RECEIPT_TYPE_PUBLISHED", "name");

    let policy = "/v1/receipt-types/handover_receipt/signing-policy";
    assert_eq!(live.get(policy).ok(200)["allow_any_issuer"], true);
    live.post(policy, &json!({"min_trust_tier": "verified"})).ok(200);
    mint(json!({}), None).refused(403, "ISSUER_NOT_TRUSTED", "issuer_id");
    live.post(&format!("/v1/issuers/{id}/trust"), &json!({})).ok(200);
    mint(json!({}), None).ok(201);
    live.post(policy, &json!({"allow_any_issuer": false})).ok(200);
    mint(json!({}), None).refused(403, "POLICY_VIOLATION", "issuer_id");
    live.post(policy, &json!({"allowed_issuer_ids": [id]})).ok(200);
    mint(json!({}), None).ok(201);
}

/// The calls that the shipped builds of the VS Code extension, the GitHub Action, the Neovim plug-in and the JetBrains plug-in make for
/// agents and receipts, each under its own prefix, with what each reads of the answer.
#[test]
fn the_older_plug_ins_find_their_paths() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    for prefix in ["/v1", "/v1/machine-identity", "/maip/v1"] {
        // They always send the tenant.
        let live = acme.live.with("x-tenant-id", &acme.id);
        let agent = live
            .post(
                &format!("{prefix}/agents"),
                &json!({"name": "ide", "type": "tool", "capabilities": ["file_edit"], "metadata": {"p": prefix}}),
            )
            .ok(201);
        let agent = text(&agent, "id").to_owned();
        assert!(live.get(&format!("{prefix}/agents")).ok(200)["agents"].is_array());
        assert_eq!(live.get(&format!("{prefix}/agents/{agent}")).ok(200)["id"], json!(agent));

        // VS Code's shipped build and the Action's.
        let body = json!({
            "action": "github.commit.0a1b2c3d", "agent_id": agent, "receipt_type": "action",
            "payload": {"receipt_type": "github_commit_receipt", "payload_hash": "x", "prefix": prefix},
        });
        let receipt = live.post(&format!("{prefix}/receipts"), &body).ok(201);
        let id = text(&receipt, "id");
        assert!(
            text(&receipt, "delegation_chain_hash").len() == 64 && receipt["signature"].is_string(),
            "{receipt}"
        );
        assert_eq!(live.get(&format!("{prefix}/receipts/{id}")).ok(200)["status"], "valid");
        let verified = live.get(&format!("{prefix}/receipts/{id}/verify")).ok(200);
        assert_eq!((&verified["valid"], &verified["receipt"]["id"]), (&json!(true), &json!(id)));
        let listed = live.get(&format!("{prefix}/receipts?agent_id={agent}&limit=10")).ok(200);
        assert_eq!(listed["receipts"][0]["id"], json!(id));

        // Neovim: singular names of digests, no receipt_type.
        let body = json!({
            "agent_id": agent, "action_type": "git_commit", "input_hash": "ab".repeat(32), "output_hash": "", "metadata": {"p": prefix},
        });
        let receipt = live.post(&format!("{prefix}/agent-receipts"), &body).ok(201);
        assert_eq!(
            (&receipt["inputs_hash"], &receipt["outputs_hash"]),
            (&json!("ab".repeat(32)), &Value::Null)
        );
        let filtered = live
            .get(&format!("{prefix}/agent-receipts/filter?agent_id={agent}&action_type=git_commit"))
            .ok(200);
        assert_eq!((&filtered["total"], &filtered["receipts"][0]["id"]), (&json!(1), &receipt["id"]));

        // No body at all, with the content type of JSON.
        assert_eq!(
            live.call("POST", &format!("{prefix}/agents/{agent}/suspend"), Some(String::new())).ok(200)["status"],
            "suspended"
        );
        assert_eq!(
            live.call("POST", &format!("{prefix}/agents/{agent}/revoke"), Some(String::new())).ok(200)["status"],
            "revoked"
        );
    }
    api.nobody().get("/v1/machine-identity/agents").refused(401, "UNAUTHORIZED", "authorization");
    acme.live.get("/v1/machine-identity/nothing").refused(404, "NOT_FOUND", "path");
}
