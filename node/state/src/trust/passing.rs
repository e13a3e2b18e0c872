//! Time passes: epochs close, days decay. The work is bounded however long the gap.

use super::agent::AgentState;
use super::arithmetic::decay;
use super::constants::{EPOCHS_PER_DAY, FULL_BP, TREND_DAYS, caps, half_life_days};

impl AgentState {
    /// Brings the agent up to `epoch`; an earlier one changes nothing.
    ///
    /// The open epoch closes on its own day. Then the days pass one by one, each leaving its closing score; of a gap of more
    /// than a week all but the last seven days pass as one, because nobody asks for their scores any more.
    pub fn advance(&mut self, epoch: u64) {
        if epoch <= self.epoch {
            return;
        }
        self.close_epoch();
        let (mut day, today) = (self.epoch / EPOCHS_PER_DAY, epoch / EPOCHS_PER_DAY);
        while day < today {
            self.closing_scores.rotate_left(1);
            self.closing_scores[TREND_DAYS - 1] = self.score();
            let next = (day + 1).max(today.saturating_sub(TREND_DAYS as u64));
            self.fade(day, next);
            day = next;
        }
        self.epoch = epoch;
    }

    /// Lets the evidence fade and the severity cap rise.
    fn fade(&mut self, day: u64, to_day: u64) {
        for (value, half_life) in [
            (&mut self.good_q12, half_life_days::GOOD),
            (&mut self.violations_q12, half_life_days::VIOLATIONS),
            (&mut self.denials_q12, half_life_days::DENIALS),
            (&mut self.clean_sessions_q12, half_life_days::CLEAN_SESSIONS),
            (&mut self.bad_sessions_q12, half_life_days::BAD_SESSIONS),
            (&mut self.penalty_bp_q12, half_life_days::PENALTY),
        ] {
            *value = decay(*value, day, to_day, half_life);
        }
        for bucket in &mut self.peers_q12 {
            bucket.good_q12 = decay(bucket.good_q12, day, to_day, half_life_days::ATTESTATIONS);
            bucket.bad_q12 = decay(bucket.bad_q12, day, to_day, half_life_days::ATTESTATIONS);
        }
        self.peers_q12.retain(|bucket| bucket.sum() > 0);
        let recovered = self.severity_cap_bp + caps::RECOVERY_BP_PER_DAY * (to_day - day);
        self.severity_cap_bp = recovered.min(FULL_BP);
    }
}

#[cfg(test)]
mod tests {
    use super::super::constants::{ACCUMULATOR_CAP_Q12, COUNT_CAP, EPOCH_MS, MAX_INTEGER, ONE_Q12, anomaly};
    use super::super::id::Id;
    use super::super::input::{ActionOutcome, SessionOutcome};
    use super::super::peers::Bucket;
    use super::*;

    /// The bounds of the specification in a debug build: every operation here panics when it overflows 64 bits, and the
    /// comments there show that 53 are enough.
    #[test]
    fn with_every_accumulator_at_its_cap_nothing_overflows() {
        let mut agent = AgentState::new(Id::parse("home").unwrap(), 0);
        for value in [
            &mut agent.good_q12,
            &mut agent.violations_q12,
            &mut agent.denials_q12,
            &mut agent.clean_sessions_q12,
            &mut agent.bad_sessions_q12,
            &mut agent.penalty_bp_q12,
        ] {
            *value = ACCUMULATOR_CAP_Q12;
        }
        agent.active_epochs = anomaly::WARMUP_EPOCHS;
        agent.epoch_calls = COUNT_CAP - 1;
        agent.peers_q12 = (0..8)
            .map(|i| Bucket {
                tenant: Id::parse(&format!("t{i}")).unwrap(),
                good_q12: ONE_Q12,
                bad_q12: ONE_Q12,
            })
            .collect();
        agent.record_action(ActionOutcome::Critical);
        agent.record_action(ActionOutcome::Critical);
        agent.record_denial();
        agent.record_session(SessionOutcome::UseAfterEnd);
        assert_eq!(agent.epoch_calls, COUNT_CAP);
        assert_eq!(
            [agent.violations_q12, agent.denials_q12, agent.bad_sessions_q12],
            [ACCUMULATOR_CAP_Q12; 3]
        );
        agent.advance(24 * 5);
        assert!(agent.score().is_some());
        agent.advance(MAX_INTEGER / EPOCH_MS);
        assert_eq!((agent.good_q12, agent.penalty_bp_q12), (0, 0));
        assert!(agent.peers_q12.is_empty());
    }

    #[test]
    fn to_an_earlier_epoch_nothing_changes() {
        let mut agent = AgentState::new(Id::parse("home").unwrap(), 100);
        agent.record_action(ActionOutcome::Ok);
        let before = agent.clone();
        agent.advance(100);
        agent.advance(3);
        assert_eq!(agent, before);
    }
}
