//! One pass over the bytes: every token is checked for its canonical spelling as it is read.

use std::borrow::Cow;

use super::{INTEGER_MAX, JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_KEY_BYTES_MAX, JsonError, Reason};

/// A string value: borrowed from the text, or owned where the text had escapes.
pub type Text<'a> = Cow<'a, str>;

/// Where the reader is, one step per level; turned into text only when something is wrong.
#[derive(Clone, Copy)]
enum Step<'a> {
    Outside,
    Key(&'a str),
    Item(usize),
}

/// Reads canonical JSON from front to back without building a tree.
///
/// After an error the reader is at an undefined place: drop it.
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    path: [Step<'a>; JSON_DEPTH_MAX],
    depth: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let fail = |offset, reason| JsonError { offset, path: String::new(), reason };
        if bytes.len() > JSON_BYTES_MAX {
            return Err(fail(JSON_BYTES_MAX, Reason::TooLarge { max: JSON_BYTES_MAX }));
        }
        let text = std::str::from_utf8(bytes).map_err(|e| fail(e.valid_up_to(), Reason::Utf8))?;
        Ok(Self { text, at: 0, path: [Step::Outside; JSON_DEPTH_MAX], depth: 0 })
    }

    /// Offset of the next byte.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// An error about the value that is being read.
    #[cold]
    pub fn error(&self, offset: usize, reason: Reason) -> JsonError {
        JsonError { offset, path: self.path_text(), reason }
    }

    /// An error about a field of the object that was just read, e.g. one that is missing; without a name, about the object.
    #[cold]
    pub fn field_error(&self, field: &str, reason: Reason) -> JsonError {
        let mut path = self.path_text();
        if !path.is_empty() && !field.is_empty() {
            path.push('.');
        }
        path.push_str(field);
        JsonError { offset: self.at, path, reason }
    }

    /// Value of a required field.
    pub fn required<T>(&self, field: &str, value: Option<T>) -> Result<T, JsonError> {
        value.ok_or_else(|| self.field_error(field, Reason::Missing))
    }

    /// Ends the reading: nothing may follow.
    pub fn finish(self) -> Result<(), JsonError> {
        match self.peek() {
            None => Ok(()),
            Some(b' ' | b'\t' | b'\n' | b'\r') => Err(self.error(self.at, Reason::Whitespace)),
            Some(_) => Err(self.error(self.at, Reason::TrailingBytes)),
        }
    }

    /// The next byte.
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads an object. `field` is called at each value with its key and must read exactly that value.
    /// Keys come in ascending order, each once.
    pub fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, &'a str) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.expect(b'{', "an object")?;
        let level = self.enter()?;
        let mut previous: Option<&'a str> = None;
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth = level;
            return Ok(());
        }
        loop {
            self.path[level] = Step::Outside;
            let (start, key) = (self.at, self.key()?);
            self.path[level] = Step::Key(key);
            match previous.map(|p| p.cmp(key)) {
                Some(std::cmp::Ordering::Equal) => return Err(self.error(start, Reason::DuplicateKey)),
                Some(std::cmp::Ordering::Greater) => return Err(self.error(start, Reason::KeyOrder)),
                _ => previous = Some(key),
            }
            self.expect(b':', "a colon")?;
            field(self, key)?;
            if !self.more(b'}', "a comma or the end of the object")? {
                self.depth = level;
                return Ok(());
            }
        }
    }

    /// Reads an array. `item` is called at each value with its place and must read exactly that value.
    pub fn array(
        &mut self,
        mut item: impl FnMut(&mut Self, usize) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.expect(b'[', "an array")?;
        let level = self.enter()?;
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth = level;
            return Ok(());
        }
        for place in 0.. {
            self.path[level] = Step::Item(place);
            item(self, place)?;
            if !self.more(b']', "a comma or the end of the array")? {
                break;
            }
        }
        self.depth = level;
        Ok(())
    }

    /// Reads a string.
    pub fn string(&mut self) -> Result<Text<'a>, JsonError> {
        self.expect(b'"', "a string")?;
        let bytes = self.text.as_bytes();
        let start = self.at;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    let raw = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Cow::Borrowed(raw));
                }
                b'\\' => return self.escaped_string(start).map(Cow::Owned),
                0..=0x1f => return Err(self.error(self.at, Reason::ControlCharacter)),
                _ => self.at += 1,
            }
        }
        Err(self.error(self.at, Reason::UnexpectedEnd))
    }

    /// Reads an integer.
    pub fn integer(&mut self) -> Result<i64, JsonError> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let (digits, mut value) = (self.at, 0u64);
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let count = self.at - digits;
        if count == 0 {
            return Err(match self.peek() {
                Some(b'+') => self.error(start, Reason::IntegerSpelling),
                _ => self.unexpected(start, "an integer"),
            });
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(self.error(start, Reason::Float));
        }
        let leading_zero = count > 1 && self.text.as_bytes()[digits] == b'0';
        if leading_zero || negative && value == 0 {
            return Err(self.error(start, Reason::IntegerSpelling));
        }
        if value > INTEGER_MAX {
            return Err(self.error(start, Reason::IntegerRange));
        }
        // At most 2^53 - 1, so the cast keeps the value.
        Ok(if negative { -(value as i64) } else { value as i64 })
    }

    /// Reads an integer that is not negative.
    pub fn unsigned(&mut self) -> Result<u64, JsonError> {
        let start = self.at;
        let value = self.integer()?;
        u64::try_from(value)
            .map_err(|_| self.error(start, Reason::Invalid { rule: "an integer of at least 0" }))
    }

    /// Reads `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool, JsonError> {
        if self.literal("true") {
            return Ok(true);
        }
        if self.literal("false") {
            return Ok(false);
        }
        Err(self.unexpected(self.at, "true or false"))
    }

    /// Reads `null`.
    pub fn null(&mut self) -> Result<(), JsonError> {
        if self.literal("null") { Ok(()) } else { Err(self.unexpected(self.at, "null")) }
    }

    fn literal(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn enter(&mut self) -> Result<usize, JsonError> {
        let level = self.depth;
        if level == JSON_DEPTH_MAX {
            return Err(self.error(self.at, Reason::TooDeep));
        }
        self.path[level] = Step::Outside;
        self.depth += 1;
        Ok(level)
    }

    fn key(&mut self) -> Result<&'a str, JsonError> {
        self.expect(b'"', "a key in quotes")?;
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    let key = &self.text[start..self.at];
                    if key.is_empty() || key.len() > JSON_KEY_BYTES_MAX {
                        return Err(self.error(start, Reason::Key));
                    }
                    self.at += 1;
                    return Ok(key);
                }
                b'\\' => return Err(self.error(self.at, Reason::Key)),
                0x20..=0x7e => self.at += 1,
                _ => return Err(self.error(self.at, Reason::Key)),
            }
        }
        Err(self.error(self.at, Reason::UnexpectedEnd))
    }

    /// After a value: true at a comma, false at the closing byte.
    fn more(&mut self, close: u8, wanted: &'static str) -> Result<bool, JsonError> {
        let byte = self.peek();
        if byte == Some(b',') || byte == Some(close) {
            self.at += 1;
            return Ok(byte == Some(b','));
        }
        Err(self.unexpected(self.at, wanted))
    }

    fn expect(&mut self, byte: u8, wanted: &'static str) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected(self.at, wanted))
    }

    #[cold]
    fn unexpected(&self, offset: usize, wanted: &'static str) -> JsonError {
        let reason = match self.text.as_bytes().get(offset) {
            None => Reason::UnexpectedEnd,
            Some(b' ' | b'\t' | b'\n' | b'\r') => Reason::Whitespace,
            Some(_) => Reason::Expected { wanted },
        };
        self.error(offset, reason)
    }

    /// The slow way, from the first backslash on. `start` is the first byte of the string's text.
    #[cold]
    fn escaped_string(&mut self, start: usize) -> Result<String, JsonError> {
        let mut out = String::from(&self.text[start..self.at]);
        loop {
            let rest = &self.text[self.at..];
            let Some(c) = rest.chars().next() else {
                return Err(self.error(self.at, Reason::UnexpectedEnd));
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(out);
                }
                '\\' => {
                    let (c, length) = unescape(rest).ok_or_else(|| self.error(self.at, Reason::Escape))?;
                    out.push(c);
                    self.at += length;
                }
                '\0'..='\x1f' => return Err(self.error(self.at, Reason::ControlCharacter)),
                _ => {
                    out.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn path_text(&self) -> String {
        use std::fmt::Write as _;
        let mut path = String::new();
        for step in &self.path[..self.depth] {
            match step {
                Step::Outside => {}
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => {
                    path.push('.');
                    path.push_str(key);
                }
                Step::Item(place) => write!(path, "[{place}]").expect("writing to a string cannot fail"),
            }
        }
        path
    }
}

/// The character of the escape at the front of `rest`, and the escape's length, when it is the one RFC 8785 prints
/// (section 3.2.2.2): the seven short ones, and `\u00xx` in lower case for the other control characters.
fn unescape(rest: &str) -> Option<(char, usize)> {
    let short = match rest.as_bytes().get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'b' => '\u{8}',
        b't' => '\t',
        b'n' => '\n',
        b'f' => '\u{c}',
        b'r' => '\r',
        b'u' => {
            let [byte] = crate::record::hex::decode::<1>(rest.get(2..6)?.strip_prefix("00")?)?;
            let long_form = byte < 0x20 && !matches!(byte, 8 | 9 | 10 | 12 | 13);
            return long_form.then_some((char::from(byte), 6));
        }
        _ => return None,
    };
    Some((short, 2))
}
