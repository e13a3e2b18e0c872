//! Public keys as JSON Web Keys (RFC 7517, RFC 8037), and their thumbprints (RFC 7638).

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::record::PublicKey;
use crate::record::json::Writer;
use crate::text::{base64url_decode_array, base64url_encode};

/// The RFC 7638 thumbprint of an Ed25519 key: SHA-256 over its required members. Text form: 43 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint(pub [u8; 32]);

impl Thumbprint {
    /// Of a key.
    pub fn of(key: &PublicKey) -> Thumbprint {
        Thumbprint::of_bytes(key.as_bytes())
    }

    /// Of a key's 32 bytes, which were checked before.
    pub fn of_bytes(key: &[u8; 32]) -> Thumbprint {
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url_encode(key));
        Thumbprint(Sha256::digest(members).into())
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Thumbprint> {
        base64url_decode_array(text).map(Thumbprint)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url_encode(&self.0))
    }
}

/// A JWK set with the keys that sign tokens, canonical JSON: what is served as `/.well-known/jwks.json`.
pub fn jwks(keys: &[PublicKey]) -> Vec<u8> {
    let mut w = Writer::with_capacity(64 + 192 * keys.len());
    w.open_object();
    w.key("keys");
    w.open_array();
    for key in keys {
        w.open_object();
        w.text_field("alg", "EdDSA");
        w.text_field("crv", "Ed25519");
        w.text_field("kid", &key.kid().to_string());
        w.text_field("kty", "OKP");
        w.text_field("use", "sig");
        w.text_field("x", &base64url_encode(key.as_bytes()));
        w.close_object();
    }
    w.close_array();
    w.close_object();
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.3: the thumbprint of the key of RFC 8032 test 1.
    #[test]
    fn the_thumbprint_of_the_rfc() {
        let key = PublicKey::parse("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let text = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert_eq!(Thumbprint::of(&key).to_string(), text);
        assert_eq!(Thumbprint::parse(text), Some(Thumbprint::of(&key)));
        assert_eq!(Thumbprint::parse(&text[1..]), None);
    }

    #[test]
    fn a_set_prints_as_clients_read_it() {
        let key = PublicKey::parse("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let text = String::from_utf8(jwks(&[key])).unwrap();
        let kid = key.kid();
        assert_eq!(
            text,
            format!(
                r#"{{"keys":[{{"alg":"EdDSA","crv":"Ed25519","kid":"{kid}","kty":"OKP","use":"sig","x":"{key}"}}]}}"#
            )
        );
        assert_eq!(jwks(&[]), br#"{"keys":[]}"#);
    }
}
