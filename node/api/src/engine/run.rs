//! A run: how far each step is, and which records are still to be logged. The value that the nodes keep of it.

use ledger_format::record::{OrchestrationId, Ulid};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Definition, Plan};

/// Most bytes of a run's input as JSON.
pub(crate) const INPUT_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of one step's output as JSON.
pub(crate) const OUTPUT_BYTES_MAX: usize = 32 * 1024;
/// Most bytes of all outputs of a run together: its value must fit into the nodes' private state.
pub(crate) const OUTPUTS_BYTES_MAX: usize = 128 * 1024;
/// Characters of an error that are kept.
pub(crate) const ERROR_CHARS_MAX: usize = 512;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrchestrationStatus)]
pub(crate) enum RunStatus {
    /// Steps are left.
    Running,
    /// Every step has succeeded or was skipped.
    Completed,
    /// A step has failed for good.
    Failed,
    /// Somebody has stopped it.
    Cancelled,
    /// Its time was over.
    Timeout,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrchestrationStepStatus)]
pub(crate) enum StepState {
    /// For the steps before it, or for its next attempt.
    Waiting,
    /// A person must say yes.
    AwaitingApproval,
    /// It may be done: its agent can claim it, or a node does it.
    Ready,
    /// Its agent has claimed it.
    Running,
    Succeeded,
    Failed,
    TimedOut,
    /// A decision went another way.
    Skipped,
    /// The run has ended before.
    Cancelled,
}

impl StepState {
    /// Whether nothing more becomes of it.
    pub(crate) fn is_over(self) -> bool {
        use StepState::{Cancelled, Failed, Skipped, Succeeded, TimedOut};
        matches!(self, Succeeded | Failed | TimedOut | Skipped | Cancelled)
    }

    /// As callers read it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            StepState::Waiting => "waiting",
            StepState::AwaitingApproval => "awaiting_approval",
            StepState::Ready => "ready",
            StepState::Running => "running",
            StepState::Succeeded => "succeeded",
            StepState::Failed => "failed",
            StepState::TimedOut => "timed_out",
            StepState::Skipped => "skipped",
            StepState::Cancelled => "cancelled",
        }
    }

    /// Whether steps behind it may begin.
    pub(crate) fn is_done(self) -> bool {
        matches!(self, StepState::Succeeded | StepState::Skipped)
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    /// A word for programs.
    pub(crate) code: String,
    pub(crate) message: String,
    /// Of which step; of a step's own trouble, its id.
    pub(crate) step: Option<String>,
}

impl Trouble {
    pub(crate) fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.chars().take(ERROR_CHARS_MAX).collect(), step: None }
    }
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepRun {
    /// Its name in the log.
    pub(crate) id: String,
    pub(crate) status: StepState,
    /// Who does it.
    pub(crate) agent: Option<String>,
    /// Attempts that have begun.
    pub(crate) attempt: u32,
    /// How often it was asked whether it may be done: each answer is a record of its own.
    pub(crate) asks: u32,
    /// A decision has gone another way.
    pub(crate) unchosen: bool,
    /// Not before, ms.
    pub(crate) due_ms: u64,
    /// When the attempt is over, ms.
    pub(crate) until_ms: u64,
    /// When the claim runs out unless its agent is heard of, ms.
    pub(crate) lease_ms: u64,
    /// How whoever has claimed it names the claim.
    pub(crate) claim: Option<String>,
    /// The decision that allowed it, or waits for an approval.
    pub(crate) decision: Option<String>,
    /// The approval that it has.
    pub(crate) approval: Option<String>,
    /// Digest of what it was given.
    pub(crate) input_digest: Option<String>,
    pub(crate) output: Option<Value>,
    pub(crate) trouble: Option<Trouble>,
    /// Record of what was done.
    pub(crate) receipt: Option<String>,
    pub(crate) cost_cents: u64,
    pub(crate) started_ms: Option<u64>,
    pub(crate) finished_ms: Option<u64>,
}

/// How the log calls what became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Logged {
    Assigned,
    Succeeded,
    Failed,
    Skipped,
    TimedOut,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    /// The run begins.
    Start,
    /// A step changes.
    Step { place: usize, status: Logged, agent: Option<String>, receipt: Option<String> },
    /// An agent has done something.
    Receipt { place: usize, agent: String, input: String, output: String, succeeded: bool },
    /// The run is over.
    Finish(Finished),
}

/// How the log calls the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Finished {
    Succeeded,
    Failed,
    Cancelled,
}

/// A record that is to be logged. Id, time and words are fixed before it is sent, so whoever sends it again sends the same bytes, and the
/// log has it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outgoing {
    /// Its id, a ULID.
    pub(crate) id: String,
    pub(crate) at_ms: u64,
    /// The credential behind it.
    pub(crate) name: String,
    pub(crate) said: Said,
}

/// What a run is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Its id, a ULID.
    pub(crate) id: String,
    /// A ULID.
    pub(crate) tenant: String,
    pub(crate) workflow: String,
    pub(crate) version: u64,
    /// Who runs it.
    pub(crate) agent: Option<String>,
    /// Who else takes part, as the caller named them.
    pub(crate) participants: Vec<String>,
    /// The scope object of the older SDKs, as it was sent.
    pub(crate) scope: Option<Value>,
    /// The credential that started it.
    pub(crate) name: String,
    pub(crate) input: Value,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) status: RunStatus,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) started_ms: u64,
    /// When it ends whatever has become of it, ms.
    pub(crate) until_ms: u64,
    pub(crate) finished_ms: Option<u64>,
    pub(crate) steps: Vec<StepRun>,
    /// Records so far.
    pub(crate) records: u64,
    pub(crate) outbox: Vec<Outgoing>,
    /// Record of its start.
    pub(crate) started: String,
    /// Record of its end.
    pub(crate) finished: Option<String>,
}

/// What a run is begun with.
pub(crate) struct Opening {
    pub(crate) id: OrchestrationId,
    pub(crate) tenant: Ulid,
    pub(crate) workflow: String,
    pub(crate) version: u64,
    pub(crate) agent: Option<String>,
    pub(crate) participants: Vec<String>,
    pub(crate) scope: Option<Value>,
    pub(crate) name: String,
    pub(crate) input: Value,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) timeout_ms: u64,
}

impl Run {
    /// A run that begins now.
    pub(crate) fn open(opening: Opening, definition: &Definition, plan: &Plan, now_ms: u64) -> Self {
        let step = |(step, planned): (&super::StepDefinition, &super::PlannedStep)| StepRun {
            id: planned.id.clone(),
            unchosen: false,
            status: StepState::Waiting,
            agent: step.agent.clone().or_else(|| opening.agent.clone()),
            attempt: 0,
            asks: 0,
            due_ms: now_ms,
            until_ms: 0,
            lease_ms: 0,
            claim: None,
            decision: None,
            approval: None,
            input_digest: None,
            output: None,
            trouble: None,
            receipt: None,
            cost_cents: 0,
            started_ms: None,
            finished_ms: None,
        };
        let steps = definition.steps.iter().zip(&plan.steps).map(step).collect();
        let mut run = Run {
            id: opening.id.0.to_string(),
            tenant: opening.tenant.to_string(),
            workflow: opening.workflow,
            version: opening.version,
            agent: opening.agent.clone(),
            participants: opening.participants,
            scope: opening.scope,
            name: opening.name,
            input: opening.input,
            parameters: opening.parameters,
            status: RunStatus::Running,
            trouble: None,
            started_ms: now_ms,
            until_ms: now_ms + opening.timeout_ms,
            finished_ms: None,
            steps,
            records: 0,
            outbox: Vec::new(),
            started: String::new(),
            finished: None,
        };
        run.started = run.say(now_ms, None, Said::Start);
        run.settle(plan, now_ms);
        run
    }

    /// Puts a record into the outbox; its id.
    pub(super) fn say(&mut self, now_ms: u64, name: Option<&str>, said: Said) -> String {
        let id = record_id(&self.id, self.records, now_ms).to_string();
        self.records += 1;
        let name = name.unwrap_or(&self.name).to_owned();
        self.outbox.push(Outgoing { id: id.clone(), at_ms: now_ms, name, said });
        id
    }

    /// Bytes of all outputs.
    pub(crate) fn output_bytes(&self) -> usize {
        let outputs = self.steps.iter().filter_map(|step| step.output.as_ref());
        outputs.map(|output| output.to_string().len()).sum()
    }
}

/// The id of a run's record: it follows from the run, the count of its records and the time.
fn record_id(run: &str, number: u64, at_ms: u64) -> Ulid {
    let mut hasher = blake3::Hasher::new_derive_key("maip-ledger 2026-11 a record of a run");
    hasher.update(run.as_bytes()).update(&number.to_be_bytes());
    let hash = hasher.finalize();
    Ulid::from_parts(at_ms, u128::from_be_bytes(std::array::from_fn(|at| hash.as_bytes()[at])))
}
