//! Keys of issuers, by the issuers' own names for them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{AgentId, AgentKey, Body, PublicKey};
use ledger_state::Agent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::issuers::{active_issuer, keep_notes, notes, own_issuer};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Listed, NoQuery, Paged, Reply},
    wire::{PublicKeyText, Text, TimeText},
};

/// Most keys that one issuer has had.
const KEYS_MAX: usize = 256;
/// The one algorithm of signatures.
pub(super) const ED25519: &str = "Ed25519";

/// A key to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterKey {
    /// The issuer's own name for it.
    kid: Text<1, 128>,
    /// `Ed25519`.
    alg: Text<1, 16>,
    #[serde(alias = "public_key")]
    public_key_b64url: PublicKeyText,
    /// Keys are valid from and up to an index of the log, so these are taken and mean nothing.
    #[serde(default)]
    valid_from: Option<TimeText>,
    #[serde(default)]
    valid_to: Option<TimeText>,
}

impl BodyInput for RegisterKey {}

/// What the nodes keep of a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct IssuerKey {
    /// The issuer's name for it.
    pub(super) kid: String,
    /// Its fingerprint: the log's name for it.
    pub(super) fingerprint: String,
    /// base64url.
    pub(super) public_key: String,
    /// Index of the record that brought it.
    pub(super) index: u64,
}

impl IssuerKey {
    pub(super) fn new(kid: String, key: &PublicKey, index: u64) -> Self {
        let public_key = URL_SAFE_NO_PAD.encode(key.as_bytes());
        Self { kid, fingerprint: key.kid().to_string(), public_key, index }
    }

    fn is_current(&self, agent: &Agent) -> bool {
        self.fingerprint == agent.key.kid.to_string()
    }
}

/// A key of an issuer.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuerKeyView {
    kid: String,
    issuer_id: String,
    alg: &'static str,
    public_key: String,
    public_key_b64url: String,
    /// The log's name for it.
    fingerprint: String,
    /// `active`, or `inactive` when another took its place or the issuer has ended.
    status: &'static str,
    /// When the log took it.
    valid_from: String,
    created_at: String,
    log_index: u64,
}

impl Listed for IssuerKeyView {
    const PLURAL: &'static str = "keys";
}

fn view(context: &Context, id: AgentId, agent: &Agent, key: &IssuerKey) -> Result<IssuerKeyView, ApiError> {
    let since = context.log_time(key.index)?;
    Ok(IssuerKeyView {
        kid: key.kid.clone(),
        issuer_id: id.to_string(),
        alg: ED25519,
        public_key: key.public_key.clone(),
        public_key_b64url: key.public_key.clone(),
        fingerprint: key.fingerprint.clone(),
        status: if key.is_current(agent) && !agent.is_revoked() { "active" } else { "inactive" },
        valid_from: since.clone(),
        created_at: since,
        log_index: key.index,
    })
}

pub(super) async fn register(
    mut context: Context,
    _: NoQuery,
    body: RegisterKey,
) -> Result<Reply<IssuerKeyView>, ApiError> {
    let id: AgentId = context.id("issuer_id")?;
    own_issuer(&context, id, "issuer_id")?;
    let agent = active_issuer(&context, id)?;
    let (_, _) = (body.valid_from, body.valid_to);
    check_alg(body.alg.as_str())?;
    let (mut kept, read) = notes(&context, id)?;
    let key = body.public_key_b64url.0;
    let fingerprint = key.kid().to_string();
    let known = kept.keys.iter().find(|known| known.kid == body.kid.as_str());
    if let Some(known) = known {
        if known.fingerprint == fingerprint {
            return Ok(Reply::new(view(&context, id, &agent, known)?).at(known.index));
        }
        return Err(
            ApiError::conflict("KEY_ID_TAKEN", "another key of the issuer has this name").field("kid")
        );
    }
    if kept.keys.len() >= KEYS_MAX {
        let message = format!("an issuer has at most {KEYS_MAX} keys");
        return Err(ApiError::conflict("TOO_MANY_KEYS", message).field("kid"));
    }
    let index = if agent.key.kid == key.kid() {
        agent.key.from
    } else {
        let on_behalf_of = context.on_behalf_of()?;
        let (previous, reason) = (agent.key.kid, "rotation".to_owned());
        let record = AgentKey { agent: id, key, on_behalf_of, previous, reason };
        context.record(Body::AgentKey(record)).await?.index
    };
    kept.keys.push(IssuerKey::new(body.kid.into_string(), &key, index));
    keep_notes(&context, id, &kept, &read).await?;
    let agent = own_issuer(&context, id, "issuer_id")?;
    let last = kept.keys.last().ok_or_else(|| ApiError::internal("a key was pushed"))?;
    Ok(Reply::new(view(&context, id, &agent, last)?).at(index))
}

pub(super) async fn list(context: Context, _: NoQuery) -> Result<Reply<Paged<IssuerKeyView>>, ApiError> {
    let id: AgentId = context.id("issuer_id")?;
    let agent = own_issuer(&context, id, "issuer_id")?;
    let (kept, _) = notes(&context, id)?;
    let newest_first = kept.keys.iter().rev().collect();
    let page = Paged::of_all(newest_first, context.page);
    Ok(Reply::new(page.try_map(|key| view(&context, id, &agent, key))?))
}

/// Signatures are Ed25519; `EdDSA` is another name for it.
fn check_alg(alg: &str) -> Result<(), ApiError> {
    if alg.eq_ignore_ascii_case(ED25519) || alg.eq_ignore_ascii_case("eddsa") {
        return Ok(());
    }
    Err(ApiError::unprocessable(format!("signatures are {ED25519}, not {alg}"))
        .field("alg")
        .fix("send Ed25519"))
}

/// The issuer's current key by its name, for something to be issued under it.
pub(super) fn current_key(
    context: &Context,
    id: AgentId,
    agent: &Agent,
    kid: &str,
    alg: &str,
) -> Result<IssuerKey, ApiError> {
    check_alg(alg)?;
    let (kept, _) = notes(context, id)?;
    let key = kept.keys.into_iter().find(|key| key.kid == kid || key.fingerprint == kid);
    let key = key.ok_or_else(|| {
        let message = "the issuer has no key of this name";
        ApiError::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, "KEY_NOT_FOUND", message)
            .field("kid")
            .fix("register it under /v1/issuers/{issuer_id}/keys")
    })?;
    if !key.is_current(agent) {
        let message = "another key of the issuer took its place";
        return Err(ApiError::conflict("KEY_INACTIVE", message)
            .field("kid")
            .fix("use the issuer's active key"));
    }
    Ok(key)
}
