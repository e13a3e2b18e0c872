//! Steps that a node does: values, decisions between ways, guardrail checks, calls to other hosts.

use std::time::Duration;

use ledger_format::record::{DecisionResult, Digest, ReceiptId};
use serde_json::{Value, json};

use super::{
    Kept, StepState, Task, Trouble,
    ask::question,
    definition::Webhook,
    drive::{Engine, Moved},
    expression::{Expression, Fault},
    moves::Performed,
    run::OUTPUT_BYTES_MAX,
};
use crate::{
    ApiError, OutboundCall, OutboundFault,
    groups::{guardrails, policies::ask_guardrail},
};

/// Longest a call to another host may take, whatever the step allows.
const CALL: Duration = Duration::from_secs(60);

/// What came of a step; of a decision, the ways that it names and those that it takes.
struct Done {
    result: Result<Value, (Trouble, bool)>,
    ways: Option<(Vec<usize>, Vec<usize>)>,
    decision: Option<String>,
}

impl Done {
    fn of(result: Result<Value, Fault>) -> Self {
        let failed = |fault: Fault| (Trouble::new("EXPRESSION_FAILED", &fault.to_string()), false);
        Self { result: result.map_err(failed), ways: None, decision: None }
    }
}

/// Does a step, and makes the move that follows.
pub(super) async fn perform(engine: &Engine, kept: &Kept, place: usize) -> Result<Moved, ApiError> {
    let variables = kept.run.variables(&kept.plan, place);
    let seen: Vec<(&str, &Value)> = variables.iter().map(|(name, value)| (*name, value)).collect();
    let done = match &kept.plan.steps[place].task {
        Task::Transform(expression) => Done::of(expression.evaluate(&seen)),
        Task::Decision { choices, otherwise } => choose(choices, otherwise, &seen, kept),
        Task::Guardrail { fails } => check(engine, kept, place, *fails).await?,
        Task::Webhook(webhook) => call(engine, kept, place, webhook).await,
        Task::Agent { .. } => return Ok(Moved::Not),
    };
    let Done { result, ways, decision } = done;
    let calls = matches!(kept.plan.steps[place].task, Task::Webhook(_));
    let digest = result.as_ref().map_or(String::new(), |output| output.to_string());
    let digest = Digest::sha256(digest.as_bytes()).to_string();
    let before = kept.run.steps[place].attempt;
    let make = move |run: &mut super::Run, definition: &_, plan: &_, now: u64| {
        let mut attempt = before;
        if run.steps[place].status == StepState::Waiting {
            run.begin(definition, place, decision.clone(), None, now)?;
            attempt += 1;
        }
        let receipt = run.steps[place].agent.clone().filter(|_| calls).map(|agent| (agent, digest.clone()));
        let performed = Performed { attempt, result: result.clone(), receipt };
        run.performed(definition, plan, place, performed, now)?;
        if let Some((named, chosen)) = &ways {
            run.branch(plan, named, chosen, now);
        }
        Ok(())
    };
    engine.change(kept, make).await
}

/// The first choice that holds.
fn choose(
    choices: &[(Expression, Vec<usize>)],
    otherwise: &[usize],
    seen: &[(&str, &Value)],
    kept: &Kept,
) -> Done {
    let names = |steps: &[usize]| -> Vec<&str> {
        steps.iter().map(|step| kept.plan.steps[*step].id.as_str()).collect()
    };
    let mut taken = (None, otherwise.to_vec());
    for (at, (when, next)) in choices.iter().enumerate() {
        match when.holds(seen) {
            Ok(true) => {
                taken = (Some(at), next.clone());
                break;
            }
            Ok(false) => {}
            Err(fault) => return Done::of(Err(fault)),
        }
    }
    let named = choices.iter().flat_map(|(_, next)| next).chain(otherwise).copied().collect();
    let output = json!({"choice": taken.0, "next": names(&taken.1)});
    Done { result: Ok(output), ways: Some((named, taken.1)), decision: None }
}

/// Asks the guardrails about the step's action and what went before; the answer is a record.
async fn check(engine: &Engine, kept: &Kept, place: usize, fails: bool) -> Result<Done, ApiError> {
    let given = match kept.run.given(&kept.plan, place) {
        Ok(given) => given.to_string(),
        Err(fault) => return Ok(Done::of(Err(fault))),
    };
    let (mut context, question) = match question(engine, kept, place) {
        Ok(asked) => asked,
        Err(error) => {
            let trouble = Trouble::new(&error.code, &error.message);
            return Ok(Done { result: Err((trouble, false)), ways: None, decision: None });
        }
    };
    let why = guardrails::stopped(&context, question.agent, &question.action, &given)?;
    let result = if why.is_none() { DecisionResult::Allowed } else { DecisionResult::Denied };
    let inputs = question.digest_with(&Digest::sha256(given.as_bytes()));
    let decided = ask_guardrail(&mut context, question, inputs, result).await?;
    let decision = decided.logged.as_ref().map(|logged| ReceiptId(logged.id).to_string());
    let allowed = decided.answer.result == DecisionResult::Allowed;
    let result = match (allowed, fails) {
        (false, true) => {
            let why = why.unwrap_or_else(|| "a guardrail stops it".into());
            Err((Trouble::new("GUARDRAIL_VIOLATION", &why), false))
        }
        _ => Ok(json!({"allowed": allowed, "violation": why, "decision_id": decision})),
    };
    Ok(Done { result, ways: None, decision })
}

/// Calls another host. A leader that dies before it has written down the answer leaves the next one to call again under the same
/// idempotency key.
async fn call(engine: &Engine, kept: &Kept, place: usize, webhook: &Webhook) -> Done {
    let body = match kept.run.given(&kept.plan, place) {
        Ok(body) => body,
        Err(fault) => return Done::of(Err(fault)),
    };
    let step = &kept.run.steps[place];
    let now_ms = (engine.shared.now_ms)();
    let key = format!("{}/{}/{}", kept.run.id, kept.plan.steps[place].id, step.attempt);
    let mut headers = webhook.headers.clone();
    headers.push(("content-type".into(), "application/json".into()));
    headers.push(("idempotency-key".into(), key));
    let call = OutboundCall {
        method: webhook.method,
        url: webhook.url.clone(),
        headers,
        body: if webhook.method == "GET" { Vec::new().into() } else { body.to_string().into_bytes().into() },
        timeout: CALL.min(Duration::from_millis(step.until_ms.saturating_sub(now_ms).max(1))),
        answer_bytes_max: OUTPUT_BYTES_MAX / 2,
    };
    let result = match engine.shared.outbound.send(call).await {
        Ok(answer) if (200..300).contains(&answer.status) => {
            let body = serde_json::from_slice(&answer.body)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&answer.body).into_owned()));
            Ok(json!({"status": answer.status, "body": body}))
        }
        Ok(answer) => {
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            let message = format!("the target answered {}: {said}", answer.status);
            Err((Trouble::new("WEBHOOK_REFUSED", &message), true))
        }
        Err(fault) => {
            let again = !matches!(fault, OutboundFault::Forbidden(_));
            Err((Trouble::new("WEBHOOK_FAILED", &fault.to_string()), again))
        }
    };
    Done { result, ways: None, decision: None }
}
