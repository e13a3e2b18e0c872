//! Models: attested by an agent, with what they have learnt from.

use ledger_format::record::{Body, DatasetId, ModelAttest, ModelId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    attested::{self, Attested, FIRST_VERSION, ListAttested, SOURCES_MAX, derived_id, refuse_another},
    datasets::own_dataset,
    lineage,
    logged_at::LoggedAt,
    receipts::Found,
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Listed, NoQuery, Paged, Reply, Routes},
    wire::{
        AgentRef, ContentHash, DatasetRef, DescriptionText, Metadata, ModelRef, NameText, Text, record_name,
        token,
    },
};

pub(super) fn declare(routes: &mut Routes) {
    routes
        .post("/v1/models/attest", "attest_model", attest)
        .summary("Attest a model")
        .about("An agent says that it made or took in these weights. A name and version are attested once by each agent.")
        .needs("models:write")
        .example(json!({
            "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "name": "invoice-reader", "version": "1.0.0", "framework": "pytorch",
            "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "training_dataset_ids": ["maip-ds:01KC2G2V3T3XJ6W1B0D9QH8Y7W"],
            "hyperparameters": {"epochs": 3}, "metrics": {"f1": 0.93},
        }));
    routes
        .get("/v1/models", "list_models", list)
        .summary("List models")
        .about("Newest first.")
        .needs("models:read")
        .paged();
    routes.get("/v1/models/{model_id}", "get_model", get).summary("Get a model").needs("models:read");
    for (path, id) in [
        ("/v1/models/{model_id}/lineage", "get_model_lineage"),
        ("/v1/models/lineage/{model_id}", "get_lineage_of_model"),
    ] {
        routes
            .get(path, id, lineage::of_model)
            .summary("What a model comes from")
            .about("Each edge reads `source relationship target`, as in *invoice-reader trained_on invoices*. With `direction`, what was made of it.")
            .needs("models:read");
    }
}

/// A model to be attested.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AttestModel {
    /// Who says it.
    agent_id: AgentRef,
    name: NameText,
    /// `1.0.0` when nothing is said.
    #[serde(default)]
    version: Option<Text<1, 64>>,
    /// `pytorch`, `tensorflow`, `onnx`, `custom` or another word.
    #[serde(default)]
    framework: Option<Text<0, 64>>,
    hash: ContentHash,
    /// The data sets that it has learnt from.
    #[serde(default)]
    #[schema(max_items = 64)]
    training_dataset_ids: Vec<DatasetRef>,
    /// The model that it was made from.
    #[serde(default, alias = "parent_model_id")]
    base_model_id: Option<ModelRef>,
    /// How it was made from that; `fine_tuned_from` when nothing is said.
    #[serde(default)]
    relationship: Option<BaseRelation>,
    #[serde(default)]
    hyperparameters: Option<Metadata>,
    /// How well it does, in the caller's measures.
    #[serde(default)]
    metrics: Option<Metadata>,
    #[serde(default)]
    description: Option<DescriptionText>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

impl BodyInput for AttestModel {}

/// How a model was made from another.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BaseRelation {
    #[default]
    FineTunedFrom,
    DistilledFrom,
    /// The base went into service as this one.
    DeployedAs,
}

/// What the nodes keep of an attestation.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct ModelNotes {
    /// The whole name, if the record holds a shorter one.
    name: Option<String>,
    pub(super) version: String,
    hash: String,
    framework: Option<String>,
    pub(super) relationship: BaseRelation,
    pub(super) hyperparameters: Map<String, Value>,
    pub(super) metrics: Map<String, Value>,
    description: String,
    metadata: Map<String, Value>,
}

/// A model.
#[derive(Serialize, ToSchema)]
struct ModelView {
    #[serde(flatten)]
    at: LoggedAt,
    id: String,
    model_id: String,
    tenant_id: String,
    agent_id: String,
    name: String,
    version: String,
    /// `pytorch`, `tensorflow`, `onnx`, `custom` or another word.
    framework: Option<String>,
    /// Digest of its weights.
    hash: String,
    training_dataset_ids: Vec<String>,
    base_model_id: Option<String>,
    /// How it was made from its base; null without one.
    relationship: Option<BaseRelation>,
    #[schema(value_type = Object)]
    hyperparameters: Map<String, Value>,
    /// How well it does, in the caller's measures.
    #[schema(value_type = Object)]
    metrics: Map<String, Value>,
    description: String,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// `attested`.
    status: &'static str,
    /// Who signed the record: `operator`, `tenant` or `agent`.
    signed_by: &'static str,
    /// Who signed, in a sentence.
    signer_statement: String,
}

impl Listed for ModelView {
    const PLURAL: &'static str = "models";
}

impl Attested for ModelView {
    fn name(&self) -> &str {
        &self.name
    }
}

async fn attest(mut context: Context, _: NoQuery, body: AttestModel) -> Result<Reply<ModelView>, ApiError> {
    let agent = body.agent_id.0;
    context.own_agent(agent, "agent_id")?;
    let datasets = training(&context, &body.training_dataset_ids)?;
    let base = body.base_model_id.map(|base| base.0);
    match base {
        Some(base) => drop(own_model(&context, base, "base_model_id")?),
        None if body.relationship.is_some() => {
            let error = ApiError::unprocessable("there is no base model that it could stand to in this way");
            return Err(error.field("relationship").fix("give base_model_id, too"));
        }
        None => {}
    }
    let record_id = context.new_id()?;
    let version = body.version.map_or_else(|| FIRST_VERSION.to_owned(), Text::into_string);
    let model = ModelId(derived_id(&context, "model", agent, body.name.as_str(), &version));
    if let Some(known) = context.view(|view| ledger_state::model(view, model))? {
        refuse_another(&context, known.index, record_id, "MODEL_EXISTS", body.name.as_str(), &version)?;
    }
    let (name, whole) = record_name(body.name.as_str());
    let record = Body::ModelAttest(Box::new(ModelAttest {
        agent,
        base,
        datasets: Some(datasets).filter(|datasets| !datasets.is_empty()),
        digest: body.hash.digest,
        model,
        name,
        on_behalf_of: context.on_behalf_of()?,
        version: Some(token(&version)),
    }));
    let notes = ModelNotes {
        name: whole,
        version,
        hash: body.hash.text,
        framework: body.framework.map(Text::into_string),
        relationship: body.relationship.unwrap_or_default(),
        hyperparameters: body.hyperparameters.unwrap_or_default().0,
        metrics: body.metrics.unwrap_or_default().0,
        description: body.description.map(Text::into_string).unwrap_or_default(),
        metadata: body.metadata.unwrap_or_default().0,
    };
    let logged = context.record_noted(record_id, record, record_id, &notes).await?;
    let mut view = shown(&context, logged.index)?.ok_or_else(|| ApiError::internal("no model"))?;
    view.at = view.at.acked(&logged);
    Ok(Reply::new(view).at(logged.index))
}

/// The data sets of a body, in the order of the record: each the caller's own, each once.
fn training(context: &Context, named: &[DatasetRef]) -> Result<Vec<DatasetId>, ApiError> {
    let mut datasets = Vec::new();
    for (at, id) in named.iter().enumerate() {
        let field = format!("training_dataset_ids[{at}]");
        own_dataset(context, id.0, &field)?;
        if datasets.contains(&id.0) {
            return Err(ApiError::unprocessable("the data set is named twice")
                .field(field)
                .fix("name it once"));
        }
        if datasets.len() == SOURCES_MAX {
            return Err(ApiError::unprocessable(format!("at most {SOURCES_MAX} data sets")).field(field));
        }
        datasets.push(id.0);
    }
    datasets.sort_unstable();
    Ok(datasets)
}

/// The caller's own model; another tenant's does not exist for the caller.
pub(super) fn own_model(
    context: &Context,
    id: ModelId,
    field: &str,
) -> Result<ledger_state::Lineage, ApiError> {
    let tenant = context.tenant()?;
    let known = context.view(|view| ledger_state::model(view, id))?;
    known.filter(|known| known.tenant == tenant).ok_or_else(|| ApiError::missing("model", field))
}

fn shown(context: &Context, index: u64) -> Result<Option<ModelView>, ApiError> {
    let found = Found::at_index(context, context.tenant()?, index)?;
    found.map_or(Ok(None), |found| model_view(context, &found))
}

fn model_view(context: &Context, found: &Found) -> Result<Option<ModelView>, ApiError> {
    let Body::ModelAttest(body) = &found.record.body else { return Ok(None) };
    let notes: Option<ModelNotes> = context.kept(found.record.id)?;
    // What an agent has signed itself comes with no more than its record.
    let notes = notes.unwrap_or_else(|| ModelNotes {
        version: body.version.clone().unwrap_or_default(),
        ..ModelNotes::default()
    });
    Ok(Some(ModelView {
        at: LoggedAt::of(found),
        id: body.model.0.uuid(),
        model_id: body.model.to_string(),
        tenant_id: TenantId(found.tenant).to_string(),
        agent_id: body.agent.to_string(),
        name: notes.name.unwrap_or_else(|| body.name.clone()),
        version: notes.version,
        framework: notes.framework,
        hash: if notes.hash.is_empty() { body.digest.to_string() } else { notes.hash },
        training_dataset_ids: body.datasets.iter().flatten().map(ToString::to_string).collect(),
        base_model_id: body.base.map(|base| base.to_string()),
        relationship: body.base.map(|_| notes.relationship),
        hyperparameters: notes.hyperparameters,
        metrics: notes.metrics,
        description: notes.description,
        metadata: notes.metadata,
        status: "attested",
        signed_by: found.signed_by(),
        signer_statement: found.signer_statement(),
    }))
}

async fn list(context: Context, query: ListAttested) -> Result<Reply<Paged<ModelView>>, ApiError> {
    attested::list(&context, "model.attest", query, shown).await
}

async fn get(context: Context, _: NoQuery) -> Result<Reply<ModelView>, ApiError> {
    let known = own_model(&context, context.id("model_id")?, "model_id")?;
    let view = shown(&context, known.index)?.ok_or_else(|| ApiError::missing("model", "model_id"))?;
    Ok(Reply::new(view).at(known.index))
}
