//! What a check or a report is about: an agent, a model, a data set, a workflow, or the whole tenant.

use ledger_format::record::{AgentId, DatasetId, ModelId, TenantId, WorkflowId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::{datasets::own_dataset, models::own_model, receipts::Found};
use crate::{
    ApiError,
    compliance::Only,
    endpoint::Context,
    wire::{IdKind, Text, article},
};

/// What kind of thing it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ComplianceEntityType)]
pub(super) enum EntityType {
    Agent,
    Model,
    Dataset,
    Workflow,
    Tenant,
}

/// What it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entity {
    pub(super) kind: EntityType,
    /// Canonical id.
    pub(super) id: String,
    /// What people call it.
    pub(super) name: String,
}

impl EntityType {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            EntityType::Agent => "agent",
            EntityType::Model => "model",
            EntityType::Dataset => "dataset",
            EntityType::Workflow => "workflow",
            EntityType::Tenant => "tenant",
        }
    }
}

/// Reads an id of a kind out of a text of the body.
fn id<K: IdKind>(text: &str, field: &str) -> Result<K, ApiError> {
    K::read(text).ok_or_else(|| {
        ApiError::unprocessable(format!("is not the id of {} {}", article(K::WHAT), K::WHAT))
            .field(field)
            .fix(format!("write {}<ulid> or a UUID", K::PREFIX))
    })
}

/// The caller's own thing that a body names; another tenant's does not exist for the caller.
pub(super) async fn own_entity(
    context: &Context,
    kind: EntityType,
    text: &Text<1, 256>,
    field: &str,
) -> Result<Entity, ApiError> {
    let text = text.as_str();
    let (id, name) = match kind {
        EntityType::Agent => {
            let id: AgentId = id(text, field)?;
            (id.to_string(), context.own_agent(id, field)?.name)
        }
        EntityType::Dataset => {
            let id: DatasetId = id(text, field)?;
            (id.to_string(), own_dataset(context, id, field)?.name)
        }
        EntityType::Model => {
            let id: ModelId = id(text, field)?;
            (id.to_string(), own_model(context, id, field)?.name)
        }
        EntityType::Workflow => {
            let id: WorkflowId = id(text, field)?;
            (id.to_string(), own_workflow(context, id, field).await?)
        }
        EntityType::Tenant => own_tenant(context, text, field)?,
    };
    Ok(Entity { kind, id, name })
}

fn own_tenant(context: &Context, text: &str, field: &str) -> Result<(String, String), ApiError> {
    let own = TenantId(context.tenant()?);
    // The editors' plug-ins say `tenant` where others say which.
    if text != "tenant" && id::<TenantId>(text, field)? != own {
        return Err(ApiError::missing("tenant", field));
    }
    let tenant = context.view(|view| ledger_state::tenant(view, own.0))?;
    Ok((own.to_string(), tenant.map(|tenant| tenant.name).unwrap_or_default()))
}

async fn own_workflow(context: &Context, id: WorkflowId, field: &str) -> Result<String, ApiError> {
    if !context.reader.wait_timeline(context.reader.applied_size(), context.timeout).await {
        return Err(ApiError::too_late("the lists of this node are not up to date yet"));
    }
    let tenant = context.tenant()?;
    let made = context.reader.made_by(id.0).map_err(ApiError::internal)?;
    let made = made.filter(|(_, owner)| *owner == tenant);
    let found = made.map_or(Ok(None), |(index, _)| Found::at_index(context, tenant, index))?;
    match found.map(|found| found.record.body) {
        Some(ledger_format::record::Body::WorkflowDefine(body)) => Ok(body.name.clone()),
        _ => Err(ApiError::missing("workflow", field)),
    }
}

impl Entity {
    /// The agent whose records tell about it: itself, or who attested it. `None`: all of the tenant's.
    pub(super) fn agent(&self, context: &Context) -> Result<Option<AgentId>, ApiError> {
        let attested = match self.kind {
            EntityType::Agent => return Ok(AgentId::parse(&self.id)),
            EntityType::Dataset => DatasetId::parse(&self.id)
                .map(|id| context.view(|view| ledger_state::dataset(view, id)))
                .transpose()?
                .flatten(),
            EntityType::Model => ModelId::parse(&self.id)
                .map(|id| context.view(|view| ledger_state::model(view, id)))
                .transpose()?
                .flatten(),
            EntityType::Workflow | EntityType::Tenant => None,
        };
        let Some(attested) = attested else { return Ok(None) };
        Ok(context.entry(attested.index)?.and_then(|(_, record)| record.body.agent()))
    }

    /// The one data set or model that counts.
    pub(super) fn only(&self) -> Option<Only> {
        match self.kind {
            EntityType::Dataset => DatasetId::parse(&self.id).map(Only::Dataset),
            EntityType::Model => ModelId::parse(&self.id).map(Only::Model),
            _ => None,
        }
    }
}
