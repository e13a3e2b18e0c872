//! How often an agent calls a tool in a minute, counted for all nodes together in the log's private state.

use ledger_format::record::{AgentId, ToolId};

use crate::{
    ApiError,
    account::{Changes, Store},
    endpoint::Context,
};

const MINUTE_MS: u64 = 60_000;
/// How often a count is tried again when somebody else counted at the same moment.
const TRIES_MAX: u32 = 32;

/// Counts one call: whether it is within the limit. What is not within it is not counted.
pub(super) async fn take(
    context: &Context,
    tool: ToolId,
    agent: AgentId,
    limit: u64,
) -> Result<bool, ApiError> {
    let store = Store::new(context.log.clone());
    let now_ms = context.log.token_time_ms().map_err(ApiError::internal)?;
    let minute = now_ms / MINUTE_MS;
    let place = format!("tool-rate/{}/{}/{minute}", tool.0, agent.0);
    // Until the minute after is over: nodes' clocks differ.
    let expires = Some((minute + 2) * MINUTE_MS);
    for _ in 0..TRIES_MAX {
        let known = store.get::<u64>(&place)?;
        let used = known.as_ref().map_or(0, |(used, _)| *used);
        if used >= limit {
            return Ok(false);
        }
        let changes = match &known {
            Some((_, bytes)) => Changes::default().still(&place, bytes),
            None => Changes::default().absent(&place),
        };
        if store.change(changes.put(&place, &(used + 1), expires)?).await? {
            return Ok(true);
        }
    }
    Err(ApiError::not_yet("BUSY", "too many calls of this tool by this agent at the same moment", 1))
}
