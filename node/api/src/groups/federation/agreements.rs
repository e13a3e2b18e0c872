//! Reading and ending agreements.

use ledger_format::record::{Body, FederationEnd, RecordHash, Ulid};
use ledger_log::TimelineRow;
use ledger_state::Agreement;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::view::AgreementView;
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Paged, QueryInput, Reply},
    wire::{ReasonText, RecordHashText, TenantRef, reason},
};

/// The records with which an agreement becomes known.
pub(super) const TYPES: &[&str] = &["federation.agree"];

/// The agreement in the path, if the caller's tenant is one of the two.
fn own(context: &Context) -> Result<(RecordHash, Agreement), ApiError> {
    let text = context.word("agreement_id");
    let hash = RecordHashText::parse(text).ok_or_else(|| {
        ApiError::malformed(format!("{text:?} is not the hash of an agreement"))
            .field("agreement_id")
            .fix("write its 64 hex digits")
    })?;
    let tenant = context.tenant()?;
    let found = context.view(|view| ledger_state::agreement(view, hash.0))?;
    let found = found.filter(|agreement| is_party(agreement, tenant));
    Ok((hash.0, found.ok_or_else(|| ApiError::missing("agreement", "agreement_id"))?))
}

fn is_party(agreement: &Agreement, tenant: Ulid) -> bool {
    agreement.tenant == tenant || (agreement.origin.is_none() && agreement.peer.0 == tenant)
}

pub(super) fn view_of(context: &Context, hash: RecordHash) -> Result<AgreementView, ApiError> {
    let agreement = context.view(|view| ledger_state::agreement(view, hash))?;
    let agreement = agreement.ok_or_else(|| ApiError::missing("agreement", "agreement_id"))?;
    AgreementView::of(context, hash, &agreement)
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<AgreementView>, ApiError> {
    let (hash, agreement) = own(&context)?;
    Ok(Reply::new(AgreementView::of(&context, hash, &agreement)?).at(agreement.index))
}

/// Why an agreement ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndAgreement {
    /// Kept by the nodes; the log holds a word of it.
    #[serde(default)]
    reason: Option<ReasonText>,
}

impl BodyInput for EndAgreement {
    const REQUIRED: bool = false;
}

pub(super) async fn end(
    mut context: Context,
    _: NoQuery,
    body: EndAgreement,
) -> Result<Reply<AgreementView>, ApiError> {
    let (agreement, _) = own(&context)?;
    let (reason, whole) = reason(body.reason.as_ref());
    let record = FederationEnd { agreement, on_behalf_of: context.on_behalf_of()?, reason };
    let logged = context.record_because(Body::FederationEnd(Box::new(record)), whole).await;
    let logged = logged.map_err(|error| error.field("agreement_id"))?;
    Ok(Reply::new(view_of(&context, agreement)?.logged(logged.receipt)).at(logged.index))
}

/// What an agreement can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AgreementStatus {
    InForce,
    Ended,
    Expired,
}

/// Which agreements.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListAgreements {
    /// Only with this status.
    #[serde(default)]
    #[param(inline)]
    status: Option<AgreementStatus>,
    /// Only with this tenant.
    #[serde(default)]
    #[param(inline)]
    peer_tenant_id: Option<TenantRef>,
}

impl QueryInput for ListAgreements {}

pub(super) async fn list(
    context: Context,
    query: ListAgreements,
) -> Result<Reply<Paged<AgreementView>>, ApiError> {
    let wanted = query.status.map(|status| match status {
        AgreementStatus::InForce => "in_force",
        AgreementStatus::Ended => "ended",
        AgreementStatus::Expired => "expired",
    });
    let peer = query.peer_tenant_id.map(|id| id.0.0);
    let filtered = wanted.is_some() || peer.is_some();
    let page = context.list_of_party(TYPES, None, filtered, |context, row| {
        let Some((hash, agreement)) = at(context, row)? else { return Ok(None) };
        if peer.is_some_and(|peer| agreement.tenant != peer && agreement.peer.0 != peer) {
            return Ok(None);
        }
        let view = AgreementView::of(context, hash, &agreement)?;
        Ok(Some(view).filter(|view| wanted.is_none_or(|wanted| view.status() == wanted)))
    });
    Ok(Reply::new(page.await?))
}

/// The agreement that the record of a row made.
pub(super) fn at(context: &Context, row: &TimelineRow) -> Result<Option<(RecordHash, Agreement)>, ApiError> {
    let Some((_, record)) = context.entry(row.index)? else { return Ok(None) };
    let hash = record.hash();
    Ok(context.view(|view| ledger_state::agreement(view, hash))?.map(|agreement| (hash, agreement)))
}
