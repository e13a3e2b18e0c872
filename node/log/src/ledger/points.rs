//! Signers' keys as points of the curve, kept from one caller to the next.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use ledger_format::record::PublicKey;
use ledger_state::Points;

/// Keys that are kept; about 300 bytes each.
const KEYS_MAX: usize = 16_384;

/// The points of keys that signed lately. Says nothing about whether they may sign: the state does.
#[derive(Default)]
pub(crate) struct KeyPoints(RwLock<HashMap<[u8; 32], PublicKey>>);

impl Points for KeyPoints {
    fn get(&self, public: &[u8; 32]) -> Option<PublicKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(public).copied()
    }

    fn put(&self, point: PublicKey) {
        let mut points = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if points.len() >= KEYS_MAX {
            // Filling again costs 4 us a key; an exact order of use is not worth its bookkeeping.
            points.clear();
        }
        points.insert(*point.as_bytes(), point);
    }
}

#[cfg(test)]
mod tests {
    use ledger_format::record::SigningKey;

    use super::*;

    #[test]
    fn what_was_put_is_found_and_nothing_else() {
        let (points, key) = (KeyPoints::default(), SigningKey::from_seed([1; 32]).public());
        assert_eq!(points.get(key.as_bytes()), None);
        points.put(key);
        assert_eq!(points.get(key.as_bytes()), Some(key));
        assert_eq!(points.get(&[2; 32]), None);
    }
}
