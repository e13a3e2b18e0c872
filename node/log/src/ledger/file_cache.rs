//! What was read from files lately and found right, so that the next reader neither reads nor hashes it again.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;

use super::tile_tree::TileTree;

/// Tiles that are kept, 16 KiB each.
const TILES_MAX: usize = 1_024;
/// Bundles that are kept: lists and the timeline go through entries that lie together.
const BUNDLES_MAX: usize = 8;
/// Bytes of the largest bundle that is kept; 256 entries of the largest size are 16 MiB.
const BUNDLE_BYTES_MAX: usize = 1 << 20;

/// Full tiles, kept because proofs read the same upper tiles again and again.
#[derive(Default)]
pub(super) struct TileCache {
    tiles: HashMap<(u8, u64), Arc<TileTree>>,
}

impl TileCache {
    pub(super) fn get(&self, id: (u8, u64)) -> Option<Arc<TileTree>> {
        self.tiles.get(&id).cloned()
    }

    pub(super) fn put(&mut self, id: (u8, u64), tile: Arc<TileTree>) {
        if self.tiles.len() >= TILES_MAX {
            // Refilling is one file read a tile; an exact order of use is not worth its bookkeeping.
            self.tiles.clear();
        }
        self.tiles.insert(id, tile);
    }

    pub(super) fn clear(&mut self) {
        self.tiles.clear();
    }
}

/// The entries of bundles that every reader would otherwise hash anew, the one used last in front.
#[derive(Default)]
pub(super) struct BundleCache {
    bundles: VecDeque<(u64, Arc<[Bytes]>)>,
}

impl BundleCache {
    pub(super) fn get(&mut self, index: u64) -> Option<Arc<[Bytes]>> {
        let place = self.bundles.iter().position(|(kept, _)| *kept == index)?;
        let bundle = self.bundles.remove(place)?;
        let entries = Arc::clone(&bundle.1);
        self.bundles.push_front(bundle);
        Some(entries)
    }

    pub(super) fn put(&mut self, index: u64, entries: Arc<[Bytes]>) {
        if entries.iter().map(Bytes::len).sum::<usize>() > BUNDLE_BYTES_MAX {
            return;
        }
        self.bundles.retain(|(kept, _)| *kept != index);
        self.bundles.truncate(BUNDLES_MAX - 1);
        self.bundles.push_front((index, entries));
    }

    pub(super) fn clear(&mut self) {
        self.bundles.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &'static str) -> Arc<[Bytes]> {
        [Bytes::from_static(text.as_bytes())].into()
    }

    #[test]
    fn the_bundles_used_last_are_kept() {
        let mut cache = BundleCache::default();
        for index in 0..20 {
            cache.put(index, entries("one"));
            assert!(cache.get(0).is_some(), "used after each");
            assert!(cache.bundles.len() <= BUNDLES_MAX);
        }
        assert!(cache.get(12).is_none() && cache.get(13).is_some() && cache.get(19).is_some());
        cache.put(19, entries("another"));
        assert_eq!((cache.get(19), cache.bundles.len()), (Some(entries("another")), BUNDLES_MAX));
        cache.clear();
        assert!(cache.get(19).is_none());
    }

    #[test]
    fn large_bundles_are_not_kept() {
        let mut cache = BundleCache::default();
        let large = Bytes::from(vec![0; BUNDLE_BYTES_MAX / 2]);
        cache.put(1, [large.clone(), large.clone()].into());
        cache.put(2, [large.clone(), large, Bytes::from_static(b"x")].into());
        assert!(cache.get(1).is_some() && cache.get(2).is_none());
    }
}
