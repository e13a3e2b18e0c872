//! What shows who an agent is: access tokens, and refresh tokens that are good once.
//!
//! An access token follows from the session and the log's token key; nothing of it is stored. A refresh token is 32 bytes and a MAC over
//! them under a key that follows from the operator's, so a made-up one costs a hash and nothing else. The nodes keep a keyed hash of the
//! one that is in force with what else they keep of the session; every other one with a good MAC was in force before.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{SessionId, Ulid};
use ledger_log::TokenFault;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::SessionView;
use crate::{
    ApiError,
    account::{Environment, Secrets, session::fault},
    endpoint::Context,
    wire::time_text,
};

/// How a refresh token goes on behind the prefix of its environment's credentials.
const START: &str = "refresh_";
const HASH_CONTEXT: &str = "maip-ledger 2026-11 hash of a refresh token";
const MAC_CONTEXT: &str = "maip-ledger 2026-11 MAC of a refresh token";
/// Before the MAC: the record that gave the session to its agent, and what was drawn.
const GIVEN_BYTES: usize = 16;
const DRAWN_BYTES: usize = 16;

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

/// A refresh token.
pub(super) struct RefreshToken {
    text: String,
    /// The record that gave the session to the agent that got it: a hand-off is followed by other tokens.
    pub(super) given: Ulid,
}

impl RefreshToken {
    /// A new one.
    pub(super) fn draw(context: &mut Context, session: SessionId, given: Ulid) -> Result<Self, ApiError> {
        let random = context.draw("refresh token")?;
        let drawn = [&given.to_bytes()[..], &random[..DRAWN_BYTES]].concat();
        let mac = context.shared.secrets.keyed(MAC_CONTEXT, &authenticated(session, &drawn));
        let prefix = context.caller()?.environment.key_prefix();
        let text = format!("{prefix}{START}{}", URL_SAFE_NO_PAD.encode([drawn, mac.into()].concat()));
        Ok(Self { text, given })
    }

    /// Reads one that was made for this session, and of which environment it says it is.
    pub(super) fn read(secrets: &Secrets, session: SessionId, text: &str) -> Option<(Environment, Self)> {
        let (environment, rest) = Environment::of_key(text)?;
        let bytes = URL_SAFE_NO_PAD.decode(rest.strip_prefix(START)?).ok()?;
        let (drawn, mac) = bytes.split_at_checked(GIVEN_BYTES + DRAWN_BYTES)?;
        let good = secrets.matches(MAC_CONTEXT, &authenticated(session, drawn), &mac.try_into().ok()?);
        let given = Ulid::from_bytes(*drawn.first_chunk()?);
        good.then(|| (environment, Self { text: text.to_owned(), given }))
    }

    /// How it is kept.
    pub(super) fn hash(&self, secrets: &Secrets) -> [u8; 32] {
        secrets.keyed(HASH_CONTEXT, self.text.as_bytes())
    }

    /// Whether it is the one that is kept so.
    pub(super) fn is(&self, secrets: &Secrets, hash: &[u8; 32]) -> bool {
        secrets.matches(HASH_CONTEXT, self.text.as_bytes(), hash)
    }
}

fn authenticated(session: SessionId, drawn: &[u8]) -> Vec<u8> {
    [&session.0.to_bytes(), drawn].concat()
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
