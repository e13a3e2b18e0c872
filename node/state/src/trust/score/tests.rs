//! Agents built by hand, where a whole life would be too long a way to them.

use super::super::id::Id;
use super::super::input::Verdict;
use super::super::peers::Bucket;
use super::*;

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

/// SplitMix64, for thousands of agents that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[test]
fn the_edges_of_the_trend() {
    let mut agent = AgentState::new(id("home"), 0);
    (agent.good_q12, agent.active_days) = (1000 * ONE_Q12, 20);
    assert_eq!(agent.trend(), None);
    let score = agent.score().unwrap();
    for (before, trend) in [
        (score - 201, Trend::Rising),
        (score - 200, Trend::Stable),
        (score + 200, Trend::Stable),
        (score + 201, Trend::Falling),
    ] {
        agent.closing_scores[0] = Some(before);
        assert_eq!(agent.trend(), Some(trend), "{before} to {score}");
    }
}

#[test]
fn missing_data_never_beats_neutral() {
    let factor = |bp| Some(Factor { bp, numerator: 1, denominator: 1 });
    let none = Factors { behaviour: None, scope: None, anomaly: None, peers: None, sessions: None };
    assert_eq!(none.combined(), None);
    let with = |behaviour, scope| Factors { behaviour, scope, ..none }.combined();
    assert_eq!(with(factor(9000), None), None, "35 of 100 is too little");
    assert_eq!(with(factor(9000), factor(9000)), Some(7400), "40 of 100 count as neutral");
    assert_eq!(with(factor(1000), factor(1000)), Some(1000), "neutral would be better than the mean");
    let anomaly = factor(10_000);
    assert_eq!(Factors { anomaly, sessions: anomaly, peers: factor(10_000), ..none }.combined(), None);
}

/// However the agent stands: a good word never lowers its score, a bad one never raises it, and all peers together
/// move it by at most their weight.
#[test]
fn words_push_the_right_way() {
    let mut dice = Dice(5);
    let mut most = 0;
    for _ in 0..3000 {
        let mut agent = AgentState::new(id("home"), 0);
        (agent.active_days, agent.active_epochs) = (20, 24 * dice.below(2));
        agent.good_q12 = dice.below(3000) * ONE_Q12 + 1;
        agent.violations_q12 = dice.below(3000) * dice.below(3) * ONE_Q12;
        agent.denials_q12 = dice.below(3000) * dice.below(3) * ONE_Q12;
        for number in 0..dice.below(9) {
            let (good_q12, bad_q12) = (dice.below(ONE_Q12) + 1, dice.below(ONE_Q12));
            agent.peers_q12.push(Bucket { tenant: id(&format!("t{number}")), good_q12, bad_q12 });
        }
        let weight = 1 + dice.below(ONE_Q12);
        let share = 1 + dice.below(weight / 4 + 1);
        let before = agent.score().unwrap();
        for verdict in [Verdict::Good, Verdict::Bad] {
            let mut branch = agent.clone();
            branch.record_attestation(&id(&format!("t{}", dice.below(12))), verdict, share, weight);
            let after = branch.score().unwrap();
            assert!(if verdict == Verdict::Good { after >= before } else { after <= before });
            let alone = branch.score_without_peers().unwrap().min(branch.caps().least());
            most = most.max(after.abs_diff(alone));
        }
    }
    assert_eq!(most, 292);
}
