//! Keys, of agents and of the API.

use super::Word;

pub(super) const WORDS: &[Word] = &[
    ("public_key", "Ed25519 public key, base64url.", r#""11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#),
    (
        "publicKey",
        "The same as `public_key`, where older clients look for it.",
        r#""11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#,
    ),
    (
        "genesis_public_key",
        "The key that it was registered with, where older clients look for it.",
        r#""11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#,
    ),
    (
        "private_key",
        "Shown once: the seed of a new key, base64url. The nodes keep none.",
        r#""nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A""#,
    ),
    ("kid", "Name of the key: the first 8 bytes of its digest, hex.", r#""b2c7e0a15d3f9481""#),
    ("algorithm", "The algorithm of the key.", r#""Ed25519""#),
    ("keys", "Its keys.", "[]"),
    (
        "api_key",
        "The whole API key, shown this once.",
        r#""maip_test_4nq0k2v7cyx3h8t16m2r9d5s7w1z4b8f0g3j6k9m2p5q8t1v4x""#,
    ),
    (
        "secret",
        "The whole secret, shown this once.",
        r#""maip_test_4nq0k2v7cyx3h8t16m2r9d5s7w1z4b8f0g3j6k9m2p5q8t1v4x""#,
    ),
    ("prefix", "How the key begins.", r#""maip_test_4nq0k2v7cyx3h8t1""#),
    ("signature", "Signature, base64url.", r#""5VbF…""#),
];
