//! Signers' keys, kept from one record to the next as what verifies them: points of the curve, and tables for those that sign often.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

use ledger_format::record::{BadSignature, Kid, PreparedKey, PublicKey, Verify};

use crate::applied::Alarm;
use crate::values::SignerKey;

/// Keys that are kept; about 300 bytes each.
const KEYS_MAX: usize = 16_384;
/// Tables that are kept; 131 KB each, 16 MB together.
const TABLES_MAX: u32 = 128;
/// Signatures after which a key gets a table. It costs about as much as 25 verifications with it save, so keys that come and go
/// too many for all tables lose little.
const USES_UNTIL_TABLE: u32 = 64;

/// A key as what verifies signatures.
#[derive(Clone, Debug)]
pub enum Point {
    /// Decoded.
    Decoded(PublicKey),
    /// With a table.
    Prepared(Arc<PreparedKey>),
}

impl Verify for Point {
    fn kid(&self) -> Kid {
        match self {
            Point::Decoded(key) => key.kid(),
            Point::Prepared(key) => key.kid(),
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        match self {
            Point::Decoded(key) => key.verify(message, signature),
            Point::Prepared(key) => key.verify(message, signature),
        }
    }
}

/// Keys that were turned into points before: that costs a tenth of a verification. Which keys are valid is not asked here.
pub trait Points {
    /// The point of a key's bytes.
    fn get(&self, public: &[u8; 32]) -> Option<Point>;
    /// Remembers a point, if there is room.
    fn put(&self, point: PublicKey);
}

/// The point of a signer's key, decoded only if it is not remembered.
///
/// # Errors
/// The state holds a key that is none: it is damaged.
pub(crate) fn point_of(points: &dyn Points, key: &SignerKey) -> Result<Point, Alarm> {
    if let Some(point) = points.get(&key.public) {
        return Ok(point);
    }
    let point = PublicKey::from_bytes(&key.public).map_err(|e| {
        let reason = format!("the key {} of a signer: {e}", key.kid);
        Alarm::CorruptState { key: key.public.to_vec(), reason }
    })?;
    points.put(point);
    Ok(Point::Decoded(point))
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoPoints;

impl Points for NoPoints {
    fn get(&self, _: &[u8; 32]) -> Option<Point> {
        None
    }

    fn put(&self, _: PublicKey) {}
}

/// Remembers the keys that signed lately, for all threads; 16,384 keys and 128 tables at most.
#[derive(Debug, Default)]
pub struct KeptPoints(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    keys: BTreeMap<[u8; 32], Key>,
    tables: u32,
}

#[derive(Debug)]
struct Key {
    point: Point,
    /// Times that it was asked for without a table.
    uses: AtomicU32,
}

impl KeptPoints {
    /// Gives a key its table, unless another thread did.
    fn prepare(&self, key: &PublicKey) -> Point {
        // Outside the lock: it takes a few hundred microseconds.
        let prepared = Point::Prepared(Arc::new(PreparedKey::new(key)));
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.tables >= TABLES_MAX {
            // As with the keys: no order of use is kept, and each starts again.
            for key in kept.keys.values_mut() {
                if let Point::Prepared(prepared) = &key.point {
                    *key = Key { point: Point::Decoded(*prepared.public()), uses: AtomicU32::new(0) };
                }
            }
            kept.tables = 0;
        }
        match kept.keys.get_mut(key.as_bytes()) {
            Some(kept_key) if matches!(kept_key.point, Point::Decoded(_)) => {
                kept_key.point = prepared.clone();
                kept.tables += 1;
            }
            // Another thread was sooner, or the key was forgotten meanwhile.
            _ => {}
        }
        prepared
    }
}

impl Points for KeptPoints {
    fn get(&self, public: &[u8; 32]) -> Option<Point> {
        let decoded = {
            let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let key = kept.keys.get(public)?;
            match &key.point {
                // Of all threads that ask at once, one reaches the number exactly.
                Point::Decoded(point) if key.uses.fetch_add(1, Ordering::Relaxed) + 1 == USES_UNTIL_TABLE => {
                    *point
                }
                point => return Some(point.clone()),
            }
        };
        Some(self.prepare(&decoded))
    }

    fn put(&self, point: PublicKey) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.keys.contains_key(point.as_bytes()) {
            return;
        }
        if kept.keys.len() >= KEYS_MAX {
            // Filling again costs 4 us a key; an exact order of use is not worth its bookkeeping.
            *kept = Kept::default();
        }
        kept.keys.insert(*point.as_bytes(), Key { point: Point::Decoded(point), uses: AtomicU32::new(0) });
    }
}

#[cfg(test)]
mod tests {
    use ledger_format::record::SigningKey;

    use super::*;

    fn tables(points: &KeptPoints) -> u32 {
        let kept = points.0.read().unwrap();
        let counted = kept.keys.values().filter(|key| matches!(key.point, Point::Prepared(_))).count();
        assert_eq!(counted, kept.tables as usize);
        kept.tables
    }

    fn use_often(points: &KeptPoints, key: &PublicKey) -> Point {
        (1..USES_UNTIL_TABLE)
            .for_each(|_| assert!(matches!(points.get(key.as_bytes()), Some(Point::Decoded(_)))));
        points.get(key.as_bytes()).unwrap()
    }

    #[test]
    fn what_was_put_is_found_and_nothing_else() {
        let (points, key) = (KeptPoints::default(), SigningKey::from_seed([1; 32]).public());
        assert!(points.get(key.as_bytes()).is_none());
        points.put(key);
        assert!(matches!(points.get(key.as_bytes()), Some(Point::Decoded(found)) if found == key));
        assert!(points.get(&[2; 32]).is_none());
    }

    #[test]
    fn a_key_that_signs_often_gets_a_table_once() {
        let (points, signer) = (KeptPoints::default(), SigningKey::from_seed([1; 32]));
        points.put(signer.public());
        let point = use_often(&points, &signer.public());
        points.put(signer.public());
        assert!(matches!(points.get(signer.public().as_bytes()), Some(Point::Prepared(_))), "it stays");
        let signature = signer.sign(b"m");
        assert_eq!((point.kid(), tables(&points)), (signer.kid(), 1));
        assert_eq!(
            (point.verify(b"m", &signature), point.verify(b"n", &signature)),
            (Ok(()), Err(BadSignature))
        );
    }

    #[test]
    fn tables_are_bounded() {
        let points = KeptPoints::default();
        for seed in 0..=TABLES_MAX as u8 {
            let key = SigningKey::from_seed([seed; 32]).public();
            points.put(key);
            assert!(matches!(use_often(&points, &key), Point::Prepared(_)));
            assert!(tables(&points) <= TABLES_MAX);
        }
        assert_eq!(tables(&points), 1, "all others were given up for the last one");
        let first = SigningKey::from_seed([0; 32]).public();
        assert!(
            matches!(use_often(&points, &first), Point::Prepared(_)),
            "and are counted from the beginning"
        );
    }
}
