//! Workflows and their runs: `workflow.define`, `.publish`, `orchestration.start`, `.step`, `.finish`.

use super::declare::{body, object};
use super::fields::{Digest, words};
use super::ids::{AgentId, OrchestrationId, ReceiptId, WorkflowId};
use super::json::{JsonError, Reader, Reason};
use super::kinds::{Action, DigestOf, Id, Name, OnBehalfOf, Token, Tokens, Word, lists, numbers, word_kind};
use super::scope::Scope;

/// Most steps of a workflow.
pub const WORKFLOW_STEPS_MAX: usize = 128;

words! {
    /// What a step is.
    StepKind, "one of llm_inference, tool_call, webhook, transform, decision" {
        /// A model is asked.
        LlmInference = "llm_inference",
        /// A tool is used.
        ToolCall = "tool_call",
        /// Something outside is called.
        Webhook = "webhook",
        /// Values are turned into others.
        Transform = "transform",
        /// A way is chosen.
        Decision = "decision",
    }
}

words! {
    /// How a step of a run stands.
    StepStatus, "one of assigned, succeeded, failed, skipped, timed_out" {
        /// Somebody works on it.
        Assigned = "assigned",
        /// Done.
        Succeeded = "succeeded",
        /// Not done.
        Failed = "failed",
        /// Not needed.
        Skipped = "skipped",
        /// Nobody did it in time.
        TimedOut = "timed_out",
    }
}

words! {
    /// How a run ended.
    RunResult, "one of succeeded, failed, cancelled" {
        /// Done.
        Succeeded = "succeeded",
        /// Not done.
        Failed = "failed",
        /// Broken off.
        Cancelled = "cancelled",
    }
}
word_kind!(StepKind, StepStatus, RunResult);

numbers! {
    /// A version of a workflow.
    Version: 1, 1_000_000, "1 to 1000000";
}

object! {
    /// One step of a workflow.
    WorkflowStep is "a step" {
        /// steps, earlier in the list, that come before it
        optional after: Vec<String> as Tokens,
        /// what it is
        required kind: StepKind as Word<StepKind>,
        /// the action that whoever does it must be allowed
        optional scope: Scope as Action,
        /// its name, unique in the workflow
        required step: String as Token,
    }
}

lists! {
    /// The steps, in an order in which they can be done.
    Steps: plain WorkflowStep as WorkflowStep, 1, WORKFLOW_STEPS_MAX, "a list of 1 to 128 steps";
}

body! {
    /// Body of `workflow.define`: a version of a workflow. Its steps form a graph without cycles, because each names earlier ones only.
    ///
    /// Effect: the version is a draft. Refused: `workflow_version_wrong` (versions count from 1 without gaps), `workflow_of_other_tenant`.
    WorkflowDefine = "workflow.define" by [Tenant, Operator], info DEFINE, check steps_in_order {
        /// digest of the whole definition
        required digest: Digest as DigestOf,
        /// what people call it
        required name: String as Name,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// its steps
        required steps: Vec<WorkflowStep> as Steps,
        /// which version
        required version: u64 as Version,
        /// its id
        required workflow: WorkflowId as Id<WorkflowId>,
    }
}

impl WorkflowDefine {
    fn steps_in_order(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        for (i, step) in self.steps.iter().enumerate() {
            let earlier = &self.steps[..i];
            if earlier.iter().any(|other| other.step == step.step) {
                let rule = "a name that no other step has";
                return Err(r.field_error(&format!("steps[{i}].step"), Reason::Invalid { rule }));
            }
            let known = |name: &String| earlier.iter().any(|other| other.step == *name);
            if !step.after.iter().flatten().all(known) {
                let rule = "names of steps that are earlier in the list";
                return Err(r.field_error(&format!("steps[{i}].after"), Reason::Invalid { rule }));
            }
        }
        Ok(())
    }
}

body! {
    /// Body of `workflow.publish`: the version may be run.
    ///
    /// Effect: as it says. Refused: `workflow_unknown`, `workflow_version_wrong`.
    WorkflowPublish = "workflow.publish" by [Tenant, Operator], info PUBLISH {
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// which version
        required version: u64 as Version,
        /// the workflow
        required workflow: WorkflowId as Id<WorkflowId>,
    }
}

body! {
    /// Body of `orchestration.start`: a run of a published version begins.
    ///
    /// Effect: the run is open. Refused: `workflow_unknown`, `workflow_not_published`, `orchestration_exists`.
    OrchestrationStart = "orchestration.start" by [Agent, Tenant, Operator], info START {
        /// who runs it
        optional agent: AgentId as Id<AgentId>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the new run's id
        required orchestration: OrchestrationId as Id<OrchestrationId>,
        /// which version
        required version: u64 as Version,
        /// the workflow
        required workflow: WorkflowId as Id<WorkflowId>,
    }
}

body! {
    /// Body of `orchestration.step`: a step of a run changes.
    ///
    /// Effect: the step stands so. It can begin when every step that it comes after has succeeded or was skipped; what has succeeded or was
    /// skipped stays so. Refused: `orchestration_unknown`, `orchestration_finished`, `step_unknown`, `step_not_ready`, `step_done`.
    OrchestrationStep = "orchestration.step" by [Agent, Tenant, Operator], info STEP {
        /// who does it
        optional agent: AgentId as Id<AgentId>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the run
        required orchestration: OrchestrationId as Id<OrchestrationId>,
        /// the receipt of what was done
        optional receipt: ReceiptId as Id<ReceiptId>,
        /// how it stands
        required status: StepStatus as Word<StepStatus>,
        /// the step
        required step: String as Token,
    }
}

body! {
    /// Body of `orchestration.finish`: the run is over.
    ///
    /// Effect: as it says; `succeeded` needs every step to have succeeded or been skipped. Refused: `orchestration_unknown`,
    /// `orchestration_finished`, `step_not_ready`.
    OrchestrationFinish = "orchestration.finish" by [Tenant, Operator], info FINISH {
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the run
        required orchestration: OrchestrationId as Id<OrchestrationId>,
        /// how it ended
        required result: RunResult as Word<RunResult>,
    }
}
