//! One decision of a log: what was asked, what was answered, and what follows from the entries before it.

use std::collections::BTreeMap;

use ledger_format::record::{
    Body, Decision, DecisionKind, Entry, PolicyEffect, PolicyId, PolicyPut, ReceiptId, Record, RuleRef,
    Scope, Ulid,
};
use ledger_state::trust::Reading;
use ledger_state::{Answer, Applied, MemoryState, Question, evaluate, trust_reading};

use super::Watcher;

/// Looks on for one decision of a tenant.
#[derive(Debug)]
pub struct DecisionWatch {
    tenant: Ulid,
    id: ReceiptId,
    /// The tenant's policies as they were put last.
    policies: BTreeMap<PolicyId, PolicyPut>,
    found: Option<Explained>,
}

/// A decision and where it comes from.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Its index.
    pub index: u64,
    /// The log's time in it, ms since 1970.
    pub log_ms: u64,
    /// What stands in the log.
    pub logged: Decision,
    /// The answer on the state before it, worked out again; `None` for a guardrail's decision, which does not follow from the log.
    pub again: Option<Answer>,
    /// The rules that the log's answer names.
    pub fired: Vec<FiredRule>,
    /// How far the agent was trusted then; `None` for an agent that the log did not know.
    pub trust: Option<Reading>,
}

/// A rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiredRule {
    /// Which.
    pub place: RuleRef,
    /// The policy's name then.
    pub policy: String,
    /// What the rule does.
    pub effect: PolicyEffect,
    /// What it is about.
    pub actions: Vec<Scope>,
}

impl DecisionWatch {
    /// Waits for the decision with this id.
    pub fn new(tenant: Ulid, id: ReceiptId) -> Self {
        Self { tenant, id, policies: BTreeMap::new(), found: None }
    }

    /// The decision, if the log has it.
    pub fn into_found(self) -> Option<Explained> {
        self.found
    }

    fn fired(&self, place: RuleRef) -> Option<FiredRule> {
        let policy = self.policies.get(&place.policy)?;
        let rule = policy.rules.get(usize::try_from(place.place).ok()?)?;
        Some(FiredRule {
            place,
            policy: policy.name.clone(),
            effect: rule.effect,
            actions: rule.actions.clone(),
        })
    }

    fn explain(&self, state: &MemoryState, index: u64, log_ms: u64, logged: Decision) -> Explained {
        let question = Question::from_record(self.tenant, &logged);
        let again = match logged.kind {
            DecisionKind::Guardrail => None,
            // The replay has just accepted the record, so its agent is known.
            DecisionKind::Policy | DecisionKind::Tool => evaluate(state, &question, log_ms).ok(),
        };
        let fired = logged.rules.iter().filter_map(|place| self.fired(*place)).collect();
        let trust = trust_reading(state, logged.agent, log_ms);
        Explained { index, log_ms, logged, again, fired, trust }
    }
}

impl Explained {
    /// Whether the log's answer is the one that follows from the entries before it; a guardrail's is what it is.
    pub fn holds(&self) -> bool {
        let logged = &self.logged;
        if logged.kind == DecisionKind::Guardrail {
            return true;
        }
        self.again.as_ref().is_some_and(|again| {
            logged.result == again.result
                && logged.reason == again.reason
                && logged.policies == again.policies
                && logged.rules == again.rules
        })
    }
}

impl Watcher for DecisionWatch {
    fn before(&mut self, state: &MemoryState, applied: &Applied) {
        for new in &applied.entries {
            // Nearly all entries are something else, and reading a record is dear.
            if !is_of_interest(&new.bytes) {
                continue;
            }
            let Ok(entry) = Entry::parse(&new.bytes) else { continue };
            let Ok(record) = Record::parse(entry.record) else { continue };
            if record.tenant != self.tenant {
                continue;
            }
            match record.body {
                Body::PolicyPut(put) => drop(self.policies.insert(put.policy, *put)),
                Body::Decision(decision) if record.id == self.id.ulid() => {
                    self.found = Some(self.explain(state, new.index, entry.at, *decision));
                }
                _ => {}
            }
        }
    }

    fn after(&mut self, _: &MemoryState, _: &Applied) {}
}

fn is_of_interest(entry: &[u8]) -> bool {
    [br#""type":"decision","v":1}}"#.as_slice(), br#""type":"policy.put","v":1}}"#.as_slice()]
        .iter()
        .any(|end| entry.ends_with(end))
}

#[cfg(test)]
mod tests {
    use ledger_format::record::{AgentId, DecisionReason, DecisionResult, Digest, RecordHash};

    use super::*;

    #[test]
    fn an_answer_holds_when_all_of_it_follows() {
        let place = RuleRef { policy: PolicyId(Ulid(5)), place: 1 };
        let logged = Decision {
            action: Scope::parse("invoice:pay").unwrap(),
            agent: AgentId(Ulid(2)),
            amount: None,
            approval: None,
            grant: None,
            inputs: Digest::sha256(b""),
            kind: DecisionKind::Policy,
            on_behalf_of: None,
            policies: vec![RecordHash([1; 32])],
            reason: DecisionReason::Policy,
            result: DecisionResult::Denied,
            rules: vec![place],
            session: None,
            tool: None,
        };
        let answer = Answer {
            result: logged.result,
            reason: logged.reason,
            policies: logged.policies.clone(),
            rules: logged.rules.clone(),
        };
        let explained = |kind, again| {
            let logged = Decision { kind, ..logged.clone() };
            Explained { index: 1, log_ms: 1, logged, again, fired: vec![], trust: None }
        };
        assert!(explained(DecisionKind::Policy, Some(answer.clone())).holds());
        for other in [
            Answer { result: DecisionResult::Allowed, ..answer.clone() },
            Answer { reason: DecisionReason::Trust, ..answer.clone() },
            Answer { policies: vec![], ..answer.clone() },
            Answer { rules: vec![], ..answer.clone() },
        ] {
            assert!(!explained(DecisionKind::Policy, Some(other)).holds());
        }
        assert!(!explained(DecisionKind::Tool, None).holds());
        assert!(explained(DecisionKind::Guardrail, None).holds(), "its word is taken as it is");
    }
}
