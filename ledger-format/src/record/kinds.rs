//! The kinds of fields that declared bodies are made of: see [`super::declare`].

use std::marker::PhantomData;

use super::declare::Kind;
use super::fields;
use super::ids::{AgentId, ReceiptId, SessionId};
use super::json::{JsonError, Reader, Reason, Writer};
use super::keys::PublicKey;
use super::scope::Scope;

/// Declares kinds by their reader and their text.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $value:ty, $read:expr, $write:expr;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl Kind for $name {
            type Value = $value;

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
    /// What people call something: 1 to 128 bytes.
    Name: String, fields::name, |text, w| w.string(text);
    /// A word: a reason, a kind.
    Token: String, fields::token, |text, w| w.string(text);
    /// The credential that the operator acted for.
    OnBehalfOf: String, fields::on_behalf_of, |text, w| w.string(text);
    /// `true` or `false`.
    Flag: bool, Reader::boolean, |flag, w| w.boolean(*flag);
    /// Milliseconds since 1970.
    Time: u64, Reader::unsigned, |ms, w| w.integer(*ms as i64);
    /// A public key.
    Key: PublicKey, fields::public_key, |key, w| w.string(&key.to_string());
    /// A sorted list of scopes or denies; empty allows, or denies, nothing.
    Scopes: Vec<Scope>, fields::scopes, |list, w| {
        w.open_array();
        list.iter().for_each(|scope| w.string(scope.as_str()));
        w.close_array();
    };
}

/// An id of one type of object.
pub(crate) struct Id<T>(PhantomData<T>);

macro_rules! ids {
    ($($id:ident, $rule:literal;)+) => {$(
        impl Kind for Id<$id> {
            type Value = $id;

            fn read(r: &mut Reader<'_>) -> Result<$id, JsonError> {
                fields::read_with(r, $rule, $id::parse)
            }

            fn write(value: &$id, w: &mut Writer) {
                w.string(&value.to_string());
            }
        }
    )+};
}

ids! {
    AgentId, "an agent id: \"maip-agent:\" and a ULID";
    SessionId, "a session id: \"maip-sess:\" and a ULID";
    ReceiptId, "a receipt id: \"maip-rcpt:\" and a ULID";
}

/// One word of a `words!` enum.
pub(crate) struct Word<T>(PhantomData<T>);

/// Makes `Word<T>` a kind.
macro_rules! word_kind {
    ($($word:ident),+ $(,)?) => {$(
        impl $crate::record::declare::Kind for $crate::record::kinds::Word<$word> {
            type Value = $word;

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

/// Minutes that a session lives: 1 to 1440.
pub(crate) struct Minutes;

impl Kind for Minutes {
    type Value = u64;

    fn read(r: &mut Reader<'_>) -> Result<u64, JsonError> {
        let start = r.offset();
        let value = r.unsigned()?;
        if (1..=super::SESSION_MINUTES_MAX).contains(&value) {
            return Ok(value);
        }
        Err(r.error(start, Reason::Invalid { rule: "1 to 1440 minutes" }))
    }

    fn write(value: &u64, w: &mut Writer) {
        w.integer(*value as i64);
    }
}
