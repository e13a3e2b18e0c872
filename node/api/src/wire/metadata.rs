//! What callers attach to things: kept by the nodes, not in the log.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::AdditionalProperties, schema::Type},
};

/// Most bytes of metadata as JSON.
pub(crate) const METADATA_BYTES_MAX: usize = 16 * 1024;

/// Most bytes of a receipt's payload as JSON.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// A JSON object of at most `MAX` bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Object<const MAX: usize>(pub(crate) serde_json::Map<String, serde_json::Value>);

/// A JSON object of at most 16 KiB.
pub(crate) type Metadata = Object<METADATA_BYTES_MAX>;

/// A JSON object of at most 64 KiB.
pub(crate) type Payload = Object<PAYLOAD_BYTES_MAX>;

impl<'de, const MAX: usize> Deserialize<'de> for Object<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = serde_json::Map::deserialize(deserializer)?;
        let bytes = serde_json::to_vec(&map).map_err(de::Error::custom)?.len();
        if bytes > MAX {
            return Err(de::Error::custom(format!("has {bytes} bytes of JSON; {MAX} are allowed")));
        }
        Ok(Self(map))
    }
}

impl<const MAX: usize> PartialSchema for Object<MAX> {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::Object);
        let about = format!("At most {} KiB of JSON. Kept by the nodes, not in the log.", MAX / 1024);
        object
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .description(Some(about))
            .into()
    }
}

impl<const MAX: usize> ToSchema for Object<MAX> {
    fn name() -> Cow<'static, str> {
        if MAX == METADATA_BYTES_MAX { "Metadata".into() } else { format!("Object{MAX}").into() }
    }
}
