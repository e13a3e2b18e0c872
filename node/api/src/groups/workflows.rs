//! Workflows: graphs of steps, in versions, published before they are run.

mod define;
mod view;

use axum::http::Method;
use ledger_format::record::{Body, WorkflowId, WorkflowPublish};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

pub(super) use define::{log_version, refuse_wrong};
pub(super) use view::own_version;

use view::WorkflowView;
use view::{Marks, workflow_view};

use crate::{
    ApiError,
    account::Changes,
    endpoint::{BodyInput, Context, NoQuery, Paged, QueryInput, Reply, Routes},
    wire::Whole,
};

/// The group of workflows and their runs.
pub(super) const GROUP: &str = "Orchestrations & Workflows";
pub(super) const ABOUT: &str = "Workflows as graphs of steps, and their runs: who does which step, under which decision, with which result.";

pub(super) fn declare(routes: &mut Routes) {
    routes
        .post("/v1/workflows", "create_workflow", define::create)
        .summary("Create a workflow")
        .about(
            "A draft: it is run once it is published. The log holds each step's name, type, dependencies and action, and the digest of the whole \
             definition; configurations stay with the nodes. See the guide on orchestration for the types of steps.",
        )
        .needs("workflows:write")
        .versioned()
        .example(define::example());
    routes
        .get("/v1/workflows", "list_workflows", list)
        .summary("List workflows")
        .about("Newest first, each in its newest version.")
        .needs("workflows:read")
        .paged();
    routes
        .get("/v1/workflows/{workflow_id}", "get_workflow", get)
        .summary("Get a workflow")
        .needs("workflows:read")
        .versioned();
    routes
        .add(Method::PUT, "/v1/workflows/{workflow_id}", "update_workflow", define::update)
        .summary("Write a new version of a workflow")
        .about("Versions that are there stay as they are. With `If-Match`, only if nobody else has written one since.")
        .needs("workflows:write")
        .versioned()
        .example(define::example());
    routes
        .post("/v1/workflows/{workflow_id}/publish", "publish_workflow", publish)
        .summary("Publish a version")
        .about("From then on it may be run. The newest version, unless the body names one.")
        .needs("workflows:write")
        .answers(200)
        .versioned()
        .example(json!({"version": 1}));
    routes
        .post("/v1/workflows/{workflow_id}/archive", "archive_workflow", archive)
        .summary("Archive a workflow")
        .about("It is not run and not changed any more; its runs go on. A mark of the nodes: the log has no word for it.")
        .needs("workflows:write")
        .answers(200)
        .example(json!({}));
}

/// Which version.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichVersion {
    /// The version's number; the newest when left out.
    #[serde(default)]
    #[param(inline)]
    version: Option<Whole<1, 1_000_000>>,
}

impl QueryInput for WhichVersion {}

/// What state a workflow can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WorkflowStatus)]
pub(super) enum StatusWord {
    /// It is not run.
    Draft,
    /// It may be run.
    Published,
    /// It is over.
    Archived,
}

/// Which workflows.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListWorkflows {
    /// Only with this status of the newest version.
    #[serde(default)]
    status: Option<StatusWord>,
}

impl QueryInput for ListWorkflows {}

async fn list(context: Context, query: ListWorkflows) -> Result<Reply<Paged<WorkflowView>>, ApiError> {
    let page = context.list(&["workflow.define"], None, true, |context, row| {
        // Further versions are no further workflows.
        let Some((_, record)) = context.entry(row.index)? else { return Ok(None) };
        let Body::WorkflowDefine(body) = &record.body else { return Ok(None) };
        if body.version != 1 {
            return Ok(None);
        }
        let view = workflow_view(context, body.workflow, None)?;
        Ok(view.filter(|view| query.status.is_none_or(|wanted| view.has_status(wanted))))
    });
    Ok(Reply::new(page.await?))
}

async fn get(context: Context, query: WhichVersion) -> Result<Reply<WorkflowView>, ApiError> {
    let id: WorkflowId = context.id("workflow_id")?;
    let workflow = view::own(&context, id, "workflow_id")?;
    define::unchanged(&context, workflow.newest)?;
    let version = query.version.map(Whole::get);
    let view =
        workflow_view(&context, id, version)?.ok_or_else(|| ApiError::missing("version", "version"))?;
    Ok(view.reply())
}

/// Which version is published.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PublishWorkflow {
    /// The version's number; the newest when left out.
    #[serde(default)]
    version: Option<Whole<1, 1_000_000>>,
}

impl BodyInput for PublishWorkflow {
    const REQUIRED: bool = false;
}

async fn publish(
    mut context: Context,
    _: NoQuery,
    body: PublishWorkflow,
) -> Result<Reply<WorkflowView>, ApiError> {
    let id: WorkflowId = context.id("workflow_id")?;
    let workflow = view::own(&context, id, "workflow_id")?;
    define::unchanged(&context, workflow.newest)?;
    view::not_archived(&context, id)?;
    let version = body.version.map_or(workflow.newest, Whole::get);
    if version > workflow.newest {
        return Err(ApiError::missing("version", "version"));
    }
    let on_behalf_of = context.on_behalf_of()?;
    let record = Body::WorkflowPublish(Box::new(WorkflowPublish { on_behalf_of, version, workflow: id }));
    let logged = context.record(record).await?;
    let view = workflow_view(&context, id, Some(version))?;
    let view = view.ok_or_else(|| ApiError::internal("a published version is not there"))?;
    Ok(view.logged(logged.receipt).reply())
}

/// Nothing is said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ArchiveWorkflow {}

impl BodyInput for ArchiveWorkflow {
    const REQUIRED: bool = false;
}

async fn archive(context: Context, _: NoQuery, _: ArchiveWorkflow) -> Result<Reply<WorkflowView>, ApiError> {
    let id: WorkflowId = context.id("workflow_id")?;
    view::own(&context, id, "workflow_id")?;
    view::not_archived(&context, id)?;
    let marks = Marks { archived_ms: Some(context.now_ms) };
    let place = view::marks_place(id);
    context.store().change(Changes::default().put(&place, &marks, None)?).await?;
    let view = workflow_view(&context, id, None)?;
    Ok(view.ok_or_else(|| ApiError::internal("an archived workflow is not there"))?.reply())
}
