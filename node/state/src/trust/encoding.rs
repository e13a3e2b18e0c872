//! The bytes of an agent's state in the store: one spelling, and only states that inputs can lead to in their ranges.

use super::agent::{AgentState, Status};
use super::constants::*;
use super::id::Id;
use super::peers::Bucket;
use crate::codec::{DecodeError, Decoder, Encoder};
use crate::values::Value;

/// Version byte of an agent's trust state.
const VERSION: u8 = 1;
/// log2 of the largest count.
const LEVEL_MAX_Q8: u64 = 32 << 8;
const EPOCH_MAX: u64 = MAX_INTEGER / EPOCH_MS;
const DAY_MAX: u64 = MAX_INTEGER / DAY_MS;

impl Value for AgentState {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, 128);
        // The place in the declaration is the number; a new status goes to its end.
        e.text(self.tenant.as_str()).integer(self.epoch).byte(self.status as u8);
        for value in self.evidence() {
            e.integer(value);
        }
        e.integer(self.peers_q12.len() as u64);
        for bucket in &self.peers_q12 {
            e.text(bucket.tenant.as_str()).integer(bucket.good_q12).integer(bucket.bad_q12);
        }
        e.integer(self.epoch_calls).integer(self.epoch_denials).integer(self.epoch_penalty_bp);
        e.integer(self.active_epochs).integer(self.fast_median_q8).integer(self.slow_median_q8);
        e.integer(self.deviation_q8).integer(self.active_days);
        e.optional(self.last_active_day, write_integer);
        e.integer(self.severity_cap_bp).integer(self.ceiling_bp);
        for score in self.closing_scores {
            e.optional(score, write_integer);
        }
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let tenant = read_id(&mut d)?;
        let mut agent = AgentState::new(tenant, up_to(&mut d, EPOCH_MAX)?);
        let status = usize::from(d.byte()?);
        agent.status = *Status::ALL.get(status).ok_or(DecodeError::Invalid("status"))?;
        for value in agent.evidence_mut() {
            *value = up_to(&mut d, ACCUMULATOR_CAP_Q12)?;
        }
        for _ in 0..d.count(peers::BUCKETS)? {
            agent.peers_q12.push(read_bucket(&mut d)?);
        }
        if !agent.peers_q12.is_sorted_by(|a, b| a.tenant < b.tenant) {
            return Err(DecodeError::Invalid("order of tenants"));
        }
        agent.epoch_calls = up_to(&mut d, COUNT_CAP)?;
        agent.epoch_denials = up_to(&mut d, COUNT_CAP)?;
        agent.epoch_penalty_bp = up_to(&mut d, anomaly::MAX_PENALTY_BP)?;
        agent.active_epochs = up_to(&mut d, anomaly::WARMUP_EPOCHS)?;
        agent.fast_median_q8 = up_to(&mut d, LEVEL_MAX_Q8)?;
        agent.slow_median_q8 = up_to(&mut d, LEVEL_MAX_Q8)?;
        agent.deviation_q8 = up_to(&mut d, LEVEL_MAX_Q8)?;
        agent.active_days = up_to(&mut d, caps::NEWCOMER_DAYS)?;
        agent.last_active_day = d.optional(|d| up_to(d, DAY_MAX))?;
        agent.severity_cap_bp = up_to(&mut d, FULL_BP)?;
        agent.ceiling_bp = up_to(&mut d, FULL_BP)?;
        for score in &mut agent.closing_scores {
            *score = d.optional(|d| up_to(d, FULL_BP))?;
        }
        d.finish()?;
        Ok(agent)
    }
}

impl AgentState {
    fn evidence(&self) -> [u64; 6] {
        [
            self.good_q12,
            self.violations_q12,
            self.denials_q12,
            self.clean_sessions_q12,
            self.bad_sessions_q12,
            self.penalty_bp_q12,
        ]
    }

    /// The same, in the same order.
    fn evidence_mut(&mut self) -> [&mut u64; 6] {
        [
            &mut self.good_q12,
            &mut self.violations_q12,
            &mut self.denials_q12,
            &mut self.clean_sessions_q12,
            &mut self.bad_sessions_q12,
            &mut self.penalty_bp_q12,
        ]
    }
}

fn write_integer(e: &mut Encoder, value: u64) {
    e.integer(value);
}

fn up_to(d: &mut Decoder<'_>, max: u64) -> Result<u64, DecodeError> {
    let value = d.integer()?;
    if value > max { Err(DecodeError::Invalid("number beyond its range")) } else { Ok(value) }
}

fn read_id(d: &mut Decoder<'_>) -> Result<Id, DecodeError> {
    Id::parse(&d.text()?).ok_or(DecodeError::Invalid("id"))
}

fn read_bucket(d: &mut Decoder<'_>) -> Result<Bucket, DecodeError> {
    let tenant = read_id(d)?;
    let (good_q12, bad_q12) = (up_to(d, ONE_Q12)?, up_to(d, ONE_Q12)?);
    if good_q12 + bad_q12 == 0 {
        return Err(DecodeError::Invalid("empty bucket"));
    }
    Ok(Bucket { tenant, good_q12, bad_q12 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> AgentState {
        let id = |text: &str| Id::parse(text).unwrap();
        let mut agent = AgentState::new(id("home"), 490_896);
        agent.status = Status::Suspended;
        for (i, value) in (1..).zip(agent.evidence_mut()) {
            *value = i * 1_000_000;
        }
        agent.peers_q12 = vec![
            Bucket { tenant: id("t1"), good_q12: 4096, bad_q12: 0 },
            Bucket { tenant: id("t2"), good_q12: 0, bad_q12: 1 },
        ];
        (agent.epoch_calls, agent.epoch_denials, agent.epoch_penalty_bp) = (40, 2, 2_500);
        (agent.active_epochs, agent.fast_median_q8, agent.slow_median_q8) = (24, 600, 661);
        (agent.deviation_q8, agent.active_days, agent.last_active_day) = (12, 20, Some(20_454));
        (agent.severity_cap_bp, agent.ceiling_bp) = (2_900, 6_400);
        agent.closing_scores = [None, None, Some(0), Some(5_250), None, Some(10_000), Some(1)];
        agent
    }

    #[test]
    fn what_is_written_is_read() {
        for agent in [sample(), AgentState::new(Id::parse("a").unwrap(), 0)] {
            let bytes = agent.encode();
            assert_eq!(AgentState::decode(&bytes), Ok(agent));
            assert!((0..bytes.len()).all(|end| AgentState::decode(&bytes[..end]).is_err()));
        }
    }

    #[test]
    fn nothing_else_is_read() {
        let broken = |change: fn(&mut AgentState)| {
            let mut agent = sample();
            change(&mut agent);
            AgentState::decode(&agent.encode()).is_err()
        };
        assert!(broken(|a| a.epoch = EPOCH_MAX + 1));
        assert!(broken(|a| a.penalty_bp_q12 = ACCUMULATOR_CAP_Q12 + 1));
        assert!(broken(|a| a.peers_q12.swap(0, 1)));
        assert!(broken(|a| a.peers_q12[1].bad_q12 = 0));
        assert!(broken(|a| a.peers_q12[1].tenant = a.peers_q12[0].tenant.clone()));
        assert!(broken(|a| a.closing_scores[6] = Some(FULL_BP + 1)));
        assert!(broken(|a| a.active_days = 21));
        let mut longer = sample().encode();
        longer.push(0);
        assert_eq!(AgentState::decode(&longer), Err(DecodeError::Trailing));
        longer[0] = 2;
        assert_eq!(AgentState::decode(&longer), Err(DecodeError::Version(2)));
    }

    #[test]
    fn an_agent_is_small() {
        assert!(AgentState::new(Id::parse("home").unwrap(), 490_896).encode().len() < 50);
        assert!(sample().encode().len() < 120);
    }
}
