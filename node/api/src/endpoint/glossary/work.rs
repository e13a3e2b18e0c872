//! Orchestrations and workflows.

use super::Word;

pub(super) const WORDS: &[Word] = &[
    ("config", "What the step needs, by its type.", r#"{"prompt": "Which amount is due?"}"#),
    ("depends_on", "Names of the steps that come before it.", r#"["read"]"#),
    ("steps", "The steps.", "[]"),
    ("step_id", "Name of the step in the log and in expressions.", r#""read""#),
    ("retry", "How often it is tried.", r#"{"max_attempts": 3, "backoff_ms": 500}"#),
    ("max_attempts", "Attempts before it counts as failed.", "3"),
    ("backoff_ms", "Before the second attempt; twice as long before each further one.", "500"),
    ("timeout_seconds", "How long it may take.", "300"),
    ("requires_approval", "Whether a person must approve it first.", "false"),
];
