//! How long single records take while the log does something on the side, beside how long they take without: while changed statuses
//! are sealed, and while a snapshot is written.
//!
//! `cargo run --release -p ledger-log --example pauses -- DIR [SUBJECTS] [CHANGED] [ENGINE]`: one node, real Raft log, real
//! storage, real signatures, no witnesses. A status map of SUBJECTS agents (100,000) is sealed first. Then, in rounds, CHANGED of
//! them (10,000) change and one client sends record after record: those before the leader begins to seal are compared with
//! those until all of the changes are in the map, and with those while a snapshot of the state is written. At the end the seal of a
//! kill behind as many changes. Read the ratios within one run.

mod alone;

use std::{
    env,
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ledger_format::record::{
    Actor, AgentId, AgentKill, AgentRegister, AgentType, Body, Digest, Draft, ReceiptAction, Scope,
    SigningKey, TenantRegister, Ulid,
};
use ledger_log::{Ack, Credential, HostedLog, SealOptions};
use ledger_state::Subject;

/// Records sent together while nothing is measured.
const BATCH: u64 = 512;
const LIMIT: Duration = Duration::from_secs(60);
const ROUNDS: u64 = 3;
/// Longer than it takes to change the subjects, so that a round begins before sealing does.
const INTERVAL_MS: u64 = 8_000;

/// One tenant that signs for all its agents.
struct Sender {
    key: SigningKey,
    next: u64,
}

impl Sender {
    fn record(&mut self, body: Body) -> Bytes {
        self.next += 1;
        let id = Ulid::from_parts(2, u128::from(self.next));
        Draft::new(Ulid(1), id, Actor::Tenant, self.next, body).sign(&self.key).to_bytes().into()
    }

    fn register(&mut self) -> Bytes {
        let key = Some(self.key.public());
        let body = TenantRegister { key, name: "Alone".into(), on_behalf_of: None, plan: None };
        self.record(Body::TenantRegister(body))
    }

    fn agent(&mut self, number: u64) -> Bytes {
        let body = AgentRegister {
            agent: agent(number),
            denies: Vec::new(),
            key: self.key.public(),
            name: "Agent".into(),
            on_behalf_of: None,
            parent: None,
            runtime_type: None,
            scopes: vec![scope()],
            agent_type: AgentType::Autonomous,
        };
        self.record(Body::AgentRegister(Box::new(body)))
    }

    fn receipt(&mut self, number: u64) -> Bytes {
        let body = ReceiptAction {
            approval: None,
            decision: None,
            grant: None,
            action: scope(),
            agent: agent(number),
            detail: Vec::new(),
            input: Digest::sha256(&self.next.to_be_bytes()),
            on_behalf_of: None,
            outcome: None,
            output: Digest::sha256(b"out"),
            session: None,
            tool: None,
            verdict: None,
        };
        self.record(Body::ReceiptAction(body))
    }

    fn kill(&mut self, number: u64) -> Bytes {
        let (agent, reason) = (agent(number), "measured".into());
        let body = AgentKill { agent, cascade: true, compromised_at: None, on_behalf_of: None, reason };
        self.record(Body::AgentKill(body))
    }
}

fn agent(number: u64) -> AgentId {
    AgentId(Ulid::from_parts(1, u128::from(number) + 2))
}

fn scope() -> Scope {
    Scope::parse("ledger:post").expect("a scope")
}

async fn send(log: &HostedLog, records: Vec<Bytes>) -> Result<u64, String> {
    let mut last = 0;
    for answer in log.submit(records, Ack::Sequenced, LIMIT, Credential::Admin).await {
        last = answer.map_err(|refused| refused.to_string())?.index;
    }
    Ok(last)
}

/// Sends what `make` makes of each number, many at a time.
async fn send_all(
    log: &HostedLog,
    numbers: impl Iterator<Item = u64>,
    mut make: impl FnMut(u64) -> Bytes,
) -> Result<(), String> {
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() {
        let records = numbers.by_ref().take(BATCH as usize).map(&mut make).collect();
        send(log, records).await?;
    }
    Ok(())
}

/// Whether every change below `size` is in the map.
fn is_sealed(log: &HostedLog, size: u64) -> Result<bool, Box<dyn Error>> {
    let status = log.reader().map_status()?;
    Ok(status.waits_since.is_none_or(|since| since >= size))
}

async fn until_sealed(log: &HostedLog) -> Result<(), Box<dyn Error>> {
    let size = log.status().size;
    while !is_sealed(log, size)? {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    if times.is_empty() {
        return println!("{what}: nothing was measured; take more subjects");
    }
    let at = |share: usize| times[(times.len() * share / 1_000).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "{what:<18} {:>6} records  p50 {:>6.2} ms  p99 {:>6.2} ms  p99.9 {:>6.2} ms  most {:>6.2} ms",
        times.len(),
        at(500),
        at(990),
        at(999),
        at(1_000)
    );
}

struct Run {
    log: HostedLog,
    subjects: u64,
    changed: u64,
}

/// How long records took.
#[derive(Default)]
struct Times {
    quiet: Vec<Duration>,
    sealing: Vec<Duration>,
    snapshot: Vec<Duration>,
}

impl Run {
    /// A map of all subjects.
    async fn prepare(&self, sender: &mut Sender) -> Result<(), Box<dyn Error>> {
        send(&self.log, vec![sender.register()]).await?;
        send_all(&self.log, 0..self.subjects, |number| sender.agent(number)).await?;
        until_sealed(&self.log).await
    }

    /// Some of the agents change, spread over the map, other ones each time.
    async fn change(&self, sender: &mut Sender, round: u64) -> Result<(), String> {
        let step = (self.subjects / self.changed.max(1)).max(1);
        let numbers = (round % step..self.subjects).step_by(step as usize).take(self.changed as usize);
        send_all(&self.log, numbers, |number| sender.receipt(number)).await
    }

    /// Changes, and then one client: record after record, all about one agent, until the changes are sealed.
    async fn round(&self, sender: &mut Sender, times: &mut Times) -> Result<(), Box<dyn Error>> {
        let size = self.log.status().size;
        let version =
            || Ok::<_, Box<dyn Error>>(self.log.reader().map_status()?.newest.map(|map| map.version));
        let before = version()?;
        let (mut begun, mut sent) = (None, 0);
        while !is_sealed(&self.log, size)? {
            if begun.is_none() && version()? != before {
                begun = Some((Instant::now(), self.log.status().size));
            }
            let record = sender.receipt(0);
            let started = Instant::now();
            send(&self.log, vec![record]).await?;
            let list = if begun.is_some() { &mut times.sealing } else { &mut times.quiet };
            list.push(started.elapsed());
            sent += u64::from(begun.is_some());
        }
        let (begun, size) = begun.unwrap_or((Instant::now(), size));
        println!(
            "sealed in {:.2} s with {} more state.root entries",
            begun.elapsed().as_secs_f64(),
            self.log.status().size - size - sent,
        );
        Ok(())
    }

    /// One client: record after record, while a snapshot is written.
    async fn snapshot(&self, sender: &mut Sender, times: &mut Times) -> Result<(), Box<dyn Error>> {
        let (log, begun) = (self.log.clone(), Instant::now());
        let taken = tokio::spawn(async move { log.snapshot().await });
        while !taken.is_finished() {
            let record = sender.receipt(0);
            let started = Instant::now();
            send(&self.log, vec![record]).await?;
            times.snapshot.push(started.elapsed());
        }
        let (raft_index, _) = taken.await??;
        println!("snapshot at raft_index {raft_index} after {:.2} s", begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// A kill while others wait: how long until a staple on the node shows it.
    async fn kill(&self, sender: &mut Sender) -> Result<Duration, Box<dyn Error>> {
        let started = Instant::now();
        let number = self.subjects - 1;
        send(&self.log, vec![sender.kill(number)]).await?;
        while !shows_kill(&self.log, agent(number))? {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(started.elapsed())
    }
}

fn shows_kill(log: &HostedLog, agent: AgentId) -> Result<bool, Box<dyn Error>> {
    let staple = log.reader().staple(Subject::Agent(agent))?;
    let status = staple.as_ref().and_then(|staple| staple.value()).map(String::from_utf8_lossy);
    Ok(status.is_some_and(|status| status.contains(r#""status":"killed""#)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let number = |place: usize, otherwise| args.get(place).map_or(Ok(otherwise), |text| text.parse());
    let dir = args.first().ok_or("usage: pauses DIR [SUBJECTS] [CHANGED] [ENGINE]")?;
    if Path::new(dir).exists() {
        return Err(format!("{dir} exists: name a new directory").into());
    }
    let engine = args.get(3).map_or("fjall", String::as_str);
    let seal = SealOptions { interval_ms: INTERVAL_MS, ..SealOptions::default() };
    let log = alone::open(Path::new(dir), engine, seal).await?;
    let run = Run { log, subjects: number(1, 100_000)?, changed: number(2, 10_000)? };
    let mut sender = Sender { key: SigningKey::from_seed([3; 32]), next: 0 };
    run.prepare(&mut sender).await?;
    let mut times = Times::default();
    for round in 1..=ROUNDS {
        run.change(&mut sender, round).await?;
        run.round(&mut sender, &mut times).await?;
        run.snapshot(&mut sender, &mut times).await?;
    }
    report("without sealing", times.quiet);
    report("while sealing", times.sealing);
    report("while a snapshot", times.snapshot);
    run.change(&mut sender, ROUNDS + 1).await?;
    let took = run.kill(&mut sender).await?;
    println!(
        "a kill behind {} changes: a staple shows it after {:.0} ms",
        run.changed,
        took.as_secs_f64() * 1e3
    );
    run.log.shutdown().await;
    Ok(())
}
