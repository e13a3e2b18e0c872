//! Keys that sign records: Ed25519, checked strictly.
//!
//! Every replica and every verifier must agree on every signature, so there is one rule, the strict one of
//! `ed25519-dalek`: the public key is canonical and not of small order, `s` is reduced, and the verification equation
//! holds without the cofactor. A key that could make one signature fit two records never gets into the log:
//! [`PublicKey::from_bytes`] refuses it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Characters of a public key's text: 32 bytes in base64url without padding.
pub const PUBLIC_KEY_CHARS: usize = 43;

/// What the text of a seed in a key file begins with.
pub const SEED_PREFIX: &str = "maip-ed25519-seed:";

/// Why 32 bytes are not a key that the ledger accepts. The holder of the key is wrong; a new key is the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not 43 characters of base64url without padding.
    #[error("not 32 bytes in base64url without padding")]
    Encoding,
    /// The y coordinate is not below the field's prime: a second spelling of another point.
    #[error("not the canonical encoding of a point")]
    NotCanonical,
    /// The bytes encode no point of the curve.
    #[error("not a point of the curve")]
    NotAPoint,
    /// The point has small order: its signatures fit almost any message.
    #[error("a small-order point")]
    SmallOrder,
    /// A seed file's text is not `maip-ed25519-seed:<base64url>` and a newline.
    #[error("not the text \"maip-ed25519-seed:<base64url>\" and a newline")]
    SeedText,
}

/// A signature does not fit the key and the bytes. Deliberately says no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify under this key")]
pub struct BadSignature;

/// A key's fingerprint: the first 16 bytes of BLAKE3 over the 32 bytes of the public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid(pub [u8; 16]);

impl Kid {
    /// The fingerprint of a public key's bytes.
    pub fn of(public_key: &[u8; 32]) -> Kid {
        let hash = blake3::hash(public_key);
        let mut kid = [0; 16];
        kid.copy_from_slice(&hash.as_bytes()[..16]);
        Kid(kid)
    }

    /// Reads 32 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Kid> {
        super::hex::decode(text).map(Kid)
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::hex::encode(&self.0))
    }
}

/// The canonical encodings of the eight points whose order divides eight.
const SMALL_ORDER: [[u8; 32]; 8] = {
    const fn flat(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut point = [middle; 32];
        point[0] = first;
        point[31] = last;
        point
    }
    const EIGHTH: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    const OTHER_EIGHTH: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    /// The same y with the other x.
    const fn other_sign(mut point: [u8; 32]) -> [u8; 32] {
        point[31] |= 0x80;
        point
    }
    [
        flat(1, 0, 0),
        flat(0xec, 0xff, 0x7f),
        flat(0, 0, 0),
        flat(0, 0, 0x80),
        EIGHTH,
        other_sign(EIGHTH),
        OTHER_EIGHTH,
        other_sign(OTHER_EIGHTH),
    ]
};

/// Whether 32 bytes are the canonical encoding of a point whose order divides eight.
pub(super) fn is_small_order(point: &[u8; 32]) -> bool {
    SMALL_ORDER.contains(point)
}

/// A public key that the ledger accepts. Text form: 43 characters of base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// Accepts 32 bytes that are the canonical encoding of a point of large order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, KeyError> {
        if !y_is_canonical(bytes) {
            return Err(KeyError::NotCanonical);
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        if key.is_weak() {
            return Err(KeyError::SmallOrder);
        }
        Ok(PublicKey(key))
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<PublicKey, KeyError> {
        PublicKey::from_bytes(&decode_32(text).ok_or(KeyError::Encoding)?)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key's fingerprint, as it stands in a record's `sig.kid`.
    pub fn kid(&self) -> Kid {
        Kid::of(self.as_bytes())
    }

    /// Strict verification of a signature over `message`: canonical `s`, no cofactor, neither key nor `R` of small order.
    ///
    /// The same answer as `verify_strict` of ed25519-dalek, without turning `R` into a point, which is a tenth of the work: plain
    /// verification compares `R` with the canonical bytes of the point that it computes, so an `R` that passes is canonical, and
    /// of the canonical encodings eight are of small order.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        use ed25519_dalek::Verifier as _;
        if signature.first_chunk().is_some_and(is_small_order) {
            return Err(BadSignature);
        }
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify(message, &signature).map_err(|_| BadSignature)
    }

    /// The point of the curve that the key is.
    pub(super) fn point(&self) -> curve25519_dalek::EdwardsPoint {
        self.0.to_edwards()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A private key. Holds its seed in memory that is wiped when it is dropped; prints its fingerprint only.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of a seed. Where the 32 random bytes come from is the caller's business.
    pub fn from_seed(seed: [u8; 32]) -> SigningKey {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// Reads the text of a key file: `maip-ed25519-seed:<43 characters>` and a newline.
    pub fn parse_seed_text(text: &str) -> Result<SigningKey, KeyError> {
        let seed =
            text.strip_prefix(SEED_PREFIX).and_then(|rest| rest.strip_suffix('\n')).and_then(decode_32);
        seed.map(SigningKey::from_seed).ok_or(KeyError::SeedText)
    }

    /// The text of a key file. Secret: write it with mode 0600.
    pub fn to_seed_text(&self) -> String {
        format!("{SEED_PREFIX}{}\n", URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }

    /// Another key that follows from this one: BLAKE3 in its `derive_key` mode over the seed. One `context` stands for one use, is fixed
    /// in the program and names the application; whoever has the derived key learns nothing of this one.
    pub fn derive(&self, context: &'static str) -> SigningKey {
        SigningKey::from_seed(blake3::derive_key(context, self.0.as_bytes()))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The fingerprint of the public half.
    pub fn kid(&self) -> Kid {
        self.public().kid()
    }

    /// Signs bytes. Deterministic: the same bytes give the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        use ed25519_dalek::Signer as _;
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(kid {})", self.kid())
    }
}

/// 43 characters of base64url to 32 bytes. The engine refuses padding and stray bits at the end, so one spelling is left.
fn decode_32(text: &str) -> Option<[u8; 32]> {
    if text.len() != PUBLIC_KEY_CHARS {
        return None;
    }
    let mut bytes = [0; 32];
    // `decode_slice` wants room for its upper estimate of 33 bytes.
    let mut room = [0; 36];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut room).ok()?;
    bytes.copy_from_slice(room.get(..32).filter(|_| length == 32)?);
    Some(bytes)
}

/// Whether the y coordinate (little-endian, the top bit is the sign of x) is below p = 2^255 - 19.
fn y_is_canonical(bytes: &[u8; 32]) -> bool {
    let top = bytes[31] & 0x7f;
    !(top == 0x7f && bytes[1..31].iter().all(|&b| b == 0xff) && bytes[0] >= 0xed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{PreparedKey, Verify as _};

    fn bytes(hex: &str) -> [u8; 32] {
        super::super::hex::decode(hex).unwrap()
    }

    #[test]
    fn rfc_8032_test_1() {
        let key =
            SigningKey::from_seed(bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
        assert_eq!(
            key.public().as_bytes(),
            &bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        );
        let signature = key.sign(b"");
        assert!(super::super::hex::encode(&signature).starts_with("e5564300c360ac729086e2cc806e828a"));
        assert_eq!(key.public().verify(b"", &signature), Ok(()));
        assert_eq!(key.public().verify(b"x", &signature), Err(BadSignature));
    }

    #[test]
    fn keys_that_break_agreement_are_refused() {
        let cases = [
            // The eight points of small order that have a canonical encoding begin with these.
            ("0100000000000000000000000000000000000000000000000000000000000000", KeyError::SmallOrder),
            ("0000000000000000000000000000000000000000000000000000000000000000", KeyError::SmallOrder),
            ("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", KeyError::SmallOrder),
            ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", KeyError::SmallOrder),
            ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", KeyError::SmallOrder),
            // y = p and y = p + 1: other spellings of 0 and 1.
            ("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", KeyError::NotCanonical),
            ("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", KeyError::NotCanonical),
            // y = 2 is on no point.
            ("0200000000000000000000000000000000000000000000000000000000000000", KeyError::NotAPoint),
        ];
        for (hex, want) in cases {
            assert_eq!(PublicKey::from_bytes(&bytes(hex)), Err(want), "{hex}");
        }
    }

    #[test]
    fn small_order_is_what_the_curve_library_says() {
        for point in SMALL_ORDER {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&point).unwrap();
            assert!(key.is_weak() && key.to_bytes() == point && y_is_canonical(&point));
        }
        let distinct: std::collections::BTreeSet<_> = SMALL_ORDER.into_iter().collect();
        assert_eq!(distinct.len(), 8, "the torsion subgroup has eight points");
    }

    /// Against `verify_strict`, over signatures that are good, changed in one place, or made of points of small order.
    #[test]
    fn verification_is_as_strict_as_the_library() {
        let (mut good, mut bad) = (0, 0);
        let mut compare = |prepared: &PreparedKey, message: &[u8], signature: [u8; 64]| {
            let key = prepared.public();
            let want =
                key.0.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature)).is_ok();
            assert_eq!(key.verify(message, &signature).is_ok(), want, "{signature:02x?}");
            assert_eq!(prepared.verify(message, &signature).is_ok(), want, "prepared: {signature:02x?}");
            *(if want { &mut good } else { &mut bad }) += 1;
        };
        for seed in 1..=20 {
            let signer = SigningKey::from_seed([seed; 32]);
            let (key, message) = (PreparedKey::new(&signer.public()), [seed; 40]);
            let signature = signer.sign(&message);
            compare(&key, &message, signature);
            for place in 0..64 {
                let mut changed = signature;
                changed[place] ^= 1 << (seed % 8);
                compare(&key, &message, changed);
            }
            for point in SMALL_ORDER {
                let mut small = signature;
                small[..32].copy_from_slice(&point);
                compare(&key, &message, small);
                small[32..].fill(0);
                compare(&key, &message, small);
            }
        }
        assert_eq!((good, bad), (20, 20 * 80));
    }

    /// A signature that plain verification takes and strict verification does not: R of small order, made by whoever has the key.
    #[test]
    fn an_r_of_small_order_is_refused_although_the_equation_holds() {
        // Key of scalar 1 mod the group order (the base point): with R the identity, s = k fits, whatever k is.
        use sha2::Digest as _;
        let base: [u8; 32] = bytes("5866666666666666666666666666666666666666666666666666666666666666");
        let key = PublicKey::from_bytes(&base).unwrap();
        let identity = SMALL_ORDER[0];
        let hash: [u8; 64] = sha2::Sha512::new()
            .chain_update(identity)
            .chain_update(base)
            .chain_update(b"m")
            .finalize()
            .into();
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&identity);
        signature[32..].copy_from_slice(&reduce(&hash));
        let parsed = ed25519_dalek::Signature::from_bytes(&signature);
        assert!(ed25519_dalek::Verifier::verify(&key.0, b"m", &parsed).is_ok(), "the equation holds");
        assert!(key.0.verify_strict(b"m", &parsed).is_err());
        assert_eq!(key.verify(b"m", &signature), Err(BadSignature));
        assert_eq!(PreparedKey::new(&key).verify(b"m", &signature), Err(BadSignature));
    }

    /// 64 little-endian bytes modulo the group order, by long division bit by bit.
    fn reduce(hash: &[u8; 64]) -> [u8; 32] {
        let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut rest = [0u8; 32];
        for bit in (0..512).rev() {
            let mut carry = hash[bit / 8] >> (bit % 8) & 1;
            for byte in &mut rest {
                let next = *byte >> 7;
                *byte = *byte << 1 | carry;
                carry = next;
            }
            if rest.iter().rev().ge(order.iter().rev()) {
                let mut borrow = 0i16;
                for (byte, part) in rest.iter_mut().zip(order) {
                    let difference = i16::from(*byte) - i16::from(part) - borrow;
                    borrow = i16::from(difference < 0);
                    *byte = difference as u8;
                }
            }
        }
        rest
    }

    #[test]
    fn a_signature_with_an_unreduced_s_is_refused() {
        let key = SigningKey::from_seed([7; 32]);
        let mut signature = key.sign(b"m");
        // Adds the group order to s: the classic malleability.
        let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut carry = 0u16;
        for (s, l) in signature[32..].iter_mut().zip(order) {
            carry += u16::from(*s) + u16::from(l);
            *s = carry as u8;
            carry >>= 8;
        }
        assert_eq!(key.public().verify(b"m", &signature), Err(BadSignature));
        assert_eq!(PreparedKey::new(&key.public()).verify(b"m", &signature), Err(BadSignature));
    }

    #[test]
    fn texts_have_one_spelling() {
        let key = SigningKey::from_seed([7; 32]);
        let text = key.public().to_string();
        assert_eq!(PublicKey::parse(&text), Ok(key.public()));
        for bad in
            [format!("{text}="), format!(" {text}"), text[1..].to_string(), text.replace(&text[..1], "+")]
        {
            assert_eq!(PublicKey::parse(&bad), Err(KeyError::Encoding), "{bad}");
        }
        let seed = key.to_seed_text();
        assert_eq!(SigningKey::parse_seed_text(&seed).unwrap().public(), key.public());
        assert!(SigningKey::parse_seed_text(seed.trim_end()).is_err());
        assert!(!format!("{key:?}").contains(&seed[SEED_PREFIX.len()..SEED_PREFIX.len() + 8]));
        assert_eq!(Kid::parse(&key.kid().to_string()), Some(key.kid()));
    }
}
