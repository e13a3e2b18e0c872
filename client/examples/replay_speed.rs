//! Makes a log and prints how fast it replays: signatures, rules, trust, status map, signed root.
//!
//! `cargo run --release -p ledger-client --example replay_speed -- DIR [ENTRIES]`: writes the published files of the log into
//! `DIR` unless they are there, then replays them with `maip replay`'s own code. One entry in four is a verdict that trust follows
//! from; statuses are sealed every thousand entries.

use std::{error::Error, fs, path::Path, time::Instant};

use ledger_client::{DirSource, monitor::Mirror, replay::replay};
use ledger_format::{Checkpoint, Note, NoteSigner, Policy, SignatureType, leaf_hash, record::*, tree_root};
use ledger_state::{Command, MemoryState, status};

const ORIGIN: &str = "log.example/replay";
const START_MS: u64 = 1_769_000_000_000;
const AGENTS: u64 = 50;
/// Records in one command, and between two seals.
const BATCH: u64 = 250;
const SEAL_EVERY: u64 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: replay_speed DIR [ENTRIES]")?;
    let entries: u64 = args.next().map_or(Ok(100_000), |text| text.parse())?;
    let dir = Path::new(&dir);
    let log = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32])?;
    let policy_text = format!("log {}\nquorum none\n", log.vkey());
    if !dir.join("checkpoint").exists() {
        let started = Instant::now();
        make(dir, entries, &log, &policy_text)?;
        println!("made in {:.1} s", started.elapsed().as_secs_f64());
    }
    fs::write(dir.join("policy.txt"), &policy_text)?;
    let policy = Policy::parse(&policy_text)?;
    let started = Instant::now();
    let replayed = replay(&DirSource::new(dir), &policy, None, &mut |_, _| {})?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} entries in {seconds:.2} s, {:.0} a second",
        replayed.size(),
        replayed.size() as f64 / seconds
    );
    Ok(())
}

fn make(dir: &Path, entries: u64, log: &NoteSigner, policy: &str) -> Result<(), Box<dyn Error>> {
    let mut state = MemoryState::new();
    let mut mirror = Mirror::open(dir)?;
    let mut run = |command: &Command| -> Result<u64, Box<dyn Error>> {
        let applied = state.apply(command);
        if let Some(alarm) = applied.alarm {
            return Err(alarm.to_string().into());
        }
        for entry in &applied.entries {
            mirror.push(&entry.bytes, leaf_hash(&entry.bytes), false)?;
        }
        Ok(status(&state).size)
    };
    let records = registrations(log, policy).iter().map(Record::to_bytes).collect();
    let mut size = run(&Command::Append { log_ms: START_MS, records })?;
    let (mut number, mut sealed) = (0, 0);
    while size < entries {
        let count = BATCH.min(entries - size);
        // Ten records a second.
        let log_ms = START_MS + number * 100;
        let records = (number..number + count).map(|n| receipt(n).to_bytes()).collect();
        number += count;
        size = run(&Command::Append { log_ms, records })?;
        if size < entries && size - sealed >= SEAL_EVERY {
            size = run(&Command::Seal { log_ms })?;
            sealed = size;
        }
    }
    let root = tree_root(state.leaves(), size)?;
    let text = Checkpoint::new(ORIGIN, size, root).to_string();
    let mut note = Note::new(text.clone());
    note.push(log.sign(&text));
    mirror.commit(&note.to_bytes())?;
    Ok(())
}

fn key(number: u64) -> SigningKey {
    let mut seed = [9; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(seed)
}

fn agent(number: u64) -> AgentId {
    AgentId(Ulid::from_parts(START_MS, 100 + u128::from(number)))
}

fn tenant() -> Ulid {
    Ulid::from_parts(START_MS, 1)
}

fn sign(id: u64, actor: Actor, body: Body, key: &SigningKey) -> Record {
    let tenant = if actor == Actor::Operator { Ulid::NIL } else { tenant() };
    Draft::new(tenant, Ulid::from_parts(START_MS, u128::from(id) << 8 | 7), actor, START_MS, body).sign(key)
}

fn registrations(log: &NoteSigner, policy: &str) -> Vec<Record> {
    let genesis = LogGenesis {
        limits: GenesisLimits::default(),
        log_keys: vec![log.vkey().to_string()],
        operator_key: key(1).public(),
        origin: ORIGIN.into(),
        policy: policy.into(),
        predecessor: None,
        trust_algorithm: "maip-trust/1".into(),
    };
    let register =
        TenantRegister { key: Some(key(2).public()), name: "Example".into(), on_behalf_of: None, plan: None };
    let agents = (0..AGENTS).map(|n| {
        let body = AgentRegister {
            agent: agent(n),
            denies: vec![],
            key: key(100 + n).public(),
            name: format!("Agent {n}"),
            on_behalf_of: None,
            parent: None,
            runtime_type: None,
            scopes: vec![Scope::parse("ledger:post").expect("a scope")],
            agent_type: AgentType::Autonomous,
        };
        sign(10 + n, Actor::Tenant, Body::AgentRegister(Box::new(body)), &key(2))
    });
    let genesis = sign(1, Actor::Operator, Body::LogGenesis(Box::new(genesis)), &key(1));
    let register = sign(2, Actor::Tenant, Body::TenantRegister(register), &key(2));
    [genesis, register].into_iter().chain(agents).collect()
}

/// By the agent; one in four by its tenant, with a verdict.
fn receipt(number: u64) -> Record {
    let judged = number.is_multiple_of(4);
    let who = number % AGENTS;
    let body = Body::ReceiptAction(ReceiptAction {
        action: Scope::parse("ledger:post").expect("a scope"),
        agent: agent(who),
        approval: None,
        decision: None,
        detail: vec![],
        grant: None,
        input: Digest::sha256(&number.to_be_bytes()),
        on_behalf_of: None,
        outcome: Some(ActionOutcome::Success),
        output: Digest::blake3(&number.to_be_bytes()),
        session: None,
        tool: Some("bookkeeping".into()),
        verdict: judged.then_some(ActionVerdict::Ok),
    });
    let (actor, key) =
        if judged { (Actor::Tenant, key(2)) } else { (Actor::Agent(agent(who)), key(100 + who)) };
    sign(1_000 + number, actor, body, &key)
}
