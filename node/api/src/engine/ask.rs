//! Before each step: may its agent do this? Guardrails, policies and people are asked, and the answer is a record.

use ledger_format::record::{AgentId, DecisionKind, DecisionReason, DecisionResult, Digest, ReceiptId};
use ledger_state::Question;

use super::{
    Kept, Trouble,
    drive::{Engine, Moved},
    flush::action,
};
use crate::{
    ApiError,
    endpoint::Context,
    groups::{
        guardrails,
        policies::{Decided, approval_lease, ask as decide, ask_guardrail, is_approved, sentence},
    },
};

/// What the log says to another answer under the id of one that it has.
const ID_CONFLICT: &str = "ID_CONFLICT";

/// Asks about a step that is due, and makes the move that follows.
pub(super) async fn ask(engine: &Engine, kept: &Kept, place: usize) -> Result<Moved, ApiError> {
    let given = match kept.run.given(&kept.plan, place) {
        Ok(given) => given,
        Err(fault) => {
            let trouble = Trouble::new("EXPRESSION_FAILED", &fault.to_string());
            return engine
                .change(kept, move |run, _, _, now| run.refuse(place, None, trouble.clone(), now))
                .await;
        }
    };
    let text = given.to_string();
    let digest = Digest::sha256(text.as_bytes());
    let (decided, why) = match asked(engine, kept, place, &text, digest).await {
        Ok(answer) => answer,
        // Another node has logged its answer in this moment: the next look finds it.
        Err(error) if error.code == ID_CONFLICT => return Err(error),
        // The agent is gone, or was never there: no record can say who asked.
        Err(error) if error.status.is_client_error() && error.retry_after_s.is_none() => {
            let trouble = Trouble::new(&error.code, &error.message);
            return engine
                .change(kept, move |run, _, _, now| run.refuse(place, None, trouble.clone(), now))
                .await;
        }
        Err(error) => return Err(error),
    };
    let id = decided.logged.as_ref().map(|logged| ReceiptId(logged.id).to_string());
    match decided.answer.result {
        DecisionResult::Allowed => {
            engine
                .change(kept, move |run, definition, _, now| {
                    run.begin(definition, place, id.clone(), Some(digest.to_string()), now)
                })
                .await
        }
        DecisionResult::NeedsApproval => {
            let id = id.unwrap_or_default();
            engine.change(kept, move |run, _, _, _| run.await_approval(place, id.clone())).await
        }
        DecisionResult::Denied => {
            let reason = why.unwrap_or_else(|| sentence(decided.answer.reason, &decided.question.action));
            let trouble = Trouble::new("DENIED", &reason);
            engine
                .change(kept, move |run, _, _, now| run.refuse(place, id.clone(), trouble.clone(), now))
                .await
        }
    }
}

/// The answer, logged; of a guardrail's no, what it has against it.
async fn asked(
    engine: &Engine,
    kept: &Kept,
    place: usize,
    given: &str,
    digest: Digest,
) -> Result<(Decided, Option<String>), ApiError> {
    let (mut context, question) = question(engine, kept, place)?;
    let inputs = question.digest_with(&digest);
    if let Some(why) = guardrails::stopped(&context, question.agent, &question.action, given)? {
        let decided = ask_guardrail(&mut context, question, inputs, DecisionResult::Denied).await?;
        return Ok((decided, Some(why)));
    }
    let lease = approval_lease(&context, &question).await?;
    let waits = kept.definition.steps[place].requires_approval && !is_approved(&context, &question)?;
    let decided = match waits {
        true => ask_guardrail(&mut context, question, inputs, DecisionResult::NeedsApproval).await,
        false => decide(&mut context, question, inputs, true).await,
    };
    if let Some(lease) = lease {
        lease.end().await;
    }
    Ok((decided?, None))
}

/// The question about a step, and a context in which every repetition asks it alike.
pub(super) fn question(engine: &Engine, kept: &Kept, place: usize) -> Result<(Context, Question), ApiError> {
    let (run, plan) = (&kept.run, &kept.plan);
    let step = &run.steps[place];
    let seed = format!("{}/{place}/{}/{}", run.id, step.attempt, step.asks);
    let context = engine.context(run, &run.name, run.free_since_ms(plan, place), Some(&seed))?;
    let agent = step.agent.as_deref().and_then(AgentId::parse_any);
    let agent = agent
        .ok_or_else(|| ApiError::unprocessable("nobody is named who does this step").field("agent_id"))?;
    let question = Question {
        tenant: context.tenant()?,
        agent,
        action: action(plan, place)?,
        kind: DecisionKind::Policy,
        amount: None,
        approval: step.approval.as_deref().and_then(ReceiptId::parse_any),
        grant: None,
        session: None,
        tool: None,
    };
    Ok((context, question))
}

/// What would be said of a step now, and why; nothing is logged.
pub(crate) fn foresee(
    engine: &Engine,
    kept: &Kept,
    place: usize,
) -> Result<(DecisionResult, String), ApiError> {
    let (context, question) = question(engine, kept, place)?;
    let evaluated = context.reader.evaluate(&question).map_err(ApiError::internal)?;
    let answer =
        evaluated.map_err(|rejection| ApiError::not_found(rejection.message).field("agent_id"))?.answer;
    let waits = kept.definition.steps[place].requires_approval && answer.result == DecisionResult::Allowed;
    let (result, reason) = match waits {
        true => (DecisionResult::NeedsApproval, DecisionReason::ApprovalNeeded),
        false => (answer.result, answer.reason),
    };
    Ok((result, sentence(reason, &question.action)))
}

/// Whether a person has said yes or no, and the move that follows.
pub(super) async fn look_for_approval(engine: &Engine, kept: &Kept, place: usize) -> Result<Moved, ApiError> {
    let (context, question) = question(engine, kept, place)?;
    let decision = kept.run.steps[place].decision.as_deref().and_then(ReceiptId::parse_any);
    let Some(decision) = decision else { return Ok(Moved::Not) };
    let said = context.view(|view| {
        let said = ledger_state::verdict(view, question.tenant, decision)?;
        Some((said.approval, ledger_state::approval_of(view, question.tenant, said.approval)?.approved))
    })?;
    match said {
        None => Ok(Moved::Not),
        Some((approval, true)) => {
            engine.change(kept, move |run, _, _, now| run.approve(place, approval.to_string(), now)).await
        }
        Some((_, false)) => {
            let trouble = Trouble::new("APPROVAL_REJECTED", "a person has said no");
            engine.change(kept, move |run, _, _, now| run.refuse(place, None, trouble.clone(), now)).await
        }
    }
}

/// Whether the agent of an open step may still act, and the move that follows.
pub(super) async fn look_at_agent(engine: &Engine, kept: &Kept, place: usize) -> Result<Moved, ApiError> {
    let (context, question) = question(engine, kept, place)?;
    let agent = context.view(|view| ledger_state::agent(view, question.agent))?;
    if agent.is_some_and(|agent| agent.is_active()) {
        return Ok(Moved::Not);
    }
    engine.change(kept, move |run, _, _, now| run.agent_ended(place, now)).await
}
