//! A rule as the record holds it, read strictly.

use ledger_format::record::{
    AgentType, MinutesOfDay, PolicyCondition, PolicyEffect, PolicyRule, RateLimit, SpendLimit,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ask::CurrencyCode;
use crate::wire::{AgentRef, ScopeText, Whole};

type Seconds = Whole<1, 31_536_000>;

/// A rule as the record `policy.put` has it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedRule {
    /// What it is about; one of them is enough.
    #[schema(min_items = 1, max_items = 256)]
    actions: Vec<ScopeText>,
    /// The types of agents that it is about; all, when left out.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 4)]
    agent_types: Option<Vec<AgentTypeWord>>,
    /// The agents that it is about; all, when left out.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 64)]
    agents: Option<Vec<AgentRef>>,
    effect: RecordedEffect,
    /// When it holds; always, when left out.
    #[serde(default)]
    when: Option<RecordedCondition>,
}

/// How much an agent acts by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AgentTypeWord {
    Autonomous,
    Supervised,
    Delegated,
    System,
}

impl From<AgentTypeWord> for AgentType {
    fn from(word: AgentTypeWord) -> Self {
        match word {
            AgentTypeWord::Autonomous => AgentType::Autonomous,
            AgentTypeWord::Supervised => AgentType::Supervised,
            AgentTypeWord::Delegated => AgentType::Delegated,
            AgentTypeWord::System => AgentType::System,
        }
    }
}

/// `deny`: denied, if the condition holds. `require`: denied, unless it holds. `approve`: needs an approval, if it holds.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RecordedEffect {
    Deny,
    Require,
    Approve,
}

/// A condition: all that is given must hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecordedCondition {
    /// The agent has at most this many allowed decisions in the window, the one at hand included.
    #[serde(default)]
    calls: Option<CallsLimit>,
    /// The day of the week in UTC is one of these; 1 is Monday.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 7)]
    days: Option<Vec<Whole<1, 7>>>,
    /// The grant that it acts under has at most this many links above, or there is none.
    #[serde(default)]
    depth_max: Option<Whole<0, 8>>,
    /// The grant that it acts under has at least this many links above.
    #[serde(default)]
    depth_min: Option<Whole<1, 8>>,
    /// The time of day in UTC is within.
    #[serde(default)]
    minutes: Option<DayPart>,
    /// The agent spends at most this in the window.
    #[serde(default)]
    spend: Option<SpendWindow>,
    /// The agent's score is at most this, in hundredths of a point, 0 to 10000; holds for no agent without a score.
    #[serde(default)]
    trust_max_bp: Option<Whole<0, 10_000>>,
    /// The agent's score is at least this, in hundredths of a point, 0 to 10000; holds for no agent without a score.
    #[serde(default)]
    trust_min_bp: Option<Whole<0, 10_000>>,
}

/// A number of calls in a window.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CallsLimit {
    /// Most calls.
    max: Whole<1, 1_000_000_000>,
    /// Length of the window, seconds of log time.
    window_s: Seconds,
}

/// Part of a day, from one minute up to and without another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DayPart {
    /// First minute of the UTC day.
    from: Whole<0, 1_439>,
    /// The minute at which it is over, after `from`.
    to: Whole<1, 1_440>,
}

/// An amount in a window.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SpendWindow {
    currency: CurrencyCode,
    /// Most to spend in the currency's smallest unit, the decision at hand included.
    max_minor: Whole<0, 9_007_199_254_740_991>,
    /// Length of the window, seconds of log time.
    window_s: Seconds,
}

impl RecordedRule {
    /// The rule in its one spelling; or the field at fault and what is wrong with it.
    pub(super) fn rule(&self) -> Result<PolicyRule, (String, String)> {
        let mut actions = Vec::with_capacity(self.actions.len());
        for (at, text) in self.actions.iter().enumerate() {
            let field = || format!("actions[{at}]");
            let (scope, denied) = text.scope().map_err(|error| (field(), error))?;
            if denied {
                return Err((field(), "a rule's actions have no `!`: its effect says what happens".into()));
            }
            actions.push(scope);
        }
        sort(&mut actions);
        if actions.is_empty() || actions.len() > 256 {
            return Err(("actions".into(), "must have 1 to 256 actions".into()));
        }
        let agents = self.agents.as_ref().map(|list| {
            let mut list: Vec<_> = list.iter().map(|agent| agent.0).collect();
            sort(&mut list);
            list
        });
        if agents.as_ref().is_some_and(|list| list.is_empty() || list.len() > 64) {
            return Err(("agents".into(), "must have 1 to 64 agents, or be left out".into()));
        }
        let types = self.agent_types.as_ref().map(|list| {
            let mut list = list.clone();
            sort(&mut list);
            list.into_iter().map(AgentType::from).collect::<Vec<_>>()
        });
        if types.as_ref().is_some_and(Vec::is_empty) {
            return Err(("agent_types".into(), "must have a type, or be left out".into()));
        }
        let when = self.when.as_ref().map(RecordedCondition::condition).transpose()?;
        let effect = match self.effect {
            RecordedEffect::Deny => PolicyEffect::Deny,
            RecordedEffect::Approve => PolicyEffect::Approve,
            RecordedEffect::Require if when.is_none() => {
                return Err(("when".into(), "must be there, because the effect is require".into()));
            }
            RecordedEffect::Require => PolicyEffect::Require,
        };
        Ok(PolicyRule { actions, agent_types: types, agents, effect, when })
    }
}

impl RecordedCondition {
    fn condition(&self) -> Result<PolicyCondition, (String, String)> {
        let days = self.days.as_ref().map(|list| {
            let mut list: Vec<_> = list.iter().map(|day| day.get()).collect();
            sort(&mut list);
            list
        });
        if days.as_ref().is_some_and(Vec::is_empty) {
            return Err(("when.days".into(), "must have a day, or be left out".into()));
        }
        let minutes = self.minutes.as_ref().map(|part| (part.from.get(), part.to.get()));
        if minutes.is_some_and(|(from, to)| from >= to) {
            return Err(("when.minutes.to".into(), "must be after from".into()));
        }
        let calls = self.calls.as_ref();
        let spend = self.spend.as_ref().map(|spend| SpendLimit {
            currency: spend.currency.as_str().to_owned(),
            max_minor: spend.max_minor.get(),
            window_s: spend.window_s.get(),
        });
        // The log counts calls and money of a rule together, in one window.
        if calls.zip(spend.as_ref()).is_some_and(|(calls, spend)| calls.window_s.get() != spend.window_s) {
            let text = "must be as long as that of calls; two windows are two rules";
            return Err(("when.spend.window_s".into(), text.into()));
        }
        let condition = PolicyCondition {
            calls: calls.map(|rate| RateLimit { max: rate.max.get(), window_s: rate.window_s.get() }),
            days,
            depth_max: self.depth_max.map(Whole::get),
            depth_min: self.depth_min.map(Whole::get),
            minutes: minutes.map(|(from, to)| MinutesOfDay { from, to }),
            spend,
            trust_max_bp: self.trust_max_bp.map(Whole::get),
            trust_min_bp: self.trust_min_bp.map(Whole::get),
        };
        if condition == NOTHING {
            return Err(("when".into(), "must say something, or be left out".into()));
        }
        Ok(condition)
    }
}

/// A condition that says nothing.
pub(super) const NOTHING: PolicyCondition = PolicyCondition {
    calls: None,
    days: None,
    depth_max: None,
    depth_min: None,
    minutes: None,
    spend: None,
    trust_max_bp: None,
    trust_min_bp: None,
};

/// In order, each once.
pub(super) fn sort<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}
