//! Resolving an anomaly, and taking back what had followed from it.

use ledger_format::record::{
    AgentReactivate, AgentRevoke, AnomalyId, AnomalyResolution, AnomalyResolve, Body, Ulid,
};
use ledger_state::{AgentStatus, Anomaly};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    own_anomaly,
    view::{AnomalyView, ResolutionNotes, anomaly_view},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::Text,
};

/// What became of an anomaly.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveAnomaly {
    /// How it ended.
    resolution: ResolutionWord,
    /// What there is to say about it. Kept by the nodes, not in the log.
    #[serde(default)]
    notes: Option<Text<0, 4096>>,
    /// Who dealt with it; the credential when nothing is said.
    #[serde(default)]
    resolved_by: Option<Text<1, 256>>,
}

impl BodyInput for ResolveAnomaly {}

/// How an anomaly ended.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AnomalyResolution)]
pub(super) enum ResolutionWord {
    FalsePositive,
    Mitigated,
    AcceptedRisk,
    AgentRevoked,
}

impl ResolutionWord {
    fn record(self) -> AnomalyResolution {
        match self {
            ResolutionWord::FalsePositive => AnomalyResolution::FalsePositive,
            ResolutionWord::AcceptedRisk => AnomalyResolution::Accepted,
            // Revoking is a record of its own.
            ResolutionWord::Mitigated | ResolutionWord::AgentRevoked => AnomalyResolution::Mitigated,
        }
    }

    /// The word of a record that somebody has signed without this API.
    pub(super) fn of_record(resolution: AnomalyResolution) -> Self {
        match resolution {
            AnomalyResolution::FalsePositive => ResolutionWord::FalsePositive,
            AnomalyResolution::Accepted => ResolutionWord::AcceptedRisk,
            AnomalyResolution::Mitigated => ResolutionWord::Mitigated,
        }
    }
}

pub(super) async fn resolve(
    mut context: Context,
    _: NoQuery,
    body: ResolveAnomaly,
) -> Result<Reply<AnomalyView>, ApiError> {
    let id: AnomalyId = context.id("anomaly_id")?;
    let known = own_anomaly(&context, id)?;
    let record_id = context.new_id()?;
    if let Some(index) = known.resolved
        && !is_record(&context, index, record_id)?
    {
        let message = format!("the anomaly is resolved since index {index}");
        return Err(ApiError::conflict("ANOMALY_RESOLVED", message)
            .field("anomaly_id")
            .fix("nothing is left to do"));
    }
    let notes = ResolutionNotes {
        resolution: body.resolution,
        notes: body.notes.map(Text::into_string).unwrap_or_default(),
        resolved_by: body.resolved_by.map(Text::into_string),
    };
    let resolve = Body::AnomalyResolve(Box::new(AnomalyResolve {
        anomaly: id,
        on_behalf_of: context.on_behalf_of()?,
        resolution: body.resolution.record(),
    }));
    let mut records = vec![(record_id, resolve)];
    if let Some(record) = follow_up(&context, &known, body.resolution)? {
        records.push((context.new_id()?, record));
    }
    // Together: nobody sees the anomaly resolved and its suspension in force.
    let logged = match context.records_noted(records, &notes).await {
        // Somebody else has done the second already; the first stands.
        Err(error) if ["AGENT_NOT_SUSPENDED", "AGENT_REVOKED"].contains(&error.code.as_ref()) => Vec::new(),
        logged => logged?,
    };
    let known = own_anomaly(&context, id)?;
    let view = anomaly_view(&context, known.index)?;
    let mut view = view.ok_or_else(|| ApiError::internal("an anomaly without its record"))?;
    if let Some(first) = logged.first() {
        view = view.acked(first);
    }
    let index = logged.last().map_or(known.index, |logged| logged.index);
    Ok(Reply::new(view).at(index))
}

/// Whether it is this very call that has made the record at an index.
fn is_record(context: &Context, index: u64, id: Ulid) -> Result<bool, ApiError> {
    Ok(context.entry(index)?.is_some_and(|(_, record)| record.id == id))
}

/// The record that a resolution makes beside its own.
fn follow_up(
    context: &Context,
    anomaly: &Anomaly,
    resolution: ResolutionWord,
) -> Result<Option<Body>, ApiError> {
    let agent = context.view(|view| ledger_state::agent(view, anomaly.agent))?;
    let Some(status) = agent.map(|agent| agent.status) else { return Ok(None) };
    let on_behalf_of = context.on_behalf_of()?;
    let agent = anomaly.agent;
    Ok(match (resolution, status) {
        (ResolutionWord::AgentRevoked, AgentStatus::Active | AgentStatus::Suspended { .. }) => {
            let reason = "anomaly".into();
            Some(Body::AgentRevoke(AgentRevoke {
                agent,
                cascade: false,
                compromised_at: None,
                on_behalf_of,
                reason,
            }))
        }
        // Only what this anomaly has done: another suspension stays.
        (
            ResolutionWord::FalsePositive | ResolutionWord::AcceptedRisk,
            AgentStatus::Suspended { index, .. },
        ) if index == anomaly.index => {
            let reason = "anomaly_resolved".into();
            Some(Body::AgentReactivate(AgentReactivate { agent, on_behalf_of, reason }))
        }
        _ => None,
    })
}
