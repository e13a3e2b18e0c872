//! A token in its compact form.

use std::fmt;

use super::claims::word;
use super::{CallClaims, TOKEN_BYTES_MAX, TokenClaims, TokenError, TokenPart};
use crate::record::json::{JsonError, Reader, Reason, Writer};
use crate::record::{BadSignature, Kid, PublicKey, SigningKey};
use crate::text::{base64url_decode, base64url_decode_array, base64url_encode};

const ALGORITHM: &str = "EdDSA";

/// What a kind of token says.
pub trait Claims: Sized {
    /// `typ` in the header: one kind never passes for another.
    const TYPE: &'static str;

    /// Canonical JSON.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads the one spelling.
    ///
    /// # Errors
    /// Anything else: a claim is missing, unknown or has another form, or the token would end before it begins.
    fn parse(bytes: &[u8]) -> Result<Self, TokenError>;
}

/// A session token.
pub type Token = Jwt<TokenClaims>;

/// A token for one call of one tool.
pub type CallToken = Jwt<CallClaims>;

/// A token: claims and a signature over them, which is not checked by reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt<C> {
    /// Fingerprint of the key that is said to have signed it.
    pub kid: Kid,
    /// What it says.
    pub claims: C,
    /// Ed25519 signature over the first two parts.
    pub signature: [u8; 64],
}

impl<C: Claims> Jwt<C> {
    /// Signs claims. The text of the result reads back.
    ///
    /// # Errors
    /// The claims would make a token that does not read back: too many scopes, an end before the beginning.
    pub fn sign(claims: C, key: &SigningKey) -> Result<Self, TokenError> {
        // What is signed must be what a reader takes, so the claims go through the reader.
        let claims = C::parse(&claims.to_bytes())?;
        let kid = key.kid();
        let signature = key.sign(signed_text(kid, &claims).as_bytes());
        let token = Self { kid, claims, signature };
        let bytes = token.to_string().len();
        if bytes > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong { bytes });
        }
        Ok(token)
    }

    /// Reads the one spelling.
    ///
    /// # Errors
    /// Anything that [`Jwt::sign`] would not have printed. Nothing is allocated beyond the text's own size.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong { bytes: text.len() });
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Parts);
        };
        let decode = |text, part| base64url_decode(text).ok_or(TokenError::Base64(part));
        let kid = parse_header(&decode(header, TokenPart::Header)?, C::TYPE).map_err(TokenError::Header)?;
        let claims = C::parse(&decode(claims, TokenPart::Claims)?)?;
        let signature = base64url_decode_array(signature).ok_or(TokenError::Base64(TokenPart::Signature))?;
        Ok(Self { kid, claims, signature })
    }

    /// Whether `key` made it. Strict, as for [records](PublicKey::verify).
    ///
    /// # Errors
    /// Another key did, or nobody.
    pub fn verify(&self, key: &PublicKey) -> Result<(), BadSignature> {
        if key.kid() != self.kid {
            return Err(BadSignature);
        }
        key.verify(signed_text(self.kid, &self.claims).as_bytes(), &self.signature)
    }
}

impl<C: Claims> fmt::Display for Jwt<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", signed_text(self.kid, &self.claims), base64url_encode(&self.signature))
    }
}

fn signed_text<C: Claims>(kid: Kid, claims: &C) -> String {
    format!("{}.{}", base64url_encode(&header(kid, C::TYPE)), base64url_encode(&claims.to_bytes()))
}

fn header(kid: Kid, typ: &str) -> Vec<u8> {
    let mut w = Writer::with_capacity(80);
    w.open_object();
    w.text_field("alg", ALGORITHM);
    w.text_field("kid", &kid.to_string());
    w.text_field("typ", typ);
    w.close_object();
    w.finish()
}

fn parse_header(bytes: &[u8], own_type: &'static str) -> Result<Kid, JsonError> {
    let (mut algorithm, mut kid, mut typ) = (None, None, None);
    let mut r = Reader::new(bytes)?;
    r.object(|r, key| {
        match key {
            "alg" => algorithm = Some(word(r, "EdDSA", |text| (text == ALGORITHM).then_some(()))?),
            "kid" => kid = Some(word(r, "32 lower-case hex digits", Kid::parse)?),
            "typ" => typ = Some(word(r, own_type, |text| (text == own_type).then_some(()))?),
            _ => return Err(r.error(r.offset(), Reason::Unknown)),
        }
        Ok(())
    })?;
    r.required("alg", algorithm)?;
    r.required("typ", typ)?;
    let kid = r.required("kid", kid)?;
    r.finish()?;
    Ok(kid)
}
