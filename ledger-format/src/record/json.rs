//! Canonical JSON: RFC 8785 (JCS), narrowed until one statement has one spelling.
//!
//! Allowed: objects, arrays, strings, `true`, `false`, `null`, and integers within ±(2^53 - 1). Not allowed: fractions,
//! exponents, white space, keys outside printable ASCII, keys out of order or twice, escapes where none is needed.
//! So a text is either exactly what the writer here would print or it is refused, and hashing the text is hashing the
//! statement.
//!
//! Three ways in: [`Reader`] walks the bytes once and builds nothing (records use it), [`parse`] builds a [`Value`]
//! (tools and tests use it), [`Writer`] prints. Unicode is taken as it is: no normalisation (JCS has none either).

mod error;
mod reader;
mod value;
mod writer;

pub use error::{JsonError, Reason};
pub use reader::{Reader, Text};
pub use value::{Value, parse};
pub use writer::Writer;

/// Longest text that is read, in bytes: an entry of the log.
pub const JSON_BYTES_MAX: usize = 65_535;

/// Deepest nesting of objects and arrays. Records need five.
pub const JSON_DEPTH_MAX: usize = 16;

/// Longest key of an object, in bytes.
pub const JSON_KEY_BYTES_MAX: usize = 64;

/// Largest integer, and with a minus sign the smallest: 2^53 - 1, what every JSON library carries exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
