//! Grants, one and many.

use ledger_format::record::{AgentId, Body, DelegationId};
use ledger_log::TimelineRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    open,
    view::{DelegationView, Words, judged, seen, view_of},
};
use crate::{
    ApiError,
    endpoint::{Context, NoQuery, Paged, QueryInput, Reply},
    wire::AgentRef,
};

/// The records with which a grant becomes known.
const TYPES: &[&str] = &["delegation.offer", "delegation.accept"];

/// What a grant can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DelegationStatus {
    Offered,
    Accepted,
    Rejected,
    Revoked,
    Expired,
    Void,
    /// Any that holds.
    Active,
}

impl DelegationStatus {
    fn fits(self, view: &DelegationView) -> bool {
        let word = match self {
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Void => "void",
            Self::Active => return view.holds(),
        };
        view.status() == word
    }
}

/// Whether the caller's tenant gives or gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DelegationDirection {
    Given,
    Received,
}

/// Which grants.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListDelegations {
    /// Only with this status; `active` is any that holds.
    #[serde(default)]
    #[param(inline)]
    status: Option<DelegationStatus>,
    /// Only those that the caller's tenant gives, or gets.
    #[serde(default)]
    #[param(inline)]
    direction: Option<DelegationDirection>,
    /// Only to or from this agent of the caller's tenant.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// Only from this agent. Also as `from_agent_id`.
    #[serde(default, alias = "from_agent_id")]
    #[param(inline)]
    parent_agent_id: Option<AgentRef>,
    /// Only to this agent. Also as `to_agent_id`.
    #[serde(default, alias = "to_agent_id")]
    #[param(inline)]
    child_agent_id: Option<AgentRef>,
}

impl QueryInput for ListDelegations {}

/// Which of an agent's grants.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListAgentDelegations {
    /// Only with this status; `active` is any that holds.
    #[serde(default)]
    #[param(inline)]
    status: Option<DelegationStatus>,
    /// Only those that the agent gives, or gets.
    #[serde(default)]
    #[param(inline)]
    direction: Option<DelegationDirection>,
}

impl QueryInput for ListAgentDelegations {}

pub(super) async fn list(
    context: Context,
    query: ListDelegations,
) -> Result<Reply<Paged<DelegationView>>, ApiError> {
    let agent = query.agent_id.map(|id| id.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let (from, to) = (query.parent_agent_id.map(|id| id.0), query.child_agent_id.map(|id| id.0));
    let fits =
        |end: &Ends| from.is_none_or(|from| end.from == Some(from)) && to.is_none_or(|to| end.to == to);
    let filtered = query.status.is_some() || query.direction.is_some() || from.is_some() || to.is_some();
    let own = context.tenant()?;
    let page = context.list_of_party(TYPES, agent, filtered, |context, row| {
        show(context, row, Words::Record, |ends, view| {
            let way = query.direction.is_none_or(|way| match way {
                DelegationDirection::Given => ends.from_tenant == own,
                DelegationDirection::Received => ends.to_tenant == own,
            });
            fits(ends) && way && query.status.is_none_or(|status| status.fits(view))
        })
    });
    Ok(Reply::new(page.await?))
}

pub(super) async fn of_agent(
    context: Context,
    query: ListAgentDelegations,
) -> Result<Reply<Paged<DelegationView>>, ApiError> {
    let agent: AgentId = context.id("agent_id")?;
    context.own_agent(agent, "agent_id")?;
    let filtered = query.status.is_some() || query.direction.is_some();
    let page = context.list_of_party(TYPES, Some(agent), filtered, |context, row| {
        show(context, row, Words::Older, |ends, view| {
            let way = query.direction.is_none_or(|way| match way {
                DelegationDirection::Given => ends.from == Some(agent),
                DelegationDirection::Received => ends.to == agent,
            });
            way && query.status.is_none_or(|status| status.fits(view))
        })
    });
    Ok(Reply::new(page.await?))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<DelegationView>, ApiError> {
    let id: DelegationId = context.id("delegation_id")?;
    let view = match (judged(&context, id, None)?, open::load(&context, id)?) {
        (None, Some(open)) => open.view(&context, Words::Record)?,
        _ => view_of(&context, &seen(&context, id, "delegation_id")?, Words::Record)?,
    };
    let index = view.log_index();
    Ok(Reply::new(view).at(index))
}

/// Who gives, and who gets.
struct Ends {
    from: Option<AgentId>,
    from_tenant: ledger_format::record::Ulid,
    to: AgentId,
    to_tenant: ledger_format::record::Ulid,
}

/// The grant that a row made known, if it fits.
fn show(
    context: &Context,
    row: &TimelineRow,
    words: Words,
    fits: impl Fn(&Ends, &DelegationView) -> bool,
) -> Result<Option<DelegationView>, ApiError> {
    let Some(id) = grant_at(context, row.index)? else { return Ok(None) };
    let Some(found) = judged(context, id, None)? else { return Ok(None) };
    let Some((_, grant)) = found.chain.last() else { return Ok(None) };
    let ends = Ends {
        from: grant.from,
        from_tenant: grant.tenant,
        to: grant.to_agent,
        to_tenant: grant.to_tenant.0,
    };
    let view = view_of(context, &found, words)?;
    Ok(fits(&ends, &view).then_some(view))
}

/// The grant that the record at an index makes known.
pub(super) fn grant_at(context: &Context, index: u64) -> Result<Option<DelegationId>, ApiError> {
    Ok(context.entry(index)?.and_then(|(_, record)| match record.body {
        Body::DelegationOffer(offer) => Some(offer.grant),
        Body::DelegationAccept(accept) => Some(accept.grant),
        _ => None,
    }))
}
