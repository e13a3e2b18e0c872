//! A tenant's policies: `policy.put`, `policy.status`.

use super::agent::AgentType;
use super::declare::{body, object};
use super::fields::words;
use super::ids::{AgentId, PolicyId};
use super::json::{JsonError, Reader, Reason};
use super::kinds::{
    Agents, BasisPoints, Count, Currency, Id, Minor, Name, OnBehalfOf, Scopes, WindowSeconds, Word, lists,
    numbers, word_kind,
};
use super::scope::Scope;

/// Most rules of one policy.
pub const POLICY_RULES_MAX: usize = 32;

words! {
    /// What a rule does to the actions that it is about.
    PolicyEffect, "one of deny, require, approve" {
        /// Denied, if the condition holds, or always without one.
        Deny = "deny",
        /// Denied, unless the condition holds.
        Require = "require",
        /// Needs an approval, if the condition holds, or always without one.
        Approve = "approve",
    }
}

words! {
    /// Whether a policy is looked at.
    PolicyState, "one of active, disabled" {
        /// It is.
        Active = "active",
        /// It is not.
        Disabled = "disabled",
    }
}
word_kind!(AgentType, PolicyEffect, PolicyState);

numbers! {
    /// Smaller comes first.
    Priority: 0, 1_000_000, "0 to 1000000";
    /// A day of the week.
    Weekday: 1, 7, "a day of the week, 1 is Monday";
    /// A minute of the day, as a beginning.
    MinuteFrom: 0, 1_439, "a minute of the UTC day, 0 to 1439";
    /// A minute of the day, as an end.
    MinuteTo: 1, 1_440, "a minute of the UTC day, 1 to 1440";
    /// Links above.
    DepthMax: 0, super::GRANT_DEPTH_MAX, "0 to 8";
    /// Links above, at least: without a bound there is nothing to say.
    DepthMin: 1, super::GRANT_DEPTH_MAX, "1 to 8";
}

lists! {
    /// Types of agents.
    AgentTypes: sorted AgentType as Word<AgentType>, 1, 4, "a list of agent types, in the order autonomous, supervised, delegated, system";
    /// Days.
    Weekdays: sorted u64 as Weekday, 1, 7, "a sorted list of days of the week, 1 is Monday";
    /// Rules, in order.
    Rules: plain PolicyRule as PolicyRule, 1, POLICY_RULES_MAX, "a list of 1 to 32 rules";
}

object! {
    /// A number of calls in a window.
    RateLimit is "a rate" {
        /// most calls
        required max: u64 as Count,
        /// length of the window of log time
        required window_s: u64 as WindowSeconds,
    }
}

object! {
    /// An amount in a window.
    SpendLimit is "a budget" {
        /// the currency
        required currency: String as Currency,
        /// most to spend, the decision at hand included
        required max_minor: u64 as Minor,
        /// length of the window of log time
        required window_s: u64 as WindowSeconds,
    }
}

object! {
    /// A part of the UTC day of log time: from the minute `from` up to and without `to`.
    MinutesOfDay is "a part of the day", check in_order {
        /// where it begins
        required from: u64 as MinuteFrom,
        /// where it ends
        required to: u64 as MinuteTo,
    }
}

impl MinutesOfDay {
    fn in_order(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        if self.from < self.to {
            Ok(())
        } else {
            Err(r.field_error("to", Reason::Invalid { rule: "more than from" }))
        }
    }
}

object! {
    /// A condition: all that is given must hold.
    PolicyCondition is "a condition", check says_something {
        /// the agent has at most this many allowed decisions in the window, the one at hand included
        optional calls: RateLimit as RateLimit,
        /// the day of the week is one of these
        optional days: Vec<u64> as Weekdays,
        /// the grant it acts under has at most this many links above, or there is no grant
        optional depth_max: u64 as DepthMax,
        /// the grant it acts under has at least this many links above
        optional depth_min: u64 as DepthMin,
        /// the time of day is within
        optional minutes: MinutesOfDay as MinutesOfDay,
        /// the agent spends at most this in the window
        optional spend: SpendLimit as SpendLimit,
        /// the agent's score is at most this; does not hold for an agent without a score
        optional trust_max_bp: u64 as BasisPoints,
        /// the agent's score is at least this; does not hold for an agent without a score
        optional trust_min_bp: u64 as BasisPoints,
    }
}

impl PolicyCondition {
    fn says_something(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        let there = [
            self.calls.is_some(),
            self.days.is_some(),
            self.depth_max.is_some(),
            self.depth_min.is_some(),
            self.minutes.is_some(),
            self.spend.is_some(),
            self.trust_max_bp.is_some(),
            self.trust_min_bp.is_some(),
        ];
        if there.contains(&true) {
            return Ok(());
        }
        Err(r.field_error("", Reason::Invalid { rule: "an object with members, or absent" }))
    }
}

object! {
    /// One rule.
    PolicyRule is "a rule", check require_has_condition {
        /// the actions that it is about; one of them is enough
        required actions: Vec<Scope> as Scopes,
        /// the types of agents that it is about; absent: all
        optional agent_types: Vec<AgentType> as AgentTypes,
        /// the tenant's agents that it is about; absent: all
        optional agents: Vec<AgentId> as Agents,
        /// what it does
        required effect: PolicyEffect as Word<PolicyEffect>,
        /// when
        optional when: PolicyCondition as PolicyCondition,
    }
}

impl PolicyRule {
    fn require_has_condition(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        if self.actions.is_empty() {
            return Err(r.field_error("actions", Reason::Invalid { rule: "at least one scope" }));
        }
        if self.effect == PolicyEffect::Require && self.when.is_none() {
            return Err(r.field_error("when", Reason::Invalid { rule: "there, because effect is require" }));
        }
        Ok(())
    }
}

body! {
    /// Body of `policy.put`: a policy, or a new version of one.
    ///
    /// Effect: the policy is active with these rules. Decisions look at a tenant's active policies by ascending `priority`, then by the index of
    /// their first version. A deny overrides everything. Refused: `policy_of_other_tenant`, `too_many_policies`.
    PolicyPut = "policy.put" by [Tenant, Operator], info PUT {
        /// what people call it
        required name: String as Name,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// its id
        required policy: PolicyId as Id<PolicyId>,
        /// smaller comes first
        required priority: u64 as Priority,
        /// its rules, in order
        required rules: Vec<PolicyRule> as Rules,
    }
}

body! {
    /// Body of `policy.status`: a policy is switched on or off.
    ///
    /// Effect: as it says. Refused: `policy_unknown`.
    PolicyStatus = "policy.status" by [Tenant, Operator], info STATUS {
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the policy
        required policy: PolicyId as Id<PolicyId>,
        /// on or off
        required status: PolicyState as Word<PolicyState>,
    }
}
