//! What follows from a move: steps that end, ways that are skipped, runs that are over.

use serde_json::Value;

use super::{
    Definition, Plan, Retry,
    run::{Finished, Logged, Run, RunStatus, Said, StepState, Trouble},
};

/// Who ended an attempt, with which record, by which credential.
#[derive(Default)]
pub(super) struct Ending {
    pub(super) agent: Option<String>,
    pub(super) receipt: Option<String>,
    pub(super) name: Option<String>,
}

impl Run {
    /// What follows from the steps as they stand: steps of which every one before was skipped are skipped, and a run without an open
    /// step is complete.
    pub(super) fn settle(&mut self, plan: &Plan, now_ms: u64) {
        if self.status != RunStatus::Running {
            return;
        }
        for place in &plan.order {
            let after = &plan.steps[*place].after;
            let skipped = |before: &usize| self.steps[*before].status == StepState::Skipped;
            let step = &self.steps[*place];
            let is_off = step.unchosen || (!after.is_empty() && after.iter().all(skipped));
            // The log takes a skip, as everything else of a step, when the steps before it are done.
            if step.status == StepState::Waiting && is_off && self.is_free(plan, *place) {
                self.skip(*place, now_ms);
            }
        }
        if self.steps.iter().all(|step| step.status.is_done()) {
            self.end(RunStatus::Completed, None, now_ms);
        }
    }

    fn skip(&mut self, place: usize, now_ms: u64) {
        self.steps[place].status = StepState::Skipped;
        self.steps[place].finished_ms = Some(now_ms);
        self.say(now_ms, None, Said::Step { place, status: Logged::Skipped, agent: None, receipt: None });
    }

    /// The run is over; what is open of it is cancelled.
    pub(super) fn end(&mut self, status: RunStatus, trouble: Option<Trouble>, now_ms: u64) {
        for step in self.steps.iter_mut().filter(|step| !step.status.is_over()) {
            step.status = StepState::Cancelled;
            step.finished_ms = Some(now_ms);
        }
        let finished = match status {
            RunStatus::Completed => Finished::Succeeded,
            RunStatus::Cancelled => Finished::Cancelled,
            RunStatus::Failed | RunStatus::Timeout | RunStatus::Running => Finished::Failed,
        };
        (self.status, self.trouble, self.finished_ms) = (status, trouble, Some(now_ms));
        self.finished = Some(self.say(now_ms, None, Said::Finish(finished)));
    }

    /// An attempt has ended well or badly.
    pub(super) fn settled(
        &mut self,
        definition: &Definition,
        plan: &Plan,
        place: usize,
        result: Result<Value, (Trouble, bool)>,
        ending: Ending,
        now_ms: u64,
    ) {
        if ending.receipt.is_some() {
            self.steps[place].receipt.clone_from(&ending.receipt);
        }
        match result {
            Ok(output) => {
                let step = &mut self.steps[place];
                (step.status, step.finished_ms) = (StepState::Succeeded, Some(now_ms));
                step.output = Some(output);
                self.tell(place, Logged::Succeeded, ending, now_ms);
                self.settle(plan, now_ms);
            }
            Err((trouble, true)) => {
                let retry = definition.steps[place].retry;
                self.failed(place, retry, Logged::Failed, ending, trouble, now_ms);
            }
            Err((trouble, false)) => self.fail_for_good(place, Logged::Failed, ending, trouble, now_ms),
        }
    }

    fn tell(&mut self, place: usize, status: Logged, ending: Ending, now_ms: u64) {
        let Ending { agent, receipt, name } = ending;
        self.say(now_ms, name.as_deref(), Said::Step { place, status, agent, receipt });
    }

    /// An attempt has failed: the next one is due later, or the run has failed.
    pub(super) fn failed(
        &mut self,
        place: usize,
        retry: Retry,
        status: Logged,
        ending: Ending,
        trouble: Trouble,
        now_ms: u64,
    ) {
        if self.steps[place].attempt >= retry.max_attempts {
            return self.fail_for_good(place, status, ending, trouble, now_ms);
        }
        let step = &mut self.steps[place];
        let doubled = retry.backoff_ms.saturating_mul(1 << step.attempt.saturating_sub(1).min(16));
        (step.status, step.due_ms, step.asks) = (StepState::Waiting, now_ms + doubled, step.asks + 1);
        (step.approval, step.trouble) = (None, Some(trouble));
        self.tell(place, status, ending, now_ms);
    }

    /// There is no next attempt, so the run has failed.
    pub(super) fn fail_for_good(
        &mut self,
        place: usize,
        status: Logged,
        ending: Ending,
        trouble: Trouble,
        now_ms: u64,
    ) {
        let step = &mut self.steps[place];
        step.status = if status == Logged::TimedOut { StepState::TimedOut } else { StepState::Failed };
        let trouble = Trouble { step: Some(step.id.clone()), ..trouble };
        (step.finished_ms, step.trouble) = (Some(now_ms), Some(trouble.clone()));
        self.tell(place, status, ending, now_ms);
        self.end(RunStatus::Failed, Some(trouble), now_ms);
    }
}
