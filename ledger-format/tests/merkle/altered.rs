//! Proofs hold only as issued: nothing turned, missing, added or moved.

use ledger_format::*;

use crate::trees::Tree;

/// Every proof that differs from a good one by one turned bit, one hash less or one hash more.
fn alterations(proof: &[Hash], root: Hash) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for place in 0..proof.len() {
        for bit in [0, 100, 255] {
            let mut turned = proof.to_vec();
            turned[place].0[bit / 8] ^= 1 << (bit % 8);
            all.push(turned);
        }
        let mut shorter = proof.to_vec();
        shorter.remove(place);
        all.push(shorter);
        if place > 0 && proof[place - 1] != proof[place] {
            let mut swapped = proof.to_vec();
            swapped.swap(place - 1, place);
            all.push(swapped);
        }
    }
    for place in 0..=proof.len() {
        for extra in [root, proof.get(place).copied().unwrap_or_default()] {
            let mut longer = proof.to_vec();
            longer.insert(place, extra);
            all.push(longer);
        }
    }
    all
}

#[test]
fn inclusion() {
    let tree = Tree::of(40);
    for size in 1..=40 {
        let Ok(root) = tree_root(&tree, size);
        for index in 0..size {
            let Ok(proof) = prove_inclusion(&tree, index, size);
            let leaf = tree.leaves()[index as usize];
            for altered in alterations(&proof, root) {
                assert!(verify_inclusion(leaf, index, size, &altered, root).is_err(), "{index} of {size}");
            }
            for other in (0..size).filter(|&other| other != index) {
                let moved = verify_inclusion(leaf, other, size, &proof, root);
                assert!(moved.is_err(), "{index} of {size} as {other}");
            }
            let other = tree.leaves()[(index as usize + 1) % 40];
            assert!(verify_inclusion(other, index, size, &proof, root).is_err());
            assert!(verify_inclusion(leaf, index, size, &proof, leaf_hash(b"")).is_err());
        }
    }
}

#[test]
fn consistency() {
    let tree = Tree::of(40);
    for size in 1..=40 {
        let Ok(root) = tree_root(&tree, size);
        for old in 0..=size {
            let Ok(proof) = prove_consistency(&tree, old, size);
            let Ok(old_root) = tree_root(&tree, old);
            for altered in alterations(&proof, root) {
                let verified = verify_consistency(old, size, &altered, old_root, root);
                assert!(verified.is_err(), "{old} to {size}: {altered:?}");
            }
            let other = leaf_hash(b"another root");
            assert!(verify_consistency(old, size, &proof, other, root).is_err(), "{old} to {size}");
            if old > 0 {
                assert!(verify_consistency(old, size, &proof, old_root, other).is_err(), "{old} to {size}");
            }
        }
    }
}

#[test]
fn subtree() {
    let tree = Tree::of(24);
    for size in 1..=24 {
        let Ok(root) = tree_root(&tree, size);
        for end in 1..=size {
            for start in (0..end).filter(|&start| merkle::is_subtree(start, end, size)) {
                let Ok(hash) = tree_root(&tree.leaves()[start as usize..end as usize], end - start);
                let Ok(proof) = prove_subtree(&tree, start, end, size);
                for altered in alterations(&proof, root) {
                    let verified = verify_subtree(start, end, size, &altered, hash, root);
                    assert!(verified.is_err(), "[{start}, {end}) of {size}: {altered:?}");
                }
                let other = leaf_hash(b"another hash");
                assert!(verify_subtree(start, end, size, &proof, other, root).is_err());
                assert!(verify_subtree(start, end, size, &proof, hash, other).is_err());
            }
        }
    }
}
