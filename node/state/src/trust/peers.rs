//! What peers say: one bucket for each tenant that attests, however many agents it has.

use super::agent::AgentState;
use super::constants::{FULL_BP, NEUTRAL_BP, ONE_Q12, peers, prior};
use super::id::Id;
use super::input::Verdict;
use super::score::Factor;

/// What the agents of one tenant say about an agent. Neither side was ever raised above the tenant's weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The tenant.
    pub tenant: Id,
    /// For.
    pub good_q12: u64,
    /// Against.
    pub bad_q12: u64,
}

impl Bucket {
    pub(crate) fn sum(&self) -> u64 {
        self.good_q12 + self.bad_q12
    }
}

/// What one attestation by an agent with this score adds, where its tenant's word has this weight.
pub(crate) fn share_q12(weight_q12: u64, score_bp: u64) -> u64 {
    weight_q12 * score_bp / FULL_BP / peers::SHARE
}

impl AgentState {
    /// Adds an attestation to the bucket of the attester's tenant.
    ///
    /// It raises its side to at most the weight and never lowers it. Of nine buckets the one with the least in it goes, of equal
    /// ones the first by id: a crowd of small voices cannot push out large ones.
    pub(crate) fn record_attestation(
        &mut self,
        tenant: &Id,
        verdict: Verdict,
        share_q12: u64,
        weight_q12: u64,
    ) {
        let place = match self.peers_q12.binary_search_by(|bucket| bucket.tenant.cmp(tenant)) {
            Ok(place) => place,
            Err(place) => {
                self.peers_q12.insert(place, Bucket { tenant: tenant.clone(), good_q12: 0, bad_q12: 0 });
                place
            }
        };
        let bucket = &mut self.peers_q12[place];
        let side = match verdict {
            Verdict::Good => &mut bucket.good_q12,
            Verdict::Bad => &mut bucket.bad_q12,
        };
        *side = (*side).max(weight_q12.min(*side + share_q12));
        if self.peers_q12.len() > peers::BUCKETS {
            // Buckets stand by tenant, and of equal ones `min_by_key` takes the first.
            let least = (0..self.peers_q12.len()).min_by_key(|&i| self.peers_q12[i].sum());
            least.map(|i| self.peers_q12.remove(i));
        }
    }

    /// The factor of peer attestations; none without a bucket.
    pub(crate) fn peer_factor(&self) -> Option<Factor> {
        if self.peers_q12.is_empty() {
            return None;
        }
        let good: u64 = self.peers_q12.iter().map(|bucket| bucket.good_q12).sum();
        let bad = peers::BAD_FACTOR * self.peers_q12.iter().map(|bucket| bucket.bad_q12).sum::<u64>();
        let denominator = good + bad + prior::PEERS * ONE_Q12;
        let change = NEUTRAL_BP * good.abs_diff(bad) / denominator;
        let bp = if good >= bad { NEUTRAL_BP + change } else { NEUTRAL_BP - change };
        // Both are sums of at most eight buckets: far below 2^53.
        Some(Factor { bp, numerator: good as i64 - bad as i64, denominator })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::parse(text).unwrap()
    }

    fn tenants(agent: &AgentState) -> Vec<&str> {
        agent.peers_q12.iter().map(|bucket| bucket.tenant.as_str()).collect()
    }

    #[test]
    fn of_nine_equal_buckets_the_first_by_id_goes() {
        let mut agent = AgentState::new(id("home"), 0);
        for tenant in ["t8", "t3", "t9", "t1", "t7", "t2", "t6", "t5", "t4"] {
            agent.record_attestation(&id(tenant), Verdict::Good, 100, ONE_Q12);
        }
        assert_eq!(tenants(&agent), ["t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9"]);

        // Ten tenants in turn never hold more than eight buckets of worth.
        for _ in 0..50 {
            for number in 1..=10 {
                agent.record_attestation(&id(&format!("t{number}")), Verdict::Good, 1000, ONE_Q12);
            }
        }
        assert_eq!(agent.peers_q12.len(), peers::BUCKETS);
        assert_eq!(agent.peer_factor().unwrap().bp, 8636);
    }

    #[test]
    fn a_bucket_is_raised_to_the_weight_and_never_lowered() {
        let mut agent = AgentState::new(id("home"), 0);
        for (share, weight, good) in [(600, 1000, 600), (600, 1000, 1000), (600, 500, 1000), (1, 2000, 1001)]
        {
            agent.record_attestation(&id("t"), Verdict::Good, share, weight);
            assert_eq!(agent.peers_q12[0].good_q12, good);
        }
        assert_eq!(agent.peers_q12[0].bad_q12, 0);
    }

    #[test]
    fn shares_round_down_to_nothing() {
        assert_eq!((share_q12(ONE_Q12, FULL_BP), share_q12(3, FULL_BP), share_q12(4, 9999)), (1024, 0, 0));
    }
}
