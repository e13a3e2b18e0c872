//! Bodies declared once: the struct, its row in the table of types, its reader and its writer.
//!
//! ```text
//! body! {
//!     /// Body of `session.close`: the session is over.
//!     ///
//!     /// Effect: ...
//!     SessionClose = "session.close" by [Agent, Tenant, Operator], info CLOSE {
//!         /// The session.
//!         required session: SessionId as Id<SessionId>,
//!         optional on_behalf_of: String as OnBehalfOf,
//!     }
//! }
//! ```
//!
//! Fields stand in canonical order, which a test holds. A field's kind ([`Kind`]) says its limit and its spelling. The comments
//! are the text of `docs/record-format.md`, which a test holds too. `object!` declares an object inside a body the same way.

use super::body::FieldInfo;
use super::json::{JsonError, Reader, Writer};

/// What a field of a body may hold, and how it is spelt.
pub(crate) trait Kind {
    /// The field in Rust.
    type Value;
    /// What it is, for documents.
    const RULE: &'static str;
    /// The members, if the field holds an object or a list of objects.
    const INNER: &'static [FieldInfo] = &[];
    /// Whether it is a list of such objects.
    const IS_LIST: bool = false;
    /// Reads the one spelling, within the limits.
    fn read(r: &mut Reader<'_>) -> Result<Self::Value, JsonError>;
    /// Writes it.
    fn write(value: &Self::Value, w: &mut Writer);
}

macro_rules! body {
    ($(#[doc = $doc:literal])* $name:ident = $type_name:literal by [$($actor:ident),+], info $info:ident
        $(, check $check:ident)? {
        $($(#[doc = $fdoc:literal])* $presence:ident $field:ident: $value:ty as $kind:ty,)+
    }) => {
        /// Facts for documents and tests.
        pub(super) const $info: $crate::record::body::TypeInfo = $crate::record::body::TypeInfo {
            name: $type_name,
            about: concat!($($doc, "\n"),*),
            actors: &[$($crate::record::body::ActorKind::$actor),+],
            fields: $name::FIELDS,
        };

        $crate::record::declare::fields! {
            $(#[doc = $doc])* $name $(, check $check)? {
                $($(#[doc = $fdoc])* $presence $field: $value as $kind,)+
            }
        }
    };
}
pub(crate) use body;

/// An object inside a body; it is its own kind.
macro_rules! object {
    ($(#[doc = $doc:literal])* $name:ident is $rule:literal $(, check $check:ident)? { $($fields:tt)+ }) => {
        $crate::record::declare::fields! { $(#[doc = $doc])* $name $(, check $check)? { $($fields)+ } }

        impl $crate::record::declare::Kind for $name {
            type Value = $name;
            const RULE: &'static str = $rule;
            const INNER: &'static [$crate::record::body::FieldInfo] = $name::FIELDS;

            fn read(
                r: &mut $crate::record::json::Reader<'_>,
            ) -> Result<$name, $crate::record::json::JsonError> {
                $name::read(r)
            }

            fn write(value: &$name, w: &mut $crate::record::json::Writer) {
                value.write(w);
            }
        }
    };
}
pub(crate) use object;

/// The struct, its reader and its writer.
macro_rules! fields {
    ($(#[doc = $doc:literal])* $name:ident $(, check $check:ident)? {
        $($(#[doc = $fdoc:literal])* $presence:ident $field:ident: $value:ty as $kind:ty,)+
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[doc = $fdoc])* pub $field: $crate::record::declare::fields!(@type $presence $value)),+
        }

        impl $name {
            pub(super) const FIELDS: &'static [$crate::record::body::FieldInfo] =
                &[$($crate::record::body::FieldInfo {
                    name: stringify!($field),
                    required: $crate::record::declare::fields!(@required $presence),
                    about: concat!($($fdoc),*),
                    rule: <$kind as $crate::record::declare::Kind>::RULE,
                    inner: <$kind as $crate::record::declare::Kind>::INNER,
                    is_list: <$kind as $crate::record::declare::Kind>::IS_LIST,
                }),+];

            pub(super) fn read(
                r: &mut $crate::record::json::Reader<'_>,
            ) -> Result<Self, $crate::record::json::JsonError> {
                use $crate::record::declare::Kind as _;
                $(let mut $field = None;)+
                r.object(|r, key| {
                    match key {
                        $(stringify!($field) => $field = Some(<$kind>::read(r)?),)+
                        _ => return $crate::record::fields::unknown(r),
                    }
                    Ok(())
                })?;
                let body = Self {
                    $($field: $crate::record::declare::fields!(@done $presence r, stringify!($field), $field)),+
                };
                $(body.$check(r)?;)?
                Ok(body)
            }

            pub(super) fn write(&self, w: &mut $crate::record::json::Writer) {
                use $crate::record::declare::Kind as _;
                w.open_object();
                $($crate::record::declare::fields!(@write $presence w, stringify!($field), self.$field, $kind);)+
                w.close_object();
            }
        }
    };
    (@type required $value:ty) => { $value };
    (@type optional $value:ty) => { Option<$value> };
    (@required required) => { true };
    (@required optional) => { false };
    (@done required $r:ident, $key:expr, $slot:ident) => { $r.required($key, $slot)? };
    (@done optional $r:ident, $key:expr, $slot:ident) => { $slot };
    (@write required $w:ident, $key:expr, $value:expr, $kind:ty) => {
        $w.key($key);
        <$kind>::write(&$value, $w);
    };
    (@write optional $w:ident, $key:expr, $value:expr, $kind:ty) => {
        if let Some(value) = &$value {
            $w.key($key);
            <$kind>::write(value, $w);
        }
    };
}
pub(crate) use fields;
