//! Public keys as callers write them.

use std::borrow::Cow;

use ledger_format::record::PublicKey;
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// An Ed25519 public key: 32 bytes in base64url without padding; padding and the standard alphabet are taken, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicKeyText(pub(crate) PublicKey);

/// 32 bytes are 43 characters, the last of which has two bits that are zero.
const PATTERN: &str = "^[A-Za-z0-9_+/-]{42}[AEIMQUYcgkosw048]=?$";

impl<'de> Deserialize<'de> for PublicKeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let text = text.strip_suffix('=').unwrap_or(&text).replace('+', "-").replace('/', "_");
        let key = PublicKey::parse(&text).map(PublicKeyText);
        key.map_err(|error| de::Error::custom(format!("is not an Ed25519 public key in base64url: {error}")))
    }
}

impl PartialSchema for PublicKeyText {
    fn schema() -> RefOr<Schema> {
        let key = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
        key.description(Some("Ed25519 public key, base64url."))
            .examples([serde_json::json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")])
            .into()
    }
}

impl ToSchema for PublicKeyText {
    fn name() -> Cow<'static, str> {
        "PublicKey".into()
    }
}
