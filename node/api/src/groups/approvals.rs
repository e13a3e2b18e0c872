//! Approvals: somebody's yes or no to what an agent may not do alone.

mod view;

use ledger_format::record::{Approval, ApprovalVerdict, Body, ReceiptId};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use view::{ApprovalStatus, ApprovalView, VerdictNotes, Waiting, approval_view};

use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Page, Paged, QueryInput, Reply, Routes},
    wire::{AgentRef, ReasonText, Text, TimeText, Whole},
};

/// How long an approval is good when nothing is said, minutes.
const TTL_MINUTES: u64 = 60;
const MINUTE_MS: u64 = 60_000;
/// Most decisions that one page looks at.
const LOOKS_MAX: u32 = 5_000;
/// Longest life of an approval, minutes: a year.
const TTL_MINUTES_MAX: u64 = 365 * 24 * 60;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Approvals",
        "Decisions that wait for somebody's yes: a policy asks for it, the action is critical for a supervised agent, the amount is above what a \
         delegation allows, or the tool asks. The yes is a record, good for that agent and that action, so often and so long.",
    );
    routes
        .get("/v1/approvals", "list_approvals", list)
        .summary("List what was asked for")
        .about("Newest first.")
        .needs("approvals:read")
        .paged();
    routes
        .get("/v1/approvals/{approval_id}", "get_approval", get)
        .summary("Get what was asked for, and what was said")
        .needs("approvals:read");
    routes
        .post("/v1/approvals/{approval_id}/approve", "approve", approve)
        .summary("Say yes")
        .about(
            "Name `approval_id` with the next question or call: it is used up there. A decision is answered once, and not with the token of a \
             session: no agent approves what agents do.",
        )
        .needs("approvals:write")
        .answers(200)
        .example(json!({"approver": "alice", "uses": 1, "ttl_minutes": 60, "comment": "checked the invoice"}));
    routes
        .post("/v1/approvals/{approval_id}/reject", "reject", reject)
        .summary("Say no")
        .needs("approvals:write")
        .answers(200)
        .example(json!({"approver": "alice", "comment": "no such supplier"}));
}

/// A yes.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApproveBody {
    /// How often it is good; once, when nothing is said.
    #[serde(default)]
    uses: Option<Whole<1, 1_000>>,
    /// How long it is good, in minutes of log time; 60 when nothing is said.
    #[serde(default)]
    ttl_minutes: Option<Whole<1, 525_600>>,
    /// Until when it is good, instead of `ttl_minutes`; at most a year ahead.
    #[serde(default)]
    expires_at: Option<TimeText>,
    /// Who says it, for the tenant's own records. Kept by the nodes, not in the log.
    #[serde(default, alias = "approved_by", alias = "operator_id")]
    approver: Option<Text<1, 256>>,
    /// Why. Kept by the nodes, not in the log.
    #[serde(default, alias = "reason")]
    comment: Option<ReasonText>,
}

impl BodyInput for ApproveBody {
    const REQUIRED: bool = false;
}

/// A no.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectBody {
    /// Who says it, for the tenant's own records. Kept by the nodes, not in the log.
    #[serde(default, alias = "rejected_by", alias = "operator_id")]
    approver: Option<Text<1, 256>>,
    /// Why. Kept by the nodes, not in the log.
    #[serde(default, alias = "reason")]
    comment: Option<ReasonText>,
}

impl BodyInput for RejectBody {
    const REQUIRED: bool = false;
}

/// Which approvals.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListApprovals {
    /// Only with this status.
    #[serde(default)]
    status: Option<ApprovalStatus>,
    /// Only of this agent.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
}

impl QueryInput for ListApprovals {}

async fn list(context: Context, query: ListApprovals) -> Result<Reply<Paged<ApprovalView>>, ApiError> {
    let tenant = context.tenant()?;
    if let Some(agent) = query.agent_id {
        context.own_agent(agent.0, "agent_id")?;
    }
    let Page { limit, offset, cursor } = context.page;
    let filtered = query.status.is_some() || query.agent_id.is_some();
    let (mut items, mut passed, mut looks, mut next) = (Vec::new(), 0u64, 0, None);
    let mut before = cursor.unwrap_or(u64::MAX);
    while let Some((index, id)) = context.view(|view| ledger_state::asked_before(view, tenant, before))? {
        (before, looks) = (index, looks + 1);
        if looks > LOOKS_MAX {
            // The rest is behind the cursor, which is not part of its page.
            next = Some(index + 1);
            break;
        }
        let Some(waiting) = Waiting::find(&context, id)? else { continue };
        if query.agent_id.is_some_and(|agent| agent.0 != waiting.agent()) {
            continue;
        }
        let view = approval_view(&context, &waiting)?;
        if query.status.is_some_and(|status| view.status != status) {
            continue;
        }
        passed += 1;
        if passed > offset as u64 {
            items.push(view);
        }
        if items.len() == limit {
            next = Some(index);
            break;
        }
    }
    let total =
        if filtered { passed } else { context.view(|view| ledger_state::asked_count(view, tenant))? };
    Ok(Reply::new(Paged { items, total, page: context.page, next }))
}

async fn get(context: Context, _: NoQuery) -> Result<Reply<ApprovalView>, ApiError> {
    let waiting = Waiting::own(&context)?;
    let index = waiting.index();
    Ok(Reply::new(approval_view(&context, &waiting)?).at(index))
}

async fn approve(
    mut context: Context,
    _: NoQuery,
    body: ApproveBody,
) -> Result<Reply<ApprovalView>, ApiError> {
    Waiting::own(&context)?;
    let log_ms = context.view(|view| ledger_state::log_ms(view))?.max(context.now_ms);
    let expires_at = match (body.expires_at, body.ttl_minutes) {
        (Some(_), Some(_)) => {
            return Err(
                ApiError::unprocessable("is there beside ttl_minutes: give one of them").field("expires_at")
            );
        }
        (Some(time), None) if time.0 <= log_ms || time.0 > log_ms + TTL_MINUTES_MAX * MINUTE_MS => {
            return Err(ApiError::unprocessable("is not within the next year").field("expires_at"));
        }
        (Some(time), None) => time.0,
        (None, minutes) => log_ms + minutes.map_or(TTL_MINUTES, Whole::get) * MINUTE_MS,
    };
    let said = Said {
        verdict: ApprovalVerdict::Approved,
        uses: body.uses.map_or(1, Whole::get),
        expires_at,
        notes: VerdictNotes::new(body.approver, body.comment),
    };
    say(&mut context, said).await
}

async fn reject(mut context: Context, _: NoQuery, body: RejectBody) -> Result<Reply<ApprovalView>, ApiError> {
    Waiting::own(&context)?;
    let log_ms = context.view(|view| ledger_state::log_ms(view))?.max(context.now_ms);
    let said = Said {
        verdict: ApprovalVerdict::Rejected,
        uses: 1,
        // A no has no end; the record wants one that is ahead.
        expires_at: log_ms + TTL_MINUTES * MINUTE_MS,
        notes: VerdictNotes::new(body.approver, body.comment),
    };
    say(&mut context, said).await
}

/// What is said to a decision.
struct Said {
    verdict: ApprovalVerdict,
    uses: u64,
    expires_at: u64,
    notes: VerdictNotes,
}

async fn say(context: &mut Context, said: Said) -> Result<Reply<ApprovalView>, ApiError> {
    if context.caller()?.agent().is_some() {
        return Err(ApiError::forbidden("an agent answers no question about agents, its own least of all")
            .field("authorization")
            .fix("use an API key of the tenant"));
    }
    let id: ReceiptId = context.id("approval_id")?;
    let lease = context.lease(&format!("approvals/{}/{}", context.tenant()?, id.0)).await?;
    let outcome = say_alone(context, said).await;
    lease.end().await;
    outcome
}

async fn say_alone(context: &mut Context, said: Said) -> Result<Reply<ApprovalView>, ApiError> {
    let waiting = Waiting::own(context)?;
    let id = context.new_id()?;
    // The same call again, whose answer was lost, has said it itself.
    if waiting.answered().is_some_and(|answered| answered != ReceiptId(id)) {
        return Err(ApiError::conflict("ALREADY_DECIDED", "it was approved or rejected before")
            .field("approval_id")
            .fix("let the agent ask again"));
    }
    let body = Approval {
        action: waiting.action().clone(),
        agent: waiting.agent(),
        decision: Some(waiting.id()),
        expires_at: said.expires_at,
        on_behalf_of: context.on_behalf_of()?,
        uses: said.uses,
        verdict: said.verdict,
    };
    let logged = context.record_noted(id, Body::Approval(Box::new(body)), id, &said.notes).await?;
    let waiting = Waiting::own(context)?;
    Ok(Reply::new(approval_view(context, &waiting)?.logged(logged.receipt)).at(logged.index))
}
