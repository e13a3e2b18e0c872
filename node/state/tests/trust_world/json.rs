//! JSON as vector files hold it: any white space, keys in any order. Bad inputs in them are values too, so a number that no
//! input can carry becomes `null`, which no field takes either.

use ledger_format::record::json::Value;

/// Reads a whole text.
pub(crate) fn read(text: &str) -> Value {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    let value = reader.value();
    assert_eq!(reader.peek(), None, "bytes after the value at {}", reader.at);
    value
}

/// A member of an object.
pub(crate) fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    let Value::Object(members) = value else { panic!("{name} of something that is no object") };
    &members.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// The items of an array.
pub(crate) fn items(value: &Value) -> &[Value] {
    let Value::Array(items) = value else { panic!("not an array: {value:?}") };
    items
}

/// The text of a string.
pub(crate) fn text(value: &Value) -> &str {
    let Value::Str(text) = value else { panic!("not a string: {value:?}") };
    text
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) {
        assert_eq!(self.peek(), Some(byte), "at byte {}", self.at);
        self.at += 1;
    }

    /// Whether another item follows; takes the comma or the end.
    fn more(&mut self, end: u8, first: bool) -> bool {
        if self.peek() == Some(end) {
            self.at += 1;
            return false;
        }
        if !first {
            self.take(b',');
        }
        true
    }

    fn value(&mut self) -> Value {
        match self.peek().expect("a value") {
            b'{' => {
                self.at += 1;
                let mut members = Vec::new();
                while self.more(b'}', members.is_empty()) {
                    let key = self.string();
                    self.take(b':');
                    members.push((key, self.value()));
                }
                Value::Object(members)
            }
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                while self.more(b']', items.is_empty()) {
                    items.push(self.value());
                }
                Value::Array(items)
            }
            b'"' => Value::Str(self.string()),
            _ => self.word(),
        }
    }

    /// Vector files are ASCII and need no escapes.
    fn string(&mut self) -> String {
        self.take(b'"');
        let start = self.at;
        while self.bytes[self.at] != b'"' {
            assert_ne!(self.bytes[self.at], b'\\', "an escape at byte {}", self.at);
            self.at += 1;
        }
        self.at += 1;
        String::from_utf8(self.bytes[start..self.at - 1].to_vec()).expect("UTF-8")
    }

    fn word(&mut self) -> Value {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|b| b",]} \t\r\n".contains(b)).unwrap_or(rest.len());
        self.at += end;
        match std::str::from_utf8(&rest[..end]).expect("UTF-8") {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            number => number.parse().map_or(Value::Null, Value::Int),
        }
    }
}
