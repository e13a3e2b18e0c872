//! The secret of a webhook, and the signatures made with it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::hmac_sha256;

use super::Webhook;
use crate::{account::Secrets, wire::hex};

const CONTEXT: &str = "maip 2026-11 secret of a webhook";
/// How long the secret before the last rotation signs beside the new one.
pub(crate) const OLD_SECRET_MS: u64 = 24 * 3_600_000;

/// The secret that is shown once: made of the operator key, so it is the same on every node and kept on none.
pub(crate) fn secret(secrets: &Secrets, webhook: &str, nonce: &str) -> String {
    let bytes = secrets.keyed(CONTEXT, format!("{webhook}/{nonce}").as_bytes());
    format!("whsec_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// `t=<seconds>,v1=<hex>`: the HMAC-SHA256 of `<seconds>.<body>` under the whole text of the secret; for a day after a rotation a
/// second `v1` under the secret before.
pub(crate) fn signature(secrets: &Secrets, webhook: &Webhook, now_ms: u64, body: &[u8]) -> String {
    let seconds = now_ms / 1000;
    let mut message = format!("{seconds}.").into_bytes();
    message.extend_from_slice(body);
    let old = webhook.old_nonce.as_ref().filter(|(_, until)| now_ms < *until).map(|(nonce, _)| nonce);
    let mut text = format!("t={seconds}");
    for nonce in std::iter::once(&webhook.nonce).chain(old) {
        let code = hmac_sha256(secret(secrets, &webhook.id, nonce).as_bytes(), &message);
        text += ",v1=";
        text.push_str(&hex(&code));
    }
    text
}
