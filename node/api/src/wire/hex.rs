//! Bytes as lower-case hex.

/// The digits.
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[test]
fn each_byte_is_two_digits() {
    assert_eq!(hex(&[0, 0x0a, 0xa0, 0xff]), "000aa0ff");
    assert_eq!(hex(&[]), "");
}
