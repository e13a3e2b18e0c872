//! From records to trust scores: the trust engine over the state of one command.
//!
//! Families say what an entry means for trust ([`Batch::observe`]), in the order of the table in `docs/trust-score.md`; the
//! engine changes its values in the same batch. So scores follow from the entries like everything else.

use std::cell::RefCell;

use ledger_format::record::{AgentId, Record, TenantId, TrustCompute, Ulid};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::fields::value;
use crate::keys::{self, Kept};
use crate::metering::Metric;
use crate::overlay::Raw;
use crate::subject::Subject;
use crate::trust::{self, AgentState, Citation, EngineError, Id, Input, Reading, TrustStore, What};
use crate::view::View;

/// Citations let go of with each new one. Two: more than come in, so that old ones never pile up, and no entry pays for a day.
const CITATIONS_DROPPED: usize = 2;

value! {
    /// A number that is a value by itself.
    pub(crate) Number {
        /// The number.
        value: u64,
    }
}

value! {
    /// The newest score of an agent that its tenant asked for.
    pub ComputedScore {
        /// Index of the record that asked: the score is as of this entry.
        index: u64,
        /// The log's time in it, ms since 1970.
        log_ms: u64,
        /// The score in basis points; `None` is unscored.
        score_bp: Option<u64>,
        /// [`Reading::explain`]: everything that the score comes from, in canonical JSON.
        explanation: String,
    }
}

/// Where that score is kept.
pub(crate) fn computed_key(agent: AgentId) -> Vec<u8> {
    keys::kept(Kept::Computed, &agent.0.to_bytes(), &[])
}

pub(crate) fn compute<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &TrustCompute,
) -> Result<(), Stop> {
    batch.agent_of(record.tenant, body.agent, "body.agent")?;
    batch.count_usage(record.tenant, Metric::TrustComputes)?;
    let (index, log_ms) = (batch.next_index(), batch.service.log_ms);
    let reading = batch.trust_of(body.agent)?;
    let explanation = String::from_utf8(reading.explain(log_ms)).unwrap_or_default();
    let score_bp = reading.score;
    batch.put(computed_key(body.agent), ComputedScore { index, log_ms, score_bp, explanation });
    Ok(())
}

/// The name of an agent in trust inputs: its canonical id.
pub(crate) fn agent_name(agent: AgentId) -> Id {
    Id::parse(&agent.to_string()).expect("an agent id is made of characters that names allow")
}

/// The name of a tenant in trust inputs: its canonical id.
pub(crate) fn tenant_name(tenant: Ulid) -> Id {
    Id::parse(&TenantId(tenant).to_string()).expect("a tenant id is made of characters that names allow")
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// Takes into account what the entry at hand means for trust. The agent's status says how far it is trusted, so it waits to be
    /// sealed again.
    pub(crate) fn observe(&mut self, what: What) -> Result<(), Alarm> {
        let input = Input { ms: self.service.log_ms, what };
        trust::apply(&mut Scores(RefCell::new(self)), &input).map_err(alarm)?;
        self.note_severity(&input.what)?;
        if let Some(agent) = input.what.agent().and_then(|id| AgentId::parse(id.as_str())) {
            self.mark_dirty(Subject::Agent(agent))?;
        }
        self.trust_inputs.push((self.next_index(), input));
        Ok(())
    }

    /// The agent's trust as of the entry at hand, with what it has changed so far.
    pub(crate) fn trust_of(&mut self, agent: AgentId) -> Result<Reading, Alarm> {
        let key = keys::trust(agent);
        let missing = || Alarm::CorruptState { key: key.clone(), reason: "an agent without trust".into() };
        let state = self.get::<AgentState>(key.clone())?.ok_or_else(missing)?;
        // No input is later than the log's time, so nothing is left to check.
        Ok(state.reading_at(self.service.log_ms))
    }
}

/// An input that the engine refuses was not derived as it should be: this state is not what the entries say.
fn alarm(error: EngineError<Alarm>) -> Alarm {
    match error {
        EngineError::Store(alarm) => alarm,
        EngineError::Rejected(error) => {
            Alarm::CorruptState { key: keys::TRUST_MS.to_vec(), reason: format!("trust: {error}") }
        }
    }
}

/// The batch as the engine's store. Reading fills the batch's cache, hence the cell.
struct Scores<'b, 'v, V: ?Sized>(RefCell<&'b mut Batch<'v, V>>);

fn agent_key(id: &Id) -> Vec<u8> {
    keys::trust(AgentId::parse(id.as_str()).unwrap_or_default())
}

fn weight_key(id: &Id) -> Vec<u8> {
    keys::tenant_weight(TenantId::parse(id.as_str()).unwrap_or_default().0)
}

fn citation_key(day: u64, citation: &Citation) -> Vec<u8> {
    let id = |id: &Id| AgentId::parse(id.as_str()).unwrap_or_default();
    keys::citation(day, citation.interaction, id(&citation.by), id(&citation.agent))
}

impl<V: View + ?Sized> TrustStore for Scores<'_, '_, V> {
    type Error = Alarm;

    fn last_ms(&self) -> Result<u64, Alarm> {
        let last = self.0.borrow_mut().get::<Number>(keys::TRUST_MS.to_vec())?;
        Ok(last.map_or(0, |number| number.value))
    }

    fn put_last_ms(&mut self, ms: u64) -> Result<(), Alarm> {
        self.0.get_mut().put(keys::TRUST_MS.to_vec(), Number { value: ms });
        Ok(())
    }

    fn agent(&self, id: &Id) -> Result<Option<AgentState>, Alarm> {
        Ok(self.0.borrow_mut().get::<AgentState>(agent_key(id))?.map(|state| (*state).clone()))
    }

    fn put_agent(&mut self, id: &Id, state: AgentState) -> Result<(), Alarm> {
        let batch = self.0.get_mut();
        batch.note_trust(AgentId::parse(id.as_str()).unwrap_or_default(), &state)?;
        batch.put(agent_key(id), state);
        Ok(())
    }

    fn tenant_weight_q12(&self, tenant: &Id) -> Result<u64, Alarm> {
        let weight = self.0.borrow_mut().get::<Number>(weight_key(tenant))?;
        Ok(weight.map_or(0, |number| number.value))
    }

    fn put_tenant_weight_q12(&mut self, tenant: &Id, weight_q12: u64) -> Result<(), Alarm> {
        let batch = self.0.get_mut();
        match weight_q12 {
            0 => batch.delete(weight_key(tenant)),
            value => batch.put(weight_key(tenant), Number { value }),
        }
        Ok(())
    }

    fn is_cited(&self, day: u64, citation: &Citation) -> Result<bool, Alarm> {
        Ok(self.0.borrow_mut().get::<Raw>(citation_key(day, citation))?.is_some())
    }

    fn put_citation(&mut self, day: u64, citation: Citation) -> Result<(), Alarm> {
        let batch = self.0.get_mut();
        batch.put(citation_key(day, &citation), Raw(Vec::new()));
        let today = batch.service.log_ms / trust::DAY_MS;
        let oldest = keys::citations_from(today.saturating_sub(trust::constants::peers::MAX_AGE_DAYS));
        for _ in 0..CITATIONS_DROPPED {
            let Some(old) = batch.next_key(&keys::citations_from(0), &oldest) else { break };
            batch.delete(old);
        }
        Ok(())
    }

    /// Nothing: they go with the next ones that come, a few at a time.
    fn forget_citations_before(&mut self, _day: u64) -> Result<(), Alarm> {
        Ok(())
    }
}
