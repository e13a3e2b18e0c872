//! Spellings shared by the text formats: decimals, base64, hex, lines. Each value has exactly one.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Accepts only the spelling `u64::to_string` produces.
///
/// `u64::from_str` alone would take `+7` and `007`, and one tree would then have several texts.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let digits_only = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let leading_zero = bytes.len() > 1 && bytes[0] == b'0';
    if digits_only && !leading_zero { text.parse().ok() } else { None }
}

/// Standard base64 with padding (RFC 4648 section 4).
pub(crate) fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes standard base64. Padding is required and the unused bits of the last character must be zero, so
/// that decoding and encoding again gives the same text.
///
/// `None` as well when the result would be longer than `bytes_max`; nothing is allocated then.
pub(crate) fn base64_decode(text: &str, bytes_max: usize) -> Option<Vec<u8>> {
    if text.len() > base64_len(bytes_max) {
        return None;
    }
    let bytes = STANDARD.decode(text).ok()?;
    (bytes.len() <= bytes_max).then_some(bytes)
}

/// Characters of the padded base64 of `bytes` bytes.
pub(crate) const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Decodes the base64 of exactly `N` bytes.
pub(crate) fn base64_decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != base64_len(N) {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// base64url without padding (RFC 4648 section 5), as JWS and JWK write bytes.
pub(crate) fn base64url_encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url without padding; unused bits of the last character must be zero. The caller bounds the text.
pub(crate) fn base64url_decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Decodes the base64url of exactly `N` bytes.
pub(crate) fn base64url_decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    base64url_decode(text)?.try_into().ok()
}

/// Lower-case hex.
pub(crate) fn hex_encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Decodes exactly `N` bytes of lower-case hex.
pub(crate) fn hex_decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The first line without its newline, and what follows it. `None` if there is no newline.
pub(crate) fn split_line(text: &str) -> Option<(&str, &str)> {
    text.split_once('\n')
}

/// Whether the text holds a control character below 0x20 other than newline. 0x7f is allowed by signed-note.
pub(crate) fn has_control(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 && byte != b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_has_one_spelling() {
        for (text, want) in [
            ("0", Some(0)),
            ("70000", Some(70_000)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("007", None),
            ("00", None),
            ("+7", None),
            ("-0", None),
            ("", None),
            (" 7", None),
            ("7 ", None),
            ("7_0", None),
            ("\u{0667}", None),
        ] {
            assert_eq!(parse_decimal(text), want, "{text:?}");
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(base64_decode("AA==", 8), Some(vec![0]));
        for text in ["AB==", "AA=", "AA", "AA==\n", " AA==", "A A=", "_w==", "AA==AA==", "="] {
            assert_eq!(base64_decode(text, 8), None, "{text:?}");
        }
        assert_eq!(base64_decode("AAAA", 2), None, "longer than allowed");
    }

    #[test]
    fn base64url_has_one_spelling() {
        assert_eq!(base64url_decode_array("_w"), Some([255]));
        assert_eq!(base64url_decode("-_8"), Some(vec![251, 255]));
        for text in ["_x", "/w", "_w==", "_w\n", "_", "_www"] {
            assert_eq!(base64url_decode_array::<1>(text), None, "{text:?}");
        }
    }

    #[test]
    fn hex_has_one_spelling() {
        assert_eq!(hex_decode_array("00ff"), Some([0, 255]));
        for text in ["00FF", "00f", "00fg", "0x00", "00ff00"] {
            assert_eq!(hex_decode_array::<2>(text), None, "{text:?}");
        }
    }
}
