//! The signature algorithms behind note keys: the only file that names their crates.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

/// Bytes of an Ed25519 signature.
pub(super) const ED25519_SIGNATURE_BYTES: usize = 64;
/// Bytes of an Ed25519 public key.
pub(super) const ED25519_PUBLIC_BYTES: usize = 32;
/// Bytes of an ML-DSA-44 signature (FIPS 204).
pub(super) const ML_DSA_44_SIGNATURE_BYTES: usize = 2_420;
/// Bytes of an ML-DSA-44 public key (FIPS 204).
pub(super) const ML_DSA_44_PUBLIC_BYTES: usize = 1_312;

/// A public key, decoded once so that each verification does only the verification.
#[derive(Clone, Debug)]
pub(super) enum PublicKey {
    Ed25519(VerifyingKey),
    #[cfg(feature = "ml-dsa")]
    MlDsa44(Box<ml_dsa::VerifyingKey<ml_dsa::MlDsa44>>),
    /// A well-formed key whose algorithm is not part of this build.
    #[cfg(not(feature = "ml-dsa"))]
    Unsupported,
}

impl PublicKey {
    /// `None` if the bytes are no point, or one of small order, for which anybody can sign.
    pub(super) fn ed25519(bytes: &[u8; ED25519_PUBLIC_BYTES]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(bytes).ok()?;
        // A y coordinate over the field's prime decodes too; its canonical form is another text of the key.
        let canonical = key.to_edwards().compress().as_bytes() == bytes;
        (!key.is_weak() && canonical).then_some(Self::Ed25519(key))
    }

    #[cfg(feature = "ml-dsa")]
    pub(super) fn ml_dsa_44(bytes: &[u8; ML_DSA_44_PUBLIC_BYTES]) -> Option<Self> {
        let encoded = ml_dsa::EncodedVerifyingKey::<ml_dsa::MlDsa44>::try_from(bytes.as_slice()).ok()?;
        Some(Self::MlDsa44(Box::new(ml_dsa::VerifyingKey::decode(&encoded))))
    }

    #[cfg(not(feature = "ml-dsa"))]
    pub(super) fn ml_dsa_44(_: &[u8; ML_DSA_44_PUBLIC_BYTES]) -> Option<Self> {
        Some(Self::Unsupported)
    }

    /// `None` when this build cannot tell. Ed25519 is checked strictly, so that all verifiers agree.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        match self {
            Self::Ed25519(key) => {
                let signature = ed25519_dalek::Signature::from_slice(signature).ok();
                Some(signature.is_some_and(|signature| key.verify_strict(message, &signature).is_ok()))
            }
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(key) => {
                let signature = ml_dsa::Signature::<ml_dsa::MlDsa44>::try_from(signature).ok();
                Some(signature.is_some_and(|signature| key.verify_with_context(message, &[], &signature)))
            }
            #[cfg(not(feature = "ml-dsa"))]
            Self::Unsupported => None,
        }
    }
}

/// A private key. Wiped when dropped; has no `Debug`.
pub(super) enum PrivateKey {
    Ed25519(Box<SigningKey>),
    #[cfg(feature = "ml-dsa")]
    MlDsa44(Box<ml_dsa::SigningKey<ml_dsa::MlDsa44>>),
}

impl PrivateKey {
    pub(super) fn ed25519(seed: &[u8; 32]) -> Self {
        Self::Ed25519(Box::new(SigningKey::from_bytes(seed)))
    }

    #[cfg(feature = "ml-dsa")]
    pub(super) fn ml_dsa_44(seed: &[u8; 32]) -> Self {
        Self::MlDsa44(Box::new(ml_dsa::SigningKey::from_seed(&(*seed).into())))
    }

    pub(super) fn seed(&self) -> [u8; 32] {
        match self {
            Self::Ed25519(key) => key.to_bytes(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(key) => key.to_seed().into(),
        }
    }

    pub(super) fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(key) => key.expanded_key().verifying_key().encode().to_vec(),
        }
    }

    /// Deterministic for both algorithms: the same message always has the same signature.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(key) => key
                .expanded_key()
                .sign_deterministic(message, &[])
                .expect("an empty context is never too long")
                .encode()
                .to_vec(),
        }
    }
}
