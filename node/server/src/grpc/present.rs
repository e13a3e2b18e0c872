//! The present state of the node that is asked, published or not: the status of a subject, what a kill ended.

use bytes::Bytes;
use ledger_api::{ApiError, blocking};
use ledger_format::record::AgentId;
use ledger_log::Reader;
use ledger_proto::v1::{GetEndedRequest, GetEndedResponse, GetStatusRequest, GetStatusResponse};
use tonic::Status;

use super::{
    Services,
    read::{log, timeout},
    refusal,
};

/// Agents in one answer of `GetEnded`.
const ENDED_AGENTS_MAX: u32 = 1_000;

/// `GetStatus`.
pub(super) async fn status(
    services: &Services,
    request: GetStatusRequest,
) -> Result<GetStatusResponse, Status> {
    let reader = log(services, &request.log)?.reader();
    let subject = ledger_api::subject(&request.subject).map_err(refusal::from_api)?;
    if let Some(index) = request.min_index {
        applied(services, &reader, index, request.timeout_ms).await?;
    }
    if request.fresh && !reader.is_latest(timeout(services, request.timeout_ms)).await {
        return Err(refusal::not_confirmed());
    }
    let present = blocking(move || reader.present(subject)).await.map_err(refusal::from_api)?;
    Ok(GetStatusResponse {
        status: Bytes::from(present.status.unwrap_or_default()),
        live: present.live,
        sessions: present.sessions,
        size: present.size,
    })
}

/// `GetEnded`.
pub(super) async fn ended(services: &Services, request: GetEndedRequest) -> Result<GetEndedResponse, Status> {
    let reader = log(services, &request.log)?.reader();
    let read = |field, text: &str| {
        AgentId::parse(text).ok_or_else(|| {
            refusal::invalid(field, format!("{text:?} is no agent"), "use maip-agent: with a ULID")
        })
    };
    let agent = read("agent", &request.agent)?;
    let from = if request.from.is_empty() { agent } else { read("from", &request.from)? };
    applied(services, &reader, request.index, request.timeout_ms).await?;
    let limit = if request.limit == 0 { ENDED_AGENTS_MAX } else { request.limit.min(ENDED_AGENTS_MAX) };
    let page = blocking(move || reader.ended(agent, request.index, from, limit as usize)).await;
    let page = page.map_err(refusal::from_api)?;
    Ok(GetEndedResponse {
        agents: page.agents.iter().map(AgentId::to_string).collect(),
        sessions: page.sessions,
        next: page.next.map(|id| id.to_string()).unwrap_or_default(),
    })
}

/// Waits until this node has applied the entry at an index.
pub(super) async fn applied(
    services: &Services,
    reader: &Reader,
    index: u64,
    timeout_ms: u32,
) -> Result<(), Status> {
    if reader.wait_applied(index.saturating_add(1), timeout(services, timeout_ms)).await {
        return Ok(());
    }
    let message = format!("this node has not applied entry {index} in time");
    Err(refusal::from_api(ApiError::too_late(message)))
}
