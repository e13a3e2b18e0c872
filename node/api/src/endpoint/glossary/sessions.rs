//! Sessions and their tokens.

use super::Word;

pub(super) const WORDS: &[Word] = &[
    (
        "agentId",
        "The same as `agent_id`, where older clients look for it.",
        r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N""#,
    ),
    (
        "expiresAt",
        "The same as `expires_at`, where older clients look for it.",
        r#""2026-11-26T18:15:00.000Z""#,
    ),
    ("audience", "For whom it is meant; null when for nobody in particular.", "null"),
    (
        "proof_key_thumbprint",
        "RFC 7638 thumbprint of the key that its tokens are bound to; null for bearer tokens.",
        "null",
    ),
    ("token", "The access token: a JWT.", r#""eyJhbGciOiJFZERTQSIsImtpZCI6…""#),
    ("access_token", "The access token: a JWT.", r#""eyJhbGciOiJFZERTQSIsImtpZCI6…""#),
    ("token_type", "How the access token is shown.", r#""Bearer""#),
    ("token_expires_at", "When the access token ends, RFC 3339 in UTC.", r#""2026-11-26T18:15:00.000Z""#),
    ("refresh_token", "The refresh token: good once.", r#""maip_live_refresh_…""#),
    ("refreshed_at", "When it was last refreshed, RFC 3339 in UTC; null when it was not.", "null"),
    ("terminated_at", "When it ended, RFC 3339 in UTC; null while it lives.", "null"),
    ("handed_off_from", "Who had it before it was handed on; null when it was not.", "null"),
    ("handed_off_to", "Who has it since it was handed on; null when it was not.", "null"),
    ("handed_off_at", "When it was handed on, RFC 3339 in UTC; null when it was not.", "null"),
    ("ttl_minutes", "How long it lives, in minutes.", "60"),
    ("ttl_seconds", "How long it lives, in seconds.", "3600"),
];
