//! The list of events.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    ApiError,
    account::Environment,
    endpoint::{Context, Paged, QueryInput, Reply},
    events::{Event, EventPattern, Feed, Filter},
    wire::{AgentRef, TimeText},
};

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListEvents {
    /// Only events of this word; with `.*` at its end, of all words that begin so.
    #[serde(default)]
    #[param(inline)]
    event_type: Option<EventPattern>,
    /// Only events about this agent.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// Only from this time of the log on.
    #[serde(default)]
    #[param(inline)]
    from: Option<TimeText>,
    /// Only before this time of the log.
    #[serde(default)]
    #[param(inline)]
    to: Option<TimeText>,
}

impl QueryInput for ListEvents {}

/// The events of the caller's tenant.
pub(super) fn feed(context: &Context) -> Result<Feed, ApiError> {
    let caller = context.caller()?;
    Ok(Feed::new(caller.tenant, environment(context), &context.log))
}

/// The environment of a call. The admin key speaks for a tenant in either.
pub(in crate::groups) fn environment(context: &Context) -> Environment {
    if context.log.name() == Environment::Sandbox.log_name() {
        Environment::Sandbox
    } else {
        Environment::Production
    }
}

/// The filter that a query names.
pub(super) fn filter(
    context: &Context,
    event_type: Option<EventPattern>,
    agent: Option<AgentRef>,
) -> Result<Filter, ApiError> {
    if let Some(agent) = agent {
        context.own_agent(agent.0, "agent_id")?;
    }
    let patterns = event_type.map(|pattern| pattern.0).into_iter().collect();
    Ok(Filter { patterns, agent: agent.map(|agent| agent.0) })
}

pub(super) async fn list(context: Context, query: ListEvents) -> Result<Reply<Paged<Event>>, ApiError> {
    let feed = feed(&context)?;
    let filter = filter(&context, query.event_type, query.agent_id)?;
    if let (Some(from), Some(to)) = (query.from, query.to)
        && from > to
    {
        return Err(ApiError::unprocessable("is before `from`").field("to"));
    }
    let page = context.page;
    let size = context.reader.applied_size();
    if !context.reader.wait_timeline(size, context.timeout).await {
        return Err(ApiError::too_late("the lists of this node are not up to date yet"));
    }
    let everything = filter.patterns.is_empty() && query.from.is_none() && query.to.is_none();
    let found = tokio::task::spawn_blocking(move || {
        let from = query.from.map_or(Ok(0), |time| feed.index_at(time.0))?;
        let to = query.to.map_or(Ok(size), |time| feed.index_at(time.0))?;
        let below = page.cursor.map_or(to, |cursor| cursor.min(to));
        let (items, next, counted) = feed.newest(&filter, (from, below), (page.offset, page.limit))?;
        let total = if everything { feed.count(filter.agent)? } else { counted };
        Ok::<_, ApiError>(Paged { items, total, page, next })
    });
    Ok(Reply::new(found.await.map_err(ApiError::internal)??))
}
