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
/// Most keys of a tenant that are listed, with those that have ended.
pub(crate) const KEYS_LISTED_MAX: usize = 4_000;
/// How long a key is still listed when it has ended, ms.
const ENDED_KEPT_MS: u64 = 30 * 24 * 3_600_000;
/// Keys that one look at the state reads.
const READ_AT_ONCE: usize = 500;

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
    /// Whether it may be used. A revocation counts from when it is in the state, whatever this node's clock says.
    pub(crate) fn state(&self, now_ms: u64) -> KeyState {
        match (self.revoked_ms, self.expires_ms) {
            (Some(_), _) => KeyState::Revoked,
            (_, Some(at)) if at <= now_ms => KeyState::Expired,
            _ => KeyState::Active,
        }
    }

    /// When nobody needs to see it any more.
    fn forgotten_ms(&self) -> Option<u64> {
        let ended = self.revoked_ms.into_iter().chain(self.expires_ms).min()?;
        Some(ended.saturating_add(ENDED_KEPT_MS))
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
fn list_prefix(tenant: &str) -> String {
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

/// Keeps a new key: a change that is made only if the key is new.
pub(crate) fn keep_new(changes: Changes, key: &ApiKey) -> Result<Changes, ApiError> {
    keep(changes.absent(&place(&key.id)), key)
}

/// Keeps a key that was read before as `bytes`.
pub(crate) fn keep_changed(changes: Changes, key: &ApiKey, bytes: &[u8]) -> Result<Changes, ApiError> {
    keep(changes.still(&place(&key.id), bytes), key)
}

fn keep(changes: Changes, key: &ApiKey) -> Result<Changes, ApiError> {
    let until = key.forgotten_ms();
    changes.put(&place(&key.id), key, until)?.put(&listed(&key.tenant, &key.id), &key.id, until)
}

/// Every key of a tenant, the newest first.
pub(crate) fn keys_of(store: &Store, tenant: &str) -> Result<Vec<ApiKey>, ApiError> {
    let (mut keys, mut after) = (Vec::new(), None::<String>);
    loop {
        let some: Vec<(String, String)> = store.list(&list_prefix(tenant), after.as_deref(), READ_AT_ONCE)?;
        let Some((last, _)) = some.last() else { break };
        after = Some(last.clone());
        for (_, id) in &some {
            keys.extend(store.get::<ApiKey>(&place(id))?.map(|(key, _)| key));
        }
    }
    keys.sort_by(|a, b| b.created_ms.cmp(&a.created_ms).then_with(|| a.id.cmp(&b.id)));
    Ok(keys)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(expires_ms: Option<u64>, revoked_ms: Option<u64>) -> ApiKey {
        ApiKey {
            id: "0".repeat(ID_CHARS),
            tenant: "t".into(),
            environment: Environment::Production,
            name: "CI".into(),
            scopes: Vec::new(),
            hash: [0; 32],
            created_ms: 0,
            expires_ms,
            revoked_ms,
            replaced_by: None,
        }
    }

    #[test]
    fn a_key_ends_by_its_expiry_or_as_soon_as_its_revocation_is_known() {
        for (expires, revoked, now, state) in [
            (None, None, u64::MAX, KeyState::Active),
            (Some(1_000), None, 999, KeyState::Active),
            (Some(1_000), None, 1_000, KeyState::Expired),
            (None, Some(1_000), 1_000, KeyState::Revoked),
            // Revoked by a node whose clock is ahead of this one's.
            (None, Some(1_000), 999, KeyState::Revoked),
            (Some(1_000), Some(2_000), 1_500, KeyState::Revoked),
        ] {
            assert_eq!(key(expires, revoked).state(now), state, "{expires:?} {revoked:?} {now}");
        }
    }

    #[test]
    fn a_key_is_forgotten_some_time_after_its_end() {
        assert_eq!(key(None, None).forgotten_ms(), None);
        assert_eq!(key(Some(5), None).forgotten_ms(), Some(5 + ENDED_KEPT_MS));
        assert_eq!(key(Some(5), Some(3)).forgotten_ms(), Some(3 + ENDED_KEPT_MS));
        assert_eq!(key(Some(u64::MAX), None).forgotten_ms(), Some(u64::MAX));
    }
}
