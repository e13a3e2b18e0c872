//! A workflow as callers see it.

use ledger_format::record::{ReceiptId, TenantId, Ulid, WorkflowId};
use ledger_state::Workflow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::StatusWord;
use crate::{
    ApiError,
    endpoint::{Context, Listed, Reply},
    engine::{
        StepDefinition, StepType,
        shelf::{self, Shelved},
    },
    wire::{WriteReceipt, time_text},
};

/// What the nodes know of a workflow and the log does not.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::groups) struct Marks {
    pub(in crate::groups) archived_ms: Option<u64>,
}

pub(super) fn marks_place(id: WorkflowId) -> String {
    format!("flow/mark/{}", id.0)
}

fn marks(context: &Context, id: WorkflowId) -> Result<Marks, ApiError> {
    Ok(context.store().get(&marks_place(id))?.map(|(marks, _)| marks).unwrap_or_default())
}

/// The caller's own workflow; another tenant's does not exist for the caller.
pub(super) fn own(context: &Context, id: WorkflowId, field: &str) -> Result<Workflow, ApiError> {
    let tenant = context.tenant()?;
    let workflow = context.view(|view| ledger_state::workflow(view, id))?;
    workflow.filter(|workflow| workflow.tenant == tenant).ok_or_else(|| ApiError::missing("workflow", field))
}

/// Refuses what is over.
pub(super) fn not_archived(context: &Context, id: WorkflowId) -> Result<(), ApiError> {
    match marks(context, id)?.archived_ms {
        None => Ok(()),
        Some(ms) => {
            let message = format!("the workflow was archived at {}", time_text(ms));
            Err(ApiError::conflict("WORKFLOW_ARCHIVED", message)
                .field("workflow_id")
                .fix("write a new workflow"))
        }
    }
}

/// A version of the caller's own workflow that may be run: the one that is named, or the newest that is published.
pub(in crate::groups) fn own_version(
    context: &Context,
    id: WorkflowId,
    version: Option<u64>,
) -> Result<(u64, Shelved), ApiError> {
    let workflow = own(context, id, "workflow_id")?;
    not_archived(context, id)?;
    let is_published = |number: u64| {
        context.view(|view| {
            ledger_state::workflow_version(view, id, number).is_some_and(|found| found.published)
        })
    };
    let number = match version {
        Some(number) if number > workflow.newest => return Err(ApiError::missing("version", "version")),
        Some(number) => is_published(number)?.then_some(number),
        None => {
            let mut number = workflow.newest;
            while number > 0 && !is_published(number)? {
                number -= 1;
            }
            Some(number).filter(|number| *number > 0)
        }
    };
    let number = number.ok_or_else(|| {
        ApiError::conflict("WORKFLOW_NOT_PUBLISHED", "the workflow is a draft")
            .field("workflow_id")
            .fix("publish it first")
    })?;
    let found = shelf::find(&context.store(), id, number)?;
    Ok((number, found.ok_or_else(|| ApiError::internal("a version has no definition"))?))
}

/// A step as its author wrote it.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct WorkflowStepView {
    /// Its name.
    name: String,
    /// Its name in the log and in expressions.
    step_id: String,
    /// What kind of step it is.
    #[serde(rename = "type")]
    kind: StepType,
    #[schema(value_type = Object)]
    config: serde_json::Map<String, serde_json::Value>,
    depends_on: Vec<String>,
    action: Option<String>,
    /// Who does it; null: whoever runs the workflow.
    agent_id: Option<String>,
    retry: RetryView,
    timeout_seconds: u64,
    requires_approval: bool,
}

/// How often a step is tried.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WorkflowRetryView)]
struct RetryView {
    max_attempts: u32,
    backoff_ms: u64,
}

/// A version of a workflow.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::groups) struct WorkflowView {
    id: String,
    workflow_id: String,
    tenant_id: String,
    name: String,
    description: String,
    /// What its author calls this version.
    version: String,
    /// Its number, as the log counts.
    version_number: u64,
    /// Number of the newest version: what `If-Match` takes.
    newest_version: u64,
    /// `draft`, `published` or `archived`.
    status: StatusWord,
    steps: Vec<WorkflowStepView>,
    /// SHA-256 of the whole definition, as the log holds it.
    digest: String,
    /// When the workflow was archived, RFC 3339 in UTC.
    archived_at: Option<String>,
    /// When this version was written, RFC 3339 in UTC.
    created_at: String,
    /// Record that defined this version, or, in the answer of a write, the record of the write.
    receipt_id: String,
    log_index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<&'static str>,
}

impl Listed for WorkflowView {
    const PLURAL: &'static str = "workflows";
}

impl WorkflowView {
    pub(super) fn has_status(&self, wanted: StatusWord) -> bool {
        self.status == wanted
    }

    /// With the answer of a write.
    pub(super) fn logged(mut self, receipt: WriteReceipt) -> Self {
        self.receipt_id = receipt.receipt_id;
        self.log_index = receipt.log_index;
        self.leaf_hash = Some(receipt.leaf_hash);
        self.ack = Some(receipt.ack);
        self
    }

    pub(super) fn reply(self) -> Reply<Self> {
        let (index, newest) = (self.log_index, self.newest_version);
        Reply::new(self).at(index).version(newest)
    }
}

/// A version of a workflow, the newest unless one is named; the caller has checked whose it is.
pub(in crate::groups) fn workflow_view(
    context: &Context,
    id: WorkflowId,
    version: Option<u64>,
) -> Result<Option<WorkflowView>, ApiError> {
    let Some(workflow) = context.view(|view| ledger_state::workflow(view, id))? else { return Ok(None) };
    let number = version.unwrap_or(workflow.newest);
    let Some(state) = context.view(|view| ledger_state::workflow_version(view, id, number))? else {
        return Ok(None);
    };
    let found = shelf::find(&context.store(), id, number)?;
    let Some(Shelved { definition, record }) = found else { return Ok(None) };
    let record = Ulid::parse(&record).ok_or_else(|| ApiError::internal("a version without its record"))?;
    let index = context.reader.find(workflow.tenant, record).map_err(ApiError::internal)?;
    let Some(index) = index else { return Ok(None) };
    let archived = marks(context, id)?.archived_ms;
    let status = match (archived, state.published) {
        (Some(_), _) => StatusWord::Archived,
        (None, true) => StatusWord::Published,
        (None, false) => StatusWord::Draft,
    };
    Ok(Some(WorkflowView {
        id: id.0.uuid(),
        workflow_id: id.to_string(),
        tenant_id: TenantId(workflow.tenant).to_string(),
        digest: shelf::digest(&definition)?.to_string(),
        name: definition.name,
        description: definition.description,
        version: definition.label,
        version_number: number,
        newest_version: workflow.newest,
        status,
        steps: definition.steps.into_iter().map(step_view).collect(),
        archived_at: archived.map(time_text),
        created_at: context.log_time(index)?,
        receipt_id: ReceiptId(record).to_string(),
        log_index: index,
        leaf_hash: None,
        ack: None,
    }))
}

fn step_view(step: StepDefinition) -> WorkflowStepView {
    WorkflowStepView {
        step_id: crate::wire::token(&step.name),
        name: step.name,
        kind: step.kind,
        config: step.config,
        depends_on: step.depends_on,
        action: step.action,
        agent_id: step.agent,
        retry: RetryView { max_attempts: step.retry.max_attempts, backoff_ms: step.retry.backoff_ms },
        timeout_seconds: step.timeout_seconds,
        requires_approval: step.requires_approval,
    }
}
