//! The `Admin` service: membership, snapshots, resets, backups. Every call needs the admin key.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use ledger_log::{AdminError, HostedLog, Member};
use ledger_proto::v1::{
    self, AddLearnerRequest, BackupChunk, LogRequest, MembershipResponse, NodeRequest, ResetLogRequest,
    ResetLogResponse, SnapshotResponse, StatusRequest, StatusResponse, admin_server::Admin,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::{Services, auth, read, refusal, reset};

/// Pieces of a backup made ahead of a slow reader.
const BACKUP_AHEAD: usize = 8;

/// Serves `maip.ledger.v1.Admin`.
pub(super) struct AdminService(Arc<Services>);

impl AdminService {
    pub(super) fn new(services: Arc<Services>) -> Self {
        Self(services)
    }

    fn allow<T>(&self, request: &Request<T>) -> Result<(), Status> {
        auth::admin(request.metadata(), &self.0.admin_key)
    }

    /// Makes one change in every hosted log: a node is in all of them or in none.
    ///
    /// Where the change has been made already nothing is done, so a call that failed half-way, or logs whose leaders are
    /// different nodes, only need the same call again, at the node that the refusal names.
    async fn change(&self, change: Change) -> Result<Response<MembershipResponse>, Status> {
        // One that is not open yet cannot be left out.
        let logs: Result<Vec<HostedLog>, _> =
            self.0.logs.names().map(|name| self.0.logs.named(name)).collect();
        let mut failure = None;
        for log in logs.map_err(refusal::from_api)?.iter().filter(|log| !change.is_made(log)) {
            if let Err(error) = change.make(log).await {
                failure.get_or_insert(refused(log, &error));
            }
        }
        if let Some(status) = failure {
            return Err(status);
        }
        let members = self.0.logs.main().members().iter().map(member).collect();
        Ok(Response::new(MembershipResponse { members }))
    }
}

/// A change of the cluster.
enum Change {
    Add(Member),
    Promote(u64),
    Remove(u64),
    Lead(u64),
}

impl Change {
    fn is_made(&self, log: &HostedLog) -> bool {
        let members = log.members();
        let find = |id: u64| members.iter().find(|known| known.member.id == id);
        match self {
            Self::Add(new) => find(new.id).is_some_and(|known| known.member == *new),
            Self::Promote(id) => find(*id).is_some_and(|known| known.voter),
            Self::Remove(id) => !members.is_empty() && find(*id).is_none(),
            Self::Lead(id) => log.status().leader_id == *id,
        }
    }

    async fn make(&self, log: &HostedLog) -> Result<(), AdminError> {
        match self {
            Self::Add(new) => log.add_learner(new.clone()).await.map(|_| ()),
            Self::Promote(id) => log.promote(*id).await.map(|_| ()),
            Self::Remove(id) => log.remove(*id).await.map(|_| ()),
            Self::Lead(id) => log.transfer(*id).await,
        }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    type BackupStream = Pin<Box<dyn Stream<Item = Result<BackupChunk, Status>> + Send>>;

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        self.allow(&request)?;
        Ok(Response::new(StatusResponse {
            node_id: self.0.node_id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            logs: self.0.logs.iter().map(|log| log_status(&log)).collect(),
        }))
    }

    async fn add_learner(
        &self,
        request: Request<AddLearnerRequest>,
    ) -> Result<Response<MembershipResponse>, Status> {
        self.allow(&request)?;
        let request = request.into_inner();
        if request.id == 0 {
            return Err(refusal::invalid(
                "id",
                "0 is no node id",
                "use an id that was never used in this cluster",
            ));
        }
        let member = Member { id: request.id, peer: request.peer, api: request.api };
        self.change(Change::Add(member)).await
    }

    async fn promote(&self, request: Request<NodeRequest>) -> Result<Response<MembershipResponse>, Status> {
        self.allow(&request)?;
        self.change(Change::Promote(request.into_inner().id)).await
    }

    async fn remove(&self, request: Request<NodeRequest>) -> Result<Response<MembershipResponse>, Status> {
        self.allow(&request)?;
        self.change(Change::Remove(request.into_inner().id)).await
    }

    async fn transfer_leadership(
        &self,
        request: Request<NodeRequest>,
    ) -> Result<Response<MembershipResponse>, Status> {
        self.allow(&request)?;
        self.change(Change::Lead(request.into_inner().id)).await
    }

    async fn snapshot(&self, request: Request<LogRequest>) -> Result<Response<SnapshotResponse>, Status> {
        self.allow(&request)?;
        let log = read::log(&self.0, &request.into_inner().log)?;
        let (raft_index, size) = log.snapshot().await.map_err(|error| refused(&log, &error))?;
        Ok(Response::new(SnapshotResponse { raft_index, size }))
    }

    async fn reset_log(
        &self,
        request: Request<ResetLogRequest>,
    ) -> Result<Response<ResetLogResponse>, Status> {
        self.allow(&request)?;
        reset::reset(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn backup(&self, request: Request<LogRequest>) -> Result<Response<Self::BackupStream>, Status> {
        self.allow(&request)?;
        let log = read::log(&self.0, &request.into_inner().log)?;
        let (sink, pieces) = mpsc::channel(BACKUP_AHEAD);
        tokio::spawn(async move {
            // The reader of the stream has heard of it already.
            if let Err(error) = log.backup(sink).await {
                tracing::warn!(log = log.name(), %error, "a backup was not finished");
            }
        });
        let chunks = ReceiverStream::new(pieces).map(|piece: Result<Bytes, _>| {
            piece
                .map(|data| BackupChunk { data })
                .map_err(|error| Status::internal(format!("the backup broke off: {error}")))
        });
        Ok(Response::new(Box::pin(chunks)))
    }
}

pub(super) fn refused(log: &HostedLog, error: &AdminError) -> Status {
    let message = format!("log {}: {error}", log.name());
    refusal::refuse(
        Code::FailedPrecondition,
        "REFUSED",
        "",
        message,
        "look at Admin.Status; a repeated call does no harm",
    )
}

fn log_status(log: &HostedLog) -> v1::LogStatus {
    let status = log.status();
    v1::LogStatus {
        name: log.name().to_owned(),
        origin: log.origin().to_owned(),
        vkey: log.vkey().to_string(),
        size: status.size,
        published_size: status.published_size,
        root: status.root,
        term: status.term,
        leader_id: status.leader_id,
        raft_state: status.raft_state.to_owned(),
        raft_last_index: status.raft_last_index,
        raft_applied_index: status.raft_applied_index,
        raft_snapshot_index: status.raft_snapshot_index,
        members: status.members.iter().map(member).collect(),
        alarms: status.alarms,
        read_only: status.read_only.is_some(),
        read_only_reason: status.read_only.unwrap_or_default(),
        published_at_ms: status.published_at_ms,
        generation: log.generation().unwrap_or_default(),
        witnesses: status
            .witnesses
            .into_iter()
            .map(|witness| v1::WitnessStatus {
                name: witness.name,
                url: witness.url,
                size: witness.size,
                last_error: witness.last_error,
                latency_us: u64::try_from(witness.latency.as_micros()).unwrap_or(u64::MAX),
            })
            .collect(),
    }
}

fn member(status: &ledger_log::MemberStatus) -> v1::Member {
    v1::Member {
        id: status.member.id,
        peer: status.member.peer.clone(),
        api: status.member.api.clone(),
        voter: status.voter,
        matched: status.matched.unwrap_or(0),
    }
}
