//! Delegation and federation.

use super::Word;

pub(super) const WORDS: &[Word] = &[
    ("offered_by_agent_id", "The agent that grants.", r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N""#),
    ("offered_by_tenant_id", "The tenant that grants.", r#""maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7A""#),
    (
        "from_agent_id",
        "The agent that grants; null: the tenant itself.",
        r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N""#,
    ),
    ("from_tenant_id", "The tenant that grants.", r#""maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7A""#),
    (
        "fromAgentId",
        "The same as `from_agent_id`, where the SDKs look for it.",
        r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N""#,
    ),
    ("to_agent_id", "The receiver.", r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M""#),
    ("to_tenant_id", "The receiver's tenant.", r#""maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7A""#),
    (
        "toAgentId",
        "The same as `to_agent_id`, where the SDKs look for it.",
        r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M""#,
    ),
    (
        "child_agent_id",
        "The same as `to_agent_id`, where older clients look for it.",
        r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M""#,
    ),
    (
        "target_tenant_id",
        "The same as `to_tenant_id`, where older clients look for it.",
        r#""maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7A""#,
    ),
    ("to_key_id", "The key that uses the grant.", r#""0a1b2c3d4e5f60718293a4b5c6d7e8f9""#),
    ("to_origin", "The log where the receiver lives; null: this log.", "null"),
    (
        "accepted_by_agent_id",
        "The receiver, once it has accepted.",
        r#""maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M""#,
    ),
    (
        "accepted_by_tenant_id",
        "The receiver's tenant, once it has accepted.",
        r#""maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7A""#,
    ),
    ("accepted_at", "When it was accepted, RFC 3339 in UTC.", r#""2026-11-26T18:00:00.000Z""#),
    ("agreement_id", "Hash of the agreement's record.", "null"),
    ("parent_delegation_id", "The grant above; null in a root.", "null"),
];
