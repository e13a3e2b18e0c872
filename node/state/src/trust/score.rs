//! Factors, their weighted mean, caps: from an agent's state to its score.

use super::agent::AgentState;
use super::constants::{
    FULL_BP, MIN_WEIGHT, NEUTRAL_BP, ONE_Q12, TREND_BAND_BP, anomaly, caps, prior, weight,
};
use super::input::named;

/// One of the five factors, with the fraction that it comes from.
///
/// `bp` is `10000 * numerator / denominator`, rounded down; for peers `5000 + 5000 * numerator / denominator`, rounded
/// towards 5000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// The factor in basis points.
    pub bp: u64,
    /// For peers good less bad, so it can be negative.
    pub numerator: i64,
    /// Never 0.
    pub denominator: u64,
}

/// The five factors; `None` where there is no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    /// Behavioural compliance.
    pub behaviour: Option<Factor>,
    /// Scope adherence.
    pub scope: Option<Factor>,
    /// Absence of anomalies.
    pub anomaly: Option<Factor>,
    /// Peer attestations.
    pub peers: Option<Factor>,
    /// Session hygiene.
    pub sessions: Option<Factor>,
}

impl Factors {
    /// The agent's own four factors with their weights.
    fn own(&self) -> [(u64, Option<Factor>); 4] {
        [
            (weight::BEHAVIOUR, self.behaviour),
            (weight::SCOPE, self.scope),
            (weight::ANOMALY, self.anomaly),
            (weight::SESSIONS, self.sessions),
        ]
    }

    /// All five with names and weights, in the order of the table.
    pub fn named(&self) -> [(&'static str, u64, Option<Factor>); 5] {
        [
            ("behaviour", weight::BEHAVIOUR, self.behaviour),
            ("scope", weight::SCOPE, self.scope),
            ("anomaly", weight::ANOMALY, self.anomaly),
            ("peers", weight::PEERS, self.peers),
            ("sessions", weight::SESSIONS, self.sessions),
        ]
    }

    /// What the agent's own factors say, then moved by its peers; `None` (unscored) below half of the weight.
    ///
    /// A missing factor counts as neutral or as the mean of the others, whichever is less, so that hiding data never helps.
    /// Peers move the result by at most their weight: unknown ones by nothing, good words up, bad words down.
    pub fn combined(&self) -> Option<u64> {
        let own = self.own_combined()?;
        let Some(peers) = self.peers else { return Some(own) };
        let change = weight::PEERS * peers.bp.abs_diff(NEUTRAL_BP) / 100;
        Some(if peers.bp >= NEUTRAL_BP { FULL_BP.min(own + change) } else { own.saturating_sub(change) })
    }

    /// The same without peers.
    pub(crate) fn own_combined(&self) -> Option<u64> {
        let (mut weights, mut total) = (0, 0);
        for (weight, factor) in self.own() {
            if let Some(factor) = factor {
                weights += weight;
                total += weight * factor.bp;
            }
        }
        if weights < MIN_WEIGHT {
            return None;
        }
        Some((total / weights).min((total + (100 - weights) * NEUTRAL_BP) / 100))
    }
}

/// The three limits of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of a new agent; rises with its active days.
    pub newcomer: u64,
    /// After violations and floods of denials; rises with time.
    pub severity: u64,
    /// By delegation.
    pub delegation: u64,
}

impl Caps {
    /// The lowest.
    pub fn least(&self) -> u64 {
        self.newcomer.min(self.severity).min(self.delegation)
    }

    /// All three with names, in the order of the table.
    pub fn named(&self) -> [(&'static str, u64); 3] {
        [("newcomer", self.newcomer), ("severity", self.severity), ("delegation", self.delegation)]
    }
}

named! {
    /// The score against that at the end of the log day seven days ago.
    Trend {
        /// More than 2.00 above.
        Rising = "rising",
        /// More than 2.00 below.
        Falling = "falling",
        /// In between.
        Stable = "stable",
    }
}

/// The share of good evidence, from a prior of which half is good.
fn ratio(good_q12: u64, bad_q12: u64, prior: u64) -> Option<Factor> {
    if good_q12 + bad_q12 == 0 {
        return None;
    }
    let numerator = good_q12 + prior * ONE_Q12 / 2;
    let denominator = good_q12 + bad_q12 + prior * ONE_Q12;
    // At most 2^36 and a little.
    Some(Factor { bp: FULL_BP * numerator / denominator, numerator: numerator as i64, denominator })
}

impl AgentState {
    /// The five factors.
    pub fn factors(&self) -> Factors {
        let calm = FULL_BP.saturating_sub(self.penalty_bp_q12 / ONE_Q12);
        let warm = self.active_epochs >= anomaly::WARMUP_EPOCHS;
        Factors {
            behaviour: ratio(self.good_q12, self.violations_q12, prior::BEHAVIOUR),
            scope: ratio(self.good_q12, self.denials_q12, prior::SCOPE),
            // At most 10000.
            anomaly: warm.then_some(Factor { bp: calm, numerator: calm as i64, denominator: FULL_BP }),
            peers: self.peer_factor(),
            sessions: ratio(self.clean_sessions_q12, self.bad_sessions_q12, prior::SESSIONS),
        }
    }

    /// What an attester's word is measured by: no peers, so no recursion, and no caps.
    pub(crate) fn score_without_peers(&self) -> Option<u64> {
        self.factors().own_combined()
    }

    /// The score in basis points: 0 once revoked or killed, `None` while there is too little data. Suspension changes nothing.
    pub fn score(&self) -> Option<u64> {
        if self.has_ended() {
            return Some(0);
        }
        Some(self.factors().combined()?.min(self.caps().least()))
    }

    /// The limits of the score.
    pub fn caps(&self) -> Caps {
        Caps {
            newcomer: caps::NEWCOMER_BP + caps::NEWCOMER_BP_PER_DAY * self.active_days,
            severity: self.severity_cap_bp,
            delegation: self.ceiling_bp,
        }
    }

    /// Where the score goes; `None` where either end is unscored or unknown.
    pub fn trend(&self) -> Option<Trend> {
        let (score, before) = (self.score()?, self.closing_scores[0]?);
        Some(match score.abs_diff(before) {
            0..=TREND_BAND_BP => Trend::Stable,
            _ if score > before => Trend::Rising,
            _ => Trend::Falling,
        })
    }
}

#[cfg(test)]
#[path = "score/tests.rs"]
mod tests;
