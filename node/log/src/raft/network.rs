//! Raft's calls to other nodes, over whatever transport was handed in.

use std::{future::Future, io::Read as _, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture, stream};
use openraft::{
    AnyError, OptionalSend, RaftNetworkFactory,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption},
    raft::{
        AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use tokio::sync::mpsc;

use super::{
    codec,
    machine::SnapshotData,
    types::{TypeConfig, Vote},
};
use crate::{
    alarm::Alarms,
    bytes_codec::{Malformed, Writer},
    incoming::{InstallAnswer, install_answer},
    options::{Member, PeerError, PeerTransport},
    peer::Kind,
    snapshot,
};

/// One part of a snapshot file on the wire.
const SNAPSHOT_PART_BYTES: usize = 1 << 20;
/// Between two questions whether a follower has finished fetching what a snapshot needs.
const INSTALL_POLL: Duration = Duration::from_millis(100);
/// How long one part, or one question, may take.
const SNAPSHOT_CALL: Duration = Duration::from_secs(20);

type RpcError = RPCError<TypeConfig>;
type AppendStream<'s> = stream::BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RpcError>>;

/// Makes a client for each peer.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) log: Arc<str>,
    pub(crate) peers: Arc<dyn PeerTransport>,
    pub(crate) alarms: Arc<Alarms>,
}

/// Raft's client for one peer.
pub(crate) struct Client {
    log: Arc<str>,
    peers: Arc<dyn PeerTransport>,
    alarms: Arc<Alarms>,
    to: Member,
    /// Heartbeats go as single calls: opening a stream for each would cost more than the heartbeat.
    unary: bool,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, _target: u64, node: &Member) -> Client {
        let Self { log, peers, alarms } = self.clone();
        Client { log, peers, alarms, to: node.clone(), unary: false }
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Member) -> Client {
        Client { unary: true, ..self.new_client(target, node).await }
    }
}

fn rpc_error(error: PeerError) -> RpcError {
    match error {
        PeerError::Unreachable(text) => RPCError::Unreachable(Unreachable::new(&AnyError::error(text))),
        other => RPCError::Network(NetworkError::new(&other)),
    }
}

fn malformed(error: Malformed) -> RpcError {
    RPCError::Network(NetworkError::new(&error))
}

impl Client {
    async fn call(&self, kind: Kind, body: Bytes, timeout: Duration) -> Result<Bytes, RpcError> {
        self.peers.call(&self.to, &self.log, kind as u32, body, timeout).await.map_err(rpc_error)
    }

    /// Requests go out as they come, answers come back in order: a slow fsync at the peer delays nobody else.
    async fn pipelined<'s, S>(&'s mut self, input: S) -> Result<AppendStream<'s>, RpcError>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let mut input = input;
        let stream = match self.peers.append_stream(&self.to, &self.log).await {
            Ok(stream) => stream,
            Err(error) => {
                // Raft's pause after a failure lies in its stream of requests: an error before the first request is asked
                // for would be tried again at once, for as long as the peer is away.
                let _ = input.next().await;
                return Err(rpc_error(error));
            }
        };
        let (tx, rx) = (stream.tx, stream.rx);
        // A request is counted before it is sent, so that the reader below knows whether an answer is due.
        let (sent, due) = mpsc::unbounded_channel::<()>();
        tokio::spawn(async move {
            loop {
                let request = tokio::select! {
                    request = input.next() => request,
                    () = sent.closed() => return,
                };
                let Some(request) = request else { return };
                if sent.send(()).is_err() || tx.send(codec::encode_append(&request)).await.is_err() {
                    return;
                }
            }
        });
        let answers = stream::unfold(Some((due, rx)), |state| async move {
            let (mut due, mut rx): (mpsc::UnboundedReceiver<()>, mpsc::Receiver<Result<Bytes, PeerError>>) =
                state?;
            due.recv().await?;
            let answer = match rx.recv().await {
                Some(Ok(body)) => codec::decode_append_result(body).map_err(malformed),
                Some(Err(error)) => Err(rpc_error(error)),
                None => Err(rpc_error(PeerError::Unreachable("the append stream broke".into()))),
            };
            let go_on = matches!(answer, Ok(Ok(_)));
            Some((answer, go_on.then_some((due, rx))))
        });
        Ok(answers.boxed())
    }

    async fn one_by_one<'s, S>(
        &'s mut self,
        input: S,
        timeout: Duration,
    ) -> Result<AppendStream<'s>, RpcError>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let answers = stream::unfold(Some((self, input)), move |state| async move {
            let (client, mut input) = state?;
            let request = input.next().await?;
            let answer = client.call(Kind::Append, codec::encode_append(&request), timeout).await;
            let answer = answer.and_then(|body| codec::decode_append_result(body).map_err(malformed));
            let go_on = matches!(answer, Ok(Ok(_)));
            Some((answer, go_on.then_some((client, input))))
        });
        Ok(answers.boxed())
    }

    async fn vote_call(
        &self,
        kind: Kind,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let body = self.call(kind, codec::encode_vote_request(&rpc), option.hard_ttl()).await?;
        codec::decode_vote_response(body).map_err(malformed)
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        path: SnapshotData,
    ) -> Result<SnapshotResponse<TypeConfig>, RpcError> {
        let unreadable = |e: std::io::Error| RPCError::Network(NetworkError::new(&e));
        let checked = snapshot::check_to_send(&path, &self.alarms).await;
        checked.map_err(|e| RPCError::Network(NetworkError::new(&e)))?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut file = std::fs::File::open(&path).map_err(unreadable)?;
        let mut offset = 0_u64;
        loop {
            let mut part = Vec::with_capacity(SNAPSHOT_PART_BYTES);
            (&mut file).take(SNAPSHOT_PART_BYTES as u64).read_to_end(&mut part).map_err(unreadable)?;
            let body = Writer::default().bytes(name.as_bytes()).u64(offset).bytes(&part).finish();
            self.call(Kind::SnapshotPart, body, SNAPSHOT_CALL).await?;
            offset += part.len() as u64;
            if part.len() < SNAPSHOT_PART_BYTES {
                break;
            }
        }
        let body =
            Writer::default().bytes(name.as_bytes()).u64(offset).bytes(&codec::encode_vote(&vote)).finish();
        loop {
            let answer = self.call(Kind::SnapshotInstall, body.clone(), SNAPSHOT_CALL).await?;
            match install_answer(answer).map_err(malformed)? {
                InstallAnswer::Working => tokio::time::sleep(INSTALL_POLL).await,
                InstallAnswer::Done(response) => return Ok(response),
                InstallAnswer::Failed(text) => {
                    return Err(RPCError::Network(NetworkError::new(&AnyError::error(text))));
                }
            }
        }
    }
}

impl NetStreamAppend<TypeConfig> for Client {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<AppendStream<'s>, RpcError>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        if self.unary {
            self.one_by_one(input, option.hard_ttl()).boxed()
        } else {
            self.pipelined(input).boxed()
        }
    }
}

impl NetVote<TypeConfig> for Client {
    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.vote_call(Kind::Vote, rpc, option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.vote_call(Kind::PreVote, rpc, option).await
    }
}

impl NetSnapshot<TypeConfig> for Client {
    type SnapshotData = SnapshotData;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<TypeConfig, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = self.send_snapshot(vote, snapshot.snapshot) => sent.map_err(|error| match error {
                RPCError::Unreachable(e) => StreamingError::Unreachable(e),
                RPCError::Timeout(e) => StreamingError::Timeout(e),
                RPCError::Network(e) => StreamingError::Network(e),
                RPCError::RemoteError(e) => StreamingError::Network(NetworkError::new(&e)),
            }),
        }
    }
}

impl NetTransferLeader<TypeConfig> for Client {
    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        self.call(Kind::TransferLeader, codec::encode_transfer(&req), option.hard_ttl()).await?;
        Ok(Ok(()))
    }
}

impl NetBackoff<TypeConfig> for Client {
    fn backoff(&self) -> Option<Backoff> {
        None
    }
}
