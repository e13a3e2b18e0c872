//! Session tokens: what an agent shows to a tool, and what the tool checks it with.
//!
//! A token is a JSON Web Token (RFC 7519) in compact form, signed with EdDSA (RFC 8037):
//!
//! ```text
//! base64url({"alg":"EdDSA","kid":"<fingerprint of the token key>","typ":"JWT"})
//! . base64url(claims)
//! . base64url(Ed25519 signature over the two above and the point between them)
//! ```
//!
//! | claim | meaning |
//! |---|---|
//! | `aud` | for whom the session is meant; absent where it is meant for nobody in particular |
//! | `cnf` | `{"jkt": …}`: the RFC 7638 thumbprint of a key of which each caller proves possession (RFC 7800) |
//! | `exp`, `iat` | seconds since 1970: from when on it is dead at the latest, and when it was made |
//! | `iss` | the log's origin |
//! | `jti` | the token's own id, a ULID |
//! | `scope` | what may be done with it: exact or `resource:*`, ascending, one space between two (RFC 8693 section 4.2) |
//! | `sid`, `sub`, `tid` | session, agent, tenant |
//!
//! A call token is the same with the type `maip-call+jwt` and other claims, [`CallClaims`]: it stands for one call of one tool.
//!
//! Header and claims are [canonical JSON](crate::record::json), so a token has one spelling; [`Token::parse`] takes that one and says
//! of any other what is wrong with it. No other algorithm, type or claim exists, so nothing about a token is negotiable.
//!
//! A good signature says that the log's token key made the token, not that its session still lives: the log's nodes know that, and a
//! verifier without a node trusts a token until `exp` at the latest. The token key follows from the log's operator key ([`signing_key`]);
//! [`jwks`] prints its public half for verifiers of any make.

mod call;
mod claims;
mod error;
mod jwk;
mod jwt;
mod request;

pub use call::CallClaims;
pub use claims::TokenClaims;
pub use error::{TokenError, TokenPart};
pub use jwk::{Thumbprint, jwks};
pub use jwt::{CallToken, Claims, Jwt, Token};
pub use request::{TOKEN_NONCE_CHARS, TokenRequest, is_nonce};

use crate::record::SigningKey;

/// Longest token, in bytes: it travels in a header, and servers take 8 KiB of one.
pub const TOKEN_BYTES_MAX: usize = 7_168;

/// What the token key is derived for. Another key for another use has another text.
const KEY_CONTEXT: &str = "MAIP Ledger 2026-11-26 session tokens, Ed25519 seed";

/// The key that signs a log's tokens: it follows from the operator key, so every node has it and it changes with that key.
pub fn signing_key(operator: &SigningKey) -> SigningKey {
    operator.derive(KEY_CONTEXT)
}
