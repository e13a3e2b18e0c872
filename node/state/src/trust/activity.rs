//! What an agent does: calls, the anomalies in their number, violations, denials, sessions, delegation.
//!
//! All of these expect the agent to be up to date.

use super::agent::AgentState;
use super::arithmetic::{add, log2_q8, step_towards};
use super::constants::{COUNT_CAP, EPOCHS_PER_DAY, anomaly, caps, evidence};
use super::input::{ActionOutcome, SessionOutcome};

impl AgentState {
    /// An executed action. An ok one is good evidence if it is among the epoch's first calls.
    pub(crate) fn record_action(&mut self, outcome: ActionOutcome) {
        self.count_call();
        let day = self.epoch / EPOCHS_PER_DAY;
        if self.last_active_day != Some(day) {
            self.last_active_day = Some(day);
            self.active_days = caps::NEWCOMER_DAYS.min(self.active_days + 1);
        }
        let violation = match outcome {
            ActionOutcome::Ok => {
                if self.epoch_calls <= evidence::GOOD_CALLS_PER_EPOCH {
                    self.good_q12 = add(self.good_q12, 1);
                }
                return;
            }
            ActionOutcome::Minor => evidence::MINOR,
            ActionOutcome::Major => {
                self.limit(caps::MAJOR_BP);
                evidence::MAJOR
            }
            ActionOutcome::Critical => {
                self.limit(caps::CRITICAL_BP);
                evidence::CRITICAL
            }
        };
        self.violations_q12 = add(self.violations_q12, violation);
    }

    /// A refused attempt. The ninth of an epoch limits the score at once.
    pub(crate) fn record_denial(&mut self) {
        self.count_call();
        self.epoch_denials = COUNT_CAP.min(self.epoch_denials + 1);
        self.denials_q12 = add(self.denials_q12, evidence::DENIAL);
        if self.epoch_denials > caps::DENIALS_PER_EPOCH {
            self.limit(caps::DENIALS_BP);
        }
    }

    /// The end of a session.
    pub(crate) fn record_session(&mut self, outcome: SessionOutcome) {
        let bad = match outcome {
            SessionOutcome::Clean => {
                self.clean_sessions_q12 = add(self.clean_sessions_q12, 1);
                return;
            }
            SessionOutcome::Expired => evidence::EXPIRED,
            SessionOutcome::Aborted => evidence::ABORTED,
            SessionOutcome::UseAfterEnd => evidence::USE_AFTER_END,
        };
        self.bad_sessions_q12 = add(self.bad_sessions_q12, bad);
    }

    /// The delegator's score, reduced across tenants.
    pub(crate) fn set_ceiling(&mut self, ceiling_bp: u64, cross_tenant: bool) {
        let percent = if cross_tenant { caps::CROSS_TENANT_PERCENT } else { 100 };
        self.ceiling_bp = ceiling_bp * percent / 100;
    }

    fn limit(&mut self, cap_bp: u64) {
        self.severity_cap_bp = self.severity_cap_bp.min(cap_bp);
    }

    /// Counts an action or a denial. Each doubling from 16 on is checked at once, so that a burst does not go unseen until the
    /// hour ends, and the check costs nothing on average.
    fn count_call(&mut self) {
        self.epoch_calls = COUNT_CAP.min(self.epoch_calls + 1);
        if self.epoch_calls >= anomaly::FIRST_CHECK_CALLS && self.epoch_calls.is_power_of_two() {
            self.charge_penalty();
        }
    }

    /// Charges the rest of the epoch's penalty, learns from the epoch, begins a new one.
    pub(crate) fn close_epoch(&mut self) {
        if self.epoch_calls > 0 {
            self.charge_penalty();
            self.learn(log2_q8(self.epoch_calls));
        }
        (self.epoch_calls, self.epoch_denials, self.epoch_penalty_bp) = (0, 0, 0);
    }

    /// Charges the epoch's penalty as of now, less what was charged before. Within an epoch the penalty only grows, up to its
    /// maximum, so no epoch is charged more than that.
    fn charge_penalty(&mut self) {
        if self.active_epochs < anomaly::WARMUP_EPOCHS {
            return;
        }
        // Below the lower median there is no excess, and the threshold is at least one octave.
        let usual = self.fast_median_q8.min(self.slow_median_q8);
        let excess = log2_q8(self.epoch_calls).saturating_sub(usual);
        let spread = (self.deviation_q8 * anomaly::DEVIATION_FACTOR_Q8) >> 8;
        let threshold = anomaly::THRESHOLD_FLOOR_Q8.max(spread);
        if excess <= threshold {
            return;
        }
        let penalty = anomaly::MAX_PENALTY_BP.min((excess - threshold) * anomaly::PENALTY_BP_PER_Q8);
        self.penalty_bp_q12 = add(self.penalty_bp_q12, penalty.saturating_sub(self.epoch_penalty_bp));
        self.epoch_penalty_bp = penalty;
    }

    /// Moves the medians, and then the deviation from the moved fast median, towards the epoch.
    fn learn(&mut self, level_q8: u64) {
        if self.active_epochs == 0 {
            (self.fast_median_q8, self.slow_median_q8) = (level_q8, level_q8);
            self.deviation_q8 = anomaly::FIRST_DEVIATION_Q8;
        } else {
            let (fast, slow) = if self.active_epochs < anomaly::WARMUP_EPOCHS {
                (anomaly::WARMUP_STEP_Q8, anomaly::WARMUP_STEP_Q8)
            } else {
                (anomaly::FAST_STEP_Q8, anomaly::SLOW_STEP_Q8)
            };
            self.fast_median_q8 = step_towards(self.fast_median_q8, level_q8, fast);
            self.slow_median_q8 = step_towards(self.slow_median_q8, level_q8, slow);
            let distance = level_q8.abs_diff(self.fast_median_q8);
            self.deviation_q8 = step_towards(self.deviation_q8, distance, fast);
        }
        self.active_epochs = anomaly::WARMUP_EPOCHS.min(self.active_epochs + 1);
    }
}
