//! Session tokens: who gets one, and what one is worth now.
//!
//! A token says what its session allowed when it was made. Whether it may still be used follows from the state, so each use is a question
//! to it: from the entry on that ends a session or its agent, nothing is allowed any more, however many tokens there are.
//!
//! Both questions are pure functions of a view and a time. What makes a signed request or a proof good *once*, its nonce, is for the caller
//! to spend: [`Nonce`] says which and for how long.

mod check;
mod issue;

use ledger_format::record::SessionId;
use ledger_format::token::Thumbprint;

use crate::sessions::Session;
use crate::status;
use crate::values::{Agent, AgentStatus, Tenant};
use crate::view::View;

pub use check::{ShownCall, TokenLive, TokenQuestion, check_token};
pub use issue::{grant_token, session_claims};

/// How far the time in a signed request or proof may lie from the node's, ms, in either direction.
pub const SIGNED_WITHIN_MS: u64 = 60_000;

/// A nonce that must be new: the caller makes sure that nobody else uses it before `until_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// The key that signed with it: nobody can use up another's nonces.
    pub key: Thumbprint,
    /// The nonce.
    pub text: String,
    /// From then on the time in what it came with is too old anyway, ms since 1970.
    pub until_ms: u64,
}

impl Nonce {
    fn new(key: &[u8; 32], text: &str, signed_ms: u64) -> Self {
        // Once more as long: nodes' clocks differ, and the log's time may be behind them.
        let until_ms = signed_ms.saturating_add(2 * SIGNED_WITHIN_MS);
        Self { key: Thumbprint::of_bytes(key), text: text.to_owned(), until_ms }
    }
}

macro_rules! token_reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// Why a token is not given, or not good.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum TokenReason { $($(#[$doc])* $name,)+ }

        impl TokenReason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word in answers.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

token_reasons! {
    /// It is not a token, or the request is not one.
    Malformed = "malformed",
    /// It is of another log.
    Log = "log",
    /// No token key of this log signed it; or, of a request, not the key of whoever asks.
    Signature = "signature",
    /// Its time is over.
    Expired = "expired",
    /// It is meant for somebody else, or the caller did not say who is asking.
    Audience = "audience",
    /// This node knows no such session.
    SessionUnknown = "session_unknown",
    /// The session is another agent's by now.
    SessionMoved = "session_moved",
    /// The session was closed, ran out, or ended with a suspension.
    SessionEnded = "session_ended",
    /// The agent was revoked or killed.
    AgentEnded = "agent_ended",
    /// The agent is suspended.
    AgentSuspended = "agent_suspended",
    /// The tenant is suspended.
    TenantSuspended = "tenant_suspended",
    /// What is wanted is not within the token, its session and its agent, or is denied to the agent.
    Scope = "scope",
    /// The grant does not hold, is another agent's, or does not cover what is wanted.
    Grant = "grant",
    /// The token is bound to a key and no proof of possession came with it.
    PopMissing = "pop_missing",
    /// The proof of possession does not fit the call, the token or the key.
    PopWrong = "pop_wrong",
    /// The proof, or the request, was signed too long ago, or in the future.
    PopOld = "pop_old",
    /// The key that the token is bound to was replaced.
    KeyReplaced = "key_replaced",
    /// The proof, or the request, was used before.
    NonceUsed = "nonce_used",
}

/// A token is not given, or not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", reason.as_str())]
pub struct TokenRefused {
    /// Why, for programs.
    pub reason: TokenReason,
    /// Why, for people. Never quotes the token.
    pub message: String,
}

impl TokenRefused {
    /// A refusal.
    pub fn new(reason: TokenReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// A live session and those whose end would end it.
struct Live {
    session: Session,
    agent: Agent,
    tenant: Tenant,
}

/// The session if something may be done in it at that time. The most telling reason comes first: a killed agent's session is not just over.
fn live(view: &(impl View + ?Sized), id: SessionId, now_ms: u64) -> Result<Live, TokenRefused> {
    let refuse = |reason, message: String| Err(TokenRefused::new(reason, message));
    let unknown =
        || TokenRefused::new(TokenReason::SessionUnknown, format!("this node knows no session {id}"));
    let session = status::session(view, id).ok_or_else(unknown)?;
    let agent = status::agent(view, session.agent).ok_or_else(unknown)?;
    let tenant = status::tenant(view, session.tenant).ok_or_else(unknown)?;
    match &agent.status {
        AgentStatus::Active => {}
        AgentStatus::Suspended { index, .. } => {
            let message = format!("{} is suspended, since index {index}", session.agent);
            return refuse(TokenReason::AgentSuspended, message);
        }
        AgentStatus::Revoked { killed, index, .. } => {
            let word = if *killed { "killed" } else { "revoked" };
            return refuse(TokenReason::AgentEnded, format!("{} was {word} at index {index}", session.agent));
        }
    }
    if let Some(index) = tenant.suspended {
        return refuse(TokenReason::TenantSuspended, format!("the tenant is suspended, since index {index}"));
    }
    if !session.is_live(&agent, &tenant, now_ms) {
        return refuse(TokenReason::SessionEnded, format!("session {id} has ended"));
    }
    Ok(Live { session, agent, tenant })
}

/// The key of which callers in a session prove possession, if a token is bound at all: the session's own, or the agent's.
fn proof_key(live: &Live) -> [u8; 32] {
    live.session.proof_key.unwrap_or(live.agent.key.public)
}

fn check_time(what: &str, signed_ms: u64, now_ms: u64) -> Result<(), TokenRefused> {
    let apart = signed_ms.abs_diff(now_ms);
    if apart <= SIGNED_WITHIN_MS {
        return Ok(());
    }
    let when = if signed_ms < now_ms { "ago" } else { "from now" };
    let message =
        format!("the {what} was signed {} s {when}; sign a new one, and see to the clocks", apart / 1_000);
    Err(TokenRefused::new(TokenReason::PopOld, message))
}
