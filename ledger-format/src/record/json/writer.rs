//! Prints canonical JSON.

use super::INTEGER_MAX;

/// Prints values in the order in which they are handed in; commas come by themselves.
///
/// The caller gives an object's keys in ascending order (a debug build checks that the result reads back).
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    /// A value stands before the place of writing, in the same object or array.
    comma: bool,
}

impl Writer {
    /// A writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity), comma: false }
    }

    /// The text.
    pub fn finish(self) -> Vec<u8> {
        debug_assert!(
            self.out.len() > super::JSON_BYTES_MAX || super::parse(&self.out).is_ok(),
            "keys were not written in ascending order: {:?}",
            super::parse(&self.out)
        );
        self.out
    }

    /// `{`
    pub fn open_object(&mut self) {
        self.open(b'{');
    }

    /// `}`
    pub fn close_object(&mut self) {
        self.close(b'}');
    }

    /// `[`
    pub fn open_array(&mut self) {
        self.open(b'[');
    }

    /// `]`
    pub fn close_array(&mut self) {
        self.close(b']');
    }

    /// A key and its colon; the value comes next.
    pub fn key(&mut self, key: &str) {
        self.string(key);
        self.out.push(b':');
        self.comma = false;
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.before_value();
        self.out.push(b'"');
        let bytes = text.as_bytes();
        let mut written = 0;
        for (i, &byte) in bytes.iter().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.out.extend_from_slice(&bytes[written..i]);
            written = i + 1;
            self.escape(byte);
        }
        self.out.extend_from_slice(&bytes[written..]);
        self.out.push(b'"');
    }

    /// An integer within ±(2^53 - 1).
    pub fn integer(&mut self, value: i64) {
        debug_assert!(value.unsigned_abs() <= INTEGER_MAX, "{value} has no canonical spelling");
        self.before_value();
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    /// An integer from 0 to 2^53 - 1.
    pub fn unsigned(&mut self, value: u64) {
        debug_assert!(value <= INTEGER_MAX, "{value} has no canonical spelling");
        self.before_value();
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, value: bool) {
        self.before_value();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// `null`
    pub fn null(&mut self) {
        self.before_value();
        self.out.extend_from_slice(b"null");
    }

    /// `"key":"text"`
    pub fn text_field(&mut self, key: &str, text: &str) {
        self.key(key);
        self.string(text);
    }

    /// `"key":7`
    pub fn unsigned_field(&mut self, key: &str, value: u64) {
        self.key(key);
        self.unsigned(value);
    }

    fn open(&mut self, byte: u8) {
        self.before_value();
        self.out.push(byte);
        self.comma = false;
    }

    fn close(&mut self, byte: u8) {
        self.out.push(byte);
        self.comma = true;
    }

    fn before_value(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    /// RFC 8785 section 3.2.2.2.
    fn escape(&mut self, byte: u8) {
        let short = match byte {
            b'"' | b'\\' => byte,
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            _ => {
                let digits = b"0123456789abcdef";
                self.out.extend_from_slice(b"\\u00");
                self.out.extend_from_slice(&[digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
                return;
            }
        };
        self.out.extend_from_slice(&[b'\\', short]);
    }
}
