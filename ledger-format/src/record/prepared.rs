//! Keys that sign often: multiples of their points laid out in advance.
//!
//! A verification computes `s·B - k·A` from the base point `B`, the key's point `A` and two scalars, and most of its time are 256
//! doublings. With the multiples of a point in a table, one row for every few bits of a scalar, what is left is one addition a
//! row. The group's arithmetic is the curve library's, and so is the answer: that of [`PublicKey::verify`] for every input.
//!
//! Time depends on the scalars, which is no secret here: both are in a signature that anybody may read.

use std::sync::LazyLock;

use curve25519_dalek::{
    EdwardsPoint, Scalar, constants::ED25519_BASEPOINT_POINT, edwards::CompressedEdwardsY,
    traits::Identity as _,
};
use sha2::{Digest as _, Sha512};

use super::keys::{BadSignature, Kid, PublicKey, is_small_order};

/// Bits of a scalar in one row of a key's table: 51 rows of 16 points, 131 KB. One bit less takes two thirds of the room and a tenth more time.
const KEY_BITS: usize = 5;
/// The same for the base point, whose table all keys share: 32 rows of 128 points, 655 KB.
const BASE_BITS: usize = 8;
/// Bits that the rows of a table cover: a scalar has 253, and the highest row needs one for what the row below it borrows.
const SCALAR_BITS: usize = 254;

static BASE: LazyLock<Multiples<BASE_BITS>> = LazyLock::new(|| Multiples::new(&ED25519_BASEPOINT_POINT));

/// What checks a signature of a record: a [`PublicKey`], or a [`PreparedKey`] with the same answers in less time.
pub trait Verify {
    /// The key's fingerprint.
    fn kid(&self) -> Kid;

    /// Strict verification, see [`PublicKey::verify`].
    ///
    /// # Errors
    /// The signature does not fit.
    fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature>;
}

impl Verify for PublicKey {
    fn kid(&self) -> Kid {
        PublicKey::kid(self)
    }

    fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        PublicKey::verify(self, message, signature)
    }
}

/// A public key with its table of multiples. Making one takes about as long as seven verifications without it; a
/// verification with it two thirds as long.
pub struct PreparedKey {
    key: PublicKey,
    kid: Kid,
    /// Of the key's point with its sign changed: the equation takes it away.
    negated: Multiples<KEY_BITS>,
}

impl PreparedKey {
    /// Lays out the multiples of a key.
    #[must_use]
    pub fn new(key: &PublicKey) -> Self {
        PreparedKey { key: *key, kid: key.kid(), negated: Multiples::new(&-key.point()) }
    }

    /// The key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.key
    }
}

impl Verify for PreparedKey {
    fn kid(&self) -> Kid {
        self.kid
    }

    fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        let (r, s) = signature.split_first_chunk::<32>().ok_or(BadSignature)?;
        let s: &[u8; 32] = s.try_into().map_err(|_| BadSignature)?;
        if is_small_order(r) {
            return Err(BadSignature);
        }
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(*s)).ok_or(BadSignature)?;
        let hash = Sha512::new().chain_update(r).chain_update(self.key.as_bytes()).chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let computed = self.negated.add(&k, BASE.add(&s, EdwardsPoint::identity())).compress();
        if computed == CompressedEdwardsY(*r) { Ok(()) } else { Err(BadSignature) }
    }
}

impl std::fmt::Debug for PreparedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PreparedKey({})", self.key)
    }
}

/// `1·2^(BITS·row)·P` to `2^(BITS-1)·2^(BITS·row)·P` for each row of a point `P`.
struct Multiples<const BITS: usize>(Box<[EdwardsPoint]>);

impl<const BITS: usize> Multiples<BITS> {
    /// Multiples in a row. Digits go down to as much below zero: a point's negative costs nothing.
    const WIDTH: usize = 1 << (BITS - 1);
    const ROWS: usize = SCALAR_BITS.div_ceil(BITS);

    fn new(point: &EdwardsPoint) -> Self {
        let mut points = Vec::with_capacity(Self::ROWS * Self::WIDTH);
        let mut first = *point;
        for _ in 0..Self::ROWS {
            let mut multiple = first;
            for _ in 1..Self::WIDTH {
                points.push(multiple);
                multiple += first;
            }
            points.push(multiple);
            first = multiple + multiple;
        }
        Multiples(points.into())
    }

    /// `sum` and the point times `scalar`.
    fn add(&self, scalar: &Scalar, mut sum: EdwardsPoint) -> EdwardsPoint {
        // Eight bytes more, so that every row can be read as a word.
        let mut bytes = [0; 40];
        bytes[..32].copy_from_slice(scalar.as_bytes());
        let mut borrowed = 0;
        for (row, points) in self.0.chunks_exact(Self::WIDTH).enumerate() {
            let bit = row * BITS;
            let word = bytes[bit / 8..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
            let digit = (word >> (bit % 8)) as usize % (2 * Self::WIDTH) + borrowed;
            borrowed = usize::from(digit > Self::WIDTH);
            if borrowed == 1 {
                // The row above gives a whole turn; at digit 2·WIDTH nothing is left to take away.
                if let Some(taken) = (2 * Self::WIDTH - digit).checked_sub(1) {
                    sum -= points[taken];
                }
            } else if let Some(given) = digit.checked_sub(1) {
                sum += points[given];
            }
        }
        debug_assert_eq!(borrowed, 0, "no row is above the highest");
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SigningKey;

    /// Scalars at which digits carry, are zero, or are at their ends.
    fn scalars() -> Vec<Scalar> {
        let mut scalars = vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(2_u8)];
        for bit in 0..252 {
            let mut bytes = [0; 32];
            bytes[bit / 8] = 1 << (bit % 8);
            let power = Scalar::from_bytes_mod_order(bytes);
            scalars.extend([power, power - Scalar::ONE, -power]);
        }
        for seed in 0..64_u8 {
            let hash: [u8; 64] = Sha512::digest([seed]).into();
            scalars.push(Scalar::from_bytes_mod_order_wide(&hash));
        }
        scalars
    }

    fn multiplies<const BITS: usize>(point: EdwardsPoint) {
        let (multiples, start) =
            (Multiples::<BITS>::new(&point), ED25519_BASEPOINT_POINT + ED25519_BASEPOINT_POINT);
        for scalar in scalars() {
            // `vartime_double_scalar_mul_basepoint` takes the scalar as a number, as a verification does: right for points with a part of small order, too.
            let want =
                start + EdwardsPoint::vartime_double_scalar_mul_basepoint(&scalar, &point, &Scalar::ZERO);
            assert_eq!(multiples.add(&scalar, start), want, "{BITS} bits, {scalar:?}");
        }
    }

    #[test]
    fn a_table_multiplies_as_the_library_does() {
        let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
        let key = SigningKey::from_seed([9; 32]).public().point();
        for point in [ED25519_BASEPOINT_POINT, key, key + torsion, torsion, EdwardsPoint::identity()] {
            multiplies::<KEY_BITS>(point);
            multiplies::<BASE_BITS>(point);
            multiplies::<4>(point);
        }
    }

    #[test]
    fn a_prepared_key_says_which_key_it_is() {
        let key = SigningKey::from_seed([3; 32]).public();
        let prepared = PreparedKey::new(&key);
        assert_eq!((prepared.public(), Verify::kid(&prepared)), (&key, key.kid()));
        assert_eq!(format!("{prepared:?}"), format!("PreparedKey({key})"));
    }
}
