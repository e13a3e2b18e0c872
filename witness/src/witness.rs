//! The witness: one request from bytes to answer. No HTTP in here, and no time but the clock's.
//!
//! ```text
//! bytes -> parse -> known origin? -> log's signature? -> decide -> (replay) -> budget -> cosign -> commit -> lines
//! ```

use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use ledger_format::{AddCheckpoint, Checkpoint};

use crate::budget::Budget;
use crate::clock::Clock;
use crate::decide::{Refusal, authenticate, decide};
use crate::evidence::{Evidence, Kind};
use crate::logs::{Log, LogSet};
use crate::metrics::{LogLine, Metrics};
use crate::persist::{CommitError, Memory, Remembered};
use crate::sign::{NoTime, Signer};

/// Every way a request can end, as counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// 200.
    Cosigned,
    /// 400.
    Malformed,
    /// 404.
    UnknownOrigin,
    /// 403.
    Forbidden,
    /// 400.
    OldSizeTooLarge,
    /// 409.
    Conflict,
    /// 422.
    EmptyTreeRoot,
    /// 422, alarm.
    Fork,
    /// 422.
    Proof,
    /// 422, alarm: the log holds an entry that does not replay.
    Invalid,
    /// 503: entries that must be replayed first cannot be read yet.
    Unverified,
    /// 429.
    Budget,
    /// 503.
    Busy,
    /// 500.
    Failed,
}

impl Outcome {
    /// In the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Cosigned,
        Self::Malformed,
        Self::UnknownOrigin,
        Self::Forbidden,
        Self::OldSizeTooLarge,
        Self::Conflict,
        Self::EmptyTreeRoot,
        Self::Fork,
        Self::Proof,
        Self::Invalid,
        Self::Unverified,
        Self::Budget,
        Self::Busy,
        Self::Failed,
    ];

    /// As a metric label and in log lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosigned => "cosigned",
            Self::Malformed => "malformed",
            Self::UnknownOrigin => "unknown_origin",
            Self::Forbidden => "forbidden",
            Self::OldSizeTooLarge => "old_size_too_large",
            Self::Conflict => "conflict",
            Self::EmptyTreeRoot => "empty_tree_root",
            Self::Fork => "fork",
            Self::Proof => "proof",
            Self::Invalid => "invalid",
            Self::Unverified => "unverified",
            Self::Budget => "budget",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}

/// Why there are no signatures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// The specification says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The log holds entries that do not replay. It stays refused.
    #[error("the log does not replay: {0}")]
    Invalid(String),
    /// Entries that must be replayed first cannot be read yet. Try again.
    #[error("not cosigned yet: {0}")]
    Unverified(String),
    /// The log has had its requests of today.
    #[error("the daily budget of this log is used up; it begins again in {retry_after_s} s")]
    Budget {
        /// Seconds to the next day.
        retry_after_s: u64,
    },
    /// Too much at once. Try again.
    #[error("this witness is busy")]
    Busy,
    /// This witness is broken; the caller can do nothing.
    #[error("this witness cannot cosign now: {0}")]
    Failed(String),
}

impl Denial {
    /// How it is counted.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(Refusal::Malformed(_)) => Outcome::Malformed,
            Self::Refused(Refusal::UnknownOrigin(_)) => Outcome::UnknownOrigin,
            Self::Refused(Refusal::NoTrustedSignature | Refusal::BadTrustedSignature(_)) => {
                Outcome::Forbidden
            }
            Self::Refused(Refusal::OldSizeTooLarge { .. }) => Outcome::OldSizeTooLarge,
            Self::Refused(Refusal::Conflict { .. }) => Outcome::Conflict,
            Self::Refused(Refusal::EmptyTreeRoot) => Outcome::EmptyTreeRoot,
            Self::Refused(Refusal::Fork { .. }) => Outcome::Fork,
            Self::Refused(Refusal::Proof(_)) => Outcome::Proof,
            Self::Invalid(_) => Outcome::Invalid,
            Self::Unverified(_) => Outcome::Unverified,
            Self::Budget { .. } => Outcome::Budget,
            Self::Busy => Outcome::Busy,
            Self::Failed(_) => Outcome::Failed,
        }
    }
}

impl From<NoTime> for Denial {
    fn from(error: NoTime) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A witness, ready to answer.
#[derive(Debug)]
pub struct Witness {
    logs: RwLock<Arc<LogSet>>,
    memory: Memory,
    signer: Signer,
    clock: Arc<dyn Clock>,
    budget: Budget,
    evidence: Evidence,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Witness {
    /// Puts the parts together. `state_dir` is where `memory` lives.
    pub fn new(
        logs: LogSet,
        memory: Memory,
        signer: Signer,
        clock: Arc<dyn Clock>,
        state_dir: &Path,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let evidence = Evidence::open(state_dir)?;
        let logs = RwLock::new(Arc::new(logs));
        Ok(Self { logs, memory, signer, clock, budget: Budget::default(), evidence, metrics })
    }

    /// The logs known now.
    pub fn logs(&self) -> Arc<LogSet> {
        self.logs.read().expect("nothing panics under this lock").clone()
    }

    /// Replaces the logs. What is remembered of a log that is gone stays remembered.
    pub fn set_logs(&self, logs: LogSet) {
        *self.logs.write().expect("nothing panics under this lock") = Arc::new(logs);
    }

    /// What is remembered.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The keys.
    pub(crate) fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Why requests should go elsewhere for now, if they should.
    pub fn not_ready(&self) -> Option<String> {
        (!self.memory.is_in_service()).then(|| "the memory is out of service".to_owned())
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Answers an `add-checkpoint` with signature lines, or says why not.
    pub async fn add_checkpoint(&self, body: &[u8]) -> Result<String, Denial> {
        let started = Instant::now();
        let answer = self.answer(body).await;
        let outcome = answer.as_ref().err().map_or(Outcome::Cosigned, Denial::outcome);
        self.metrics.answered(outcome, started.elapsed());
        answer
    }

    async fn answer(&self, body: &[u8]) -> Result<String, Denial> {
        let request = AddCheckpoint::parse(body).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let checkpoint =
            Checkpoint::parse(request.note.text()).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let Some(log) = self.logs().get(&checkpoint.origin).cloned() else {
            return Err(Refusal::UnknownOrigin(checkpoint.origin).into());
        };
        let log_lines = authenticate(&log.keys, &request.note)?;
        let mut charged = false;
        loop {
            let latest = self.memory.latest(&log.origin);
            let latest_tree = latest.as_ref().map(|latest| latest.latest());
            let advance = match decide(latest_tree, request.old, &checkpoint, &request.proof) {
                Ok(advance) => advance,
                Err(refusal) => {
                    self.keep_evidence(&refusal, &checkpoint, latest.as_deref(), body);
                    return Err(refusal.into());
                }
            };
            if !charged {
                self.charge(&log)?;
                charged = true;
            }
            let cosigned =
                self.signer.cosign(advance, &log.origin, request.note.text(), log_lines.clone())?;
            match self.memory.commit(cosigned).await {
                Ok(released) => return Ok(released.into_lines()),
                // Something else was cosigned since `latest` was read. The next decision sees it, and
                // either refuses or (same tree, another time) goes on: each turn needs another
                // request to have won, so the loop ends.
                Err(CommitError::Conflict) => {}
                Err(CommitError::Busy) => return Err(Denial::Busy),
                Err(CommitError::Failed(reason)) => return Err(Denial::Failed(reason)),
            }
        }
    }

    fn charge(&self, log: &Log) -> Result<(), Denial> {
        self.budget
            .spend(&log.origin, log.qpd, self.clock.now_ms())
            .map_err(|retry_after_s| Denial::Budget { retry_after_s })
    }

    /// Keeps a request that the log has signed and that contradicts what we cosigned.
    fn keep_evidence(&self, refusal: &Refusal, new: &Checkpoint, latest: Option<&Remembered>, body: &[u8]) {
        let kind = match refusal {
            Refusal::Fork { .. } | Refusal::EmptyTreeRoot => Kind::Fork,
            Refusal::Proof(_) => Kind::Proof,
            _ => return,
        };
        if kind == Kind::Fork {
            self.metrics.alarms.add(1);
            tracing::error!(
                origin = new.origin,
                size = new.size,
                "the log has signed two roots for one size"
            );
        }
        let what = (new.size, new.root);
        match self.evidence.keep(kind, &new.origin, what, &refusal.to_string(), latest, body) {
            Ok(true) => self.metrics.evidence.add(1),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "evidence could not be written"),
        }
    }

    /// The exposition text of everything counted.
    pub fn render_metrics(&self) -> String {
        let mut lines: Vec<LogLine> = self
            .memory
            .all()
            .iter()
            .map(|log| LogLine {
                origin: log.origin.clone(),
                size: log.size,
                time_s: log.time_s,
                verified: None,
            })
            .collect();
        lines.sort_by(|a, b| a.origin.cmp(&b.origin));
        self.metrics.render(&lines, self.signer.clock_behind_s())
    }
}
