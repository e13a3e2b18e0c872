//! How long single records take while changed statuses are sealed, beside how long they take without.
//!
//! `cargo run --release -p ledger-log --example seal_latency -- DIR [SUBJECTS] [CHANGED] [ENGINE]`: one node, real Raft log, real
//! storage, real signatures, no witnesses. A status map of SUBJECTS agents (100,000) is sealed first. Then, in turn, CHANGED of
//! them (10,000) change and one client sends record after record: with sealing switched off, and while all of the changes are
//! sealed with the options that a node has by default. At the end the seal of a kill behind as many changes. Read the ratios
//! within one run.

mod alone;

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
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
/// Rounds, each without and with sealing.
const ROUNDS: u64 = 3;
/// Records without sealing in a round.
const QUIET: usize = 2_000;
/// Records at the beginning of a round that are not counted: caches fill.
const WARM_UP: usize = 200;
const OFF: SealOptions = SealOptions { interval_ms: 0, pause_ms: 0 };

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

/// One client: record after record, all about one agent, until `done`. How long each took.
async fn one_by_one(
    log: &HostedLog,
    sender: &mut Sender,
    mut done: impl FnMut(usize) -> Result<bool, Box<dyn Error>>,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::new();
    while !done(times.len())? {
        let record = sender.receipt(0);
        let started = Instant::now();
        send(log, vec![record]).await?;
        times.push(started.elapsed());
    }
    Ok(times)
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
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
    dir: PathBuf,
    engine: String,
    subjects: u64,
    changed: u64,
}

impl Run {
    async fn open(&self, seal: SealOptions) -> Result<HostedLog, Box<dyn Error>> {
        alone::open(&self.dir, &self.engine, seal).await
    }

    /// A map of all subjects.
    async fn prepare(&self, sender: &mut Sender) -> Result<(), Box<dyn Error>> {
        let log = self.open(SealOptions { interval_ms: 1, pause_ms: 0 }).await?;
        send(&log, vec![sender.register()]).await?;
        send_all(&log, 0..self.subjects, |number| sender.agent(number)).await?;
        let started = Instant::now();
        until_sealed(&log).await?;
        println!("{} agents are sealed, the rest in {:.1} s", self.subjects, started.elapsed().as_secs_f64());
        log.shutdown().await;
        Ok(())
    }

    /// Some of the agents change, spread over the map, other ones each time.
    async fn change(&self, log: &HostedLog, sender: &mut Sender, round: u64) -> Result<(), String> {
        let step = (self.subjects / self.changed.max(1)).max(1);
        let numbers = (round % step..self.subjects).step_by(step as usize).take(self.changed as usize);
        send_all(log, numbers, |number| sender.receipt(number)).await
    }

    async fn round(&self, sender: &mut Sender, round: u64) -> Result<[Vec<Duration>; 2], Box<dyn Error>> {
        let log = self.open(OFF).await?;
        self.change(&log, sender, round).await?;
        let mut quiet = one_by_one(&log, sender, |sent| Ok(sent >= QUIET + WARM_UP)).await?;
        let size = log.status().size;
        log.shutdown().await;

        let log = self.open(SealOptions { interval_ms: 1, ..SealOptions::default() }).await?;
        let started = Instant::now();
        let sealing =
            one_by_one(&log, sender, |sent| Ok(sent > WARM_UP && is_sealed(&log, size)?)).await?;
        println!(
            "round {round}: {} changed subjects are sealed in {:.2} s, {} state.root entries",
            self.changed,
            started.elapsed().as_secs_f64(),
            log.status().size - size - sealing.len() as u64,
        );
        log.shutdown().await;
        quiet.drain(..WARM_UP);
        Ok([quiet, sealing])
    }

    /// A kill while others wait: how long until a staple on the node shows it.
    async fn kill(&self, sender: &mut Sender) -> Result<Duration, Box<dyn Error>> {
        let log = self.open(OFF).await?;
        self.change(&log, sender, ROUNDS + 1).await?;
        log.shutdown().await;
        let log = self.open(SealOptions::default()).await?;
        let started = Instant::now();
        let number = self.subjects - 1;
        send(&log, vec![sender.kill(number)]).await?;
        while !shows_kill(&log, agent(number))? {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let took = started.elapsed();
        log.shutdown().await;
        Ok(took)
    }
}

fn shows_kill(log: &HostedLog, agent: AgentId) -> Result<bool, Box<dyn Error>> {
    let staple = log.reader().staple(Subject::Agent(agent))?;
    let status = staple.as_ref().and_then(|staple| staple.value()).map(String::from_utf8_lossy);
    Ok(status.is_some_and(|status| status.contains(r#""status":"killed""#)))
}

fn parent_is_there(dir: &Path) -> Result<(), String> {
    if dir.exists() { Err(format!("{} exists: name a new directory", dir.display())) } else { Ok(()) }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let number = |place: usize, otherwise| args.get(place).map_or(Ok(otherwise), |text| text.parse());
    let run = Run {
        dir: PathBuf::from(args.first().ok_or("usage: seal_latency DIR [SUBJECTS] [CHANGED] [ENGINE]")?),
        subjects: number(1, 100_000)?,
        changed: number(2, 10_000)?,
        engine: args.get(3).cloned().unwrap_or_else(|| "fjall".into()),
    };
    parent_is_there(&run.dir)?;
    let mut sender = Sender { key: SigningKey::from_seed([3; 32]), next: 0 };
    run.prepare(&mut sender).await?;
    let (mut quiet, mut sealing) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let [without, with] = run.round(&mut sender, round).await?;
        quiet.extend(without);
        sealing.extend(with);
    }
    report("without sealing", quiet);
    report("while sealing", sealing);
    let took = run.kill(&mut sender).await?;
    println!("a kill behind {} changes: a staple shows it after {:.0} ms", run.changed, took.as_secs_f64() * 1e3);
    Ok(())
}
