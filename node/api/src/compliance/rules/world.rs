//! Summaries for the tests of the rules.

use ledger_format::record::{AgentType, FindingStatus};

use super::super::{AgentFact, Outcome, Summary, Trail};

pub(super) fn summary(fill: impl FnOnce(&mut Summary)) -> Summary {
    let mut summary = Summary::default();
    fill(&mut summary);
    summary
}

pub(super) fn trail(indices: &[u64]) -> Trail {
    indices.iter().copied().collect()
}

/// An active, autonomous agent that was registered at this index.
pub(super) fn agent(registered: u64) -> AgentFact {
    AgentFact {
        registered,
        active: true,
        agent_type: AgentType::Autonomous,
        unbounded: false,
        key_index: registered,
        key_ms: 0,
    }
}

/// What a rule says to each summary: a status and the entries that it cites.
#[track_caller]
pub(super) fn check(rule: impl Fn(&Summary) -> Outcome, cases: &[(Summary, &str, &[u64])]) {
    for (at, (summary, status, evidence)) in cases.iter().enumerate() {
        let outcome = rule(summary);
        assert_eq!(
            (outcome.status.as_str(), outcome.evidence.as_slice()),
            (*status, *evidence),
            "case {at}: {outcome:?}"
        );
        assert_eq!(
            outcome.status == FindingStatus::NotApplicable,
            outcome.evidence.is_empty() && *status == "not_applicable",
            "case {at}"
        );
        assert!(!outcome.text.is_empty(), "case {at}");
    }
}
