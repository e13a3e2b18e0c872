//! The records of a run, from its outbox to the log.

use ledger_format::record::{
    ActionOutcome, AgentId, Body, Digest, OrchestrationFinish, OrchestrationId, OrchestrationStart,
    OrchestrationStep, ReceiptAction, ReceiptId, RunResult, Scope, SessionId, StepStatus, Ulid, WorkflowId,
};

use super::{
    Kept, Plan, Run, RunStatus, Runs, Trouble,
    drive::Engine,
    keep::broken,
    run::{Finished, Logged, Outgoing, Said},
};
use crate::{ApiError, endpoint};

/// What a step does when its author names no action.
pub(super) const ACTION: &str = "orchestrations:execute";
/// Rounds in which one call empties an outbox that others fill.
const ROUNDS: usize = 8;

/// Logs what the outbox of a run holds. The last record that it logged, if any.
///
/// # Errors
/// The log cannot take it now; or it does not take the start of the run, and then there is no run.
pub(crate) async fn flush(
    engine: &Engine,
    id: OrchestrationId,
) -> Result<Option<endpoint::Logged>, ApiError> {
    let runs = Runs::new(engine.log.clone());
    let mut last = None;
    for _ in 0..ROUNDS {
        let Some(kept) = runs.find(id)?.filter(|kept| !kept.run.outbox.is_empty()) else { break };
        let (logged, refused) = send(engine, &kept).await?;
        last = logged.last().cloned().or(last);
        if let Some((Said::Start, error)) = &refused {
            runs.drop(&kept).await?;
            return Err(error.clone());
        }
        let sent = logged.len() + usize::from(refused.is_some());
        let ids: Vec<String> = kept.run.outbox.iter().take(sent).map(|record| record.id.clone()).collect();
        let now_ms = (engine.shared.now_ms)();
        let done = runs.change(id, now_ms, |run, _, _| {
            run.outbox.retain(|record| !ids.contains(&record.id));
            if let Some((said, error)) = &refused {
                run.not_taken(said, error, now_ms);
            }
            Ok(())
        });
        if let Err(cannot) = done.await? {
            return Err(ApiError::internal(cannot));
        }
    }
    Ok(last)
}

/// Sends the records in order until one is refused: those that were logged, and the refused one.
async fn send(
    engine: &Engine,
    kept: &Kept,
) -> Result<(Vec<endpoint::Logged>, Option<(Said, ApiError)>), ApiError> {
    let mut logged = Vec::new();
    for record in &kept.run.outbox {
        let mut context = engine.context(&kept.run, &record.name, record.at_ms, None)?;
        let id = Ulid::parse(&record.id).ok_or_else(|| ApiError::internal("a record without an id"))?;
        match context.record_as(id, body(kept, record)?).await {
            Ok(one) => logged.push(one),
            Err(error) if error.status.is_server_error() || error.retry_after_s.is_some() => {
                return Err(error);
            }
            Err(error) => return Ok((logged, Some((record.said.clone(), error)))),
        }
    }
    Ok((logged, None))
}

impl Run {
    /// The log has not taken a record of the run: it cannot go on. The end of a run that the log calls over already changes nothing.
    fn not_taken(&mut self, said: &Said, error: &ApiError, now_ms: u64) {
        if matches!(said, Said::Finish(_)) || self.status != RunStatus::Running {
            return;
        }
        let trouble = Trouble::new(&error.code, &error.message);
        let step = match said {
            Said::Step { place, .. } | Said::Receipt { place, .. } => Some(self.steps[*place].id.clone()),
            _ => None,
        };
        self.end(RunStatus::Failed, Some(Trouble { step, ..trouble }), now_ms);
    }
}

/// The record that says it.
fn body(kept: &Kept, record: &Outgoing) -> Result<Body, ApiError> {
    let run = &kept.run;
    let orchestration = OrchestrationId(Ulid::parse(&run.id).ok_or_else(|| broken("id"))?);
    let on_behalf_of = Some(record.name.clone());
    Ok(match &record.said {
        Said::Start => Body::OrchestrationStart(Box::new(OrchestrationStart {
            agent: agent(run.agent.as_deref())?,
            on_behalf_of,
            orchestration,
            version: run.version,
            workflow: WorkflowId::parse_any(&run.workflow).ok_or_else(|| broken("workflow"))?,
        })),
        Said::Step { place, status, agent: by, receipt } => {
            Body::OrchestrationStep(Box::new(OrchestrationStep {
                agent: agent(by.as_deref())?,
                on_behalf_of,
                orchestration,
                receipt: receipt.as_deref().and_then(Ulid::parse).map(ReceiptId),
                status: match status {
                    Logged::Assigned => StepStatus::Assigned,
                    Logged::Succeeded => StepStatus::Succeeded,
                    Logged::Failed => StepStatus::Failed,
                    Logged::Skipped => StepStatus::Skipped,
                    Logged::TimedOut => StepStatus::TimedOut,
                },
                step: kept.plan.steps[*place].id.clone(),
            }))
        }
        Said::Receipt { place, agent: by, input, output, succeeded } => {
            let step = &run.steps[*place];
            let of_nothing = || Digest::sha256(b"");
            Body::ReceiptAction(ReceiptAction {
                action: action(&kept.plan, *place)?,
                agent: agent(Some(by))?.ok_or_else(|| broken("agent"))?,
                approval: step.approval.as_deref().and_then(ReceiptId::parse_any),
                decision: step.decision.as_deref().and_then(ReceiptId::parse_any),
                detail: Vec::new(),
                grant: None,
                input: Digest::parse(input).unwrap_or_else(of_nothing),
                on_behalf_of,
                outcome: Some(if *succeeded { ActionOutcome::Success } else { ActionOutcome::Failure }),
                output: Digest::parse(output).unwrap_or_else(of_nothing),
                session: None::<SessionId>,
                tool: None,
                verdict: None,
            })
        }
        Said::Finish(finished) => Body::OrchestrationFinish(Box::new(OrchestrationFinish {
            on_behalf_of,
            orchestration,
            result: match finished {
                Finished::Succeeded => RunResult::Succeeded,
                Finished::Failed => RunResult::Failed,
                Finished::Cancelled => RunResult::Cancelled,
            },
        })),
    })
}

/// What a step is an action of.
pub(super) fn action(plan: &Plan, place: usize) -> Result<Scope, ApiError> {
    let own = plan.steps[place].action.clone();
    own.or_else(|| Scope::parse(ACTION)).ok_or_else(|| broken("action"))
}

fn agent(text: Option<&str>) -> Result<Option<AgentId>, ApiError> {
    text.map(|text| AgentId::parse_any(text).ok_or_else(|| broken("agent"))).transpose()
}
