//! What becomes of a grant: accepted, rejected, revoked.

use ledger_format::record::{
    AgentId, Body, DelegationAccept, DelegationId, DelegationReject, DelegationRevoke, FOREIGN_BYTES_MAX,
    Record, record_hash,
};
use ledger_state::Grant;

use super::{
    bodies::{AcceptDelegation, ForeignOffer, WhyDelegation},
    open,
    view::{DelegationView, Words, delegation_view, judged, seen},
};
use crate::{
    ApiError,
    endpoint::{Context, Logged, NoQuery, Reply},
    wire::reason,
};

pub(super) async fn accept(
    mut context: Context,
    _: NoQuery,
    body: AcceptDelegation,
) -> Result<Reply<DelegationView>, ApiError> {
    let id: DelegationId = context.id("delegation_id")?;
    let on_behalf_of = context.on_behalf_of()?;
    let record = match &body.foreign {
        Some(foreign) => foreign_accept(id, foreign, on_behalf_of)?,
        None => {
            if judged(&context, id, None)?.is_none() {
                open::name_receiver(&mut context, id, body.agent_id.map(|agent| agent.0)).await?;
            }
            let grant = received(&context, id)?;
            DelegationAccept {
                agent: grant.to_agent,
                agreement: None,
                foreign: None,
                foreign_origin: None,
                grant: id,
                offer: grant.offer,
                on_behalf_of,
            }
        }
    };
    if body.agent_id.is_some_and(|said| said.0 != record.agent) {
        return Err(ApiError::unprocessable(format!("the grant is for agent {}", record.agent))
            .field("agent_id")
            .fix("leave it out, or name the receiver"));
    }
    context.own_agent(record.agent, "agent_id")?;
    if body.token.is_some_and(|token| token.0 != record.offer) {
        return Err(ApiError::conflict("OFFER_MISMATCH", format!("the offer's token is {}", record.offer))
            .field("token")
            .fix("read the grant and look at what it says"));
    }
    let logged = context.record(Body::DelegationAccept(Box::new(record))).await.map_err(as_asked)?;
    shown(&context, id, logged)
}

/// The grant, if the caller's tenant is its receiver. Whoever else sees it may not answer for the receiver.
fn received(context: &Context, id: DelegationId) -> Result<Grant, ApiError> {
    let found = seen(context, id, "delegation_id")?;
    let Some((_, grant)) = found.chain.last() else {
        return Err(ApiError::internal("a grant has no chain"));
    };
    if grant.to_tenant.0 != context.tenant()? {
        return Err(not_the_receiver());
    }
    Ok(grant.clone())
}

/// 403: whoever gives does not answer for who gets.
pub(super) fn not_the_receiver() -> ApiError {
    ApiError::forbidden("the grant was offered to another tenant")
        .field("delegation_id")
        .fix("the receiver answers an offer; its giver revokes it")
}

/// The acceptance of an offer that stands in another log.
fn foreign_accept(
    id: DelegationId,
    foreign: &ForeignOffer,
    on_behalf_of: Option<String>,
) -> Result<DelegationAccept, ApiError> {
    let wrong = |message: String| {
        ApiError::unprocessable(message)
            .field("foreign.record_base64")
            .fix("send the canonical bytes of the offer's record, as its log holds them")
    };
    let bytes = &foreign.record_base64.0;
    if bytes.len() > FOREIGN_BYTES_MAX {
        return Err(wrong(format!("a record of at most {FOREIGN_BYTES_MAX} bytes")));
    }
    let record = Record::parse(bytes).map_err(|error| wrong(error.to_string()))?;
    let Body::DelegationOffer(offer) = &record.body else {
        return Err(wrong(format!("it is a {}, not a delegation.offer", record.type_name())));
    };
    if offer.grant != id {
        return Err(wrong(format!("it offers {}, another grant than the path names", offer.grant)));
    }
    let agent: AgentId = offer.to.agent;
    Ok(DelegationAccept {
        agent,
        agreement: Some(foreign.agreement_id.0),
        foreign: Some(String::from_utf8(bytes.clone()).map_err(|error| wrong(error.to_string()))?),
        foreign_origin: Some(foreign.origin.as_str().to_owned()),
        grant: id,
        offer: record_hash(bytes),
        on_behalf_of,
    })
}

pub(super) async fn reject(
    mut context: Context,
    _: NoQuery,
    body: WhyDelegation,
) -> Result<Reply<DelegationView>, ApiError> {
    let id: DelegationId = context.id("delegation_id")?;
    if judged(&context, id, None)?.is_none() && open::load(&context, id)?.is_some() {
        return Err(open::names_nobody());
    }
    let grant = received(&context, id)?;
    let (reason, whole) = reason(body.reason.as_ref());
    let record = DelegationReject {
        agent: grant.to_agent,
        grant: id,
        offer: grant.offer,
        on_behalf_of: context.on_behalf_of()?,
        reason,
    };
    let record = Body::DelegationReject(Box::new(record));
    let logged = context.record_because(record, whole).await.map_err(as_asked)?;
    shown(&context, id, logged)
}

pub(super) async fn revoke(
    mut context: Context,
    _: NoQuery,
    body: WhyDelegation,
) -> Result<Reply<DelegationView>, ApiError> {
    let id: DelegationId = context.id("delegation_id")?;
    if judged(&context, id, None)?.is_none()
        && let Some(withdrawn) = open::withdraw(&mut context, id, reason(body.reason.as_ref())).await?
    {
        return Ok(withdrawn);
    }
    seen(&context, id, "delegation_id")?;
    let (reason, whole) = reason(body.reason.as_ref());
    let record = DelegationRevoke { grant: id, on_behalf_of: context.on_behalf_of()?, reason };
    let record = Body::DelegationRevoke(Box::new(record));
    let logged = context.record_because(record, whole).await.map_err(as_asked)?;
    shown(&context, id, logged)
}

fn shown(context: &Context, id: DelegationId, logged: Logged) -> Result<Reply<DelegationView>, ApiError> {
    let view = delegation_view(context, id, Words::Record)?;
    let view = view.ok_or_else(|| ApiError::missing("delegation", "delegation_id"))?;
    Ok(Reply::new(view.logged(logged.receipt)).at(logged.index))
}

/// The log names the fields of its record; the caller wants those of the request.
fn as_asked(error: ApiError) -> ApiError {
    let field = match error.field.as_str() {
        "grant" => "delegation_id",
        "agent" => "agent_id",
        "offer" => "token",
        "agreement" => "foreign.agreement_id",
        "foreign" => "foreign.record_base64",
        _ => return error,
    };
    error.field(field)
}
