//! Bodies declared once: the struct, its row in the table of types, its reader and its writer.
//!
//! ```text
//! body! {
//!     /// Body of `session.close`: ...
//!     SessionClose = "session.close" by [Agent, Tenant, Operator], info CLOSE {
//!         /// The session.
//!         required session: SessionId as Id<SessionId>,
//!         optional on_behalf_of: String as OnBehalfOf,
//!     }
//! }
//! ```
//!
//! Fields stand in canonical order, which a test holds. A field's kind ([`Kind`]) says its limit and its spelling.

use super::json::{JsonError, Reader, Writer};

/// What a field of a body may hold, and how it is spelt.
pub(crate) trait Kind {
    /// The field in Rust.
    type Value;
    /// Reads the one spelling, within the limits.
    fn read(r: &mut Reader<'_>) -> Result<Self::Value, JsonError>;
    /// Writes it.
    fn write(value: &Self::Value, w: &mut Writer);
}

macro_rules! body {
    ($(#[$doc:meta])* $name:ident = $type_name:literal by [$($actor:ident),+], info $info:ident
        $(, check $check:ident)? {
        $($(#[$fdoc:meta])* $presence:ident $field:ident: $value:ty as $kind:ty,)+
    }) => {
        /// Facts for documents and tests.
        pub(super) const $info: $crate::record::body::TypeInfo = $crate::record::body::TypeInfo {
            name: $type_name,
            actors: &[$($crate::record::body::ActorKind::$actor),+],
            fields: &[$($crate::record::body::FieldInfo::$presence(stringify!($field))),+],
        };

        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$fdoc])* pub $field: $crate::record::declare::body!(@type $presence $value)),+ }

        impl $name {
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
                    $($field: $crate::record::declare::body!(@done $presence r, stringify!($field), $field)),+
                };
                $(body.$check(r)?;)?
                Ok(body)
            }

            pub(super) fn write(&self, w: &mut $crate::record::json::Writer) {
                use $crate::record::declare::Kind as _;
                w.open_object();
                $($crate::record::declare::body!(@write $presence w, stringify!($field), self.$field, $kind);)+
                w.close_object();
            }
        }
    };
    (@type required $value:ty) => { $value };
    (@type optional $value:ty) => { Option<$value> };
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
pub(crate) use body;
