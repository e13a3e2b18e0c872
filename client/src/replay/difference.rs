//! Where entries that were read begin to differ from the tree that the log signed.
//!
//! Nothing here is needed to refuse a copy. It names the place: from the top of the tree down, always into the first half that
//! differs, so it costs a few tiles however long the log is.

use ledger_format::{
    Checkpoint, Hash, HashReader, TileHashReader, node_hash, prove_subtree, tree_root, verify_subtree,
};
use ledger_state::View;

use crate::source::{Source, Tiles};

/// The first of the first `size` entries of `ours` that is not the one in the signed tree. `None` if there is none, or if the
/// tiles are not those of the signed tree and show nothing.
pub(super) fn first_difference<S: Source>(
    source: &S,
    signed: &Checkpoint,
    ours: &impl View,
    size: u64,
) -> Option<u64> {
    if size == 0 || size > signed.size {
        return None;
    }
    let tiles = Tiles(source);
    let theirs = TileHashReader::new(&tiles, signed.size);
    let root = tree_root(&theirs, size).ok()?;
    let hashes = prove_subtree(&theirs, 0, size, signed.size).ok()?;
    verify_subtree(0, size, signed.size, &hashes, root, signed.root).ok()?;
    // The root binds the hashes that it was made of: those of the complete subtrees, the largest first.
    let mut start = 0;
    for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
        let index = start >> level;
        if theirs.subtree(level, index).ok()? != ours.subtree(level, index)? {
            return descend(&theirs, ours, level, index);
        }
        start += 1 << level;
    }
    None
}

/// Goes down from a subtree that differs to its first leaf that does.
fn descend(theirs: &impl HashReader, ours: &impl View, level: u8, index: u64) -> Option<u64> {
    let (mut index, mut hash) = (index, theirs.subtree(level, index).ok()?);
    for level in (0..level).rev() {
        let [left, right]: [Hash; 2] =
            [theirs.subtree(level, index * 2).ok()?, theirs.subtree(level, index * 2 + 1).ok()?];
        if node_hash(left, right) != hash {
            return None;
        }
        let is_left = left != ours.subtree(level, index * 2)?;
        (index, hash) = if is_left { (index * 2, left) } else { (index * 2 + 1, right) };
    }
    Some(index)
}
