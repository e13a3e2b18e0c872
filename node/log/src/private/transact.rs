//! A transaction on its way: here to the leader, there into Raft, and again until somebody answers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ledger_state::{
    Command, Outcome, PRIVATE_BYTES_MAX, Private, Transacted, Transaction, TransactionFault, log_ms,
};
use tokio::{sync::Semaphore, time::Instant};

use super::{Change, TransactOutcome};
use crate::{
    bytes_codec::{Malformed, Reader, Writer},
    hosted::{Core, HostedLog, ProposeError},
    ingest::{LEADER_RETRY, Refused, RefusedKind, TIMEOUT_MAX},
    options::PeerError,
    peer::Kind,
};

/// How long a transaction may still be done after it was made, ms: well beyond [`TIMEOUT_MAX`] and any honest clock.
const GOOD_FOR_MS: u64 = 10 * 60 * 1_000;
/// How long the leader may take before the transaction is sent again.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of transactions under way from one node; above it callers hear `BUSY`.
const BYTES_IN_FLIGHT_MAX: usize = 64 * PRIVATE_BYTES_MAX;
/// What a small one counts.
const BYTES_AT_LEAST: usize = 16 << 10;

/// Room for transactions under way.
pub(crate) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BYTES_IN_FLIGHT_MAX))
}

/// Until when a transaction that is made now may be done. Log time may be ahead of this node's clock.
pub(super) fn good_until_ms(core: &Core) -> Result<u64, String> {
    let log_ms = core.ledger.with_view(|view| log_ms(view)).map_err(|e| e.to_string())?;
    Ok(core.world.clock.now_ms().max(log_ms).saturating_add(GOOD_FOR_MS))
}

impl HostedLog {
    /// Makes a change of the private state, on any node, and waits until it is made and applied here.
    ///
    /// # Errors
    /// It breaks a bound (`Invalid`: the caller's code is wrong), or nobody could make it for now. After `Timeout` it may have been
    /// made, and may still be; whoever must know reads what it would have written.
    pub async fn transact(&self, change: Change, timeout: Duration) -> Result<TransactOutcome, Refused> {
        self.core.transact(change, Instant::now() + timeout.min(TIMEOUT_MAX)).await
    }
}

impl Core {
    async fn transact(
        self: &Arc<Self>,
        change: Change,
        deadline: Instant,
    ) -> Result<TransactOutcome, Refused> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|e| internal(format!("no randomness: {e}")))?;
        let good_until_ms = good_until_ms(self).map_err(internal)?;
        let Change { expects, writes } = change;
        let transaction = Transaction { id, good_until_ms, expects, writes };
        transaction.check().map_err(|fault| broken(&fault))?;
        // Encoded once; the leader sets the time.
        let command = Command::Private(Private::Transact { log_ms: 0, transaction: transaction.clone() });
        let body = Bytes::from(command.encode());
        let weight = u32::try_from(body.len().max(BYTES_AT_LEAST)).map_err(|_| Refused::busy())?;
        let _room = self.private_room.try_acquire_many(weight).map_err(|_| Refused::busy())?;
        let mut unheard = false;
        loop {
            // A leader that is cut off never answers; the one after it does.
            let limit = deadline.min(Instant::now() + FORWARD_TIMEOUT);
            let tried = tokio::time::timeout_at(limit, self.attempt(&transaction, &body)).await;
            let refused = match tried.unwrap_or_else(|_| Err(Attempt::Unheard(late()))) {
                Ok(answer) => return self.settle(answer, deadline).await,
                Err(Attempt::Kept(refused)) => refused,
                Err(Attempt::Unheard(refused)) => {
                    unheard = true;
                    refused
                }
            };
            if refused.kind == RefusedKind::ReadOnly && !unheard {
                return Err(refused);
            }
            if Instant::now() + LEADER_RETRY >= deadline {
                return Err(if unheard { late() } else { refused });
            }
            tokio::time::sleep(LEADER_RETRY).await;
        }
    }

    /// One try: as the leader, or through it.
    async fn attempt(&self, transaction: &Transaction, body: &Bytes) -> Result<Answer, Attempt> {
        if let Some(reason) = self.stopped.get() {
            return Err(Attempt::Kept(Refused::read_only(format!("consensus has stopped here: {reason}"))));
        }
        if self.is_leader() {
            return self.do_as_leader(transaction.clone()).await;
        }
        let Some(leader) = self.leader() else {
            return Err(Attempt::Kept(no_leader("no leader is known; an election may be under way")));
        };
        let call =
            self.peers.call(&leader, &self.group, Kind::Transact as u32, body.clone(), FORWARD_TIMEOUT);
        let answer = call.await.map_err(|error| {
            let why = format!("the leader, node {}, did not answer: {error}", leader.id);
            Attempt::Unheard(no_leader(why))
        })?;
        match Answer::decode(answer) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(Attempt::Unheard(internal(error.to_string()))),
        }
    }

    async fn do_as_leader(&self, transaction: Transaction) -> Result<Answer, Attempt> {
        if self.fence_pending() {
            return Err(Attempt::Kept(no_leader(
                "the new leader is still asking the witnesses what they have cosigned",
            )));
        }
        if let Some(reason) = self.read_only_reason() {
            return Err(Attempt::Kept(Refused::read_only(reason)));
        }
        let log_ms = self.world.clock.now_ms();
        let command = Command::Private(Private::Transact { log_ms, transaction });
        // Even one that lost its leadership may have handed the transaction to a majority.
        let outcomes = self.propose(&command).await.map_err(|error| {
            Attempt::Unheard(match error {
                ProposeError::NotLeader => no_leader("leadership moved on"),
                ProposeError::Stopped(reason) => no_leader(reason),
            })
        })?;
        let raft_index = self.ledger.watch_applied().borrow().raft_index;
        match outcomes.into_iter().next() {
            Some(Outcome::Transacted(done)) => Ok(Answer { raft_index, done: done.into() }),
            other => Err(Attempt::Unheard(internal(format!("unexpected outcome {other:?}")))),
        }
    }

    /// A follower's transaction, done here.
    pub(crate) async fn take_transaction(&self, body: Bytes) -> Result<Bytes, PeerError> {
        let refuse = |text: String| PeerError::Refused(text);
        let command = Command::decode(&body).map_err(|e| refuse(e.to_string()))?;
        let Command::Private(Private::Transact { transaction, .. }) = command else {
            return Err(refuse("not a transaction on the private state".into()));
        };
        if !self.is_leader() {
            return Err(refuse("not the leader".into()));
        }
        let answer = self.do_as_leader(transaction).await.map_err(|attempt| match attempt {
            Attempt::Kept(refused) | Attempt::Unheard(refused) => refuse(refused.to_string()),
        })?;
        Ok(answer.encode())
    }

    /// Waits until this node has applied what the leader has, so that its reader sees it.
    async fn settle(&self, answer: Answer, deadline: Instant) -> Result<TransactOutcome, Refused> {
        let mut applied = self.ledger.watch_applied();
        let reached = applied.wait_for(|mark| mark.raft_index >= answer.raft_index);
        if !matches!(tokio::time::timeout_at(deadline, reached).await, Ok(Ok(_))) {
            return Err(late());
        }
        match answer.done {
            Judged::Done => Ok(TransactOutcome::Done),
            Judged::Conflict(key) => Ok(TransactOutcome::Conflict { key }),
            Judged::Late => Err(late()),
            Judged::Refused(text) => Err(invalid(text)),
        }
    }
}

/// Why a try gave no answer.
enum Attempt {
    /// Nothing was proposed.
    Kept(Refused),
    /// It may have been proposed.
    Unheard(Refused),
}

/// What the leader answers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    /// A raft_index at which the transaction is applied.
    raft_index: u64,
    done: Judged,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Judged {
    Done,
    Conflict(Vec<u8>),
    Late,
    Refused(String),
}

impl From<Transacted> for Judged {
    fn from(done: Transacted) -> Self {
        match done {
            Transacted::Done => Judged::Done,
            Transacted::Conflict { key } => Judged::Conflict(key),
            Transacted::Late => Judged::Late,
            Transacted::Refused(fault) => Judged::Refused(fault.to_string()),
        }
    }
}

impl Answer {
    fn encode(&self) -> Bytes {
        let mut w = Writer::default();
        w.u8(1).u64(self.raft_index);
        match &self.done {
            Judged::Done => w.u8(0),
            Judged::Conflict(key) => w.u8(1).bytes(key),
            Judged::Late => w.u8(2),
            Judged::Refused(text) => w.u8(3).bytes(text.as_bytes()),
        };
        w.finish()
    }

    fn decode(body: Bytes) -> Result<Self, Malformed> {
        let mut r = Reader::new(body, "answer to a transaction");
        if r.u8()? != 1 {
            return Err(r.fault());
        }
        let raft_index = r.u64()?;
        let done = match r.u8()? {
            0 => Judged::Done,
            1 => Judged::Conflict(r.bytes()?.to_vec()),
            2 => Judged::Late,
            3 => Judged::Refused(r.string()?),
            _ => return Err(r.fault()),
        };
        r.end()?;
        Ok(Self { raft_index, done })
    }
}

fn no_leader(why: impl Into<String>) -> Refused {
    let fix = "ask again, this node or another one";
    Refused::new(RefusedKind::NoLeader, "NO_LEADER", why, fix)
}

fn late() -> Refused {
    let why = "the cluster did not answer in time; the change may have been made, or may still be";
    Refused::new(
        RefusedKind::Timeout,
        "TIMEOUT",
        why,
        "read what the change would have written, then ask again",
    )
}

fn broken(fault: &TransactionFault) -> Refused {
    invalid(fault.to_string())
}

fn invalid(why: String) -> Refused {
    let fix = "make the change smaller, or several";
    Refused::new(RefusedKind::Invalid, "PRIVATE_BOUND", format!("private state: {why}"), fix)
}

fn internal(why: String) -> Refused {
    Refused::new(RefusedKind::Internal, "INTERNAL", why, "report this")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_back_as_written() {
        let all = [
            Judged::Done,
            Judged::Conflict(vec![1, 0, 255]),
            Judged::Late,
            Judged::Refused("too much".into()),
        ];
        for done in all {
            let answer = Answer { raft_index: 7, done };
            assert_eq!(Answer::decode(answer.encode()), Ok(answer.clone()));
            let bytes = answer.encode();
            assert!(Answer::decode(bytes.slice(..bytes.len() - 1)).is_err());
        }
    }
}
