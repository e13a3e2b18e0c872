//! Compliance, anomalies, data sets, models, billing, audit.

use super::Word;

pub(super) const WORDS: &[Word] = &[
    ("record_count", "How many records the data set has.", "120000"),
    ("schema_version", "Version of the data set's own schema.", r#""3""#),
    ("size_bytes", "Bytes of the content.", "1048576"),
    (
        "source_uri",
        "Where the content was taken from. Kept by the nodes, not in the log.",
        r#""s3://example/invoices/""#,
    ),
    ("edges", "Edges of the graph: `source relationship target`.", "[]"),
    ("relationship", "How the one stands to the other.", r#""derived_from""#),
    ("source_dataset_id", "The data set that it was made of.", r#""maip-ds:01KC2G2V3T3XJ6W1B0D9QH8Y7W""#),
    ("base_model_id", "The model that it was made from; null without one.", r#"null"#),
    ("hyperparameters", "How it was trained. Kept by the nodes, not in the log.", r#"{"epochs": 3}"#),
    (
        "training_dataset_ids",
        "The data sets that it has learnt from.",
        r#"["maip-ds:01KC2G2V3T3XJ6W1B0D9QH8Y7W"]"#,
    ),
    ("dataset_ids", "The data sets that it was made of.", r#"["maip-ds:01KC2G2V3T3XJ6W1B0D9QH8Y7W"]"#),
    ("period_start", "Beginning of the period.", r#""2026-11-01T00:00:00.000Z""#),
    ("period_end", "End of the period.", r#""2026-11-30T23:59:59.999Z""#),
];
