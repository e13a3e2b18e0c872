//! The bytes of a receipt.

use super::cbor::{Reader, Writer};
use super::{COSE_RECEIPT_BYTES_MAX, CoseError, CoseProof, CoseReceipt};
use crate::merkle::{Hash, PROOF_HASHES_MAX};
use crate::note::KeyId;

/// CBOR tag of COSE_Sign1 (RFC 9052 section 2).
const COSE_SIGN1: u64 = 18;
/// Header labels (RFC 9052 section 3.1, RFC 9942 section 2).
const LABEL_ALG: i64 = 1;
const LABEL_KID: i64 = 4;
const LABEL_VDS: i64 = 395;
const LABEL_VDP: i64 = 396;
/// Algorithm EdDSA (RFC 9053 section 2.2).
const ALG_EDDSA: i64 = -8;
/// Verifiable data structure RFC9162_SHA256 and the keys of its proofs (RFC 9942 section 5).
const VDS_RFC9162_SHA256: i64 = 1;
const PROOF_INCLUSION: i64 = -1;
const PROOF_CONSISTENCY: i64 = -2;

/// What the log signs: the Sig_structure of RFC 9052 section 4.4 with the root as payload.
pub(super) fn signed_bytes(key_id: KeyId, root: Hash) -> Vec<u8> {
    let protected = protected_header(key_id);
    Writer::default().array(4).text("Signature1").bytes(&protected).bytes(&[]).bytes(&root.0).finish()
}

fn protected_header(key_id: KeyId) -> Vec<u8> {
    Writer::default()
        .map(3)
        .int(LABEL_ALG)
        .int(ALG_EDDSA)
        .int(LABEL_KID)
        .bytes(&key_id.0)
        .int(LABEL_VDS)
        .int(VDS_RFC9162_SHA256)
        .finish()
}

fn parse_protected_header(bytes: &[u8]) -> Result<KeyId, CoseError> {
    let mut reader = Reader::new(bytes);
    reader.expect_map(3)?;
    reader.expect_int(LABEL_ALG)?;
    if reader.int()? != ALG_EDDSA {
        return Err(CoseError::Algorithm);
    }
    reader.expect_int(LABEL_KID)?;
    let key_id = reader.bytes()?.try_into().map_err(|_| CoseError::OtherKey)?;
    reader.expect_int(LABEL_VDS)?;
    if reader.int()? != VDS_RFC9162_SHA256 {
        return Err(CoseError::DataStructure);
    }
    reader.finish()?;
    Ok(KeyId(key_id))
}

impl CoseReceipt {
    /// The exact bytes of the receipt.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (key, proof) = match &self.proof {
            CoseProof::Inclusion { size, index, path } => (PROOF_INCLUSION, proof_bytes(*size, *index, path)),
            CoseProof::Consistency { old, new, path } => (PROOF_CONSISTENCY, proof_bytes(*old, *new, path)),
        };
        Writer::default()
            .tag(COSE_SIGN1)
            .array(4)
            .bytes(&protected_header(self.key_id))
            .map(1)
            .int(LABEL_VDP)
            .map(1)
            .int(key)
            .array(1)
            .bytes(&proof)
            .null()
            .bytes(&self.signature)
            .finish()
    }

    /// Reads a receipt.
    pub fn parse(bytes: &[u8]) -> Result<Self, CoseError> {
        if bytes.len() > COSE_RECEIPT_BYTES_MAX {
            return Err(CoseError::TooLong { got: bytes.len() });
        }
        let mut reader = Reader::new(bytes);
        reader.expect_tag(COSE_SIGN1)?;
        reader.expect_array(4)?;
        let key_id = parse_protected_header(reader.bytes()?)?;
        reader.expect_map(1)?;
        reader.expect_int(LABEL_VDP)?;
        reader.expect_map(1)?;
        let key = reader.int()?;
        reader.expect_array(1)?;
        let (first, second, path) = parse_proof_bytes(reader.bytes()?)?;
        let proof = match key {
            PROOF_INCLUSION => CoseProof::Inclusion { size: first, index: second, path },
            PROOF_CONSISTENCY => CoseProof::Consistency { old: first, new: second, path },
            _ => return Err(CoseError::ProofType),
        };
        proof.check()?;
        reader.expect_null()?;
        let signature = reader.bytes()?;
        reader.finish()?;
        let signature =
            signature.try_into().map_err(|_| CoseError::Signature(length_error(signature.len())))?;
        Ok(Self { key_id, proof, signature })
    }
}

fn length_error(got: usize) -> crate::note::SignatureError {
    crate::note::SignatureError::Length { want: 64, got }
}

fn proof_bytes(first: u64, second: u64, path: &[Hash]) -> Vec<u8> {
    let head = Writer::default().array(3).unsigned(first).unsigned(second).array(path.len());
    path.iter().fold(head, |writer, hash| writer.bytes(&hash.0)).finish()
}

fn parse_proof_bytes(bytes: &[u8]) -> Result<(u64, u64, Vec<Hash>), CoseError> {
    let mut reader = Reader::new(bytes);
    reader.expect_array(3)?;
    let (first, second) = (reader.unsigned()?, reader.unsigned()?);
    let count = reader.array()?;
    if count == 0 || count > PROOF_HASHES_MAX as u64 {
        return Err(CoseError::PathLength);
    }
    let mut path = Vec::new();
    for _ in 0..count {
        let hash = reader.bytes()?.try_into().map_err(|_| CoseError::PathLength)?;
        path.push(Hash(hash));
    }
    reader.finish()?;
    Ok((first, second, path))
}
