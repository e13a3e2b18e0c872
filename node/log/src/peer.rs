//! Calls that other nodes of the cluster make to this one.
//!
//! The transport has already made sure that the caller is a node (mutual TLS); bodies are still parsed as if it were not.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use ledger_format::{BundleId, TILE_WIDTH, prove_subtree};

use crate::{
    bytes_codec::{Reader, Writer},
    hosted::Core,
    options::PeerError,
    raft::codec,
};

/// Which call a peer frame holds. The numbers are the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Kind {
    /// Raft: append entries (heartbeats go this way).
    Append = 1,
    /// Raft: vote.
    Vote = 2,
    /// Raft: pre-vote.
    PreVote = 3,
    /// Raft: hand over leadership.
    TransferLeader = 4,
    /// A part of a Raft snapshot file.
    SnapshotPart = 5,
    /// Install the snapshot whose parts have been sent; asked again until it is done.
    SnapshotInstall = 6,
    /// Records to be proposed by the leader.
    Forward = 7,
    /// The root at a size (rule G2).
    RootVote = 8,
    /// A full bundle with its proof.
    FetchBundle = 9,
    /// Somebody at this peer waits for a checkpoint of at least a size.
    WantPublished = 10,
    /// The raft_index that the leader has applied, confirmed by a majority: who has applied it too is not behind.
    ReadIndex = 11,
    /// A transaction on the private state, to be proposed by the leader.
    Transact = 12,
    /// A payload that the peer should keep.
    PayloadKeep = 13,
    /// A payload that the peer keeps.
    PayloadFetch = 14,
    /// Which payloads the peer keeps, page by page.
    PayloadList = 15,
    /// How far an erasure has come on the peer.
    Erasure = 16,
}

impl Kind {
    fn from_number(number: u32) -> Option<Self> {
        use Kind::*;
        [
            Append,
            Vote,
            PreVote,
            TransferLeader,
            SnapshotPart,
            SnapshotInstall,
            Forward,
            RootVote,
            FetchBundle,
            WantPublished,
            ReadIndex,
            Transact,
            PayloadKeep,
            PayloadFetch,
            PayloadList,
            Erasure,
        ]
        .into_iter()
        .find(|kind| *kind as u32 == number)
    }
}

/// How long a root vote may wait for this node to catch up.
const ROOT_VOTE_WAIT: Duration = Duration::from_millis(500);

pub(crate) fn refuse(error: impl std::fmt::Display) -> PeerError {
    PeerError::Refused(error.to_string())
}

impl Core {
    /// Answers one call.
    pub(crate) async fn answer(self: &Arc<Self>, kind: u32, body: Bytes) -> Result<Bytes, PeerError> {
        let kind = Kind::from_number(kind)
            .ok_or_else(|| refuse(format!("unknown call {kind}; is the peer newer?")))?;
        match kind {
            Kind::Append => {
                let request = codec::decode_append(body).map_err(refuse)?;
                let prev = request.prev_log_id;
                let last = request.entries.last().map(|entry| entry.log_id).or(prev);
                let answer = self.raft.append_entries(request).await.map_err(refuse)?;
                Ok(codec::encode_append_result(&answer.into_stream_result(prev, last)))
            }
            Kind::Vote => {
                let answer = self
                    .raft
                    .vote(codec::decode_vote_request(body).map_err(refuse)?)
                    .await
                    .map_err(refuse)?;
                Ok(codec::encode_vote_response(&answer))
            }
            Kind::PreVote => {
                let answer = self
                    .raft
                    .pre_vote(codec::decode_vote_request(body).map_err(refuse)?)
                    .await
                    .map_err(refuse)?;
                Ok(codec::encode_vote_response(&answer))
            }
            Kind::TransferLeader => {
                let request = codec::decode_transfer(body).map_err(refuse)?;
                self.raft.handle_transfer_leader(request).await.map_err(refuse)?.map_err(refuse)?;
                Ok(Bytes::new())
            }
            Kind::SnapshotPart => self.take_snapshot_part(body).map_err(refuse),
            Kind::SnapshotInstall => self.install_snapshot(body),
            Kind::Forward => self.take_forwarded(body).await,
            Kind::Transact => self.take_transaction(body).await,
            Kind::PayloadKeep | Kind::PayloadFetch | Kind::PayloadList | Kind::Erasure => {
                self.answer_payloads(kind, body).await
            }
            Kind::RootVote => {
                let mut r = Reader::new(body, "root vote");
                let size = r.u64().map_err(refuse)?;
                r.end().map_err(refuse)?;
                self.root_vote(size).await
            }
            Kind::FetchBundle => {
                let mut r = Reader::new(body, "bundle request");
                let (index, size) = (r.u64().map_err(refuse)?, r.u64().map_err(refuse)?);
                r.end().map_err(refuse)?;
                self.full_bundle(index, size)
            }
            Kind::ReadIndex => {
                if !self.majority_confirms_leader().await {
                    return Err(refuse("not the leader"));
                }
                let raft_index = self.ledger.watch_applied().borrow().raft_index;
                Ok(Writer::default().u64(raft_index).finish())
            }
            Kind::WantPublished => {
                let mut r = Reader::new(body, "publication request");
                let size = r.u64().map_err(refuse)?;
                r.end().map_err(refuse)?;
                self.publish_soon(size).await;
                Ok(Bytes::new())
            }
        }
    }

    /// Answers a pipelined stream of append requests, in order.
    pub(crate) fn answer_appends(
        self: &Arc<Self>,
        input: BoxStream<'static, Bytes>,
    ) -> BoxStream<'static, Result<Bytes, PeerError>> {
        // A request that cannot be read ends the stream; the peer then sees it break and starts a new one.
        let requests =
            input.map(codec::decode_append).take_while(|request| futures::future::ready(request.is_ok()));
        let requests = requests.filter_map(|request| futures::future::ready(request.ok()));
        let answers = self.raft.stream_append(requests);
        answers
            .map(|answer| answer.map(|result| codec::encode_append_result(&result)).map_err(refuse))
            .boxed()
    }

    fn full_bundle(&self, index: u64, size: u64) -> Result<Bytes, PeerError> {
        let end = index
            .checked_add(1)
            .and_then(|n| n.checked_mul(TILE_WIDTH))
            .filter(|end| *end <= size && size <= self.ledger.size());
        let end = end.ok_or_else(|| refuse(format!("bundle {index} of {size} entries is not here")))?;
        let bundle =
            self.ledger.bundle_bytes(BundleId { index, width: TILE_WIDTH as u16 }).map_err(refuse)?;
        let bundle = bundle.ok_or_else(|| refuse(format!("bundle {index} is missing")))?;
        let proof = prove_subtree(&self.ledger.hashes(), end - TILE_WIDTH, end, size).map_err(refuse)?;
        let mut w = Writer::with_capacity(bundle.len() + proof.len() * 32 + 8);
        w.bytes(&bundle).u32(proof.len() as u32);
        for hash in &proof {
            w.raw(&hash.0);
        }
        Ok(w.finish())
    }

    async fn root_vote(&self, size: u64) -> Result<Bytes, PeerError> {
        let mut applied = self.ledger.watch_applied();
        let reached = applied.wait_for(|mark| mark.size >= size);
        let caught_up = matches!(tokio::time::timeout(ROOT_VOTE_WAIT, reached).await, Ok(Ok(_)));
        if !caught_up {
            return Err(refuse(format!("this node has not applied {size} entries yet")));
        }
        // Who is wrong by its own account does not vote: its answer would keep the others from signing, too.
        self.checked_root().await.map_err(refuse)?;
        let root = self.ledger.root_at(size).map_err(refuse)?;
        Ok(Writer::default().raw(&root.0).finish())
    }
}
