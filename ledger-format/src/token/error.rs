//! Why a text is not a token.

use std::fmt;

use crate::record::json::JsonError;

/// A part of a token, between its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPart {
    /// The first.
    Header,
    /// The second.
    Claims,
    /// The third.
    Signature,
}

impl fmt::Display for TokenPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Signature => "signature",
        })
    }
}

/// Why a text is not a token, or cannot become one. The sender is at fault; a token from the log is the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Longer than [`super::TOKEN_BYTES_MAX`]; of claims: they name too many scopes.
    #[error("a token has at most {} bytes, this one {bytes}", super::TOKEN_BYTES_MAX)]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// Not three parts with points between.
    #[error("not three parts with points between them")]
    Parts,
    /// A part is not base64url without padding, in its one spelling; of a signature: not of 64 bytes.
    #[error("the {0} is not base64url without padding, in its one spelling")]
    Base64(TokenPart),
    /// The header is not the one that tokens have: another algorithm, type, key id or spelling.
    #[error("the header is not that of such a token, in canonical JSON: {0}")]
    Header(JsonError),
    /// The claims are not those that tokens have.
    #[error("the claims are not those of such a token: {0}")]
    Claims(JsonError),
    /// The token does not end after it begins.
    #[error("exp is not after iat")]
    Times,
}
