//! Trust, witness votes, claims, documents.

use super::Word;

pub(super) const WORDS: &[Word] = &[
    ("delegation", "By delegation.", "100"),
    ("interaction_index", "The entry that brought the two together.", "4711"),
    ("subject_agent_id", "Of whom.", r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M""#),
    (
        "factors",
        "What the score is made of, 0 to 100 each; null where there is no data.",
        r#"{"behavioral_compliance": 97.1, "scope_adherence": 100, "anomaly_score": 100, "peer_attestations": 50, "session_hygiene": 83.3}"#,
    ),
    ("trend", "Where the score goes: `rising`, `falling` or `stable`.", r#""stable""#),
    ("as_of", "Index of the newest entry that it takes into account.", "4711"),
    (
        "computed_at",
        "The log's time that it is computed for, RFC 3339 in UTC.",
        r#""2026-11-26T18:00:00.000Z""#,
    ),
    (
        "valid_until",
        "Until then it only changes with a new entry, RFC 3339 in UTC.",
        r#""2026-11-26T19:00:00.000Z""#,
    ),
    ("event_type", "The type of the record that led to it.", r#""receipt.action""#),
    ("event_detail", "What it said, in a word or two.", r#""invoices:read: ok""#),
    ("algorithm_id", "SHA-256 of the algorithm's constants.", r#""3f1c…""#),
];
