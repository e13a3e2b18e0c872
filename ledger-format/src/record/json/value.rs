//! A JSON value as a tree, for callers who do not know the shape beforehand.

use super::{JsonError, Reader, Reason, Writer};

/// A value of canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer within ±(2^53 - 1).
    Int(i64),
    /// A string.
    Str(String),
    /// An array.
    Array(Vec<Value>),
    /// An object: keys are printable ASCII, each once. [`parse`] gives them in ascending order.
    Object(Vec<(String, Value)>),
}

/// Reads canonical JSON. Succeeds only when [`Value::to_bytes`] would print the same bytes.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut reader = Reader::new(bytes)?;
    let value = Value::read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

impl Value {
    /// Reads the next value.
    pub fn read(r: &mut Reader<'_>) -> Result<Value, JsonError> {
        Ok(match r.peek() {
            Some(b'{') => {
                let mut fields = Vec::new();
                r.object(|r, key| {
                    fields.push((key.to_owned(), Value::read(r)?));
                    Ok(())
                })?;
                Value::Object(fields)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                r.array(|r, _| {
                    items.push(Value::read(r)?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            Some(b'"') => Value::Str(r.string()?.into_owned()),
            Some(b't' | b'f') => Value::Bool(r.boolean()?),
            Some(b'n') => {
                r.null()?;
                Value::Null
            }
            Some(b'-' | b'+' | b'0'..=b'9') => Value::Int(r.integer()?),
            None => return Err(r.error(r.offset(), Reason::UnexpectedEnd)),
            Some(b' ' | b'\t' | b'\n' | b'\r') => return Err(r.error(r.offset(), Reason::Whitespace)),
            Some(_) => return Err(r.error(r.offset(), Reason::Expected { wanted: "a value" })),
        })
    }

    /// The one spelling. Objects are printed in ascending order of keys, however they were built; a value built with a
    /// key twice or an integer out of range has no spelling, and what is printed then does not read back.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::default();
        self.write(&mut w);
        w.finish()
    }

    /// Prints into a writer.
    pub fn write(&self, w: &mut Writer) {
        match self {
            Value::Null => w.null(),
            Value::Bool(value) => w.boolean(*value),
            Value::Int(value) => w.integer(*value),
            Value::Str(text) => w.string(text),
            Value::Array(items) => {
                w.open_array();
                items.iter().for_each(|item| item.write(w));
                w.close_array();
            }
            Value::Object(fields) => {
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                w.open_object();
                for (key, value) in sorted {
                    w.key(key);
                    value.write(w);
                }
                w.close_object();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::JSON_DEPTH_MAX;
    use super::*;

    #[test]
    fn what_is_read_is_printed_again() {
        for text in [
            r#"{}"#,
            r#"{"a":1,"b":[true,false,null,-7,0],"c":{"A":"x"}}"#,
            r#"["\b\t\n\f\r\u0000\u001f\"\\ / é   😀"]"#,
            "[9007199254740991,-9007199254740991]",
            "\"\u{7f}\u{2028}\"",
        ] {
            let value = parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(String::from_utf8(value.to_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_with_place_and_reason() {
        let cases: &[(&str, &str, &str)] = &[
            ("", "", "json.end"),
            (" {}", "", "json.whitespace"),
            ("{} ", "", "json.whitespace"),
            ("{}{}", "", "json.trailing"),
            (r#"{"a":1, "b":2}"#, "", "json.whitespace"),
            (r#"{"b":1,"a":2}"#, "a", "json.key_order"),
            (r#"{"a":{"b":1,"b":1}}"#, "a.b", "json.duplicate_key"),
            (r#"{"é":1}"#, "", "json.key"),
            (r#"{"a\n":1}"#, "", "json.key"),
            (r#"{"":1}"#, "", "json.key"),
            (r#"{"a":[1,1.0]}"#, "a[1]", "json.float"),
            (r#"{"a":1e3}"#, "a", "json.float"),
            ("[-0]", "[0]", "json.integer"),
            ("[007]", "[0]", "json.integer"),
            ("[+1]", "[0]", "json.integer"),
            ("[9007199254740992]", "[0]", "json.integer_range"),
            ("[-9007199254740992]", "[0]", "json.integer_range"),
            ("[99999999999999999999999999]", "[0]", "json.integer_range"),
            (r#"["\/"]"#, "[0]", "json.escape"),
            (r#"["\u0041"]"#, "[0]", "json.escape"),
            (r#"["\u000a"]"#, "[0]", "json.escape"),
            (r#"["\u001F"]"#, "[0]", "json.escape"),
            (r#"["\ud83d\ude00"]"#, "[0]", "json.escape"),
            ("[\"\n\"]", "[0]", "json.control"),
            (r#"["a"#, "[0]", "json.end"),
            ("[1,]", "[1]", "json.expected"),
            ("[nul]", "[0]", "json.expected"),
            ("{'a':1}", "", "json.expected"),
            ("NaN", "", "json.expected"),
        ];
        for &(text, path, code) in cases {
            let error = parse(text.as_bytes()).expect_err(text);
            assert_eq!((error.path.as_str(), error.reason.code()), (path, code), "{text}: {error}");
            assert!(error.offset <= text.len() && !error.reason.fix().is_empty());
        }
        assert_eq!(parse(b"\"\xff\"").unwrap_err().reason, Reason::Utf8);
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(parse(nested(JSON_DEPTH_MAX + 1).as_bytes()).unwrap_err().reason, Reason::TooDeep);
        assert_eq!(parse("[".repeat(60_000).as_bytes()).unwrap_err().reason, Reason::TooDeep);
        let long = format!("\"{}\"", "x".repeat(70_000));
        assert_eq!(parse(long.as_bytes()).unwrap_err().reason.code(), "json.too_large");
    }
}
