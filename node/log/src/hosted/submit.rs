//! One caller's records: checked, sequenced, and followed to the level that the caller asked for (rule V4).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    ablation::{self, Rule},
    ingest::{self, Ack, Asker, Checked, Noted, Refused, Source, Submitted},
    peer::Kind,
};

use super::core::{CONFIRM_LIMIT, Core};

/// Between two looks for a leader.
const LEADER_RETRY: Duration = Duration::from_millis(20);
/// How long a wish for a checkpoint may be on its way.
const WANT_LIMIT: Duration = Duration::from_secs(1);

impl Core {
    pub(super) async fn submit(
        self: &Arc<Self>,
        records: Vec<Noted>,
        ack: Ack,
        timeout: Duration,
        source: Source,
    ) -> Vec<Result<Submitted, Refused>> {
        let started = Instant::now();
        let deadline = started + timeout;
        self.metrics.submitted.add(records.len() as u64);
        let mut fates: Vec<Option<Result<Submitted, Refused>>> = Vec::with_capacity(records.len());
        let mut good = Vec::with_capacity(records.len());
        let bytes: Vec<Bytes> = records.iter().map(|noted| noted.record.clone()).collect();
        for (record, checked) in records.into_iter().zip(self.check(&bytes, source, deadline).await) {
            match checked {
                Checked::Good => {
                    good.push(record);
                    fates.push(None);
                }
                Checked::Refused(refused) | Checked::MaybeLag(refused) => fates.push(Some(Err(refused))),
            }
        }
        let sequenced = self.sequence(good, ack, deadline).await;
        self.metrics.ingest_seconds.observe(started.elapsed().as_secs_f64());
        let mut sequenced = sequenced.into_iter();
        let mut answers: Vec<Result<Submitted, Refused>> = Vec::with_capacity(fates.len());
        for fate in fates {
            answers.push(fate.or_else(|| sequenced.next()).unwrap_or_else(|| Err(Refused::timeout())));
        }
        if ack > Ack::Sequenced {
            self.reach(&mut answers, ack, deadline).await;
        }
        self.metrics.refused.add(answers.iter().filter(|answer| answer.is_err()).count() as u64);
        answers
    }

    /// Checks records. If this node may only be behind, it catches up first; a record is refused for what is not in the log by
    /// a node alone that has applied everything which was committed before it was asked.
    async fn check(&self, records: &[Bytes], source: Source, deadline: Instant) -> Vec<Checked> {
        let checked = ingest::check(&self.ledger, records, source);
        if !checked.iter().any(|checked| matches!(checked, Checked::MaybeLag(_))) {
            return checked;
        }
        loop {
            if self.catch_up(deadline).await {
                return ingest::check(&self.ledger, records, source);
            }
            if Instant::now() >= deadline || self.stopped.get().is_some() {
                let why = "this node may be behind and has not heard from a leader in time";
                let behind = |checked| match checked {
                    Checked::MaybeLag(_) => Checked::Refused(Refused::no_leader(why)),
                    other => other,
                };
                return checked.into_iter().map(behind).collect();
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + LEADER_RETRY)).await;
        }
    }

    /// Whether this node has applied everything that was committed when it was asked. False when that cannot be found out in time,
    /// as for a node that is cut off.
    pub(crate) async fn confirm_latest(&self, deadline: Instant) -> bool {
        if ablation::is_off(Rule::FreshReads) {
            return true;
        }
        matches!(tokio::time::timeout_at(deadline, self.catch_up(deadline)).await, Ok(true))
    }

    /// Waits until this node has applied what was committed when it was called; false when that cannot be found out in time.
    async fn catch_up(&self, deadline: Instant) -> bool {
        if self.is_leader() {
            // A new leader has in its log what was committed before its term, but may not have applied it yet.
            let confirmed = tokio::time::timeout_at(deadline, self.majority_confirms_leader()).await;
            return confirmed.unwrap_or(false);
        }
        let Some(leader) = self.leader() else { return false };
        let call = self.peers.call(&leader, &self.group, Kind::ReadIndex as u32, Bytes::new(), CONFIRM_LIMIT);
        let Ok(answer) = call.await else { return false };
        let Ok(raft_index) = crate::bytes_codec::Reader::new(answer, "read index").u64() else {
            return false;
        };
        let mut applied = self.ledger.watch_applied();
        let limit = deadline.min(Instant::now() + CONFIRM_LIMIT);
        matches!(
            tokio::time::timeout_at(limit, applied.wait_for(|mark| mark.raft_index >= raft_index)).await,
            Ok(Ok(_))
        )
    }

    async fn sequence(
        &self,
        records: Vec<Noted>,
        ack: Ack,
        deadline: Instant,
    ) -> Vec<Result<Submitted, Refused>> {
        let count = records.len();
        if count == 0 {
            return Vec::new();
        }
        match self.queue.put(records, ack > Ack::Sequenced, Asker::Caller, deadline) {
            Err(refused) => vec![Err(refused); count],
            Ok(answer) => match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(fates)) => fates,
                Ok(Err(_)) => vec![Err(Refused::no_leader("this node is shutting down")); count],
                Err(_) => vec![Err(Refused::timeout()); count],
            },
        }
    }

    /// Waits until a checkpoint of the wanted quality covers the records, and adds the proofs.
    async fn reach(&self, answers: &mut [Result<Submitted, Refused>], ack: Ack, deadline: Instant) {
        let Some(last) = answers.iter().flatten().map(|submitted| submitted.index).max() else { return };
        let mut published = self.ledger.watch_published();
        let covers = |checkpoint: &Option<Arc<crate::PublishedCheckpoint>>| {
            checkpoint
                .as_ref()
                .is_some_and(|p| p.checkpoint.size > last && (ack < Ack::Witnessed || self.is_witnessed(p)))
        };
        let reached = tokio::time::timeout_at(deadline, published.wait_for(covers)).await;
        let checkpoint = match reached {
            Ok(Ok(checkpoint)) => checkpoint.clone(),
            _ => None,
        };
        let Some(checkpoint) = checkpoint else { return };
        for submitted in answers.iter_mut().flatten() {
            if let Ok(Some(proof)) = crate::reader::proof_under(&self.ledger, submitted.index, &checkpoint) {
                submitted.ack = ack;
                submitted.proof = Some(proof);
            }
        }
    }

    fn is_witnessed(&self, published: &crate::PublishedCheckpoint) -> bool {
        // What is published fail-closed has satisfied the policy already.
        !self.options.fail_open || self.options.policy.check(&published.parsed).is_ok()
    }

    /// Asks the leader to publish at least `size` soon.
    pub(crate) async fn want_published(&self, size: u64) {
        if self.is_leader() {
            return self.publish_soon(size).await;
        }
        if let Some(leader) = self.leader() {
            let body = crate::bytes_codec::Writer::default().u64(size).finish();
            let kind = Kind::WantPublished as u32;
            let call = self.peers.call(&leader, &self.group, kind, body, WANT_LIMIT);
            if let Err(error) = call.await {
                tracing::debug!(log = %self.name, "the leader could not be asked to publish: {error}");
            }
        }
    }

    /// As the leader: publishes at least `size` soon, as far as the log reaches. Anybody may ask, for any size; what is remembered of
    /// one that nobody was told would have every entry published at once from then on.
    pub(crate) async fn publish_soon(&self, size: u64) {
        if size > self.ledger.size() {
            // A new leader may not have applied yet what an earlier one has answered for.
            let (term, mut applied) = (self.term(), self.ledger.watch_applied());
            let has_all = applied.wait_for(|mark| mark.term >= term || mark.size >= size);
            // Too late is as good as never: the tick publishes all that there is then.
            let _ = tokio::time::timeout(WANT_LIMIT, has_all).await;
        }
        self.demand.want(size.min(self.ledger.size()));
    }
}
