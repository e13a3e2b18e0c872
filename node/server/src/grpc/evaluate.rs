//! `Evaluate`: what a decision logged now would have to say, on the node that is asked.

use ledger_api::blocking;
use ledger_format::record::{
    AgentId, Amount, DecisionKind, DelegationId, ReceiptId, Scope, SessionId, TenantId, ToolId,
};
use ledger_log::{Evaluated, Question, Rejection};
use ledger_proto::v1::{EvaluateRequest, EvaluateResponse};
use tonic::{Code, Status};

use super::{Services, present::applied, read::log, refusal};

/// Letters of a currency.
const CURRENCY_CHARS: usize = 3;

pub(super) async fn evaluate(
    services: &Services,
    request: EvaluateRequest,
) -> Result<EvaluateResponse, Status> {
    let reader = log(services, &request.log)?.reader();
    let question = question(&request)?;
    if let Some(index) = request.min_index {
        applied(services, &reader, index, request.timeout_ms).await?;
    }
    let evaluated = blocking(move || reader.evaluate(&question)).await.map_err(refusal::from_api)?;
    let Evaluated { answer, log_ms, size } = evaluated.map_err(|rejection| nobody(&rejection))?;
    Ok(EvaluateResponse {
        result: answer.result.as_str().to_owned(),
        reason: answer.reason.as_str().to_owned(),
        policies: answer.policies.iter().map(ToString::to_string).collect(),
        rules: answer.rules.iter().map(ToString::to_string).collect(),
        log_ms,
        size,
    })
}

fn question(request: &EvaluateRequest) -> Result<Question, Status> {
    let tool = optional("tool", &request.tool, ToolId::parse)?;
    Ok(Question {
        tenant: needed("tenant", &request.tenant, TenantId::parse)?.0,
        agent: needed("agent", &request.agent, AgentId::parse)?,
        action: needed("action", &request.action, |text| Scope::parse(text).filter(Scope::is_exact))?,
        kind: kind(&request.kind, tool.is_some())?,
        amount: amount(request)?,
        approval: optional("approval", &request.approval, ReceiptId::parse)?,
        grant: optional("grant", &request.grant, DelegationId::parse)?,
        session: optional("session", &request.session, SessionId::parse)?,
        tool,
    })
}

fn kind(word: &str, has_tool: bool) -> Result<DecisionKind, Status> {
    match DecisionKind::parse(word) {
        Some(DecisionKind::Guardrail) => {
            let message = "a guardrail stands outside the log, which cannot answer for it";
            Err(refusal::invalid("kind", message, "ask the guardrail, and log what it said"))
        }
        Some(kind) => Ok(kind),
        None if word.is_empty() && has_tool => Ok(DecisionKind::Tool),
        None if word.is_empty() => Ok(DecisionKind::Policy),
        None => Err(refusal::invalid("kind", format!("{word:?} is no kind"), "use policy or tool")),
    }
}

fn amount(request: &EvaluateRequest) -> Result<Option<Amount>, Status> {
    let Some(amount) = &request.amount else { return Ok(None) };
    let currency = &amount.currency;
    if currency.len() != CURRENCY_CHARS || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        let message = format!("{currency:?} is no currency");
        return Err(refusal::invalid("amount.currency", message, "use three capital letters, e.g. EUR"));
    }
    Ok(Some(Amount { currency: currency.clone(), minor: amount.minor }))
}

fn needed<T>(field: &str, text: &str, parse: fn(&str) -> Option<T>) -> Result<T, Status> {
    parse(text).ok_or_else(|| {
        let fix = match field {
            "action" => "use resource:action, without a star",
            _ => "use its prefix (maip-tenant:, maip-agent:, ...) with a ULID",
        };
        refusal::invalid(field, format!("{text:?} is no {field}"), fix)
    })
}

fn optional<T>(field: &str, text: &str, parse: fn(&str) -> Option<T>) -> Result<Option<T>, Status> {
    if text.is_empty() { Ok(None) } else { needed(field, text, parse).map(Some) }
}

/// The question is about somebody whom the log does not know.
fn nobody(rejection: &Rejection) -> Status {
    let field = rejection.field.trim_start_matches("body.");
    let word = rejection.code.as_str().to_ascii_uppercase();
    refusal::refuse(Code::NotFound, &word, field, rejection.message.clone(), &rejection.fix)
}
