//! What is wrong, where, and what to do about it.

/// Why a text was refused, with the place. Always the sender's fault; sending it again does not help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset in the text at which the fault was noticed.
    pub offset: usize,
    /// The field, e.g. `body.scopes[3]`; empty for the text as a whole.
    pub path: String,
    /// What is wrong with it.
    pub reason: Reason,
}

impl std::error::Error for JsonError {}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} (byte {})", self.reason, self.offset)
    }
}

/// What is wrong with a text. The message says it; [`Reason::fix`] says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Longer than the limit.
    #[error("text is longer than {max} bytes")]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
    },
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// The text stops in the middle of a value.
    #[error("the text ends too early")]
    UnexpectedEnd,
    /// Another kind of value, or no value at all.
    #[error("expected {wanted}")]
    Expected {
        /// What should stand here.
        wanted: &'static str,
    },
    /// White space between tokens.
    #[error("white space between tokens")]
    Whitespace,
    /// Bytes after the value.
    #[error("bytes after the end of the value")]
    TrailingBytes,
    /// A key is smaller than the one before it.
    #[error("keys are not in ascending order")]
    KeyOrder,
    /// A key occurs twice in one object.
    #[error("key occurs twice")]
    DuplicateKey,
    /// A key has a character outside printable ASCII, a quote or a backslash, or is too long.
    #[error("key is not 1 to 64 printable ascii characters without quote and backslash")]
    Key,
    /// A fraction or an exponent.
    #[error("number is not an integer")]
    Float,
    /// `-0`, `+1`, `007`.
    #[error("integer is not spelled canonically")]
    IntegerSpelling,
    /// Beyond ±(2^53 - 1).
    #[error("integer is beyond 9007199254740991")]
    IntegerRange,
    /// An escape that is unknown, not needed, or not in its shortest form.
    #[error("escape is not in canonical form")]
    Escape,
    /// A control character that is not escaped.
    #[error("control character in a string is not escaped")]
    ControlCharacter,
    /// Too many levels of objects and arrays.
    #[error("nested deeper than 16 levels")]
    TooDeep,
    /// A field that the type needs is absent.
    #[error("required field is missing")]
    Missing,
    /// A field that the type does not have.
    #[error("unknown field")]
    Unknown,
    /// A field that this record may not carry.
    #[error("field is not allowed here: {rule}")]
    NotAllowed {
        /// When it is allowed.
        rule: &'static str,
    },
    /// The value breaks the field's rule.
    #[error("must be {rule}")]
    Invalid {
        /// What the value must be.
        rule: &'static str,
    },
}

impl Reason {
    /// A stable code for machines: `json.*` for the form of the text, `field.*` for a field of the record.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::TooLarge { .. } => "json.too_large",
            Reason::Utf8 => "json.utf8",
            Reason::UnexpectedEnd => "json.end",
            Reason::Expected { .. } => "json.expected",
            Reason::Whitespace => "json.whitespace",
            Reason::TrailingBytes => "json.trailing",
            Reason::KeyOrder => "json.key_order",
            Reason::DuplicateKey => "json.duplicate_key",
            Reason::Key => "json.key",
            Reason::Float => "json.float",
            Reason::IntegerSpelling => "json.integer",
            Reason::IntegerRange => "json.integer_range",
            Reason::Escape => "json.escape",
            Reason::ControlCharacter => "json.control",
            Reason::TooDeep => "json.depth",
            Reason::Missing => "field.missing",
            Reason::Unknown => "field.unknown",
            Reason::NotAllowed { .. } => "field.not_allowed",
            Reason::Invalid { .. } => "field.invalid",
        }
    }

    /// What the sender should do.
    pub fn fix(&self) -> &'static str {
        match self {
            Reason::TooLarge { .. } => "move values out of the record and put their digests in",
            Reason::Utf8 => "encode the text as UTF-8",
            Reason::UnexpectedEnd => "send the whole text",
            Reason::Expected { .. } => "put a value of that kind there",
            Reason::Whitespace | Reason::KeyOrder | Reason::IntegerSpelling | Reason::Escape => {
                "serialise with a JCS (RFC 8785) library"
            }
            Reason::TrailingBytes => "send one value and nothing after it",
            Reason::DuplicateKey => "keep one of the two",
            Reason::Key => "use the documented field names",
            Reason::Float => "use an integer in a smaller unit, or a string",
            Reason::IntegerRange => "use a string",
            Reason::ControlCharacter => "escape it as JCS does (\\n, \\t, \\u001f)",
            Reason::TooDeep => "flatten the value",
            Reason::Missing => "add the field",
            Reason::Unknown => "remove the field",
            Reason::NotAllowed { .. } => "remove the field or sign as another actor",
            Reason::Invalid { .. } => "change the value",
        }
    }
}
