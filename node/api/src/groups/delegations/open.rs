//! Offers to a tenant that names the receiving agent itself, when it accepts.
//!
//! A grant of the log names an agent and its key, so there is none until somebody takes the offer. Until then the terms are in the nodes'
//! private state, and the log holds a `receipt.delegation` of the agent that grants with their salted digest. Who takes the offer has the
//! operator log it under these very terms on the giver's behalf, and then the acceptance.

use ledger_format::{
    ChainReason,
    record::{
        Actor, AgentId, Body, DelegationId, DelegationOffer, DetailValue, Digest, Draft, GrantTo, ReceiptId,
        ReceiptRevoke, ReceiptStatement, Record, RecordHash, Scope, TenantId, Ulid,
    },
};
use ledger_state::{Grant, GrantFault, GrantJudgement, GrantStanding, RecordAt};
use serde::{Deserialize, Serialize};

use super::{
    super::receipts::hex,
    view::{DelegationNotes, DelegationView, OFFER_MS, Words, view_of},
};
use crate::{
    ApiError,
    account::Changes,
    endpoint::{Context, NoQuery, Paged, Reply},
    wire::record_name,
};

/// Offers of a tenant that await an agent.
const OPEN_MAX: usize = 1_000;
/// How long the nodes keep one: a little longer than it can be taken.
const KEPT_MS: u64 = OFFER_MS + 60 * 60 * 1_000;

/// An offer that awaits an agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OpenOffer {
    /// The offer's record as it will be, with its giver in the receiver's place.
    terms: String,
    /// What makes the digest of the terms unguessable.
    salt: String,
    /// The receipt that holds the digest.
    receipt: String,
    fate: Fate,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Open,
    /// Somebody takes it: the grant is in the log, or about to be.
    Taken,
    Withdrawn,
}

/// An offer that awaits an agent, read.
pub(super) struct Open {
    id: DelegationId,
    /// The tenant that offers.
    tenant: Ulid,
    body: DelegationOffer,
    receipt: ReceiptId,
    /// Where the receipt is.
    at: RecordAt,
    offer: OpenOffer,
    bytes: Vec<u8>,
}

fn place(id: DelegationId) -> String {
    format!("open-offer/{}", id.0)
}

fn given_prefix(tenant: Ulid) -> String {
    format!("open-offers-given/{tenant}/")
}

fn received_prefix(tenant: Ulid) -> String {
    format!("open-offers-received/{tenant}/")
}

/// Keeps the terms and logs their digest.
pub(super) async fn offer(
    mut context: Context,
    record: DelegationOffer,
    notes: &DelegationNotes,
    words: Words,
) -> Result<Reply<DelegationView>, ApiError> {
    let (tenant, id, to) = (context.tenant()?, record.grant, record.to.tenant);
    let from = record.from.ok_or_else(|| ApiError::internal("an open offer has no giver"))?;
    let given: Vec<(String, String)> = context.shared.store.list(&given_prefix(tenant), None, OPEN_MAX)?;
    if given.len() >= OPEN_MAX {
        let message = format!("{OPEN_MAX} offers of the tenant await an agent");
        return Err(ApiError::conflict("TOO_MANY_OFFERS", message)
            .field("to_agent_id")
            .fix("name the receiving agent"));
    }
    let salt = hex(&context.draw("salt")?[..16]);
    let draft =
        Draft::new(tenant, id.0, Actor::Operator, context.now_ms, Body::DelegationOffer(Box::new(record)));
    let terms = draft.sign(context.log.operator()).to_bytes();
    let terms = String::from_utf8(terms).map_err(ApiError::internal)?;
    let digest = Digest::sha256(format!("{salt}{terms}").as_bytes());
    let receipt = context.new_id()?;
    let statement = statement(&context, from, id, to, digest)?;
    let open = OpenOffer { terms, salt, receipt: receipt.to_string(), fate: Fate::Open };
    let until = Some(context.now_ms + KEPT_MS);
    let name = id.to_string();
    // The same call again finds it as it is by now, and must not open what was withdrawn or taken since.
    let changes = Changes::default()
        .absent(&place(id))
        .put(&place(id), &open, until)?
        .put(&format!("{}{}", given_prefix(tenant), id.0), &name, until)?
        .put(&format!("{}{}", received_prefix(to.0), id.0), &name, until)?;
    context.shared.store.change(changes).await?;
    context.keep(id.0, notes).await?;
    let logged = context.record_as(receipt, Body::ReceiptDelegation(Box::new(statement))).await?;
    let found = load(&context, id)?.ok_or_else(|| ApiError::internal("an open offer is not there"))?;
    Ok(Reply::new(found.view(&context, words)?.logged(logged.receipt)).at(logged.index))
}

fn statement(
    context: &Context,
    agent: AgentId,
    grant: DelegationId,
    to: TenantId,
    terms: Digest,
) -> Result<ReceiptStatement, ApiError> {
    let facts = [
        ("grant", grant.to_string()),
        ("kind", "delegation".to_owned()),
        ("terms", terms.to_string()),
        ("to_tenant", to.to_string()),
    ];
    let detail = facts.into_iter().map(|(key, fact)| (key.to_owned(), DetailValue::Text(fact))).collect();
    Ok(ReceiptStatement {
        agent,
        detail: Some(detail),
        input: None,
        on_behalf_of: context.on_behalf_of()?,
        output: None,
        subject: Some(record_name(&format!("offer to {to}")).0),
    })
}

/// The open offer with this id, if the caller's tenant gives or gets it.
pub(super) fn load(context: &Context, id: DelegationId) -> Result<Option<Open>, ApiError> {
    let Some((offer, bytes)) = context.shared.store.get::<OpenOffer>(&place(id))? else { return Ok(None) };
    let record = Record::parse(offer.terms.as_bytes()).map_err(ApiError::internal)?;
    let (tenant, own) = (record.tenant, context.tenant()?);
    let Body::DelegationOffer(body) = record.body else {
        return Err(ApiError::internal("the terms of an open offer are no offer"));
    };
    let receipt = Ulid::parse(&offer.receipt).ok_or_else(|| ApiError::internal("not the id of a receipt"))?;
    // Without its receipt it was never offered, or in another environment.
    let at = context.view(|view| ledger_state::record_at(view, tenant, receipt))?;
    let Some(at) = at.filter(|_| tenant == own || body.to.tenant.0 == own) else { return Ok(None) };
    Ok(Some(Open { id, tenant, body: *body, receipt: ReceiptId(receipt), at, offer, bytes }))
}

impl Open {
    /// Whether it can still be taken.
    fn is_open(&self, now_ms: u64) -> bool {
        self.offer.fate != Fate::Withdrawn
            && now_ms < self.at.log_ms.saturating_add(OFFER_MS)
            && now_ms < self.body.limits.expires_at
    }

    /// As a grant that nobody has yet.
    pub(super) fn view(&self, context: &Context, words: Words) -> Result<DelegationView, ApiError> {
        let body = &self.body;
        let withdrawn = self.offer.fate == Fate::Withdrawn;
        let grant = Grant {
            tenant: self.tenant,
            from: body.from,
            to_agent: body.to.agent,
            to_tenant: body.to.tenant,
            to_kid: body.to.kid,
            to_origin: None,
            foreign: None,
            parent: None,
            offer: RecordHash([0; 32]),
            agreement: body.agreement,
            scopes: body.scopes.clone(),
            deny: body.deny.clone(),
            limits: body.limits.clone(),
            hops: body.hops,
            depth: 0,
            index: self.at.index,
            offered_ms: self.at.log_ms,
            accepted: None,
            standing: if withdrawn { GrantStanding::Revoked } else { GrantStanding::Offered },
            since: self.at.index,
        };
        let detail = "awaits an agent of the other tenant".to_owned();
        let fault = GrantFault { grant: self.id, reason: ChainReason::NotAccepted, detail };
        let found = GrantJudgement {
            chain: vec![(self.id, grant)],
            fault: Some(fault),
            scopes: Vec::new(),
            denied: Vec::new(),
        };
        Ok(view_of(context, &found, words)?.without_receiver(self.receipt.to_string()))
    }
}

/// Names the agent that takes an open offer: from here on the log has the grant.
pub(super) async fn name_receiver(
    context: &mut Context,
    id: DelegationId,
    agent: Option<AgentId>,
) -> Result<(), ApiError> {
    let open = load(context, id)?.ok_or_else(|| ApiError::missing("delegation", "delegation_id"))?;
    let own = context.tenant()?;
    if open.body.to.tenant.0 != own {
        return Err(super::answers::not_the_receiver());
    }
    let agent = agent.ok_or_else(|| {
        ApiError::unprocessable("the offer is to the tenant: say which agent takes it")
            .field("agent_id")
            .fix("name an agent of the caller's tenant")
    })?;
    let key = context.own_agent(agent, "agent_id")?.key;
    if !open.is_open(context.now_ms) {
        return Err(ApiError::conflict("OFFER_LAPSED", "the offer was withdrawn, or its time is over")
            .field("delegation_id")
            .fix("ask for a new offer"));
    }
    still_given(context, &open)?;
    // Whoever withdraws it at the same moment is told to revoke the grant instead.
    let taken = OpenOffer { fate: Fate::Taken, ..open.offer.clone() };
    let changes = Changes::default().still(&place(id), &open.bytes).put(
        &place(id),
        &taken,
        Some(open.at.log_ms + KEPT_MS),
    )?;
    if !context.shared.store.change(changes).await? {
        return Err(ApiError::conflict("CHANGED", "the offer was changed at the same time")
            .field("delegation_id")
            .fix("read it and try again"));
    }
    let mut body = open.body;
    body.to = GrantTo { agent, kid: key.kid, origin: None, tenant: TenantId(own) };
    let record = (id.0, Body::DelegationOffer(Box::new(body)));
    context.records_of(open.tenant, vec![record]).await.map_err(super::offer::as_asked)?;
    Ok(())
}

/// What the giver had when it offered it must still have: the log would flag the grant, and void it.
fn still_given(context: &Context, open: &Open) -> Result<(), ApiError> {
    let Some(from) = open.body.from else { return Ok(()) };
    let giver = context.view(|view| ledger_state::agent(view, from))?;
    let covers = |scopes: &[Scope], scope: &Scope| scopes.iter().any(|wide| wide.covers(scope));
    let has = giver.is_some_and(|giver| {
        giver.is_active() && open.body.scopes.iter().all(|scope| covers(&giver.scopes, scope))
    });
    if has {
        return Ok(());
    }
    Err(ApiError::conflict("GRANT_ENDED", "the agent that grants may not do it itself any more")
        .field("delegation_id")
        .fix("ask for a new offer"))
}

/// 409: there is nothing to refuse for whom the offer does not name.
pub(super) fn names_nobody() -> ApiError {
    ApiError::conflict("OFFER_OPEN", "the offer names no agent yet")
        .field("delegation_id")
        .fix("its giver may revoke it; the receiver may leave it: it lapses within 24 hours")
}

/// Takes an open offer back, before anybody has taken it; `None`: there is none.
pub(super) async fn withdraw(
    context: &mut Context,
    id: DelegationId,
    reason: (String, Option<String>),
) -> Result<Option<Reply<DelegationView>>, ApiError> {
    let Some(open) = load(context, id)? else { return Ok(None) };
    if open.tenant != context.tenant()? {
        return Err(names_nobody());
    }
    if open.offer.fate != Fate::Open {
        return Err(ApiError::conflict("GRANT_ENDED", "the offer was withdrawn, or is being taken")
            .field("delegation_id")
            .fix("read it: what was taken can be revoked as a grant"));
    }
    let withdrawn = OpenOffer { fate: Fate::Withdrawn, ..open.offer.clone() };
    let until = Some(open.at.log_ms + KEPT_MS);
    let changes = Changes::default().still(&place(id), &open.bytes).put(&place(id), &withdrawn, until)?;
    if !context.shared.store.change(changes).await? {
        return Err(ApiError::conflict("CHANGED", "the offer was changed at the same time")
            .field("delegation_id")
            .fix("read it and try again"));
    }
    let agent = open.body.from.ok_or_else(|| ApiError::internal("an open offer has no giver"))?;
    let (reason, whole) = reason;
    let on_behalf_of = context.on_behalf_of()?;
    let record = ReceiptRevoke { agent, on_behalf_of, reason, receipt: open.receipt };
    let logged = context.record_because(Body::ReceiptRevoke(Box::new(record)), whole).await?;
    let open = Open { offer: withdrawn, ..open };
    let view = open.view(context, Words::Record)?.logged(logged.receipt);
    Ok(Some(Reply::new(view).at(logged.index)))
}

/// `GET /v1/delegations/open`.
pub(super) async fn list(context: Context, _: NoQuery) -> Result<Reply<Paged<DelegationView>>, ApiError> {
    let own = context.tenant()?;
    let mut offers = Vec::new();
    for prefix in [given_prefix(own), received_prefix(own)] {
        let names: Vec<(String, String)> = context.shared.store.list(&prefix, None, OPEN_MAX)?;
        for id in names.iter().filter_map(|(_, name)| DelegationId::parse(name)) {
            let found = load(&context, id)?;
            offers.extend(found.filter(|open| open.offer.fate == Fate::Open && open.is_open(context.now_ms)));
        }
    }
    offers.sort_by_key(|open| std::cmp::Reverse(open.at.index));
    let page = Paged::of_all(offers, context.page);
    Ok(Reply::new(page.try_map(|open| open.view(&context, Words::Record))?))
}
