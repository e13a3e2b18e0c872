//! Offering a grant.

use axum::http::StatusCode;
use ledger_format::record::{
    AgentId, Body, DelegationId, DelegationOffer, GrantTo, Kid, RecordHash, Scope, TenantId, Ulid,
};
use ledger_state::Agreement;

use super::{
    bodies::{NativeOffer, OfferDelegation},
    limits::{self, Kind},
    open,
    view::{DelegationNotes, DelegationView, Words, delegation_view},
};
use crate::{
    ApiError,
    endpoint::{Context, NoQuery, Reply},
    wire::ScopeText,
};

const MINUTE_MS: u64 = 60_000;

pub(super) async fn offer(
    context: Context,
    _: NoQuery,
    body: OfferDelegation,
) -> Result<Reply<DelegationView>, ApiError> {
    let (offer, scope) = plain(body);
    make(context, offer, scope, Words::Record).await
}

pub(super) async fn across_tenants(
    context: Context,
    _: NoQuery,
    body: OfferDelegation,
) -> Result<Reply<DelegationView>, ApiError> {
    let (offer, scope) = plain(body);
    let to = receiver(&context, &offer)?;
    if to.agreement.is_none() {
        return Err(ApiError::unprocessable("the receiver is of the caller's own tenant")
            .field("to_tenant_id")
            .fix("name another tenant, or offer it at /v1/delegations/offer"));
    }
    make(context, offer, scope, Words::Record).await
}

pub(super) async fn of_agent(
    context: Context,
    _: NoQuery,
    mut offer: NativeOffer,
) -> Result<Reply<DelegationView>, ApiError> {
    let from: AgentId = context.id("agent_id")?;
    context.own_agent(from, "agent_id")?;
    if offer.from_agent_id.is_some_and(|said| said.0 != from) {
        return Err(ApiError::unprocessable("the path names another agent").field("from_agent_id"));
    }
    offer.from_agent_id = Some(crate::wire::Id(from));
    make(context, offer, None, Words::Older).await
}

/// One shape of both, and the scope object if it was one.
fn plain(body: OfferDelegation) -> (NativeOffer, Option<serde_json::Value>) {
    match body {
        OfferDelegation::Native(offer) => (*offer, None),
        OfferDelegation::Sdk(body) => {
            let scopes = body.scope.scopes();
            let mut offer = NativeOffer::of(body.from_agent_id, body.to_agent_id, scopes);
            offer.ttl_seconds = body.ttl_seconds;
            (offer, Some(body.scope.into_value()))
        }
    }
}

/// To whom a grant goes.
struct Receiver {
    to: GrantTo,
    /// Of another tenant: what lets it pass.
    agreement: Option<(RecordHash, Agreement)>,
    /// The tenant says later which agent it is; `to` has the giver in its place.
    is_open: bool,
}

async fn make(
    mut context: Context,
    offer: NativeOffer,
    scope: Option<serde_json::Value>,
    words: Words,
) -> Result<Reply<DelegationView>, ApiError> {
    let from = offer.from_agent_id.map(|id| id.0);
    let giver = from.map(|from| context.own_agent(from, "from_agent_id")).transpose()?;
    let Receiver { to, agreement, is_open } = receiver(&context, &offer)?;
    let kind = match &agreement {
        None => Kind::Within,
        Some((_, agreement)) => {
            Kind::Across { longest_ms: agreement.ttl_min * MINUTE_MS, ends_ms: agreement.expires_at }
        }
    };
    let allowed = [
        giver.as_ref().map(|giver| (giver.scopes.as_slice(), "the agent that grants may not do it itself")),
        agreement.as_ref().map(|(_, a)| (a.scopes.as_slice(), "the agreement does not cover it")),
    ];
    let (scopes, deny) = scopes(&offer.scopes, allowed.into_iter().flatten())?;
    let hops = limits::hops(&offer, &kind)?;
    let end = limits::end(&context, &offer, &kind)?;
    let limits = limits::limits(&context, &offer, end)?;
    let notes = notes(&offer, scope);
    let grant = DelegationId(context.new_id()?);
    let record = DelegationOffer {
        agreement: agreement.map(|(hash, _)| hash),
        deny,
        from,
        grant,
        hops,
        limits,
        on_behalf_of: context.on_behalf_of()?,
        parent: None,
        scopes,
        to,
    };
    if is_open {
        return open::offer(context, record, &notes, words).await;
    }
    let (id, record) = (context.new_id()?, Body::DelegationOffer(Box::new(record)));
    let logged = context.record_noted(id, record, grant.0, &notes).await.map_err(as_asked)?;
    let view = delegation_view(&context, grant, words)?;
    let view = view.ok_or_else(|| ApiError::internal("an offered grant is not there"))?;
    Ok(Reply::new(view.logged(logged.receipt)).at(logged.index))
}

fn notes(offer: &NativeOffer, scope: Option<serde_json::Value>) -> DelegationNotes {
    let object = |value: Option<serde_json::Value>| match value {
        Some(serde_json::Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let constraints = offer.constraints.as_ref().and_then(|said| serde_json::to_value(said).ok());
    DelegationNotes {
        metadata: offer.metadata.clone().unwrap_or_default().0,
        constraints: object(constraints),
        purpose: offer.purpose.as_ref().map(|purpose| purpose.as_str().to_owned()),
        scope,
    }
}

/// Another tenant's agent is there for who has an agreement with that tenant, and for nobody else.
fn receiver(context: &Context, offer: &NativeOffer) -> Result<Receiver, ApiError> {
    let own = context.tenant()?;
    let Some(agent) = offer.to_agent_id.map(|id| id.0) else { return to_tenant(context, offer) };
    let kid = offer.to_key_id.as_ref().and_then(|kid| Kid::parse(kid.as_str()));
    let here = context.log.origin();
    if let Some(origin) = offer.to_origin.as_ref().filter(|origin| origin.as_str() != here) {
        return elsewhere(context, offer, agent, kid, origin.as_str());
    }
    let found = context.view(|view| ledger_state::agent(view, agent))?;
    let tenant =
        offer.to_tenant_id.map_or_else(|| found.as_ref().map_or(own, |agent| agent.tenant), |id| id.0.0);
    let missing = || ApiError::missing("agent", "to_agent_id");
    let agreement = if tenant == own {
        if offer.agreement_id.is_some() {
            return Err(ApiError::unprocessable("a grant inside a tenant passes under no agreement")
                .field("agreement_id")
                .fix("leave it out"));
        }
        None
    } else {
        match live_agreement(context, own, tenant, None, offer) {
            Ok(agreement) => Some(agreement),
            // Without naming the tenant, and without an agreement, nothing of another tenant is to be learnt.
            Err(_) if offer.to_tenant_id.is_none() => return Err(missing()),
            Err(error) => return Err(error),
        }
    };
    let found = found.filter(|agent| agent.tenant == tenant).ok_or_else(missing)?;
    let to = GrantTo { agent, kid: kid.unwrap_or(found.key.kid), origin: None, tenant: TenantId(tenant) };
    Ok(Receiver { to, agreement, is_open: false })
}

/// An offer to a tenant as a whole, from an agent.
fn to_tenant(context: &Context, offer: &NativeOffer) -> Result<Receiver, ApiError> {
    let own = context.tenant()?;
    let missing = |field: &str| {
        ApiError::unprocessable(format!("missing field `{field}`"))
            .field(field)
            .fix("name the agent that gets it; or another tenant, and the agent that grants")
    };
    let tenant = offer.to_tenant_id.filter(|id| id.0.0 != own).ok_or_else(|| missing("to_agent_id"))?.0;
    let from = offer.from_agent_id.ok_or_else(|| missing("from_agent_id"))?.0;
    if offer.to_origin.is_some() || offer.to_key_id.is_some() {
        return Err(missing("to_agent_id"));
    }
    let agreement = live_agreement(context, own, tenant.0, None, offer)?;
    let kid = context.own_agent(from, "from_agent_id")?.key.kid;
    let to = GrantTo { agent: from, kid, origin: None, tenant };
    Ok(Receiver { to, agreement: Some(agreement), is_open: true })
}

/// A receiver of another log: nothing of it is known here, so the caller says it all.
fn elsewhere(
    context: &Context,
    offer: &NativeOffer,
    agent: AgentId,
    kid: Option<Kid>,
    origin: &str,
) -> Result<Receiver, ApiError> {
    let needs = |field: &str| {
        ApiError::unprocessable("an agent of another log is named with its tenant, its key and the agreement")
            .field(field)
            .fix("ask that log for them")
    };
    let kid = kid.ok_or_else(|| needs("to_key_id"))?;
    let tenant = offer.to_tenant_id.ok_or_else(|| needs("to_tenant_id"))?.0;
    if offer.agreement_id.is_none() {
        return Err(needs("agreement_id"));
    }
    let agreement = live_agreement(context, context.tenant()?, tenant.0, Some(origin), offer)?;
    let to = GrantTo { agent, kid, origin: Some(origin.to_owned()), tenant };
    Ok(Receiver { to, agreement: Some(agreement), is_open: false })
}

/// The agreement that is named, or the newest one; it must be in force.
fn live_agreement(
    context: &Context,
    own: Ulid,
    peer: Ulid,
    origin: Option<&str>,
    offer: &NativeOffer,
) -> Result<(RecordHash, Agreement), ApiError> {
    let found = context.view(|view| match offer.agreement_id {
        Some(id) => ledger_state::agreement(view, id.0).map(|agreement| (id.0, agreement)),
        None => ledger_state::newest_agreement(view, own, peer),
    })?;
    let found = found.filter(|(_, agreement)| agreement.is_between(own, peer, origin));
    let field = if offer.agreement_id.is_some() { "agreement_id" } else { "to_tenant_id" };
    let Some((hash, agreement)) = found else {
        let message = "there is no agreement with that tenant";
        return Err(ApiError::conflict("AGREEMENT_UNKNOWN", message)
            .field(field)
            .fix("make one at /v1/federation/agreements"));
    };
    if !agreement.is_live(context.now_ms) {
        return Err(ApiError::conflict("AGREEMENT_ENDED", format!("agreement {hash} has ended"))
            .field(field)
            .fix("make a new one at /v1/federation/agreements"));
    }
    Ok((hash, agreement))
}

/// 422: it asks for more than whoever grants has to give.
pub(super) fn escalation(message: impl Into<String>, field: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "SCOPE_ESCALATION", message)
        .field(field)
        .fix("grant less: a grant holds at most what its giver has")
}

/// Scopes and denials as a record has them; each scope is within every list of `allowed`.
fn scopes<'a>(
    texts: &[ScopeText],
    allowed: impl Iterator<Item = (&'a [Scope], &'static str)> + Clone,
) -> Result<(Vec<Scope>, Vec<Scope>), ApiError> {
    let (mut scopes, mut deny) = (Vec::new(), Vec::new());
    for (at, text) in texts.iter().enumerate() {
        let field = format!("scopes[{at}]");
        let (scope, denied) =
            text.scope().map_err(|error| ApiError::unprocessable(error).field(field.clone()))?;
        if denied {
            deny.push(scope);
            continue;
        }
        for (list, why) in allowed.clone() {
            if !list.iter().any(|wide| wide.covers(&scope)) {
                return Err(escalation(format!("{scope}: {why}"), field));
            }
        }
        scopes.push(scope);
    }
    if scopes.is_empty() {
        return Err(ApiError::unprocessable("it would grant nothing")
            .field("scopes")
            .fix("name what the receiver may do"));
    }
    for list in [&mut scopes, &mut deny] {
        list.sort_unstable();
        list.dedup();
    }
    Ok((scopes, deny))
}

/// The log names the fields of its record; the caller wants those of the body.
pub(super) fn as_asked(error: ApiError) -> ApiError {
    let field = match error.field.as_str() {
        "from" => "from_agent_id",
        "to.agent" => "to_agent_id",
        "to.tenant" => "to_tenant_id",
        "to.kid" => "to_key_id",
        "limits.expires_at" => "expires_at",
        "agreement" => "agreement_id",
        _ => return error,
    };
    error.field(field)
}
