//! Who drives the runs: the leader of their log.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ledger_format::record::{OrchestrationId, Ulid};
use ledger_log::{Ack, HostedLog};
use tokio::{
    sync::Mutex,
    task::{JoinHandle, JoinSet},
};

use super::{
    Cannot, Definition, Kept, Plan, Run, Runs, ask,
    flush::flush,
    keep::{Due, broken, open_id, open_tenant},
    perform::perform,
    todo::Todo,
    turns::Round,
};
use crate::{
    ApiError, Logs, MaipOptions,
    account::{Caller, Environment},
    endpoint::Context,
    maip::{Shared, share},
};

/// How often open runs are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long a record waits that nobody waits for.
const WAIT: Duration = Duration::from_secs(10);
/// When a run that could not go on is looked at again.
const LATER: Duration = Duration::from_millis(500);
/// Open runs that are read at once.
const READ_AT_ONCE: usize = 500;
/// Moves that one turn of a run makes before others have theirs.
const ROUNDS: usize = 64;

/// What moves the runs of one log.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) shared: Shared,
    pub(crate) log: HostedLog,
    pub(crate) environment: Environment,
    /// How long records of a move wait.
    pub(crate) ack: Ack,
    pub(crate) timeout: Duration,
    /// Changes of a run are made one after the other: whatever a turn does at once ends together, and of those who compare and swap
    /// together one wins. The others would make their calls again.
    one_by_one: Arc<Mutex<()>>,
}

/// Whether something has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Yes,
    Not,
}

impl Engine {
    /// For a call that moves a run of the log that it reaches.
    pub(crate) fn of(context: &Context) -> Result<Self, ApiError> {
        let environment = context.caller()?.environment;
        Ok(Self {
            shared: context.shared.clone(),
            log: context.log.clone(),
            environment,
            ack: context.ack,
            timeout: context.timeout,
            one_by_one: Arc::default(),
        })
    }

    /// What records and questions of a run are made in. With a seed, every repetition draws the same ids.
    pub(super) fn context(
        &self,
        run: &Run,
        name: &str,
        now_ms: u64,
        seed: Option<&str>,
    ) -> Result<Context, ApiError> {
        let tenant = Ulid::parse(&run.tenant).ok_or_else(|| broken("tenant"))?;
        let seed = seed
            .map(|seed| self.shared.secrets.keyed("maip 2026-11 drawn for a step of a run", seed.as_bytes()));
        let (shared, log) = (self.shared.clone(), self.log.clone());
        let caller = Caller::node(tenant, self.environment, name);
        let waits = (self.ack, self.timeout);
        Ok(Context::of_node(shared, log, caller, waits, now_ms, seed))
    }

    /// Makes a move, unless the run has moved on and the move is none any more.
    pub(super) async fn change(
        &self,
        kept: &Kept,
        make: impl Fn(&mut Run, &Definition, &Plan, u64) -> Result<(), Cannot>,
    ) -> Result<Moved, ApiError> {
        let id = Ulid::parse(&kept.run.id).ok_or_else(|| broken("id"))?;
        let _alone = self.one_by_one.lock().await;
        let now_ms = (self.shared.now_ms)();
        let runs = Runs::new(self.log.clone());
        let changed = runs
            .change(OrchestrationId(id), now_ms, |run, definition, plan| make(run, definition, plan, now_ms))
            .await?;
        match changed {
            Ok(_) => Ok(Moved::Yes),
            Err(cannot) => {
                tracing::debug!(run = %kept.run.id, %cannot, "a run has moved on meanwhile");
                Ok(Moved::Not)
            }
        }
    }

    /// Drives a run until nothing is to be done now.
    async fn advance(&self, id: OrchestrationId) -> Result<(), ApiError> {
        for _ in 0..ROUNDS {
            flush(self, id).await?;
            let Some(kept) = Runs::new(self.log.clone()).find(id)? else { return Ok(()) };
            if !self.log.leads() {
                return Ok(());
            }
            let todo = kept.run.todo(&kept.definition, &kept.plan, (self.shared.now_ms)());
            let moves = todo.into_iter().map(|todo| self.act(&kept, todo));
            let moved = futures::future::join_all(moves).await;
            let moved = moved.into_iter().collect::<Result<Vec<Moved>, ApiError>>()?;
            if !moved.contains(&Moved::Yes) {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn act(&self, kept: &Kept, todo: Todo) -> Result<Moved, ApiError> {
        match todo {
            Todo::Expire => {
                self.change(kept, |run, definition, _, now| {
                    run.expire(definition, now);
                    Ok(())
                })
                .await
            }
            Todo::Ask(place) => ask::ask(self, kept, place).await,
            Todo::LookForApproval(place) => ask::look_for_approval(self, kept, place).await,
            Todo::LookAtAgent(place) => ask::look_at_agent(self, kept, place).await,
            Todo::Perform(place) => perform(self, kept, place).await,
        }
    }
}

/// Drives the runs of every log that this node leads, until the node stops. Once for each node.
pub fn run_workflows(logs: &Logs, options: &MaipOptions) -> JoinHandle<()> {
    let shared = share(logs.clone(), options.clone());
    tokio::spawn(async move {
        let mut drivers = [Environment::Production, Environment::Sandbox].map(Driver::new);
        let mut stopping = shared.stopping.clone();
        let main = shared.logs.main().reader();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stopping.wait_for(|stopping| *stopping) => break,
                () = main.closed() => break,
            }
            for driver in &mut drivers {
                driver.look(&shared);
            }
        }
    })
}

/// The runs of one environment that have their turn.
struct Driver {
    environment: Environment,
    turns: JoinSet<()>,
    /// Which run, and whose.
    running: HashMap<tokio::task::Id, (OrchestrationId, String)>,
    /// For when a run was due at its last turn, ms, and when it has another although that has not changed.
    seen: HashMap<OrchestrationId, (u64, Instant)>,
    round: Round,
}

impl Driver {
    fn new(environment: Environment) -> Self {
        Self {
            environment,
            turns: JoinSet::new(),
            running: HashMap::new(),
            seen: HashMap::new(),
            round: Round::default(),
        }
    }

    fn look(&mut self, shared: &Shared) {
        while let Some(ended) = self.turns.try_join_next_with_id() {
            let task = ended.map_or_else(|error| error.id(), |(task, ())| task);
            self.running.remove(&task);
        }
        let now = Instant::now();
        self.seen.retain(|_, (_, again)| *again > now);
        let log = shared.logs.get(self.environment.log_name()).filter(HostedLog::leads);
        let Some(log) = log else {
            self.turns.abort_all();
            self.seen.clear();
            return;
        };
        if let Err(error) = self.start(shared, &log) {
            tracing::warn!(message = %error.message, "open runs cannot be read");
        }
    }

    /// Gives runs their turn that are due.
    fn start(&mut self, shared: &Shared, log: &HostedLog) -> Result<(), ApiError> {
        let (runs, now_ms) = (Runs::new(log.clone()), (shared.now_ms)());
        let Self { round, running, seen, .. } = self;
        let wants = |key: &str, due: Due| {
            let Some(id) = open_id(key).filter(|_| due.due_ms <= now_ms) else { return false };
            let was_seen = seen.get(&id).is_some_and(|(seen, _)| *seen == due.due_ms);
            !was_seen && !running.values().any(|(running, _)| *running == id)
        };
        let tenants = running.values().map(|(_, tenant)| tenant.as_str());
        for (key, due) in round.next(tenants, |after| runs.due(after, READ_AT_ONCE), wants)? {
            if let Some(id) = open_id(&key) {
                self.turn(shared, log, (id, open_tenant(&key)), due.due_ms);
            }
        }
        Ok(())
    }

    fn turn(&mut self, shared: &Shared, log: &HostedLog, (id, tenant): (OrchestrationId, &str), due_ms: u64) {
        let engine = Engine {
            shared: shared.clone(),
            log: log.clone(),
            environment: self.environment,
            ack: Ack::Sequenced,
            timeout: WAIT,
            one_by_one: Arc::default(),
        };
        let task = self.turns.spawn(async move {
            if let Err(error) = engine.advance(id).await {
                tracing::debug!(run = %id, message = %error.message, "a run cannot go on now");
            }
        });
        self.running.insert(task.id(), (id, tenant.to_owned()));
        self.seen.insert(id, (due_ms, Instant::now() + LATER));
    }
}
