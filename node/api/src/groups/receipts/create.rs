//! Making a receipt of an agent, as each of the published clients asks for it.

use std::collections::BTreeMap;

use axum::http::{HeaderName, HeaderValue};
use ledger_format::record::{
    ActionOutcome, ActionVerdict, AgentId, Body, DETAIL_BYTES_MAX, DelegationId, DetailValue, Digest,
    ReceiptAction, ReceiptId, ReceiptStatement, Scope, SessionId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    found::{Found, ReceiptNotes, salted_digest},
    kinds::Kind,
    repeat,
    view::{ReceiptView, receipt_view, view_with},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    wire::{AgentRef, DelegationRef, DigestText, Payload, ReceiptRef, SessionRef, Text, Whole, hex, token},
};

/// Says that the answer is the one of an earlier, equal call.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A receipt to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateReceipt {
    /// Whose receipt it is.
    agent_id: AgentRef,
    /// `action` when nothing is said; `genesis`, `delegation`, `revocation`, `data.attestation`, `model.attestation`, `compliance`,
    /// `truth.claim`, `truth.verification`, `approval`. Any other word is an action of that name.
    #[serde(default)]
    receipt_type: Option<Text<0, 64>>,
    /// What was done, best as a scope: `invoices:read`. Another text counts as `legacy:<text>`, and an agent without that scope, or
    /// `legacy:*`, gets the flag `out_of_scope`.
    #[serde(default, alias = "action_type")]
    action: Option<Text<1, 256>>,
    /// What it was for. Kept by the nodes, not in the log.
    #[serde(default)]
    purpose: Option<Text<0, 1024>>,
    /// What happened. The log holds its salted digest.
    #[serde(default)]
    payload: Option<Payload>,
    /// What else there is to say. The log holds its salted digest.
    #[serde(default)]
    metadata: Option<Payload>,
    /// Digest of what went in.
    #[serde(default, alias = "input_hash")]
    inputs_hash: Option<DigestText>,
    /// Digest of what came out.
    #[serde(default, alias = "output_hash")]
    outputs_hash: Option<DigestText>,
    /// The session in which it happened.
    #[serde(default)]
    session_id: Option<SessionRef>,
    /// The grant that it was done under.
    #[serde(default)]
    delegation_id: Option<DelegationRef>,
    /// The decision that allowed it.
    #[serde(default)]
    decision_id: Option<ReceiptRef>,
    /// The approval that it had.
    #[serde(default)]
    approval_id: Option<ReceiptRef>,
    /// The tool that was used.
    #[serde(default)]
    tool: Option<Text<1, 128>>,
    /// How it ended, according to the agent.
    #[serde(default)]
    outcome: Option<OutcomeWord>,
    /// How it went, according to whoever watches the agent: trust follows from it.
    #[serde(default)]
    verdict: Option<VerdictWord>,
    #[serde(default)]
    duration_ms: Option<Whole<0, 9_007_199_254_740_991>>,
    /// With it, the outcome is a failure unless `outcome` says otherwise.
    #[serde(default)]
    error_code: Option<Text<0, 64>>,
}

impl BodyInput for CreateReceipt {}

/// How an action ended.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OutcomeWord {
    Success,
    Failure,
    Partial,
    Denied,
}

/// How an action went.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum VerdictWord {
    Ok,
    Minor,
    Major,
    Critical,
}

pub(crate) async fn create(
    mut context: Context,
    _: NoQuery,
    body: CreateReceipt,
) -> Result<Reply<ReceiptView>, ApiError> {
    let agent = body.agent_id.0;
    context.acting_agent(agent, "agent_id")?;
    let kind = Kind::of_word(body.receipt_type.as_ref().map(Text::as_str).filter(|word| !word.is_empty()));
    let said = Said::new(kind, body)?;
    // Without an idempotency key a plug-in's retry looks like a second receipt: an equal one a minute ago is the same.
    let id = match context.seed {
        Some(_) => context.new_id()?,
        None => match repeat::id(&context, &said.content(agent))? {
            repeat::Id::New(id) => id,
            repeat::Id::Known(found) => return replayed(&context, &found),
        },
    };
    let notes = said.notes(hex(&context.draw("salt")?[..16]));
    let record = said.record(&context, agent, &notes.salt)?;
    let logged = match context.record_noted(id, record, id, &notes).await {
        Ok(logged) => logged,
        // Another node has taken an equal one at the same moment.
        Err(error) if context.seed.is_none() && error.code == "ID_CONFLICT" => {
            let found = Found::of(&context, context.tenant()?, id)?.ok_or(error)?;
            return replayed(&context, &found);
        }
        Err(error) => return Err(error),
    };
    let view = if logged.duplicate {
        let found = Found::of(&context, context.tenant()?, id)?;
        let missing = || ApiError::internal("a logged receipt is not there");
        receipt_view(&context, &found.ok_or_else(missing)?)?
    } else {
        view_with(&context, &Found::fresh(&context, logged.index)?, notes)?
    };
    Ok(Reply::new(view.logged(&logged.receipt)).at(logged.index))
}

fn replayed(context: &Context, found: &Found) -> Result<Reply<ReceiptView>, ApiError> {
    let reply = Reply::new(receipt_view(context, found)?).at(found.at.index);
    Ok(reply.header(REPLAYED, HeaderValue::from_static("true")))
}

/// What a caller says, read.
struct Said {
    kind: Kind,
    action: Option<String>,
    purpose: Option<String>,
    payload: Option<Map<String, Value>>,
    metadata: Option<Map<String, Value>>,
    inputs: Option<DigestText>,
    outputs: Option<DigestText>,
    session: Option<SessionId>,
    grant: Option<DelegationId>,
    decision: Option<ReceiptId>,
    approval: Option<ReceiptId>,
    tool: Option<String>,
    outcome: Option<OutcomeWord>,
    verdict: Option<VerdictWord>,
    duration_ms: Option<u64>,
    error_code: Option<String>,
}

impl Said {
    fn new(kind: Kind, body: CreateReceipt) -> Result<Self, ApiError> {
        let action = body.action.map(Text::into_string);
        if kind.record_type == "receipt.action" && action.is_none() {
            return Err(ApiError::unprocessable("missing field `action`")
                .field("action")
                .fix("say what was done, best as a scope such as invoices:read"));
        }
        Ok(Self {
            kind,
            action,
            purpose: body.purpose.map(Text::into_string).filter(|text| !text.is_empty()),
            payload: body.payload.map(|payload| payload.0),
            metadata: body.metadata.map(|metadata| metadata.0),
            inputs: body.inputs_hash.filter(|hash| hash.digest.is_some()),
            outputs: body.outputs_hash.filter(|hash| hash.digest.is_some()),
            session: body.session_id.map(|id| id.0),
            grant: body.delegation_id.map(|id| id.0),
            decision: body.decision_id.map(|id| id.0),
            approval: body.approval_id.map(|id| id.0),
            tool: body.tool.map(Text::into_string),
            outcome: body.outcome,
            verdict: body.verdict,
            duration_ms: body.duration_ms.map(Whole::get),
            error_code: body.error_code.map(Text::into_string).filter(|text| !text.is_empty()),
        })
    }

    /// All of it, for comparison with an equal call.
    fn content(&self, agent: AgentId) -> Value {
        serde_json::json!({
            "agent": agent.to_string(), "kind": self.kind.word, "action": self.action, "purpose": self.purpose,
            "payload": self.payload, "metadata": self.metadata,
            "inputs": self.inputs.as_ref().map(|hash| &hash.text),
            "outputs": self.outputs.as_ref().map(|hash| &hash.text),
            "session": self.session.map(|id| id.to_string()), "grant": self.grant.map(|id| id.to_string()),
            "decision": self.decision.map(|id| id.to_string()),
            "approval": self.approval.map(|id| id.to_string()),
            "tool": self.tool, "outcome": self.outcome, "verdict": self.verdict,
            "duration_ms": self.duration_ms, "error_code": self.error_code,
        })
    }

    fn notes(&self, salt: String) -> ReceiptNotes {
        ReceiptNotes {
            salt,
            payload: self.payload.clone(),
            metadata: self.metadata.clone(),
            action: self.action.clone(),
            purpose: self.purpose.clone(),
            inputs_hash: self.inputs.as_ref().map(|hash| hash.text.clone()),
            outputs_hash: self.outputs.as_ref().map(|hash| hash.text.clone()),
            ..ReceiptNotes::default()
        }
    }

    fn record(&self, context: &Context, agent: AgentId, salt: &str) -> Result<Body, ApiError> {
        let detail = self.detail(salt);
        let on_behalf_of = context.on_behalf_of()?;
        let input = self.inputs.as_ref().and_then(|hash| hash.digest);
        let output = self.outputs.as_ref().and_then(|hash| hash.digest);
        let body = if self.kind.record_type == "receipt.action" {
            let (action, of_nothing) =
                (scope_of(self.action.as_deref().unwrap_or_default())?, Digest::sha256(b""));
            Body::ReceiptAction(ReceiptAction {
                action,
                agent,
                approval: self.approval,
                decision: self.decision,
                detail,
                grant: self.grant,
                input: input.unwrap_or(of_nothing),
                on_behalf_of,
                outcome: self
                    .outcome
                    .map(ActionOutcome::from)
                    .or(self.error_code.as_ref().map(|_| ActionOutcome::Failure)),
                output: output.unwrap_or(of_nothing),
                session: self.session,
                tool: self.tool.clone(),
                verdict: self.verdict.map(ActionVerdict::from),
            })
        } else {
            let subject = self.action.as_deref().map(|action| crate::wire::record_name(action).0);
            self.kind.body(ReceiptStatement {
                agent,
                detail: Some(detail),
                input,
                on_behalf_of,
                output,
                subject,
            })
        };
        Ok(body)
    }

    /// The small facts for the record, in the order of their keys.
    fn detail(&self, salt: &str) -> Vec<(String, DetailValue)> {
        let mut detail = BTreeMap::new();
        let text = |text: String| DetailValue::Text(text);
        detail.insert("kind", text(self.kind.word.clone()));
        for (key, map) in [("metadata", &self.metadata), ("payload", &self.payload)] {
            if let Some(map) = map {
                detail.insert(key, text(salted_digest(salt, map)));
            }
        }
        if let Some(ms) = self.duration_ms {
            detail.insert("duration_ms", DetailValue::Integer(ms as i64));
        }
        if let Some(code) = &self.error_code {
            debug_assert!(code.len() <= DETAIL_BYTES_MAX, "64 characters are at most 256 bytes");
            detail.insert("error_code", text(code.clone()));
        }
        detail.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// The scope that a caller's action is: as it is, or the word of a plug-in under `legacy`.
fn scope_of(action: &str) -> Result<Scope, ApiError> {
    let exact = |text: &str| Scope::parse(text).filter(Scope::is_exact);
    let scope = exact(action).or_else(|| exact(&format!("legacy:{}", token(action))));
    scope.ok_or_else(|| ApiError::unprocessable("is no action").field("action").fix("write resource:action"))
}

impl From<OutcomeWord> for ActionOutcome {
    fn from(word: OutcomeWord) -> Self {
        match word {
            OutcomeWord::Success => Self::Success,
            OutcomeWord::Failure => Self::Failure,
            OutcomeWord::Partial => Self::Partial,
            OutcomeWord::Denied => Self::Denied,
        }
    }
}

impl From<VerdictWord> for ActionVerdict {
    fn from(word: VerdictWord) -> Self {
        match word {
            VerdictWord::Ok => Self::Ok,
            VerdictWord::Minor => Self::Minor,
            VerdictWord::Major => Self::Major,
            VerdictWord::Critical => Self::Critical,
        }
    }
}
