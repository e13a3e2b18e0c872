//! Sizes that no test can hold in memory, and input that makes no sense.

use ledger_format::*;
use proptest::prelude::*;

use crate::trees::{Uniform, ours};

/// Sizes of every magnitude, near powers of two more often than chance would have it.
fn any_size(max: u64) -> impl Strategy<Value = u64> {
    (0..64u32, any::<u64>(), 0..4u8).prop_map(move |(bits, noise, kind)| {
        let power = 1u64 << bits;
        let size = match kind {
            0 => power,
            1 => power - 1,
            2 => power + 1,
            _ => noise >> bits,
        };
        size.clamp(1, max)
    })
}

/// The oracle numbers hashes in 64 bits, about two for each entry.
const ORACLE_SIZE_MAX: u64 = 1 << 61;

fn hashes() -> impl Strategy<Value = Vec<Hash>> {
    prop::collection::vec(any::<u8>().prop_map(|byte| Hash([byte; 32])), 0..70)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn proofs_of_any_size_agree_with_the_oracle(size in any_size(ORACLE_SIZE_MAX), at in any::<u64>()) {
        let tree = Uniform::new();
        let Ok(root) = tree_root(&tree, size);
        let index = at % size;

        let Ok(proof) = prove_inclusion(&tree, index, size);
        prop_assert!(proof.len() <= PROOF_HASHES_MAX);
        prop_assert_eq!(&proof, &ours(&tlog_tiles::prove_record(size, index, &tree).expect("in memory")));
        let leaf = leaf_hash(b"the same");
        prop_assert_eq!(verify_inclusion(leaf, index, size, &proof, root), Ok(()));

        let old = index + 1;
        let Ok(old_root) = tree_root(&tree, old);
        let Ok(proof) = prove_consistency(&tree, old, size);
        prop_assert!(proof.len() <= PROOF_HASHES_MAX);
        prop_assert_eq!(&proof, &ours(&tlog_tiles::prove_tree(size, old, &tree).expect("in memory")));
        prop_assert_eq!(verify_consistency(old, size, &proof, old_root, root), Ok(()));
        if let Some((_, shorter)) = proof.split_last() {
            prop_assert!(verify_consistency(old, size, shorter, old_root, root).is_err());
        }
    }

    #[test]
    fn subtrees_of_any_size_hold(size in any_size(1 << 63), at in any::<u64>(), bits in 0..63u32, less in any::<u64>()) {
        let (tree, power) = (Uniform::new(), 1u64 << bits);
        let start = at % size / power * power;
        let full = power.min(size - start);
        let end = start + full - less % (full / 2 + 1);
        prop_assert!(merkle::is_subtree(start, end, size));
        let (Ok(root), Ok(part)) = (tree_root(&tree, size), tree_root(&tree, end - start));
        let Ok(proof) = prove_subtree(&tree, start, end, size);
        prop_assert_eq!(verify_subtree(start, end, size, &proof, part, root), Ok(()));
    }

    /// Whatever a stranger sends is refused, without a panic. No hash here is one of a tree.
    #[test]
    fn nonsense_is_refused(a in any_size(u64::MAX), b in any::<u64>(), c in any_size(u64::MAX), proof in hashes()) {
        let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
        prop_assert!(verify_inclusion(left, b, a, &proof, right).is_err());
        prop_assert!(verify_consistency(a, c, &proof, left, right).is_err());
        prop_assert!(verify_consistency(b, a, &proof, left, right).is_err());
        prop_assert!(verify_subtree(b, a, c, &proof, left, right).is_err());
        prop_assert!(verify_subtree(0, a, c, &proof, left, right).is_err());
    }
}
