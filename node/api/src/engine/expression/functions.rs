//! The functions and macros that expressions have.

use serde_json::Value;

use super::{
    Fault,
    evaluate::{Number, double, kind},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Int,
    Double,
    Text,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Join,
}

/// What is done for each item of a list, or each key of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

impl Macro {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Macro::All,
            "exists" => Macro::Exists,
            "exists_one" => Macro::ExistsOne,
            "map" => Macro::Map,
            "filter" => Macro::Filter,
            _ => return None,
        })
    }
}

impl Function {
    /// `name(…)`
    pub(super) fn named(name: &str, arguments: usize) -> Option<Self> {
        Some(match (name, arguments) {
            ("size", 1) => Function::Size,
            ("int", 1) => Function::Int,
            ("double", 1) => Function::Double,
            ("string", 1) => Function::Text,
            _ => return None,
        })
    }

    /// `a.name(…)`; `a` is the first argument.
    pub(super) fn method(name: &str, arguments: usize) -> Option<Self> {
        Some(match (name, arguments) {
            ("size", 1) => Function::Size,
            ("contains", 2) => Function::Contains,
            ("startsWith", 2) => Function::StartsWith,
            ("endsWith", 2) => Function::EndsWith,
            ("lowerAscii", 1) => Function::LowerAscii,
            ("upperAscii", 1) => Function::UpperAscii,
            ("trim", 1) => Function::Trim,
            ("split", 2) => Function::Split,
            ("join", 1 | 2) => Function::Join,
            _ => return None,
        })
    }

    pub(super) fn call(self, arguments: &[&Value]) -> Result<Value, Fault> {
        let first = arguments.first().copied().unwrap_or(&Value::Null);
        let second = || text(arguments.get(1).copied().unwrap_or(&Value::Null));
        Ok(match self {
            Function::Size => size(first)?.into(),
            Function::Int => int(first)?.into(),
            Function::Double => match first {
                Value::String(text) => {
                    double(text.trim().parse().map_err(|_| wrong("no number is in the text"))?)?
                }
                other => double(Number::of(other)?.as_double())?,
            },
            Function::Text => match first {
                Value::String(_) => first.clone(),
                Value::Number(_) | Value::Bool(_) => first.to_string().into(),
                other => return Err(wrong(format!("{} has no text", kind(other)))),
            },
            Function::Contains => text(first)?.contains(second()?).into(),
            Function::StartsWith => text(first)?.starts_with(second()?).into(),
            Function::EndsWith => text(first)?.ends_with(second()?).into(),
            Function::LowerAscii => text(first)?.to_ascii_lowercase().into(),
            Function::UpperAscii => text(first)?.to_ascii_uppercase().into(),
            Function::Trim => text(first)?.trim().into(),
            Function::Split => text(first)?.split(second()?).map(Value::from).collect::<Vec<_>>().into(),
            Function::Join => {
                let Value::Array(items) = first else {
                    return Err(wrong(format!("{} is no list", kind(first))));
                };
                let between = if arguments.len() > 1 { second()? } else { "" };
                let texts: Result<Vec<&str>, Fault> = items.iter().map(text).collect();
                texts?.join(between).into()
            }
        })
    }
}

fn size(value: &Value) -> Result<i64, Fault> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        other => return Err(wrong(format!("{} has no size", kind(other)))),
    };
    i64::try_from(size).map_err(|_| Fault::Budget)
}

fn int(value: &Value) -> Result<i64, Fault> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::String(text) => text.trim().parse().map_err(|_| wrong("no whole number is in the text")),
        other => match Number::of(other)? {
            Number::Integer(number) => Ok(number),
            Number::Double(number) if number.abs() <= EXACT => Ok(number.trunc() as i64),
            Number::Double(_) => Err(wrong("the number is too large")),
        },
    }
}

fn text(value: &Value) -> Result<&str, Fault> {
    value.as_str().ok_or_else(|| wrong(format!("{} is no text", kind(value))))
}

pub(super) fn wrong(message: impl Into<String>) -> Fault {
    Fault::Value(message.into())
}
