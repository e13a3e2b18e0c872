//! Identifiers as callers may write them: any of the three spellings of `docs/record-format.md`.

use std::borrow::Cow;

use ledger_format::record;
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// A kind of object that has an id.
pub(crate) trait IdKind: Copy {
    /// What people call it, e.g. `agent`.
    const WHAT: &'static str;
    /// Before the ULID in the canonical spelling, e.g. `maip-agent:`.
    const PREFIX: &'static str;
    /// Reads every spelling.
    fn read(text: &str) -> Option<Self>;
}

macro_rules! id_kinds {
    ($($name:ident, $what:literal, $prefix:literal;)*) => { $(
        impl IdKind for record::$name {
            const WHAT: &'static str = $what;
            const PREFIX: &'static str = $prefix;

            fn read(text: &str) -> Option<Self> {
                Self::parse_any(text)
            }
        }
    )* };
}

id_kinds! {
    TenantId, "tenant", "maip-tenant:";
    AgentId, "agent", "maip-agent:";
    SessionId, "session", "maip-sess:";
    ReceiptId, "receipt", "maip-rcpt:";
    DelegationId, "delegation", "maip-deleg:";
    AttestationId, "witness request", "maip-wit:";
    ClaimId, "claim", "maip-tc:";
    DocumentId, "document", "maip-doc:";
    ComplianceCheckId, "compliance check", "maip-cc:";
    ReportId, "report", "maip-report:";
    AnomalyId, "anomaly", "maip-anom:";
    DatasetId, "data set", "maip-ds:";
    ModelId, "model", "maip-model:";
    WorkflowId, "workflow", "maip-wf:";
    OrchestrationId, "orchestration", "maip-orch:";
    PolicyId, "policy", "maip-pol:";
    ToolId, "tool", "maip-tool:";
}

/// An id in a body or a query. Its tenant digits, if it has the third spelling, are compared by whoever uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id<K>(pub(crate) K);

/// The article of a word that people read.
pub(crate) fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// What every spelling of an id looks like, for the document. A percent-encoded colon is accepted, too.
pub(crate) fn pattern(prefix: &str) -> String {
    let ulid = "[0-7][0-9A-HJKMNP-TV-Z]{25}";
    let uuid = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
    format!("^((({prefix}|maip:[0-9a-fA-F]{{8}}:)?{ulid})|({uuid}))$")
}

/// Schema of an id.
pub(crate) fn schema(what: &str, prefix: &str) -> Schema {
    let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern(prefix)));
    let about = format!(
        "Id of the {what}: `{prefix}<ulid>`, the UUID of the same 128 bits, or `maip:<8 hex>:<ulid>`."
    );
    id.description(Some(about))
        .examples([serde_json::json!(format!("{prefix}01KC2G2V3T3XJ6W1B0D9QH8Y7N"))])
        .into()
}

impl<'de, K: IdKind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let id = K::read(&text).map(Id);
        id.ok_or_else(|| {
            let (article, what, prefix) = (article(K::WHAT), K::WHAT, K::PREFIX);
            de::Error::custom(format!("is not the id of {article} {what}: {prefix}<ulid> or a UUID"))
        })
    }
}

impl<K: IdKind> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        schema(K::WHAT, K::PREFIX).into()
    }
}

impl<K: IdKind> ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        let words = K::WHAT.split(' ').map(|word| word[..1].to_uppercase() + &word[1..]);
        format!("{}Id", words.collect::<String>()).into()
    }
}

macro_rules! references {
    ($($(#[doc = $doc:literal])* $alias:ident = $kind:ident,)*) => {
        $($(#[doc = $doc])* pub(crate) type $alias = Id<record::$kind>;)*
    };
}

references! {
    /// Id of an agent.
    AgentRef = AgentId,
    /// Id of a tenant.
    TenantRef = TenantId,
    /// Id of a session.
    SessionRef = SessionId,
    /// Id of a receipt.
    ReceiptRef = ReceiptId,
    /// Id of a grant.
    DelegationRef = DelegationId,
    /// Id of a request for votes, or of a vote.
    VoteRef = AttestationId,
    /// Id of a claim.
    ClaimRef = ClaimId,
    /// Id of a data set.
    DatasetRef = DatasetId,
    /// Id of a model.
    ModelRef = ModelId,
    /// Id of a workflow.
    WorkflowRef = WorkflowId,
    /// Id of a tool.
    ToolRef = ToolId,
}

#[cfg(test)]
mod tests {
    use ledger_format::record::{AgentId, Ulid};

    use super::*;

    #[test]
    fn every_spelling_is_read_and_nothing_else() {
        let id = AgentId(Ulid(0x0190_c3a4_0000_0000_0000_0000_0000_0007));
        let read = |text: String| serde_json::from_value::<Id<AgentId>>(serde_json::Value::String(text)).ok();
        for good in [id.to_string(), id.0.uuid(), id.0.to_string(), format!("maip:0190c3a4:{}", id.0)] {
            assert_eq!(read(good.clone()), Some(Id(id)), "{good}");
        }
        for bad in [String::new(), "maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7N".into(), "x".repeat(26)] {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
    }
}
