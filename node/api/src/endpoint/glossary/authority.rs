//! Policies, approvals, tools, guardrails.

use super::Word;

pub(super) const WORDS: &[Word] = &[
    (
        "approval_id",
        "The approval: the id of the decision that waits for it.",
        r#""maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y78""#,
    ),
    ("amount", "What it costs or moves.", r#"{"currency": "EUR", "minor": 125000}"#),
    ("category", "What it is about, for people.", r#""custom""#),
    ("currency", "Currency, three letters of ISO 4217.", r#""EUR""#),
    ("effect", "What the rule does.", r#""deny""#),
    ("field", "What the condition looks at.", r#""scope""#),
    ("op", "How the condition compares.", r#""eq""#),
    ("priority", "Smaller comes first.", "100"),
    ("rule_id", "Name of the guardrail rule.", r#""payments""#),
    ("scope_name", "The scope, `resource:action` or `resource:*`.", r#""payments:write""#),
    ("severity", "How bad it is: `info`, `warning`, `error` or `critical`.", r#""error""#),
    ("tool_name", "Name of the tool, or its id.", r#""send_email""#),
    ("value", "What the condition compares with.", r#""payments:write""#),
];
