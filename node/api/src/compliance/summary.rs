//! What the log holds about an entity, condensed to what the rules ask for.

use std::collections::{BTreeMap, BTreeSet};

use ledger_format::record::{
    Actor, AgentType, Body, DatasetId, DecisionResult, ModelId, PolicyEffect, PolicyId, PolicyState, Record,
    Severity,
};
use ledger_state::Flags;

/// Most indices that a trail remembers: as many as a record can cite.
const TRAIL_MAX: usize = super::outcome::EVIDENCE_MAX;
/// A session that may live longer than this is a long one.
const LONG_SESSION_MIN: u64 = 480;

/// Entries of one kind: how many, and where the newest are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trail {
    pub(crate) count: u64,
    indices: BTreeSet<u64>,
}

impl Trail {
    pub(crate) fn add(&mut self, index: u64) {
        self.count += 1;
        self.indices.insert(index);
        if self.indices.len() > TRAIL_MAX {
            self.indices.pop_first();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The newest indices, ascending.
    pub(super) fn newest(&self, most: usize) -> Vec<u64> {
        self.indices.iter().skip(self.indices.len().saturating_sub(most)).copied().collect()
    }

    /// This and another one.
    pub(super) fn and(&self, other: &Trail) -> Trail {
        let mut both = Trail { count: self.count + other.count, indices: self.indices.clone() };
        both.indices.extend(&other.indices);
        while both.indices.len() > TRAIL_MAX {
            both.indices.pop_first();
        }
        both
    }
}

impl FromIterator<u64> for Trail {
    fn from_iter<I: IntoIterator<Item = u64>>(indices: I) -> Self {
        let mut trail = Self::default();
        indices.into_iter().for_each(|index| trail.add(index));
        trail
    }
}

impl From<&Trail> for Trail {
    fn from(trail: &Trail) -> Self {
        trail.clone()
    }
}

/// An agent as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentFact {
    /// Index of its registration.
    pub(crate) registered: u64,
    /// Whether it may act.
    pub(crate) active: bool,
    pub(crate) agent_type: AgentType,
    /// Whether it may do everything.
    pub(crate) unbounded: bool,
    /// Where its key was set.
    pub(crate) key_index: u64,
    /// The log's time there.
    pub(crate) key_ms: u64,
}

/// An anomaly as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnomalyFact {
    pub(crate) index: u64,
    /// The log's time of the report.
    pub(crate) ms: u64,
    pub(crate) severity: Severity,
    /// Index and time of its resolution.
    pub(crate) resolved: Option<(u64, u64)>,
}

/// The published checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) size: u64,
    /// Whether a witness has cosigned it.
    pub(crate) witnessed: bool,
}

/// The one thing that a check is about, when it is not an agent or the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Only {
    Dataset(DatasetId),
    Model(ModelId),
}

/// What the log holds about an entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The log's time up to which it goes.
    pub(crate) now_ms: u64,
    /// Records that it was made from.
    pub(crate) records: u64,
    /// Whether there were more records than could be looked at: the oldest are left out.
    pub(crate) truncated: bool,
    pub(crate) published: Option<Published>,
    /// Only this data set or model counts.
    pub(crate) only: Option<Only>,
    pub(crate) agents: Vec<AgentFact>,
    pub(crate) anomalies: Vec<AnomalyFact>,
    pub(crate) all: Trail,
    pub(crate) registered: Trail,
    pub(crate) key_changes: Trail,
    /// Suspensions, revocations and kills.
    pub(crate) stopped: Trail,
    pub(crate) sessions: Trail,
    pub(crate) long_sessions: Trail,
    pub(crate) actions: Trail,
    /// Actions beyond the scopes or grants of their agents.
    pub(crate) outside: Trail,
    /// Actions of agents, sessions or grants that had ended.
    pub(crate) after_end: Trail,
    /// Actions without the approval or the decision that they needed.
    pub(crate) unapproved: Trail,
    /// Records that do not follow the one which their agent made before.
    pub(crate) broken: Trail,
    /// Actions that agents have signed themselves.
    pub(crate) by_agents: Trail,
    pub(crate) decisions: Trail,
    pub(crate) denied: Trail,
    /// Decisions that asked for an approval.
    pub(crate) asked: Trail,
    pub(crate) approvals: Trail,
    pub(crate) guardrails: Trail,
    pub(crate) datasets: Trail,
    pub(crate) models: Trail,
    /// Models of which nobody says what they have learnt from.
    pub(crate) models_of_nothing: Trail,
    pub(crate) erasures: Trail,
    /// Policies: where each was put, whether it is in force, whether it asks for approvals.
    policies: BTreeMap<PolicyId, (u64, bool, bool)>,
}

impl Summary {
    /// Of nothing yet; only this data set or model will count, if one is given.
    pub(crate) fn new(only: Option<Only>) -> Self {
        Self { only, ..Self::default() }
    }

    /// Takes a record in; in the order of the log.
    pub(crate) fn add(&mut self, index: u64, record: &Record, flags: Flags) {
        self.records += 1;
        self.all.add(index);
        if flags.contains(Flags::PREV_MISMATCH) {
            self.broken.add(index);
        }
        match &record.body {
            Body::AgentRegister(_) => self.registered.add(index),
            Body::AgentKey(_) => self.key_changes.add(index),
            Body::AgentSuspend(_) | Body::AgentRevoke(_) | Body::AgentKill(_) => self.stopped.add(index),
            Body::SessionOpen(body) => {
                self.sessions.add(index);
                if body.ttl_min > LONG_SESSION_MIN {
                    self.long_sessions.add(index);
                }
            }
            Body::ReceiptAction(_) => self.add_action(index, record, flags),
            Body::Decision(body) => {
                self.decisions.add(index);
                match body.result {
                    DecisionResult::Allowed => {}
                    DecisionResult::Denied => self.denied.add(index),
                    DecisionResult::NeedsApproval => self.asked.add(index),
                }
            }
            Body::Approval(_) => self.approvals.add(index),
            Body::GuardrailDefine(_) => self.guardrails.add(index),
            Body::Erasure(_) => self.erasures.add(index),
            body => self.add_rest(index, body),
        }
    }

    fn add_action(&mut self, index: u64, record: &Record, flags: Flags) {
        let outside =
            Flags::OUT_OF_SCOPE.with(Flags::DENIED).with(Flags::GRANT_EXCEEDED).with(Flags::NO_GRANT);
        let ended = Flags::SUSPENDED.with(Flags::SESSION_ENDED).with(Flags::SESSION_UNKNOWN);
        let ended = ended.with(Flags::GRANT_ENDED).with(Flags::GRANT_UNKNOWN);
        let unapproved = Flags::NO_APPROVAL.with(Flags::DECISION_MISMATCH);
        self.actions.add(index);
        for (trail, any) in
            [(&mut self.outside, outside), (&mut self.after_end, ended), (&mut self.unapproved, unapproved)]
        {
            if flags.has_any(any) {
                trail.add(index);
            }
        }
        if matches!(record.actor, Actor::Agent(_)) {
            self.by_agents.add(index);
        }
    }

    fn add_rest(&mut self, index: u64, body: &Body) {
        match body {
            Body::DatasetAttest(body) if self.counts(Only::Dataset(body.dataset)) => self.datasets.add(index),
            Body::ModelAttest(body) if self.counts(Only::Model(body.model)) => {
                self.models.add(index);
                if body.datasets.is_none() && body.base.is_none() {
                    self.models_of_nothing.add(index);
                }
            }
            Body::PolicyPut(body) => {
                let asks = body.rules.iter().any(|rule| rule.effect == PolicyEffect::Approve);
                self.policies.insert(body.policy, (index, true, asks));
            }
            Body::PolicyStatus(body) => {
                if let Some((_, in_force, _)) = self.policies.get_mut(&body.policy) {
                    *in_force = body.status == PolicyState::Active;
                }
            }
            _ => {}
        }
    }

    fn counts(&self, one: Only) -> bool {
        match (self.only, one) {
            (None, _) => true,
            (Some(only), one) => only == one,
        }
    }

    /// Where the policies that are in force were put.
    pub(super) fn policies(&self) -> Trail {
        self.policies.values().filter(|(_, in_force, _)| *in_force).map(|(index, ..)| *index).collect()
    }

    /// Where the policies in force that ask for approvals were put.
    pub(super) fn approval_policies(&self) -> Trail {
        let asks = self.policies.values().filter(|(_, in_force, asks)| *in_force && *asks);
        asks.map(|(index, ..)| *index).collect()
    }

    /// The agents that may act.
    pub(super) fn active(&self) -> impl Iterator<Item = &AgentFact> {
        self.agents.iter().filter(|agent| agent.active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_counts_all_and_remembers_the_newest() {
        let trail: Trail = (0..100).collect();
        assert_eq!((trail.count, trail.newest(3)), (100, vec![97, 98, 99]));
        assert_eq!(trail.newest(99).len(), TRAIL_MAX);
        let both = trail.and(&[200].into_iter().collect());
        assert_eq!((both.count, both.newest(2)), (101, vec![99, 200]));
    }
}
