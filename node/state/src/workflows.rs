//! Workflows and their runs.

use std::rc::Rc;

use ledger_format::record::{
    OrchestrationFinish, OrchestrationId, OrchestrationStart, OrchestrationStep, Record, RunResult,
    StepStatus, Ulid, WorkflowDefine, WorkflowId, WorkflowPublish,
};

use crate::batch::{Batch, Stop, refuse};
use crate::fields::{value, word_parts};
use crate::keys::{self, Kept};
use crate::rejection::Code;
use crate::view::View;

word_parts!(StepStatus, RunResult);

value! {
    /// A workflow.
    pub Workflow {
        /// The tenant that it belongs to.
        tenant: Ulid,
        /// The newest version.
        newest: u64,
    }
}

value! { part
    /// A step of a version.
    pub WorkflowStep {
        /// Its name.
        name: String,
        /// Places of the steps before it.
        after: Vec<u64>,
    }
}

value! {
    /// A version of a workflow.
    pub WorkflowVersion {
        /// Its steps.
        steps: Vec<WorkflowStep>,
        /// Whether it may be run.
        published: bool,
    }
}

value! {
    /// A run.
    pub Run {
        /// The tenant that runs it.
        tenant: Ulid,
        /// What is run.
        workflow: WorkflowId,
        /// Which version.
        version: u64,
        /// How each step stands, by its place.
        steps: Vec<Option<StepStatus>>,
        /// How it ended.
        result: Option<RunResult>,
    }
}

pub(crate) fn workflow_key(id: WorkflowId) -> Vec<u8> {
    keys::kept(Kept::Workflow, &id.0.to_bytes(), &[])
}

pub(crate) fn version_key(id: WorkflowId, version: u64) -> Vec<u8> {
    keys::kept(Kept::WorkflowVersion, &id.0.to_bytes(), &version.to_be_bytes())
}

fn run_key(id: OrchestrationId) -> Vec<u8> {
    keys::kept(Kept::Run, &id.0.to_bytes(), &[])
}

pub(crate) fn define<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &WorkflowDefine,
) -> Result<(), Stop> {
    batch.tenant(record.tenant)?;
    let known = batch.get::<Workflow>(workflow_key(body.workflow))?;
    if known.as_ref().is_some_and(|workflow| workflow.tenant != record.tenant) {
        let message = format!("workflow {} belongs to another tenant", body.workflow);
        return Err(refuse(Code::WorkflowOfOtherTenant, "body.workflow", message, "make a new workflow id"));
    }
    let next = known.map_or(1, |workflow| workflow.newest + 1);
    if body.version != next {
        let message = format!("the next version is {next}");
        return Err(refuse(Code::WorkflowVersionWrong, "body.version", message, "count versions from 1"));
    }
    let place =
        |name: &String| body.steps.iter().position(|step| step.step == *name).unwrap_or_default() as u64;
    let steps = body.steps.iter().map(|step| WorkflowStep {
        name: step.step.clone(),
        after: step.after.iter().flatten().map(place).collect(),
    });
    let version = WorkflowVersion { steps: steps.collect(), published: false };
    batch.put(version_key(body.workflow, next), version);
    batch.put(workflow_key(body.workflow), Workflow { tenant: record.tenant, newest: next });
    Ok(())
}

/// A version of the tenant's own workflow.
fn version_of<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    id: WorkflowId,
    version: u64,
) -> Result<Rc<WorkflowVersion>, Stop> {
    let known = batch.get::<Workflow>(workflow_key(id))?;
    if known.is_none_or(|workflow| workflow.tenant != record.tenant) {
        let message = format!("the tenant has no workflow {id}");
        return Err(refuse(Code::WorkflowUnknown, "body.workflow", message, "log workflow.define first"));
    }
    let wrong = || {
        let message = format!("workflow {id} has no version {version}");
        refuse(Code::WorkflowVersionWrong, "body.version", message, "name a version that was defined")
    };
    batch.get::<WorkflowVersion>(version_key(id, version))?.ok_or_else(wrong)
}

pub(crate) fn publish<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &WorkflowPublish,
) -> Result<(), Stop> {
    let version = version_of(batch, record, body.workflow, body.version)?;
    let published = WorkflowVersion { published: true, ..Rc::unwrap_or_clone(version) };
    batch.put(version_key(body.workflow, body.version), published);
    Ok(())
}

pub(crate) fn start<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &OrchestrationStart,
) -> Result<(), Stop> {
    if let Some(agent) = body.agent {
        batch.acting_agent_of(record.tenant, agent, "body.agent")?;
    }
    let version = version_of(batch, record, body.workflow, body.version)?;
    if !version.published {
        let message = format!("version {} is a draft", body.version);
        return Err(refuse(
            Code::WorkflowNotPublished,
            "body.version",
            message,
            "log workflow.publish first",
        ));
    }
    if batch.get::<Run>(run_key(body.orchestration))?.is_some() {
        let message = format!("run {} is there already", body.orchestration);
        return Err(refuse(Code::OrchestrationExists, "body.orchestration", message, "make a new run id"));
    }
    let run = Run {
        tenant: record.tenant,
        workflow: body.workflow,
        version: body.version,
        steps: vec![None; version.steps.len()],
        result: None,
    };
    batch.put(run_key(body.orchestration), run);
    Ok(())
}

/// The tenant's own run, which is not over.
fn open<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    id: OrchestrationId,
) -> Result<Rc<Run>, Stop> {
    let field = "body.orchestration";
    let run = batch.get::<Run>(run_key(id))?.filter(|run| run.tenant == record.tenant);
    let unknown = || {
        let message = format!("the tenant has no run {id}");
        refuse(Code::OrchestrationUnknown, field, message, "log orchestration.start first")
    };
    let run = run.ok_or_else(unknown)?;
    if let Some(result) = run.result {
        let message = format!("run {id} is over: {}", result.as_str());
        return Err(refuse(Code::OrchestrationFinished, field, message, "start a new run"));
    }
    Ok(run)
}

fn is_done(status: Option<StepStatus>) -> bool {
    matches!(status, Some(StepStatus::Succeeded | StepStatus::Skipped))
}

pub(crate) fn step<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &OrchestrationStep,
) -> Result<(), Stop> {
    if let Some(agent) = body.agent {
        batch.acting_agent_of(record.tenant, agent, "body.agent")?;
    }
    let mut run = Rc::unwrap_or_clone(open(batch, record, body.orchestration)?);
    let version = version_of(batch, record, run.workflow, run.version)?;
    let unknown = || {
        let message = format!("the workflow has no step {}", body.step);
        refuse(Code::StepUnknown, "body.step", message, "name a step of the workflow")
    };
    let place = version.steps.iter().position(|step| step.name == body.step).ok_or_else(unknown)?;
    if is_done(run.steps[place]) {
        let message = format!("step {} is done", body.step);
        return Err(refuse(Code::StepDone, "body.step", message, "nothing is left to do"));
    }
    let waits = version.steps[place].after.iter().find(|before| !is_done(run.steps[**before as usize]));
    if let Some(before) = waits {
        let name = &version.steps[*before as usize].name;
        let message = format!("step {name} comes before it and is not done");
        return Err(refuse(Code::StepNotReady, "body.step", message, "finish the steps before it first"));
    }
    run.steps[place] = Some(body.status);
    batch.put(run_key(body.orchestration), run);
    Ok(())
}

pub(crate) fn finish<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &OrchestrationFinish,
) -> Result<(), Stop> {
    let run = open(batch, record, body.orchestration)?;
    if body.result == RunResult::Succeeded && !run.steps.iter().all(|status| is_done(*status)) {
        let message = "a step has neither succeeded nor been skipped";
        return Err(refuse(Code::StepNotReady, "body.result", message, "finish the steps first"));
    }
    batch.put(run_key(body.orchestration), Run { result: Some(body.result), ..Rc::unwrap_or_clone(run) });
    Ok(())
}
