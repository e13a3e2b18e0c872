//! What is served about an agent: its score and everything that explains it.

use ledger_format::record::json::{INTEGER_MAX, Writer};

use super::agent::{AgentState, Status};
use super::constants::{ALGORITHM_ID, ALGORITHM_NAME, EPOCH_MS, EPOCHS_PER_DAY};
use super::score::{Caps, Factors, Trend};

/// A score and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The score in basis points; `None` is unscored, and fails every minimum in a policy.
    pub score: Option<u64>,
    /// Whether the agent may act.
    pub status: Status,
    /// The score before caps, of an ended agent too.
    pub combined: Option<u64>,
    /// The five factors.
    pub factors: Factors,
    /// The three limits.
    pub caps: Caps,
    /// Names of the caps below `combined`, in the order newcomer, severity, delegation.
    pub caps_hit: Vec<&'static str>,
    /// Where the score goes.
    pub trend: Option<Trend>,
}

impl AgentState {
    /// The reading as of the epoch that the agent is up to date to.
    pub fn reading(&self) -> Reading {
        let (factors, caps) = (self.factors(), self.caps());
        let combined = factors.combined();
        let hit = |&(_, cap): &(&'static str, u64)| combined.is_some_and(|combined| cap < combined);
        Reading {
            score: self.score(),
            status: self.status,
            combined,
            factors,
            caps,
            caps_hit: caps.named().into_iter().filter(hit).map(|(name, _)| name).collect(),
            trend: self.trend(),
        }
    }

    /// The score at the end of a log day, when its last epoch has closed and nothing has faded yet; `Some(None)` is unscored. `None`
    /// for a day before the agent's epoch.
    pub fn closing_score(&self, day: u64) -> Option<Option<u64>> {
        let next_epoch = day.checked_add(1)?.checked_mul(EPOCHS_PER_DAY)?;
        if self.epoch >= next_epoch {
            return None;
        }
        let mut agent = self.clone();
        agent.advance(next_epoch);
        agent.closing_scores.last().copied()
    }

    /// The reading at a log time, at or after the agent's epoch; the agent itself stays as it is.
    pub fn reading_at(&self, ms: u64) -> Reading {
        self.at(ms).reading()
    }

    /// The agent brought up to a log time, at or after its epoch.
    #[must_use]
    pub fn at(&self, ms: u64) -> AgentState {
        let mut agent = self.clone();
        agent.advance(ms / EPOCH_MS);
        agent
    }
}

impl Reading {
    /// What automatic responses look at, in basis points: the lower of score and severity cap, so that an agent that has only
    /// done harm and is still unscored is acted on too.
    pub fn response_bp(&self) -> u64 {
        self.score.map_or(self.caps.severity, |score| score.min(self.caps.severity))
    }

    /// The reading in canonical JSON, as vector files hold it: factors in basis points only.
    pub fn to_json(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(384);
        self.write_json(&mut w);
        w.finish()
    }

    /// Prints [`Reading::to_json`] into a writer.
    pub fn write_json(&self, w: &mut Writer) {
        w.open_object();
        self.write_caps(w);
        optional(w, "combined", self.combined);
        w.key("factors");
        w.open_object();
        for (name, _, factor) in self.factors_by_name() {
            optional(w, name, factor.map(|factor| factor.bp));
        }
        w.close_object();
        self.write_verdict(w);
        w.close_object();
    }

    /// The explanation in canonical JSON: algorithm, time, score, caps and caps hit, and for each factor its weight and the
    /// fraction that it comes from.
    pub fn explain(&self, ms: u64) -> Vec<u8> {
        debug_assert!(ms <= INTEGER_MAX, "log time is below 2^53");
        let mut w = Writer::with_capacity(768);
        w.open_object();
        w.text_field("algorithm", ALGORITHM_ID);
        self.write_caps(&mut w);
        optional(&mut w, "combined", self.combined);
        w.key("factors");
        w.open_object();
        for (name, weight, factor) in self.factors_by_name() {
            w.key(name);
            let Some(factor) = factor else {
                w.null();
                continue;
            };
            w.open_object();
            w.unsigned_field("bp", factor.bp);
            w.unsigned_field("denominator", factor.denominator);
            w.key("numerator");
            w.integer(factor.numerator);
            w.unsigned_field("weight", weight);
            w.close_object();
        }
        w.close_object();
        w.unsigned_field("ms", ms);
        self.write_verdict(&mut w);
        w.close_object();
        w.finish()
    }

    /// What the status map and claims say of a score, as an object in canonical JSON: algorithm, log time, score, the three caps,
    /// and of each factor with data the fraction that it comes from; and the lowest severity cap of the tenant's agents.
    pub fn write_status(&self, w: &mut Writer, as_of_ms: u64, tenant_cap_bp: u64) {
        w.open_object();
        w.text_field("alg", ALGORITHM_NAME);
        w.unsigned_field("as_of", as_of_ms);
        w.key("cap_bp");
        self.write_cap_values(w);
        w.key("factors");
        w.open_object();
        for (name, _, factor) in self.factors_by_name() {
            let Some(factor) = factor else { continue };
            w.key(name);
            w.open_object();
            w.unsigned_field("bp", factor.bp);
            w.unsigned_field("denominator", factor.denominator);
            w.key("numerator");
            w.integer(factor.numerator);
            w.close_object();
        }
        w.close_object();
        optional(w, "score_bp", self.score);
        w.unsigned_field("tenant_cap_bp", tenant_cap_bp);
        w.close_object();
    }

    fn factors_by_name(&self) -> [(&'static str, u64, Option<super::score::Factor>); 5] {
        let mut factors = self.factors.named();
        factors.sort_by_key(|&(name, ..)| name);
        factors
    }

    fn write_cap_values(&self, w: &mut Writer) {
        w.open_object();
        let mut caps = self.caps.named();
        caps.sort_by_key(|&(name, _)| name);
        caps.into_iter().for_each(|(name, cap)| w.unsigned_field(name, cap));
        w.close_object();
    }

    fn write_caps(&self, w: &mut Writer) {
        w.key("caps");
        self.write_cap_values(w);
        w.key("caps_hit");
        w.open_array();
        self.caps_hit.iter().for_each(|name| w.string(name));
        w.close_array();
    }

    fn write_verdict(&self, w: &mut Writer) {
        optional(w, "score", self.score);
        w.text_field("status", self.status.as_str());
        w.key("trend");
        match self.trend {
            Some(trend) => w.string(trend.as_str()),
            None => w.null(),
        }
    }
}

/// `"key":7` or `"key":null`
pub(crate) fn optional(w: &mut Writer, key: &str, value: Option<u64>) {
    w.key(key);
    number_or_null(w, value);
}

/// `7` or `null`
pub(crate) fn number_or_null(w: &mut Writer, value: Option<u64>) {
    match value {
        Some(value) => w.unsigned(value),
        None => w.null(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::id::Id;
    use super::super::input::ActionOutcome;
    use super::*;

    /// A day's closing score is the same whether it is asked for on that day or noted when the day has passed.
    #[test]
    fn closing_scores_are_those_that_the_days_note() {
        let mut agent = AgentState::new(Id::parse("home").unwrap(), 10 * EPOCHS_PER_DAY + 5);
        agent.record_action(ActionOutcome::Ok);
        agent.record_action(ActionOutcome::Minor);
        assert_eq!(agent.closing_score(9), None);
        let asked: Vec<_> = (10..14).map(|day| agent.closing_score(day).unwrap()).collect();
        agent.advance(14 * EPOCHS_PER_DAY);
        assert_eq!(agent.closing_scores[3..], asked);
        assert!(asked[0].is_some() && asked[0] != asked[3], "evidence fades: {asked:?}");
        assert_eq!((agent.closing_score(13), agent.closing_score(u64::MAX)), (None, None));
    }
}
