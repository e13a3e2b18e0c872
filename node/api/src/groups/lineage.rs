//! The graph of data sets and models: what something was made of, and what was made of it.
//!
//! What something is made of is attested before it, so the graph has no cycles; walks through it are bounded all the same.

mod facts;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ledger_format::record::{DatasetId, ModelId};
use ledger_log::TimelineQuery;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use facts::{Facts, facts, facts_at};

use super::{datasets::own_dataset, models::own_model};
use crate::{
    ApiError,
    endpoint::{Context, QueryInput, Reply},
    wire::Whole,
};

/// Most nodes of an answer.
const NODES_MAX: usize = 500;
/// Steps when nothing is said.
const DEPTH: u64 = 16;
/// Most attestations that a walk towards what was made of something looks at.
const LOOKS_MAX: usize = 5_000;

/// Something in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Dataset(DatasetId),
    Model(ModelId),
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Node::Dataset(id) => id.fmt(f),
            Node::Model(id) => id.fmt(f),
        }
    }
}

/// How far, and which way.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LineageQuery {
    /// Steps at most; 16 when nothing is said.
    #[serde(default)]
    #[param(inline)]
    depth: Option<Whole<1, 64>>,
    /// `upstream`, what it was made of, when nothing is said.
    #[serde(default)]
    #[param(inline)]
    direction: Option<LineageDirection>,
}

impl QueryInput for LineageQuery {}

/// Which way through the graph.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum LineageDirection {
    /// What it was made of.
    Upstream,
    /// What was made of it.
    Downstream,
    Both,
}

/// Something in the graph.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct LineageNode {
    /// `maip-ds:<ulid>` or `maip-model:<ulid>`.
    id: String,
    /// `dataset` or `model`.
    r#type: &'static str,
    /// Empty for what another tenant has attested.
    name: String,
    version: String,
    /// `attested`, or `external`: another tenant has attested it.
    status: &'static str,
    agent_id: Option<String>,
    created_at: Option<String>,
    receipt_id: Option<String>,
    log_index: Option<u64>,
}

/// `source relationship target`.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct LineageEdge {
    /// Id of a node.
    source: String,
    /// Id of a node.
    target: String,
    /// `derived_from`, `preprocessed_from`, `merged_from`, `trained_on`, `fine_tuned_from`, `distilled_from` or `deployed_as`.
    relationship: String,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// One data set that another was made of.
#[derive(Serialize, ToSchema)]
struct LineageStep {
    dataset_id: String,
    source_dataset_id: String,
    relationship: String,
    /// What was done to it, in the caller's words.
    transformation: Option<String>,
    agent_id: Option<String>,
    timestamp: Option<String>,
}

/// Where a data set comes from.
#[derive(Serialize, ToSchema)]
pub(super) struct DatasetLineage {
    dataset_id: String,
    /// The data set itself first.
    nodes: Vec<LineageNode>,
    edges: Vec<LineageEdge>,
    /// The edges between data sets, as steps.
    lineage: Vec<LineageStep>,
    /// Whether the graph goes on where this answer ends.
    truncated: bool,
}

/// One model that was made of data sets.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct TrainingRun {
    model_id: String,
    agent_id: Option<String>,
    dataset_ids: Vec<String>,
    #[schema(value_type = Object)]
    hyperparameters: Map<String, Value>,
    /// How well the model does, in the caller's measures.
    #[schema(value_type = Object)]
    metrics: Map<String, Value>,
    timestamp: Option<String>,
    log_index: Option<u64>,
}

/// What a model comes from.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelLineage {
    model_id: String,
    /// The model itself first.
    nodes: Vec<LineageNode>,
    edges: Vec<LineageEdge>,
    /// Data sets that it has learnt from itself.
    training_datasets: Vec<LineageNode>,
    /// Every data set of the graph.
    datasets: Vec<LineageNode>,
    /// Every other model of the graph.
    parent_models: Vec<LineageNode>,
    /// Models of the graph that were made of data sets.
    training_runs: Vec<TrainingRun>,
    /// Whether the graph goes on where this answer ends.
    truncated: bool,
}

pub(super) async fn of_dataset(
    context: Context,
    query: LineageQuery,
) -> Result<Reply<DatasetLineage>, ApiError> {
    let id: DatasetId = context.id("dataset_id")?;
    let known = own_dataset(&context, id, "dataset_id")?;
    let graph = walk(&context, Node::Dataset(id), &query).await?;
    let node = |id: &str| graph.nodes.iter().find(|node| node.id == id);
    let between_datasets = graph.edges.iter().filter(|edge| {
        [&edge.source, &edge.target].iter().all(|id| node(id).is_some_and(|node| node.r#type == "dataset"))
    });
    let lineage = between_datasets.map(|edge| {
        let made = node(&edge.source);
        LineageStep {
            dataset_id: edge.source.clone(),
            source_dataset_id: edge.target.clone(),
            relationship: edge.relationship.clone(),
            transformation: edge.metadata.get("transformation").and_then(Value::as_str).map(str::to_owned),
            agent_id: made.and_then(|node| node.agent_id.clone()),
            timestamp: made.and_then(|node| node.created_at.clone()),
        }
    });
    let answer = DatasetLineage {
        dataset_id: id.to_string(),
        lineage: lineage.collect(),
        truncated: graph.truncated,
        nodes: graph.nodes.clone(),
        edges: graph.edges.clone(),
    };
    Ok(Reply::new(answer).at(known.index))
}

pub(super) async fn of_model(context: Context, query: LineageQuery) -> Result<Reply<ModelLineage>, ApiError> {
    let id: ModelId = context.id("model_id")?;
    let known = own_model(&context, id, "model_id")?;
    let graph = walk(&context, Node::Model(id), &query).await?;
    let own = id.to_string();
    let of_type = |word: &'static str| graph.nodes.iter().filter(move |node| node.r#type == word).cloned();
    let learnt = |dataset: &LineageNode| {
        let edge = |edge: &LineageEdge| edge.source == own && edge.target == dataset.id;
        graph.edges.iter().any(edge)
    };
    let answer = ModelLineage {
        training_datasets: of_type("dataset").filter(learnt).collect(),
        datasets: of_type("dataset").collect(),
        parent_models: of_type("model").filter(|model| model.id != own).collect(),
        training_runs: graph.runs,
        truncated: graph.truncated,
        model_id: own,
        nodes: graph.nodes.clone(),
        edges: graph.edges.clone(),
    };
    Ok(Reply::new(answer).at(known.index))
}

/// A part of the graph.
#[derive(Default)]
struct Graph {
    nodes: Vec<LineageNode>,
    edges: Vec<LineageEdge>,
    runs: Vec<TrainingRun>,
    truncated: bool,
}

async fn walk(context: &Context, start: Node, query: &LineageQuery) -> Result<Graph, ApiError> {
    let depth = query.depth.map_or(DEPTH, Whole::get);
    let direction = query.direction.unwrap_or(LineageDirection::Upstream);
    let mut graph = Graph::default();
    let mut seen = BTreeSet::new();
    if direction != LineageDirection::Downstream {
        spread(&mut graph, &mut seen, start, depth, |node| facts(context, node))?;
    }
    if direction != LineageDirection::Upstream {
        let (made_of, all) = made_of(context).await?;
        graph.truncated |= !all;
        if direction == LineageDirection::Both {
            seen.remove(&start);
            graph.nodes.retain(|node| node.id != start.to_string());
        }
        let below = |node: Node| {
            let mut facts = facts(context, node)?;
            // Edges lead to what was made of it: those that the makers name.
            facts.links = made_of.get(&node).cloned().unwrap_or_default();
            Ok(facts)
        };
        spread(&mut graph, &mut seen, start, depth, below)?;
    }
    let at = graph.nodes.iter().position(|node| node.id == start.to_string());
    if let Some(at) = at {
        let own = graph.nodes.remove(at);
        graph.nodes.insert(0, own);
    }
    Ok(graph)
}

/// A link of the graph: the neighbour, and the edge between the two.
#[derive(Clone)]
struct Link {
    to: Node,
    edge: LineageEdge,
}

/// Walks breadth first, so that what is nearest is in the answer.
fn spread(
    graph: &mut Graph,
    seen: &mut BTreeSet<Node>,
    start: Node,
    depth: u64,
    facts: impl Fn(Node) -> Result<Facts, ApiError>,
) -> Result<(), ApiError> {
    let mut queue = VecDeque::from([(start, 0)]);
    seen.insert(start);
    while let Some((node, steps)) = queue.pop_front() {
        let facts = facts(node)?;
        graph.nodes.push(facts.node);
        if let Some(run) =
            facts.run.filter(|run| graph.runs.iter().all(|known| known.model_id != run.model_id))
        {
            graph.runs.push(run);
        }
        for link in facts.links {
            if !seen.contains(&link.to) {
                if steps == depth || seen.len() >= NODES_MAX {
                    graph.truncated = true;
                    continue;
                }
                seen.insert(link.to);
                queue.push_back((link.to, steps + 1));
            }
            graph.edges.push(link.edge);
        }
    }
    Ok(())
}

/// What was made of each thing, from the tenant's attestations, newest first; and whether those are all.
async fn made_of(context: &Context) -> Result<(BTreeMap<Node, Vec<Link>>, bool), ApiError> {
    if !context.reader.wait_timeline(context.reader.applied_size(), context.timeout).await {
        return Err(ApiError::too_late("the lists of this node are not up to date yet"));
    }
    let query = TimelineQuery {
        tenant: context.tenant()?,
        types: &["dataset.attest", "model.attest"],
        agent: None,
        before: None,
        from: 0,
        limit: LOOKS_MAX,
        ascending: false,
    };
    let page = context.reader.timeline(&query).map_err(ApiError::internal)?;
    let mut makers: BTreeMap<Node, Vec<Link>> = BTreeMap::new();
    for row in &page.rows {
        let Some((node, facts)) = facts_at(context, row.index)? else { continue };
        for link in facts.links {
            makers.entry(link.to).or_default().push(Link { to: node, edge: link.edge });
        }
    }
    Ok((makers, page.next.is_none()))
}

#[cfg(test)]
mod tests {
    use ledger_format::record::Ulid;

    use super::*;

    fn node(number: u128) -> Node {
        Node::Dataset(DatasetId(Ulid(number)))
    }

    fn facts_of(number: Node, to: &[u128]) -> Facts {
        let link = |to: &u128| Link { to: node(*to), edge: edge(number, node(*to)) };
        Facts { node: LineageNode::external(number), links: to.iter().map(link).collect(), run: None }
    }

    fn edge(from: Node, to: Node) -> LineageEdge {
        let (source, target) = (from.to_string(), to.to_string());
        LineageEdge { source, target, relationship: "derived_from".into(), metadata: Map::new() }
    }

    fn walked(depth: u64, links: impl Fn(u128) -> Vec<u128>) -> Graph {
        let mut graph = Graph::default();
        let facts = |at: Node| {
            let Node::Dataset(id) = at else { unreachable!("only data sets") };
            Ok(facts_of(at, &links(id.0.0)))
        };
        spread(&mut graph, &mut BTreeSet::new(), node(0), depth, facts).unwrap();
        graph
    }

    #[test]
    fn a_walk_is_bounded_in_steps_and_nodes_and_says_so() {
        // A diamond: each node once, each edge once.
        let diamond = |at| match at {
            0 => vec![1, 2],
            1 | 2 => vec![3],
            _ => vec![],
        };
        let graph = walked(9, diamond);
        assert_eq!((graph.nodes.len(), graph.edges.len(), graph.truncated), (4, 4, false));
        let near = walked(1, diamond);
        assert_eq!((near.nodes.len(), near.edges.len(), near.truncated), (3, 2, true));
        let chain = walked(64, |at| vec![at + 1]);
        assert_eq!((chain.nodes.len(), chain.truncated), (65, true));
        let wide = walked(64, |at| (1..=64).map(|n| at * 64 + n).collect());
        assert_eq!((wide.nodes.len(), wide.truncated), (NODES_MAX, true));
    }
}
