//! Reading what the log holds about an entity into a summary.

use std::collections::BTreeSet;

use ledger_format::record::{AgentId, AnomalyReport, Body};
use ledger_log::{PublishedCheckpoint, TimelineQuery, TimelineRow};
use ledger_state::{Agent, AgentStatus};

use super::{
    super::{audit::Span, receipts::Found},
    entity::Entity,
};
use crate::{
    ApiError,
    compliance::{AgentFact, AnomalyFact, Published, Summary},
    endpoint::Context,
    wire::TimeText,
};

/// Most records that one check or report looks at; the newest ones.
const RECORDS_MAX: usize = 20_000;
/// Rows that one question looks at.
const ROWS_AT_ONCE: usize = 2_000;
/// What is the tenant's and rules over its agents, too.
const TENANT_TYPES: &[&str] = &["policy.put", "policy.status", "guardrail.define", "erasure"];

/// The span of log time that is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Period {
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
}

/// What the log holds about an entity in a period; rules of the tenant count whenever they were made before its end.
pub(super) async fn gather(context: &Context, entity: &Entity, period: Period) -> Result<Summary, ApiError> {
    let span = Span::of(context, Some(TimeText(period.from_ms)), Some(TimeText(period.to_ms))).await?;
    let agent = entity.agent(context)?;
    let mut summary = Summary::new(entity.only());
    summary.now_ms = context.view(|view| ledger_state::log_ms(view))?.min(period.to_ms);
    // A policy may ask for no witness: then the checkpoint satisfies it, and nobody has seen it.
    summary.published = context
        .reader
        .checkpoint()
        .map(|of| Published { size: of.checkpoint.size, witnessed: !witnesses(&of).is_empty() });
    let (mut rows, truncated) = rows(context, &[], agent, span.from, span.to)?;
    summary.truncated = truncated;
    if agent.is_some() {
        rows.extend(self::rows(context, TENANT_TYPES, None, 0, span.to)?.0);
    }
    rows.sort_unstable_by_key(|row| row.index);
    rows.dedup_by_key(|row| row.index);
    for row in &rows {
        let Some(found) = Found::of_row(context, row)? else { continue };
        summary.add(row.index, &found.record, found.flags);
        if let Body::AnomalyReport(body) = &found.record.body {
            summary.anomalies.push(anomaly(context, row, body)?);
        }
    }
    let agents = agent.map_or_else(|| registered_before(context, span.to), |agent| Ok(vec![agent]))?;
    for id in agents {
        if let Some(agent) = context.view(|view| ledger_state::agent(view, id))? {
            summary.agents.push(fact(context, &agent)?);
        }
    }
    Ok(summary)
}

/// Who has cosigned a checkpoint, by name. A node publishes no signature that it has not verified.
pub(super) fn witnesses(published: &PublishedCheckpoint) -> Vec<String> {
    let text = String::from_utf8_lossy(&published.note);
    let signers = text.lines().filter_map(|line| line.strip_prefix("\u{2014} ")?.split(' ').next());
    let others: BTreeSet<&str> = signers.filter(|name| *name != published.checkpoint.origin).collect();
    others.into_iter().map(str::to_owned).collect()
}

/// The tenant's agents that were registered before an entry, the newest.
fn registered_before(context: &Context, end: u64) -> Result<Vec<AgentId>, ApiError> {
    let (rows, _) = rows(context, &["agent.register"], None, 0, end)?;
    Ok(rows.into_iter().filter_map(|row| row.agent).collect())
}

/// Rows of a span, newest first, and whether there are more.
fn rows(
    context: &Context,
    types: &[&str],
    agent: Option<AgentId>,
    from: u64,
    end: u64,
) -> Result<(Vec<TimelineRow>, bool), ApiError> {
    let tenant = context.tenant()?;
    let (mut rows, mut before) = (Vec::new(), Some(end));
    while before.is_some() {
        let query =
            TimelineQuery { tenant, types, agent, before, from, limit: ROWS_AT_ONCE, ascending: false };
        let found = context.reader.timeline(&query).map_err(ApiError::internal)?;
        rows.extend(found.rows);
        if rows.len() > RECORDS_MAX {
            rows.truncate(RECORDS_MAX);
            return Ok((rows, true));
        }
        before = found.next;
    }
    Ok((rows, false))
}

fn anomaly(context: &Context, row: &TimelineRow, body: &AnomalyReport) -> Result<AnomalyFact, ApiError> {
    let known = context.view(|view| ledger_state::anomaly(view, body.anomaly))?;
    let resolved = known.and_then(|known| known.resolved);
    let resolved = resolved.map_or(Ok(None), |index| context.entry(index))?.map(|(ms, _)| ms).zip(resolved);
    Ok(AnomalyFact {
        index: row.index,
        ms: row.log_ms,
        severity: body.severity,
        resolved: resolved.map(|(ms, index)| (index, ms)),
    })
}

fn fact(context: &Context, agent: &Agent) -> Result<AgentFact, ApiError> {
    // A key is valid from behind the record that set it; the first one from the registration on.
    let key_index = agent.key.from.saturating_sub(1).max(agent.registered);
    let key_ms = context.entry(key_index)?.map_or(0, |(ms, _)| ms);
    Ok(AgentFact {
        registered: agent.registered,
        active: matches!(agent.status, AgentStatus::Active),
        agent_type: agent.agent_type,
        unbounded: agent.scopes.iter().any(|scope| scope.as_str() == "*:*"),
        key_index,
        key_ms,
    })
}
