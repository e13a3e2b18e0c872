//! Opening a session, as each of the published clients asks for it.

use ledger_format::record::{AgentId, Body, PublicKey, Scope, SessionId, SessionOpen};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{
    tokens::{RefreshToken, SessionTokens, tokens},
    view::{SessionNotes, session_view},
};
use crate::{
    ApiError,
    account::quota,
    endpoint::{BodyInput, Context, NoQuery, Reply, either, one_of},
    wire::{AgentRef, Metadata, PublicKeyText, ScopeObject, ScopeText, Text, Whole},
};

/// Minutes of a session when nothing is said.
const TTL_MINUTES: u64 = 60;
/// Most bytes of all scopes together: an access token names them, and servers take 8 KiB of a header.
const SCOPE_BYTES_MAX: usize = 4_096;

/// How long, in minutes.
pub(super) type Minutes = Whole<1, 1_440>;
/// How long, in seconds.
pub(super) type Seconds = Whole<1, 86_400>;

/// A session to be opened: as the API has it, or as the older SDKs send it.
pub(super) enum OpenSession {
    /// As the API has it.
    Native(NativeSession),
    /// As the older SDKs send it.
    Sdk(SdkSession),
}

impl BodyInput for OpenSession {}

one_of!(OpenSession: NativeSession, SdkSession);

impl<'de> Deserialize<'de> for OpenSession {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_sdk = |body: &serde_json::Value| body.get("agentId").is_some();
        either(deserializer, is_sdk, OpenSession::Sdk, OpenSession::Native)
    }
}

/// A session to be opened.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NativeSession {
    /// Who will act.
    agent_id: AgentRef,
    /// What may be done in it, within the agent's scopes; all of them when left out. No denials: the agent's hold anyway.
    #[serde(default)]
    #[schema(max_items = 256)]
    scopes: Option<Vec<ScopeText>>,
    /// How long it lives, in minutes; 60 when nothing is said.
    #[serde(default)]
    ttl_minutes: Option<Minutes>,
    /// The same in seconds, rounded up to whole minutes.
    #[serde(default)]
    ttl_seconds: Option<Seconds>,
    /// For whom it is meant, e.g. the name of a service: nobody else takes its token then, this API included.
    #[serde(default)]
    audience: Option<Text<1, 128>>,
    /// Ed25519 public key, base64url. Whoever shows the token signs each call with this key.
    #[serde(default, alias = "public_key")]
    proof_key: Option<PublicKeyText>,
    /// Kept by the nodes, not in the log.
    #[serde(default)]
    metadata: Option<Metadata>,
}

/// A session to be opened, as the older SDKs send it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SdkSession {
    /// Who will act.
    #[serde(rename = "agentId")]
    agent_id: AgentRef,
    #[serde(default)]
    scope: Option<ScopeObject>,
    /// How long it lives, in seconds, rounded up to whole minutes; an hour when nothing is said.
    #[serde(default, rename = "ttlSeconds")]
    ttl_seconds: Option<Seconds>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

/// What both say.
struct Wanted {
    agent: AgentId,
    scopes: Option<Vec<ScopeText>>,
    minutes: u64,
    audience: Option<String>,
    proof_key: Option<PublicKey>,
    notes: SessionNotes,
}

impl Wanted {
    fn of(body: OpenSession) -> Result<Self, ApiError> {
        let notes = |metadata: Option<Metadata>, scope| SessionNotes {
            metadata: metadata.unwrap_or_default().0,
            scope,
            ..SessionNotes::default()
        };
        Ok(match body {
            OpenSession::Native(body) => Self {
                agent: body.agent_id.0,
                scopes: body.scopes.filter(|scopes| !scopes.is_empty()),
                minutes: minutes(body.ttl_minutes, body.ttl_seconds)?,
                audience: body.audience.map(Text::into_string),
                proof_key: body.proof_key.map(|key| key.0),
                notes: notes(body.metadata, None),
            },
            OpenSession::Sdk(body) => Self {
                agent: body.agent_id.0,
                scopes: body.scope.as_ref().map(ScopeObject::scopes).filter(|scopes| !scopes.is_empty()),
                minutes: minutes(None, body.ttl_seconds)?,
                audience: None,
                proof_key: None,
                notes: notes(body.metadata, body.scope.map(ScopeObject::into_value)),
            },
        })
    }
}

/// How long, from either of two fields.
pub(super) fn minutes(minutes: Option<Minutes>, seconds: Option<Seconds>) -> Result<u64, ApiError> {
    match (minutes, seconds) {
        (Some(_), Some(_)) => Err(ApiError::unprocessable("the time is given twice")
            .field("ttl_seconds")
            .fix("send ttl_minutes or ttl_seconds")),
        (Some(minutes), None) => Ok(minutes.get()),
        (None, Some(seconds)) => Ok(seconds.get().div_ceil(60)),
        (None, None) => Ok(TTL_MINUTES),
    }
}

pub(super) async fn open(
    mut context: Context,
    _: NoQuery,
    body: OpenSession,
) -> Result<Reply<SessionTokens>, ApiError> {
    let Wanted { agent, scopes, minutes, audience, proof_key, mut notes } = Wanted::of(body)?;
    let registered = context.acting_agent(agent, "agent_id")?;
    let scopes = allowed(&context, scopes, &registered.scopes)?;
    quota::sessions(&context)?;
    let id = context.new_id()?;
    let session = SessionId(id);
    let refresh = RefreshToken::draw(&mut context, session, id)?;
    notes.refresh = Some(refresh.hash(&context.shared.secrets));
    let record = SessionOpen {
        agent,
        audience,
        on_behalf_of: context.on_behalf_of()?,
        proof_key,
        scopes,
        session,
        ttl_min: minutes,
    };
    let logged = context.record_noted(id, Body::SessionOpen(Box::new(record)), id, &notes).await?;
    let view = session_view(&context, session)?;
    let view = view.ok_or_else(|| ApiError::internal("an opened session is not there"))?;
    let view = view.logged(&logged.receipt);
    let tokens = tokens(&mut context, session, refresh)?;
    Ok(Reply::new(SessionTokens { session: view.clone(), view, tokens: Some(tokens) }).at(logged.index))
}

/// The scopes of a new session, sorted and each once: within what the agent has, and within what an agent's token that asks covers.
fn allowed(
    context: &Context,
    wanted: Option<Vec<ScopeText>>,
    agent: &[Scope],
) -> Result<Vec<Scope>, ApiError> {
    let caller = context.caller()?;
    let own = caller.agent().map(|_| caller.scopes.as_slice());
    let covers = |list: &[Scope], scope: &Scope| list.iter().any(|wide| wide.covers(scope));
    let mut scopes = Vec::new();
    for (at, text) in wanted.iter().flatten().enumerate() {
        let refused = |code: &'static str, message: String| {
            let mut error = ApiError::unprocessable(message).field(format!("scopes[{at}]"));
            error.code = code.into();
            error
        };
        let (scope, denied) = text.scope().map_err(|error| refused("INVALID_INPUT", error))?;
        if denied {
            let message = "a session has no denials: those of its agent hold anyway";
            return Err(refused("INVALID_INPUT", message.into()));
        }
        if !covers(agent, &scope) {
            return Err(refused("SCOPE_EXCEEDS_AGENT", format!("{scope} is not within the agent's scopes"))
                .fix("ask for scopes that the agent has"));
        }
        if own.is_some_and(|own| !covers(own, &scope)) {
            return Err(ApiError::forbidden(format!("the token does not cover {scope} itself"))
                .field(format!("scopes[{at}]")));
        }
        scopes.push(scope);
    }
    if wanted.is_none() {
        scopes = own.unwrap_or(agent).to_vec();
    }
    scopes.sort_unstable();
    scopes.dedup();
    let bytes: usize = scopes.iter().map(|scope| scope.as_str().len() + 1).sum();
    if bytes > SCOPE_BYTES_MAX {
        let message = format!("its scopes have {bytes} bytes; a token holds {SCOPE_BYTES_MAX}");
        return Err(ApiError::unprocessable(message).field("scopes").fix("name fewer scopes"));
    }
    Ok(scopes)
}
