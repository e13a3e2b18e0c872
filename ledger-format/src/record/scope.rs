//! Scopes: what an agent may do, as `resource:action`.
//!
//! ```text
//! invoice:approve     one action on one resource
//! invoice:*           every action on the resource
//! *:*                 everything; only for an agent without a parent
//! ```
//!
//! Both halves are 1 to 64 characters of `a-z 0-9 . _ -`. `*:read` is not a scope. A deny has the same spelling and stands in
//! a list of its own; denies always win.

use std::fmt;

/// Longest half of a scope, in bytes.
pub const SCOPE_PART_BYTES_MAX: usize = 64;

/// A scope or a deny. Ordered by its text, which is the order in a record's lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

impl Scope {
    /// Reads the one spelling.
    pub fn parse(text: &str) -> Option<Scope> {
        Scope::is_valid(text).then(|| Scope(text.to_owned()))
    }

    /// Whether the text is a scope.
    pub fn is_valid(text: &str) -> bool {
        match text.split_once(':') {
            Some(("*", action)) => action == "*",
            Some((resource, action)) => is_word(resource) && (action == "*" || is_word(action)),
            None => false,
        }
    }

    /// Whether the scope names one action of one resource, as an action that happened must.
    pub fn is_exact(&self) -> bool {
        !self.0.ends_with('*')
    }

    /// Whether everything that `other` allows is allowed by `self`.
    pub fn covers(&self, other: &Scope) -> bool {
        if self.0 == "*:*" || self.0 == other.0 {
            return true;
        }
        // "invoice:*" covers what begins with "invoice:".
        self.0.strip_suffix('*').is_some_and(|prefix| other.0.starts_with(prefix))
    }

    /// Whether the two have an action in common.
    pub fn overlaps(&self, other: &Scope) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_word(text: &str) -> bool {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=SCOPE_PART_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar() {
        for good in ["invoice:approve", "invoice:*", "*:*", "a.b_c-1:x", "legacy:file_edit"] {
            assert!(Scope::parse(good).is_some(), "{good}");
        }
        let long = format!("{}:a", "a".repeat(65));
        for bad in
            ["", "invoice", ":", "a:", ":a", "*:read", "a:b:c", "A:b", "a:b ", "а:b", "inv*:a", "a:b*", &long]
        {
            assert!(Scope::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn covering() {
        let scope = |text| Scope::parse(text).unwrap();
        let cases = [
            ("*:*", "a:b", true),
            ("*:*", "*:*", true),
            ("a:*", "a:b", true),
            ("a:*", "a:*", true),
            ("a:*", "ab:c", false),
            ("a:b", "a:b", true),
            ("a:b", "a:*", false),
            ("a:b", "a:bc", false),
            ("a:*", "*:*", false),
        ];
        for (wide, narrow, want) in cases {
            assert_eq!(scope(wide).covers(&scope(narrow)), want, "{wide} covers {narrow}");
        }
        assert!(scope("a:b").overlaps(&scope("a:*")) && !scope("a:b").overlaps(&scope("a:c")));
    }
}
