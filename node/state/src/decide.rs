//! Whether an agent may do something: the one place that says so.
//!
//! A pure function of the state and the log's time. `apply` works every decision out again with it, so a log holds no decision that
//! does not follow from the entries before it.

use std::rc::Rc;

use ledger_format::record::{
    AgentId, AgentType, Amount, DecisionKind, DecisionReason, DecisionResult, DelegationId, PolicyEffect,
    ReceiptId, RecordHash, RuleRef, Scope, SessionId, ToolId, TrustThresholds, Ulid,
};

use crate::applied::Alarm;
use crate::authority::Chain;
use crate::batch::{Batch, Stop};
use crate::calendar::MINUTE_MS;
use crate::policies::{Condition, Placed, Rule};
use crate::values::{Agent, Tenant};
use crate::view::View;

/// Rules that a decision names; there may be more.
const RULES_NAMED_MAX: usize = 64;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The tenant that decides.
    pub tenant: Ulid,
    /// Who wants to do it.
    pub agent: AgentId,
    /// The action.
    pub action: Scope,
    /// What kind of question.
    pub kind: DecisionKind,
    /// What it costs.
    pub amount: Option<Amount>,
    /// The approval that it has.
    pub approval: Option<ReceiptId>,
    /// The grant that it acts under.
    pub grant: Option<DelegationId>,
    /// The session in which it would happen.
    pub session: Option<SessionId>,
    /// The tool that would be used.
    pub tool: Option<ToolId>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Yes, no, or not without an approval.
    pub result: DecisionResult,
    /// Why.
    pub reason: DecisionReason,
    /// Hashes of the policies that were looked at, sorted.
    pub policies: Vec<RecordHash>,
    /// The rules that decided.
    pub rules: Vec<RuleRef>,
}

/// What the checks share.
struct Case<'q> {
    question: &'q Question,
    tenant: Rc<Tenant>,
    agent: Rc<Agent>,
    chain: Option<Chain>,
    policies: Vec<RecordHash>,
    rules: Vec<Placed>,
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// Answers a question as of the entry at hand.
    pub(crate) fn decide(&mut self, question: &Question) -> Result<Answer, Stop> {
        let tenant = self.tenant(question.tenant)?;
        let agent = self.agent_of(question.tenant, question.agent, "body.agent")?;
        let chain = match question.grant {
            Some(id) => self.grant_chain(id)?,
            None => None,
        };
        let (policies, rules) = self.rules_of(question.tenant)?;
        let case = Case { question, tenant, agent, chain, policies, rules };
        let denied = match self.denial(&case)? {
            Some((reason, rules)) => Some((DecisionResult::Denied, reason, rules)),
            None => self
                .approval_asked(&case)?
                .map(|rules| (DecisionResult::NeedsApproval, DecisionReason::ApprovalNeeded, rules)),
        };
        let (result, reason, mut rules) =
            denied.unwrap_or((DecisionResult::Allowed, DecisionReason::WithinScope, Vec::new()));
        rules.truncate(RULES_NAMED_MAX);
        Ok(Answer { result, reason, policies: case.policies, rules })
    }

    /// What stands against it, if anything does.
    fn denial(&mut self, case: &Case<'_>) -> Result<Option<(DecisionReason, Vec<RuleRef>)>, Alarm> {
        let no = |reason| Ok(Some((reason, Vec::new())));
        if !case.agent.is_active() || !case.tenant.is_active() {
            return no(DecisionReason::AgentNotActive);
        }
        if !self.session_is_good(case)? {
            return no(DecisionReason::SessionEnded);
        }
        if case.question.grant.is_some() {
            if !self.grant_is_good(case)? {
                return no(DecisionReason::GrantEnded);
            }
        } else if case.agent.agent_type == AgentType::Delegated {
            return no(DecisionReason::NoGrant);
        }
        let (within, denied) = self.scopes_allow(case)?;
        if denied {
            return no(DecisionReason::DeniedScope);
        }
        if !within {
            return no(DecisionReason::NoScope);
        }
        if !self.grant_reaches(case)? {
            return no(DecisionReason::GrantExceeded);
        }
        if self.trust_of(case.question.agent)?.response_bp() < case.thresholds().suspend {
            return no(DecisionReason::Trust);
        }
        let mut against = Vec::new();
        for (place, rule) in case.rules_about() {
            let holds = self.condition_holds(case, place, rule)?;
            let denies = match rule.effect {
                PolicyEffect::Deny => holds,
                PolicyEffect::Require => !holds,
                PolicyEffect::Approve => false,
            };
            against.extend(denies.then_some(place));
        }
        if !against.is_empty() {
            return Ok(Some((DecisionReason::Policy, against)));
        }
        if self.a_breaker_is_open(case.question)? {
            return no(DecisionReason::Guardrail);
        }
        Ok(None)
    }

    fn session_is_good(&mut self, case: &Case<'_>) -> Result<bool, Alarm> {
        let Some(id) = case.question.session else { return Ok(true) };
        let now = self.service.log_ms;
        Ok(self.session(id)?.is_some_and(|session| {
            session.agent == case.question.agent && session.is_live(&case.agent, &case.tenant, now)
        }))
    }

    fn grant_is_good(&mut self, case: &Case<'_>) -> Result<bool, Alarm> {
        let Some(chain) = &case.chain else { return Ok(false) };
        let (_, leaf) = &chain[0];
        let is_own = leaf.to_agent == case.question.agent && leaf.to_tenant.0 == case.question.tenant;
        Ok(is_own && self.chain_fault(chain, true)?.is_none())
    }

    /// Whether scopes allow the action, and whether something denies it.
    fn scopes_allow(&mut self, case: &Case<'_>) -> Result<(bool, bool), Alarm> {
        let action = &case.question.action;
        let covers = |list: &[Scope]| list.iter().any(|scope| scope.covers(action));
        let (mut within, mut denied) = match &case.chain {
            Some(chain) => self.chain_allows(chain, action)?,
            None => (covers(&case.agent.scopes), false),
        };
        denied |= covers(&case.agent.denies);
        if let Some(id) = case.question.session {
            within &= self.session(id)?.is_some_and(|session| covers(&session.scopes));
        }
        if let Some(id) = case.question.tool {
            within &= self.tool(id)?.is_some_and(|tool| covers(&tool.scopes));
        }
        Ok((within, denied))
    }

    /// Whether every link has calls, money and trust left for it.
    fn grant_reaches(&mut self, case: &Case<'_>) -> Result<bool, Alarm> {
        let Some(chain) = &case.chain else { return Ok(true) };
        if !self.usage_fits(chain, case.question.amount.as_ref())? {
            return Ok(false);
        }
        let score = self.trust_of(case.question.agent)?.score;
        let trusted = |min: u64| score.is_some_and(|score| score >= min);
        Ok(chain.iter().all(|(_, grant)| grant.limits.min_trust_bp.is_none_or(trusted)))
    }

    /// The rules that ask for an approval which is not there; `None`: none is needed.
    fn approval_asked(&mut self, case: &Case<'_>) -> Result<Option<Vec<RuleRef>>, Alarm> {
        let mut asking = Vec::new();
        for (place, rule) in case.rules_about() {
            if rule.effect == PolicyEffect::Approve && self.condition_holds(case, place, rule)? {
                asking.push(place);
            }
        }
        let question = case.question;
        let is_critical = self.is_critical(question.tenant, &case.agent, &question.action)?;
        let supervised = case.agent.agent_type == AgentType::Supervised && is_critical;
        let distrusted =
            is_critical && self.trust_of(question.agent)?.response_bp() < case.thresholds().approval;
        let over = |limit: u64| question.amount.as_ref().is_some_and(|amount| amount.minor > limit);
        let dear = case.chain.iter().flatten().any(|(_, g)| g.limits.approval_over.is_some_and(over));
        let needed =
            !asking.is_empty() || supervised || distrusted || dear || self.is_throttled(question.agent)?;
        if !needed {
            return Ok(None);
        }
        let has = match question.approval {
            Some(id) => self.approval_fits(question.tenant, id, question.agent, &question.action)?,
            None => false,
        };
        Ok((!has).then_some(asking))
    }

    fn condition_holds(&mut self, case: &Case<'_>, place: RuleRef, rule: &Rule) -> Result<bool, Alarm> {
        let Some(when) = &rule.when else { return Ok(true) };
        if !when.time_holds(self.service.log_ms) {
            return Ok(false);
        }
        let depth = case.chain.as_ref().map_or(0, |chain| chain[0].1.depth);
        if when.depth_max.is_some_and(|max| depth > max) || when.depth_min.is_some_and(|min| depth < min) {
            return Ok(false);
        }
        if when.trust_max_bp.is_some() || when.trust_min_bp.is_some() {
            let score = self.trust_of(case.question.agent)?.score;
            let fits = |score: u64| {
                when.trust_max_bp.is_none_or(|max| score <= max)
                    && when.trust_min_bp.is_none_or(|min| score >= min)
            };
            if !score.is_some_and(fits) {
                return Ok(false);
            }
        }
        self.counts_hold(case.question, place, rule)
    }
}

impl Case<'_> {
    fn thresholds(&self) -> TrustThresholds {
        self.tenant.thresholds_or_default()
    }

    fn rules_about(&self) -> impl Iterator<Item = (RuleRef, &Rule)> {
        let Question { action, agent, .. } = self.question;
        let rules = self.rules.iter().map(|placed| (placed.place, placed.rule()));
        rules.filter(move |(_, rule)| rule.is_about(action, *agent, self.agent.agent_type))
    }
}

impl Condition {
    /// Whether day and time of day fit; the log's time is UTC.
    pub(crate) fn time_holds(&self, log_ms: u64) -> bool {
        let minute = log_ms / MINUTE_MS;
        // 1970-01-01 was a Thursday.
        let (day, of_day) = ((minute / 1_440 + 3) % 7 + 1, minute % 1_440);
        self.days.as_ref().is_none_or(|days| days.contains(&day))
            && self.minutes.is_none_or(|(from, to)| (from..to).contains(&of_day))
    }
}

/// Answers a question from a view, at log time `ms` or the log's own if that is later: what a decision logged now would have to say.
pub fn evaluate(
    view: &(impl View + ?Sized),
    question: &Question,
    ms: u64,
) -> Result<Answer, crate::signer::SignatureFault> {
    let mut batch = Batch::new(view).map_err(crate::signer::SignatureFault::Corrupt)?;
    batch.service.log_ms = batch.service.log_ms.max(ms);
    // As before any record: sessions whose time is over count towards the trust that is looked at.
    batch.end_sessions_due().map_err(crate::signer::SignatureFault::Corrupt)?;
    Ok(batch.decide(question)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_minutes_are_those_of_the_calendar() {
        let when = |days: &[u64], minutes| Condition {
            calls: None,
            days: Some(days.to_vec()),
            depth_max: None,
            depth_min: None,
            minutes,
            spend: None,
            trust_max_bp: None,
            trust_min_bp: None,
        };
        // Wednesday 2026-01-21 12:53:20 UTC.
        let wednesday = 1_769_000_000_000;
        assert!(when(&[3], None).time_holds(wednesday));
        assert!(!when(&[1, 2, 4, 5, 6, 7], None).time_holds(wednesday));
        assert!(when(&[3], Some((12 * 60 + 53, 12 * 60 + 54))).time_holds(wednesday));
        assert!(!when(&[3], Some((12 * 60 + 54, 1_440))).time_holds(wednesday));
        // Thursday 1970-01-01 00:00 and Wednesday 23:59 of the week after.
        assert!(when(&[4], Some((0, 1))).time_holds(0));
        assert!(when(&[3], Some((1_439, 1_440))).time_holds(7 * 86_400_000 - MINUTE_MS));
    }
}
