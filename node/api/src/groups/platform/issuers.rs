//! Issuers: registered, trusted, suspended, revoked.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{
    AgentId, AgentRegister, AgentRevoke, AgentSuspend, AgentType, AgentUpdate, Body, Scope, SigningKey,
    TenantId,
};
use ledger_state::Agent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ISSUER, TRUSTED, is_issuer, issuer_status, keys::IssuerKey};
use crate::{
    ApiError,
    account::{Changes, quota},
    endpoint::{BodyInput, Context, Listed, Logged, NoQuery, Paged, Reply},
    wire::{
        NameText, PublicKeyText, ReasonText, Text, TimeText, WriteReceipt, Written, reason, record_name,
        time_text,
    },
};

/// An issuer to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateIssuer {
    name: NameText,
    #[serde(default)]
    legal_name: Option<Text<0, 256>>,
    #[serde(default)]
    display_name: Option<Text<0, 256>>,
    #[serde(default)]
    jurisdiction: Option<Text<0, 64>>,
    #[serde(default)]
    registration_ref: Option<Text<0, 256>>,
    #[serde(default)]
    assurance_level: Option<Text<0, 64>>,
    /// The issuer's Ed25519 public key. Without one, a key pair is made and shown once.
    #[serde(default)]
    public_key: Option<PublicKeyText>,
}

impl BodyInput for CreateIssuer {}

/// What the nodes keep of an issuer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct IssuerNotes {
    #[serde(default)]
    name: String,
    #[serde(default)]
    legal_name: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    jurisdiction: Option<String>,
    #[serde(default)]
    registration_ref: Option<String>,
    #[serde(default)]
    assurance_level: Option<String>,
    /// Every key that it has had, by the issuer's own names.
    #[serde(default)]
    pub(super) keys: Vec<IssuerKey>,
}

/// An issuer.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuerView {
    /// UUID of the id.
    id: String,
    /// The id of the agent that it is.
    issuer_id: String,
    agent_id: String,
    did: String,
    tenant_id: String,
    name: String,
    legal_name: Option<String>,
    display_name: String,
    jurisdiction: Option<String>,
    registration_ref: Option<String>,
    assurance_level: Option<String>,
    /// `active`, `suspended` or `revoked`.
    status: &'static str,
    /// `verified` when the tenant trusts it, else `registered`.
    trust_tier: &'static str,
    /// `low` while it is active, `high` when it is suspended or revoked.
    risk_rating: &'static str,
    /// Its current key.
    public_key: String,
    created_at: String,
    updated_at: String,
    /// Index of its registration; in the answer of a write, of the record that was written.
    log_index: u64,
    /// Shown once, when it was registered without a key of its own. The nodes keep none.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
    #[serde(flatten)]
    written: Written,
}

impl Listed for IssuerView {
    const PLURAL: &'static str = "issuers";
}

/// Why. Older clients send no body at all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyIssuer {
    #[serde(default)]
    reason: Option<ReasonText>,
    /// Of a revocation: since when it is believed to have been in foreign hands.
    #[serde(default)]
    compromised_at: Option<TimeText>,
}

impl BodyInput for WhyIssuer {
    const REQUIRED: bool = false;
}

fn place(id: AgentId) -> String {
    format!("issuers/{}", id.0)
}

/// What is kept of an issuer, with its bytes for a comparison.
pub(super) fn notes(context: &Context, id: AgentId) -> Result<(IssuerNotes, Vec<u8>), ApiError> {
    Ok(context.shared.store.get(&place(id))?.unwrap_or_default())
}

/// Keeps it; refused when it has changed since it was read.
pub(super) async fn keep_notes(
    context: &Context,
    id: AgentId,
    notes: &IssuerNotes,
    read: &[u8],
) -> Result<(), ApiError> {
    let changes = match read {
        [] => Changes::default().absent(&place(id)),
        read => Changes::default().still(&place(id), read),
    };
    if context.shared.store.change(changes.put(&place(id), notes, None)?).await? {
        return Ok(());
    }
    Err(ApiError::conflict("CHANGED", "the issuer was changed at the same time").fix("read it and try again"))
}

/// The caller's own issuer; an agent that is none does not exist here.
pub(super) fn own_issuer(context: &Context, id: AgentId, field: &str) -> Result<Agent, ApiError> {
    let agent = context.own_agent(id, field).map_err(|_| ApiError::missing("issuer", field))?;
    if is_issuer(&agent) { Ok(agent) } else { Err(ApiError::missing("issuer", field)) }
}

/// An issuer that may issue now.
pub(super) fn active_issuer(context: &Context, id: AgentId) -> Result<Agent, ApiError> {
    let agent = own_issuer(context, id, "issuer_id")?;
    let refused = |code: &'static str, what: &str| {
        let error = ApiError::new(axum::http::StatusCode::FORBIDDEN, code, format!("the issuer is {what}"));
        Err(error.field("issuer_id").fix("use another issuer, or reactivate the agent that it is"))
    };
    match issuer_status(&agent) {
        "active" => Ok(agent),
        "suspended" => refused("ISSUER_SUSPENDED", "suspended"),
        _ => refused("ISSUER_REVOKED", "revoked"),
    }
}

/// `verified` when the tenant trusts it.
pub(super) fn trust_tier(agent: &Agent) -> &'static str {
    let wanted = Scope::parse(TRUSTED);
    let trusted = wanted.is_some_and(|wanted| agent.scopes.iter().any(|scope| scope.covers(&wanted)));
    if trusted { "verified" } else { "registered" }
}

fn view(context: &Context, id: AgentId, agent: &Agent) -> Result<IssuerView, ApiError> {
    let (notes, _) = notes(context, id)?;
    let created = context.log_time(agent.registered)?;
    let updated = match &agent.status {
        ledger_state::AgentStatus::Suspended { at, .. } | ledger_state::AgentStatus::Revoked { at, .. } => {
            time_text(*at)
        }
        ledger_state::AgentStatus::Active => created.clone(),
    };
    let name = if notes.name.is_empty() { agent.name.clone() } else { notes.name };
    let status = issuer_status(agent);
    Ok(IssuerView {
        id: id.0.uuid(),
        issuer_id: id.to_string(),
        agent_id: id.to_string(),
        did: did(id),
        tenant_id: TenantId(agent.tenant).to_string(),
        display_name: notes.display_name.unwrap_or_else(|| name.clone()),
        name,
        legal_name: notes.legal_name,
        jurisdiction: notes.jurisdiction,
        registration_ref: notes.registration_ref,
        assurance_level: notes.assurance_level,
        status,
        trust_tier: trust_tier(agent),
        risk_rating: if status == "active" { "low" } else { "high" },
        public_key: URL_SAFE_NO_PAD.encode(agent.key.public),
        created_at: created,
        updated_at: updated,
        log_index: agent.registered,
        private_key: None,
        written: Written::default(),
    })
}

/// The issuer's name as the platform writes it.
pub(super) fn did(id: AgentId) -> String {
    format!("did:truthlock:{}", id.0.uuid())
}

/// What verification says of an issuer.
pub(super) fn governance(context: &Context, id: AgentId) -> Result<serde_json::Value, ApiError> {
    let agent = context.view(|view| ledger_state::agent(view, id))?;
    let agent = agent.ok_or_else(|| ApiError::internal("an attestation without its issuer"))?;
    let issuer = view(context, id, &agent)?;
    Ok(serde_json::json!({
        "issuer_status": issuer.status,
        "issuer_trust_tier": issuer.trust_tier,
        "issuer_risk_rating": issuer.risk_rating,
        "issuer_jurisdiction": issuer.jurisdiction,
        "issuer_name": issuer.name,
    }))
}

fn shown(context: &Context, id: AgentId, receipt: WriteReceipt) -> Result<IssuerView, ApiError> {
    let agent = own_issuer(context, id, "issuer_id")?;
    let mut view = view(context, id, &agent)?;
    view.log_index = receipt.log_index;
    view.written = receipt.into();
    Ok(view)
}

pub(super) async fn create(
    mut context: Context,
    _: NoQuery,
    body: CreateIssuer,
) -> Result<Reply<IssuerView>, ApiError> {
    quota::agents(&context)?;
    let id = context.new_id()?;
    let (key, private_key) = match body.public_key {
        Some(key) => (key.0, None),
        None => {
            let seed = context.draw("agent key")?;
            (SigningKey::from_seed(seed).public(), Some(URL_SAFE_NO_PAD.encode(seed)))
        }
    };
    let agent = AgentId(id);
    let record = AgentRegister {
        agent,
        denies: Vec::new(),
        key,
        name: record_name(body.name.as_str()).0,
        on_behalf_of: context.on_behalf_of()?,
        parent: None,
        runtime_type: Some(ISSUER.into()),
        scopes: Scope::parse("receipts:write").into_iter().collect(),
        agent_type: AgentType::System,
    };
    let logged = context.record_as(id, Body::AgentRegister(Box::new(record))).await?;
    let said = |text: Option<Text<0, 256>>| text.map(Text::into_string).filter(|text| !text.is_empty());
    let notes = IssuerNotes {
        name: body.name.into_string(),
        legal_name: said(body.legal_name),
        display_name: said(body.display_name),
        jurisdiction: body.jurisdiction.map(Text::into_string),
        registration_ref: said(body.registration_ref),
        assurance_level: body.assurance_level.map(Text::into_string),
        keys: vec![IssuerKey::new(key.kid().to_string(), &key, logged.index)],
    };
    let (_, read) = self::notes(&context, agent)?;
    if read.is_empty() {
        keep_notes(&context, agent, &notes, &read).await?;
    }
    let mut view = shown(&context, agent, logged.receipt)?;
    view.private_key = private_key;
    Ok(Reply::new(view).at(logged.index))
}

pub(super) async fn list(context: Context, _: NoQuery) -> Result<Reply<Paged<IssuerView>>, ApiError> {
    let page = context.list(&["agent.register"], None, true, |context, row| {
        let Some(id) = row.agent else { return Ok(None) };
        let agent = context.view(|view| ledger_state::agent(view, id))?;
        agent.filter(is_issuer).map(|agent| view(context, id, &agent)).transpose()
    });
    Ok(Reply::new(page.await?))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<IssuerView>, ApiError> {
    let id = context.id("issuer_id")?;
    let agent = own_issuer(&context, id, "issuer_id")?;
    Ok(Reply::new(view(&context, id, &agent)?).at(agent.registered))
}

pub(super) async fn trust(
    mut context: Context,
    _: NoQuery,
    body: WhyIssuer,
) -> Result<Reply<IssuerView>, ApiError> {
    let id: AgentId = context.id("issuer_id")?;
    let agent = own_issuer(&context, id, "issuer_id")?;
    if trust_tier(&agent) == "verified" {
        return Ok(Reply::new(view(&context, id, &agent)?));
    }
    let mut scopes = agent.scopes;
    scopes.extend(Scope::parse(TRUSTED));
    scopes.sort_unstable();
    let on_behalf_of = context.on_behalf_of()?;
    let update = AgentUpdate {
        agent: id,
        critical: None,
        denies: None,
        name: None,
        on_behalf_of,
        runtime_type: None,
        scopes: Some(scopes),
    };
    let (_, whole) = reason(body.reason.as_ref());
    let logged = context.record_because(Body::AgentUpdate(Box::new(update)), whole).await?;
    done(&context, id, logged)
}

pub(super) async fn suspend(
    mut context: Context,
    _: NoQuery,
    body: WhyIssuer,
) -> Result<Reply<IssuerView>, ApiError> {
    let agent: AgentId = context.id("issuer_id")?;
    own_issuer(&context, agent, "issuer_id")?;
    let (reason, whole) = reason(body.reason.as_ref());
    let on_behalf_of = context.on_behalf_of()?;
    let record = Body::AgentSuspend(AgentSuspend { agent, on_behalf_of, reason });
    let logged = context.record_because(record, whole).await?;
    done(&context, agent, logged)
}

pub(super) async fn revoke(
    mut context: Context,
    _: NoQuery,
    body: WhyIssuer,
) -> Result<Reply<IssuerView>, ApiError> {
    let agent: AgentId = context.id("issuer_id")?;
    own_issuer(&context, agent, "issuer_id")?;
    let (reason, whole) = reason(body.reason.as_ref());
    let compromised_at = body.compromised_at.map(|time| time.0);
    let on_behalf_of = context.on_behalf_of()?;
    let record = AgentRevoke { agent, cascade: false, compromised_at, on_behalf_of, reason };
    let logged = context.record_because(Body::AgentRevoke(record), whole).await?;
    done(&context, agent, logged)
}

fn done(context: &Context, id: AgentId, logged: Logged) -> Result<Reply<IssuerView>, ApiError> {
    Ok(Reply::new(shown(context, id, logged.receipt)?).at(logged.index))
}
