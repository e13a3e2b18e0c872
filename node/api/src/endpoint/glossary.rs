//! One word, one thing: what fields are called and mean in every group.
//!
//! A field whose declaration has no documentation of its own is described from here, and so are examples of answers.

/// What a field of this name means and how a value of it looks, as JSON.
pub(super) fn word(name: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    WORDS.iter().find(|(known, ..)| *known == name)
}

const WORDS: &[(&str, &str, &str)] = &[
    // Where something stands.
    (
        "id",
        "Its id: the UUID of the same 128 bits as the id with a prefix.",
        r#""019b0501-6c7a-1f65-c341-606ca5fcc7f5""#,
    ),
    ("log_index", "Index of its entry in the log, final.", "4711"),
    ("index", "Index of an entry in the log.", "4711"),
    (
        "leaf_hash",
        "`SHA-256(0x00 || entry)`, hex.",
        r#""9c1185a5c5e9fc54612808977ee8f548b2258d31e1b8b1b1f2f8e1d6f1a2b3c4""#,
    ),
    ("ack", "The level that was reached: `sequenced`, `published` or `witnessed`.", r#""sequenced""#),
    ("log", "Name of the log; the main one when it is left out.", r#""main""#),
    ("origin", "First line of the log's checkpoints: its name in the world.", r#""maip.devnet/main""#),
    ("size", "Number of entries of a tree.", "4712"),
    (
        "checkpoint",
        "The latest checkpoint with its signatures, as text.",
        r#""maip.devnet/main\n4712\nWvzqrKPX2HBpFgXPkbdHbs0pW8aiXm4qVBCWpuQ1pTs=\n\n— maip.devnet/main Az3grlgt…\n""#,
    ),
    ("hashes", "The hashes of the proof, base64.", r#"["WvzqrKPX2HBpFgXPkbdHbs0pW8aiXm4qVBCWpuQ1pTs="]"#),
    ("vkey", "The log's verifier key.", r#""maip.devnet/main+033de0ae+AQ9q…""#),
    ("min_index", "Waits until this node has applied the entry with this index.", "4711"),
    // Whose it is.
    ("tenant_id", "The tenant that it belongs to.", r#""maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7A""#),
    ("agent_id", "The agent.", r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N""#),
    ("parent_agent_id", "The agent above it.", r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M""#),
    ("session_id", "The session.", r#""maip-sess:01KC2G2V3T3XJ6W1B0D9QH8Y7P""#),
    (
        "receipt_id",
        "The record's id: `GET /v1/receipts/{receipt_id}/proof` gives its proof file.",
        r#""maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y7Q""#,
    ),
    ("delegation_id", "The grant.", r#""maip-deleg:01KC2G2V3T3XJ6W1B0D9QH8Y7R""#),
    ("policy_id", "The policy.", r#""maip-pol:01KC2G2V3T3XJ6W1B0D9QH8Y7S""#),
    ("claim_id", "The claim.", r#""maip-tc:01KC2G2V3T3XJ6W1B0D9QH8Y7T""#),
    ("document_id", "The document.", r#""maip-doc:01KC2G2V3T3XJ6W1B0D9QH8Y7V""#),
    ("dataset_id", "The data set.", r#""maip-ds:01KC2G2V3T3XJ6W1B0D9QH8Y7W""#),
    ("model_id", "The model.", r#""maip-model:01KC2G2V3T3XJ6W1B0D9QH8Y7X""#),
    ("workflow_id", "The workflow.", r#""maip-wf:01KC2G2V3T3XJ6W1B0D9QH8Y7Y""#),
    ("orchestration_id", "The run.", r#""maip-orch:01KC2G2V3T3XJ6W1B0D9QH8Y7Z""#),
    ("tool_id", "The tool.", r#""maip-tool:01KC2G2V3T3XJ6W1B0D9QH8Y70""#),
    ("check_id", "The compliance check.", r#""maip-cc:01KC2G2V3T3XJ6W1B0D9QH8Y71""#),
    ("report_id", "The report.", r#""maip-report:01KC2G2V3T3XJ6W1B0D9QH8Y72""#),
    ("anomaly_id", "The anomaly.", r#""maip-anom:01KC2G2V3T3XJ6W1B0D9QH8Y73""#),
    ("witness_id", "The request for witnesses.", r#""maip-wit:01KC2G2V3T3XJ6W1B0D9QH8Y74""#),
    ("operator_id", "Who did it, for the tenant's own records.", r#""alice""#),
    ("key_id", "Name of the key.", r#""b2c7e0a15d3f9481""#),
    // What it is called.
    ("name", "What people call it.", r#""Billing bot""#),
    ("display_name", "What people call it.", r#""Billing bot""#),
    ("title", "What people call it.", r#""Invoices of November""#),
    (
        "description",
        "What it is for. Kept by the nodes, not in the log.",
        r#""Pays invoices below 1,000 EUR.""#,
    ),
    ("metadata", "What the caller attaches. Kept by the nodes, not in the log.", r#"{"team": "finance"}"#),
    ("tags", "Words to find it by.", r#"["finance"]"#),
    ("version", "Its version.", "1"),
    ("status", "What state it is in.", r#""active""#),
    ("status_reason", "Why it is suspended or ended.", r#""under_review""#),
    ("reason", "Why. The nodes keep it whole; the log holds a word of it.", r#""under review""#),
    ("environment", "`production` or `sandbox`: which log it is in.", r#""production""#),
    (
        "agent_type",
        "How much it acts by itself: `autonomous`, `supervised`, `delegated` or `system`.",
        r#""autonomous""#,
    ),
    ("runtime_type", "What kind of program it is.", r#""llm""#),
    ("plan", "`developer`, `business` or `enterprise`.", r#""business""#),
    ("email", "An e-mail address. Not kept: the log holds no personal data.", r#""dev@example.com""#),
    ("source", "Where the caller comes from.", r#""sdk""#),
    // What it may do.
    (
        "scope",
        "The scopes as the older SDKs write them: actions by resource.",
        r#"{"actions": ["read"], "resources": ["invoices"], "constraints": {}}"#,
    ),
    ("scopes", "What it may do; with `!`, what it must not do.", r#"["invoices:read"]"#),
    ("actions", "Actions, such as `read`.", r#"["read"]"#),
    ("resources", "Resources, such as `invoices`.", r#"["invoices"]"#),
    ("constraints", "Kept by the nodes, not in the log.", "{}"),
    ("cascade", "Whether every agent below it ends too.", "true"),
    ("trust_level", "How much is known of it.", r#""authenticated""#),
    ("trust_score", "Trust from 0 to 1; null while unscored.", "0.7421"),
    ("score", "Trust from 0 to 100; null while unscored.", "74.21"),
    ("delegation_depth", "How many agents are above it.", "0"),
    ("session_count", "Sessions that are open.", "2"),
    ("sessions_terminated", "The same as `terminated_sessions`, where older clients look for it.", "2"),
    ("upgrade_url", "Where to get a larger plan; null when the operator names no place.", "null"),
    (
        "limits",
        "What the plan includes, by metric; null is without limit.",
        r#"{"maip.agents": 2, "maip.sessions": 100}"#,
    ),
    // Keys.
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
    // Times.
    ("created_at", "When it was made, RFC 3339 in UTC.", r#""2026-11-26T18:00:00.000Z""#),
    ("updated_at", "When it last changed, RFC 3339 in UTC.", r#""2026-11-26T18:00:00.000Z""#),
    (
        "createdAt",
        "The same as `created_at`, where older clients look for it.",
        r#""2026-11-26T18:00:00.000Z""#,
    ),
    (
        "updatedAt",
        "The same as `updated_at`, where older clients look for it.",
        r#""2026-11-26T18:00:00.000Z""#,
    ),
    ("expires_at", "When it ends by itself, RFC 3339 in UTC.", r#""2027-11-26T18:00:00.000Z""#),
    ("revoked_at", "When it was ended, RFC 3339 in UTC.", r#""2026-11-27T09:30:00.000Z""#),
    ("killed_at", "The log's time of the kill, RFC 3339 in UTC.", r#""2026-11-26T18:00:00.000Z""#),
    (
        "compromised_at",
        "Since when it is believed to have been in foreign hands, RFC 3339.",
        r#""2026-11-26T12:00:00.000Z""#,
    ),
    ("timestamp", "When, RFC 3339 in UTC.", r#""2026-11-26T18:00:00.000Z""#),
    // Receipts, records, issuers, proofs.
    ("alg", "Signature algorithm.", r#""Ed25519""#),
    ("attestation_id", "The attestation.", r#""maip-rcpt:01KC2G2V3T3XJ6W1B0D9QH8Y75""#),
    ("claims", "What the attestation says, as it was given.", r#"{"role": "auditor"}"#),
    (
        "document_hash",
        "SHA-256 of the document, hex.",
        r#""2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae""#,
    ),
    ("expires_at_unix", "The same as `expires_at`, in seconds since 1970.", r#"1827252000"#),
    ("issued_at", "When it was issued, RFC 3339 in UTC.", r#""2026-11-26T18:00:00.000Z""#),
    ("issued_at_unix", "The same as `issued_at`, in seconds since 1970.", r#"1795716000"#),
    ("issuer_did", "The issuer as a decentralized identifier.", r#""did:maip:01KC2G2V3T3XJ6W1B0D9QH8Y7N""#),
    ("did", "The issuer as a decentralized identifier.", r#""did:maip:01KC2G2V3T3XJ6W1B0D9QH8Y7N""#),
    ("issuer_id", "The issuer.", r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N""#),
    ("issuer", "The issuer.", r#"null"#),
    ("issuer_current", "The issuer as it stands now.", r#"null"#),
    ("superseded_by", "What took its place; null when nothing did.", r#"null"#),
    ("assurance_level", "How well the issuer was looked at, in the caller's words.", r#""high""#),
    ("jurisdiction", "Where the issuer is at home.", r#""DE""#),
    ("legal_name", "The name in a public register.", r#""Example GmbH""#),
    ("registration_ref", "Number in a public register.", r#""HRB 12345""#),
    ("duration_ms", "How long it took, ms.", r#"120"#),
    ("receipt_type", "What kind of receipt it is.", r#""action""#),
    ("export_id", "The export.", r#""01KC2G2V3T3XJ6W1B0D9QH8Y76""#),
    ("leaf_index", "The same as `log_index`, where older clients look for it.", r#"4711"#),
    ("tree_size", "Number of entries of the tree.", r#"4712"#),
    (
        "root_hash",
        "Root of the tree, as older clients read it.",
        r#""5afceaacb3d7d870691603d7d7e6c77669bf5ac8973dfcf35705a9a7d3f53b62""#,
    ),
    (
        "public_key_b64url",
        "The same as `public_key`, where older clients look for it.",
        r#""11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#,
    ),
    ("record", "A signed record in its canonical form.", r#"null"#),
    ("records", "Signed records.", r#"[]"#),
    (
        "record_hash",
        "Digest of the record, hex.",
        r#""9c1185a5c5e9fc54612808977ee8f548b2258d31e1b8b1b1f2f8e1d6f1a2b3c4""#,
    ),
    ("record_type", "What type of record it is.", r#""receipt.action""#),
    ("actor", "Who signed.", r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N""#),
    ("at", "When the signer says it was, ms since 1970.", r#"1795716000000"#),
    ("body", "What the record says; its fields follow from its type.", r#"{}"#),
    ("sig", "The actor's signature, base64url.", r#""5VbF…""#),
    ("tenant", "The tenant.", r#""maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7A""#),
    ("type", "What it is.", r#""receipt.action""#),
    ("v", "Version of the form.", r#"1"#),
    ("receipt_version", "Version of the receipt's form.", r#""1.0""#),
    ("payload", "What was given. Kept by the nodes; the log holds a digest.", r#"{"amount": 1250}"#),
    (
        "payload_hash",
        "Digest of the payload, hex.",
        r#""2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae""#,
    ),
    ("retention_policy", "How long it is to be kept, in the caller's words.", r#""standard""#),
    ("salt", "What was mixed into the digest, so that it cannot be guessed.", r#""3q2-7w…""#),
    ("subject", "Whom or what it is about.", r#""order-4711""#),
    ("chain_verified", "Whether what it rests on holds, too.", r#"true"#),
    ("signature_verified", "Whether the signature is the actor's.", r#"true"#),
    ("transparency_verified", "Whether the log holds it.", r#"true"#),
    ("governance", "Who may sign such a thing, and whether this signer may.", r#"{}"#),
    ("audit", "What happened to it, in order.", r#"[]"#),
    ("bundle_id", "The bundle.", r#""01KC2G2V3T3XJ6W1B0D9QH8Y77""#),
    ("bundle_version", "Version of the bundle's form.", r#""1.0""#),
    ("generated_at", "When it was put together, RFC 3339 in UTC.", r#""2026-11-26T18:00:00.000Z""#),
    ("header", "What the bundle is.", r#"{}"#),
    ("proofs", "Its proofs.", r#"{}"#),
    ("transparency_log", "The log and its place there.", r#"{}"#),
    ("verification_hints", "How to verify it elsewhere.", r#"{}"#),
    ("versions", "Its versions.", r#"[]"#),
    ("action", "What was done, `resource:action`.", r#""invoices:read""#),
    ("error_code", "Why it failed; null when it did not.", r#"null"#),
    (
        "inputs_hash",
        "Digest of the input.",
        r#""2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae""#,
    ),
    (
        "outputs_hash",
        "Digest of the output.",
        r#""2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae""#,
    ),
    (
        "metadata_digest",
        "Digest of the metadata.",
        r#""2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae""#,
    ),
    (
        "on_behalf_of",
        "The credential for which the operator signed; null when the actor signed itself.",
        r#""api-key:4nq0k2v7cyx3h8t1""#,
    ),
    ("purpose", "What it was done for.", r#""billing run""#),
    ("allow_any_issuer", "Whether every trusted issuer may sign it.", r#"true"#),
    ("allowed_issuer_ids", "The issuers that may sign it.", r#"[]"#),
    ("allowed_algs", "The algorithms that it may be signed with.", r#"["Ed25519"]"#),
    // Lists.
    ("items", "The items of this page.", "[]"),
    ("data", "The same as `items`, where older clients look for it.", "[]"),
    ("total", "Items in the whole list.", "1"),
    ("limit", "Most items of the page.", "50"),
    ("offset", "Items that were passed over.", "0"),
    ("next_cursor", "Send it as `cursor` for the next page; null when there is none.", "null"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_there_once_with_an_example_that_is_json() {
        let mut names = std::collections::BTreeSet::new();
        for (name, about, example) in WORDS {
            assert!(names.insert(name), "{name} is there twice");
            assert!(about.ends_with('.'), "{name}: a description is a sentence");
            assert!(serde_json::from_str::<serde_json::Value>(example).is_ok(), "{name}: {example}");
        }
    }
}
