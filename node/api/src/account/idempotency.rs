//! Idempotency keys: the same key and request give the same answer, on any node and across a leader's death.
//!
//! A request with a key first *claims* it: in the private state, with its digest, a seed and the time. Ids and secrets of the call
//! are drawn from the seed, records are signed under the claimed time, and Ed25519 is deterministic. So a repetition
//! after a crash makes the same records, which the log knows already, and the answer comes out the same. A finished answer is kept.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{
    Secrets,
    store::{Changes, Store},
};
use crate::ApiError;

/// How long a key is remembered.
const REMEMBERED_MS: u64 = 24 * 3_600_000;
/// Largest answer that is kept; a larger one is made again from the same seed.
const ANSWER_BYTES_MAX: usize = 32 * 1024;
/// What answers are masked for.
const ANSWERS: &str = "maip-ledger 2026-11 answers that are kept under an idempotency key";
/// Longest key.
pub(crate) const KEY_CHARS_MAX: usize = 255;

/// What is kept under a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    request: String,
    seed: [u8; 32],
    at_ms: u64,
    answer: Option<KeptAnswer>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptAnswer {
    status: u16,
    log_index: Option<String>,
    body: String,
}

/// A claimed key.
pub(crate) struct Claim {
    place: String,
    bytes: Vec<u8>,
    pub(crate) seed: [u8; 32],
    pub(crate) at_ms: u64,
    /// The answer, if the call was finished before: status, `x-log-index`, body.
    pub(crate) answer: Option<(u16, Option<String>, Vec<u8>)>,
}

fn place(owner: &str, key: &str) -> String {
    format!("idempotency/{owner}/{}", blake3::hash(key.as_bytes()).to_hex())
}

/// Claims a key for a request; `request` is a digest of method, path, query and body.
///
/// # Errors
/// 409 when the key was used for another request, 400 for a key that is too long.
pub(crate) async fn claim(
    store: &Store,
    secrets: &Secrets,
    owner: &str,
    key: &str,
    request: &str,
    now_ms: u64,
) -> Result<Claim, ApiError> {
    if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|b| (0x21..0x7f).contains(&b)) {
        return Err(ApiError::malformed(format!(
            "an idempotency key has 1 to {KEY_CHARS_MAX} visible ASCII characters"
        ))
        .field("Idempotency-Key")
        .fix("send a UUID"));
    }
    let place = place(owner, key);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(ApiError::internal)?;
    let mine = Kept { request: request.to_owned(), seed, at_ms: now_ms, answer: None };
    if store.get::<Kept>(&place)?.is_none() {
        let changes = Changes::default().absent(&place).put(&place, &mine, Some(now_ms + REMEMBERED_MS))?;
        store.change(changes).await?;
    }
    // Whoever was first, possibly on another node a moment ago, has set the seed.
    let Some((kept, bytes)) = store.get::<Kept>(&place)? else {
        return Err(ApiError::not_yet(
            "NOT_APPLIED",
            "the key was claimed, but this node does not show it yet",
            1,
        ));
    };
    if kept.request != request {
        return Err(ApiError::conflict("IDEMPOTENCY_KEY_REUSED", "the key was used for another request")
            .field("Idempotency-Key")
            .fix("use a new key for a new request"));
    }
    let answer = kept.answer.and_then(|answer| {
        let masked = STANDARD_NO_PAD.decode(answer.body).ok()?;
        Some((answer.status, answer.log_index, secrets.masked(ANSWERS, &kept.seed, &masked)))
    });
    Ok(Claim { place, bytes, seed: kept.seed, at_ms: kept.at_ms, answer })
}

/// Keeps the answer of a claimed call. That it could not be kept changes nothing: a repetition makes it again.
pub(crate) async fn finish(
    store: &Store,
    secrets: &Secrets,
    claim: &Claim,
    request: &str,
    status: u16,
    log_index: Option<String>,
    body: &[u8],
) {
    if body.len() > ANSWER_BYTES_MAX {
        return;
    }
    // An answer may hold what is shown once. A claim is finished once, so nothing else is masked with its seed.
    let body = STANDARD_NO_PAD.encode(secrets.masked(ANSWERS, &claim.seed, body));
    let answer = Some(KeptAnswer { status, log_index, body });
    let kept = Kept { request: request.to_owned(), seed: claim.seed, at_ms: claim.at_ms, answer };
    let expires = Some(claim.at_ms + REMEMBERED_MS);
    let changes = Changes::default().still(&claim.place, &claim.bytes).put(&claim.place, &kept, expires);
    let done = match changes {
        Ok(changes) => store.change(changes).await,
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        tracing::debug!(%error, "an idempotent answer was not kept");
    }
}
