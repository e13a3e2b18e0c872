//! A call as its proof covers it.

use sha2::{Digest as _, Sha256};

use crate::text::{base64_decode_array, base64_encode};

/// Longest method.
const METHOD_BYTES_MAX: usize = 16;
/// Longest URI and longest other value: what servers take in a line.
const VALUE_BYTES_MAX: usize = 8_192;

/// What a proof covers of a call. Borrowed: whoever checks has the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The method, in capital letters.
    pub method: &'a str,
    /// The absolute URI that is called, as the caller wrote it.
    pub target_uri: &'a str,
    /// The token that is shown.
    pub token: &'a str,
    /// The value of `Content-Digest`: see [`content_digest`]. Whoever has the body compares.
    pub content_digest: &'a str,
    /// The tool that is called.
    pub audience: &'a str,
    /// The grant under which the call is made.
    pub grant: Option<&'a str>,
}

/// A part of a call that no proof can cover. The caller is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{component} is not {rule}")]
pub struct CallError {
    /// Which part.
    pub component: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

impl Call<'_> {
    /// The components in their order, with their values.
    ///
    /// # Errors
    /// A value could be read as two lines, or is spelled as no client would send it.
    pub(super) fn components(&self) -> Result<Vec<(&'static str, String)>, CallError> {
        let check = |component, rule, good| if good { Ok(()) } else { Err(CallError { component, rule }) };
        let method = (1..=METHOD_BYTES_MAX).contains(&self.method.len())
            && self.method.bytes().all(|b| b.is_ascii_uppercase());
        check("@method", "1 to 16 capital letters", method)?;
        let absolute = ["https://", "http://"].iter().any(|scheme| self.target_uri.starts_with(scheme));
        let plain = absolute && is_line(self.target_uri) && !self.target_uri.contains([' ', '#']);
        check("@target-uri", "an absolute http or https URI without a fragment", plain)?;
        check("authorization", "a token", is_line(self.token) && !self.token.contains(' '))?;
        let digest = self.content_digest.strip_prefix("sha-256=:").and_then(|rest| rest.strip_suffix(':'));
        let digest = digest.and_then(base64_decode_array::<32>).is_some();
        check("content-digest", "sha-256=:<base64 of 32 bytes>:", digest)?;
        check("maip-audience", "a line of printable ASCII", is_line(self.audience))?;
        check("maip-grant", "a line of printable ASCII", self.grant.is_none_or(is_line))?;
        let mut all = vec![
            ("@method", self.method.to_owned()),
            ("@target-uri", self.target_uri.to_owned()),
            ("authorization", format!("Bearer {}", self.token)),
            ("content-digest", self.content_digest.to_owned()),
            ("maip-audience", self.audience.to_owned()),
        ];
        all.extend(self.grant.map(|grant| ("maip-grant", grant.to_owned())));
        Ok(all)
    }
}

/// A value that is one line and that no proxy trims.
fn is_line(text: &str) -> bool {
    (1..=VALUE_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| matches!(b, 0x20..=0x7e))
        && text.trim() == text
}

/// The value of `Content-Digest` for a body (RFC 9530).
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", base64_encode(&Sha256::digest(body)))
}
