//! Why a score is what it is: fractions, caps, and the entries that moved it.

use std::collections::BTreeMap;

use ledger_format::record::{AgentId, Body, DecisionReason, DecisionResult, ReceiptId, Record};
use ledger_log::TimelineQuery;
use ledger_state::{
    Flags, receipt_meaning,
    trust::{ALGORITHM_ID, ONE_Q12, What},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    factors::percent,
    history::event,
    score::{Moment, TrustScoreList},
};
use crate::{
    ApiError,
    endpoint::{Context, QueryInput, Reply},
    wire::{Whole, time_text},
};

/// Entries when nothing is said.
const ENTRIES: u64 = 20;
/// Records about the agent that are looked at for them.
const LOOKS: usize = 1_000;
/// The types that can move a score.
const TYPES: &[&str] = &[
    "receipt.action",
    "decision",
    "session.close",
    "agent.register",
    "agent.suspend",
    "agent.reactivate",
    "agent.revoke",
    "agent.kill",
    "delegation.accept",
];

/// How much is shown.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExplainTrust {
    /// Most entries; 20 when left out.
    #[serde(default)]
    #[param(inline)]
    limit: Option<Whole<1, 200>>,
}

impl QueryInput for ExplainTrust {}

/// A score, and why it is what it is.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustExplanation {
    #[serde(flatten)]
    score: TrustScoreList,
    /// SHA-256 of the algorithm's constants.
    algorithm_id: &'static str,
    /// The score with everything that it comes from, as the log's rules write it.
    #[schema(value_type = Object)]
    explanation: Value,
    /// What each tenant's agents say of it, in units of evidence.
    peers: Vec<TrustPeer>,
    /// The lowest severity cap of the tenant's agents of the last 90 days, 0 to 100: what an abandoned agent leaves behind.
    #[schema(value_type = f64)]
    tenant_cap: f64,
    /// The newest score that was put on record; null before the first.
    on_record: Option<TrustOnRecord>,
    /// The newest entries that moved the score, newest first.
    entries: Vec<TrustEvidence>,
}

/// What one tenant's agents say of an agent.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustPeer {
    tenant_id: String,
    /// Good words that still count.
    #[schema(value_type = f64)]
    good: f64,
    /// Bad words that still count.
    #[schema(value_type = f64)]
    bad: f64,
}

/// A score that was put on record.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustOnRecord {
    log_index: u64,
    score: Option<f64>,
    /// The log's time of the record.
    computed_at: String,
    /// What it came from then, in canonical JSON.
    explanation: String,
}

/// An entry that moved a score.
#[derive(Serialize, ToSchema)]
pub(super) struct TrustEvidence {
    log_index: u64,
    receipt_id: String,
    /// The type of its record.
    record_type: String,
    /// The factors that it moved; `cap` and `status` are no factors, but limit the score.
    factors: Vec<&'static str>,
    /// How: `ok`, `minor`, `major`, `critical`, `denial`, `clean`, `aborted`, `use_after_end`, `good`, `bad`, or the new status.
    effect: &'static str,
    /// What it said, in a word or two.
    detail: String,
    /// What the log noticed.
    flags: Vec<&'static str>,
    /// The log's time of the entry.
    log_time: String,
}

pub(super) async fn explain(
    context: Context,
    query: ExplainTrust,
) -> Result<Reply<TrustExplanation>, ApiError> {
    let id: AgentId = context.id("agent_id")?;
    let moment = Moment::now(&context, id)?;
    let (tenant, ms) = (moment.agent.tenant, moment.ms);
    let (tenant_cap, computed) = context.view(|view| {
        (ledger_state::tenant_cap_bp(view, tenant, ms), ledger_state::computed_score(view, id))
    })?;
    let limit = query.limit.map_or(ENTRIES, Whole::get) as usize;
    let explanation = serde_json::from_slice(&moment.reading.explain(ms)).map_err(ApiError::internal)?;
    let units = |q12: u64| q12 as f64 / ONE_Q12 as f64;
    let peers = moment.state.peers_q12.iter().map(|bucket| TrustPeer {
        tenant_id: bucket.tenant.as_str().to_owned(),
        good: units(bucket.good_q12),
        bad: units(bucket.bad_q12),
    });
    let answer = TrustExplanation {
        score: moment.as_list(id),
        algorithm_id: ALGORITHM_ID,
        explanation,
        peers: peers.collect(),
        tenant_cap: percent(tenant_cap),
        on_record: computed.map(|computed| TrustOnRecord {
            log_index: computed.index,
            score: computed.score_bp.map(percent),
            computed_at: time_text(computed.log_ms),
            explanation: computed.explanation,
        }),
        entries: entries(&context, id, limit).await?,
    };
    Ok(Reply::new(answer).at(moment.as_of))
}

/// The newest entries that moved the score: the tenant's own records about the agent, and those of others that its history knows.
async fn entries(context: &Context, id: AgentId, limit: usize) -> Result<Vec<TrustEvidence>, ApiError> {
    let tenant = context.tenant()?;
    if !context.reader.wait_timeline(context.reader.applied_size(), context.timeout).await {
        return Err(ApiError::too_late("the lists of this node are not up to date yet"));
    }
    let query = TimelineQuery {
        tenant,
        types: TYPES,
        agent: Some(id),
        before: None,
        from: 0,
        limit: LOOKS,
        ascending: false,
    };
    let rows = context.reader.timeline(&query).map_err(ApiError::internal)?.rows;
    let points = context.view(|view| ledger_state::trust_points(view, id, 0, u64::MAX, limit))?.0;
    let mut found = BTreeMap::new();
    for index in points.iter().map(|point| point.last).chain(rows.iter().map(|row| row.index)) {
        if found.len() > 2 * limit {
            break;
        }
        if let Some(evidence) = evidence(context, id, index)? {
            found.insert(index, evidence);
        }
    }
    Ok(found.into_values().rev().take(limit).collect())
}

fn evidence(context: &Context, id: AgentId, index: u64) -> Result<Option<TrustEvidence>, ApiError> {
    let Some((log_ms, record)) = context.entry(index)? else { return Ok(None) };
    let flags = context.view(|view| ledger_state::flags(view, index))?;
    let Some((factors, effect)) = moved(&record, id, flags) else { return Ok(None) };
    let (record_type, detail) = event(&record, id);
    Ok(Some(TrustEvidence {
        log_index: index,
        receipt_id: ReceiptId(record.id).to_string(),
        record_type,
        factors: factors.to_vec(),
        effect,
        detail,
        flags: flags.names().collect(),
        log_time: time_text(log_ms),
    }))
}

/// Which factors a record moves, and how; `None`: it says nothing of trust in this agent.
fn moved(record: &Record, id: AgentId, flags: Flags) -> Option<(&'static [&'static str], &'static str)> {
    const ACTIONS: &[&str] = &["behavioral_compliance", "anomaly_score"];
    const GOOD: &[&str] = &["behavioral_compliance", "scope_adherence", "anomaly_score"];
    match &record.body {
        Body::ReceiptAction(body) if body.agent == id => match receipt_meaning(body, flags)? {
            What::Action { outcome, .. } if outcome.as_str() == "ok" => Some((GOOD, "ok")),
            What::Action { outcome, .. } => Some((ACTIONS, outcome.as_str())),
            _ => Some((&["session_hygiene"], "use_after_end")),
        },
        Body::Decision(body) if body.agent == id && body.result == DecisionResult::Denied => {
            let lacks = [DecisionReason::NoScope, DecisionReason::DeniedScope, DecisionReason::GrantEnded];
            lacks.contains(&body.reason).then_some((&["scope_adherence", "anomaly_score"], "denial"))
        }
        Body::SessionClose(body) if body.agent == id => Some((&["session_hygiene"], body.outcome.as_str())),
        Body::AttestPeer(body) if body.subject == id => Some((&["peer_attestations"], body.verdict.as_str())),
        Body::AgentRegister(body) if body.agent == id && body.parent.is_some() => {
            Some((&["cap"], "delegation"))
        }
        Body::DelegationAccept(body) if body.agent == id => Some((&["cap"], "delegation")),
        Body::AgentSuspend(body) if body.agent == id => Some((&["status"], "suspended")),
        Body::AgentReactivate(body) if body.agent == id => Some((&["status"], "active")),
        Body::AgentRevoke(_) => Some((&["status"], "revoked")),
        Body::AgentKill(_) => Some((&["status"], "killed")),
        _ => None,
    }
}
