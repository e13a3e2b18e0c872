//! The table of constants as canonical JSON, whose SHA-256 is the algorithm's id.

use ledger_format::record::json::Value;

use super::constants::*;

/// The table of all constants in canonical JSON.
pub fn algorithm_json() -> Vec<u8> {
    let table = [
        ("name", Value::Str(ALGORITHM_NAME.to_owned())),
        ("time", numbers(&[("epoch_ms", EPOCH_MS), ("epochs_per_day", EPOCHS_PER_DAY)])),
        ("accumulator", numbers(&[("one", ONE_Q12), ("cap", ACCUMULATOR_CAP_Q12), ("count_cap", COUNT_CAP)])),
        ("decay", decay_json()),
        ("combine", combine_json()),
        ("evidence", evidence_json()),
        ("anomaly", anomaly_json()),
        (
            "peers",
            numbers(&[
                ("share", peers::SHARE),
                ("bad_factor", peers::BAD_FACTOR),
                ("buckets", peers::BUCKETS as u64),
                ("max_age_days", peers::MAX_AGE_DAYS),
            ]),
        ),
        ("caps", caps_json()),
        ("trend", numbers(&[("days", TREND_DAYS as u64), ("band_bp", TREND_BAND_BP)])),
    ];
    object(table).to_bytes()
}

fn decay_json() -> Value {
    use half_life_days as days;
    let half_lives = numbers(&[
        ("good", days::GOOD),
        ("violations", days::VIOLATIONS),
        ("denials", days::DENIALS),
        ("penalty", days::PENALTY),
        ("clean_sessions", days::CLEAN_SESSIONS),
        ("bad_sessions", days::BAD_SESSIONS),
        ("attestations", days::ATTESTATIONS),
    ]);
    object([
        ("steps_per_half_life", number(STEPS_PER_HALF_LIFE)),
        ("table_q16", Value::Array(DECAY_TABLE_Q16.map(number).to_vec())),
        ("half_life_days", half_lives),
    ])
}

fn combine_json() -> Value {
    let weights = numbers(&[
        ("behaviour", weight::BEHAVIOUR),
        ("scope", weight::SCOPE),
        ("anomaly", weight::ANOMALY),
        ("peers", weight::PEERS),
        ("sessions", weight::SESSIONS),
    ]);
    object([
        ("weights", weights),
        ("min_weight", number(MIN_WEIGHT)),
        ("neutral_bp", number(NEUTRAL_BP)),
        ("full_bp", number(FULL_BP)),
    ])
}

fn evidence_json() -> Value {
    let violations =
        numbers(&[("minor", evidence::MINOR), ("major", evidence::MAJOR), ("critical", evidence::CRITICAL)]);
    let sessions = numbers(&[
        ("expired", evidence::EXPIRED),
        ("aborted", evidence::ABORTED),
        ("use_after_end", evidence::USE_AFTER_END),
    ]);
    let priors = numbers(&[
        ("behaviour", prior::BEHAVIOUR),
        ("scope", prior::SCOPE),
        ("sessions", prior::SESSIONS),
        ("peers", prior::PEERS),
    ]);
    object([
        ("good_calls_per_epoch", number(evidence::GOOD_CALLS_PER_EPOCH)),
        ("violations", violations),
        ("denial", number(evidence::DENIAL)),
        ("sessions", sessions),
        ("prior", priors),
    ])
}

fn anomaly_json() -> Value {
    numbers(&[
        ("warmup_epochs", anomaly::WARMUP_EPOCHS),
        ("warmup_step_q8", anomaly::WARMUP_STEP_Q8),
        ("fast_step_q8", anomaly::FAST_STEP_Q8),
        ("slow_step_q8", anomaly::SLOW_STEP_Q8),
        ("first_deviation_q8", anomaly::FIRST_DEVIATION_Q8),
        ("threshold_floor_q8", anomaly::THRESHOLD_FLOOR_Q8),
        ("deviation_factor_q8", anomaly::DEVIATION_FACTOR_Q8),
        ("penalty_bp_per_q8", anomaly::PENALTY_BP_PER_Q8),
        ("max_penalty_bp", anomaly::MAX_PENALTY_BP),
        ("first_check_calls", anomaly::FIRST_CHECK_CALLS),
    ])
}

fn caps_json() -> Value {
    numbers(&[
        ("newcomer_bp", caps::NEWCOMER_BP),
        ("newcomer_bp_per_day", caps::NEWCOMER_BP_PER_DAY),
        ("newcomer_days", caps::NEWCOMER_DAYS),
        ("critical_bp", caps::CRITICAL_BP),
        ("major_bp", caps::MAJOR_BP),
        ("denials_per_epoch", caps::DENIALS_PER_EPOCH),
        ("denials_bp", caps::DENIALS_BP),
        ("recovery_bp_per_day", caps::RECOVERY_BP_PER_DAY),
        ("cross_tenant_percent", caps::CROSS_TENANT_PERCENT),
    ])
}

/// Constants are far below 2^53.
fn number(value: u64) -> Value {
    Value::Int(value as i64)
}

fn numbers(fields: &[(&str, u64)]) -> Value {
    Value::Object(fields.iter().map(|&(name, value)| (name.to_owned(), number(value))).collect())
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::digest::sha256_hex;
    use super::*;

    #[test]
    fn the_table_has_the_published_id() {
        assert_eq!(sha256_hex(&algorithm_json()), ALGORITHM_ID);
    }

    #[test]
    fn weights_are_percents() {
        let all = [weight::BEHAVIOUR, weight::SCOPE, weight::ANOMALY, weight::PEERS, weight::SESSIONS];
        assert_eq!(all.iter().sum::<u64>(), 100);
    }
}
