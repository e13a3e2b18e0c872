//! Names and reasons: the short form that a record holds, and the whole that the nodes keep.

use ledger_format::record::{NAME_BYTES_MAX, TOKEN_BYTES_MAX};

use super::ReasonText;

/// The reason of a record when the caller states none.
const UNSPECIFIED: &str = "unspecified";

/// The name that a record holds, and the whole one if that is longer or has what a record may not hold.
pub(crate) fn record_name(text: &str) -> (String, Option<String>) {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut end = plain.len().min(NAME_BYTES_MAX);
    while !plain.is_char_boundary(end) {
        end -= 1;
    }
    let short = plain[..end].to_owned();
    let whole = (short != text).then(|| text.to_owned());
    (short, whole)
}

/// A word as a record holds it: lower case letters, digits, dots, underscores, hyphens.
pub(crate) fn token(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let word = text.trim().chars().map(|c| c.to_ascii_lowercase()).map(|c| if allowed(c) { c } else { '_' });
    let word: String = word.take(TOKEN_BYTES_MAX).collect();
    if word.is_empty() { UNSPECIFIED.into() } else { word }
}

/// The word of a reason that a record holds, and the whole reason if it says more.
pub(crate) fn reason(text: Option<&ReasonText>) -> (String, Option<String>) {
    match text.filter(|text| !text.is_empty()) {
        None => (UNSPECIFIED.into(), None),
        Some(text) => (token(text.as_str()), Some(text.as_str().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_a_short_form() {
        assert_eq!(record_name("Bot"), ("Bot".into(), None));
        let long = "é".repeat(100);
        let (short, whole) = record_name(&long);
        assert_eq!((short.len(), whole), (128, Some(long)));
        assert_eq!(token("Key compromise!"), "key_compromise_");
        assert_eq!(token("  "), "unspecified");
        assert_eq!(token(&"x".repeat(100)).len(), 64);
        assert_eq!(reason(None), ("unspecified".into(), None));
    }
}
