//! What shows who an agent is: access tokens, and refresh tokens that are good once.
//!
//! An access token follows from the session and the log's token key; nothing of it is stored. A refresh token is 32 bytes and a MAC over
//! them under a key that follows from the operator's, so a made-up one costs a hash and nothing else. The nodes keep a keyed hash of the
//! one that is in force; every other one with a good MAC was in force before.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::SessionId;
use ledger_log::TokenFault;
use ledger_state::Session;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::SessionView;
use crate::{
    ApiError,
    account::{Changes, Environment, Secrets, session::fault},
    endpoint::Context,
    wire::time_text,
};

/// How a refresh token begins.
const START: &str = "maip_refresh_";
const HASH_CONTEXT: &str = "maip-ledger 2026-11 hash of a refresh token";
const MAC_CONTEXT: &str = "maip-ledger 2026-11 MAC of a refresh token";
/// Before the MAC: where the session's agent got it, and what was drawn.
const DRAWN_BYTES: usize = 8 + 24;

/// A session with its tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionTokens {
    #[serde(flatten)]
    pub(super) view: SessionView,
    /// The same again, where older clients look for it.
    pub(super) session: SessionView,
    #[serde(flatten)]
    pub(super) tokens: Option<Tokens>,
}

/// The tokens of a session, shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    /// The access token: a JWT, shown this once.
    token: String,
    /// The same as `token`, where OAuth clients look for it.
    access_token: String,
    /// `Bearer`; a token that is bound to a key needs a signed call as well.
    token_type: &'static str,
    /// When the access token ends, RFC 3339 in UTC.
    token_expires_at: String,
    /// For the next access token: shown this once, and good once.
    refresh_token: String,
}

/// A session's refresh token that is in force, as the nodes keep it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) tenant: String,
    pub(super) environment: Environment,
    hash: [u8; 32],
}

/// A refresh token.
pub(super) struct RefreshToken {
    text: String,
    /// Index since when the session was its agent's that got it.
    pub(super) since: u64,
}

impl RefreshToken {
    /// A new one.
    pub(super) fn draw(context: &mut Context, session: SessionId, state: &Session) -> Result<Self, ApiError> {
        let random = context.draw("refresh token")?;
        let mut bytes = state.since.to_be_bytes().to_vec();
        bytes.extend_from_slice(&random[..DRAWN_BYTES - 8]);
        bytes.extend_from_slice(&mac(&context.shared.secrets, session, &bytes));
        Ok(Self { text: format!("{START}{}", URL_SAFE_NO_PAD.encode(bytes)), since: state.since })
    }

    /// Reads one that was made for this session.
    pub(super) fn read(secrets: &Secrets, session: SessionId, text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(START)?).ok()?;
        let (drawn, mac) = bytes.split_at_checked(DRAWN_BYTES)?;
        let mac: [u8; 32] = mac.try_into().ok()?;
        let good = secrets.matches(MAC_CONTEXT, &authenticated(session, drawn), &mac);
        let since = u64::from_be_bytes(drawn.first_chunk().copied()?);
        good.then(|| Self { text: text.to_owned(), since })
    }

    pub(super) fn is(&self, secrets: &Secrets, kept: &Kept) -> bool {
        secrets.matches(HASH_CONTEXT, self.text.as_bytes(), &kept.hash)
    }

    /// How it is kept.
    pub(super) fn kept(&self, secrets: &Secrets, tenant: String, environment: Environment) -> Kept {
        Kept { tenant, environment, hash: secrets.keyed(HASH_CONTEXT, self.text.as_bytes()) }
    }
}

fn authenticated(session: SessionId, drawn: &[u8]) -> Vec<u8> {
    [&session.0.to_bytes(), drawn].concat()
}

fn mac(secrets: &Secrets, session: SessionId, drawn: &[u8]) -> [u8; 32] {
    secrets.keyed(MAC_CONTEXT, &authenticated(session, drawn))
}

/// Where a session's refresh token is kept.
pub(super) fn place(session: SessionId) -> String {
    format!("session-refresh/{}", session.0)
}

/// The refresh token in force, with its bytes for [`Changes::still`].
pub(super) fn kept(context: &Context, session: SessionId) -> Result<Option<(Kept, Vec<u8>)>, ApiError> {
    context.shared.store.get(&place(session))
}

/// Keeps another refresh token than the one that was read, until the session ends at the latest: whether it was still that one.
pub(super) async fn replace(
    context: &Context,
    session: SessionId,
    before: Option<&[u8]>,
    next: &Kept,
    expires_at: u64,
) -> Result<bool, ApiError> {
    let place = place(session);
    let changes = match before {
        Some(bytes) => Changes::default().still(&place, bytes),
        None => Changes::default().absent(&place),
    };
    context.shared.store.change(changes.put(&place, next, Some(expires_at))?).await
}

/// The tokens of an answer: an access token that is made now, and the refresh token.
pub(super) fn tokens(
    context: &mut Context,
    session: SessionId,
    refresh: RefreshToken,
) -> Result<Tokens, ApiError> {
    let id = context.new_id()?;
    let token = context.log.session_token(session, context.now_ms, id).map_err(|error| match error {
        TokenFault::Refused(refused) => ApiError::conflict("SESSION_ENDED", refused.to_string())
            .field("session_id")
            .fix("open a new session"),
        other => fault(other),
    })?;
    Ok(Tokens {
        token: token.to_string(),
        access_token: token.to_string(),
        token_type: "Bearer",
        token_expires_at: time_text(token.claims.expires_at_s * 1_000),
        refresh_token: refresh.text,
    })
}
