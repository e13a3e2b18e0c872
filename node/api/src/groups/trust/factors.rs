//! The factors of a score under the names that clients know them by.

use ledger_state::trust::{Factor, Reading};
use serde::Serialize;
use utoipa::ToSchema;

/// The names of the state machine with the published ones and what they say.
const NAMES: [(&str, &str, &str); 5] = [
    ("behaviour", "behavioral_compliance", "Actions that went well, against violations by severity."),
    ("scope", "scope_adherence", "Actions that went well, against denials for lack of authority."),
    ("anomaly", "anomaly_score", "100 without unusually many calls; penalties fade."),
    ("peers", "peer_attestations", "What agents of other tenants that it met say; 50 is neutral."),
    ("sessions", "session_hygiene", "Sessions that ended well, against those that did not."),
];

/// The five factors, 0 to 100; null where there is no data.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TrustFactors {
    /// Actions that went well, against violations by severity; weight 35.
    behavioral_compliance: Option<f64>,
    /// Actions that went well, against denials for lack of authority; weight 25.
    scope_adherence: Option<f64>,
    /// 100 without unusually many calls; weight 20.
    anomaly_score: Option<f64>,
    /// What agents of other tenants that it met say, 50 is neutral; weight 10.
    peer_attestations: Option<f64>,
    /// Sessions that ended well, against those that did not; weight 10.
    session_hygiene: Option<f64>,
}

/// One factor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TrustFactor {
    /// Its published name.
    pub(super) name: &'static str,
    /// Its share of the score, 0 to 1.
    weight: f64,
    /// 0 to 100; null where there is no data.
    value: Option<f64>,
    /// What it says.
    description: &'static str,
    /// With the denominator, the fraction that it comes from; of peers good less bad evidence.
    numerator: Option<i64>,
    /// Never 0.
    denominator: Option<u64>,
    /// The same in basis points, as the log's rules compute it.
    value_bp: Option<u64>,
}

/// The parts of a score under the names of the editor plug-ins, 0 to 100; null where this algorithm has no such part.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TrustComponents {
    /// The factor `behavioral_compliance`.
    reputation: Option<f64>,
    /// Not a part of this algorithm.
    key_health: Option<f64>,
    /// What delegation caps the score at.
    #[schema(value_type = f64)]
    delegation_depth: f64,
    /// The factor `session_hygiene`.
    verification_history: Option<f64>,
    /// The factor `peer_attestations`.
    multi_witness: Option<f64>,
    /// 100 less the factor `anomaly_score`: 0 is no anomaly.
    anomaly_penalty: Option<f64>,
}

/// Basis points as 0 to 100.
pub(super) fn percent(bp: u64) -> f64 {
    bp as f64 / 100.0
}

fn value(factor: Option<Factor>) -> Option<f64> {
    factor.map(|factor| percent(factor.bp))
}

pub(super) fn by_name(reading: &Reading) -> TrustFactors {
    let factors = &reading.factors;
    TrustFactors {
        behavioral_compliance: value(factors.behaviour),
        scope_adherence: value(factors.scope),
        anomaly_score: value(factors.anomaly),
        peer_attestations: value(factors.peers),
        session_hygiene: value(factors.sessions),
    }
}

pub(super) fn as_list(reading: &Reading) -> Vec<TrustFactor> {
    let shown = |(own, weight, factor): (&str, u64, Option<Factor>)| {
        let (_, name, description) = NAMES.iter().find(|(known, ..)| *known == own)?;
        Some(TrustFactor {
            name,
            weight: percent(weight),
            value: value(factor),
            description,
            numerator: factor.map(|factor| factor.numerator),
            denominator: factor.map(|factor| factor.denominator),
            value_bp: factor.map(|factor| factor.bp),
        })
    };
    reading.factors.named().into_iter().filter_map(shown).collect()
}

pub(super) fn components(reading: &Reading) -> TrustComponents {
    let factors = &reading.factors;
    TrustComponents {
        reputation: value(factors.behaviour),
        key_health: None,
        delegation_depth: percent(reading.caps.delegation),
        verification_history: value(factors.sessions),
        multi_witness: value(factors.peers),
        anomaly_penalty: value(factors.anomaly).map(|calm| 100.0 - calm),
    }
}

#[cfg(test)]
mod tests {
    use ledger_state::trust::{AgentState, Id};

    #[test]
    fn every_factor_of_the_algorithm_has_a_published_name() {
        let agent = AgentState::new(Id::parse("home").unwrap(), 0);
        let listed = super::as_list(&agent.reading());
        assert_eq!(listed.len(), agent.reading().factors.named().len());
        assert!((listed.iter().map(|factor| factor.weight).sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
