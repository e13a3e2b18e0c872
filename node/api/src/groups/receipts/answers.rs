//! Reading receipts: one, an agent's, by filter; and the verdict over one.

use ledger_format::record::AgentId;
use ledger_log::TimelineQuery;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    found::Found,
    kinds::{Kind, RECEIPT_TYPES},
    verify::{Verdict, check},
    view::{ReceiptView, receipt_view},
};
use crate::{
    ApiError,
    endpoint::{Context, NoQuery, Paged, QueryInput, Reply},
    wire::{AgentRef, Text, TimeText},
};

/// Which receipts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterReceipts {
    /// Only of this agent.
    #[serde(default)]
    #[param(inline)]
    pub(crate) agent_id: Option<AgentRef>,
    /// Only of this kind.
    #[serde(default)]
    #[param(inline)]
    pub(crate) receipt_type: Option<Text<1, 64>>,
    /// Only of this action.
    #[serde(default, alias = "action")]
    #[param(inline)]
    pub(crate) action_type: Option<Text<1, 256>>,
    /// `valid`, `revoked` or `superseded`.
    #[serde(default)]
    pub(crate) status: Option<ReceiptStatus>,
    /// Not before this time.
    #[serde(default)]
    #[param(inline)]
    pub(crate) from: Option<TimeText>,
    /// Not behind this time.
    #[serde(default)]
    #[param(inline)]
    pub(crate) to: Option<TimeText>,
}

impl QueryInput for FilterReceipts {}

/// What can become of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReceiptStatus {
    #[serde(alias = "active")]
    Valid,
    Revoked,
    Superseded,
}

impl ReceiptStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
        }
    }
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<ReceiptView>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    Ok(Reply::new(whole_view(&context, &found).await?).at(found.at.index))
}

/// With the receipt before it, which only the timeline knows.
pub(crate) async fn whole_view(context: &Context, found: &Found) -> Result<ReceiptView, ApiError> {
    let mut view = receipt_view(context, found)?;
    let index = found.at.index;
    if context.reader.wait_timeline(index, context.timeout).await {
        let query = TimelineQuery {
            tenant: found.tenant,
            types: RECEIPT_TYPES,
            agent: found.agent(),
            before: Some(index),
            from: 0,
            limit: 1,
            ascending: false,
        };
        let before = context.reader.timeline(&query).map_err(ApiError::internal)?.rows;
        view.previous_receipt_id =
            before.first().map(|row| ledger_format::record::ReceiptId(row.id).to_string());
    }
    Ok(view)
}

pub(super) async fn of_agent(context: Context, _: NoQuery) -> Result<Reply<Paged<ReceiptView>>, ApiError> {
    let agent: AgentId = context.id("agent_id")?;
    context.own_agent(agent, "agent_id")?;
    let page = context.list(RECEIPT_TYPES, Some(agent), false, |context, row| {
        Found::of_row(context, row)?.map(|found| receipt_view(context, &found)).transpose()
    });
    Ok(Reply::new(page.await?))
}

pub(super) async fn filter(
    context: Context,
    query: FilterReceipts,
) -> Result<Reply<Paged<ReceiptView>>, ApiError> {
    Ok(Reply::new(filtered(&context, &query).await?))
}

/// The caller's receipts that fit.
pub(crate) async fn filtered(
    context: &Context,
    query: &FilterReceipts,
) -> Result<Paged<ReceiptView>, ApiError> {
    let agent = query.agent_id.map(|agent| agent.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let kind = query.receipt_type.as_ref().map(Text::as_str).map(|word| Kind::of_word(Some(word)));
    let types: Vec<&str> = match &kind {
        Some(kind) => vec![kind.record_type],
        None => RECEIPT_TYPES.to_vec(),
    };
    let looks = kind.is_some() || query.action_type.is_some() || query.status.is_some();
    let looks = looks || query.from.is_some() || query.to.is_some();
    let page = context.list(&types, agent, looks, |context, row| {
        if query.from.is_some_and(|from| row.log_ms < from.0) || query.to.is_some_and(|to| row.log_ms > to.0)
        {
            return Ok(None);
        }
        let Some(found) = Found::of_row(context, row)? else { return Ok(None) };
        let word =
            found.detail_text("kind").unwrap_or_else(|| Kind::word_of_record(found.record.type_name()));
        if kind.as_ref().is_some_and(|kind| kind.word != word)
            || query.status.is_some_and(|status| status.as_str() != found.status())
        {
            return Ok(None);
        }
        let view = receipt_view(context, &found)?;
        Ok(query.action_type.as_ref().is_none_or(|action| view.is_action(action.as_str())).then_some(view))
    });
    page.await
}

/// The verdict over a receipt.
#[derive(Serialize, ToSchema)]
pub(crate) struct Verification {
    /// Whether the verdict is `VALID`.
    valid: bool,
    verdict: Verdict,
    /// Why, in a sentence.
    reason: String,
    /// What did not hold.
    reasons: Vec<String>,
    receipt_id: String,
    /// The record's signature verifies under the key that was valid for its signer at its index.
    signature_verified: bool,
    /// The entry is in the tree of the published checkpoint, which the log's policy accepts.
    transparency_verified: bool,
    /// It stands in its agent's chain of receipts, and the grant that it names held.
    chain_verified: bool,
    /// `operator`, `tenant` or `agent`.
    signed_by: &'static str,
    /// Who signed, in a sentence: the operator's word for a credential is not the agent's.
    signer_statement: String,
    on_behalf_of: Option<String>,
    /// Size of the checkpoint that covers it.
    tree_size: Option<u64>,
    /// Witnesses that cosigned that checkpoint.
    witnesses: Vec<String>,
    log_index: u64,
    receipt: Option<ReceiptView>,
}

pub(crate) async fn verify_own(context: Context, _: NoQuery) -> Result<Reply<Verification>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let checked = check(&context, &found).await?;
    let verdict = checked.verdict(found.status());
    let reason = match verdict {
        Verdict::Valid => "every check holds".to_owned(),
        Verdict::Revoked => "the receipt was revoked".to_owned(),
        Verdict::Superseded => "another receipt counts instead".to_owned(),
        _ => checked.faults.join("; "),
    };
    let answer = Verification {
        valid: verdict == Verdict::Valid,
        verdict,
        reason,
        receipt_id: found.id().to_string(),
        signature_verified: checked.signature,
        transparency_verified: checked.transparency,
        chain_verified: checked.chain,
        signed_by: found.signed_by(),
        signer_statement: found.signer_statement(),
        on_behalf_of: found.record.body.on_behalf_of().map(str::to_owned),
        tree_size: checked.tree_size,
        witnesses: checked.witnesses,
        log_index: found.at.index,
        reasons: checked.faults,
        receipt: Some(receipt_view(&context, &found)?),
    };
    Ok(Reply::new(answer).at(found.at.index))
}
