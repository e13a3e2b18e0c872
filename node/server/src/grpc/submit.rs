//! Writes: one record, a batch, a stream. The log does the work; here requests are read and answers written.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use ledger_api::trace;
use ledger_log::{Ack, Credential, Refused, Submitted};
use ledger_proto::v1::{
    self, SubmitBatchRequest, SubmitBatchResponse, SubmitRequest, SubmitResponse, SubmitResult, submit_result,
};
use tonic::{Request, Status, Streaming};

use super::{BATCH_RECORDS_MAX, Services, auth, refusal};

/// `Submit`.
pub(super) async fn one(
    services: &Services,
    request: Request<SubmitRequest>,
) -> Result<SubmitResponse, Status> {
    let credential = auth::credential(request.metadata(), &services.admin_key)?;
    let outcome = record(services, request.into_inner(), credential).await?;
    outcome.map(response).map_err(|refused| refusal::status(&refused))
}

/// `SubmitBatch`: answered one by one, in order.
pub(super) async fn batch(
    services: &Services,
    request: Request<SubmitBatchRequest>,
) -> Result<SubmitBatchResponse, Status> {
    let credential = auth::credential(request.metadata(), &services.admin_key)?;
    let request = request.into_inner();
    let count = request.records.len();
    if count > BATCH_RECORDS_MAX {
        let fix = "send at most 256 records in one batch";
        return Err(refusal::invalid("records", format!("{count} records in one batch"), fix));
    }
    let log = services.logs.named(&request.log).map_err(refusal::from_api)?;
    let (ack, timeout) = (ack(request.ack)?, timeout(services, request.timeout_ms));
    let outcomes = log.submit(request.records, ack, timeout, credential).await;
    Ok(SubmitBatchResponse { results: outcomes.into_iter().map(result).collect() })
}

/// `SubmitStream`: up to `limits.stream_window` records under way, answers in the order of the requests.
///
/// A refused record is an answer; only a broken stream ends the stream.
pub(super) fn stream(
    services: Arc<Services>,
    request: Request<Streaming<SubmitRequest>>,
) -> Result<impl Stream<Item = Result<SubmitResult, Status>> + Send, Status> {
    let credential = auth::credential(request.metadata(), &services.admin_key)?;
    let window = services.limits.stream_window;
    let trace = trace::current().unwrap_or_else(trace::TraceId::fresh);
    let answers = request.into_inner().map(move |request| {
        let services = Arc::clone(&services);
        async move { record(&services, request?, credential).await.map(result) }
    });
    // The answers are produced after this call has returned, so they carry its trace id with them.
    Ok(answers.map(move |answer| trace::scope(trace, answer)).buffered(window))
}

async fn record(
    services: &Services,
    request: SubmitRequest,
    credential: Credential,
) -> Result<Result<Submitted, Refused>, Status> {
    let log = services.logs.named(&request.log).map_err(refusal::from_api)?;
    let (ack, timeout) = (ack(request.ack)?, timeout(services, request.timeout_ms));
    let outcomes = log.submit(vec![request.record], ack, timeout, credential).await;
    outcomes.into_iter().next().ok_or_else(|| Status::internal("the log gave no answer for a record"))
}

fn ack(wanted: i32) -> Result<Ack, Status> {
    match v1::Ack::try_from(wanted) {
        Ok(v1::Ack::Unspecified | v1::Ack::Sequenced) => Ok(Ack::Sequenced),
        Ok(v1::Ack::Published) => Ok(Ack::Published),
        Ok(v1::Ack::Witnessed) => Ok(Ack::Witnessed),
        Err(_) => Err(refusal::invalid("ack", format!("{wanted} is no level"), "use 1, 2 or 3")),
    }
}

fn timeout(services: &Services, wanted_ms: u32) -> Duration {
    let limits = &services.limits;
    let ms = if wanted_ms == 0 { limits.submit_ms } else { u64::from(wanted_ms).min(limits.submit_ms_max) };
    Duration::from_millis(ms)
}

fn response(submitted: Submitted) -> SubmitResponse {
    let ack = match submitted.ack {
        Ack::Published => v1::Ack::Published,
        Ack::Witnessed => v1::Ack::Witnessed,
        _ => v1::Ack::Sequenced,
    };
    SubmitResponse {
        index: submitted.index,
        leaf_hash: Bytes::copy_from_slice(submitted.leaf.as_bytes()),
        log_ms: submitted.log_ms,
        duplicate: submitted.duplicate,
        ack: ack.into(),
        proof: submitted.proof.map(Bytes::from).unwrap_or_default(),
    }
}

fn result(outcome: Result<Submitted, Refused>) -> SubmitResult {
    let result = match outcome {
        Ok(submitted) => submit_result::Result::Ok(response(submitted)),
        Err(refused) => submit_result::Result::Refused(refusal::message(&refused)),
    };
    SubmitResult { result: Some(result) }
}
