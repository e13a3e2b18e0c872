//! The kinds of fields that declared bodies are made of: see [`super::declare`].

use std::marker::PhantomData;

use super::RecordHash;
use super::declare::Kind;
use super::fields::{self, Digest};
use super::ids::{
    AgentId, AnomalyId, AttestationId, ClaimId, ComplianceCheckId, DatasetId, DelegationId, DocumentId,
    ModelId, OrchestrationId, PolicyId, ReceiptId, ReportId, SessionId, TenantId, ToolId, WorkflowId,
};
use super::json::{JsonError, Reader, Reason, Writer};
use super::keys::{Kid, PublicKey};
use super::receipt::{self, DetailValue};
use super::scope::Scope;

/// Declares kinds by their rule, their reader and their text.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $value:ty, $rule:literal, $read:expr, $write:expr;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl Kind for $name {
            type Value = $value;
            const RULE: &'static str = $rule;

            fn read(r: &mut Reader<'_>) -> Result<$value, JsonError> {
                ($read)(r)
            }

            fn write(value: &$value, w: &mut Writer) {
                let write: fn(&$value, &mut Writer) = $write;
                write(value, w);
            }
        }
    )+};
}

kinds! {
    /// What people call something.
    Name: String, "a name, 1 to 128 bytes", fields::name, |text, w| w.string(text);
    /// A word: a reason, a kind.
    Token: String, "a word", fields::token, |text, w| w.string(text);
    /// The credential that the operator acted for.
    OnBehalfOf: String, "a credential", fields::on_behalf_of, |text, w| w.string(text);
    /// `true` or `false`.
    Flag: bool, "`true` or `false`", Reader::boolean, |flag, w| w.boolean(*flag);
    /// Milliseconds since 1970.
    Time: u64, "ms since 1970", Reader::unsigned, |ms, w| w.integer(*ms as i64);
    /// The index of an entry.
    Index: u64, "an index", Reader::unsigned, |index, w| w.integer(*index as i64);
    /// Hundredths of a unit of money, or whatever the currency's smallest part is.
    Minor: u64, "smallest units of the currency", Reader::unsigned, |minor, w| w.integer(*minor as i64);
    /// A public key.
    Key: PublicKey, "a public key", fields::public_key, |key, w| w.string(&key.to_string());
    /// The fingerprint of a key.
    KeyId: Kid, "a key id", fields::kid, |kid, w| w.string(&kid.to_string());
    /// The hash of a record.
    Hash: RecordHash, "a record hash", |r: &mut Reader<'_>| {
        fields::read_with(r, "a record hash: 64 lower-case hex digits", RecordHash::parse)
    }, |hash, w| w.string(&hash.to_string());
    /// The digest of a value.
    DigestOf: Digest, "a digest", fields::digest, |digest, w| w.string(&digest.to_string());
    /// One action.
    Action: Scope, "one action, `resource:action`", fields::exact_scope, |scope, w| w.string(scope.as_str());
    /// One scope.
    OneScope: Scope, "a scope", fields::scope, |scope, w| w.string(scope.as_str());
    /// A sorted list of scopes or denies; empty allows, or denies, nothing.
    Scopes: Vec<Scope>, "a sorted list of at most 256 scopes", fields::scopes, |list, w| {
        w.open_array();
        list.iter().for_each(|scope| w.string(scope.as_str()));
        w.close_array();
    };
    /// A currency.
    Currency: String, "three capital letters of ISO 4217", |r: &mut Reader<'_>| {
        let is_code = |text: &str| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase());
        fields::read_with(r, "a currency: three capital letters", |t| is_code(t).then(|| t.to_owned()))
    }, |code, w| w.string(code);
    /// The name of an algorithm with its version.
    Algorithm: String, "a name with its version, like `maip-trust/1`", fields::algorithm, |t, w| w.string(t);
    /// Small facts that are not personal.
    Detail: Vec<(String, DetailValue)>, "1 to 16 small facts, as in `receipt.action`", receipt::read_detail, |members, w| {
        receipt::write_detail(w, members);
    };
}

/// An id of one type of object.
pub(crate) struct Id<T>(PhantomData<T>);

macro_rules! ids {
    ($($id:ident, $what:literal;)+) => {$(
        impl Kind for Id<$id> {
            type Value = $id;
            const RULE: &'static str = $what;

            fn read(r: &mut Reader<'_>) -> Result<$id, JsonError> {
                fields::read_with(r, concat!($what, ": its prefix and a ULID"), $id::parse)
            }

            fn write(value: &$id, w: &mut Writer) {
                w.string(&value.to_string());
            }
        }
    )+};
}

ids! {
    AgentId, "an agent id (`maip-agent:`)";
    AnomalyId, "an anomaly id (`maip-anom:`)";
    AttestationId, "an attestation id (`maip-wit:`)";
    ClaimId, "a claim id (`maip-tc:`)";
    ComplianceCheckId, "a compliance check id (`maip-cc:`)";
    DatasetId, "a data set id (`maip-ds:`)";
    DelegationId, "a grant id (`maip-deleg:`)";
    DocumentId, "a document id (`maip-doc:`)";
    ModelId, "a model id (`maip-model:`)";
    OrchestrationId, "an orchestration id (`maip-orch:`)";
    PolicyId, "a policy id (`maip-pol:`)";
    ReceiptId, "a receipt id (`maip-rcpt:`)";
    ReportId, "a report id (`maip-report:`)";
    SessionId, "a session id (`maip-sess:`)";
    TenantId, "a tenant id (`maip-tenant:`)";
    ToolId, "a tool id (`maip-tool:`)";
    WorkflowId, "a workflow id (`maip-wf:`)";
}

/// One word of a `words!` enum.
pub(crate) struct Word<T>(PhantomData<T>);

/// Makes `Word<T>` a kind.
macro_rules! word_kind {
    ($($word:ident),+ $(,)?) => {$(
        impl $crate::record::declare::Kind for $crate::record::kinds::Word<$word> {
            type Value = $word;
            const RULE: &'static str = $word::RULE;

            fn read(
                r: &mut $crate::record::json::Reader<'_>,
            ) -> Result<$word, $crate::record::json::JsonError> {
                $word::read(r)
            }

            fn write(value: &$word, w: &mut $crate::record::json::Writer) {
                w.string(value.as_str());
            }
        }
    )+};
}
pub(crate) use word_kind;

/// Declares numbers by their least and greatest value.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident: $min:expr, $max:expr, $rule:literal;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl $crate::record::declare::Kind for $name {
            type Value = u64;
            const RULE: &'static str = $rule;

            fn read(r: &mut $crate::record::json::Reader<'_>) -> Result<u64, $crate::record::json::JsonError> {
                $crate::record::kinds::number(r, $min, $max, $rule)
            }

            fn write(value: &u64, w: &mut $crate::record::json::Writer) {
                w.integer(*value as i64);
            }
        }
    )+};
}
pub(crate) use numbers;

/// Reads a number within bounds.
pub(crate) fn number(r: &mut Reader<'_>, min: u64, max: u64, rule: &'static str) -> Result<u64, JsonError> {
    let start = r.offset();
    let value = r.unsigned()?;
    if (min..=max).contains(&value) { Ok(value) } else { Err(r.error(start, Reason::Invalid { rule })) }
}

numbers! {
    /// Minutes that a session lives.
    Minutes: 1, super::SESSION_MINUTES_MAX, "1 to 1440 minutes";
    /// A share or a score.
    BasisPoints: 0, 10_000, "basis points, 0 to 10000";
    /// A number of something, at least one.
    Count: 1, 1_000_000_000, "1 to 1000000000";
    /// A span of log time.
    WindowSeconds: 1, 31_536_000, "seconds, 1 to 31536000";
}

/// Declares lists by the kind of their items and their length. `sorted`: ascending, each once; `plain`: in the order given.
macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident: $order:ident $item:ty as $kind:ty, $min:expr, $max:expr, $rule:literal;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl $crate::record::declare::Kind for $name {
            type Value = Vec<$item>;
            const RULE: &'static str = $rule;
            const INNER: &'static [$crate::record::body::FieldInfo] =
                <$kind as $crate::record::declare::Kind>::INNER;
            const IS_LIST: bool = true;

            fn read(
                r: &mut $crate::record::json::Reader<'_>,
            ) -> Result<Vec<$item>, $crate::record::json::JsonError> {
                let is_after: fn(&$item, &$item) -> bool = $crate::record::kinds::lists!(@after $order);
                $crate::record::kinds::list(r, ($min, $max), $rule, <$kind as $crate::record::declare::Kind>::read, is_after)
            }

            fn write(value: &Vec<$item>, w: &mut $crate::record::json::Writer) {
                w.open_array();
                value.iter().for_each(|item| <$kind as $crate::record::declare::Kind>::write(item, w));
                w.close_array();
            }
        }
    )+};
    (@after sorted) => { |last, next| next > last };
    (@after plain) => { |_, _| true };
}
pub(crate) use lists;

/// Reads a list of `length.0` to `length.1` items, of which each is after the one before it.
pub(crate) fn list<T>(
    r: &mut Reader<'_>,
    length: (usize, usize),
    rule: &'static str,
    read: fn(&mut Reader<'_>) -> Result<T, JsonError>,
    is_after: fn(&T, &T) -> bool,
) -> Result<Vec<T>, JsonError> {
    let (begin, mut items) = (r.offset(), Vec::new());
    r.array(|r, place| {
        let start = r.offset();
        if place == length.1 {
            return Err(r.error(start, Reason::Invalid { rule }));
        }
        let item = read(r)?;
        if items.last().is_some_and(|last| !is_after(last, &item)) {
            let rule = "greater than the item before it: the list is sorted, each once";
            return Err(r.error(start, Reason::Invalid { rule }));
        }
        items.push(item);
        Ok(())
    })?;
    if items.len() < length.0 {
        return Err(r.error(begin, Reason::Invalid { rule }));
    }
    Ok(items)
}

lists! {
    /// Words.
    Tokens: sorted String as Token, 1, 16, "a sorted list of 1 to 16 words";
    /// Agents.
    Agents: sorted AgentId as Id<AgentId>, 1, 64, "a sorted list of 1 to 64 agent ids";
    /// Tenants.
    Tenants: sorted TenantId as Id<TenantId>, 0, 64, "a sorted list of at most 64 tenant ids";
    /// Hashes of records.
    Hashes: sorted RecordHash as Hash, 0, 64, "a sorted list of at most 64 record hashes";
    /// Indices of entries.
    Indices: sorted u64 as Index, 0, 32, "a sorted list of at most 32 indices";
    /// Data sets.
    Datasets: sorted DatasetId as Id<DatasetId>, 1, 64, "a sorted list of 1 to 64 data set ids";
}
