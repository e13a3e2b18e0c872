//! Questions to a replayed log.

use ledger_format::record::{AgentId, Scope, SessionId, TenantId};
use ledger_state::{AgentStatus, Month, Usage};
use serde_json::{Value, json};

use super::Replayed;

/// A question to the state of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// What is known of an agent.
    Agent(AgentId),
    /// What is known of a session.
    Session(SessionId),
    /// The trust in an agent at the log's time, and where it comes from.
    Trust(AgentId),
    /// The newest score of an agent that its tenant asked for.
    Computed(AgentId),
    /// What the log noticed about an entry.
    Flags(u64),
    /// What a tenant used of its plan in a month; without one, in that of the last entry.
    Usage(TenantId, Option<Month>),
}

impl Question {
    /// Reads `agent ID`, `session ID`, `trust ID`, `computed ID`, `flags INDEX` or `usage TENANT_ID [YYYY-MM]`.
    pub fn parse(text: &str) -> Option<Question> {
        let (kind, id) = text.split_once(' ')?;
        match kind {
            "agent" => AgentId::parse_any(id).map(Question::Agent),
            "session" => SessionId::parse_any(id).map(Question::Session),
            "trust" => AgentId::parse_any(id).map(Question::Trust),
            "computed" => AgentId::parse_any(id).map(Question::Computed),
            "flags" => id.parse().ok().map(Question::Flags),
            "usage" => match id.split_once(' ') {
                Some((id, month)) => {
                    Some(Question::Usage(TenantId::parse_any(id)?, Some(Month::parse(month)?)))
                }
                None => Some(Question::Usage(TenantId::parse_any(id)?, None)),
            },
            _ => None,
        }
    }
}

impl Replayed {
    /// The answer as of the last entry; `None` if there is no such thing.
    pub fn ask(&self, question: Question) -> Option<Value> {
        match question {
            Question::Agent(id) => self.agent(id),
            Question::Session(id) => self.session(id),
            Question::Trust(id) => self.trust(id),
            Question::Computed(id) => self.computed(id),
            Question::Flags(index) => (index < self.size()).then(|| {
                let flags: Vec<_> = ledger_state::flags(&self.state, index).names().collect();
                json!({ "index": index, "flags": flags })
            }),
            Question::Usage(id, month) => self.usage(id, month),
        }
    }

    fn computed(&self, id: AgentId) -> Option<Value> {
        let ledger_state::ComputedScore { index, log_ms, score_bp, explanation } =
            ledger_state::computed_score(&self.state, id)?;
        let explanation: Value = serde_json::from_str(&explanation).ok()?;
        Some(json!({
            "agent": id.to_string(), "index": index, "log_ms": log_ms, "score_bp": score_bp,
            "explanation": explanation,
        }))
    }

    fn usage(&self, id: TenantId, month: Option<Month>) -> Option<Value> {
        let month = month.unwrap_or_else(|| Month::of(self.last_entry_ms()));
        let Usage { plan, limits, agents, counters, .. } = ledger_state::usage(&self.state, id.0, month)?;
        let quotas = if ledger_state::quotas_bind(&self.state) { "enforced" } else { "counted" };
        Some(json!({
            "quotas": quotas, "resets_at": month.next().start_ms(),
            "tenant": id.to_string(), "month": month.to_string(), "plan": plan.as_str(),
            "used": {
                "agents": agents, "sessions": counters.sessions,
                "trust_computes": counters.trust_computes, "compliance_checks": counters.compliance_checks,
            },
            "limits": {
                "agents": limits.agents, "sessions": limits.sessions,
                "trust_computes": limits.trust_computes, "compliance_checks": limits.compliance_checks,
            },
        }))
    }

    fn agent(&self, id: AgentId) -> Option<Value> {
        let agent = ledger_state::agent(&self.state, id)?;
        let chain = ledger_state::chain(&self.state, id);
        let texts = |list: &[Scope]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut status = json!({ "word": "active" });
        match &agent.status {
            AgentStatus::Active => {}
            AgentStatus::Suspended { index, reason, .. } => {
                status = json!({ "word": "suspended", "since": index, "reason": reason });
            }
            AgentStatus::Revoked { killed, index, cause, reason, compromised_at, .. } => {
                let word = if *killed { "killed" } else { "revoked" };
                let cause = cause.to_string();
                status = json!({
                    "word": word, "since": index, "reason": reason, "cause": cause, "compromised_at": compromised_at
                });
            }
        }
        Some(json!({
            "agent": id.to_string(), "tenant": agent.tenant.to_string(), "name": agent.name,
            "type": agent.agent_type.as_str(), "scopes": texts(&agent.scopes), "denies": texts(&agent.denies),
            "parent": agent.parent.map(|parent| parent.to_string()), "depth": agent.depth,
            "kid": agent.key.kid.to_string(), "registered": agent.registered, "status": status,
            "receipts": { "count": chain.count, "flagged": chain.flagged },
        }))
    }

    fn session(&self, id: SessionId) -> Option<Value> {
        let session = ledger_state::session(&self.state, id)?;
        let agent = ledger_state::agent(&self.state, session.agent)?;
        let tenant = ledger_state::tenant(&self.state, session.tenant)?;
        let scopes: Vec<_> = session.scopes.iter().map(ToString::to_string).collect();
        Some(json!({
            "session": id.to_string(), "agent": session.agent.to_string(), "opened": session.opened,
            "scopes": scopes, "expires_at": session.expires_at, "standing": session.standing.as_str(),
            "live": session.is_live(&agent, &tenant, self.last_entry_ms()),
        }))
    }

    fn trust(&self, id: AgentId) -> Option<Value> {
        let ms = self.last_entry_ms();
        let reading = ledger_state::trust_reading(&self.state, id, ms)?;
        let mut answer: Value = serde_json::from_slice(&reading.explain(ms)).ok()?;
        answer["agent"] = json!(id.to_string());
        answer["as_of_size"] = json!(self.size());
        Some(answer)
    }
}
