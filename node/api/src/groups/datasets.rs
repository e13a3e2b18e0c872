//! Data sets: attested by an agent, in the lineage graph.

use ledger_format::record::{Body, DatasetAttest, DatasetId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    attested::{self, Attested, FIRST_VERSION, ListAttested, SOURCES_MAX, derived_id, refuse_another},
    lineage,
    logged_at::LoggedAt,
    receipts::Found,
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Listed, NoQuery, Paged, Reply, Routes},
    wire::{
        AgentRef, ContentHash, DatasetRef, DescriptionText, Metadata, NameText, Text, Whole, record_name,
    },
};

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Datasets & Models",
        "What models have learnt from, attested by agents. The log holds digests and the graph; what else is said of them stays with the nodes.",
    );
    routes
        .post("/v1/datasets/attest", "attest_dataset", attest)
        .summary("Attest a data set")
        .about("An agent says that it made or took in this content. A name and version are attested once by each agent; all sources must be attested before.")
        .needs("datasets:write")
        .example(json!({
            "agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "name": "invoices", "version": "1.0.0", "format": "parquet",
            "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "size_bytes": 1_048_576,
        }));
    routes
        .get("/v1/datasets", "list_datasets", list)
        .summary("List data sets")
        .about("Newest first.")
        .needs("datasets:read")
        .paged();
    routes
        .get("/v1/datasets/{dataset_id}", "get_dataset", get)
        .summary("Get a data set")
        .needs("datasets:read");
    for (path, id) in [
        ("/v1/datasets/lineage/{dataset_id}", "get_dataset_lineage"),
        ("/v1/datasets/{dataset_id}/lineage", "get_lineage_of_dataset"),
    ] {
        routes
            .get(path, id, lineage::of_dataset)
            .summary("Where a data set comes from")
            .about("Each edge reads `source relationship target`, as in *invoices derived_from ledger*. With `direction`, what was made of it.")
            .needs("datasets:read");
    }
}

/// A data set to be attested.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AttestDataset {
    /// Who says it.
    agent_id: AgentRef,
    name: NameText,
    /// `1.0.0` when nothing is said.
    #[serde(default)]
    version: Option<Text<1, 64>>,
    hash: ContentHash,
    /// What form it has, e.g. `parquet`.
    #[serde(default)]
    format: Option<Text<0, 64>>,
    #[serde(default)]
    size_bytes: Option<Whole<0, 9_007_199_254_740_991>>,
    #[serde(default)]
    record_count: Option<Whole<0, 9_007_199_254_740_991>>,
    #[serde(default)]
    schema_version: Option<Text<0, 64>>,
    #[serde(default)]
    source_uri: Option<Text<0, 2048>>,
    #[serde(default)]
    description: Option<DescriptionText>,
    #[serde(default)]
    metadata: Option<Metadata>,
    /// The data sets that it was made of, each `derived_from`.
    #[serde(default)]
    #[schema(max_items = 64)]
    source_dataset_ids: Vec<DatasetRef>,
    /// The data sets that it was made of, and how.
    #[serde(default)]
    #[schema(max_items = 64)]
    sources: Vec<DatasetSource>,
}

impl BodyInput for AttestDataset {}

/// A data set that another was made of.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DatasetSource {
    #[serde(alias = "source_dataset_id")]
    dataset_id: DatasetRef,
    /// `derived_from` when nothing is said.
    #[serde(default)]
    relationship: Option<SourceRelation>,
    /// What was done to it, in the caller's words.
    #[serde(default)]
    transformation: Option<Text<0, 1024>>,
}

/// How a data set was made of another.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
pub(super) enum SourceRelation {
    #[default]
    #[serde(rename = "derived_from")]
    Derived,
    #[serde(rename = "preprocessed_from")]
    Preprocessed,
    #[serde(rename = "merged_from")]
    Merged,
}

/// What the nodes keep of an attestation.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct DatasetNotes {
    /// The whole name, if the record holds a shorter one.
    name: Option<String>,
    pub(super) version: String,
    hash: String,
    format: Option<String>,
    size_bytes: Option<u64>,
    record_count: Option<u64>,
    schema_version: Option<String>,
    source_uri: Option<String>,
    description: String,
    metadata: Map<String, Value>,
    pub(super) sources: Vec<SourceNotes>,
}

/// How a data set was made of another, as it is kept.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = DatasetSourceView)]
pub(super) struct SourceNotes {
    pub(super) dataset_id: String,
    pub(super) relationship: SourceRelation,
    /// What was done to it, in the caller's words.
    pub(super) transformation: Option<String>,
}

/// A data set.
#[derive(Serialize, ToSchema)]
struct DatasetView {
    #[serde(flatten)]
    at: LoggedAt,
    id: String,
    dataset_id: String,
    tenant_id: String,
    agent_id: String,
    name: String,
    version: String,
    /// Digest of its content.
    hash: String,
    /// What form it has, e.g. `parquet`.
    format: Option<String>,
    size_bytes: Option<u64>,
    record_count: Option<u64>,
    schema_version: Option<String>,
    source_uri: Option<String>,
    description: String,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// The data sets that it was made of, and how.
    sources: Vec<SourceNotes>,
    /// `attested`.
    status: &'static str,
    /// Who signed the record: `operator`, `tenant` or `agent`.
    signed_by: &'static str,
    /// Who signed, in a sentence.
    signer_statement: String,
}

impl Listed for DatasetView {
    const PLURAL: &'static str = "datasets";
}

impl Attested for DatasetView {
    fn name(&self) -> &str {
        &self.name
    }
}

async fn attest(
    mut context: Context,
    _: NoQuery,
    body: AttestDataset,
) -> Result<Reply<DatasetView>, ApiError> {
    let agent = body.agent_id.0;
    context.own_agent(agent, "agent_id")?;
    let sources = sources(&context, &body)?;
    let record_id = context.new_id()?;
    let version = body.version.map_or_else(|| FIRST_VERSION.to_owned(), Text::into_string);
    let dataset = DatasetId(derived_id(&context, "data set", agent, body.name.as_str(), &version));
    if let Some(known) = context.view(|view| ledger_state::dataset(view, dataset))? {
        refuse_another(&context, known.index, record_id, "DATASET_EXISTS", body.name.as_str(), &version)?;
    }
    let (name, whole) = record_name(body.name.as_str());
    let mut ids: Vec<DatasetId> =
        sources.iter().filter_map(|source| DatasetId::parse(&source.dataset_id)).collect();
    ids.sort_unstable();
    let notes = DatasetNotes {
        name: whole,
        version,
        hash: body.hash.text,
        format: body.format.map(Text::into_string),
        size_bytes: body.size_bytes.map(Whole::get),
        record_count: body.record_count.map(Whole::get),
        schema_version: body.schema_version.map(Text::into_string),
        source_uri: body.source_uri.map(Text::into_string),
        description: body.description.map(Text::into_string).unwrap_or_default(),
        metadata: body.metadata.unwrap_or_default().0,
        sources,
    };
    let record = Body::DatasetAttest(Box::new(DatasetAttest {
        agent,
        dataset,
        digest: body.hash.digest,
        name,
        on_behalf_of: context.on_behalf_of()?,
        sources: Some(ids).filter(|ids| !ids.is_empty()),
    }));
    let logged = context.record_noted(record_id, record, record_id, &notes).await?;
    let mut view = shown(&context, logged.index)?.ok_or_else(|| ApiError::internal("no data set"))?;
    view.at = view.at.acked(&logged);
    Ok(Reply::new(view).at(logged.index))
}

/// The sources of a body: each the caller's own, each once.
fn sources(context: &Context, body: &AttestDataset) -> Result<Vec<SourceNotes>, ApiError> {
    let plain = body
        .source_dataset_ids
        .iter()
        .enumerate()
        .map(|(at, id)| (format!("source_dataset_ids[{at}]"), id.0, SourceRelation::default(), None));
    let told = body.sources.iter().enumerate().map(|(at, source)| {
        let transformation = source.transformation.clone().map(Text::into_string);
        let field = format!("sources[{at}].dataset_id");
        (field, source.dataset_id.0, source.relationship.unwrap_or_default(), transformation)
    });
    let mut sources: Vec<SourceNotes> = Vec::new();
    for (field, id, relationship, transformation) in plain.chain(told) {
        own_dataset(context, id, &field)?;
        let dataset_id = id.to_string();
        if sources.iter().any(|known| known.dataset_id == dataset_id) {
            return Err(ApiError::unprocessable("the source is named twice")
                .field(field)
                .fix("name it once"));
        }
        if sources.len() == SOURCES_MAX {
            return Err(ApiError::unprocessable(format!("at most {SOURCES_MAX} sources")).field(field));
        }
        sources.push(SourceNotes { dataset_id, relationship, transformation });
    }
    Ok(sources)
}

/// The caller's own data set; another tenant's does not exist for the caller.
pub(super) fn own_dataset(
    context: &Context,
    id: DatasetId,
    field: &str,
) -> Result<ledger_state::Lineage, ApiError> {
    let tenant = context.tenant()?;
    let known = context.view(|view| ledger_state::dataset(view, id))?;
    known.filter(|known| known.tenant == tenant).ok_or_else(|| ApiError::missing("data set", field))
}

fn shown(context: &Context, index: u64) -> Result<Option<DatasetView>, ApiError> {
    let found = Found::at_index(context, context.tenant()?, index)?;
    found.map_or(Ok(None), |found| dataset_view(context, &found))
}

fn dataset_view(context: &Context, found: &Found) -> Result<Option<DatasetView>, ApiError> {
    let Body::DatasetAttest(body) = &found.record.body else { return Ok(None) };
    let notes: Option<DatasetNotes> = context.kept(found.record.id)?;
    let sources = |ids: &Option<Vec<DatasetId>>| {
        let one = |id: &DatasetId| SourceNotes { dataset_id: id.to_string(), ..SourceNotes::default() };
        ids.iter().flatten().map(one).collect()
    };
    // What an agent has signed itself comes with no more than its record.
    let notes =
        notes.unwrap_or_else(|| DatasetNotes { sources: sources(&body.sources), ..DatasetNotes::default() });
    Ok(Some(DatasetView {
        at: LoggedAt::of(found),
        id: body.dataset.0.uuid(),
        dataset_id: body.dataset.to_string(),
        tenant_id: TenantId(found.tenant).to_string(),
        agent_id: body.agent.to_string(),
        name: notes.name.unwrap_or_else(|| body.name.clone()),
        version: notes.version,
        hash: if notes.hash.is_empty() { body.digest.to_string() } else { notes.hash },
        format: notes.format,
        size_bytes: notes.size_bytes,
        record_count: notes.record_count,
        schema_version: notes.schema_version,
        source_uri: notes.source_uri,
        description: notes.description,
        metadata: notes.metadata,
        sources: notes.sources,
        status: "attested",
        signed_by: found.signed_by(),
        signer_statement: found.signer_statement(),
    }))
}

async fn list(context: Context, query: ListAttested) -> Result<Reply<Paged<DatasetView>>, ApiError> {
    attested::list(&context, "dataset.attest", query, shown).await
}

async fn get(context: Context, _: NoQuery) -> Result<Reply<DatasetView>, ApiError> {
    let known = own_dataset(&context, context.id("dataset_id")?, "dataset_id")?;
    let view = shown(&context, known.index)?.ok_or_else(|| ApiError::missing("data set", "dataset_id"))?;
    Ok(Reply::new(view).at(known.index))
}
