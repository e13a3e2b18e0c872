//! The kinds of fields that bodies are made of, each with its limit, and the readers for them.
//!
//! A reader returns the error of the field it stands at: the path comes from the JSON reader, the rule from here.

use super::ids::{AgentId, SessionId, Ulid};
use super::json::{JsonError, Reader, Reason, Text, Writer};
use super::keys::{Kid, PublicKey};
use super::scope::Scope;

/// Longest name of a tenant, agent or tool, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 128;

/// Longest token: a reason, a runtime type, the name of an algorithm.
pub const TOKEN_BYTES_MAX: usize = 64;

/// Longest name of the credential that the operator acted for (`on_behalf_of`).
pub const ON_BEHALF_OF_BYTES_MAX: usize = 128;

/// Most scopes, and most denies, that any log may allow one agent. A log's genesis may set less.
pub const SCOPES_MAX: usize = 256;

const NAME_RULE: &str = "1 to 128 bytes of text without control characters";
const TOKEN_RULE: &str = "1 to 64 characters of a-z 0-9 . _ -";
const ALGORITHM_RULE: &str =
    "a name with its version, like maip-trust/1: 1 to 64 characters of a-z 0-9 . _ - /";
const ON_BEHALF_OF_RULE: &str = "1 to 128 printable ascii characters";

/// Digest of a value that stays outside the log: `sha256:<64 hex>` or `blake3:<64 hex>`.
///
/// Of anything that may be personal or guessable, take the digest of salt and value (`H(salt || value)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    /// Which hash function.
    pub algorithm: DigestAlgorithm,
    /// Its output.
    pub bytes: [u8; 32],
}

/// Hash functions for digests of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// BLAKE3 with 32 bytes of output.
    Blake3,
}

impl Digest {
    /// Reads the one spelling.
    pub fn parse(text: &str) -> Option<Digest> {
        let (algorithm, hex) = match text.split_once(':')? {
            ("sha256", hex) => (DigestAlgorithm::Sha256, hex),
            ("blake3", hex) => (DigestAlgorithm::Blake3, hex),
            _ => return None,
        };
        Some(Digest { algorithm, bytes: super::hex::decode(hex)? })
    }

    /// SHA-256 of bytes that the caller holds.
    pub fn sha256(value: &[u8]) -> Digest {
        use sha2::Digest as _;
        Digest { algorithm: DigestAlgorithm::Sha256, bytes: sha2::Sha256::digest(value).into() }
    }

    /// BLAKE3 of bytes that the caller holds.
    pub fn blake3(value: &[u8]) -> Digest {
        Digest { algorithm: DigestAlgorithm::Blake3, bytes: *blake3::hash(value).as_bytes() }
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.algorithm {
            DigestAlgorithm::Sha256 => "sha256",
            DigestAlgorithm::Blake3 => "blake3",
        };
        write!(f, "{name}:{}", super::hex::encode(&self.bytes))
    }
}

/// An enum whose variants are words in a record.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $rule:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// What the field must be.
            #[allow(dead_code, reason = "asked for where a declared body holds such a word")]
            pub(crate) const RULE: &'static str = $rule;

            /// All of them, in the order of their documentation.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word in a record.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// Reads the word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some($name::$variant),)+ _ => None }
            }

            pub(crate) fn read(r: &mut $crate::record::json::Reader<'_>) -> Result<Self, $crate::record::json::JsonError> {
                $crate::record::fields::read_with(r, $rule, Self::parse)
            }
        }
    };
}
pub(crate) use words;

/// Reads a string and converts it; `rule` says what it must be.
pub(crate) fn read_with<T>(
    r: &mut Reader<'_>,
    rule: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, JsonError> {
    let start = r.offset();
    let text = r.string()?;
    parse(&text).ok_or_else(|| r.error(start, Reason::Invalid { rule }))
}

/// Reads a string that passes `check`.
fn read_text(
    r: &mut Reader<'_>,
    rule: &'static str,
    check: impl FnOnce(&str) -> bool,
) -> Result<String, JsonError> {
    let start = r.offset();
    let text: Text<'_> = r.string()?;
    if check(&text) { Ok(text.into_owned()) } else { Err(r.error(start, Reason::Invalid { rule })) }
}

pub(crate) fn name(r: &mut Reader<'_>) -> Result<String, JsonError> {
    read_text(r, NAME_RULE, |t| (1..=NAME_BYTES_MAX).contains(&t.len()) && !t.chars().any(char::is_control))
}

pub(crate) fn is_token(text: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

pub(crate) fn token(r: &mut Reader<'_>) -> Result<String, JsonError> {
    read_text(r, TOKEN_RULE, is_token)
}

pub(crate) fn on_behalf_of(r: &mut Reader<'_>) -> Result<String, JsonError> {
    let printable = |t: &str| t.bytes().all(|b| matches!(b, 0x21..=0x7e));
    read_text(r, ON_BEHALF_OF_RULE, |t| (1..=ON_BEHALF_OF_BYTES_MAX).contains(&t.len()) && printable(t))
}

/// The name of an algorithm with its version, e.g. `maip-trust/1`.
pub(crate) fn algorithm(r: &mut Reader<'_>) -> Result<String, JsonError> {
    read_text(r, ALGORITHM_RULE, |text| text.len() <= TOKEN_BYTES_MAX && text.split('/').all(is_token))
}

/// A text of several lines, e.g. a policy file, of at most `max` bytes.
pub(crate) fn lines(r: &mut Reader<'_>, max: usize, rule: &'static str) -> Result<String, JsonError> {
    read_text(r, rule, |t| (1..=max).contains(&t.len()))
}

pub(crate) fn ulid(r: &mut Reader<'_>) -> Result<Ulid, JsonError> {
    read_with(r, "a ULID: 26 upper-case Crockford digits", Ulid::parse)
}

pub(crate) fn agent_id(r: &mut Reader<'_>) -> Result<AgentId, JsonError> {
    read_with(r, "an agent id: \"maip-agent:\" and a ULID", AgentId::parse)
}

pub(crate) fn session_id(r: &mut Reader<'_>) -> Result<SessionId, JsonError> {
    read_with(r, "a session id: \"maip-sess:\" and a ULID", SessionId::parse)
}

pub(crate) fn kid(r: &mut Reader<'_>) -> Result<Kid, JsonError> {
    read_with(r, "a key id: 32 lower-case hex digits", Kid::parse)
}

pub(crate) fn digest(r: &mut Reader<'_>) -> Result<Digest, JsonError> {
    read_with(r, "a digest: \"sha256:\" or \"blake3:\" and 64 lower-case hex digits", Digest::parse)
}

pub(crate) fn public_key(r: &mut Reader<'_>) -> Result<PublicKey, JsonError> {
    let rule = "an ed25519 public key in base64url without padding, canonical and not of small order";
    read_with(r, rule, |text| PublicKey::parse(text).ok())
}

pub(crate) fn exact_scope(r: &mut Reader<'_>) -> Result<Scope, JsonError> {
    read_with(r, "one action, resource:action, without a wildcard", |text| {
        Scope::parse(text).filter(Scope::is_exact)
    })
}

pub(crate) fn scope(r: &mut Reader<'_>) -> Result<Scope, JsonError> {
    read_with(r, "a scope: resource:action or resource:* in a-z 0-9 . _ -, or *:*", Scope::parse)
}

/// Reads a list of scopes or denies, in ascending order, each once.
pub(crate) fn scopes(r: &mut Reader<'_>) -> Result<Vec<Scope>, JsonError> {
    let mut list: Vec<Scope> = Vec::new();
    r.array(|r, place| {
        let start = r.offset();
        if place == SCOPES_MAX {
            return Err(r.error(start, Reason::Invalid { rule: "a list of at most 256 scopes" }));
        }
        let scope = scope(r)?;
        if list.last().is_some_and(|previous| *previous >= scope) {
            let rule = "greater than the scope before it: the list is sorted, each once";
            return Err(r.error(start, Reason::Invalid { rule }));
        }
        list.push(scope);
        Ok(())
    })?;
    Ok(list)
}

pub(crate) fn write_scopes(w: &mut Writer, key: &str, list: &[Scope]) {
    w.key(key);
    w.open_array();
    list.iter().for_each(|scope| w.string(scope.as_str()));
    w.close_array();
}

pub(crate) fn write_optional(w: &mut Writer, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        w.text_field(key, value);
    }
}

/// The error for a key that the object does not have.
pub(crate) fn unknown<T>(r: &Reader<'_>) -> Result<T, JsonError> {
    Err(r.error(r.offset(), Reason::Unknown))
}
