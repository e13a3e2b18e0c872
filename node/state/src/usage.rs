//! What was used: calls and money of grants and of policy rules, each in windows of log time that follow each other.

use ledger_format::record::{Amount, RuleRef};

use crate::applied::Alarm;
use crate::authority::{Chain, Grant};
use crate::batch::Batch;
use crate::decide::Question;
use crate::fields::value;
use crate::keys::{self, Kept};
use crate::policies::Rule;
use crate::view::View;

value! {
    /// What was used in one window.
    pub(crate) Usage {
        /// Which window.
        window: u64,
        /// Calls.
        calls: u64,
        /// Money, in the currency's smallest unit.
        spent: u64,
    }
}

impl Usage {
    /// What counts in `window`: nothing, if something was used in another one.
    fn in_window(self, window: u64) -> Usage {
        if self.window == window { self } else { Usage { window, calls: 0, spent: 0 } }
    }

    fn plus(self, minor: u64) -> Usage {
        Usage { calls: self.calls.saturating_add(1), spent: self.spent.saturating_add(minor), ..self }
    }
}

impl<V: View + ?Sized> Batch<'_, V> {
    fn usage(&mut self, key: Vec<u8>, window: u64) -> Result<Usage, Alarm> {
        let known = self.get::<Usage>(key)?.map(|usage| (*usage).clone());
        Ok(known.unwrap_or(Usage { window, calls: 0, spent: 0 }).in_window(window))
    }

    /// The window of a grant at the entry at hand; windows follow each other from the offer on.
    fn window_of(&self, grant: &Grant) -> u64 {
        let length = grant.limits.window_s.map_or(u64::MAX, |seconds| seconds.saturating_mul(1_000));
        self.service.log_ms.saturating_sub(grant.offered_ms) / length
    }

    /// Whether one call more, of that amount, is within every link.
    pub(crate) fn usage_fits(&mut self, chain: &Chain, amount: Option<&Amount>) -> Result<bool, Alarm> {
        for (id, grant) in chain {
            let limits = &grant.limits;
            if let (Some(amount), Some(currency)) = (amount, &limits.currency)
                && amount.currency != *currency
            {
                return Ok(false);
            }
            let window = self.window_of(grant);
            let after = self.usage(keys::grant_usage(*id), window)?.plus(amount.map_or(0, |a| a.minor));
            let over = |used: u64, max: Option<u64>| max.is_some_and(|max| used > max);
            if over(after.calls, limits.calls) || over(after.spent, limits.spend_minor) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Counts one call on every link: children share what their parent has.
    pub(crate) fn charge(&mut self, chain: &Chain, amount: Option<&Amount>) -> Result<(), Alarm> {
        for (id, grant) in chain {
            if grant.limits.window_s.is_some() {
                let key = keys::grant_usage(*id);
                let window = self.window_of(grant);
                let usage = self.usage(key.clone(), window)?.plus(amount.map_or(0, |a| a.minor));
                self.put(key, usage);
            }
        }
        Ok(())
    }

    fn rule_usage(
        &mut self,
        question: &Question,
        place: RuleRef,
        rule: &Rule,
    ) -> Result<Option<(Vec<u8>, Usage)>, Alarm> {
        let Some(window_s) = rule.window_s() else { return Ok(None) };
        let agent = question.agent.0.to_bytes();
        let at = [&place.place.to_be_bytes()[..], &agent[..]].concat();
        let key = keys::kept(Kept::RuleUsage, &place.policy.0.to_bytes(), &at);
        let window = self.service.log_ms / window_s.saturating_mul(1_000);
        let usage = self.usage(key.clone(), window)?;
        Ok(Some((key, usage)))
    }

    /// Whether a rule's rate and budget hold with the question at hand included.
    pub(crate) fn counts_hold(
        &mut self,
        question: &Question,
        place: RuleRef,
        rule: &Rule,
    ) -> Result<bool, Alarm> {
        let Some((_, usage)) = self.rule_usage(question, place, rule)? else { return Ok(true) };
        let Some(when) = &rule.when else { return Ok(true) };
        let calls = when.calls.is_none_or(|(max, _)| usage.calls.saturating_add(1) <= max);
        let spend = when.spend.as_ref().is_none_or(|(currency, (max, _))| {
            let minor = question.amount.as_ref().filter(|a| a.currency == *currency).map_or(0, |a| a.minor);
            usage.spent.saturating_add(minor) <= *max
        });
        Ok(calls && spend)
    }

    /// Counts an allowed decision for every rule that counts it.
    pub(crate) fn count_for_rules(&mut self, question: &Question) -> Result<(), Alarm> {
        let Some(agent) = self.find_agent(question.agent)? else { return Ok(()) };
        let (_, rules) = self.rules_of(question.tenant)?;
        for placed in rules {
            let rule = placed.rule();
            if !rule.is_about(&question.action, question.agent, agent.agent_type) {
                continue;
            }
            let Some((key, usage)) = self.rule_usage(question, placed.place, rule)? else { continue };
            let currency =
                rule.when.as_ref().and_then(|when| when.spend.as_ref()).map(|(currency, _)| currency);
            let minor =
                question.amount.as_ref().filter(|a| Some(&a.currency) == currency).map_or(0, |a| a.minor);
            self.put(key, usage.plus(minor));
        }
        Ok(())
    }
}
