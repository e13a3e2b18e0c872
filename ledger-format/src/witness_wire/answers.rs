//! Answers of a witness to a log.

use super::{ANSWER_BYTES_MAX, WireError};
use crate::note::{NOTE_SIGNATURES_MAX, SignatureLine};
use crate::text;

/// Body of the answer 409: the size of the last cosigned checkpoint.
pub fn size_answer(size: u64) -> String {
    format!("{size}\n")
}

/// Reads the body of the answer 409.
pub fn parse_size_answer(body: &str) -> Result<u64, WireError> {
    body.strip_suffix('\n').and_then(text::parse_decimal).ok_or(WireError::SizeAnswer)
}

/// Body of the answer 200.
pub fn encode_cosignature_lines(lines: &[SignatureLine]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Reads the body of the answer 200: 1 to 100 signature lines. None is verified; check each against the key
/// of the witness that was asked before adding it to a note.
pub fn parse_cosignature_lines(body: &[u8]) -> Result<Vec<SignatureLine>, WireError> {
    if body.len() > ANSWER_BYTES_MAX {
        return Err(WireError::TooLong { got: body.len(), max: ANSWER_BYTES_MAX });
    }
    let mut rest = std::str::from_utf8(body).map_err(|_| WireError::Utf8)?;
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let (line, after) = text::split_line(rest).ok_or(WireError::CosignatureLines)?;
        if lines.len() == NOTE_SIGNATURES_MAX {
            return Err(WireError::CosignatureLines);
        }
        lines.push(SignatureLine::parse(line).map_err(|_| WireError::CosignatureLines)?);
        rest = after;
    }
    if lines.is_empty() { Err(WireError::CosignatureLines) } else { Ok(lines) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_answer_has_one_spelling() {
        assert_eq!(parse_size_answer(&size_answer(70_000)), Ok(70_000));
        for body in ["7", "07\n", "7\n\n", "7\r\n", "", "\n", "+7\n"] {
            assert_eq!(parse_size_answer(body), Err(WireError::SizeAnswer), "{body:?}");
        }
    }

    #[test]
    fn an_answer_without_lines_is_none() {
        assert_eq!(parse_cosignature_lines(b""), Err(WireError::CosignatureLines));
        assert_eq!(parse_cosignature_lines("— w AAAAAAA=\n— w".as_bytes()), Err(WireError::CosignatureLines));
        let body = "— w AAAAAAA=\n";
        let lines = parse_cosignature_lines(body.as_bytes()).expect("one line");
        assert_eq!(encode_cosignature_lines(&lines), body);
    }
}
