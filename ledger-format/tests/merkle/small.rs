//! Every size to 1,100: past four full tiles, so that every shape of a tile's edge occurs.

use std::collections::BTreeSet;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ledger_format::*;
use rs_merkle::{Hasher, MerkleTree};
use sha2::Sha256;

use crate::trees::{Tree, bytes, entry, ours};

const SIZE_MAX: u64 = 1_100;

/// `rs_merkle` with the hashes of RFC 6962, written here again so as not to test ours by ours.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        use sha2::Digest;
        Sha256::digest(data).into()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| Self::hash(&[&[1][..], left, right].concat()))
    }
}

/// The edges of a tree of this size, and the places where it is split.
fn places(size: u64) -> BTreeSet<u64> {
    let split = 1 << (63 - size.leading_zeros());
    [0, 1, size / 3, size / 2, size - 1, size.saturating_sub(2), split - 1, split, 255, 256]
        .into_iter()
        .filter(|&place| place < size)
        .collect()
}

#[test]
fn roots_and_proofs_agree_with_three_implementations() {
    let (mut tree, mut frontier) = (Tree::default(), Frontier::new());
    let mut ct: MemoryBackedTree<Sha256, Vec<u8>> = MemoryBackedTree::new();
    for size in 1..=SIZE_MAX {
        let leaf = leaf_hash(&entry(size - 1));
        tree.push(leaf);
        frontier.push(leaf);
        ct.push(entry(size - 1));

        let Ok(root) = tree_root(&tree, size);
        assert_eq!(frontier.root(), root, "frontier, size {size}");
        assert_eq!(frontier.size(), size);
        let tlog = tlog_tiles::tree_hash(size, &tree).expect("in memory");
        assert_eq!(tlog.0, root.0, "tlog_tiles, size {size}");
        assert_eq!(ct.root().as_bytes().as_slice(), root.0, "ct_merkle, size {size}");
        let leaves: Vec<[u8; 32]> = tree.leaves().iter().map(|hash| hash.0).collect();
        let rs = MerkleTree::<Rfc6962>::from_leaves(&leaves);
        assert_eq!(rs.root(), Some(root.0), "rs_merkle, size {size}");

        for index in places(size) {
            let Ok(proof) = prove_inclusion(&tree, index, size);
            let tlog = tlog_tiles::prove_record(size, index, &tree).expect("in memory");
            assert_eq!(proof, ours(&tlog), "tlog_tiles, {index} of {size}");
            let (at, leaf) = (index as usize, tree.leaves()[index as usize]);
            assert_eq!(ct.prove_inclusion(at).as_bytes(), bytes(&proof), "ct_merkle, {index} of {size}");
            assert_eq!(rs.proof(&[at]).to_bytes(), bytes(&proof), "rs_merkle, {index} of {size}");
            assert_eq!(verify_inclusion(leaf, index, size, &proof, root), Ok(()), "{index} of {size}");
        }
        for old in places(size).into_iter().filter(|&old| old > 0).chain([size]) {
            let Ok(proof) = prove_consistency(&tree, old, size);
            let tlog = tlog_tiles::prove_tree(size, old, &tree).expect("in memory");
            assert_eq!(proof, ours(&tlog), "tlog_tiles, {old} to {size}");
            if old < size {
                let additions = (size - old) as usize;
                assert_eq!(
                    ct.prove_consistency(additions).as_bytes(),
                    bytes(&proof),
                    "ct_merkle, {old} to {size}"
                );
            }
            let Ok(old_root) = tree_root(&tree, old);
            assert_eq!(verify_consistency(old, size, &proof, old_root, root), Ok(()), "{old} to {size}");
        }
    }
}

#[test]
fn every_index_and_every_pair_of_small_trees() {
    let tree = Tree::of(260);
    for size in 1..=260 {
        let Ok(root) = tree_root(&tree, size);
        for index in 0..size {
            let Ok(proof) = prove_inclusion(&tree, index, size);
            let leaf = tree.leaves()[index as usize];
            assert_eq!(verify_inclusion(leaf, index, size, &proof, root), Ok(()), "{index} of {size}");
        }
        for old in 0..=size {
            let Ok(proof) = prove_consistency(&tree, old, size);
            let Ok(old_root) = tree_root(&tree, old);
            assert_eq!(verify_consistency(old, size, &proof, old_root, root), Ok(()), "{old} to {size}");
        }
    }
}

#[test]
fn every_subtree_of_small_trees() {
    let tree = Tree::of(70);
    for size in 0..=70 {
        let Ok(root) = tree_root(&tree, size);
        for end in 0..=size {
            for start in (0..=end).filter(|&start| merkle::is_subtree(start, end, size)) {
                let part = &tree.leaves()[start as usize..end as usize];
                let Ok(subtree) = tree_root(part, end - start);
                let Ok(proof) = prove_subtree(&tree, start, end, size);
                let verified = verify_subtree(start, end, size, &proof, subtree, root);
                assert_eq!(verified, Ok(()), "[{start}, {end}) of {size}");
                if end - start == 1 {
                    let Ok(path) = prove_inclusion(&tree, start, size);
                    assert_eq!(proof, path, "a subtree of one entry has its audit path");
                }
                if start == 0 && end > 0 {
                    let Ok(path) = prove_consistency(&tree, end, size);
                    assert_eq!(proof, path, "a subtree from 0 has the consistency proof");
                }
            }
        }
    }
}

/// Any interval is covered by at most two subtrees: the reason for their definition.
#[test]
fn subtrees_are_aligned_intervals() {
    for (start, end, size, want) in [
        (0, 0, 0, true),
        (3, 3, 3, true),
        (4, 8, 8, true),
        (4, 7, 8, true),
        (2, 5, 8, false),
        (8, 7, 8, false),
        (0, 9, 8, false),
        (0, u64::MAX, u64::MAX, true),
        (1 << 63, u64::MAX, u64::MAX, true),
        (1, u64::MAX, u64::MAX, false),
    ] {
        assert_eq!(merkle::is_subtree(start, end, size), want, "[{start}, {end}) of {size}");
    }
}
