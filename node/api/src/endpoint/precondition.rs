//! `If-Match`: two people who edit the same thing do not overwrite each other.

use axum::http::{StatusCode, header};

use super::Context;
use crate::ApiError;

impl Context {
    /// Refuses the change unless the version that is there is one that the caller has read. Without `If-Match`, nothing is refused.
    pub(crate) fn still(&self, version: u64) -> Result<(), ApiError> {
        for value in self.headers.get_all(header::IF_MATCH) {
            let text = value.to_str().ok().and_then(tags).ok_or_else(|| {
                ApiError::malformed("If-Match is a list of quoted versions, or *")
                    .field("If-Match")
                    .fix("send the ETag that was read, as it is")
            })?;
            let own = format!("\"{version}\"");
            if !text.iter().any(|tag| *tag == "*" || *tag == own) {
                return Err(ApiError::new(
                    StatusCode::PRECONDITION_FAILED,
                    "PRECONDITION_FAILED",
                    format!("it has changed since it was read: its version is {own}"),
                )
                .field("If-Match")
                .fix("read it again and apply your change to what you read"));
            }
        }
        Ok(())
    }
}

/// The tags of a list. A weak one is read and equals none, as RFC 9110 has it.
fn tags(text: &str) -> Option<Vec<&str>> {
    let is_tag = |tag: &str| {
        let strong = tag.strip_prefix("W/").unwrap_or(tag);
        let inner = strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        tag == "*" || inner.is_some_and(|inner| !inner.contains('"'))
    };
    text.split(',').map(str::trim).map(|tag| is_tag(tag).then_some(tag)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_quoted() {
        assert_eq!(tags("\"5\""), Some(vec!["\"5\""]));
        assert_eq!(tags("\"5\", W/\"6\""), Some(vec!["\"5\"", "W/\"6\""]));
        assert_eq!(tags("*"), Some(vec!["*"]));
        for bad in ["", "5", "\"5", "\"5\",", "\"a\"b\""] {
            assert_eq!(tags(bad), None, "{bad}");
        }
    }
}
