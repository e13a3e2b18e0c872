//! Queries and bodies: read strictly, refused with the field at fault.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};

use super::objects::Objects;
use crate::ApiError;

/// Deepest nesting of a body.
const NESTING_MAX: usize = 32;

/// The query parameters of an endpoint.
pub(crate) trait QueryInput: DeserializeOwned + IntoParams + Send + 'static {}

/// The body of an endpoint.
pub(crate) trait BodyInput: DeserializeOwned + ToSchema + Send + 'static {
    /// Whether the endpoint takes a body at all.
    const TAKEN: bool = true;
    /// Whether a request without one is refused; without one, the body is `{}`.
    const REQUIRED: bool = true;
}

/// No parameters but those that every endpoint knows.
#[derive(serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoQuery {}

impl QueryInput for NoQuery {}

/// No body.
#[derive(serde::Deserialize, ToSchema)]
pub(crate) struct NoBody {}

impl BodyInput for NoBody {
    const TAKEN: bool = false;
    const REQUIRED: bool = false;
}

/// Refuses a query that has a parameter twice: two readers of it could read two things.
pub(super) fn once(pairs: &[(String, String)]) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    match pairs.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        Some((name, _)) => {
            Err(ApiError::malformed("the parameter is given twice").field(name.clone()).fix("give it once"))
        }
        None => Ok(()),
    }
}

/// Reads a query from which the parameters of every endpoint were taken.
pub(crate) fn query<Q: QueryInput>(pairs: Vec<(String, String)>) -> Result<Q, ApiError> {
    let object: serde_json::Map<_, _> =
        pairs.into_iter().map(|(name, value)| (name, serde_json::Value::String(value))).collect();
    serde_path_to_error::deserialize(serde_json::Value::Object(object)).map_err(|error| {
        ApiError::malformed(message(&error.inner().to_string()))
            .field(field(&error))
            .fix("see the parameters of this endpoint under /docs")
    })
}

/// Reads a body: 400 when it is not JSON, 422 when it says something that it may not.
pub(crate) fn body<B: BodyInput>(bytes: &[u8]) -> Result<B, ApiError> {
    let bytes = if bytes.is_empty() && !B::REQUIRED { b"{}" } else { bytes };
    if nesting(bytes) > NESTING_MAX {
        return Err(
            ApiError::malformed(format!("the body is nested deeper than {NESTING_MAX}")).field("body")
        );
    }
    let value: UniqueKeys = serde_json::from_slice(bytes).map_err(|error| {
        ApiError::malformed(format!("the body is not JSON: {error}")).field("body").fix("send a JSON object")
    })?;
    if !value.0.is_object() {
        return Err(ApiError::malformed("the body is not a JSON object")
            .field("body")
            .fix("send a JSON object"));
    }
    serde_path_to_error::deserialize(Objects(value.0)).map_err(|error| {
        ApiError::unprocessable(message(&error.inner().to_string()))
            .field(field(&error))
            .fix("see the fields of this endpoint under /docs")
    })
}

/// Reads one of two shapes of a body; which one, the body itself says.
pub(crate) fn either<'de, D: serde::Deserializer<'de>, A: DeserializeOwned, B: DeserializeOwned, T>(
    deserializer: D,
    is_first: impl FnOnce(&serde_json::Value) -> bool,
    first: impl FnOnce(A) -> T,
    second: impl FnOnce(B) -> T,
) -> Result<T, D::Error> {
    let value = <serde_json::Value as serde::Deserialize>::deserialize(deserializer)?;
    // The path travels in the message: the shape was read on the side.
    let said = |error: serde_path_to_error::Error<serde_json::Error>| {
        <D::Error as serde::de::Error>::custom(format!(
            "{PATH_MARK}{}{PATH_MARK}{}",
            field(&error),
            error.inner()
        ))
    };
    if is_first(&value) {
        serde_path_to_error::deserialize(Objects(value)).map(first).map_err(said)
    } else {
        serde_path_to_error::deserialize(Objects(value)).map(second).map_err(said)
    }
}

/// Describes a body that has one of several shapes.
macro_rules! one_of {
    ($name:ident: $($shape:ident),+) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let shapes = utoipa::openapi::schema::AnyOfBuilder::new();
                $(let shapes = shapes.item(utoipa::openapi::Ref::from_schema_name(
                    <$shape as utoipa::ToSchema>::name(),
                ));)+
                shapes.into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn schemas(
                schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>,
            ) {
                $(
                    schemas.push((
                        <$shape as utoipa::ToSchema>::name().into(),
                        <$shape as utoipa::PartialSchema>::schema(),
                    ));
                    <$shape as utoipa::ToSchema>::schemas(schemas);
                )+
            }
        }
    };
}
pub(crate) use one_of;

/// Stands around a path inside a message.
const PATH_MARK: char = '\u{1}';

fn field(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let path = error.path().to_string();
    let inner = error.inner().to_string();
    if let Some((inner, _)) = inner.strip_prefix(PATH_MARK).and_then(|rest| rest.split_once(PATH_MARK)) {
        return if path == "." || path == "?" { inner.to_owned() } else { format!("{path}.{inner}") };
    }
    // An unknown or missing field is named in the message, its place in the path.
    let named = ["unknown field `", "missing field `"]
        .iter()
        .find_map(|start| inner.strip_prefix(start)?.split('`').next().map(str::to_owned));
    match named {
        Some(name) if path == "." || path == "?" => name,
        Some(name) if !path.ends_with(&name) => format!("{path}.{name}"),
        _ if path == "." || path == "?" => "body".into(),
        _ => path,
    }
}

fn message(inner: &str) -> String {
    let inner = inner.rsplit(PATH_MARK).next().unwrap_or(inner);
    // What serde says of places in a text that we have parsed already helps nobody.
    inner.split(" at line ").next().unwrap_or(inner).to_owned()
}

fn nesting(bytes: &[u8]) -> usize {
    let (mut depth, mut most, mut in_text, mut escaped) = (0usize, 0usize, false, false);
    for &byte in bytes {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_text = false,
            (true, _) => {}
            (false, b'"') => in_text = true,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (false, _) => {}
        }
        most = most.max(depth);
    }
    most
}

/// A JSON value in which no object has a key twice: two readers of such a body could read two things.
struct UniqueKeys(serde_json::Value);

impl<'de> serde::Deserialize<'de> for UniqueKeys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(UniqueKeys)
    }
}

struct UniqueVisitor;

impl<'de> serde::de::Visitor<'de> for UniqueVisitor {
    type Value = serde_json::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(serde_json::Value::Null)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(UniqueKeys(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = serde_json::Map::new();
        while let Some((name, UniqueKeys(value))) = object.next_entry::<String, UniqueKeys>()? {
            if members.contains_key(&name) {
                return Err(serde::de::Error::custom(format!("the member {name:?} is given twice")));
            }
            members.insert(name, value);
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::wire::{NameText, Whole};

    #[derive(Deserialize, ToSchema, Debug)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its reading is tested")]
        name: NameText,
        #[serde(default)]
        #[expect(dead_code, reason = "only its reading is tested")]
        inner: Vec<Inner>,
    }

    #[derive(Deserialize, ToSchema, Debug)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its reading is tested")]
        ttl: Whole<1, 9>,
    }

    impl BodyInput for Sample {}

    #[test]
    fn a_refusal_names_the_field() {
        let cases = [
            (r#"{"name":"x"}"#, None),
            (r#"{"name":"x","inner":[{"ttl":9}]}"#, None),
            (r#"{}"#, Some((422, "name"))),
            (r#"{"name":""}"#, Some((422, "name"))),
            (r#"{"name":5}"#, Some((422, "name"))),
            (r#"{"name":"x","more":1}"#, Some((422, "more"))),
            (r#"{"name":"x","inner":[{"ttl":1},{"ttl":10}]}"#, Some((422, "inner[1].ttl"))),
            (r#"{"name":"x","inner":[{"ttl":1,"z":1}]}"#, Some((422, "inner[0].z"))),
            (r#"{"name":"x","name":"y"}"#, Some((400, "body"))),
            (r#"{"name":"x""#, Some((400, "body"))),
            ("[]", Some((400, "body"))),
            ("", Some((400, "body"))),
        ];
        for (text, expected) in cases {
            let got = body::<Sample>(text.as_bytes()).err().map(|error| (error.status.as_u16(), error.field));
            assert_eq!(got, expected.map(|(status, field)| (status, field.to_owned())), "{text}");
        }
        let deep = format!("{{\"name\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(body::<Sample>(deep.as_bytes()).unwrap_err().status, 400);
    }
}
