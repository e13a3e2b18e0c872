//! All receipts about one agent, page by page.

use ledger_api::blocking;
use ledger_format::record::AgentId;
use ledger_log::{ReadError, Reader};
use ledger_proto::v1::{GetEntryResponse, GetHistoryRequest, GetHistoryResponse};
use tonic::Status;

use super::{
    Services,
    read::{log, timeout, too_late},
    refusal,
};

/// Entries in one answer.
const HISTORY_ENTRIES_MAX: usize = 256;

/// `GetHistory`.
pub(super) async fn page(
    services: &Services,
    request: GetHistoryRequest,
) -> Result<GetHistoryResponse, Status> {
    let reader = log(services, &request.log)?.reader();
    let agent = AgentId::parse(&request.agent).ok_or_else(|| {
        refusal::invalid("agent", format!("{:?} is no agent", request.agent), "use maip-agent: with a ULID")
    })?;
    if request.min_size > 0 {
        let waited = reader.wait_published(request.min_size, timeout(services, request.timeout_ms)).await;
        waited.ok_or_else(|| too_late(request.min_size))?;
    }
    let limit = match request.limit as usize {
        0 => HISTORY_ENTRIES_MAX,
        limit => limit.min(HISTORY_ENTRIES_MAX),
    };
    // Before the read: the answer holds everything up to there.
    let published_size = reader.checkpoint().map_or(0, |published| published.checkpoint.size);
    let entries = blocking(move || read(&reader, agent, request.from, limit)).await;
    Ok(GetHistoryResponse { entries: entries.map_err(refusal::from_api)?, published_size })
}

fn read(
    reader: &Reader,
    agent: AgentId,
    from: u64,
    limit: usize,
) -> Result<Vec<GetEntryResponse>, ReadError> {
    let mut entries = Vec::new();
    for index in reader.receipts(agent, from, limit)? {
        // Published a moment ago, so it is there.
        entries.extend(reader.entry(index)?.map(|entry| GetEntryResponse { index, entry }));
    }
    Ok(entries)
}
