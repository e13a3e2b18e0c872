//! The gRPC services of a real node: submit, read, prove offline, administer, be refused.

use std::time::{SystemTime, UNIX_EPOCH};

use ledger_format::{
    Hash, Policy, Staple, StapleQuestion, TlogProof, leaf_hash, node_hash,
    record::{
        Actor, AgentId, AgentRegister, AgentType, Body, Digest, Draft, Entry, Plan, ReceiptAction, Record,
        Scope, SigningKey, TenantId, TenantRegister, Ulid,
    },
    verify_staple,
};
use ledger_node::keys;
use ledger_proto::v1::{
    Ack, AddLearnerRequest, Amount, EvaluateRequest, GetCheckpointRequest, GetConsistencyRequest,
    GetEndedRequest, GetEntryRequest, GetHistoryRequest, GetProofRequest, GetStapleRequest, GetStatusRequest,
    LogRequest, Refusal, StatusRequest, SubmitBatchRequest, SubmitRequest, TailRequest,
    admin_client::AdminClient, get_entry_request, get_proof_request, ledger_client::LedgerClient,
    submit_result::Result as Outcome, tail_response::Item,
};
use prost::Message as _;
use tonic::{
    Code, Request, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::node::{Node, request};

pub(crate) async fn connect(node: &Node) -> Channel {
    let ca = std::fs::read(node.file("tls/ca.pem")).unwrap();
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)).domain_name("localhost");
    Endpoint::from_shared(format!("https://{}", node.client))
        .unwrap()
        .tls_config(tls)
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// With the admin key.
pub(crate) fn admin<T>(node: &Node, message: T) -> Request<T> {
    let key = std::fs::read_to_string(node.file("keys/admin.key")).unwrap();
    with_key(message, &format!("ApiKey {}", key.trim_end()))
}

pub(crate) fn with_key<T>(message: T, value: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", value.parse().unwrap());
    request
}

pub(crate) fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A tenant that the operator registers, as canonical bytes.
pub(crate) fn tenant(node: &Node, name: &str) -> Vec<u8> {
    let text = keys::read_secret(&node.file("keys/main.operator.key")).unwrap();
    let operator = SigningKey::parse_seed_text(&text).unwrap();
    let id =
        Ulid::from_parts(now_ms(), u128::from_le_bytes(keys::random().unwrap()[..16].try_into().unwrap()));
    let body = TenantRegister {
        key: None,
        name: name.to_owned(),
        on_behalf_of: Some("operations".to_owned()),
        plan: Some(Plan::Business),
    };
    Draft::new(id, id, Actor::Operator, now_ms(), Body::TenantRegister(body)).sign(&operator).to_bytes()
}

pub(crate) fn submission(record: &[u8], ack: Ack) -> SubmitRequest {
    SubmitRequest { log: String::new(), record: record.to_vec().into(), ack: ack.into(), timeout_ms: 20_000 }
}

pub(crate) fn refusal(status: &Status) -> Refusal {
    Refusal::decode(status.details()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_gets_an_index_and_a_proof_that_needs_nobody() {
    let mut node = Node::init("");
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let record = tenant(&node, "acme");

    let first = ledger.submit(admin(&node, submission(&record, Ack::Witnessed))).await.unwrap().into_inner();
    assert_eq!((first.index, first.duplicate), (1, false));
    let again = ledger.submit(admin(&node, submission(&record, Ack::Sequenced))).await.unwrap().into_inner();
    assert_eq!((again.index, again.duplicate), (1, true));
    assert_eq!(again.leaf_hash, first.leaf_hash);

    // The proof is judged by the policy alone.
    let policy = Policy::parse(&std::fs::read_to_string(node.file("policy-main.txt")).unwrap()).unwrap();
    let proof = TlogProof::parse(&first.proof).unwrap();
    let entry = proof.entry().unwrap().to_vec();
    assert_eq!(leaf_hash(&entry).as_bytes()[..], first.leaf_hash[..]);
    assert_eq!(ledger_format::verify(&entry, &proof, &policy).unwrap().index, 1);
    let mut forged = entry.clone();
    forged[20] ^= 1;
    assert!(ledger_format::verify(&forged, &proof, &policy).is_err());

    // Reads agree with the proof.
    let by_index = GetEntryRequest { which: Some(get_entry_request::Which::Index(1)), ..Default::default() };
    assert_eq!(ledger.get_entry(by_index).await.unwrap().into_inner().entry[..], entry[..]);
    let later =
        GetProofRequest { which: Some(get_proof_request::Which::Index(1)), wait: true, ..Default::default() };
    let later = ledger.get_proof(later).await.unwrap().into_inner();
    assert!(TlogProof::parse(&later.proof).is_ok());
    let checkpoint =
        ledger.get_checkpoint(GetCheckpointRequest { min_size: 2, timeout_ms: 20_000, ..Default::default() });
    assert!(!checkpoint.await.unwrap().into_inner().checkpoint.is_empty());
    let consistency = ledger.get_consistency(GetConsistencyRequest { old_size: 1, ..Default::default() });
    assert_eq!(consistency.await.unwrap().into_inner().new_size, 2);

    // A restart forgets nothing.
    assert_eq!(node.stop(), Some(0));
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let once_more =
        ledger.submit(admin(&node, submission(&record, Ack::Sequenced))).await.unwrap().into_inner();
    assert_eq!((once_more.index, once_more.duplicate), (1, true));
}

/// Staples over gRPC and HTTP: the same file, judged by the policy alone.
#[tokio::test(flavor = "multi_thread")]
async fn every_door_hands_out_staples() {
    let mut node = Node::init("");
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let ask = |subject: &str, min_size| GetStapleRequest {
        subject: subject.to_owned(),
        min_size,
        timeout_ms: 20_000,
        ..Default::default()
    };
    let nobody = "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N";

    // The genesis changes no status, so nothing is sealed: come back later.
    let early = ledger.get_staple(ask(nobody, 0)).await.unwrap_err();
    assert_eq!((early.code(), refusal(&early).code.as_str()), (Code::Unavailable, "NOT_SEALED"));
    assert_eq!(refusal(&early).retry_after_ms, 1_000);
    let early = node.get(&format!("/main/status/{nobody}")).unwrap();
    assert_eq!((early.status, early.header("retry-after")), (503, Some("1")));
    let late = GetStapleRequest { timeout_ms: 1, ..ask(nobody, 1 << 40) };
    assert_eq!(ledger.get_staple(late).await.unwrap_err().code(), Code::DeadlineExceeded);

    let record = tenant(&node, "acme");
    let logged = ledger.submit(admin(&node, submission(&record, Ack::Sequenced))).await.unwrap().into_inner();
    let subject = TenantId(Record::parse(&record).unwrap().tenant).to_string();
    let staple = ledger.get_staple(ask(&subject, logged.index + 1)).await.unwrap().into_inner().staple;
    let policy = Policy::parse(&std::fs::read_to_string(node.file("policy-main.txt")).unwrap()).unwrap();
    let judge = |bytes: &[u8], subject: &str| {
        let origin = "maip.localhost/main";
        let question = StapleQuestion { origin, subject, now_s: now_ms() / 1_000, max_age_s: None };
        verify_staple(&Staple::parse(bytes).unwrap(), &policy, &question)
    };
    let status = judge(&staple, &subject).unwrap().value.unwrap();
    assert!(String::from_utf8(status).unwrap().contains(r#""status":"active""#));

    for path in [
        format!("/status/{subject}"),
        format!("/main/status/{subject}"),
        format!("/main/status/{}", subject.replace(':', "%3A")),
        format!("/v1/log/status/{}?log=main", subject.replace(':', "%3a")),
    ] {
        let answer = node.get(&path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=1"));
        assert!(judge(&answer.body, &subject).unwrap().value.is_some(), "{path}");
    }
    let absent = node.get(&format!("/main/status/{nobody}")).unwrap();
    assert_eq!(judge(&absent.body, nobody).unwrap().value, None, "the log knows no such agent");
    assert!(judge(&absent.body, &subject).is_err(), "a staple of somebody else");

    for bad in ["", "maip-agent:1", "maip-pol:01KC2G2V3T3XJ6W1B0D9QH8Y7N"] {
        let refused = ledger.get_staple(ask(bad, 0)).await.unwrap_err();
        assert_eq!((refused.code(), refusal(&refused).field.as_str()), (Code::InvalidArgument, "subject"));
    }
    let bad = node.get("/main/status/maip-agent:1").unwrap();
    assert!(bad.status == 400 && bad.text().contains(r#""field":"subject""#), "{}", bad.text());
    assert_eq!(node.get(&format!("/nolog/status/{nobody}")).unwrap().status, 404);
}

/// The present status is read after one's own write, and a node that is not that far says so.
#[tokio::test(flavor = "multi_thread")]
async fn the_present_status_is_told() {
    let mut node = Node::init("");
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let record = tenant(&node, "acme");
    let subject = TenantId(Record::parse(&record).unwrap().tenant).to_string();
    let ask = |min_index| GetStatusRequest {
        subject: subject.clone(),
        min_index,
        timeout_ms: 20_000,
        ..Default::default()
    };
    let before = ledger.get_status(ask(Some(0))).await.unwrap().into_inner();
    assert!(before.status.is_empty() && !before.live && before.size == 1, "{before:?}");
    let logged = ledger.submit(admin(&node, submission(&record, Ack::Sequenced))).await.unwrap().into_inner();
    let after = ledger.get_status(ask(Some(logged.index))).await.unwrap().into_inner();
    assert!(after.live && after.size > logged.index, "{after:?}");
    assert!(String::from_utf8_lossy(&after.status).contains(r#""status":"active""#), "{after:?}");
    let late = GetStatusRequest { timeout_ms: 1, ..ask(Some(1 << 40)) };
    assert_eq!(ledger.get_status(late).await.unwrap_err().code(), Code::DeadlineExceeded);
    let bad = GetStatusRequest { subject: "acme".to_owned(), ..Default::default() };
    assert_eq!(refusal(&ledger.get_status(bad).await.unwrap_err()).field, "subject");
    let bad = GetEndedRequest { agent: subject, ..Default::default() };
    assert_eq!(refusal(&ledger.get_ended(bad).await.unwrap_err()).field, "agent");
}

/// The answer is the one that a decision logged now would have, and counts what was logged before.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_and_logs_nothing() {
    let mut node = Node::init("");
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let record = tenant(&node, "acme");
    let tenant_id = TenantId(Record::parse(&record).unwrap().tenant);
    ledger.submit(admin(&node, submission(&record, Ack::Sequenced))).await.unwrap();
    let operator = keys::read_secret(&node.file("keys/main.operator.key")).unwrap();
    let operator = SigningKey::parse_seed_text(&operator).unwrap();
    let register = AgentRegister {
        agent: AgentId(Ulid(7)),
        denies: vec![],
        key: SigningKey::from_seed([9; 32]).public(),
        name: "bot".into(),
        on_behalf_of: Some("operations".to_owned()),
        parent: None,
        runtime_type: None,
        scopes: vec![Scope::parse("invoice:read").unwrap()],
        agent_type: AgentType::Autonomous,
    };
    let body = Body::AgentRegister(Box::new(register));
    let record = Draft::new(tenant_id.0, Ulid(1), Actor::Operator, now_ms(), body).sign(&operator).to_bytes();
    let logged = ledger.submit(admin(&node, submission(&record, Ack::Sequenced))).await.unwrap().into_inner();
    let ask = |action: &str| EvaluateRequest {
        tenant: tenant_id.to_string(),
        agent: AgentId(Ulid(7)).to_string(),
        action: action.to_owned(),
        min_index: Some(logged.index),
        timeout_ms: 20_000,
        ..Default::default()
    };
    let yes = ledger.evaluate(ask("invoice:read")).await.unwrap().into_inner();
    assert_eq!((yes.result.as_str(), yes.reason.as_str()), ("allowed", "within_scope"));
    assert!(yes.size > logged.index && yes.log_ms >= logged.log_ms, "{yes:?}");
    let no = ledger.evaluate(ask("invoice:pay")).await.unwrap().into_inner();
    assert_eq!((no.result.as_str(), no.reason.as_str()), ("denied", "no_scope"));

    let asks = [
        (EvaluateRequest { agent: AgentId(Ulid(8)).to_string(), ..ask("a:b") }, Code::NotFound, "agent"),
        (EvaluateRequest { agent: "bot".into(), ..ask("a:b") }, Code::InvalidArgument, "agent"),
        (ask("invoice:*"), Code::InvalidArgument, "action"),
        (EvaluateRequest { kind: "guardrail".into(), ..ask("a:b") }, Code::InvalidArgument, "kind"),
        (EvaluateRequest { tool: "hammer".into(), ..ask("a:b") }, Code::InvalidArgument, "tool"),
        (
            EvaluateRequest { amount: Some(Amount { currency: "euro".into(), minor: 1 }), ..ask("a:b") },
            Code::InvalidArgument,
            "amount.currency",
        ),
    ];
    for (request, code, field) in asks {
        let status = ledger.evaluate(request).await.unwrap_err();
        assert_eq!((status.code(), refusal(&status).field.as_str()), (code, field));
    }
    let late = EvaluateRequest { min_index: Some(1 << 40), timeout_ms: 1, ..ask("a:b") };
    assert_eq!(ledger.evaluate(late).await.unwrap_err().code(), Code::DeadlineExceeded);
}

/// A page at a time, published ones only, and the same after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_comes_in_pages() {
    let mut node = Node::init("");
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let record = tenant(&node, "acme");
    let tenant_id = Record::parse(&record).unwrap().tenant;
    ledger.submit(admin(&node, submission(&record, Ack::Sequenced))).await.unwrap();
    let operator = keys::read_secret(&node.file("keys/main.operator.key")).unwrap();
    let operator = SigningKey::parse_seed_text(&operator).unwrap();
    let agent = AgentId(Ulid(7));
    let for_whom = || Some("operations".to_owned());
    let by_operator = |body: Body| {
        let random = keys::random().unwrap()[..16].try_into().unwrap();
        let id = Ulid::from_parts(now_ms(), u128::from_le_bytes(random));
        Draft::new(tenant_id, id, Actor::Operator, now_ms(), body).sign(&operator).to_bytes()
    };
    let register = AgentRegister {
        agent,
        denies: vec![],
        key: SigningKey::from_seed([9; 32]).public(),
        name: "bot".into(),
        on_behalf_of: for_whom(),
        parent: None,
        runtime_type: None,
        scopes: vec![Scope::parse("invoice:read").unwrap()],
        agent_type: AgentType::Autonomous,
    };
    let mut records = vec![by_operator(Body::AgentRegister(Box::new(register)))];
    for number in 0..5u8 {
        records.push(by_operator(Body::ReceiptAction(ReceiptAction {
            approval: None,
            decision: None,
            grant: None,
            action: Scope::parse("invoice:read").unwrap(),
            agent,
            detail: vec![],
            input: Digest::sha256(&[number]),
            on_behalf_of: for_whom(),
            outcome: None,
            output: Digest::sha256(b"out"),
            session: None,
            tool: None,
            verdict: None,
        })));
    }
    let (mut indexes, mut hashes) = (Vec::new(), Vec::new());
    for record in &records {
        let request = admin(&node, submission(record, Ack::Sequenced));
        indexes.push(ledger.submit(request).await.unwrap().into_inner().index);
        hashes.push(Record::parse(record).unwrap().hash());
    }
    let size = indexes[5] + 1;
    let ask = |from, limit| GetHistoryRequest {
        agent: agent.to_string(),
        from,
        limit,
        min_size: size,
        timeout_ms: 20_000,
        ..Default::default()
    };
    assert_eq!(node.stop(), Some(0));
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let page = ledger.get_history(ask(from, 2)).await.unwrap().into_inner();
        assert!(page.entries.len() <= 2 && page.published_size >= size);
        let Some(last) = page.entries.last() else { break };
        from = last.index + 1;
        found.extend(page.entries.into_iter().map(|entry| {
            let parsed = Entry::parse(&entry.entry).unwrap();
            (entry.index, Record::parse(parsed.record).unwrap().hash())
        }));
    }
    let want: Vec<_> = indexes[1..].iter().copied().zip(hashes[1..].iter().copied()).collect();
    assert_eq!(found, want);
    // Its status counts them, and their chain is its head.
    let staple = GetStapleRequest {
        subject: agent.to_string(),
        min_size: size,
        timeout_ms: 20_000,
        ..Default::default()
    };
    let staple = Staple::parse(&ledger.get_staple(staple).await.unwrap().into_inner().staple).unwrap();
    let head = want.iter().fold(Hash([0; 32]), |head, (_, hash)| node_hash(head, Hash(hash.0)));
    let status = String::from_utf8(staple.value().unwrap().to_vec()).unwrap();
    assert!(
        status.contains(&format!(r#""receipts":{{"count":5,"flagged":0,"head":"{}"}}"#, head.to_hex())),
        "{status}"
    );
    let nobody = GetHistoryRequest { agent: AgentId(Ulid(8)).to_string(), ..Default::default() };
    assert!(ledger.get_history(nobody).await.unwrap().into_inner().entries.is_empty());
    let bad = GetHistoryRequest { agent: "bot".into(), ..Default::default() };
    assert_eq!(refusal(&ledger.get_history(bad).await.unwrap_err()).field, "agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_streams_and_tails_keep_their_order() {
    let mut node = Node::init("");
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);

    let records: Vec<Vec<u8>> = (0..20).map(|number| tenant(&node, &format!("tenant {number}"))).collect();
    let mut mixed: Vec<_> = records[..10].iter().map(|record| record.clone().into()).collect();
    mixed.insert(3, b"{\"not\": \"canonical\"}".to_vec().into());
    let batch = SubmitBatchRequest { records: mixed, ack: Ack::Sequenced.into(), ..Default::default() };
    let results = ledger.submit_batch(admin(&node, batch)).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 11);
    for (place, result) in results.into_iter().enumerate() {
        match (place, result.result.unwrap()) {
            (3, Outcome::Refused(refusal)) => {
                assert!(!refusal.code.is_empty() && !refusal.fix.is_empty(), "{refusal:?}")
            }
            (3, Outcome::Ok(ok)) => panic!("a malformed record was logged at {}", ok.index),
            (_, Outcome::Ok(ok)) => assert!(ok.index >= 1),
            (_, Outcome::Refused(refusal)) => panic!("{place}: {refusal:?}"),
        }
    }

    let requests: Vec<_> = records[10..].iter().map(|record| submission(record, Ack::Sequenced)).collect();
    let mut answers =
        ledger.submit_stream(admin(&node, tokio_stream::iter(requests))).await.unwrap().into_inner();
    let mut leaves = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        match answer.result.unwrap() {
            Outcome::Ok(ok) => leaves.push((ok.index, ok.leaf_hash)),
            Outcome::Refused(refusal) => panic!("{refusal:?}"),
        }
    }
    assert_eq!(leaves.len(), 10, "an answer for each request");

    ledger
        .get_checkpoint(GetCheckpointRequest { min_size: 21, timeout_ms: 20_000, ..Default::default() })
        .await
        .unwrap();
    let mut tail = ledger.tail(TailRequest { from: 1, ..Default::default() }).await.unwrap().into_inner();
    let (mut next, mut covered) = (1, 0);
    while let Some(answer) = tail.message().await.unwrap() {
        match answer.item.unwrap() {
            Item::Entry(entry) => {
                assert_eq!(entry.index, next);
                if let Some((_, leaf)) = leaves.iter().find(|(index, _)| *index == entry.index) {
                    assert_eq!(leaf_hash(&entry.entry).as_bytes()[..], leaf[..]);
                }
                next += 1;
            }
            Item::Checkpoint(_) => covered = next,
        }
    }
    assert_eq!((next, covered), (21, 21), "every entry, and a checkpoint after them");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_the_field_and_the_fix() {
    let mut node = Node::init("[limits]\nsubmit_ms = 20000\n");
    node.start();
    let channel = connect(&node).await;
    let mut ledger = LedgerClient::new(channel.clone());
    let mut admin_client = AdminClient::new(channel.clone());

    let malformed = ledger.submit(submission(b"{}", Ack::Sequenced)).await.unwrap_err();
    assert_eq!(malformed.code(), Code::InvalidArgument);
    assert!(!refusal(&malformed).fix.is_empty());
    let oversize = ledger.submit(submission(&vec![b' '; 70_000], Ack::Sequenced)).await.unwrap_err();
    assert_eq!(oversize.code(), Code::InvalidArgument, "{oversize}");
    let elsewhere = SubmitRequest { log: "nolog".to_owned(), ..submission(b"{}", Ack::Sequenced) };
    let elsewhere = ledger.submit(elsewhere).await.unwrap_err();
    assert_eq!((elsewhere.code(), refusal(&elsewhere).field.as_str()), (Code::NotFound, "log"));
    let level = SubmitRequest { ack: 9, ..submission(b"{}", Ack::Sequenced) };
    assert_eq!(refusal(&ledger.submit(level).await.unwrap_err()).field, "ack");
    let many = SubmitBatchRequest { records: vec![Vec::new().into(); 257], ..Default::default() };
    assert_eq!(refusal(&ledger.submit_batch(many).await.unwrap_err()).field, "records");
    let huge = SubmitBatchRequest { records: vec![vec![0; 18 << 20].into()], ..Default::default() };
    let huge = ledger.submit_batch(huge).await.unwrap_err();
    assert_eq!(huge.code(), Code::OutOfRange, "{huge}");
    let nothing = ledger.get_entry(GetEntryRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&nothing).field, "which");
    let beyond =
        GetEntryRequest { which: Some(get_entry_request::Which::Index(1 << 40)), ..Default::default() };
    assert_eq!(ledger.get_entry(beyond).await.unwrap_err().code(), Code::NotFound);
    let backwards = GetConsistencyRequest { old_size: 5, new_size: 1, ..Default::default() };
    assert_eq!(refusal(&ledger.get_consistency(backwards).await.unwrap_err()).field, "old_size");

    // A wrong key is refused everywhere, no key only where one is needed.
    let wrong = with_key(submission(b"{}", Ack::Sequenced), "ApiKey maip_live_0000000000000000000000");
    assert_eq!(ledger.submit(wrong).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(admin_client.status(StatusRequest {}).await.unwrap_err().code(), Code::Unauthenticated);
    let learner = AddLearnerRequest { id: 2, peer: "127.0.0.1:1".to_owned(), api: String::new() };
    assert_eq!(admin_client.add_learner(learner).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(admin_client.backup(LogRequest::default()).await.unwrap_err().code(), Code::Unauthenticated);
    let status = admin_client.status(admin(&node, StatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.node_id, status.logs.len(), status.logs[0].leader_id), (1, 2, 1));
    assert!(!status.logs[0].read_only);

    let check = HealthCheckRequest { service: "maip.ledger.v1.Ledger".to_owned() };
    let health = HealthClient::new(channel).check(check).await.unwrap().into_inner();
    assert_eq!(health.status, 1, "SERVING");
    // The plain listener takes no writes, in gRPC or otherwise.
    let plain = "POST /maip.ledger.v1.Ledger/Submit HTTP/1.1\r\nhost: n\r\ncontent-type: application/grpc-web\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert!(request(node.http, plain).unwrap().status >= 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_tail_does_not_hold_up_the_end() {
    let mut node = Node::init("");
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let mut tail =
        ledger.tail(TailRequest { follow: true, ..Default::default() }).await.unwrap().into_inner();
    tail.message().await.unwrap().unwrap();
    assert_eq!(tokio::task::block_in_place(|| node.stop()), Some(0));
    let end = loop {
        match tail.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a tail ends with a reason"),
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_told_when_to_come_back() {
    let mut node = Node::init("[limits]\nlong_streams = 1\n");
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let follow = TailRequest { follow: true, ..Default::default() };
    let mut first = ledger.tail(follow.clone()).await.unwrap().into_inner();
    first.message().await.unwrap().unwrap();
    let second = ledger.tail(follow).await.unwrap_err();
    assert_eq!(second.code(), Code::ResourceExhausted);
    assert_eq!(second.metadata().get("grpc-retry-pushback-ms").unwrap(), "1000");
    assert_eq!(refusal(&second).retry_after_ms, 1_000);
}
