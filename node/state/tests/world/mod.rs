//! A small world for tests: keys from seeds, and the records that they sign.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod families;
pub(crate) mod history;
pub(crate) mod private;
pub(crate) mod speak;

use ledger_format::record::{
    ActionOutcome, ActionVerdict, Actor, AgentId, AgentKey, AgentKill, AgentReactivate, AgentRegister,
    AgentRevoke, AgentSuspend, AgentType, Body, Digest, Draft, GenesisLimits, LogGenesis, ReceiptAction,
    Record, Scope, SessionClose, SessionEnd, SessionHandoff, SessionId, SessionOpen, SessionRefresh,
    SigningKey, TenantRegister, Ulid,
};
use ledger_format::{Checkpoint, Hash, Note, NoteSigner, SignatureType};
use ledger_state::{Alarm, Command, MemoryState, Outcome};

/// The origin of the log in tests.
pub(crate) const ORIGIN: &str = "ledger.example/test";

/// When everything begins, ms since 1970.
pub(crate) const START_MS: u64 = 1_769_000_000_000;

/// The log's note key.
pub(crate) fn log_key() -> NoteSigner {
    NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32]).expect("a good name")
}

/// A signing key by number.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed([number; 32])
}

/// The operator's key.
pub(crate) fn operator() -> SigningKey {
    key(200)
}

/// A tenant's id and root key, by number.
pub(crate) fn tenant(number: u8) -> (Ulid, SigningKey) {
    (Ulid::from_parts(START_MS, u128::from(number) + 1), key(100 + number))
}

/// An agent's id, by number.
pub(crate) fn agent(number: u8) -> AgentId {
    AgentId(Ulid::from_parts(START_MS, 1_000 + u128::from(number)))
}

/// A record id, by number.
pub(crate) fn id(number: u64) -> Ulid {
    Ulid::from_parts(START_MS, 1 << 70 | u128::from(number))
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).expect("a scope")
}

pub(crate) fn scopes(list: &[&str]) -> Vec<Scope> {
    let mut list: Vec<_> = list.iter().map(|text| scope(text)).collect();
    list.sort();
    list.dedup();
    list
}

pub(crate) fn genesis_with(limits: GenesisLimits) -> Record {
    let body = LogGenesis {
        limits,
        log_keys: vec![log_key().vkey().to_string()],
        operator_key: operator().public(),
        origin: ORIGIN.into(),
        policy: format!("log {}\nquorum none\n", log_key().vkey()),
        predecessor: None,
        trust_algorithm: "maip-trust/1".into(),
    };
    Draft::new(Ulid::NIL, id(0), Actor::Operator, START_MS, Body::LogGenesis(Box::new(body)))
        .sign(&operator())
}

pub(crate) fn genesis() -> Record {
    genesis_with(GenesisLimits::default())
}

pub(crate) fn register_tenant(number: u8) -> Record {
    let (tenant, root) = tenant(number);
    let body = TenantRegister {
        key: Some(root.public()),
        name: format!("Tenant {number}"),
        on_behalf_of: None,
        plan: None,
    };
    Draft::new(tenant, id(1), Actor::Tenant, START_MS, Body::TenantRegister(body)).sign(&root)
}

/// The body of a registration with one scope; the agent's key has the agent's number.
pub(crate) fn agent_body(number: u8, parent: Option<u8>) -> AgentRegister {
    AgentRegister {
        agent: agent(number),
        denies: Vec::new(),
        key: key(number).public(),
        name: format!("Agent {number}"),
        on_behalf_of: None,
        parent: parent.map(agent),
        runtime_type: Some("worker".into()),
        scopes: scopes(&["invoice:*"]),
        agent_type: AgentType::Autonomous,
    }
}

/// Signs a body as the tenant.
pub(crate) fn by_tenant(number: u8, record: u64, body: Body) -> Record {
    let (tenant, root) = tenant(number);
    Draft::new(tenant, id(record), Actor::Tenant, START_MS, body).sign(&root)
}

pub(crate) fn register_agent(tenant: u8, record: u64, number: u8, parent: Option<u8>) -> Record {
    by_tenant(tenant, record, Body::AgentRegister(Box::new(agent_body(number, parent))))
}

pub(crate) fn action_body(number: u8, action: &str) -> ReceiptAction {
    ReceiptAction {
        approval: None,
        decision: None,
        grant: None,
        action: scope(action),
        agent: agent(number),
        detail: Vec::new(),
        input: Digest::sha256(b"input"),
        on_behalf_of: None,
        outcome: Some(ActionOutcome::Success),
        output: Digest::blake3(b"output"),
        session: None,
        tool: Some("erp".into()),
        verdict: None,
    }
}

/// A receipt draft of an agent.
pub(crate) fn receipt_draft(in_tenant: u8, record: u64, number: u8, action: &str) -> Draft {
    let body = Body::ReceiptAction(action_body(number, action));
    Draft::new(tenant(in_tenant).0, id(record), Actor::Agent(agent(number)), START_MS, body)
}

/// A receipt that the agent signs with the key of its own number.
pub(crate) fn receipt(in_tenant: u8, record: u64, number: u8, action: &str) -> Record {
    receipt_draft(in_tenant, record, number, action).sign(&key(number))
}

pub(crate) fn rotate(record: u64, number: u8, from: u8, to: u8) -> Draft {
    let body = AgentKey {
        agent: agent(number),
        key: key(to).public(),
        on_behalf_of: None,
        previous: key(from).kid(),
        reason: "scheduled".into(),
    };
    Draft::new(tenant(1).0, id(record), Actor::Agent(agent(number)), START_MS, Body::AgentKey(body))
}

pub(crate) fn revoke(in_tenant: u8, record: u64, number: u8, cascade: bool) -> Record {
    let body = AgentRevoke {
        agent: agent(number),
        cascade,
        compromised_at: None,
        on_behalf_of: None,
        reason: "unspecified".into(),
    };
    by_tenant(in_tenant, record, Body::AgentRevoke(body))
}

/// A session's id, by number.
pub(crate) fn session(number: u8) -> SessionId {
    SessionId(Ulid::from_parts(START_MS, 2_000 + u128::from(number)))
}

/// Opens a session with one scope.
pub(crate) fn open(record: u64, number: u8, owner: u8, ttl_min: u64, action: &str) -> Record {
    let body = SessionOpen {
        agent: agent(owner),
        audience: None,
        on_behalf_of: None,
        proof_key: None,
        scopes: scopes(&[action]),
        session: session(number),
        ttl_min,
    };
    by_tenant(1, record, Body::SessionOpen(Box::new(body)))
}

pub(crate) fn refresh(record: u64, number: u8, owner: u8, ttl_min: u64) -> Record {
    let body = SessionRefresh { agent: agent(owner), on_behalf_of: None, session: session(number), ttl_min };
    by_tenant(1, record, Body::SessionRefresh(body))
}

pub(crate) fn hand_off(record: u64, number: u8, owner: u8, to: u8) -> Record {
    let body =
        SessionHandoff { agent: agent(owner), on_behalf_of: None, session: session(number), to: agent(to) };
    by_tenant(1, record, Body::SessionHandoff(body))
}

pub(crate) fn close(record: u64, number: u8, owner: u8, outcome: SessionEnd) -> Record {
    let body = SessionClose {
        agent: agent(owner),
        on_behalf_of: None,
        outcome,
        reason: None,
        session: session(number),
    };
    by_tenant(1, record, Body::SessionClose(body))
}

pub(crate) fn suspend(record: u64, number: u8) -> Record {
    let body = AgentSuspend { agent: agent(number), on_behalf_of: None, reason: "review".into() };
    by_tenant(1, record, Body::AgentSuspend(body))
}

pub(crate) fn reactivate(record: u64, number: u8) -> Record {
    let body = AgentReactivate { agent: agent(number), on_behalf_of: None, reason: "reviewed".into() };
    by_tenant(1, record, Body::AgentReactivate(body))
}

pub(crate) fn kill(record: u64, number: u8, cascade: bool) -> Record {
    let body = AgentKill {
        agent: agent(number),
        cascade,
        compromised_at: None,
        on_behalf_of: None,
        reason: "stolen".into(),
    };
    by_tenant(1, record, Body::AgentKill(body))
}

/// A receipt that the tenant signs, with its verdict and in a session.
pub(crate) fn judged(
    record: u64,
    number: u8,
    action: &str,
    verdict: Option<ActionVerdict>,
    in_session: Option<u8>,
) -> Record {
    let session = in_session.map(session);
    by_tenant(
        1,
        record,
        Body::ReceiptAction(ReceiptAction { verdict, session, ..action_body(number, action) }),
    )
}

pub(crate) fn append(records: &[Record]) -> Command {
    append_at(START_MS, records)
}

pub(crate) fn append_at(log_ms: u64, records: &[Record]) -> Command {
    Command::Append { log_ms, records: records.iter().map(Record::to_bytes).collect() }
}

/// Applies records one command each and returns the answers.
pub(crate) fn run(state: &mut MemoryState, records: &[Record]) -> Vec<Outcome> {
    records.iter().map(|record| one(state, record)).collect()
}

/// Applies one record in one command.
#[track_caller]
pub(crate) fn one(state: &mut MemoryState, record: &Record) -> Outcome {
    let mut outcomes = state.run(&append(std::slice::from_ref(record))).expect("no alarm");
    assert_eq!(outcomes.len(), 1);
    outcomes.pop().expect("one outcome")
}

/// Applies one record at a log time.
#[track_caller]
pub(crate) fn one_at(state: &mut MemoryState, log_ms: u64, record: &Record) -> Outcome {
    let outcomes = state.run(&append_at(log_ms, std::slice::from_ref(record))).expect("no alarm");
    outcomes.into_iter().next().expect("one outcome")
}

/// Genesis, tenants 1 and 2, agent 1 (of tenant 1) and agent 2 below it.
pub(crate) fn population() -> [Record; 5] {
    [
        genesis(),
        register_tenant(1),
        register_tenant(2),
        register_agent(1, 2, 1, None),
        register_agent(1, 3, 2, Some(1)),
    ]
}

/// A log with the [`population`].
pub(crate) fn populated() -> MemoryState {
    let mut state = MemoryState::new();
    for outcome in run(&mut state, &population()) {
        assert!(matches!(outcome, Outcome::Sequenced { duplicate: false, .. }), "{outcome:?}");
    }
    state
}

/// The code of a rejection.
#[track_caller]
pub(crate) fn code(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Rejected(rejection) => {
            assert!(!rejection.message.is_empty() && !rejection.fix.is_empty(), "{rejection:?}");
            rejection.code.as_str()
        }
        other => panic!("not rejected: {other:?}"),
    }
}

/// The index of a sequenced record.
#[track_caller]
pub(crate) fn index(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Sequenced { index, .. } => *index,
        other => panic!("not sequenced: {other:?}"),
    }
}

/// A signed checkpoint of the test log.
pub(crate) fn checkpoint(size: u64, root: Hash) -> Vec<u8> {
    signed(&Checkpoint::new(ORIGIN, size, root).to_string(), &log_key())
}

/// A note with one signature.
pub(crate) fn signed(text: &str, key: &NoteSigner) -> Vec<u8> {
    let mut note = Note::new(text);
    note.push(key.sign(text));
    note.to_bytes()
}

/// Publishes, expecting no alarm.
pub(crate) fn publish(state: &mut MemoryState, note: Vec<u8>) -> Result<Outcome, Alarm> {
    state.run(&Command::Publish { note }).map(|mut outcomes| outcomes.pop().expect("one outcome"))
}
