//! What other nodes ask of this one.

use std::{pin::Pin, sync::Arc};

use axum::Router;
use futures::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use ledger_api::{Logs, trace};
use ledger_log::{HostedLog, PeerError};
use ledger_proto::v1::{
    PeerFrame,
    peer_server::{Peer, PeerServer},
};
use tonic::{Request, Response, Status, Streaming, service::Routes};
use tracing::Instrument as _;

use super::FRAME_BYTES_MAX;

/// The `Peer` service. Mount it on the mutual-TLS listener only: here a caller is a node because its certificate says so.
pub fn router(logs: Logs) -> Router {
    let service = PeerServer::new(PeerService(Arc::new(logs)))
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX);
    Routes::new(service).into_axum_router()
}

#[derive(Clone)]
struct PeerService(Arc<Logs>);

impl PeerService {
    /// The log whose Raft group this is: nodes that are on two generations of a sandbox never take part in each other's.
    fn log(&self, group: &str) -> Result<HostedLog, Status> {
        self.0
            .iter()
            .find(|log| log.group() == group)
            .ok_or_else(|| Status::not_found(format!("this node hosts no log {group:?}")))
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    type AppendStream = Pin<Box<dyn Stream<Item = Result<PeerFrame, Status>> + Send>>;

    async fn call(&self, request: Request<PeerFrame>) -> Result<Response<PeerFrame>, Status> {
        let frame = request.into_inner();
        let log = self.log(&frame.log)?;
        let answer = match trace::TraceId::parse(&frame.trace) {
            // Work for somebody's request: its id stays with it on this node too.
            Some(id) => {
                let span = tracing::info_span!("peer_call", trace = %id, log = frame.log, kind = frame.kind);
                trace::scope(id, log.peer_call(frame.kind, frame.body)).instrument(span).await
            }
            None => log.peer_call(frame.kind, frame.body).await,
        };
        let body = answer.map_err(status)?;
        Ok(Response::new(PeerFrame { log: frame.log, kind: frame.kind, body, trace: frame.trace }))
    }

    async fn append(
        &self,
        request: Request<Streaming<PeerFrame>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let mut frames = request.into_inner();
        let service = self.clone();
        // The answer begins before the first frame has come: the caller opens the stream first and sends later.
        let answers = stream::once(async move {
            // A stream is of one log; its first frame says which.
            let first = frames
                .message()
                .await?
                .ok_or_else(|| Status::invalid_argument("an append stream without a frame"))?;
            let rest = frames.scan((), |(), frame| future::ready(frame.ok().map(|frame| frame.body)));
            let answers =
                service.log(&first.log)?.peer_append(stream::iter([first.body]).chain(rest).boxed());
            Ok::<_, Status>(answers.map(move |answer| {
                let body = answer.map_err(status)?;
                Ok(PeerFrame { log: first.log.clone(), kind: first.kind, body, trace: String::new() })
            }))
        })
        .try_flatten();
        Ok(Response::new(Box::pin(answers)))
    }
}

fn status(error: PeerError) -> Status {
    match error {
        PeerError::Unreachable(why) => Status::unavailable(why),
        PeerError::Timeout => Status::deadline_exceeded("not in time"),
        PeerError::Refused(why) => Status::failed_precondition(why),
        other => Status::internal(other.to_string()),
    }
}
