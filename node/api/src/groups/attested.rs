//! What data sets and models have in common: an agent attests each name and version once.

use ledger_format::record::{AgentId, Ulid};
use serde::Deserialize;
use utoipa::IntoParams;

use super::receipts::Found;
use crate::{
    ApiError,
    endpoint::{Context, Listed, Paged, QueryInput, Reply},
    wire::{AgentRef, Text},
};

/// Most data sets that one is made of, as in the record.
pub(super) const SOURCES_MAX: usize = 64;
/// Version of what says none.
pub(super) const FIRST_VERSION: &str = "1.0.0";

/// The id of what an agent calls by this name and version: so the log itself takes each once, whichever node is asked, and nobody
/// else can take the id beforehand.
pub(super) fn derived_id(context: &Context, what: &str, agent: AgentId, name: &str, version: &str) -> Ulid {
    let mut input = agent.0.to_bytes().to_vec();
    for part in [what, name, version] {
        input.extend_from_slice(&(part.len() as u64).to_be_bytes());
        input.extend_from_slice(part.as_bytes());
    }
    let hash = context.shared.secrets.keyed("maip 2026-11 ids in the lineage graph", &input);
    let random = hash[..16].iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
    Ulid::from_parts(agent.0.timestamp_ms(), random)
}

/// Refuses a name and version that another record has attested already; the same record sent again is none.
pub(super) fn refuse_another(
    context: &Context,
    index: u64,
    record_id: Ulid,
    code: &'static str,
    name: &str,
    version: &str,
) -> Result<(), ApiError> {
    let tenant = context.tenant()?;
    if Found::at_index(context, tenant, index)?.is_some_and(|found| found.record.id == record_id) {
        return Ok(());
    }
    let message = format!("the agent has attested {name:?} in version {version} at index {index}");
    Err(ApiError::conflict(code, message).field("name").fix("attest it under another name or version"))
}

/// Which attestations.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListAttested {
    /// Only what this agent has attested.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// Only with this name.
    #[serde(default)]
    #[param(inline)]
    name: Option<Text<1, 256>>,
}

impl QueryInput for ListAttested {}

/// What has been attested, by the whole name.
pub(super) trait Attested: Listed {
    /// Its name as it was given.
    fn name(&self) -> &str;
}

/// The caller's attestations of one record type, each shown by `shown`, newest first.
pub(super) async fn list<T: Attested>(
    context: &Context,
    record_type: &'static str,
    query: ListAttested,
    shown: impl Fn(&Context, u64) -> Result<Option<T>, ApiError>,
) -> Result<Reply<Paged<T>>, ApiError> {
    let agent = query.agent_id.map(|agent| agent.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let types = [record_type];
    let page = context.list(&types, agent, query.name.is_some(), |context, row| {
        let view = shown(context, row.index)?;
        Ok(view.filter(|view| query.name.as_ref().is_none_or(|name| view.name() == name.as_str())))
    });
    Ok(Reply::new(page.await?))
}
