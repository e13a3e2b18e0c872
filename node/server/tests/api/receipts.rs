//! Agent receipts, records and their proofs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::{
    Policy, TlogProof,
    record::{Actor, AgentId, Body, Digest, Draft, ReceiptAction, Scope, SigningKey, TenantId, Ulid},
    verify,
};
use serde_json::{Value, json};

use crate::client::{Api, Tenant};

/// Registers an agent that may read invoices; its id and the seed of its key.
fn agent(tenant: &Tenant<'_>, scopes: &Value) -> (String, [u8; 32]) {
    let made = tenant.live.post("/v1/agents", &json!({"display_name": "Bot", "scopes": scopes})).ok(201);
    let seed = URL_SAFE_NO_PAD.decode(made["private_key"].as_str().unwrap()).unwrap();
    (made["agent_id"].as_str().unwrap().to_owned(), seed.try_into().unwrap())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn a_receipt_is_made_read_verified_and_proven() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (agent, _) = agent(&acme, &json!(["invoices:read"]));
    let inputs = "ab".repeat(32);
    let body = json!({
        "agent_id": agent, "receipt_type": "action", "action": "invoices:read", "purpose": "monthly close",
        "payload": {"invoice": "F-17", "total": 12.5}, "metadata": {"model": "m"}, "inputs_hash": inputs,
        "duration_ms": 120, "outcome": "success",
    });
    let made = live.post("/v1/agent-receipts", &body).ok(201);
    let id = text(&made, "receipt_id");
    for key in [
        "id",
        "signature",
        "delegation_chain_hash",
        "chain_hash",
        "issued_at",
        "created_at",
        "updated_at",
        "leaf_hash",
    ] {
        assert!(made[key].is_string(), "{key}: {made}");
    }
    assert_eq!((&made["status"], &made["receipt_type"]), (&json!("valid"), &json!("action")));
    assert_eq!((&made["metadata"], &made["payload"]), (&body["metadata"], &body["payload"]));
    assert_eq!((&made["inputs_hash"], &made["outputs_hash"]), (&json!(inputs), &Value::Null));
    assert_eq!((&made["flags"], &made["duration_ms"]), (&json!([]), &json!(120)));

    // The record holds the digests, salted, and neither payload nor metadata.
    let record = live.get(&format!("/v1/records/{}", made["log_index"])).ok(200);
    let in_record = record["record"].to_string();
    assert!(in_record.contains(&format!("sha256:{inputs}")) && !in_record.contains("F-17"), "{in_record}");
    let salted = format!("{}{}", text(&made, "salt"), r#"{"invoice":"F-17","total":12.5}"#);
    assert_eq!(made["payload_digest"], Digest::sha256(salted.as_bytes()).to_string());
    assert!(in_record.contains(text(&made, "payload_digest")));

    // Every spelling of the id reads it; the receipt before it is known.
    let second = json!({"agent_id": agent, "action": "invoices:write"});
    let second = live.post("/v1/agent-receipts", &second).ok(201);
    let flags = second["flags"].as_array().unwrap();
    assert!(flags.contains(&json!("out_of_scope")), "what it may not do is logged and flagged: {flags:?}");
    for spelling in [text(&second, "id"), text(&second, "receipt_id")] {
        let read = live.get(&format!("/v1/agent-receipts/{spelling}")).ok(200);
        assert_eq!(read["previous_receipt_id"], json!(id));
    }

    let verified = live.get(&format!("/v1/agent-receipts/verify/{id}")).ok(200);
    for key in ["valid", "signature_verified", "transparency_verified", "chain_verified"] {
        assert_eq!(verified[key], json!(true), "{key}: {verified}");
    }
    assert_eq!((&verified["verdict"], &verified["signed_by"]), (&json!("VALID"), &json!("operator")));
    assert!(text(&verified, "signer_statement").contains("on behalf of api-key:"), "{verified}");
    assert!(text(&verified, "signer_statement").contains("the agent did not sign"), "{verified}");

    // The proof file convinces a verifier that has nothing but the policy.
    let proof = live.get(&format!("/v1/receipts/{id}/proof"));
    assert_eq!(proof.header("content-type"), Some("text/plain; charset=utf-8"));
    let proof = TlogProof::parse(proof.text.as_bytes()).unwrap();
    let policy = Policy::parse(&live.get("/v1/log/policy").text).unwrap();
    let proven = verify(proof.entry().unwrap(), &proof, &policy).unwrap();
    assert_eq!(proven.index, made["log_index"].as_u64().unwrap());
    assert!(String::from_utf8_lossy(proof.entry().unwrap()).contains(text(&made, "signature")));

    let bundle = live.get(&format!("/v1/agent-receipts/{id}/proof-bundle")).ok(200);
    let inside = TlogProof::parse(text(&bundle["transparency_log"], "tlog_proof").as_bytes()).unwrap();
    verify(inside.entry().unwrap(), &inside, &policy).unwrap();
    let certificate = TlogProof::parse(text(&bundle["issuer_certificate"], "tlog_proof").as_bytes()).unwrap();
    verify(certificate.entry().unwrap(), &certificate, &policy).unwrap();
    assert_eq!(bundle["inclusion_proof"]["root_hash"], bundle["signed_tree_head"]["root_hash"]);
}

#[test]
fn every_published_word_makes_a_receipt_of_its_type() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let (agent, _) = agent(&acme, &json!(["legacy:*"]));
    for (word, canonical, record_type) in [
        ("genesis", "genesis", "receipt.genesis"),
        ("delegation", "delegation", "receipt.delegation"),
        ("action", "action", "receipt.action"),
        ("revocation", "revocation", "receipt.revocation"),
        ("data.attestation", "data.attestation", "receipt.dataset"),
        ("model.attestation", "model.attestation", "receipt.model"),
        ("compliance", "compliance", "receipt.compliance"),
        ("truth.claim", "truth.claim", "receipt.claim"),
        ("truth.verification", "truth.verification", "receipt.claim"),
        ("maip_dataset_attestation", "data.attestation", "receipt.dataset"),
        ("github_commit_receipt", "github_commit_receipt", "receipt.action"),
    ] {
        let body = json!({"agent_id": agent, "receipt_type": word, "action": format!("word {word}")});
        let made = acme.live.post("/v1/agent-receipts", &body).ok(201);
        assert_eq!(
            (text(&made, "receipt_type"), text(&made, "record_type")),
            (canonical, record_type),
            "{word}"
        );
        assert_eq!((&made["flags"], &made["action"]), (&json!([]), &body["action"]), "{word}");
        let listed = acme
            .live
            .get(&format!("/v1/agent-receipts/filter?agent_id={agent}&receipt_type={word}&limit=100"));
        let listed = listed.ok(200);
        assert!(
            listed["receipts"].as_array().unwrap().iter().any(|receipt| receipt["id"] == made["id"]),
            "{word}: {listed}"
        );
        assert_eq!(listed["items"], listed["data"]);
    }
    let all = acme.live.get(&format!("/v1/agent-receipts/agent/{agent}?limit=100")).ok(200);
    assert_eq!((&all["total"], all["receipts"].as_array().unwrap().len()), (&json!(11), 11));
    let none = acme.live.get("/v1/agent-receipts/filter?status=revoked").ok(200);
    assert_eq!(none["total"], 0);
}

#[test]
fn a_retry_without_a_key_is_the_same_receipt() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let (agent, _) = agent(&acme, &json!(["legacy:*"]));
    let body = json!({"agent_id": agent, "action_type": "file_edit", "input_hash": "cd".repeat(32), "metadata": {"file": "a"}});
    let first = acme.live.post("/v1/agent-receipts", &body);
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.ok(201);
    let again = acme.live.post("/v1/agent-receipts", &body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let again = again.ok(201);
    assert_eq!((&again["receipt_id"], &again["log_index"]), (&first["receipt_id"], &first["log_index"]));
    // Another content, another tenant's agent, or a key of its own: another receipt.
    let mut differs = body.clone();
    differs["metadata"]["file"] = json!("b");
    assert_ne!(acme.live.post("/v1/agent-receipts", &differs).ok(201)["receipt_id"], first["receipt_id"]);
    let keyed = acme.live.with("idempotency-key", "k1").post("/v1/agent-receipts", &body).ok(201);
    assert_ne!(keyed["receipt_id"], first["receipt_id"]);
    let keyed_again = acme.live.with("idempotency-key", "k1").post("/v1/agent-receipts", &body).ok(201);
    assert_eq!(keyed, keyed_again);
    other.live.post("/v1/agent-receipts", &body).refused(404, "NOT_FOUND", "agent_id");
}

#[test]
fn receipts_are_revoked_superseded_and_redacted() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (agent, _) = agent(&acme, &json!(["legacy:*"]));
    let make = |n: u32| {
        let body =
            json!({"agent_id": agent, "action": "step", "payload": {"n": n}, "metadata": {"secret": "x"}});
        text(&live.post("/v1/agent-receipts", &body).ok(201), "receipt_id").to_owned()
    };
    let (one, two, three) = (make(1), make(2), make(3));
    let verdict = |id: &str| live.get(&format!("/v1/agent-receipts/verify/{id}")).ok(200);

    let revoked = live.call("POST", &format!("/v1/agent-receipts/{one}/revoke"), None).ok(200);
    assert_eq!(revoked["status"], "revoked");
    assert_eq!((&verdict(&one)["verdict"], &verdict(&one)["valid"]), (&json!("REVOKED"), &json!(false)));
    assert_eq!(verdict(&one)["signature_verified"], true, "it is still what it was");
    live.post(&format!("/v1/agent-receipts/{one}/revoke"), &json!({})).refused(
        409,
        "RECEIPT_REVOKED",
        "receipt",
    );

    let path = format!("/v1/agent-receipts/{two}/supersede");
    live.post(&path, &json!({"replacement_id": two})).refused(422, "INVALID_INPUT", "replacement_id");
    let superseded = live.post(&path, &json!({"replacement_id": three})).ok(200);
    assert_eq!((&superseded["status"], &superseded["superseded_by"]), (&json!("superseded"), &json!(three)));
    assert_eq!(verdict(&two)["verdict"], "SUPERSEDED");

    let before = live.get(&format!("/v1/agent-receipts/{three}")).ok(200);
    let redacted =
        live.post(&format!("/v1/agent-receipts/{three}/redact"), &json!({"reason": "GDPR"})).ok(200);
    assert_eq!(
        (&redacted["payload"], &redacted["metadata"], &redacted["salt"]),
        (&Value::Null, &json!({}), &Value::Null)
    );
    assert_eq!(redacted["payload_digest"], before["payload_digest"], "the log forgets nothing");
    assert_eq!(verdict(&three)["verdict"], "VALID");
    live.post(&format!("/v1/agent-receipts/{three}/redact"), &json!({})).refused(
        409,
        "SUBJECT_ERASED",
        "subject",
    );
}

#[test]
fn an_agent_that_signs_itself_sends_its_own_records() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let (agent, seed) = agent(&acme, &json!(["invoices:read"]));
    let tenant = TenantId::parse_any(&acme.id).unwrap().0;
    let agent = AgentId::parse_any(&agent).unwrap();
    let signed = |n: u128, key: &SigningKey| {
        let action = ReceiptAction {
            action: Scope::parse("invoices:read").unwrap(),
            agent,
            approval: None,
            decision: None,
            detail: Vec::new(),
            grant: None,
            input: Digest::sha256(b"in"),
            on_behalf_of: None,
            outcome: None,
            output: Digest::sha256(b"out"),
            session: None,
            tool: None,
            verdict: None,
        };
        let id = Ulid::from_parts(1_795_716_000_000, n);
        Draft::new(tenant, id, Actor::Agent(agent), 1_795_716_000_000, Body::ReceiptAction(action))
            .sign(key)
            .to_bytes()
    };
    let key = SigningKey::from_seed(seed);
    let json_of = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();

    // As it is, wrapped, and as base64.
    let one = acme.live.post("/v1/records", &json_of(&signed(1, &key))).ok(201);
    assert!(one["log_index"].is_u64() && one["leaf_hash"].is_string() && one["ack"] == "sequenced", "{one}");
    let again = acme.live.post("/v1/records", &json!({"record": json_of(&signed(1, &key))})).ok(201);
    assert_eq!((&again["log_index"], &again["records"][0]["duplicate"]), (&one["log_index"], &json!(true)));
    let batch: Vec<String> = (1..4).map(|n| URL_SAFE_NO_PAD.encode(signed(n, &key))).collect();
    let many = acme.live.post("/v1/records", &json!({"records": batch})).ok(201);
    assert_eq!((&many["logged"], &many["refused"]), (&json!(3), &json!(0)), "{many}");

    // Its verification says that the agent itself has signed.
    let id = text(&one, "receipt_id");
    let verified = acme.live.get(&format!("/v1/agent-receipts/verify/{id}")).ok(200);
    assert_eq!((&verified["verdict"], &verified["signed_by"]), (&json!("VALID"), &json!("agent")));
    assert!(text(&verified, "signer_statement").contains("signed this record with its own key"));
    let read = acme.live.get(&format!("/v1/agent-receipts/{id}")).ok(200);
    assert_eq!(read["inputs_hash"], Digest::sha256(b"in").to_string());

    // A foreign key, a changed record, another tenant's credential.
    let forged = signed(9, &SigningKey::from_seed([9; 32]));
    acme.live.post("/v1/records", &json_of(&forged)).refused(403, "KEY_NOT_VALID", "record.sig.kid");
    let mixed =
        json!({"records": [URL_SAFE_NO_PAD.encode(signed(5, &key)), URL_SAFE_NO_PAD.encode(&forged)]});
    let mixed = acme.live.post("/v1/records", &mixed).ok(201);
    assert_eq!((&mixed["logged"], &mixed["refused"]), (&json!(1), &json!(1)));
    assert_eq!(mixed["records"][1]["error"]["code"], "KEY_NOT_VALID");
    let mut changed = json_of(&signed(6, &key));
    changed["body"]["action"] = json!("invoices:write");
    acme.live.post("/v1/records", &changed).refused(422, "BAD_SIGNATURE", "record.sig.value");
    other.live.post("/v1/records", &json_of(&signed(7, &key))).refused(403, "FORBIDDEN", "record.tenant");
    acme.live.post("/v1/records", &json!({"records": []})).refused(422, "INVALID_INPUT", "records");
    acme.live.post("/v1/records", &json!({"record": "%"})).refused(422, "INVALID_INPUT", "record");
    other.live.get(&format!("/v1/records/{}", one["log_index"])).refused(404, "NOT_FOUND", "log_index");
    acme.live.get("/v1/records/x").refused(400, "MALFORMED", "log_index");
}

#[test]
fn bad_input_names_the_field_and_foreign_ids_do_not_exist() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let (agent, _) = agent(&acme, &json!(["legacy:*"]));
    let made = acme.live.post("/v1/agent-receipts", &json!({"agent_id": agent, "action": "x"})).ok(201);
    let id = text(&made, "receipt_id");
    for (body, field) in [
        (json!({"action": "x"}), "agent_id"),
        (json!({"agent_id": agent}), "action"),
        (json!({"agent_id": agent, "action": "x", "inputs_hash": "zz"}), "inputs_hash"),
        (json!({"agent_id": agent, "action": "x", "payload": []}), "payload"),
        (json!({"agent_id": agent, "action": "x", "outcome": "fine"}), "outcome"),
        (json!({"agent_id": "bot", "action": "x"}), "agent_id"),
        (json!({"agent_id": agent, "action": "x", "colour": 1}), "colour"),
    ] {
        acme.live.post("/v1/agent-receipts", &body).refused(422, "INVALID_INPUT", field);
    }
    acme.live.get("/v1/agent-receipts/filter?status=lost").refused(400, "MALFORMED", "status");
    acme.live.get("/v1/agent-receipts/nothing").refused(400, "MALFORMED", "receipt_id");
    for path in [
        format!("/v1/agent-receipts/{id}"),
        format!("/v1/agent-receipts/verify/{id}"),
        format!("/v1/agent-receipts/{id}/proof"),
        format!("/v1/agent-receipts/{id}/proof-bundle"),
        format!("/v1/receipts/{id}"),
        format!("/v1/receipts/{id}/proof"),
        format!("/v1/receipts/{id}/verify"),
        format!("/v1/receipts/{id}/proof-bundle"),
    ] {
        other.live.get(&path).refused(404, "NOT_FOUND", "receipt_id");
        api.nobody().get(&path).refused(401, "UNAUTHORIZED", "authorization");
    }
    for action in ["revoke", "redact"] {
        for base in ["agent-receipts", "receipts"] {
            let path = format!("/v1/{base}/{id}/{action}");
            other.live.post(&path, &json!({})).refused(404, "NOT_FOUND", "receipt_id");
        }
    }
    other.live.get(&format!("/v1/agent-receipts/agent/{agent}")).refused(404, "NOT_FOUND", "agent_id");
    other.live.get(&format!("/v1/agent-receipts/filter?agent_id={agent}")).refused(
        404,
        "NOT_FOUND",
        "agent_id",
    );
}

#[test]
fn what_a_compromised_agent_has_signed_is_not_valid() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let (agent, _) = agent(&acme, &json!(["legacy:*"]));
    let made = acme.live.post("/v1/agent-receipts", &json!({"agent_id": agent, "action": "x"})).ok(201);
    let path = format!("/v1/agent-receipts/verify/{}", text(&made, "receipt_id"));
    assert_eq!(acme.live.get(&path).ok(200)["verdict"], "VALID");
    // Revoked without a time, what was before stays valid; with one, it does not.
    let since = json!({"reason": "key compromise", "compromised_at": "2020-01-01T00:00:00Z"});
    acme.live.post(&format!("/v1/agents/{agent}/revoke"), &since).ok(200);
    let verified = acme.live.get(&path).ok(200);
    assert_eq!((&verified["verdict"], &verified["valid"]), (&json!("KEY_COMPROMISED"), &json!(false)));
    assert_eq!(verified["signature_verified"], true);
}

#[test]
fn what_the_document_says_of_the_log_is_there() {
    let api = Api::start();
    let document = api.nobody().get("/v1/openapi.json").ok(200);
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let group = methods["get"]["tags"][0].as_str().unwrap_or("");
        // A stream would go on for ever; tests of its own read it.
        let endless = methods["get"]["responses"]["200"]["content"]["text/event-stream"].is_object();
        if ["Transparency", "Health"].contains(&group) && !path.contains('{') && !endless {
            let query = match path.rsplit('/').next() {
                Some("inclusion") => "?index=0",
                Some("consistency") => "?from=1",
                _ => "",
            };
            assert_eq!(api.nobody().get(&format!("{path}{query}")).status, 200, "{path}{query}");
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen} endpoints");
}

#[test]
fn a_refused_receipt_leaves_nothing_behind() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let (agent, _) = agent(&acme, &json!(["legacy:*"]));
    acme.live.post(&format!("/v1/agents/{agent}/revoke"), &json!({})).ok(200);
    let body = json!({"agent_id": agent, "action": "x", "payload": {"secret": 1}});
    for _ in 0..2 {
        acme.live.post("/v1/agent-receipts", &body).refused(403, "AGENT_REVOKED", "agent");
    }
    assert_eq!(acme.live.get("/v1/agent-receipts").ok(200)["total"], 0);
}
