//! Reporting an anomaly.

use ledger_format::record::{AnomalyId, AnomalyReport, Body, Digest};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::receipts::{hex, salted_digest},
    SeverityWord,
    view::{AnomalyNotes, AnomalyView, anomaly_view},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{AgentRef, DescriptionText, Metadata, Text, token},
};

/// An anomaly to be reported.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportAnomaly {
    /// The agent that behaves strangely.
    agent_id: AgentRef,
    /// `rate_spike`, `scope_violation`, `trust_drop`, `pattern_deviation`, `geographic_anomaly` or another word.
    anomaly_type: Text<1, 64>,
    /// How bad it is: what follows depends on it.
    severity: SeverityWord,
    #[serde(default)]
    description: Option<DescriptionText>,
    /// What shows it. The log holds its salted digest.
    #[serde(default, alias = "details")]
    evidence: Option<Metadata>,
}

impl BodyInput for ReportAnomaly {}

pub(super) async fn report(
    mut context: Context,
    _: NoQuery,
    body: ReportAnomaly,
) -> Result<Reply<AnomalyView>, ApiError> {
    let agent = body.agent_id.0;
    context.own_agent(agent, "agent_id")?;
    let (anomaly, record_id) = (AnomalyId(context.new_id()?), context.new_id()?);
    let salt = hex(&context.draw("salt")?[..16]);
    let evidence = body.evidence.map(|evidence| evidence.0);
    let digest = evidence.as_ref().and_then(|evidence| Digest::parse(&salted_digest(&salt, evidence)));
    let notes = AnomalyNotes {
        anomaly_type: body.anomaly_type.as_str().to_owned(),
        description: body.description.map(Text::into_string).unwrap_or_default(),
        evidence: evidence.unwrap_or_default(),
        salt: if digest.is_some() { salt } else { String::new() },
    };
    let record = Body::AnomalyReport(Box::new(AnomalyReport {
        agent,
        anomaly,
        evidence: digest,
        kind: token(body.anomaly_type.as_str()),
        on_behalf_of: context.on_behalf_of()?,
        severity: body.severity.into(),
    }));
    let logged = context.record_noted(record_id, record, record_id, &notes).await?;
    let view = anomaly_view(&context, logged.index)?;
    let view = view.ok_or_else(|| ApiError::internal("an anomaly without its record"))?;
    Ok(Reply::new(view.acked(&logged)).at(logged.index))
}
