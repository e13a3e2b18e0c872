//! Texts with bounds: what the document says of a field is what its reader enforces.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// A text of `MIN` to `MAX` characters without control characters other than line feed and tab.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct Text<const MIN: usize, const MAX: usize>(String);

/// What a person is shown in lists.
pub(crate) type NameText = Text<1, 256>;
/// Why something is done.
pub(crate) type ReasonText = Text<0, 1024>;
/// What something is for.
pub(crate) type DescriptionText = Text<0, 2048>;

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// The text, if it keeps the bounds.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    pub(crate) fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        let length = text.chars().count();
        if length < MIN || length > MAX {
            return Err(format!("must have {MIN} to {MAX} characters, this has {length}"));
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err("must have no control characters".into());
        }
        Ok(Self(text))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// Whether it is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl<const MIN: usize, const MAX: usize> PartialSchema for Text<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length((MIN > 0).then_some(MIN));
        text.max_length(Some(MAX)).pattern(Some(r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$")).into()
    }
}

impl<const MIN: usize, const MAX: usize> ToSchema for Text<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("Text{MIN}To{MAX}").into()
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Whole<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// The number, if it keeps the bounds.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    pub(crate) fn new(number: u64) -> Result<Self, String> {
        if (MIN..=MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("must be {MIN} to {MAX}, this is {number}"))
        }
    }

    /// The number.
    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(deserializer.deserialize_any(WholeVisitor)?).map_err(de::Error::custom)
    }
}

/// JSON knows one kind of number: `3.0` is the same number as `3`. A query parameter is a text.
struct WholeVisitor;

impl de::Visitor<'_> for WholeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::custom("must not be negative"))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        const EXACT: f64 = 9_007_199_254_740_991.0;
        if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) {
            Ok(number as u64)
        } else {
            Err(E::custom("must be a whole number"))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(E::custom("must be a whole number"));
        }
        text.parse().map_err(|_| E::custom("is too large"))
    }
}

impl<const MIN: u64, const MAX: u64> PartialSchema for Whole<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        let whole = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(MIN as f64));
        whole.maximum((MAX < u64::MAX).then_some(MAX as f64)).into()
    }
}

impl<const MIN: u64, const MAX: u64> ToSchema for Whole<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("Whole{MIN}To{MAX}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_counted_in_characters() {
        assert!(Text::<1, 3>::new("ééé").is_ok() && Text::<1, 3>::new("éééé").is_err());
        assert!(Text::<1, 3>::new("").is_err() && Text::<0, 3>::new("").is_ok());
        assert!(Text::<0, 9>::new("a\u{0}b").is_err() && Text::<0, 9>::new("a\nb\t").is_ok());
    }

    #[test]
    fn a_whole_number_has_every_spelling_that_json_and_queries_have() {
        type Minutes = Whole<1, 1440>;
        let read = |text: &str| serde_json::from_str::<Minutes>(text).map(Minutes::get).ok();
        assert_eq!(read("60"), Some(60));
        assert_eq!(read("60.0"), Some(60));
        assert_eq!(read("\"60\""), Some(60));
        for bad in ["0", "1441", "-1", "1.5", "\"\"", "\"6x\"", "true", "null", "1e30"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
