//! Tiles hold the tree: proofs read from them are the proofs of the tree.

use std::cell::RefCell;
use std::collections::BTreeSet;

use ledger_format::*;

use crate::trees::{Tree, entry};

/// Serves tiles of a tree in memory and remembers what was asked.
struct Tiles {
    tree: Tree,
    size: u64,
    asked: RefCell<BTreeSet<(u8, u64)>>,
}

impl TileReader for Tiles {
    type Error = String;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Vec<Hash>, String> {
        let id = TileId { level, index, width };
        assert!(self.asked.borrow_mut().insert((level, index)), "{} is read twice", id.path());
        let full = index < full_tiles(level, self.size);
        assert!(full && width == 256 || width == partial_width(level, self.size), "{}", id.path());
        // A tile's level is eight levels of the tree.
        let row = self.tree.row(usize::from(level) * 8);
        let start = index as usize * 256;
        row.get(start..start + usize::from(width)).map(<[Hash]>::to_vec).ok_or_else(|| id.path())
    }
}

#[test]
fn proofs_from_tiles_are_those_of_the_tree() {
    let mut tiles = Tiles { tree: Tree::of(70_000), size: 0, asked: RefCell::default() };
    for size in [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000, 70_000] {
        tiles.size = size;
        let root = tree_root(&tiles.tree, size).expect("in memory");
        for index in [0, size / 2, size - 1] {
            tiles.asked.borrow_mut().clear();
            let reader = TileHashReader::new(&tiles, size);
            assert_eq!(tree_root(&reader, size).expect("tiles are there"), root, "size {size}");
            let proof = prove_inclusion(&reader, index, size).expect("tiles are there");
            assert_eq!(verify_inclusion(leaf_hash(&entry(index)), index, size, &proof, root), Ok(()));
            let old = index + 1;
            let old_root = tree_root(&tiles.tree, old).expect("in memory");
            let proof = prove_consistency(&reader, old, size).expect("tiles are there");
            assert_eq!(verify_consistency(old, size, &proof, old_root, root), Ok(()));
        }
    }
}

#[test]
fn what_is_not_in_the_tree_is_an_error() {
    let tiles = Tiles { tree: Tree::of(300), size: 300, asked: RefCell::default() };
    let reader = TileHashReader::new(&tiles, 300);
    for (level, index) in [(0, 300), (0, u64::MAX), (5, 9), (8, 1), (63, 0), (255, 0), (7, u64::MAX)] {
        let got = reader.subtree(level, index);
        assert_eq!(got, Err(TileHashError::OutsideTree { level, index, size: 300 }));
    }
    assert!(tiles.asked.borrow().is_empty(), "nothing was read for them");
}

struct Liar;

impl TileReader for Liar {
    type Error = String;

    fn tile(&self, _: u8, _: u64, width: u16) -> Result<Vec<Hash>, String> {
        Ok(vec![Hash::default(); usize::from(width) - 1])
    }
}

#[test]
fn a_tile_of_the_wrong_width_is_an_error() {
    let got = TileHashReader::new(&Liar, 300).subtree(0, 5);
    assert_eq!(got, Err(TileHashError::Width { level: 0, index: 0, width: 256, got: 255 }));
}

/// Which tiles a log must write when it grows.
#[test]
fn tiles_of_a_growing_tree_are_those_of_the_oracle() {
    for (old, new) in [(0, 1), (255, 257), (256, 512), (65_535, 65_537), (65_536, 70_000)] {
        let oracle: BTreeSet<(u8, u64, u32)> = tlog_tiles::Tile::new_tiles(8, old, new)
            .iter()
            .map(|tile| (tile.level(), tile.level_index(), tile.width()))
            .collect();
        let mut ours = BTreeSet::new();
        for level in 0..8 {
            for index in full_tiles(level, old)..full_tiles(level, new) {
                ours.insert((level, index, 256));
            }
            let width = partial_width(level, new);
            let grew = (full_tiles(level, old), partial_width(level, old)) != (full_tiles(level, new), width);
            if width > 0 && grew {
                ours.insert((level, full_tiles(level, new), u32::from(width)));
            }
        }
        assert_eq!(ours, oracle, "{old} to {new}");
    }
}
