//! Which rows of the timeline are asked for: by type, agent and time.

use std::collections::BTreeMap;

use ledger_format::record::{AgentId, Entry};
use ledger_log::{TimelineQuery, TimelineRow};

use crate::{ApiError, endpoint::Context, wire::TimeText};

/// Rows that one question looks at.
const ROWS_AT_ONCE: usize = 2_000;

/// The entries of a span of log time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::groups) struct Span {
    /// First entry.
    pub(in crate::groups) from: u64,
    /// The entry behind the last.
    pub(in crate::groups) to: u64,
    /// Entries of the log.
    pub(super) size: u64,
    /// Whether it is less than the whole log.
    narrowed: bool,
}

impl Span {
    /// Waits until the timeline is there.
    pub(in crate::groups) async fn of(
        context: &Context,
        from: Option<TimeText>,
        to: Option<TimeText>,
    ) -> Result<Self, ApiError> {
        let size = context.reader.applied_size();
        if !context.reader.wait_timeline(size, context.timeout).await {
            return Err(ApiError::too_late("the lists of this node are not up to date yet"));
        }
        let time = |index| entry_ms(context, index);
        let first = from.map_or(Ok(0), |from| first_at(size, time, |ms| ms >= from.0))?;
        let end = to.map_or(Ok(size), |to| first_at(size, time, |ms| ms > to.0))?;
        // A period that ends before it begins holds nothing.
        Ok(Self { from: first, to: end.max(first), size, narrowed: from.is_some() || to.is_some() })
    }
}

fn entry_ms(context: &Context, index: u64) -> Result<u64, ApiError> {
    let bytes = context.reader.applied_entry(index).map_err(ApiError::internal)?;
    let bytes = bytes.ok_or_else(|| ApiError::internal("an applied entry is not there"))?;
    Ok(Entry::parse(&bytes).map_err(ApiError::internal)?.at)
}

/// The first entry whose time fits; times never go back, so halving finds it.
fn first_at(
    size: u64,
    time: impl Fn(u64) -> Result<u64, ApiError>,
    fits: impl Fn(u64) -> bool,
) -> Result<u64, ApiError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        if fits(time(middle)?) { high = middle } else { low = middle + 1 }
    }
    Ok(low)
}

/// One page of rows.
pub(super) struct RowPage {
    pub(super) rows: Vec<TimelineRow>,
    pub(super) total: u64,
    pub(super) next: Option<u64>,
}

/// The page that the call asks for, newest first.
pub(super) fn page(
    context: &Context,
    types: &[&str],
    agent: Option<AgentId>,
    span: Span,
) -> Result<RowPage, ApiError> {
    let asked = context.page;
    let mut rows = Vec::new();
    let mut before = Some(asked.cursor.unwrap_or(span.to).clamp(span.from, span.to));
    let mut passed = 0;
    while let (Some(end), true) = (before, rows.len() <= asked.limit) {
        let found =
            newest(context, types, agent, span.from, end, ROWS_AT_ONCE.min(asked.offset + asked.limit + 1))?;
        let skipped = asked.offset.saturating_sub(passed).min(found.rows.len());
        passed += found.rows.len();
        rows.extend(found.rows.into_iter().skip(skipped));
        before = found.next;
    }
    let more = rows.len() > asked.limit;
    rows.truncate(asked.limit);
    let next = rows.last().map(|row| row.index).filter(|_| more);
    Ok(RowPage { rows, total: total(context, types, agent, span)?, next })
}

fn newest(
    context: &Context,
    types: &[&str],
    agent: Option<AgentId>,
    from: u64,
    before: u64,
    limit: usize,
) -> Result<ledger_log::TimelinePage, ApiError> {
    let tenant = context.tenant()?;
    let query = TimelineQuery { tenant, types, agent, before: Some(before), from, limit, ascending: false };
    context.reader.timeline(&query).map_err(ApiError::internal)
}

/// How many rows there are: counted while the log was indexed, or looked through when only a span is asked for.
fn total(context: &Context, types: &[&str], agent: Option<AgentId>, span: Span) -> Result<u64, ApiError> {
    if span.narrowed {
        let (mut total, mut before) = (0, Some(span.to));
        while let Some(end) = before {
            let found = newest(context, types, agent, span.from, end, ROWS_AT_ONCE)?;
            total += found.rows.len() as u64;
            before = found.next;
        }
        return Ok(total);
    }
    let tenant = context.tenant()?;
    let all = ledger_format::record::TYPES.iter().map(|info| info.name);
    let count = |name: &str| context.reader.timeline_count(tenant, name, agent).map_err(ApiError::internal);
    all.filter(|name| types.is_empty() || types.contains(name)).map(count).sum()
}

/// How many rows of each type a span has.
pub(super) fn count_by_type(context: &Context, span: Span) -> Result<BTreeMap<&'static str, u64>, ApiError> {
    let (mut counts, mut before) = (BTreeMap::new(), Some(span.to));
    while let Some(end) = before {
        let found = newest(context, &[], None, span.from, end, ROWS_AT_ONCE)?;
        for row in &found.rows {
            *counts.entry(row.type_name).or_default() += 1;
        }
        before = found.next;
    }
    Ok(counts)
}

/// Rows from an index on, oldest first, at most `limit`, and where to go on.
pub(super) fn oldest(
    context: &Context,
    types: &[&str],
    agent: Option<AgentId>,
    span: Span,
    limit: usize,
) -> Result<(Vec<TimelineRow>, Option<u64>), ApiError> {
    let tenant = context.tenant()?;
    let (mut rows, mut from) = (Vec::new(), span.from);
    loop {
        let left = limit - rows.len();
        let query = TimelineQuery {
            tenant,
            types,
            agent,
            before: Some(span.to),
            from,
            limit: left.min(ROWS_AT_ONCE),
            ascending: true,
        };
        let found = context.reader.timeline(&query).map_err(ApiError::internal)?;
        rows.extend(found.rows);
        let Some(last) = found.next else { return Ok((rows, None)) };
        from = last + 1;
        if rows.len() == limit {
            return Ok((rows, Some(from)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_found_by_halving() {
        let times = [5, 5, 7, 9, 9, 9, 12];
        let first = |from: u64| {
            let time = |index: u64| Ok(times[index as usize]);
            first_at(times.len() as u64, time, |ms| ms >= from).unwrap()
        };
        for (from, want) in [(0, 0), (5, 0), (6, 2), (9, 3), (10, 6), (12, 6), (13, 7)] {
            assert_eq!(first(from), want, "{from}");
        }
        assert_eq!(first_at(0, |_| unreachable!("the log is empty"), |_| true).unwrap(), 0);
    }
}
