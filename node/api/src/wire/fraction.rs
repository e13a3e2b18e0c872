//! Shares of a whole: how sure somebody is, how far somebody is trusted.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub(crate) struct Fraction(f64);

impl Fraction {
    /// The number.
    pub(crate) fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        let in_range = (0.0..=1.0).contains(&number);
        in_range.then_some(Self(number)).ok_or_else(|| de::Error::custom("is not a number from 0 to 1"))
    }
}

impl PartialSchema for Fraction {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0.0)).maximum(Some(1.0));
        number.description(Some("A number from 0 to 1.")).examples([serde_json::json!(0.9)]).into()
    }
}

impl ToSchema for Fraction {
    fn name() -> Cow<'static, str> {
        "Fraction".into()
    }
}
