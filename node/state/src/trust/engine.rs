//! One input in, the changed state out: a constant amount of work, whatever the history.

use super::agent::{AgentState, Status};
use super::constants::{DAY_MS, EPOCH_MS, MAX_INTEGER, peers};
use super::error::{EngineError, TrustError};
use super::id::Id;
use super::input::{Attestation, Input, What};
use super::peers::share_q12;
use super::reading::Reading;
use super::store::{Citation, TrustStore};

/// Applies an input, or rejects it and changes nothing, not even the clock.
///
/// Of several errors the first is reported, in the order of [`TrustError`].
pub fn apply<S: TrustStore>(store: &mut S, input: &Input) -> Result<(), EngineError<S::Error>> {
    input.check()?;
    let last_ms = store.last_ms().map_err(EngineError::Store)?;
    if input.ms < last_ms {
        return Err(TrustError::TimeWentBackwards.into());
    }
    match &input.what {
        What::Register { agent, tenant } => {
            if load(store, agent)?.is_some() {
                return Err(TrustError::DuplicateAgent.into());
            }
            let new = AgentState::new(tenant.clone(), input.ms / EPOCH_MS);
            set_time(store, last_ms, input.ms)
                .and_then(|()| store.put_agent(agent, new))
                .map_err(EngineError::Store)
        }
        What::TenantWeight { tenant, weight_q12 } => set_time(store, last_ms, input.ms)
            .and_then(|()| store.put_tenant_weight_q12(tenant, *weight_q12))
            .map_err(EngineError::Store),
        What::Attest(attestation) => {
            let subject = load(store, &attestation.agent)?.ok_or(TrustError::UnknownAgent)?;
            let attester = load(store, &attestation.by)?.ok_or(TrustError::UnknownAgent)?;
            set_time(store, last_ms, input.ms)
                .and_then(|()| attest(store, subject, attester, attestation, input.ms))
                .map_err(EngineError::Store)
        }
        What::Action { agent: id, .. }
        | What::Denial { agent: id }
        | What::Session { agent: id, .. }
        | What::Delegate { agent: id, .. }
        | What::Status { agent: id, .. } => {
            let mut agent = load(store, id)?.ok_or(TrustError::UnknownAgent)?;
            agent.advance(input.ms / EPOCH_MS);
            record(&mut agent, &input.what);
            set_time(store, last_ms, input.ms)
                .and_then(|()| store.put_agent(id, agent))
                .map_err(EngineError::Store)
        }
    }
}

/// The reading of an agent at log time `ms`, which is not before the last accepted input. Changes nothing.
pub fn reading<S: TrustStore>(store: &S, agent: &Id, ms: u64) -> Result<Reading, EngineError<S::Error>> {
    let agent = load(store, agent)?.ok_or(TrustError::UnknownAgent)?;
    if ms > MAX_INTEGER {
        return Err(TrustError::Malformed.into());
    }
    if ms < store.last_ms().map_err(EngineError::Store)? {
        return Err(TrustError::TimeWentBackwards.into());
    }
    Ok(agent.reading_at(ms))
}

fn load<S: TrustStore>(store: &S, id: &Id) -> Result<Option<AgentState>, EngineError<S::Error>> {
    store.agent(id).map_err(EngineError::Store)
}

/// What concerns one agent alone.
fn record(agent: &mut AgentState, what: &What) {
    match what {
        What::Action { outcome, .. } => agent.record_action(*outcome),
        What::Denial { .. } => agent.record_denial(),
        What::Session { outcome, .. } => agent.record_session(*outcome),
        What::Delegate { ceiling_bp, cross_tenant, .. } => agent.set_ceiling(*ceiling_bp, *cross_tenant),
        What::Status { change, .. } => agent.set_status(*change),
        What::Register { .. } | What::TenantWeight { .. } | What::Attest(_) => {}
    }
}

/// Moves the clock. A new log day lets go of the interactions that cannot be cited any more.
fn set_time<S: TrustStore>(store: &mut S, last_ms: u64, ms: u64) -> Result<(), S::Error> {
    let day = ms / DAY_MS;
    if day != last_ms / DAY_MS {
        store.forget_citations_before(day.saturating_sub(peers::MAX_AGE_DAYS))?;
    }
    store.put_last_ms(ms)
}

/// Brings the subject up to date and adds the attestation, if it counts.
fn attest<S: TrustStore>(
    store: &mut S,
    mut subject: AgentState,
    attester: AgentState,
    attestation: &Attestation,
    ms: u64,
) -> Result<(), S::Error> {
    subject.advance(ms / EPOCH_MS);
    if let Some((share, weight)) = worth(store, &subject.tenant, &attester, attestation, ms)? {
        subject.record_attestation(&attester.tenant, attestation.verdict, share, weight);
    }
    store.put_agent(&attestation.agent, subject)
}

/// Share and weight of an attestation that counts, after marking its interaction as used; `None` when one of these holds, in
/// this order: own tenant; attester not active; its tenant without weight; interaction older than 30 log days; used before;
/// attester unscored; share of nothing. What does not count leaves the interaction unused.
///
/// The attester is brought up to date only when its score is asked for, and is then stored so.
fn worth<S: TrustStore>(
    store: &mut S,
    subject_tenant: &Id,
    attester: &AgentState,
    attestation: &Attestation,
    ms: u64,
) -> Result<Option<(u64, u64)>, S::Error> {
    if attester.tenant == *subject_tenant || attester.status != Status::Active {
        return Ok(None);
    }
    let weight = store.tenant_weight_q12(&attester.tenant)?;
    let day = attestation.interaction_ms / DAY_MS;
    if weight == 0 || ms / DAY_MS - day > peers::MAX_AGE_DAYS {
        return Ok(None);
    }
    let Attestation { agent, by, interaction, .. } = attestation;
    let citation = Citation { interaction: *interaction, by: by.clone(), agent: agent.clone() };
    if store.is_cited(day, &citation)? {
        return Ok(None);
    }
    let mut attester = attester.clone();
    attester.advance(ms / EPOCH_MS);
    let share = attester.score_without_peers().map_or(0, |score| share_q12(weight, score));
    store.put_agent(by, attester)?;
    if share == 0 {
        return Ok(None);
    }
    store.put_citation(day, citation)?;
    Ok(Some((share, weight)))
}
