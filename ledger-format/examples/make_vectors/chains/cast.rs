//! Who says what in the two logs, good and bad.

use std::collections::BTreeMap;

use ledger_format::record::*;
use ledger_format::{Staple, record};

use super::logs::{Log, START_MS};

pub(super) const A: &str = "a.example/ledger";
pub(super) const B: &str = "b.example/ledger";
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

pub(super) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed([number; 32])
}

pub(super) fn tenant(number: u8) -> TenantId {
    TenantId(Ulid::from_parts(START_MS, 100 + u128::from(number)))
}

pub(super) fn agent(number: u8) -> AgentId {
    AgentId(Ulid::from_parts(START_MS, 1_000 + u128::from(number)))
}

fn deleg(number: u8) -> DelegationId {
    DelegationId(Ulid::from_parts(START_MS, 3_000 + u128::from(number)))
}

fn scopes(list: &[&str]) -> Vec<Scope> {
    list.iter().map(|text| Scope::parse(text).expect("a scope")).collect()
}

fn genesis(log: &mut Log, name: &str, operator: u8) {
    let body = LogGenesis {
        limits: GenesisLimits::default(),
        log_keys: vec![log.policy("w").lines().next().expect("a line").trim_start_matches("log ").into()],
        operator_key: key(operator).public(),
        origin: log.origin.into(),
        policy: "quorum none\n".into(),
        predecessor: None,
        trust_algorithm: "maip-trust/1".into(),
    };
    log.say(name, Ulid::NIL, Actor::Operator, &key(operator), Body::LogGenesis(Box::new(body)));
}

fn join(log: &mut Log, name: &str, number: u8) {
    let public = Some(key(number).public());
    let body = TenantRegister { key: public, name: "T".into(), on_behalf_of: None, plan: None };
    log.say(name, tenant(number).0, Actor::Tenant, &key(number), Body::TenantRegister(body));
}

fn agent_body(number: u8) -> AgentRegister {
    AgentRegister {
        agent: agent(number),
        denies: Vec::new(),
        key: key(number).public(),
        name: "A".into(),
        on_behalf_of: None,
        parent: None,
        runtime_type: None,
        scopes: scopes(&["invoice:*"]),
        agent_type: AgentType::Autonomous,
    }
}

fn enrol(log: &mut Log, name: &str, of: u8, number: u8) {
    let body = Body::AgentRegister(Box::new(agent_body(number)));
    log.say(name, tenant(of).0, Actor::Tenant, &key(of), body);
}

fn rotate(log: &mut Log, name: &str, of: u8, number: u8, to: u8) {
    let body = AgentKey {
        agent: agent(number),
        key: key(to).public(),
        on_behalf_of: None,
        previous: key(number).kid(),
        reason: "scheduled".into(),
    };
    log.say(name, tenant(of).0, Actor::Agent(agent(number)), &key(number), Body::AgentKey(body));
}

fn agreed(own: u8, peer: u8, origin: Option<&str>) -> FederationAgree {
    let mut body = FederationAgree {
        expires_at: START_MS + DAY_MS,
        hops: 0,
        on_behalf_of: None,
        origin: origin.map(str::to_owned),
        peer: tenant(peer),
        peer_key: key(peer).public(),
        peer_sig: PeerSignature { kid: Kid([0; 16]), value: [0; 64] },
        scopes: scopes(&["invoice:*"]),
        ttl_min: 60,
    };
    body.sign_as_peer(tenant(own).0, &key(peer));
    body
}

fn agree(log: &mut Log, name: &str, own: u8, body: FederationAgree) -> RecordHash {
    log.say(name, tenant(own).0, Actor::Tenant, &key(own), Body::FederationAgree(Box::new(body)))
}

fn offer(
    number: u8,
    from: Option<u8>,
    to: (u8, u8),
    parent: Option<RecordHash>,
    list: &[&str],
) -> DelegationOffer {
    DelegationOffer {
        agreement: None,
        deny: scopes(&["invoice:delete"]),
        from: from.map(agent),
        grant: deleg(number),
        hops: 4 - u64::from(number.min(3)),
        limits: GrantLimits {
            approval_over: None,
            calls: Some(10),
            currency: None,
            env: None,
            expires_at: START_MS + 30 * MINUTE_MS,
            min_trust_bp: None,
            not_before: None,
            purpose: None,
            spend_minor: None,
            window_s: Some(60),
        },
        on_behalf_of: None,
        parent,
        scopes: scopes(list),
        to: GrantTo { agent: agent(to.1), kid: key(to.1).kid(), origin: None, tenant: tenant(to.0) },
    }
}

fn give(body: DelegationOffer) -> Body {
    Body::DelegationOffer(Box::new(body))
}

fn accept(number: u8, by: u8, offer: RecordHash) -> DelegationAccept {
    DelegationAccept {
        agent: agent(by),
        agreement: None,
        foreign: None,
        foreign_origin: None,
        grant: deleg(number),
        offer,
        on_behalf_of: None,
    }
}

fn take(body: DelegationAccept) -> Body {
    Body::DelegationAccept(Box::new(body))
}

fn action(by: u8, grant: Option<u8>, action: &str) -> ReceiptAction {
    ReceiptAction {
        approval: None,
        decision: None,
        grant: grant.map(deleg),
        action: Scope::parse(action).expect("a scope"),
        agent: agent(by),
        detail: Vec::new(),
        input: Digest::sha256(b"input"),
        on_behalf_of: None,
        outcome: Some(ActionOutcome::Success),
        output: Digest::sha256(b"output"),
        session: None,
        tool: None,
        verdict: None,
    }
}

/// Hashes that later records need.
struct Hashes {
    g1: RecordHash,
    g2: RecordHash,
    g3: RecordHash,
    g5: RecordHash,
    a_agreement: RecordHash,
    b_agreement: RecordHash,
    b_agreement23: RecordHash,
}

/// The policy and the text of every part.
pub(super) fn play() -> (String, BTreeMap<String, String>) {
    let (mut a, mut b) = (Log::new(A, 1), Log::new(B, 2));
    let mut evil = Log::new("evil.example/ledger", 3);
    let mut policy = a.policy("wa") + &b.policy("wb");
    policy += "group either any wa wb\nquorum either\n";
    genesis(&mut a, "a.genesis", 90);
    join(&mut a, "a.tenant1", 1);
    enrol(&mut a, "a.agent11", 1, 11);
    genesis(&mut b, "b.genesis", 91);
    join(&mut b, "b.tenant2", 2);
    enrol(&mut b, "b.agent21", 2, 21);
    enrol(&mut b, "b.agent22", 2, 22);
    join(&mut b, "b.tenant3", 3);
    enrol(&mut b, "b.agent31", 3, 31);
    let hashes = story(&mut a, &mut b);
    wrong_roots(&mut a, &mut b, &mut evil, &hashes);
    wrong_links(&mut a, &mut b, &hashes);
    wrong_crossings(&mut a, &mut b, &hashes);
    wrong_receipts(&mut b, &hashes);
    third_tenant(&mut b, &hashes);
    seals(&mut a, &mut b, &hashes);
    let mut pool = BTreeMap::new();
    a.publish(&mut pool);
    b.publish(&mut pool);
    evil.publish(&mut pool);
    let mut turned = Staple::parse(pool["s.b.g3.void"].as_bytes()).expect("a staple");
    turned.standing = Staple::parse(pool["s.b.g3"].as_bytes()).expect("a staple").standing;
    pool.insert("s.b.g3.turned".into(), turned.to_string());
    (policy, pool)
}

/// Tenant 1 grants to its agent 11, which grants to agent 21 of tenant 2 in the other log, which accepts and hands on to agent 22, which acts.
fn story(a: &mut Log, b: &mut Log) -> Hashes {
    let a_agreement = agree(a, "a.agreement", 1, agreed(1, 2, Some(B)));
    let b_agreement = agree(b, "b.agreement", 2, agreed(2, 1, Some(A)));
    let b_agreement23 = agree(b, "b.agreement23", 2, agreed(2, 3, None));
    let g1 =
        a.say("g1", tenant(1).0, Actor::Tenant, &key(1), give(offer(1, None, (1, 11), None, &["invoice:*"])));
    let mut body = offer(2, Some(11), (2, 21), Some(g1), &["invoice:pay", "invoice:read"]);
    (body.to.origin, body.agreement) = (Some(B.into()), Some(a_agreement));
    let record = a.draft(tenant(1).0, Actor::Agent(agent(11)), &key(11), give(body));
    a.raw("g2", &record.to_bytes());
    let g2 = record.hash();
    let foreign = String::from_utf8(record.to_bytes()).expect("json");
    let mut body = accept(2, 21, g2);
    (body.foreign, body.foreign_origin, body.agreement) = (Some(foreign), Some(A.into()), Some(b_agreement));
    for (name, agent_number, change) in [
        ("accept2", 21, None),
        ("accept2.other", 21, Some(RecordHash([7; 32]))),
        ("accept2.stranger", 22, None),
    ] {
        let mut body = DelegationAccept { agent: agent(agent_number), ..body.clone() };
        body.offer = change.unwrap_or(body.offer);
        b.say(name, tenant(2).0, Actor::Agent(agent(agent_number)), &key(agent_number), take(body));
    }
    let now = std::mem::replace(&mut b.ms, START_MS + 25 * 60 * MINUTE_MS);
    let mut late = body.clone();
    late.on_behalf_of = None;
    b.say("accept2.late", tenant(2).0, Actor::Agent(agent(21)), &key(21), take(late));
    b.ms = now;
    b.say(
        "r.early",
        tenant(2).0,
        Actor::Agent(agent(22)),
        &key(22),
        Body::ReceiptAction(action(22, Some(3), "invoice:read")),
    );
    let empty = offer(3, Some(21), (2, 22), Some(g2), &[]);
    b.say("g3.empty", tenant(2).0, Actor::Agent(agent(21)), &key(21), give(empty));
    let g3 = b.say(
        "g3",
        tenant(2).0,
        Actor::Agent(agent(21)),
        &key(21),
        give(offer(3, Some(21), (2, 22), Some(g2), &["invoice:read"])),
    );
    let hashes = Hashes { g1, g2, g3, g5: g3, a_agreement, b_agreement, b_agreement23 };
    b.seal(".early", &statuses_b(&hashes, 0), 0, START_MS + 3_650_000);
    b.say(
        "r",
        tenant(2).0,
        Actor::Agent(agent(22)),
        &key(22),
        Body::ReceiptAction(action(22, Some(3), "invoice:read")),
    );
    let mut five = offer(5, None, (3, 31), None, &["invoice:read"]);
    (five.agreement, five.hops) = (Some(b_agreement23), 0);
    let g5 = b.say("g5", tenant(2).0, Actor::Tenant, &key(2), give(five));
    b.say("accept5", tenant(3).0, Actor::Agent(agent(31)), &key(31), take(accept(5, 31, g5)));
    b.say(
        "r5",
        tenant(3).0,
        Actor::Agent(agent(31)),
        &key(31),
        Body::ReceiptAction(action(31, Some(5), "invoice:read")),
    );
    Hashes { g5, ..hashes }
}

fn wrong_roots(a: &mut Log, b: &mut Log, evil: &mut Log, hashes: &Hashes) {
    let mut long = offer(1, None, (1, 11), None, &["invoice:*"]);
    long.limits.expires_at = START_MS + 400 * DAY_MS;
    a.say("g1.long", tenant(1).0, Actor::Tenant, &key(1), give(long));
    a.say("g1.twin", tenant(1).0, Actor::Tenant, &key(1), give(offer(9, None, (1, 11), None, &["*:*"])));
    a.say(
        "g1.agent",
        tenant(1).0,
        Actor::Agent(agent(11)),
        &key(11),
        give(offer(1, None, (1, 11), None, &["invoice:*"])),
    );
    let root =
        a.draft(tenant(1).0, Actor::Tenant, &key(1), give(offer(1, None, (1, 11), None, &["invoice:*"])));
    b.raw("b.g1", &root.to_bytes());
    join(evil, "e.tenant1", 1);
    evil.raw("e.g1", &root.to_bytes());
    enrol(evil, "e.agent22", 2, 22);
    let _ = hashes;
}

fn wrong_links(a: &mut Log, b: &mut Log, hashes: &Hashes) {
    type Change = fn(&mut DelegationOffer);
    let changes: &[(&str, Change)] = &[
        ("g3.superset", |o| o.scopes = scopes(&["invoice:read", "order:read"])),
        ("g3.wildcard", |o| o.scopes = scopes(&["*:*"])),
        ("g3.wider", |o| o.scopes = scopes(&["invoice:*"])),
        ("g3.nodeny", |o| o.deny = Vec::new()),
        ("g3.limits", |o| (o.limits.calls, o.limits.window_s) = (None, None)),
        ("g3.longer", |o| o.limits.expires_at += 1),
        ("g3.hops", |o| o.hops = 2),
        ("g3.self", |o| (o.to.agent, o.to.kid) = (agent(21), key(21).kid())),
        ("g3.back", |o| (o.to.agent, o.to.kid, o.to.tenant) = (agent(11), key(11).kid(), tenant(1))),
        ("g3.from", |o| o.from = Some(agent(22))),
        ("g3.agreement", |o| o.agreement = Some(RecordHash([4; 32]))),
    ];
    let good = || offer(3, Some(21), (2, 22), Some(hashes.g2), &["invoice:read"]);
    let by = Actor::Agent(agent(21));
    for (name, change) in changes {
        let mut body = good();
        change(&mut body);
        b.say(name, tenant(2).0, by, &key(21), give(body));
    }
    b.say("g3.tenant", tenant(2).0, Actor::Tenant, &key(2), give(good()));
    let record = b.draft(tenant(2).0, by, &key(21), give(good()));
    let text = String::from_utf8(record.to_bytes()).expect("json");
    for (name, from, to) in [
        ("g3.case", "\"invoice:read\"", "\"Invoice:read\""),
        ("g3.unicode", "\"invoice:read\"", "\"invo\u{0456}ce:read\""),
        ("g3.limit", "\"limits\":{", "\"limits\":{\"budget\":5,"),
        ("g3.space", "\"hops\":1", "\"hops\": 1"),
        ("g3.twice", "\"hops\":1", "\"hops\":1,\"hops\":1"),
    ] {
        assert!(text.contains(from), "{name}");
        b.raw(name, text.replacen(from, to, 1).as_bytes());
    }
    let mut borrowed = record.clone();
    borrowed.sig =
        b.draft(tenant(2).0, by, &key(21), Body::ReceiptAction(action(21, Some(2), "invoice:read"))).sig;
    b.raw("g3.borrowed", &borrowed.to_bytes());
    rotate(b, "b.rotate21", 2, 21, 23);
    b.say("g3.swapped", tenant(2).0, by, &key(23), give(good()));
    // In the log where the grant above came from, not where its receiver lives.
    enrol(a, "a.agent21", 1, 21);
    a.say("a.g3", tenant(1).0, by, &key(21), give(good()));
}

fn wrong_crossings(a: &mut Log, b: &mut Log, hashes: &Hashes) {
    type Change = fn(&mut FederationAgree);
    let changes: &[(&str, Change)] = &[
        ("forged", |f| f.sign_as_peer(tenant(1).0, &key(66))),
        ("unsigned", |f| f.peer_sig.value = [3; 64]),
        ("between", |f| {
            f.peer = tenant(3);
            f.sign_as_peer(tenant(1).0, &key(3));
        }),
        ("ended", |f| {
            f.expires_at = START_MS + 1;
            f.sign_as_peer(tenant(1).0, &key(2));
        }),
        ("narrow", |f| {
            f.scopes = scopes(&["order:*"]);
            f.sign_as_peer(tenant(1).0, &key(2));
        }),
        ("short", |f| {
            f.ttl_min = 10;
            f.sign_as_peer(tenant(1).0, &key(2));
        }),
    ];
    let say = |a: &mut Log, name: &str, agreement| {
        let mut body = offer(2, Some(11), (2, 21), Some(hashes.g1), &["invoice:pay", "invoice:read"]);
        (body.to.origin, body.agreement) = (Some(B.into()), agreement);
        a.say(name, tenant(1).0, Actor::Agent(agent(11)), &key(11), give(body));
    };
    for (name, change) in changes {
        let mut body = agreed(1, 2, Some(B));
        change(&mut body);
        let hash = agree(a, &format!("a.agreement.{name}"), 1, body);
        say(a, &format!("g2.{name}"), Some(hash));
    }
    say(a, "g2.none", None);
    let _ = b;
}

fn wrong_receipts(b: &mut Log, hashes: &Hashes) {
    let by = Actor::Agent(agent(22));
    let good = |name: &str| Body::ReceiptAction(action(22, Some(3), name));
    b.say(
        "r.other",
        tenant(2).0,
        Actor::Agent(agent(21)),
        &key(21),
        Body::ReceiptAction(action(21, Some(3), "invoice:read")),
    );
    b.say("r.nogrant", tenant(2).0, by, &key(22), Body::ReceiptAction(action(22, None, "invoice:read")));
    b.say("r.scope", tenant(2).0, by, &key(22), good("invoice:pay"));
    b.say("r.denied", tenant(2).0, by, &key(22), good("invoice:delete"));
    b.say("r.tenant", tenant(2).0, Actor::Tenant, &key(2), good("invoice:read"));
    let body = ReceiptAction { on_behalf_of: Some("desk".into()), ..action(22, Some(3), "invoice:read") };
    b.say("r.operator", tenant(2).0, Actor::Operator, &key(91), Body::ReceiptAction(body));
    b.say("r.stolen", tenant(2).0, by, &key(67), good("invoice:read"));
    let mut record = b.draft(tenant(2).0, by, &key(22), good("invoice:read"));
    record.sig.value = unreduced(record.sig.value);
    b.raw("r.malleable", &record.to_bytes());
    let small = String::from_utf8(
        b.draft(tenant(2).0, Actor::Tenant, &key(2), Body::AgentRegister(Box::new(agent_body(22))))
            .to_bytes(),
    );
    let small = small.expect("json").replace(&key(22).public().to_string(), &format!("AQ{}", "A".repeat(41)));
    b.raw("b.agent22.small", small.as_bytes());
    let now = std::mem::replace(&mut b.ms, START_MS + 40 * MINUTE_MS);
    b.say("r.late", tenant(2).0, by, &key(22), good("invoice:read"));
    b.ms = now;
    rotate(b, "b.rotate22", 2, 22, 24);
    b.say("r.newkey", tenant(2).0, by, &key(24), good("invoice:read"));
    b.say("r.oldkey", tenant(2).0, by, &key(22), good("invoice:read"));
    let _ = hashes;
}

/// Agent 21 hands on to tenant 3, and the agreement that brought the grant lets it go no further.
fn third_tenant(b: &mut Log, hashes: &Hashes) {
    let mut body = offer(4, Some(21), (3, 31), Some(hashes.g2), &["invoice:read"]);
    (body.agreement, body.hops) = (Some(hashes.b_agreement23), 0);
    let g4 = b.say("g4", tenant(2).0, Actor::Agent(agent(21)), &key(21), give(body));
    b.say("accept4", tenant(3).0, Actor::Agent(agent(31)), &key(31), take(accept(4, 31, g4)));
}

/// Adds the group order to `s`: another signature of the same bytes, if nobody looks.
fn unreduced(mut signature: [u8; 64]) -> [u8; 64] {
    const ORDER: [u8; 16] =
        [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14];
    let mut carry = 0u16;
    for place in 0..32 {
        let order = match place {
            0..16 => ORDER[place],
            31 => 0x10,
            _ => 0,
        };
        carry += u16::from(signature[32 + place]) + u16::from(order);
        signature[32 + place] = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    signature
}

type Status = (&'static str, String, String);

fn agent_status(number: u8, of: u8, word: &str, until: &str) -> String {
    let kid = key(number).kid();
    format!(
        r#"{{"key":"{kid}","key_count":1,"keys":[{{"from":1,"kid":"{kid}"{until}}}],"since":1,"status":"{word}","tenant":"{}"}}"#,
        tenant(of)
    )
}

/// Index of the receipt `r` in the second log.
const RECEIPT_INDEX: u64 = 16;

/// An agent that was revoked at an index, and perhaps in foreign hands before.
fn ended_agent(number: u8, of: u8, since: u64, compromised_at: Option<u64>) -> String {
    let kid = key(number).kid();
    let stolen = compromised_at.map_or(String::new(), |at| format!(r#""compromised_at":{at},"#));
    format!(
        r#"{{{stolen}"key":"{kid}","key_count":1,"keys":[{{"from":1,"kid":"{kid}","until":{since}}}],"since":{since},"status":"revoked","tenant":"{}"}}"#,
        tenant(of)
    )
}

fn grant_status(word: &str, offer: record::RecordHash, to: u8) -> String {
    format!(r#"{{"expires_at":1,"offer":"{offer}","since":7,"status":"{word}","to":"{}"}}"#, agent(to))
}

fn word(status: &str) -> String {
    format!(r#"{{"since":7,"status":"{status}"}}"#)
}

fn statuses_a(hashes: &Hashes, change: usize) -> Vec<Status> {
    let pick = |at, live: &'static str, ended: &'static str| if change == at { ended } else { live };
    vec![
        ("s.a.tenant1", tenant(1).to_string(), word(pick(2, "active", "suspended"))),
        ("s.a.agent11", agent(11).to_string(), agent_status(11, 1, pick(3, "active", "suspended"), "")),
        ("s.a.g1", deleg(1).to_string(), grant_status("offered", hashes.g1, 11)),
        ("s.a.g2", deleg(2).to_string(), grant_status(pick(1, "offered", "revoked"), hashes.g2, 21)),
        ("s.a.agreement", format!("agreement:{}", hashes.a_agreement), word(pick(4, "in_force", "ended"))),
    ]
}

fn statuses_b(hashes: &Hashes, change: usize) -> Vec<Status> {
    let pick = |at, live: &'static str, ended: &'static str| if change == at { ended } else { live };
    let until = if change == 5 { r#","until":9"# } else { "" };
    let of_other = if change == 6 { hashes.g2 } else { hashes.g3 };
    let agent22 = match change {
        7 => ended_agent(22, 2, RECEIPT_INDEX + 1, None),
        8 => ended_agent(22, 2, RECEIPT_INDEX, None),
        // After the time that the receipt states, and before that of its entry.
        10 => ended_agent(22, 2, RECEIPT_INDEX + 1, Some(START_MS + 5_000)),
        _ => agent_status(22, 2, pick(1, "active", "killed"), until),
    };
    let g3 = match change {
        9 => grant_status("revoked", hashes.g3, 22)
            .replace("\"since\":7", &format!("\"since\":{}", RECEIPT_INDEX + 1)),
        _ => grant_status(pick(2, "offered", "void"), of_other, 22),
    };
    vec![
        ("s.b.tenant2", tenant(2).to_string(), word("active")),
        ("s.b.tenant3", tenant(3).to_string(), word("active")),
        ("s.b.agent21", agent(21).to_string(), agent_status(21, 2, "active", "")),
        ("s.b.agent22", agent(22).to_string(), agent22),
        ("s.b.agent31", agent(31).to_string(), agent_status(31, 3, "active", "")),
        ("s.b.g2", deleg(2).to_string(), grant_status("accepted", hashes.g2, 21)),
        ("s.b.g3", deleg(3).to_string(), g3),
        ("s.b.g5", deleg(5).to_string(), grant_status(pick(3, "accepted", "offered"), hashes.g5, 31)),
        ("s.b.agreement", format!("agreement:{}", hashes.b_agreement), word("in_force")),
        (
            "s.b.agreement23",
            format!("agreement:{}", hashes.b_agreement23),
            word(pick(4, "in_force", "ended")),
        ),
    ]
}

/// Roots of the maps: as it is, and with one thing ended, old, or while changes waited.
fn seals(a: &mut Log, b: &mut Log, hashes: &Hashes) {
    let (recent, old) = (START_MS + 3_650_000, START_MS + 3_000_000);
    a.seal(".old", &statuses_a(hashes, 0), 0, old);
    a.seal("", &statuses_a(hashes, 0), 0, recent);
    for (suffix, change) in [(".revoked", 1), (".tenant", 2), (".agent", 3), (".ended", 4)] {
        a.seal(suffix, &statuses_a(hashes, change), 0, recent);
    }
    b.seal("", &statuses_b(hashes, 0), 0, recent);
    for (suffix, change) in
        [(".killed", 1), (".void", 2), (".offered", 3), (".ended", 4), (".rotated", 5), (".other", 6)]
    {
        b.seal(suffix, &statuses_b(hashes, change), 0, recent);
    }
    b.seal(".old", &statuses_b(hashes, 0), 0, old);
    b.seal(".waiting", &statuses_b(hashes, 0), 1, recent);
    for (suffix, change) in
        [(".revoked_later", 7), (".revoked_there", 8), (".grant_later", 9), (".stolen", 10)]
    {
        b.seal(suffix, &statuses_b(hashes, change), 0, recent);
    }
}
