//! One node of the graph, read from its attestation.

use ledger_format::record::{Body, DatasetId};
use serde_json::{Map, Value};

use super::{
    super::{
        datasets::DatasetNotes,
        models::{BaseRelation, ModelNotes},
        receipts::Found,
    },
    LineageEdge, LineageNode, Link, Node, TrainingRun,
};
use crate::{ApiError, endpoint::Context, wire::time_text};

/// A node and what it was made of.
pub(super) struct Facts {
    pub(super) node: LineageNode,
    pub(super) links: Vec<Link>,
    pub(super) run: Option<TrainingRun>,
}

impl LineageNode {
    /// What another tenant has attested: the caller knows its id and no more.
    pub(super) fn external(node: Node) -> Self {
        Self {
            id: node.to_string(),
            r#type: type_word(node),
            name: String::new(),
            version: String::new(),
            status: "external",
            agent_id: None,
            created_at: None,
            receipt_id: None,
            log_index: None,
        }
    }
}

fn type_word(node: Node) -> &'static str {
    match node {
        Node::Dataset(_) => "dataset",
        Node::Model(_) => "model",
    }
}

/// The facts of a node.
pub(super) fn facts(context: &Context, node: Node) -> Result<Facts, ApiError> {
    let tenant = context.tenant()?;
    let known = context.view(|view| match node {
        Node::Dataset(id) => ledger_state::dataset(view, id),
        Node::Model(id) => ledger_state::model(view, id),
    })?;
    let own = known.filter(|known| known.tenant == tenant);
    let read = own.map_or(Ok(None), |known| facts_at(context, known.index))?;
    Ok(read.map_or_else(
        || Facts { node: LineageNode::external(node), links: Vec::new(), run: None },
        |(_, facts)| facts,
    ))
}

/// The node that the caller's record at `index` has attested, with its facts.
pub(super) fn facts_at(context: &Context, index: u64) -> Result<Option<(Node, Facts)>, ApiError> {
    let Some(found) = Found::at_index(context, context.tenant()?, index)? else { return Ok(None) };
    let read = match &found.record.body {
        Body::DatasetAttest(body) => {
            let notes: DatasetNotes = context.kept(found.record.id)?.unwrap_or_default();
            let node = Node::Dataset(body.dataset);
            let links = body.sources.iter().flatten().map(|id| source(node, *id, &notes)).collect();
            let shown = shown(&found, node, &body.name, notes.version, body.agent.to_string());
            (node, Facts { node: shown, links, run: None })
        }
        Body::ModelAttest(body) => {
            let notes: ModelNotes = context.kept(found.record.id)?.unwrap_or_default();
            let node = Node::Model(body.model);
            let mut links: Vec<Link> = body.datasets.iter().flatten().map(|id| trained(node, *id)).collect();
            links.extend(body.base.map(|base| of_base(node, Node::Model(base), notes.relationship)));
            let run = body.datasets.as_ref().map(|datasets| TrainingRun {
                model_id: node.to_string(),
                agent_id: Some(body.agent.to_string()),
                dataset_ids: datasets.iter().map(ToString::to_string).collect(),
                hyperparameters: notes.hyperparameters,
                metrics: notes.metrics,
                timestamp: Some(time_text(found.at.log_ms)),
                log_index: Some(found.at.index),
            });
            let shown = shown(&found, node, &body.name, notes.version, body.agent.to_string());
            (node, Facts { node: shown, links, run })
        }
        _ => return Ok(None),
    };
    Ok(Some(read))
}

fn shown(found: &Found, node: Node, name: &str, version: String, agent: String) -> LineageNode {
    LineageNode {
        id: node.to_string(),
        r#type: type_word(node),
        name: name.to_owned(),
        version,
        status: "attested",
        agent_id: Some(agent),
        created_at: Some(time_text(found.at.log_ms)),
        receipt_id: Some(found.id().to_string()),
        log_index: Some(found.at.index),
    }
}

fn edge(source: Node, target: Node, relationship: impl serde::Serialize) -> LineageEdge {
    let word = serde_json::to_value(relationship).ok();
    LineageEdge {
        source: source.to_string(),
        target: target.to_string(),
        relationship: word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default(),
        metadata: Map::new(),
    }
}

fn source(node: Node, id: DatasetId, notes: &DatasetNotes) -> Link {
    let name = id.to_string();
    let told = notes.sources.iter().find(|source| source.dataset_id == name);
    let to = Node::Dataset(id);
    let mut edge = edge(node, to, told.map(|source| source.relationship).unwrap_or_default());
    if let Some(transformation) = told.and_then(|source| source.transformation.clone()) {
        edge.metadata.insert("transformation".into(), Value::String(transformation));
    }
    Link { to, edge }
}

fn trained(node: Node, id: DatasetId) -> Link {
    let to = Node::Dataset(id);
    Link { to, edge: edge(node, to, "trained_on") }
}

fn of_base(node: Node, base: Node, relationship: BaseRelation) -> Link {
    // The base was deployed as this one: the edge leads the other way.
    let (source, target) = if relationship == BaseRelation::DeployedAs { (base, node) } else { (node, base) };
    Link { to: base, edge: edge(source, target, relationship) }
}
