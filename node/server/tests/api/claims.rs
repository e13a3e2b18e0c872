//! Witness, Truth Claims & Documents.

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::SigningKey;
use serde_json::{Value, json};

use crate::{
    client::{Api, Caller},
    trust::agent,
};

fn id(agent: &Value) -> &str {
    agent["agent_id"].as_str().unwrap()
}

fn claim(caller: &Caller, agent: &Value, internal: bool) -> Value {
    let body = json!({
        "agent_id": agent["agent_id"], "claim_type": "integrity", "subject": "invoice 17", "assertion": "The total is right.",
        "evidence_urls": ["https://files.example.com/17.pdf"], "confidence": 0.9, "metadata": {"team": "finance"}, "internal": internal,
    });
    caller.post("/v1/truth", &body).ok(201)
}

fn claim_id(claim: &Value) -> &str {
    claim["claim_id"].as_str().unwrap()
}

/// Asks for votes; the path of the request.
fn ask(caller: &Caller, claim: &Value, quorum: u64) -> String {
    let body = json!({"claim_id": claim["claim_id"], "required_witnesses": quorum});
    let made = caller.post("/v1/witness", &body).ok(201);
    assert_eq!((&made["status"], &made["current_count"]), (&json!("pending"), &json!(0)));
    format!("/v1/witness/{}", made["witness_id"].as_str().unwrap())
}

fn vote(caller: &Caller, request: &str, agent: &Value, verdict: &str) -> Value {
    let body =
        json!({"agent_id": agent["agent_id"], "verdict": verdict, "evidence": "looked", "confidence": 0.8});
    caller.post(&format!("{request}/attest"), &body).ok(201)
}

fn read(caller: &Caller, claim: &Value) -> Value {
    caller.get(&format!("/v1/truth/{}", claim_id(claim))).ok(200)
}

#[test]
fn votes_decide_a_claim_of_the_tenant() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bots: Vec<Value> = (0..4).map(|_| agent(live, &[])).collect();
    let made = claim(live, &bots[0], true);
    assert_eq!((&made["status"], &made["verification_result"]), (&json!("pending"), &Value::Null));
    assert_eq!((&made["assertion"], &made["confidence"]), (&json!("The total is right."), &json!(0.9)));
    assert!(
        made["receipt_id"].is_string() && made["leaf_hash"].is_string() && made["claim_hash"].is_string()
    );
    let record = live.get(&format!("/v1/records/{}", made["log_index"])).ok(200);
    assert_eq!(
        record["record"]["body"]["statement"], made["claim_hash"],
        "the log holds a digest, not the words"
    );
    assert!(!record.to_string().contains("total is right"), "{record}");

    let request = ask(live, &made, 3);
    assert_eq!(read(live, &made)["status"], "verifying");
    live.post(&format!("{request}/attest"), &json!({"agent_id": bots[0]["agent_id"], "verdict": "confirm"}))
        .refused(422, "OWN_CLAIM", "agent_id");
    let first = vote(live, &request, &bots[1], "confirm");
    assert_eq!((&first["signed_by"], &first["current_count"]), (&json!("operator"), &json!(1)));
    live.post(&format!("{request}/attest"), &json!({"agent_id": bots[1]["agent_id"], "verdict": "deny"}))
        .refused(409, "VOTE_EXISTS", "agent_id");
    let early = live.post(&format!("{request}/consensus"), &json!({})).ok(200);
    assert_eq!(
        (&early["reached"], early.get("receipt_id")),
        (&json!(false), None),
        "nothing is written early"
    );
    vote(live, &request, &bots[2], "abstain");
    let last = vote(live, &request, &bots[3], "confirm");
    assert_eq!((&last["status"], &last["current_count"]), (&json!("confirmed"), &json!(3)));

    let consensus = live.get(&format!("{request}/consensus")).ok(200);
    assert_eq!(
        (
            &consensus["confirmations"],
            &consensus["denials"],
            &consensus["abstentions"],
            &consensus["reached"]
        ),
        (&json!(2), &json!(0), &json!(1), &json!(true))
    );
    assert_eq!(consensus["signatures"].as_array().unwrap().len(), 3);
    assert_eq!(consensus["signatures"][0]["evidence"], "looked");
    let done = read(live, &made);
    assert_eq!((&done["status"], &done["verification_method"]), (&json!("verified"), &json!("witness")));
    let result = &done["verification_result"];
    assert_eq!((&result["result"], &result["receipt_id"]), (&json!("confirmed"), &done["receipt_id"]));
    assert!(done["verified_at"].is_string() && done["receipt_id"] != made["receipt_id"]);
    let index = result["log_index"].as_u64().unwrap();
    assert_eq!(live.get(&format!("/v1/records/{index}")).ok(200)["record_type"], "claim.resolve");
    live.post(&format!("{request}/attest"), &json!({"agent_id": bots[1]["agent_id"], "verdict": "deny"}))
        .refused(409, "CLAIM_RESOLVED", "witness_id");
    live.post("/v1/witness", &json!({"claim_id": made["claim_id"]})).refused(
        409,
        "CLAIM_RESOLVED",
        "claim_id",
    );
    let listed = live.get("/v1/truth?status=verified").ok(200);
    assert_eq!((&listed["claims"][0]["claim_id"], &listed["total"]), (&made["claim_id"], &json!(1)));
    assert_eq!(live.get("/v1/witness?status=confirmed").ok(200)["total"], 1);
}

#[test]
fn a_tie_is_not_confirmed_and_neither_are_votes_of_one_tenant_alone() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let live = &acme.live;
    let own: Vec<Value> = (0..3).map(|_| agent(live, &[])).collect();
    let theirs: Vec<Value> = (0..2).map(|_| agent(&other.live, &[])).collect();

    let tie = claim(live, &own[0], true);
    let request = ask(live, &tie, 2);
    vote(live, &request, &own[1], "confirm");
    assert_eq!(vote(live, &request, &own[2], "deny")["status"], "inconclusive");
    let tied = read(live, &tie);
    assert_eq!(
        (&tied["status"], &tied["verification_result"]["result"]),
        (&json!("disputed"), &json!("inconclusive"))
    );
    assert_eq!(tied["verification_result"]["reason"], "as many votes for it as against it");

    // Of a claim that concerns others, half of the quorum must be theirs.
    let alone = claim(live, &own[0], false);
    let request = ask(live, &alone, 2);
    other.live.get(&request).refused(404, "NOT_FOUND", "witness_id");
    vote(live, &request, &own[1], "confirm");
    assert_eq!(vote(live, &request, &own[2], "confirm")["status"], "inconclusive");
    let reason = read(live, &alone)["verification_result"]["reason"].as_str().unwrap().to_owned();
    assert_eq!(reason, "0 of 2 votes are of other tenants: at least half must be");

    let shared = claim(live, &own[0], false);
    let named = json!({
        "claim_id": shared["claim_id"], "required_witnesses": 2, "witness_agent_ids": [own[1]["agent_id"], theirs[0]["agent_id"]],
    });
    let request = live.post("/v1/witness", &named).ok(201);
    let request = format!("/v1/witness/{}", request["witness_id"].as_str().unwrap());
    vote(live, &request, &own[1], "confirm");
    let seen = other.live.get(&request).ok(200);
    assert_eq!(seen["claim"]["assertion"], "The total is right.", "whoever may vote sees what is claimed");
    let last = vote(&other.live, &request, &theirs[0], "confirm");
    assert_eq!(last["status"], "confirmed");
    let consensus = other.live.get(&format!("{request}/consensus")).ok(200);
    assert_eq!(
        (&consensus["from_other_tenants"], &consensus["required_from_other_tenants"]),
        (&json!(1), &json!(1))
    );
    let notes: Vec<_> =
        consensus["signatures"].as_array().unwrap().iter().map(|vote| vote["evidence"].is_null()).collect();
    assert_eq!(
        notes.iter().filter(|hidden| **hidden).count(),
        1,
        "what another tenant's agent has added is its own"
    );
    assert_eq!(read(live, &shared)["status"], "verified");
    other.live.get(&format!("/v1/truth/{}", claim_id(&shared))).refused(404, "NOT_FOUND", "claim_id");
}

#[test]
fn an_agent_votes_with_its_own_signature() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (claimant, voter) = (agent(live, &[]), agent(live, &[]));
    let seed: [u8; 32] =
        URL_SAFE_NO_PAD.decode(voter["private_key"].as_str().unwrap()).unwrap().try_into().unwrap();
    let key = SigningKey::from_seed(seed);
    let made = claim(live, &claimant, true);
    let request = ask(live, &made, 1);
    let ballot = live.get(&format!("{request}/ballot?agent_id={}&verdict=deny", id(&voter))).ok(200);
    let text = ballot["signed_text"].as_str().unwrap();
    let said: Value = serde_json::from_str(text).unwrap();
    assert_eq!((&said["type"], &said["body"]["vote"]), (&json!("witness.attest"), &json!("deny")));
    assert_eq!((&said["body"]["claim"], &said["actor"]), (&made["claim_id"], &voter["agent_id"]));
    let signed = |key: &SigningKey, change: &[(&str, Value)]| {
        let mut body = json!({
            "agent_id": voter["agent_id"], "verdict": "deny", "claim_hash": made["claim_hash"], "attestation_id": ballot["attestation_id"],
            "at": ballot["at"], "signature": URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes())),
        });
        for (name, value) in change {
            body[*name] = value.clone();
        }
        live.post(&format!("{request}/attest"), &body)
    };
    // The signature is over what the record says: over nothing else, and by nobody else.
    signed(&key, &[("verdict", json!("confirm"))]).refused(422, "BAD_SIGNATURE", "signature");
    signed(&SigningKey::from_seed([9; 32]), &[]).refused(422, "BAD_SIGNATURE", "signature");
    signed(&key, &[("claim_hash", json!("0".repeat(64)))]).refused(422, "INVALID_INPUT", "claim_hash");
    signed(&key, &[("signature", json!("AAAA"))]).refused(422, "INVALID_INPUT", "signature");
    signed(&key, &[("at", Value::Null)]).refused(422, "INVALID_INPUT", "at");
    let cast = signed(&key, &[]).ok(201);
    assert_eq!(
        (&cast["signed_by"], &cast["verdict"], &cast["status"]),
        (&json!("agent"), &json!("deny"), &json!("denied"))
    );
    assert_eq!(cast["signature"], URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes())));
    let record = live.get(&format!("/v1/records/{}", cast["log_index"])).ok(200);
    assert_eq!(record["record"]["actor"], voter["agent_id"]);
    let done = read(live, &made);
    assert_eq!(
        (&done["status"], &done["attestations"][0]["signed_by"]),
        (&json!("rejected"), &json!("agent"))
    );
}

#[test]
fn who_is_named_votes_and_nobody_else() {
    let api = Api::start();
    let (acme, other, third) =
        (api.tenant("Acme", "business"), api.tenant("Other", "business"), api.tenant("Third", "business"));
    let live = &acme.live;
    let own: Vec<Value> = (0..3).map(|_| agent(live, &[])).collect();
    let theirs = agent(&other.live, &[]);
    let made = claim(live, &own[0], false);
    let named = |agents: &[&Value], quorum: u64| {
        let ids: Vec<_> = agents.iter().map(|agent| id(agent)).collect();
        live.post(
            "/v1/witness",
            &json!({"claim_id": made["claim_id"], "required_attestations": quorum, "agent_ids": ids}),
        )
    };
    named(&[&own[0], &theirs], 2).refused(422, "INVALID_INPUT", "witness_agent_ids[0]");
    named(&[&own[1], &own[1]], 2).refused(422, "INVALID_INPUT", "witness_agent_ids[1]");
    named(&[&own[1]], 2).refused(422, "INVALID_INPUT", "witness_agent_ids");
    named(&[&own[1], &own[2]], 2).refused(422, "INVALID_INPUT", "witness_agent_ids");
    let made_request = named(&[&own[1], &theirs], 2).ok(201);
    let request = format!("/v1/witness/{}", made_request["witness_id"].as_str().unwrap());
    named(&[&own[1], &theirs], 2).refused(409, "VOTES_OPEN", "claim_id");
    let uninvited = json!({"agent_id": own[2]["agent_id"], "verdict": "confirm"});
    live.post(&format!("{request}/attest"), &uninvited).refused(403, "FORBIDDEN", "agent_id");
    third.live.get(&request).refused(404, "NOT_FOUND", "witness_id");
    other.live.get(&request).ok(200);
    vote(live, &request, &own[1], "confirm");
    assert_eq!(vote(&other.live, &request, &theirs, "confirm")["status"], "confirmed");

    // How far a voter must be trusted.
    let trusted = claim(live, &own[0], true);
    let body = json!({"claim_id": trusted["claim_id"], "required_witnesses": 1, "min_trust_score": 0.5, "ttl_seconds": 300});
    let request = live.post("/v1/witness", &body).ok(201);
    let attest = format!("/v1/witness/{}/attest", request["witness_id"].as_str().unwrap());
    live.post(&attest, &json!({"agent_id": own[1]["agent_id"], "verdict": "confirm"})).refused(
        403,
        "FORBIDDEN",
        "agent_id",
    );

    // A request that brings its claim.
    let brought = json!({"name": "The build is reproducible", "agent_id": own[0]["agent_id"], "required_attestations": 1});
    let brought = live.post("/v1/witness", &brought).ok(201);
    assert_eq!(brought["claim"]["assertion"], "The build is reproducible");
    live.post("/v1/witness", &json!({"name": "x"})).refused(422, "INVALID_INPUT", "claim_id");
}

#[test]
fn a_person_or_a_verifier_decides_where_no_votes_were_asked_for() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (bot, voter) = (agent(live, &[]), agent(live, &[]));
    let made = claim(live, &bot, true);
    let path = |claim: &Value, tail: &str| format!("/v1/truth-claims/{}/{tail}", claim_id(claim));
    live.post(&path(&made, "verify"), &json!({"verification_method": "ai"})).refused(
        422,
        "INVALID_INPUT",
        "verification_method",
    );
    let asked = live
        .post(&path(&made, "verify"), &json!({"verification_method": "human", "priority": "high"}))
        .ok(200);
    assert_eq!(
        (&asked["status"], &asked["valid"], &asked["priority"]),
        (&json!("verifying"), &json!(false), &json!("high"))
    );
    assert_eq!(asked["verification_id"], asked["receipt"]["receipt_id"]);
    let verdict =
        json!({"result": "confirmed", "verification_method": "human", "notes": "Checked.", "confidence": 1});
    let judge = format!("/v1/truth/{}/verdict", claim_id(&made));
    live.post(&judge, &json!({"result": "confirmed", "verification_method": "external"})).refused(
        422,
        "INVALID_INPUT",
        "tool_id",
    );
    live.post(&judge, &json!({"result": "fine", "verification_method": "human"})).refused(
        422,
        "INVALID_INPUT",
        "result",
    );
    let done = live.post(&judge, &verdict).ok(200);
    assert_eq!((&done["status"], &done["verification_method"]), (&json!("verified"), &json!("human")));
    assert_eq!(
        (&done["verification_result"]["notes"], &done["ack"]),
        (&json!("Checked."), &json!("sequenced"))
    );
    live.post(&judge, &verdict).refused(409, "CLAIM_RESOLVED", "claim_id");
    // The older way to ask: the answer to a decided claim is the decision.
    let known = live.post("/v1/truth/verify", &json!({"claim_id": made["claim_id"]})).ok(200);
    assert_eq!(
        (&known["valid"], &known["verification_result"]["result"]),
        (&json!(true), &json!("confirmed"))
    );
    assert_eq!(known["receipt"], Value::Null);

    let voted = claim(live, &bot, true);
    let body = json!({"claim_id": voted["claim_id"], "required_witnesses": 1});
    let asked = live.post("/v1/truth/verify", &body).ok(200);
    assert!(asked["estimated_completion"].is_string() && asked["witness_id"].is_string(), "{asked}");
    let again = live.post("/v1/truth/verify", &body).ok(200);
    assert_eq!((&again["witness_id"], &again["receipt"]), (&asked["witness_id"], &Value::Null));
    live.post(&format!("/v1/truth/{}/verdict", claim_id(&voted)), &verdict).refused(
        409,
        "VOTES_DECIDE",
        "claim_id",
    );
    vote(live, &format!("/v1/witness/{}", asked["witness_id"].as_str().unwrap()), &voter, "deny");
    assert_eq!(read(live, &voted)["status"], "rejected");
    live.post("/v1/truth/verify", &json!({})).refused(422, "INVALID_INPUT", "claim_id");
    let misplaced = json!({"claim_id": made["claim_id"], "verification_method": "human", "ttl_seconds": 300});
    live.post("/v1/truth/verify", &misplaced).refused(422, "INVALID_INPUT", "ttl_seconds");
}

#[test]
fn a_document_is_on_record_and_judged_by_somebody() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (bot, voter) = (agent(live, &[]), agent(live, &[]));
    let about = claim(live, &bot, true);
    let content = URL_SAFE_NO_PAD.encode("hello");
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let body = json!({
        "agent_id": bot["agent_id"], "document_type": "invoice", "file_name": "17.pdf", "media_type": "application/pdf",
        "document_hash": hash, "content": content, "claim_ids": [about["claim_id"]], "metadata": {"a": 1},
    });
    let made = live.post("/v1/truth/document/verify", &body).ok(201);
    assert_eq!(
        (&made["status"], &made["verdict"], &made["ai_verdict"]),
        (&json!("processing"), &json!("inconclusive"), &json!("inconclusive"))
    );
    assert_eq!((&made["document_hash"], &made["bytes"]), (&json!(format!("sha256:{hash}")), &json!(5)));
    assert_eq!((&made["human_verdict"], &made["truth_claim_id"]), (&Value::Null, &about["claim_id"]));
    let record = live.get(&format!("/v1/records/{}", made["log_index"])).ok(200);
    assert_eq!(record["record"]["body"]["digest"], made["document_hash"]);
    assert!(!record.to_string().contains("17.pdf"), "{record}");

    let path = format!("/v1/truth/document/{}", made["document_id"].as_str().unwrap());
    let judge = |body: Value| live.post(&format!("{path}/verdict"), &body);
    judge(json!({"verdict": "authentic", "verification_method": "external"})).refused(
        422,
        "INVALID_INPUT",
        "tool_id",
    );
    let by_votes =
        json!({"verdict": "forged", "verification_method": "witness", "claim_id": about["claim_id"]});
    judge(by_votes.clone()).refused(409, "VOTES_OPEN", "claim_id");
    let judged =
        judge(json!({"verdict": "authentic", "verification_method": "human", "notes": "Compared."})).ok(200);
    assert_eq!((&judged["status"], &judged["human_verdict"]), (&json!("verified"), &json!("authentic")));
    assert_eq!(judged["receipt_ids"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&judged["results"][0]["notes"], &judged["receipt_ids"][0]),
        (&json!("Compared."), &made["receipt_id"])
    );
    let request = ask(live, &about, 1);
    vote(live, &request, &voter, "deny");
    judge(json!({"verdict": "authentic", "verification_method": "witness", "claim_id": about["claim_id"]}))
        .refused(409, "RESULT_DIFFERS", "verdict");
    assert_eq!(
        judge(by_votes).ok(200)["status"],
        "rejected",
        "a later verdict takes the place of an earlier one"
    );
    let read = live.get(&path).ok(200);
    assert_eq!((&read["verdict"], &read["claims"][0]["result"]), (&json!("forged"), &json!("rejected")));
    assert_eq!(
        live.get("/v1/truth/document?status=rejected").ok(200)["documents"][0]["document_id"],
        made["document_id"]
    );

    let base = json!({"agent_id": bot["agent_id"]});
    for (change, field) in [
        (json!({}), "document_hash"),
        (json!({"document_hash": "abc"}), "document_hash"),
        (json!({"document_hash": "0".repeat(64), "content": content}), "document_hash"),
        (json!({"content": ""}), "content"),
        (json!({"document_hash": hash, "document_type": "novel"}), "document_type"),
    ] {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        live.post("/v1/truth/document/verify", &body).refused(422, "INVALID_INPUT", field);
    }
    let large = json!({"agent_id": bot["agent_id"], "content": "A".repeat(9 * 1024 * 1024)});
    live.post("/v1/truth/document/verify", &large).refused(413, "PAYLOAD_TOO_LARGE", "body");
}

#[test]
fn claims_and_documents_are_the_tenants_own() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let (live, their) = (&acme.live, &other.live);
    let bot = agent(their, &[]);
    let mine = agent(live, &[]);
    let internal = claim(their, &bot, true);
    let request = ask(their, &internal, 1);
    let document = json!({"agent_id": bot["agent_id"], "document_hash": "0".repeat(64)});
    let document = their.post("/v1/truth/document/verify", &document).ok(201);
    let document = format!("/v1/truth/document/{}", document["document_id"].as_str().unwrap());
    let truth = format!("/v1/truth/{}", claim_id(&internal));
    let same = format!("/v1/truth-claims/{}", claim_id(&internal));
    let ballot = format!("{request}/ballot?agent_id={}", id(&mine));
    let consensus = format!("{request}/consensus");
    for (path, field) in [
        (&truth, "claim_id"),
        (&same, "claim_id"),
        (&document, "document_id"),
        (&request, "witness_id"),
        (&ballot, "witness_id"),
        (&consensus, "witness_id"),
    ] {
        live.get(path).refused(404, "NOT_FOUND", field);
        live.with("x-tenant-id", &other.id).get(path).refused(403, "FORBIDDEN", "X-Tenant-ID");
        api.nobody().get(path).refused(401, "UNAUTHORIZED", "authorization");
    }
    let verdict = json!({"result": "confirmed", "verification_method": "human"});
    let judged = json!({"verdict": "authentic", "verification_method": "human"});
    let vote = json!({"agent_id": mine["agent_id"], "verdict": "confirm"});
    for (path, body, field) in [
        (format!("{truth}/verify"), json!({}), "claim_id"),
        (format!("{same}/verify"), json!({}), "claim_id"),
        ("/v1/truth/verify".into(), json!({"claim_id": internal["claim_id"]}), "claim_id"),
        (format!("{truth}/verdict"), verdict, "claim_id"),
        (format!("{document}/verdict"), judged, "document_id"),
        (format!("{request}/attest"), vote, "witness_id"),
        (consensus.clone(), json!({}), "witness_id"),
        ("/v1/witness".into(), json!({"claim_id": internal["claim_id"]}), "claim_id"),
        (
            "/v1/truth".into(),
            json!({"agent_id": bot["agent_id"], "claim_type": "x", "assertion": "y"}),
            "agent_id",
        ),
        (
            "/v1/truth/document/verify".into(),
            json!({"agent_id": bot["agent_id"], "document_hash": "0".repeat(64)}),
            "agent_id",
        ),
    ] {
        live.post(&path, &body).refused(404, "NOT_FOUND", field);
    }
    for (path, field) in [
        ("/v1/truth/x", "claim_id"),
        ("/v1/truth/document/x", "document_id"),
        ("/v1/witness/x", "witness_id"),
    ] {
        live.get(path).refused(400, "MALFORMED", field);
    }
    for (body, field) in [
        (json!({"agent_id": mine["agent_id"], "claim_type": "x"}), "assertion"),
        (json!({"agent_id": mine["agent_id"], "assertion": "x"}), "claim_type"),
        (
            json!({"agent_id": mine["agent_id"], "claim_type": "x", "assertion": "x", "confidence": 2}),
            "confidence",
        ),
        (
            json!({"agent_id": mine["agent_id"], "claim_type": "x", "assertion": "x", "evidence_urls": ["ftp://x"]}),
            "evidence_urls[0]",
        ),
    ] {
        live.post("/v1/truth", &body).refused(422, "INVALID_INPUT", field);
    }
    assert_eq!(live.get("/v1/truth").ok(200)["total"], 0);
    assert_eq!(their.get("/v1/truth-claims").ok(200)["total"], 1);
    let index = internal["log_index"].as_u64().unwrap();
    their.get(&format!("{truth}?min_index={index}")).ok(200);
}

/// A verifier in a process of its own, ended by its pid.
struct Verifier {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Verifier {
    fn start(api: &Api, key: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/verifier.py");
        let mut process = Command::new("python3")
            .args([script, &format!("http://{}", api.node.http), key])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the verifier goes on").unwrap()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn a_verifier_in_another_process_calls_back_with_its_verdict() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, &[]);
    let tool =
        json!({"name": "sum-checker", "display_name": "Sum checker", "scope_required": "claims:judge"});
    let tool = live.post("/v1/tools", &tool).ok(201);
    let key = json!({"name": "verifier", "scopes": ["claims:judge"], "environment": "production"});
    let key = live.post("/v1/api-keys", &key).ok(201);
    let mut verifier = Verifier::start(&api, key["secret"].as_str().unwrap());
    let url = verifier.line();
    for (assertion, status) in [("The total is right.", "verified"), ("The total is 7.", "rejected")] {
        let body = json!({"agent_id": bot["agent_id"], "claim_type": "integrity", "assertion": assertion});
        let made = live.post("/v1/truth", &body).ok(201);
        let ask = json!({"verification_method": "external", "tool_id": tool["tool_id"], "verifier_url": url});
        let asked = live.post(&format!("/v1/truth/{}/verify", claim_id(&made)), &ask).ok(200);
        // A verifier may be done before the answer that it was told is.
        assert_eq!(asked["notified"], true, "{asked}");
        assert!(asked["status"] == "verifying" || asked["status"] == status, "{asked}");
        assert_eq!(verifier.line(), status);
        let done = read(live, &made);
        let result = &done["verification_result"];
        assert_eq!((&done["status"], &result["method"]), (&json!(status), &json!("external")));
        assert_eq!((&result["tool_id"], &result["confidence"]), (&tool["tool_id"], &json!(0.75)));
    }

    // Nobody listens there: the verification stands, and can be judged all the same.
    let made = claim(live, &bot, true);
    let nobody = json!({"verification_method": "external", "tool_id": tool["tool_id"], "verifier_url": "http://127.0.0.1:1/"});
    let path = format!("/v1/truth/{}", claim_id(&made));
    let asked = live.post(&format!("{path}/verify"), &nobody).ok(200);
    assert_eq!((&asked["notified"], &asked["status"]), (&json!(false), &json!("verifying")), "{asked}");
    assert!(asked["notification_error"].is_string());
    let unknown = json!({"result": "confirmed", "verification_method": "external", "tool_id": "maip-tool:01KC2G2V3T3XJ6W1B0D9QH8Y70"});
    live.post(&format!("{path}/verdict"), &unknown).refused(404, "NOT_FOUND", "tool_id");
    let other = live
        .post("/v1/tools", &json!({"name": "other", "display_name": "x", "scope_required": "claims:judge"}))
        .ok(201);
    let wrong =
        json!({"result": "confirmed", "verification_method": "external", "tool_id": other["tool_id"]});
    live.post(&format!("{path}/verdict"), &wrong).refused(422, "INVALID_INPUT", "tool_id");
}
