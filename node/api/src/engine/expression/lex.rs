//! The words of an expression.

use super::Fault;

/// A word, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Name(String),
    Text(String),
    Integer(i64),
    Double(f64),
    Sign(&'static str),
}

/// Longer ones first: `<=` is not `<` and `=`.
const SIGNS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")",
    "[", "]", "{", "}",
];

pub(super) fn words(text: &str) -> Result<Vec<Word>, Fault> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if matches!(first, ' ' | '\t' | '\n' | '\r') {
            at += 1;
            continue;
        }
        let rest = &text[at..];
        let (kind, length) = if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
            (Kind::Name(rest[..length].to_owned()), length)
        } else if first.is_ascii_digit() {
            number(rest, at)?
        } else if first == '"' || first == '\'' {
            quoted(rest, at, first)?
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| fault(at, format!("{first:?} means nothing here")))?;
            (Kind::Sign(sign), sign.len())
        };
        words.push(Word { at, kind });
        at += length;
    }
    Ok(words)
}

fn number(rest: &str, at: usize) -> Result<(Kind, usize), Fault> {
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(0);
    let mut whole = true;
    if rest[end..].starts_with('.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
        whole = false;
    }
    if rest[end..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
            whole = false;
        }
    }
    let text = &rest[..end];
    let kind = if whole {
        text.parse().ok().map(Kind::Integer)
    } else {
        text.parse().ok().filter(|number: &f64| number.is_finite()).map(Kind::Double)
    };
    Ok((kind.ok_or_else(|| fault(at, "a number that is too large"))?, end))
}

fn quoted(rest: &str, at: usize, quote: char) -> Result<(Kind, usize), Fault> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((place, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((Kind::Text(out), place + 1)),
            '\\' => {
                let escaped = match chars.next().map(|(_, c)| c) {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some(c @ ('\\' | '\'' | '"')) => c,
                    _ => return Err(fault(at + place, "an escape that is not \\n \\r \\t \\\\ \\' or \\\"")),
                };
                out.push(escaped);
            }
            c => out.push(c),
        }
    }
    Err(fault(at, "a text without its end"))
}

pub(super) fn fault(at: usize, what: impl Into<String>) -> Fault {
    Fault::Text { at, what: what.into() }
}
