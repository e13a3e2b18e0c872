//! Events, metrics, webhooks.

use super::Word;

pub(super) const WORDS: &[Word] = &[
    ("event_id", "The event: its log and the index of its entry.", r#""evt_5f0c31aa_4711""#),
    ("event_types", "Words of events; with `.*` at the end, all that begin so.", r#"["agent.*"]"#),
    ("webhook_id", "The webhook.", r#""maip-hook:01KC2G2V3T3XJ6W1B0D9QH8Y78""#),
    (
        "delivery_id",
        "The delivery of an event to a webhook, the same on every attempt.",
        r#""whd_01KC2G2V3T3XJ6W1B0D9QH8Y78_evt_5f0c31aa_4711""#,
    ),
    ("url", "Where it is sent.", r#""https://example.com/hooks/maip""#),
];
