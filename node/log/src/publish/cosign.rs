//! Collecting cosignatures: one worker a witness, so that a slow one delays nobody (rules C1, C2, C4, C6).

use std::{sync::Arc, time::Duration};

use ledger_format::{
    AddCheckpoint, Hash, Note, SignatureLine, Vkey, origin_path, prove_consistency,
    witness_wire::{parse_cosignature_lines, parse_size_answer},
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    ablation::{self, Rule},
    alarm::AlarmKind,
    hosted::Core,
    options::HttpAnswer,
};

/// Tries of one round at one witness that knows another size than we thought.
const CONFLICTS_MAX: u32 = 3;
/// A cosignature whose time is further in the future than this is dropped.
const FUTURE_S_MAX: u64 = 300;
/// Seconds of budget that a witness's allowance may save up.
const BUDGET_BURST_S: f64 = 3_600.0;
/// A budget is not divided by less.
const LEAST_PER_SECOND: f64 = 1e-9;
/// Longest wait for a budget, a year: no clock ends at it.
const WAIT_S_MAX: f64 = 365.0 * 86_400.0;

/// What the leader wants cosigned.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) size: u64,
    pub(crate) note: Note,
    /// Term in which it was signed: a result of another term is not ours to judge.
    pub(crate) term: u64,
}

/// One witness's answer.
#[derive(Debug)]
pub(crate) struct Cosigned {
    pub(crate) size: u64,
    pub(crate) line: SignatureLine,
}

/// What is known of one witness.
#[derive(Clone, Debug, Default)]
pub struct WitnessState {
    /// Its name in the policy.
    pub name: String,
    /// Where it is reached.
    pub url: String,
    /// The last size that it cosigned, as far as is known.
    pub size: u64,
    /// Why the last request failed; empty after a success.
    pub last_error: String,
    /// How long the last successful request took.
    pub latency: Duration,
}

/// Requests a day, saved up for at most an hour. Each request is charged, also one that is waited for or made at once on credit:
/// what is owed is waited for before the next.
struct Budget {
    per_second: f64,
    /// Below zero: owed.
    saved: f64,
    at: Instant,
}

impl Budget {
    fn new(per_day: u64, now: Instant) -> Self {
        let per_second = per_day as f64 / 86_400.0;
        Self { per_second, saved: Self::most(per_second), at: now }
    }

    fn most(per_second: f64) -> f64 {
        (per_second * BUDGET_BURST_S).max(1.0)
    }

    /// Charges one request; when it may be made.
    fn charge(&mut self, now: Instant) -> Instant {
        let earned = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.saved = (self.saved + earned).min(Self::most(self.per_second)) - 1.0;
        self.at = now;
        if self.saved >= 0.0 {
            return now;
        }
        // A budget of nothing waits for the first request as good as for ever.
        now + Duration::from_secs_f64((-self.saved / self.per_second.max(LEAST_PER_SECOND)).min(WAIT_S_MAX))
    }
}

/// Asks one witness for cosignatures, always for the newest target.
pub(crate) struct Worker {
    pub(crate) core: Arc<Core>,
    pub(crate) witness: usize,
    pub(crate) vkey: Vkey,
    pub(crate) state: watch::Sender<WitnessState>,
    pub(crate) targets: watch::Receiver<Option<Arc<Target>>>,
    pub(crate) results: mpsc::Sender<Cosigned>,
}

impl Worker {
    pub(crate) async fn run(mut self) {
        let mut budget = Budget::new(self.core.options.publish.witness_requests_per_day, Instant::now());
        while self.targets.changed().await.is_ok() {
            let now = Instant::now();
            let at = budget.charge(now);
            // A timer that is due is seen up to a millisecond late: callers wait for this.
            if at > now {
                tokio::time::sleep_until(at).await;
            }
            let Some(target) = self.targets.borrow_and_update().clone() else { continue };
            let started = Instant::now();
            match self.ask(&target, &mut budget).await {
                Ok(Some(line)) => {
                    self.state.send_modify(|state| {
                        state.size = target.size;
                        state.last_error.clear();
                        state.latency = started.elapsed();
                    });
                    self.core.metrics.witness_seconds.observe(started.elapsed().as_secs_f64());
                    let _ = self.results.send(Cosigned { size: target.size, line }).await;
                }
                Ok(None) => {}
                Err(error) => self.state.send_modify(|state| state.last_error = error),
            }
        }
    }

    async fn ask(&self, target: &Target, budget: &mut Budget) -> Result<Option<SignatureLine>, String> {
        let mut old = self.state.borrow().size.min(target.size);
        for attempt in 0..CONFLICTS_MAX {
            if attempt > 0 {
                // C1: led on in the same round, on credit.
                budget.charge(Instant::now());
            }
            let answer = self.post(target, old).await?;
            match answer.status {
                200 => return self.check_lines(target, &answer.body).map(Some),
                409 => {
                    let known = parse_size_answer(&text_of_all(&answer.body))
                        .map_err(|e| format!("409 without a size: {e}"))?;
                    self.state.send_modify(|state| state.size = known);
                    if known > target.size {
                        return self.witness_is_ahead(target, known).await;
                    }
                    old = known;
                }
                422 => {
                    self.core.alarms.raise(
                        AlarmKind::WitnessDisagrees,
                        format!(
                            "witness {} holds another tree of {old} entries (422): {}",
                            self.name(),
                            text_of(&answer.body)
                        ),
                    );
                    self.keep_evidence(target).await;
                    return Err("422: it holds another tree".into());
                }
                status => return Err(format!("{status}: {}", text_of(&answer.body))),
            }
        }
        Err(format!("it changed its size {CONFLICTS_MAX} times in one round"))
    }

    fn name(&self) -> String {
        self.state.borrow().name.clone()
    }

    async fn post(&self, target: &Target, old: u64) -> Result<HttpAnswer, String> {
        let proof = if old == 0 || old == target.size {
            Vec::new()
        } else {
            prove_consistency(&self.core.ledger.hashes(), old, target.size).map_err(|e| e.to_string())?
        };
        let body = AddCheckpoint { old, proof, note: target.note.clone() }.to_bytes();
        let timeout = Duration::from_millis(self.core.options.publish.witness_timeout_ms);
        let url = self.state.borrow().url.clone();
        self.core.world.witnesses.add_checkpoint(&url, body, timeout).await
    }

    /// One bad line from a known witness would void the whole note for every verifier (C2): only a line of this
    /// witness over exactly this text passes.
    fn check_lines(&self, target: &Target, body: &[u8]) -> Result<SignatureLine, String> {
        let lines = parse_cosignature_lines(body).map_err(|e| e.to_string())?;
        if let (true, Some(line)) = (ablation::is_off(Rule::C2), lines.first()) {
            return Ok(line.clone());
        }
        let latest_s = self.core.world.clock.now_ms() / 1_000 + FUTURE_S_MAX;
        for line in lines {
            if line.name != self.vkey.name() || line.key_id != self.vkey.key_id() {
                continue;
            }
            return match self.vkey.verify(target.note.text(), &line) {
                Ok(Some(time_s)) if time_s > latest_s => {
                    Err(format!("its cosignature is of the future ({time_s})"))
                }
                Ok(_) => Ok(line),
                Err(error) => Err(format!("its cosignature is wrong: {error}")),
            };
        }
        Err("its answer holds no cosignature of its key".into())
    }

    /// Rule C4: a stale leader waits, a confirmed one has lost entries.
    async fn witness_is_ahead(&self, target: &Target, known: u64) -> Result<Option<SignatureLine>, String> {
        if self.core.majority_confirms_leader().await
            && self.core.term() == target.term
            && known > self.core.ledger.size()
        {
            self.core.alarms.raise(
                AlarmKind::Fork,
                format!(
                    "witness {} has cosigned {known} entries, this log has {}",
                    self.name(),
                    self.core.ledger.size()
                ),
            );
            self.keep_evidence(target).await;
        }
        Err(format!("it has cosigned {known} entries already"))
    }

    /// Keeps the witness's own checkpoint beside ours, for a person and for `maip evidence check`.
    async fn keep_evidence(&self, target: &Target) {
        let url = format!(
            "{}/{}/checkpoint",
            self.state.borrow().url.trim_end_matches('/'),
            origin_path(&self.core.options.origin)
        );
        let timeout = Duration::from_millis(self.core.options.publish.witness_timeout_ms);
        let theirs = match self.core.world.witnesses.get(&url, timeout).await {
            Ok(answer) if answer.status == 200 => answer.body,
            _ => b"(the witness did not hand out its checkpoint)\n".to_vec(),
        };
        let folder = self.core.ledger.dir().join("evidence");
        let ours = target.note.to_string();
        let text = [b"ours:\n", ours.as_bytes(), b"\ntheirs:\n", &theirs].concat();
        let path = folder.join(format!("{}-{}.txt", self.witness, target.size));
        let kept = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, text));
        if let Err(error) = kept {
            tracing::error!("evidence could not be kept in {}: {error}", path.display());
        }
    }
}

fn text_of_all(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

fn text_of(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(200)]).trim().to_owned()
}

/// Adds each line to the note at most once.
pub(crate) fn merge(note: &mut Note, line: SignatureLine) {
    let known = note.signatures().iter().any(|old| old.name == line.name && old.key_id == line.key_id);
    if !known {
        note.push(line);
    }
}

/// Root of an empty log; no checkpoint of it is ever signed.
pub(crate) fn nothing_to_sign(size: u64, root: Hash) -> bool {
    size == 0 || root == ledger_format::empty_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 86_400;

    /// Requests that begin within so many seconds, by a worker that always has something to ask.
    fn asked_within(seconds: u64, budget: &mut Budget, start: Instant) -> u32 {
        let (end, mut now, mut asked) = (start + Duration::from_secs(seconds), start, 0);
        loop {
            now = budget.charge(now);
            if now > end {
                return asked;
            }
            asked += 1;
        }
    }

    #[test]
    fn a_witness_is_asked_no_more_often_than_it_has_agreed_to() {
        let start = Instant::now();
        let mut saved = Budget::new(DAY_S, start);
        assert_eq!(asked_within(100, &mut saved, start), 3_700, "an hour's worth is saved up");
        let mut spent = Budget { saved: 0.0, ..Budget::new(DAY_S, start) };
        let asked = asked_within(100, &mut spent, start);
        assert!((99..=101).contains(&asked), "{asked} in 100 seconds at one a second");

        // One an hour: the first at once, each other one an hour later.
        let mut rare = Budget::new(24, start);
        assert_eq!(asked_within(0, &mut rare, start), 1);
        let mut rare = Budget::new(24, start);
        let asked = asked_within(DAY_S, &mut rare, start);
        assert!((24..=25).contains(&asked), "{asked} in a day at one an hour");
        let mut never = Budget::new(0, start);
        assert_eq!(asked_within(DAY_S, &mut never, start), 1);
    }

    #[test]
    fn a_request_on_credit_is_waited_for_before_the_next() {
        let start = Instant::now();
        let mut budget = Budget { saved: 1.0, ..Budget::new(DAY_S, start) };
        assert_eq!(budget.charge(start), start);
        // Two answers 409 in the round.
        budget.charge(start);
        budget.charge(start);
        assert_eq!(budget.charge(start), start + Duration::from_secs(3));
    }
}
