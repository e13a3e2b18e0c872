//! The witness: one request from bytes to answer. No HTTP in here, and no time but the clock's.
//!
//! ```text
//! bytes -> parse -> known origin? -> log's signature? -> decide -> (replay) -> (repeat) -> budget -> cosign -> commit -> lines
//! ```

use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use ledger_format::{AddCheckpoint, Checkpoint, Note};

use crate::budget::Budget;
use crate::clock::Clock;
use crate::decide::{Latest, Refusal, authenticate, decide};
use crate::evidence::{Evidence, Kind};
use crate::logs::{Log, LogSet};
use crate::metrics::{LogLine, Metrics};
pub use crate::outcome::{Denial, Outcome};
use crate::persist::{CommitError, Memory, Remembered};
use crate::sign::Signer;
use crate::verify::{Doubt, Verifier};

/// A witness, ready to answer.
#[derive(Debug)]
pub struct Witness {
    logs: RwLock<Arc<LogSet>>,
    memory: Memory,
    signer: Signer,
    clock: Arc<dyn Clock>,
    budget: Budget,
    evidence: Evidence,
    verifier: Option<Verifier>,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Witness {
    /// Puts the parts together. `state_dir` is where `memory` lives; with a `verifier` the grade is verifying.
    pub fn new(
        logs: LogSet,
        memory: Memory,
        signer: Signer,
        clock: Arc<dyn Clock>,
        state_dir: &Path,
        verifier: Option<Verifier>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let evidence = Evidence::open(state_dir)?;
        let logs = RwLock::new(Arc::new(logs));
        Ok(Self { logs, memory, signer, clock, budget: Budget::default(), evidence, verifier, metrics })
    }

    /// The logs known now.
    pub fn logs(&self) -> Arc<LogSet> {
        self.logs.read().expect("nothing panics under this lock").clone()
    }

    /// The logs as they are now: of a sandbox, the last generation that was cosigned.
    fn current_logs(&self) -> Vec<Arc<Log>> {
        let remembered = self.memory.all();
        let current = |log: &Arc<Log>| {
            let newest = remembered.iter().filter_map(|known| log.generation_of(&known.origin)).max();
            newest.and_then(|number| log.generation(number)).map_or_else(|| log.clone(), Arc::new)
        };
        self.logs().iter().map(current).collect()
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
        if !self.memory.is_in_service() {
            return Some("the memory is out of service".to_owned());
        }
        let verifier = self.verifier.as_ref()?;
        let size = |log: &Log| self.memory.latest(&log.origin).map_or(0, |latest| latest.latest().size);
        let logs = self.current_logs();
        let behind = logs.iter().find(|log| verifier.is_behind(&log.origin, size(log)))?;
        Some(format!("the log {:?} is being replayed", behind.origin))
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
        let Some(log) = self.logs().get(&checkpoint.origin) else {
            return Err(Refusal::UnknownOrigin(checkpoint.origin).into());
        };
        let log_lines = authenticate(&log.keys, &request.note)?;
        let replays = self.verifier.as_ref().map(|verifier| (verifier, verifier.of(&log.origin)));
        let mut turn = None;
        let mut charged = false;
        loop {
            let latest = self.memory.latest(&log.origin);
            let latest_tree = latest.as_ref().map(|latest| latest.latest());
            let advance = match decide(latest_tree, request.old, &checkpoint, &request.proof) {
                Ok(advance) => advance,
                Err(refusal) => {
                    self.keep_evidence(&refusal, &checkpoint, latest.as_deref(), &request);
                    return Err(refusal.into());
                }
            };
            if let Some((verifier, replays)) = &replays {
                let Some(replay) = &mut turn else {
                    // Wait only with a request that is right so far, and look again afterwards.
                    turn = Some(replays.turn().await.map_err(|doubt| self.denial(&log.origin, doubt))?);
                    continue;
                };
                verifier
                    .admit(replays, replay, &log, &advance, &request.note)
                    .await
                    .map_err(|doubt| self.denial(&log.origin, doubt))?;
            }
            if advance.is_refresh() {
                let repeat = |latest| self.signer.repeat(latest, request.note.text(), &log_lines);
                if let Some(released) = latest.as_deref().and_then(repeat) {
                    return Ok(released.into_lines());
                }
            } else if !charged {
                self.charge(&log)?;
                charged = true;
            }
            let cosigned =
                self.signer.cosign(advance, &log.origin, request.note.text(), log_lines.clone())?;
            match self.memory.commit(cosigned).await {
                Ok(released) => {
                    if let Some(replay) = &mut turn {
                        replay.was_cosigned(advance.to());
                    }
                    return Ok(released.into_lines());
                }
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
            .spend(&log.first_origin, log.qpd, self.clock.now_ms())
            .map_err(|retry_after_s| Denial::Budget { retry_after_s })
    }

    /// Keeps a request that the log has signed and that contradicts what we cosigned.
    fn keep_evidence(
        &self,
        refusal: &Refusal,
        new: &Checkpoint,
        latest: Option<&Remembered>,
        request: &AddCheckpoint,
    ) {
        let kind = match refusal {
            Refusal::Fork { .. } | Refusal::EmptyTreeRoot => Kind::Fork,
            Refusal::Proof(_) => Kind::Proof,
            _ => return,
        };
        let tree = Latest { size: new.size, root: new.root };
        let content = match (refusal, latest.and_then(|latest| Note::parse(&latest.note).ok())) {
            (Refusal::Fork { .. }, Some(first)) => {
                ledger_format::Evidence::LogForkSameSize { first, second: request.note.clone() }.to_string()
            }
            (_, first) => hint(&refusal.to_string(), first.as_ref(), &request.to_string()),
        };
        self.keep(kind, &new.origin, tree, &refusal.to_string(), &content);
    }

    /// The answer to a doubt of the verifying grade; keeps evidence if the log was caught.
    fn denial(&self, origin: &str, doubt: Doubt) -> Denial {
        match doubt {
            Doubt::NotYet(reason) => Denial::Unverified(reason),
            Doubt::Refused(reason) => Denial::Invalid(reason),
            Doubt::Caught(caught) => {
                let kind = if caught.is_fork { Kind::Fork } else { Kind::Entry };
                let content = hint(&caught.reason, None, &String::from_utf8_lossy(&caught.note));
                self.keep(kind, origin, caught.tree, &caught.reason, &content);
                Denial::Invalid(caught.reason)
            }
        }
    }

    fn keep(&self, kind: Kind, origin: &str, tree: Latest, reason: &str, content: &str) {
        if kind.is_alarm() {
            self.metrics.alarms.add(1);
            tracing::error!(origin, size = tree.size, reason, "the log was caught");
        }
        match self.evidence.keep(kind, origin, tree, content.as_bytes()) {
            Ok(true) => self.metrics.evidence.add(1),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "evidence could not be written"),
        }
    }

    /// Replays what the logs publish, round by round, until the task is dropped. Does nothing in the
    /// consistency grade.
    pub async fn follow(&self) {
        let Some(verifier) = &self.verifier else { return std::future::pending().await };
        loop {
            for log in &self.current_logs() {
                verifier.forget_before(log);
                let remembered = self.memory.latest(&log.origin).map(|latest| latest.latest());
                match verifier.follow(log, remembered).await {
                    Ok(()) => {}
                    Err(Doubt::NotYet(reason)) => {
                        tracing::warn!(origin = log.origin, reason, "the log cannot be followed now");
                    }
                    Err(doubt) => drop(self.denial(&log.origin, doubt)),
                }
            }
            tokio::time::sleep(verifier.follow_interval()).await;
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
                verified: self.verifier.as_ref().and_then(|verifier| verifier.verified(&log.origin)),
            })
            .collect();
        lines.sort_by(|a, b| a.origin.cmp(&b.origin));
        self.metrics.render(&lines, self.signer.clock_behind_s())
    }
}

/// A file that is not evidence in the published form: a sentence and what was received.
fn hint(reason: &str, cosigned: Option<&Note>, received: &str) -> String {
    let cosigned = cosigned.map(|note| format!("--- cosigned by this witness\n{note}")).unwrap_or_default();
    format!("{}\n\n{cosigned}--- received, signed by the log\n{received}", reason.replace('\n', " "))
}

#[cfg(test)]
mod tests;
