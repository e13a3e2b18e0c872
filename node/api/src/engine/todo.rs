//! What a run asks of the nodes now, and when it will next.

use serde_json::{Map, Value, json};

use super::{
    Definition, Plan, PlannedStep, Task,
    expression::Fault,
    run::{Run, RunStatus, StepState},
};

/// How often the agents of open steps are looked at: one that is stopped ends its steps.
pub(crate) const LOOK_MS: u64 = 1_000;

/// Something that a node is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    /// Time has ended something.
    Expire,
    /// May this step be done?
    Ask(usize),
    /// Has a person said yes or no?
    LookForApproval(usize),
    /// Is its agent still alive?
    LookAtAgent(usize),
    /// It is a node's to do.
    Perform(usize),
}

impl Run {
    /// What is to be done now, each of it independent of the others.
    pub(crate) fn todo(&self, definition: &Definition, plan: &Plan, now_ms: u64) -> Vec<Todo> {
        if self.status != RunStatus::Running {
            return Vec::new();
        }
        if now_ms >= self.next_end_ms() {
            return vec![Todo::Expire];
        }
        let of_step = |place: usize| {
            let (step, kind) = (&self.steps[place], definition.steps[place].kind);
            match step.status {
                StepState::Waiting if self.is_due(plan, place, now_ms) => {
                    let asks = matches!(plan.steps[place].task, Task::Agent { .. } | Task::Webhook(_));
                    Some(if asks { Todo::Ask(place) } else { Todo::Perform(place) })
                }
                StepState::AwaitingApproval => Some(Todo::LookForApproval(place)),
                StepState::Ready if !kind.is_for_agents() => Some(Todo::Perform(place)),
                StepState::Ready | StepState::Running => Some(Todo::LookAtAgent(place)),
                _ => None,
            }
        };
        (0..self.steps.len()).filter_map(of_step).collect()
    }

    fn is_due(&self, plan: &Plan, place: usize, now_ms: u64) -> bool {
        now_ms >= self.steps[place].due_ms && self.is_free(plan, place)
    }

    /// When time ends the next thing, ms.
    fn next_end_ms(&self) -> u64 {
        let ends = self.steps.iter().filter_map(|step| match step.status {
            StepState::Ready => Some(step.until_ms),
            StepState::Running => Some(step.until_ms.min(step.lease_ms)),
            _ => None,
        });
        ends.min().unwrap_or(u64::MAX).min(self.until_ms)
    }

    /// When the nodes are to look at it next, ms.
    pub(crate) fn next_ms(&self, definition: &Definition, plan: &Plan, now_ms: u64) -> u64 {
        if !self.outbox.is_empty() {
            return now_ms;
        }
        let of_step = |place: usize| {
            let step = &self.steps[place];
            match step.status {
                StepState::Waiting if self.is_free(plan, place) => Some(step.due_ms),
                StepState::Ready if !definition.steps[place].kind.is_for_agents() => Some(now_ms),
                StepState::AwaitingApproval | StepState::Ready | StepState::Running => Some(now_ms + LOOK_MS),
                _ => None,
            }
        };
        let next = (0..self.steps.len()).filter_map(of_step).min().unwrap_or(u64::MAX);
        next.min(self.next_end_ms())
    }

    /// Since when a step has waited for nothing but itself, ms: the same whoever works it out.
    pub(crate) fn free_since_ms(&self, plan: &Plan, place: usize) -> u64 {
        let before = plan.steps[place].after.iter().filter_map(|before| self.steps[*before].finished_ms);
        before.max().unwrap_or(0).max(self.steps[place].due_ms)
    }

    /// What a step's expressions see: the input, the parameters, and the steps that came before it. Others may end at any time, so they
    /// are not there.
    pub(crate) fn variables(&self, plan: &Plan, place: usize) -> [(&'static str, Value); 3] {
        let mut before = vec![false; plan.steps.len()];
        let mut open = vec![place];
        while let Some(step) = open.pop() {
            for earlier in &plan.steps[step].after {
                if !std::mem::replace(&mut before[*earlier], true) {
                    open.push(*earlier);
                }
            }
        }
        let mut steps = Map::new();
        for (at, step) in self.steps.iter().enumerate().filter(|(at, _)| before[*at]) {
            let shown = json!({"status": step.status, "output": step.output});
            steps.insert(plan.steps[at].id.clone(), shown);
        }
        [
            ("input", self.input.clone()),
            ("parameters", Value::Object(self.parameters.clone())),
            ("steps", Value::Object(steps)),
        ]
    }

    /// What a step is given: the values of its inputs, or all that went before.
    ///
    /// # Errors
    /// An expression has no value.
    pub(crate) fn given(&self, plan: &Plan, place: usize) -> Result<Value, Fault> {
        let variables = self.variables(plan, place);
        let seen: Vec<(&str, &Value)> = variables.iter().map(|(name, value)| (*name, value)).collect();
        match &plan.steps[place] {
            PlannedStep { task: Task::Agent { inputs }, .. } if !inputs.is_empty() => {
                let values = inputs.iter().map(|(name, input)| Ok((name.clone(), input.evaluate(&seen)?)));
                Ok(Value::Object(values.collect::<Result<_, Fault>>()?))
            }
            PlannedStep { task: Task::Webhook(webhook), .. } => match &webhook.body {
                Some(body) => body.evaluate(&seen),
                None => Ok(all(variables)),
            },
            _ => Ok(all(variables)),
        }
    }
}

fn all(variables: [(&'static str, Value); 3]) -> Value {
    Value::Object(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
