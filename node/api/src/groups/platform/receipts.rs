//! Receipts of issuers; and, under the same paths, receipts of agents for older clients: the body or the record says which.

use std::collections::BTreeMap;

use ledger_format::record::{AgentId, Body, DetailValue, ReceiptStatement, TenantId, Ulid};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    PlatformNotes,
    attestations::{LogPlace, SignatureView},
    issuers::{active_issuer, own_issuer},
    keys::{ED25519, current_key},
    types,
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Listed, Logged, NoQuery, Paged, QueryInput, Reply, either, one_of},
    groups::receipts::{
        CreateReceipt, FilterReceipts, Found, ProofBundle, ReceiptNotes, ReceiptStatus, ReceiptView,
        SupersedeReceipt, WhyReceipt, bundle, create, filtered, hex, receipt_view, redact_receipt,
        revoke_receipt, salted_digest, supersede_receipt, whole_view,
    },
    wire::{AgentRef, Metadata, Payload, Text, TimeText, time_text},
};

/// How the record says that it is a receipt of an issuer.
const FORM: &str = "platform";
/// Record types of receipts of issuers.
pub(super) const PLATFORM_TYPES: &[&str] = &["receipt.claim", "receipt.compliance"];

/// A receipt to be made: of an issuer, or of an agent.
pub(super) enum MintReceipt {
    Platform(Box<PlatformMint>),
    Agent(Box<CreateReceipt>),
}

impl BodyInput for MintReceipt {}

one_of!(MintReceipt: PlatformMint, CreateReceipt);

impl<'de> Deserialize<'de> for MintReceipt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_agents = |body: &Value| body.get("agent_id").is_some() && body.get("issuer_id").is_none();
        either(
            deserializer,
            is_agents,
            |body| Self::Agent(Box::new(body)),
            |body| Self::Platform(Box::new(body)),
        )
    }
}

/// A receipt of an issuer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlatformMint {
    issuer_id: AgentRef,
    /// The issuer's name for its active key.
    kid: Text<1, 128>,
    /// `Ed25519`.
    alg: Text<1, 16>,
    /// One of `/v1/receipt-types`.
    receipt_type: Text<1, 64>,
    /// What or whom it is about. The log holds its salted digest.
    #[serde(default)]
    subject: Option<Text<0, 256>>,
    /// What happened. The log holds its salted digest.
    payload: Payload,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    receipt_version: Option<Text<1, 32>>,
    /// `standard`, `extended` or `permanent`: for the tenant's own records. The nodes delete nothing by it.
    #[serde(default)]
    retention_policy: Option<Text<1, 32>>,
}

/// A receipt of an issuer.
#[derive(Serialize, ToSchema)]
pub(super) struct PlatformReceipt {
    id: String,
    receipt_id: String,
    receipt_type: String,
    receipt_version: String,
    /// `active`, `revoked` or `superseded`.
    status: &'static str,
    issued_at: String,
    created_at: String,
    tenant_id: String,
    issuer_id: String,
    /// The issuer's name for the key under which it was minted.
    kid: String,
    alg: String,
    subject: Option<String>,
    #[schema(value_type = Option<Object>)]
    payload: Option<Map<String, Value>>,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// SHA-256 of salt and payload, hex: it stands in the record.
    payload_hash: String,
    salt: Option<String>,
    retention_policy: String,
    superseded_by: Option<String>,
    /// When its payload was destroyed.
    redacted_at: Option<String>,
    /// The record's signature.
    signature: SignatureView,
    /// Who signed the record, in a sentence.
    signer_statement: String,
    log: LogPlace,
    log_index: u64,
    leaf_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<&'static str>,
}

/// A receipt of an issuer or of an agent.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum AnyReceipt {
    Platform(Box<PlatformReceipt>),
    Agent(Box<ReceiptView>),
}

one_of!(AnyReceipt: PlatformReceipt, ReceiptView);

impl Listed for AnyReceipt {
    const PLURAL: &'static str = "receipts";
}

/// Which receipts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListReceipts {
    /// Receipts of this agent, as `/v1/agent-receipts` has them.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// Only of this issuer.
    #[serde(default)]
    #[param(inline)]
    issuer_id: Option<AgentRef>,
    #[serde(default)]
    #[param(inline)]
    receipt_type: Option<Text<1, 64>>,
    /// `active` (or `valid`), `revoked` or `superseded`.
    #[serde(default)]
    status: Option<ReceiptStatus>,
    /// Not before this time.
    #[serde(default)]
    #[param(inline)]
    from: Option<TimeText>,
    /// Not behind this time.
    #[serde(default)]
    #[param(inline)]
    to: Option<TimeText>,
}

impl QueryInput for ListReceipts {}

/// Whether a record is a receipt of an issuer.
pub(super) fn is_platform(found: &Found) -> bool {
    found.detail_text("form") == Some(FORM)
}

pub(super) fn platform_view(context: &Context, found: &Found) -> Result<PlatformReceipt, ApiError> {
    let issuer = found.agent().ok_or_else(|| ApiError::internal("a receipt without an agent"))?;
    let notes: ReceiptNotes = context.kept(found.record.id)?.unwrap_or_default();
    let platform = notes.platform.unwrap_or_default();
    let issued = time_text(found.at.log_ms);
    let digest = found.detail_text("payload").unwrap_or_default();
    Ok(PlatformReceipt {
        id: found.record.id.uuid(),
        receipt_id: found.id().to_string(),
        receipt_type: found.detail_text("kind").unwrap_or_default().to_owned(),
        receipt_version: platform.receipt_version,
        status: match found.status() {
            "valid" => "active",
            other => other,
        },
        issued_at: issued.clone(),
        created_at: issued,
        tenant_id: TenantId(found.tenant).to_string(),
        issuer_id: issuer.to_string(),
        kid: platform.kid,
        alg: platform.alg,
        subject: platform.subject,
        payload: notes.payload,
        metadata: notes.metadata.unwrap_or_default(),
        payload_hash: digest.strip_prefix("sha256:").unwrap_or(digest).to_owned(),
        salt: Some(notes.salt).filter(|salt| !salt.is_empty()),
        retention_policy: platform.retention_policy,
        superseded_by: found.mark.as_ref().and_then(|mark| mark.superseded_by).map(|id| id.to_string()),
        redacted_at: notes.redacted_ms.map(time_text),
        signature: SignatureView::of(found),
        signer_statement: found.signer_statement(),
        log: LogPlace::of(context, found),
        log_index: found.at.index,
        leaf_hash: hex(&found.at.leaf.0),
        ack: None,
    })
}

pub(super) async fn mint(
    context: Context,
    query: NoQuery,
    body: MintReceipt,
) -> Result<Reply<AnyReceipt>, ApiError> {
    match body {
        MintReceipt::Agent(body) => {
            let reply = create(context, query, *body).await?;
            Ok(reply.map(|view| AnyReceipt::Agent(Box::new(view))))
        }
        MintReceipt::Platform(body) => mint_platform(context, *body).await,
    }
}

async fn mint_platform(mut context: Context, body: PlatformMint) -> Result<Reply<AnyReceipt>, ApiError> {
    let issuer: AgentId = body.issuer_id.0;
    let agent = active_issuer(&context, issuer)?;
    let key = current_key(&context, issuer, &agent, body.kid.as_str(), body.alg.as_str())?;
    let version = body.receipt_version.as_ref().map(Text::as_str);
    let known = types::find(&context, body.receipt_type.as_str(), version)?;
    known.check_payload(&body.payload.0)?;
    types::check_policy(&context, &known, issuer, &agent)?;
    let salt = hex(&context.draw("salt")?[..16]);
    let subject = body.subject.map(Text::into_string).filter(|text| !text.is_empty());
    let metadata = body.metadata.map(|metadata| metadata.0).filter(|metadata| !metadata.is_empty());
    let mut detail = BTreeMap::new();
    detail.insert("form", FORM.to_owned());
    detail.insert("kind", known.name.clone());
    detail.insert("payload", salted_digest(&salt, &body.payload.0));
    if let Some(metadata) = &metadata {
        detail.insert("metadata", salted_digest(&salt, metadata));
    }
    if let Some(subject) = &subject {
        let map = Map::from_iter([("subject".to_owned(), Value::from(subject.as_str()))]);
        detail.insert("subject", salted_digest(&salt, &map));
    }
    let detail = detail.into_iter().map(|(key, text)| (key.to_owned(), DetailValue::Text(text))).collect();
    let statement = Box::new(ReceiptStatement {
        agent: issuer,
        detail: Some(detail),
        input: None,
        on_behalf_of: context.on_behalf_of()?,
        output: None,
        subject: None,
    });
    let record = match known.name.as_str() {
        "compliance_receipt" => Body::ReceiptCompliance(statement),
        _ => Body::ReceiptClaim(statement),
    };
    let id = context.new_id()?;
    let platform = PlatformNotes {
        kid: key.kid,
        alg: ED25519.into(),
        subject,
        receipt_version: known.version,
        retention_policy: body.retention_policy.map_or_else(|| "standard".into(), Text::into_string),
    };
    let notes = ReceiptNotes {
        salt,
        payload: Some(body.payload.0),
        metadata,
        platform: Some(platform),
        ..ReceiptNotes::default()
    };
    let logged = context.record_noted(id, record, id, &notes).await?;
    shown(&context, id, &logged)
}

/// A receipt as what it is.
fn any_view(context: &Context, found: &Found) -> Result<AnyReceipt, ApiError> {
    Ok(if is_platform(found) {
        AnyReceipt::Platform(Box::new(platform_view(context, found)?))
    } else {
        AnyReceipt::Agent(Box::new(receipt_view(context, found)?))
    })
}

fn shown(context: &Context, id: Ulid, logged: &Logged) -> Result<Reply<AnyReceipt>, ApiError> {
    let found = Found::of(context, context.tenant()?, id)?;
    let found = found.ok_or_else(|| ApiError::internal("a logged receipt is not there"))?;
    let mut view = any_view(context, &found)?;
    if let AnyReceipt::Platform(view) = &mut view {
        view.ack = Some(logged.receipt.ack);
    }
    Ok(Reply::new(view).at(logged.index))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<AnyReceipt>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let view = match is_platform(&found) {
        true => any_view(&context, &found)?,
        false => AnyReceipt::Agent(Box::new(whole_view(&context, &found).await?)),
    };
    Ok(Reply::new(view).at(found.at.index))
}

pub(super) async fn list(
    context: Context,
    query: ListReceipts,
) -> Result<Reply<Paged<AnyReceipt>>, ApiError> {
    if query.agent_id.is_some() {
        let filter = FilterReceipts {
            agent_id: query.agent_id,
            receipt_type: query.receipt_type,
            action_type: None,
            status: query.status,
            from: query.from,
            to: query.to,
        };
        let Paged { items, total, page, next } = filtered(&context, &filter).await?;
        let items = items.into_iter().map(|view| AnyReceipt::Agent(Box::new(view))).collect();
        return Ok(Reply::new(Paged { items, total, page, next }));
    }
    let wanted = Wanted {
        issuer: query.issuer_id.map(|issuer| issuer.0),
        receipt_type: query.receipt_type.map(Text::into_string),
        status: query.status,
        from: query.from,
        to: query.to,
    };
    let page = wanted.page(&context, |context, found| any_view(context, found).map(Some)).await?;
    Ok(Reply::new(page))
}

/// Which receipts of issuers.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) issuer: Option<AgentId>,
    pub(super) receipt_type: Option<String>,
    pub(super) status: Option<ReceiptStatus>,
    pub(super) from: Option<TimeText>,
    pub(super) to: Option<TimeText>,
}

impl Wanted {
    pub(super) fn fits(&self, found: &Found) -> bool {
        let name = self.receipt_type.as_deref().map(|name| name.split('@').next().unwrap_or(name));
        is_platform(found)
            && name.is_none_or(|name| found.detail_text("kind") == Some(name))
            && self.status.is_none_or(|status| status.as_str() == found.status())
            && self.from.is_none_or(|from| found.at.log_ms >= from.0)
            && self.to.is_none_or(|to| found.at.log_ms <= to.0)
    }

    /// One page of the caller's receipts that fit, each shown by `show`; what that leaves out is not in the list.
    pub(super) async fn page<T>(
        &self,
        context: &Context,
        show: impl Fn(&Context, &Found) -> Result<Option<T>, ApiError>,
    ) -> Result<Paged<T>, ApiError> {
        if let Some(issuer) = self.issuer {
            own_issuer(context, issuer, "issuer_id")?;
        }
        let page = context.list(PLATFORM_TYPES, self.issuer, true, |context, row| {
            match Found::of_row(context, row)?.filter(|found| self.fits(found)) {
                Some(found) => show(context, &found),
                None => Ok(None),
            }
        });
        page.await
    }
}

pub(super) async fn revoke(
    mut context: Context,
    _: NoQuery,
    body: WhyReceipt,
) -> Result<Reply<AnyReceipt>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let logged = revoke_receipt(&mut context, &found, &body).await?;
    shown(&context, found.record.id, &logged)
}

pub(super) async fn supersede(
    mut context: Context,
    _: NoQuery,
    body: SupersedeReceipt,
) -> Result<Reply<AnyReceipt>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let logged = supersede_receipt(&mut context, &found, &body).await?;
    shown(&context, found.record.id, &logged)
}

pub(super) async fn redact(
    mut context: Context,
    _: NoQuery,
    body: WhyReceipt,
) -> Result<Reply<AnyReceipt>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let logged = redact_receipt(&mut context, &found, &body).await?;
    shown(&context, found.record.id, &logged)
}

pub(super) async fn proof_bundle(context: Context, _: NoQuery) -> Result<Reply<ProofBundle>, ApiError> {
    let found = Found::own_receipt(&context, "receipt_id")?;
    let shown = serde_json::to_value(any_view(&context, &found)?).map_err(ApiError::internal)?;
    Ok(Reply::new(bundle(&context, &found, shown).await?).at(found.at.index))
}
