//! What can happen to a run. Each move is pure: it follows from the run, the move and the time.

use serde_json::Value;

use super::{
    Definition, Plan,
    ends::Ending,
    offers,
    run::{Logged, Run, RunStatus, Said, StepState, Trouble},
};

/// Why a move is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cannot {
    /// The run is over.
    #[error("the run is over")]
    RunOver,
    /// The step is not in a state for it.
    #[error("the step is {}", .0.word())]
    State(StepState),
    /// The step is another agent's.
    #[error("the step is another agent's")]
    OtherAgent,
    /// Another attempt goes on by now.
    #[error("attempt {0} goes on by now")]
    OtherAttempt(u32),
    /// More output than a run keeps.
    #[error("the outputs of a run have at most {0} bytes of JSON together")]
    TooMuch(usize),
}

/// Which attempt of which step, of whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) place: usize,
    pub(crate) agent: &'a str,
    pub(crate) number: u32,
}

/// What an agent says that it has done.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// What came out, or what went wrong and whether trying again may help.
    pub(crate) result: Result<Value, (Trouble, bool)>,
    /// The record of it that the agent has logged; without one, the node logs one for it.
    pub(crate) receipt: Option<String>,
    /// Digest of the output.
    pub(crate) digest: String,
    pub(crate) cost_cents: u64,
    /// The credential behind it.
    pub(crate) name: String,
}

/// What a node has done.
#[derive(Clone, Debug)]
pub(crate) struct Performed {
    /// In which attempt.
    pub(crate) attempt: u32,
    /// What came out, or what went wrong and whether trying again may help.
    pub(crate) result: Result<Value, (Trouble, bool)>,
    /// If it is an action of an agent: whose, and the digest of the output.
    pub(crate) receipt: Option<(String, String)>,
}

impl Run {
    /// Whether every step before this one is done.
    pub(crate) fn is_free(&self, plan: &Plan, place: usize) -> bool {
        plan.steps[place].after.iter().all(|before| self.steps[*before].status.is_done())
    }

    /// A step is to be done now: its decision, if it needed one, has said yes.
    pub(crate) fn begin(
        &mut self,
        definition: &Definition,
        place: usize,
        allowed: Option<String>,
        input_digest: Option<String>,
        now_ms: u64,
    ) -> Result<(), Cannot> {
        self.open_step(place, &[StepState::Waiting])?;
        let timeout_ms = definition.steps[place].timeout_seconds * 1_000;
        let until_ms = self.until_ms.min(now_ms + timeout_ms);
        let step = &mut self.steps[place];
        step.status = StepState::Ready;
        step.attempt += 1;
        step.until_ms = until_ms;
        step.decision = allowed;
        step.input_digest = input_digest;
        step.trouble = None;
        step.started_ms = step.started_ms.or(Some(now_ms));
        let agent = step.agent.clone().filter(|_| definition.steps[place].kind.needs_leave());
        self.say(now_ms, None, Said::Step { place, status: Logged::Assigned, agent, receipt: None });
        Ok(())
    }

    /// The decision waits for a person.
    pub(crate) fn await_approval(&mut self, place: usize, decision: String) -> Result<(), Cannot> {
        self.open_step(place, &[StepState::Waiting])?;
        let step = &mut self.steps[place];
        (step.status, step.decision, step.asks) =
            (StepState::AwaitingApproval, Some(decision), step.asks + 1);
        Ok(())
    }

    /// A person has said yes: it is asked again, with the approval.
    pub(crate) fn approve(&mut self, place: usize, approval: String, now_ms: u64) -> Result<(), Cannot> {
        self.open_step(place, &[StepState::AwaitingApproval])?;
        let step = &mut self.steps[place];
        (step.status, step.approval, step.due_ms) = (StepState::Waiting, Some(approval), now_ms);
        Ok(())
    }

    /// It may not be done, so the run has failed.
    pub(crate) fn refuse(
        &mut self,
        place: usize,
        decision: Option<String>,
        trouble: Trouble,
        now_ms: u64,
    ) -> Result<(), Cannot> {
        self.open_step(place, &[StepState::Waiting, StepState::AwaitingApproval])?;
        self.steps[place].decision = decision.or_else(|| self.steps[place].decision.clone());
        self.fail_for_good(place, Logged::Failed, Ending::default(), trouble, now_ms);
        Ok(())
    }

    /// An agent takes a step on; until `lease_ms` later nobody else can. A claim that has a name can be made again: its answer was lost on
    /// the way.
    pub(crate) fn claim(
        &mut self,
        place: usize,
        agent: &str,
        claim: Option<&str>,
        lease_ms: u64,
        now_ms: u64,
    ) -> Result<(), Cannot> {
        let step = &self.steps[place];
        let again = step.status == StepState::Running && claim.is_some() && step.claim.as_deref() == claim;
        self.open_step(place, &[if again { StepState::Running } else { StepState::Ready }])?;
        let step = &mut self.steps[place];
        if step.agent.as_deref() != Some(agent) {
            return Err(Cannot::OtherAgent);
        }
        (step.status, step.lease_ms) = (StepState::Running, step.until_ms.min(now_ms + lease_ms));
        step.claim = claim.map(str::to_owned);
        Ok(())
    }

    /// The agent is still at it.
    pub(crate) fn heartbeat(&mut self, of: Attempt<'_>, lease_ms: u64, now_ms: u64) -> Result<(), Cannot> {
        self.held(of)?;
        let step = &mut self.steps[of.place];
        step.lease_ms = step.until_ms.min(now_ms + lease_ms);
        Ok(())
    }

    /// The agent has done it, or has failed.
    pub(crate) fn report(
        &mut self,
        definition: &Definition,
        plan: &Plan,
        of: Attempt<'_>,
        outcome: Outcome,
        now_ms: u64,
    ) -> Result<(), Cannot> {
        if self.has_said(of, &outcome) {
            return Ok(());
        }
        self.held(of)?;
        let Outcome { result, receipt, digest, cost_cents, name } = outcome;
        if let Ok(output) = &result {
            self.has_room(output)?;
        }
        self.steps[of.place].cost_cents += cost_cents;
        let input = self.steps[of.place].input_digest.clone().unwrap_or_default();
        let (place, agent, succeeded) = (of.place, of.agent.to_owned(), result.is_ok());
        let receipt = receipt.unwrap_or_else(|| {
            let said = Said::Receipt { place, agent: agent.clone(), input, output: digest, succeeded };
            self.say(now_ms, Some(&name), said)
        });
        let ending = Ending { agent: Some(agent), receipt: Some(receipt), name: Some(name) };
        self.settled(definition, plan, of.place, result, ending, now_ms);
        Ok(())
    }

    /// Whether this is what the agent has said before: its answer was lost on the way.
    fn has_said(&self, of: Attempt<'_>, outcome: &Outcome) -> bool {
        let step = &self.steps[of.place];
        if step.agent.as_deref() != Some(of.agent) || step.attempt != of.number {
            return false;
        }
        let is_same = |trouble: &Trouble, said: &Trouble| {
            (&trouble.code, &trouble.message) == (&said.code, &said.message)
        };
        match (&outcome.result, step.status) {
            (Ok(output), StepState::Succeeded) => step.output.as_ref() == Some(output),
            // The trouble of an attempt stays until the next one begins.
            (Err((said, _)), StepState::Waiting | StepState::AwaitingApproval | StepState::Failed) => {
                step.trouble.as_ref().is_some_and(|trouble| is_same(trouble, said))
            }
            _ => false,
        }
    }

    /// A node has done it, or has failed.
    pub(crate) fn performed(
        &mut self,
        definition: &Definition,
        plan: &Plan,
        place: usize,
        performed: Performed,
        now_ms: u64,
    ) -> Result<(), Cannot> {
        self.open_step(place, &[StepState::Ready])?;
        let Performed { attempt, result, receipt } = performed;
        if self.steps[place].attempt != attempt {
            return Err(Cannot::OtherAttempt(self.steps[place].attempt));
        }
        let result = result.and_then(|output| match self.has_room(&output) {
            Ok(()) => Ok(output),
            Err(cannot) => Err((Trouble::new("OUTPUT_TOO_LARGE", &cannot.to_string()), false)),
        });
        let input = self.steps[place].input_digest.clone().unwrap_or_default();
        let succeeded = result.is_ok();
        let receipt = receipt.map(|(agent, output)| {
            self.say(now_ms, None, Said::Receipt { place, agent, input, output, succeeded })
        });
        let ending = Ending { receipt, ..Ending::default() };
        self.settled(definition, plan, place, result, ending, now_ms);
        Ok(())
    }

    /// A decision has gone one way: the other steps that it names are not done.
    pub(crate) fn branch(&mut self, plan: &Plan, named: &[usize], chosen: &[usize], now_ms: u64) {
        for step in named.iter().filter(|step| !chosen.contains(step)) {
            self.steps[*step].unchosen = true;
        }
        self.settle(plan, now_ms);
    }

    /// Another agent is to do it. Whether that one may is asked anew; the attempt does not count.
    pub(crate) fn hand_off(&mut self, of: Attempt<'_>, to: &str, now_ms: u64) -> Result<(), Cannot> {
        self.held(of)?;
        let step = &mut self.steps[of.place];
        (step.status, step.due_ms, step.agent) = (StepState::Waiting, now_ms, Some(to.to_owned()));
        (step.approval, step.asks, step.attempt) = (None, step.asks + 1, step.attempt - 1);
        Ok(())
    }

    /// Its agent may not act any more.
    pub(crate) fn agent_ended(&mut self, place: usize, now_ms: u64) -> Result<(), Cannot> {
        self.open_step(place, &[StepState::Ready, StepState::Running])?;
        let trouble = Trouble::new("AGENT_NOT_ACTIVE", "the agent was suspended or has ended");
        self.fail_for_good(place, Logged::Failed, Ending::default(), trouble, now_ms);
        Ok(())
    }

    /// What the time has ended: claims without a heartbeat, attempts, the run. Whether that was anything. Of many steps, as many as one
    /// change has room for; the rest is to be done at once after it.
    pub(crate) fn expire(&mut self, definition: &Definition, now_ms: u64) -> bool {
        if self.status != RunStatus::Running {
            return false;
        }
        if now_ms >= self.until_ms {
            let message = "the time of the run was over";
            self.end(RunStatus::Timeout, Some(Trouble::new("RUN_TIMEOUT", message)), now_ms);
            return true;
        }
        let mut ended = 0;
        for place in 0..self.steps.len() {
            if ended == offers::AT_ONCE {
                break;
            }
            let step = &mut self.steps[place];
            if !matches!(step.status, StepState::Ready | StepState::Running) {
                continue;
            }
            if now_ms >= step.until_ms {
                let trouble = Trouble::new("STEP_TIMEOUT", "the attempt took longer than the step may");
                let retry = definition.steps[place].retry;
                self.failed(place, retry, Logged::TimedOut, Ending::default(), trouble, now_ms);
                ended += 1;
            } else if step.status == StepState::Running && now_ms >= step.lease_ms {
                step.status = StepState::Ready;
                ended += 1;
            }
            if self.status != RunStatus::Running {
                break;
            }
        }
        ended > 0
    }

    /// Somebody stops it. The same call again comes at the same time, as its idempotency key has it, and changes nothing.
    pub(crate) fn cancel(&mut self, reason: &str, now_ms: u64) -> Result<(), Cannot> {
        let said = self.trouble.as_ref().map(|trouble| trouble.message.as_str());
        if (self.status, self.finished_ms, said) == (RunStatus::Cancelled, Some(now_ms), Some(reason)) {
            return Ok(());
        }
        if self.status != RunStatus::Running {
            return Err(Cannot::RunOver);
        }
        self.end(RunStatus::Cancelled, Some(Trouble::new("CANCELLED", reason)), now_ms);
        Ok(())
    }

    fn open_step(&self, place: usize, states: &[StepState]) -> Result<(), Cannot> {
        if self.status != RunStatus::Running {
            return Err(Cannot::RunOver);
        }
        let state = self.steps[place].status;
        if states.contains(&state) { Ok(()) } else { Err(Cannot::State(state)) }
    }

    /// The attempt is the one that this agent has claimed.
    fn held(&self, of: Attempt<'_>) -> Result<(), Cannot> {
        let step = &self.steps[of.place];
        if step.agent.as_deref() != Some(of.agent) {
            return Err(Cannot::OtherAgent);
        }
        self.open_step(of.place, &[StepState::Running])?;
        if step.attempt != of.number {
            return Err(Cannot::OtherAttempt(step.attempt));
        }
        Ok(())
    }

    fn has_room(&self, output: &Value) -> Result<(), Cannot> {
        let bytes = output.to_string().len();
        if bytes > super::run::OUTPUT_BYTES_MAX {
            return Err(Cannot::TooMuch(super::run::OUTPUT_BYTES_MAX));
        }
        if self.output_bytes() + bytes > super::run::OUTPUTS_BYTES_MAX {
            return Err(Cannot::TooMuch(super::run::OUTPUTS_BYTES_MAX));
        }
        Ok(())
    }
}
