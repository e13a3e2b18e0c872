//! The two header fields of a proof.

use super::{Call, CallError};
use crate::record::{PublicKey, SigningKey};
use crate::text::{base64_decode_array, base64_encode, parse_decimal};
use crate::token::{Thumbprint, is_nonce};

/// What the signature is called in both header fields.
const LABEL: &str = "maip=";
/// What the signature is for (RFC 9421 section 2.3).
const TAG: &str = "maip-call";
/// Longest `Signature-Input` that is read.
const INPUT_BYTES_MAX: usize = 512;
/// What is covered, in this order; the last one of calls under a grant only.
const COMPONENTS: &str = r#""@method" "@target-uri" "authorization" "content-digest" "maip-audience""#;
const GRANT: &str = r#" "maip-grant""#;

/// Why two header fields prove nothing. The caller is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallProofError {
    /// `Signature-Input` does not begin `maip=(` or is too long.
    #[error("Signature-Input is not one signature called maip, of at most {INPUT_BYTES_MAX} bytes")]
    Input,
    /// It covers something else, or in another order.
    #[error("the signature does not cover exactly {COMPONENTS}, and {GRANT} under a grant, in this order")]
    Components,
    /// A parameter is missing, unknown, out of place or spelled otherwise.
    #[error("parameter {0} is missing, out of place or spelled otherwise")]
    Parameter(&'static str),
    /// `Signature` is not `maip=:<base64 of 64 bytes>:`.
    #[error("Signature is not maip=:<base64 of 64 bytes>:")]
    Signature,
    /// The call is made under a grant and the signature does not cover it, or the other way round.
    #[error("the signature covers a grant where the call has none, or the other way round")]
    Grant,
    /// The call has a part that no proof can cover.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The key is not the one that the proof names.
    #[error("the proof names another key")]
    Key,
    /// The signature does not fit call and key.
    #[error("the signature does not fit the call")]
    BadSignature,
}

/// A caller's proof that it has a key, for one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallProof {
    /// Whether it covers a grant.
    pub under_grant: bool,
    /// When the call was signed, seconds since 1970, by the caller's clock.
    pub created_s: u64,
    /// The key.
    pub key: Thumbprint,
    /// What makes the call another than all others: see [`is_nonce`].
    pub nonce: String,
    /// Ed25519 signature.
    pub signature: [u8; 64],
}

impl CallProof {
    /// Signs a call.
    ///
    /// # Errors
    /// The call cannot be covered, or the nonce is none.
    pub fn sign(
        call: &Call<'_>,
        created_s: u64,
        nonce: &str,
        key: &SigningKey,
    ) -> Result<CallProof, CallProofError> {
        if !is_nonce(nonce) {
            return Err(CallProofError::Parameter("nonce"));
        }
        let key_id = Thumbprint::of(&key.public());
        let under_grant = call.grant.is_some();
        let mut proof =
            CallProof { under_grant, created_s, key: key_id, nonce: nonce.into(), signature: [0; 64] };
        proof.signature = key.sign(proof.base(call)?.as_bytes());
        Ok(proof)
    }

    /// Reads the values of the two header fields, in their one spelling. Says nothing of the signature.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(input: &str, signature: &str) -> Result<CallProof, CallProofError> {
        let short = input.len() <= INPUT_BYTES_MAX;
        let rest = input.strip_prefix(LABEL).and_then(|rest| rest.strip_prefix('(')).filter(|_| short);
        let (covered, rest) = rest.and_then(|rest| rest.split_once(')')).ok_or(CallProofError::Input)?;
        let under_grant = match covered.strip_prefix(COMPONENTS) {
            Some("") => false,
            Some(GRANT) => true,
            _ => return Err(CallProofError::Components),
        };
        let (created, rest) = parameter(rest, "created", ";created=", ";")?;
        let (key, rest) = parameter(rest, "keyid", "keyid=\"", "\";")?;
        let rest = rest.strip_prefix("alg=\"ed25519\";").ok_or(CallProofError::Parameter("alg"))?;
        let (nonce, rest) = parameter(rest, "nonce", "nonce=\"", "\";")?;
        if rest.strip_prefix("tag=\"").and_then(|rest| rest.strip_suffix('"')) != Some(TAG) {
            return Err(CallProofError::Parameter("tag"));
        }
        let signature = signature
            .strip_prefix(LABEL)
            .and_then(|rest| rest.strip_prefix(':')?.strip_suffix(':'))
            .and_then(base64_decode_array)
            .ok_or(CallProofError::Signature)?;
        Ok(CallProof {
            under_grant,
            created_s: parse_decimal(created).ok_or(CallProofError::Parameter("created"))?,
            key: Thumbprint::parse(key).ok_or(CallProofError::Parameter("keyid"))?,
            nonce: Some(nonce)
                .filter(|text| is_nonce(text))
                .ok_or(CallProofError::Parameter("nonce"))?
                .into(),
            signature,
        })
    }

    /// The value of `Signature-Input`.
    pub fn signature_input(&self) -> String {
        format!("{LABEL}{}", self.parameters())
    }

    /// The value of `Signature`.
    pub fn signature_field(&self) -> String {
        format!("{LABEL}:{}:", base64_encode(&self.signature))
    }

    /// Whether it is of this call and this key. When it was made, and whether its nonce is new, is for the caller to say.
    ///
    /// # Errors
    /// It is not.
    pub fn verify(&self, call: &Call<'_>, key: &PublicKey) -> Result<(), CallProofError> {
        if Thumbprint::of(key) != self.key {
            return Err(CallProofError::Key);
        }
        let base = self.base(call)?;
        key.verify(base.as_bytes(), &self.signature).map_err(|_| CallProofError::BadSignature)
    }

    fn parameters(&self) -> String {
        let grant = if self.under_grant { GRANT } else { "" };
        let (created, key, nonce) = (self.created_s, self.key, &self.nonce);
        format!(
            r#"({COMPONENTS}{grant});created={created};keyid="{key}";alg="ed25519";nonce="{nonce}";tag="{TAG}""#
        )
    }

    fn base(&self, call: &Call<'_>) -> Result<String, CallProofError> {
        if self.under_grant != call.grant.is_some() {
            return Err(CallProofError::Grant);
        }
        Ok(signature_base(&call.components()?, &self.parameters()))
    }
}

/// One parameter at the front of `rest`: what stands between `open` and `close`, and what follows.
fn parameter<'a>(
    rest: &'a str,
    name: &'static str,
    open: &str,
    close: &str,
) -> Result<(&'a str, &'a str), CallProofError> {
    rest.strip_prefix(open).and_then(|rest| rest.split_once(close)).ok_or(CallProofError::Parameter(name))
}

/// What is signed (RFC 9421 section 2.5).
fn signature_base(components: &[(&str, String)], parameters: &str) -> String {
    let lines = components.iter().map(|(name, value)| format!("\"{name}\": {value}\n"));
    lines.chain([format!("\"@signature-params\": {parameters}")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_signature::content_digest;

    /// RFC 9421 appendix B.2.6, with the key of B.1.4.
    #[test]
    fn the_ed25519_example_of_the_rfc() {
        let components = [
            ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("@method", "POST"),
            ("@path", "/foo"),
            ("@authority", "example.com"),
            ("content-type", "application/json"),
            ("content-length", "18"),
        ];
        let parameters = concat!(
            r#"("date" "@method" "@path" "@authority" "content-type" "content-length")"#,
            r#";created=1618884473;keyid="test-key-ed25519""#
        );
        let signature =
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
        let base = signature_base(&components.map(|(name, value)| (name, value.to_owned())), parameters);
        let key = PublicKey::parse("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs").unwrap();
        let bytes = base64_decode_array::<64>(signature).unwrap();
        assert_eq!(key.verify(base.as_bytes(), &bytes), Ok(()));
        assert!(key.verify(format!("{base}\n").as_bytes(), &bytes).is_err());
        // It covers something else than calls are covered by.
        let (input, field) = (format!("maip={parameters}"), format!("maip=:{signature}:"));
        assert_eq!(CallProof::parse(&input, &field), Err(CallProofError::Components));
    }

    /// The body of the examples in RFC 9421 appendix B.2.
    #[test]
    fn the_digest_of_the_rfc() {
        let digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
        assert_eq!(content_digest(br#"{"hello": "world"}"#), digest);
    }

    #[test]
    fn a_value_that_could_be_two_lines_is_refused() {
        let digest = content_digest(b"");
        let good = Call {
            method: "GET",
            target_uri: "https://tool.example/x?y=1",
            token: "a.b.c",
            content_digest: &digest,
            audience: "tool",
            grant: None,
        };
        let key = SigningKey::from_seed([3; 32]);
        let sign = |call: &Call<'_>| CallProof::sign(call, 1, "0123456789abcdef", &key);
        assert!(sign(&good).is_ok());
        for (call, component) in [
            (Call { method: "get", ..good }, "@method"),
            (Call { method: "", ..good }, "@method"),
            (Call { target_uri: "/x", ..good }, "@target-uri"),
            (Call { target_uri: "https://tool.example/#part", ..good }, "@target-uri"),
            (Call { token: "a b", ..good }, "authorization"),
            (Call { content_digest: "sha-512=:AA==:", ..good }, "content-digest"),
            (Call { audience: "tool\n\"maip-grant\": x", ..good }, "maip-audience"),
            (Call { audience: " tool", ..good }, "maip-audience"),
            (Call { audience: "", ..good }, "maip-audience"),
            (Call { grant: Some("a\nb"), ..good }, "maip-grant"),
        ] {
            match sign(&call) {
                Err(CallProofError::Call(error)) => assert_eq!(error.component, component),
                other => panic!("{component}: {other:?}"),
            }
        }
        assert_eq!(CallProof::sign(&good, 1, "short", &key), Err(CallProofError::Parameter("nonce")));
    }
}
