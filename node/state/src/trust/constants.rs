//! Every constant of `maip-trust/1`.
//!
//! Another value anywhere here is another algorithm: the id changes with it, and the log says from which index on it holds.
//! Suffixes: `_BP` basis points (10000 = 100.00), `_Q12` and `_Q8` fixed point with 12 or 8 fraction bits.

use ledger_format::record::json::INTEGER_MAX;

/// Name of the algorithm: another rule gets another name.
pub const ALGORITHM_NAME: &str = "maip-trust/1";
/// SHA-256 of [`algorithm_json`](super::algorithm_json), in lower-case hex.
pub const ALGORITHM_ID: &str = "ed2eaf180e7072d929dc48250883d36b2d7dd61b5450daac7b7ca4cf8a7dc3ba";

/// Length of an epoch of log time: an hour.
pub const EPOCH_MS: u64 = 3_600_000;
/// Epochs in a log day.
pub const EPOCHS_PER_DAY: u64 = 24;
/// Length of a log day.
pub const DAY_MS: u64 = EPOCH_MS * EPOCHS_PER_DAY;
/// Largest time, interaction number or other integer of an input: 2^53 - 1.
pub const MAX_INTEGER: u64 = INTEGER_MAX;

/// One unit of evidence, and the full weight of a tenant's word, in q12.
pub const ONE_Q12: u64 = 4_096;
/// No accumulator passes this.
pub const ACCUMULATOR_CAP_Q12: u64 = 1 << 36;
/// No counter of an epoch passes this.
pub const COUNT_CAP: u64 = (1 << 32) - 1;

/// Decay steps in one half-life.
pub const STEPS_PER_HALF_LIFE: u64 = 24;
/// `floor(2^16 * 2^(-j/24))` for j = 0..24.
pub const DECAY_TABLE_Q16: [u64; 24] = [
    65536, 63670, 61857, 60096, 58385, 56723, 55108, 53540, 52015, 50535, 49096, 47698, 46340, 45021, 43740,
    42494, 41285, 40109, 38967, 37858, 36780, 35733, 34716, 33728,
];
/// After so many half-lives nothing is left.
pub const HALVINGS_MAX: u64 = 40;

/// Half-lives in log days.
pub mod half_life_days {
    /// Good calls.
    pub const GOOD: u64 = 30;
    /// Violations.
    pub const VIOLATIONS: u64 = 90;
    /// Denials.
    pub const DENIALS: u64 = 90;
    /// Penalties for anomalies.
    pub const PENALTY: u64 = 7;
    /// Sessions that ended clean.
    pub const CLEAN_SESSIONS: u64 = 30;
    /// Sessions that did not.
    pub const BAD_SESSIONS: u64 = 60;
    /// Peers' attestations.
    pub const ATTESTATIONS: u64 = 60;
}

/// Percent of the score.
pub mod weight {
    /// Behavioural compliance.
    pub const BEHAVIOUR: u64 = 35;
    /// Scope adherence.
    pub const SCOPE: u64 = 25;
    /// Absence of anomalies.
    pub const ANOMALY: u64 = 20;
    /// Peer attestations.
    pub const PEERS: u64 = 10;
    /// Session hygiene.
    pub const SESSIONS: u64 = 10;
}
/// An agent whose own factors with data weigh less is unscored.
pub const MIN_WEIGHT: u64 = 50;
/// What missing data counts as at best.
pub const NEUTRAL_BP: u64 = 5_000;
/// A score of 100.00.
pub const FULL_BP: u64 = 10_000;

/// What weighs how much, in units of evidence.
pub mod evidence {
    /// Ok actions count among so many first calls of an epoch.
    pub const GOOD_CALLS_PER_EPOCH: u64 = 32;
    /// A minor violation.
    pub const MINOR: u64 = 8;
    /// A major violation.
    pub const MAJOR: u64 = 32;
    /// A critical violation.
    pub const CRITICAL: u64 = 128;
    /// A denial for lack of authority.
    pub const DENIAL: u64 = 16;
    /// A session that expired unclosed.
    pub const EXPIRED: u64 = 2;
    /// A session that was aborted.
    pub const ABORTED: u64 = 4;
    /// Use of a session after its end.
    pub const USE_AFTER_END: u64 = 8;
}

/// Units of evidence, half good and half bad, that each ratio starts from; for peers the units in the denominator.
pub mod prior {
    /// Behavioural compliance.
    pub const BEHAVIOUR: u64 = 16;
    /// Scope adherence.
    pub const SCOPE: u64 = 16;
    /// Session hygiene.
    pub const SESSIONS: u64 = 4;
    /// Peer attestations.
    pub const PEERS: u64 = 3;
}

/// How bursts and ramps are noticed.
pub mod anomaly {
    /// Active epochs that must have closed before the factor has data.
    pub const WARMUP_EPOCHS: u64 = 24;
    /// Step of medians and deviation during the warm-up.
    pub const WARMUP_STEP_Q8: u64 = 64;
    /// Step of the fast median and of the deviation.
    pub const FAST_STEP_Q8: u64 = 4;
    /// Step of the slow median.
    pub const SLOW_STEP_Q8: u64 = 1;
    /// Deviation after the first active epoch.
    pub const FIRST_DEVIATION_Q8: u64 = 128;
    /// Least excess that costs anything: one octave.
    pub const THRESHOLD_FLOOR_Q8: u64 = 256;
    /// Deviations that are normal, in q8: three times 1.4826.
    pub const DEVIATION_FACTOR_Q8: u64 = 1_139;
    /// Penalty for 1/256 octave of excess.
    pub const PENALTY_BP_PER_Q8: u64 = 4;
    /// Largest penalty of one epoch.
    pub const MAX_PENALTY_BP: u64 = 2_500;
    /// From this count on each power of two is checked at once.
    pub const FIRST_CHECK_CALLS: u64 = 16;
}

/// What peers' words are worth.
pub mod peers {
    /// An attestation adds this part of the tenant's weight: one in four.
    pub const SHARE: u64 = 4;
    /// How much more a bad word weighs.
    pub const BAD_FACTOR: u64 = 2;
    /// Attesting tenants that count at the same time.
    pub const BUCKETS: usize = 8;
    /// Log days for which an interaction can be cited.
    pub const MAX_AGE_DAYS: u64 = 30;
}

/// Limits of the score.
pub mod caps {
    /// Of a new agent.
    pub const NEWCOMER_BP: u64 = 5_000;
    /// More for each active day.
    pub const NEWCOMER_BP_PER_DAY: u64 = 250;
    /// Active days after which one is no newcomer.
    pub const NEWCOMER_DAYS: u64 = 20;
    /// After a critical violation.
    pub const CRITICAL_BP: u64 = 2_900;
    /// After a major violation.
    pub const MAJOR_BP: u64 = 5_900;
    /// Denials of one epoch that set no cap.
    pub const DENIALS_PER_EPOCH: u64 = 8;
    /// After more denials than that.
    pub const DENIALS_BP: u64 = 5_900;
    /// What a severity cap rises in a log day.
    pub const RECOVERY_BP_PER_DAY: u64 = 100;
    /// Percent of the delegator's score across tenants.
    pub const CROSS_TENANT_PERCENT: u64 = 80;
}

/// Log days that a trend looks back.
pub const TREND_DAYS: usize = 7;
/// A change within this is stable.
pub const TREND_BAND_BP: u64 = 200;
