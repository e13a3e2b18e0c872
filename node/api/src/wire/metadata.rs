//! What callers attach to things: kept by the nodes, not in the log.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::AdditionalProperties, schema::Type},
};

/// Most bytes of metadata as JSON.
pub(crate) const METADATA_BYTES_MAX: usize = 16 * 1024;

/// A JSON object of at most 16 KiB.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metadata(pub(crate) serde_json::Map<String, serde_json::Value>);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = serde_json::Map::deserialize(deserializer)?;
        let bytes = serde_json::to_vec(&map).map_err(de::Error::custom)?.len();
        if bytes > METADATA_BYTES_MAX {
            return Err(de::Error::custom(format!(
                "has {bytes} bytes of JSON; {METADATA_BYTES_MAX} are allowed"
            )));
        }
        Ok(Self(map))
    }
}

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::Object);
        object
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .description(Some("At most 16 KiB of JSON. Kept by the nodes, not in the log."))
            .into()
    }
}

impl ToSchema for Metadata {
    fn name() -> Cow<'static, str> {
        "Metadata".into()
    }
}
