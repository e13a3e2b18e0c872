//! The request for a token: what an agent or its tenant signs to get one.

use crate::record::json::Writer;
use crate::record::{Actor, Scope, SessionId};

/// Characters of a nonce.
pub const TOKEN_NONCE_CHARS: std::ops::RangeInclusive<usize> = 16..=64;

/// Who wants a token of which session. Its signed bytes name the log and what is asked for, so they serve nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The log's origin.
    pub origin: String,
    /// The session.
    pub session: SessionId,
    /// Who asks: the session's agent, or its tenant.
    pub actor: Actor,
    /// When, ms since 1970.
    pub at_ms: u64,
    /// What makes this request another than all others: see [`is_nonce`].
    pub nonce: String,
    /// What shall be done with it; empty: whatever the session allows.
    pub scopes: Vec<Scope>,
    /// Callers shall prove possession of the agent's key, also where the session names no other.
    pub bind: bool,
}

impl TokenRequest {
    /// What is signed: canonical JSON. It has no `type`, so it is no record, and it begins as no note does.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(512);
        w.open_object();
        w.text_field("actor", &self.actor.to_string());
        w.unsigned_field("at", self.at_ms);
        w.key("bind");
        w.boolean(self.bind);
        w.text_field("log", &self.origin);
        w.text_field("method", "maip.ledger.v1.Ledger/IssueToken");
        w.text_field("nonce", &self.nonce);
        w.key("scopes");
        w.open_array();
        self.scopes.iter().for_each(|scope| w.string(scope.as_str()));
        w.close_array();
        w.text_field("session", &self.session.to_string());
        w.close_object();
        w.finish()
    }
}

/// Whether a text can be a nonce: 16 to 64 characters of base64url. Whoever makes it draws at least 128 bits at random.
pub fn is_nonce(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    TOKEN_NONCE_CHARS.contains(&text.len()) && text.bytes().all(allowed)
}
