//! What was allowed and what was not: `decision`, `approval`.

use super::RecordHash;
use super::declare::{Kind, body, object};
use super::fields::{self, Digest, words};
use super::ids::{AgentId, DelegationId, PolicyId, ReceiptId, SessionId, ToolId};
use super::json::{JsonError, Reader, Writer};
use super::kinds::{
    Action, Currency, DigestOf, Hashes, Id, Minor, OnBehalfOf, Time, Word, lists, numbers, word_kind,
};
use super::policies::POLICY_RULES_MAX;
use super::scope::Scope;

words! {
    /// What was asked.
    DecisionKind, "one of policy, tool, guardrail" {
        /// Whether policies allow an action.
        Policy = "policy",
        /// Whether a tool may be used for it.
        Tool = "tool",
        /// Whether a guardrail lets something pass; the guardrail is outside the log, its answer is recorded.
        Guardrail = "guardrail",
    }
}

words! {
    /// The answer.
    DecisionResult, "one of allowed, denied, needs_approval" {
        /// It may be done.
        Allowed = "allowed",
        /// It may not.
        Denied = "denied",
        /// Not without an approval.
        NeedsApproval = "needs_approval",
    }
}

words! {
    /// Why. The first that applies, in this order.
    DecisionReason, "one of the reasons of a decision, e.g. within_scope" {
        /// The agent is suspended or has ended, or its tenant is suspended.
        AgentNotActive = "agent_not_active",
        /// The session is unknown, another agent's, or has ended.
        SessionEnded = "session_ended",
        /// The grant is unknown, another agent's, or does not hold.
        GrantEnded = "grant_ended",
        /// The agent acts under grants only, and there is none.
        NoGrant = "no_grant",
        /// A deny covers the action.
        DeniedScope = "denied_scope",
        /// No scope covers the action.
        NoScope = "no_scope",
        /// The grant does not go that far: calls, amount, trust.
        GrantExceeded = "grant_exceeded",
        /// Trust is below what the tenant allows.
        Trust = "trust",
        /// A policy denies it, or what it requires does not hold.
        Policy = "policy",
        /// The guardrail's breaker is open, or the guardrail stopped it.
        Guardrail = "guardrail",
        /// A policy, the grant, the agent's type or its trust asks for an approval.
        ApprovalNeeded = "approval_needed",
        /// Nothing stands against it.
        WithinScope = "within_scope",
    }
}

words! {
    /// What somebody said to a request.
    ApprovalVerdict, "one of approved, rejected" {
        /// It may be done.
        Approved = "approved",
        /// It may not.
        Rejected = "rejected",
    }
}
word_kind!(DecisionKind, DecisionResult, DecisionReason, ApprovalVerdict);

numbers! {
    /// How often an approval is good.
    Uses: 1, 1_000, "1 to 1000";
}

/// A rule of a policy: `maip-pol:<ulid>#<place>`, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleRef {
    /// The policy.
    pub policy: PolicyId,
    /// The rule's place in it.
    pub place: u64,
}

impl RuleRef {
    /// Reads the one spelling.
    pub fn parse(text: &str) -> Option<RuleRef> {
        let (policy, place) = text.split_once('#')?;
        let number: u64 = place.parse().ok()?;
        let canonical = number.to_string() == place && number < POLICY_RULES_MAX as u64;
        Some(RuleRef { policy: PolicyId::parse(policy)?, place: canonical.then_some(number)? })
    }
}

impl std::fmt::Display for RuleRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.policy, self.place)
    }
}

/// The text of a [`RuleRef`].
pub(crate) struct Rule;

impl Kind for Rule {
    type Value = RuleRef;
    const RULE: &'static str = "a rule, `maip-pol:<ulid>#<place>`";

    fn read(r: &mut Reader<'_>) -> Result<RuleRef, JsonError> {
        fields::read_with(r, "a rule: a policy id, # and a place from 0 to 31", RuleRef::parse)
    }

    fn write(value: &RuleRef, w: &mut Writer) {
        w.string(&value.to_string());
    }
}

lists! {
    /// The rules that decided.
    RuleList: plain RuleRef as Rule, 0, 64, "a list of at most 64 rules";
}

object! {
    /// An amount of money.
    Amount is "an amount" {
        /// the currency
        required currency: String as Currency,
        /// how much
        required minor: u64 as Minor,
    }
}

body! {
    /// Body of `decision`: what was asked, and the answer. Of the kinds `policy` and `tool` the answer follows from the log: apply works it
    /// out again at this very index and refuses a record that says otherwise, so whoever replays the log has checked every decision.
    ///
    /// Effect: an allowed decision counts towards rates and budgets; one that is denied for a missing or denied scope or an ended grant
    /// counts against the agent's trust and opens breakers. Refused: `decision_differs` (the message has the answer that the log gives),
    /// `agent_unknown`, `guardrail_unknown`.
    Decision = "decision" by [Tenant, Operator], info DECISION {
        /// the action
        required action: Scope as Action,
        /// who wants to do it
        required agent: AgentId as Id<AgentId>,
        /// what it costs
        optional amount: Amount as Amount,
        /// the approval that it has
        optional approval: ReceiptId as Id<ReceiptId>,
        /// the grant that it acts under
        optional grant: DelegationId as Id<DelegationId>,
        /// digest of everything that was looked at
        required inputs: Digest as DigestOf,
        /// what was asked
        required kind: DecisionKind as Word<DecisionKind>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// hashes of the `policy.put` records that were looked at
        required policies: Vec<RecordHash> as Hashes,
        /// why
        required reason: DecisionReason as Word<DecisionReason>,
        /// the answer
        required result: DecisionResult as Word<DecisionResult>,
        /// the rules that decided, in the order in which they were looked at
        required rules: Vec<RuleRef> as RuleList,
        /// the session in which it would happen
        optional session: SessionId as Id<SessionId>,
        /// the tool that would be used
        optional tool: ToolId as Id<ToolId>,
    }
}

body! {
    /// Body of `approval`: a person, or whoever speaks for the tenant, says yes or no to an action of an agent.
    ///
    /// Effect: an approved one can be named by as many decisions and receipts of this agent and action as it has uses, until its time is over.
    /// It is good for nothing else. Refused: `agent_unknown`, `decision_unknown`, `expires_too_soon`.
    Approval = "approval" by [Tenant, Operator], info APPROVAL {
        /// the action
        required action: Scope as Action,
        /// the agent
        required agent: AgentId as Id<AgentId>,
        /// the decision that asked for it
        optional decision: ReceiptId as Id<ReceiptId>,
        /// log time at which it ends
        required expires_at: u64 as Time,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// how often it is good
        required uses: u64 as Uses,
        /// yes or no
        required verdict: ApprovalVerdict as Word<ApprovalVerdict>,
    }
}
