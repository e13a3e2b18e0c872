//! API keys: shown once, kept as keyed hashes.
//!
//! ```text
//! maip_live_ 4nq0k2v7cyx3h8t1 6m…32 more…
//!            └─ id, public     └─ secret
//! ```

use serde::{Deserialize, Serialize};

use super::{
    Environment, Secrets,
    store::{Changes, Store},
};
use crate::ApiError;

/// Characters of the part that names a key.
const ID_CHARS: usize = 16;
/// Characters of the part that only its owner knows: 160 bits.
const SECRET_CHARS: usize = 32;
/// Crockford's base 32 in lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// What the hash of a key is for.
const CONTEXT: &str = "maip-ledger 2026-11 hash of an API key";
/// Most keys of a tenant that have not ended.
pub(crate) const KEYS_MAX: usize = 200;

/// An API key as the nodes keep it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) environment: Environment,
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) hash: [u8; 32],
    pub(crate) created_ms: u64,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) revoked_ms: Option<u64>,
    /// The key that took its place.
    pub(crate) replaced_by: Option<String>,
}

/// Whether a key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    Active,
    Expired,
    Revoked,
}

impl ApiKey {
    pub(crate) fn state(&self, now_ms: u64) -> KeyState {
        match (self.revoked_ms, self.expires_ms) {
            (Some(at), _) if at <= now_ms => KeyState::Revoked,
            (_, Some(at)) if at <= now_ms => KeyState::Expired,
            _ => KeyState::Active,
        }
    }

    /// What people may see of it.
    pub(crate) fn prefix(&self) -> String {
        format!("{}{}", self.environment.key_prefix(), self.id)
    }
}

/// The word for a state.
pub(crate) fn key_state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "active",
        KeyState::Expired => "expired",
        KeyState::Revoked => "revoked",
    }
}

/// A new key with the text that its owner gets to see once.
pub(crate) struct Issued {
    pub(crate) key: ApiKey,
    pub(crate) text: String,
}

/// A key's place.
pub(crate) fn place(id: &str) -> String {
    format!("api-key/{id}")
}

/// Where the keys of a tenant are listed.
pub(crate) fn list_prefix(tenant: &str) -> String {
    format!("api-keys-of/{tenant}/")
}

fn listed(tenant: &str, id: &str) -> String {
    format!("{}{id}", list_prefix(tenant))
}

/// Makes a key of 32 random bytes, without keeping it yet.
pub(crate) fn make(secrets: &Secrets, random: [u8; 32], draft: ApiKey) -> Issued {
    let text: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
    let more: String = blake3::derive_key("maip-ledger 2026-11 secret part of an API key", &random)
        [..SECRET_CHARS - ID_CHARS]
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect();
    let (id, rest) = text.split_at(ID_CHARS);
    let secret = format!("{rest}{more}");
    let hash = secrets.keyed(CONTEXT, format!("{id}{secret}").as_bytes());
    let key = ApiKey { id: id.to_owned(), hash, ..draft };
    let text = format!("{}{secret}", key.prefix());
    Issued { key, text }
}

/// Keeps a new key.
pub(crate) async fn issue_key(store: &Store, issued: &Issued) -> Result<(), ApiError> {
    let key = &issued.key;
    let place = place(&key.id);
    let changes = Changes::default().absent(&place).put(&place, key, None)?;
    // A repetition under an idempotency key finds the key that it made before.
    store.change(changes.put(&listed(&key.tenant, &key.id), &key.id, None)?).await?;
    Ok(())
}

/// The key that a text names, if the text is that key: expired and revoked ones, too.
pub(crate) fn find_key(store: &Store, secrets: &Secrets, text: &str) -> Result<Option<ApiKey>, ApiError> {
    let Some((environment, rest)) = Environment::of_key(text) else { return Ok(None) };
    if rest.len() != ID_CHARS + SECRET_CHARS || !rest.bytes().all(|byte| ALPHABET.contains(&byte)) {
        return Ok(None);
    }
    let key = store.get::<ApiKey>(&place(&rest[..ID_CHARS]))?.map(|(key, _)| key);
    Ok(key
        .filter(|key| key.environment == environment && secrets.matches(CONTEXT, rest.as_bytes(), &key.hash)))
}
