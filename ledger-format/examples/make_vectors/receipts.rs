//! Vectors of COSE receipts.

use ledger_format::*;
use serde_json::{Value, json};

use crate::File;
use crate::world::{ORIGIN, entry, flip, hex, leaves, log_signer, root, witness};

pub(crate) fn write() {
    let mut file = File::new("cose-receipt", "RFC 9942");
    let (tree, signer) = (leaves(11), log_signer());
    let vkey = signer.vkey().to_string();
    let case = |bytes: &[u8]| {
        json!({ "receipt_hex": hex(bytes), "vkey": vkey, "entry": String::from_utf8_lossy(&entry(5)),
                "root": root(&tree).to_hex() })
    };
    let path = prove_inclusion(&tree, 5, 11).expect("in memory");
    let proof = CoseProof::Inclusion { size: 11, index: 5, path };
    let receipt = CoseReceipt::sign(&signer, proof, root(&tree)).expect("a good proof");
    let good = receipt.to_bytes();
    file.good("entry 5 of 11", "reading", case(&good));
    let path = prove_consistency(&tree, 6, 11).expect("in memory");
    let prefix = CoseProof::Consistency { old: 6, new: 11, path };
    let prefix = CoseReceipt::sign(&signer, prefix, root(&tree)).expect("a good proof").to_bytes();
    let with_old = |bytes: &[u8], old: Hash| {
        let mut input = case(bytes);
        input["old_root"] = json!(old.to_hex());
        input
    };
    let old_root = root(&tree[..6]);
    file.good("6 of 11", "reading", with_old(&prefix, old_root));
    file.bad(
        "another old root",
        "old root not compared",
        with_old(&prefix, flip(old_root)),
        "Proof.OldRootMismatch",
    );
    file.bad("consistency taken for inclusion", "kind of proof", case(&prefix), "OtherProof");
    file.bad("inclusion taken for consistency", "kind of proof", with_old(&good, old_root), "OtherProof");
    let set = |mut input: Value, field: &str, value: &str| {
        input[field] = json!(value);
        input
    };
    file.bad("another entry", "entry not hashed", set(case(&good), "entry", "entry 6"), "Signature.Wrong");
    let other = witness(1).vkey().to_string();
    file.bad("a witness's key", "key type", set(case(&good), "vkey", &other), "KeyType");
    let other = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [2; 32]).expect("a good name");
    file.bad("another log key", "key id", set(case(&good), "vkey", &other.vkey().to_string()), "OtherKey");

    let edit = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|window| window == from).expect("the bytes are there");
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    let index = |to: &[u8]| edit(&[0x83, 0x0b, 0x05, 0x84], &[&[0x83, 0x0b], to, &[0x84]].concat());
    // Entry 5 has the same path in trees of 9 to 16 entries, and only the root is signed.
    let resized = edit(&[0x83, 0x0b, 0x05, 0x84], &[0x83, 0x10, 0x05, 0x84]);
    file.good(
        "another size with a path of this shape: receipts do not sign it",
        "size is not signed",
        case(&resized),
    );
    for (comment, class, bytes, reason) in [
        ("another index", "index not used", index(&[4]), "Signature.Wrong"),
        ("index outside", "bounds", index(&[11]), "Proof.IndexOutsideTree"),
        (
            "a size with a shorter path",
            "size not used",
            edit(&[0x83, 0x0b, 0x05, 0x84], &[0x83, 0x06, 0x05, 0x84]),
            "Proof.WrongLength",
        ),
        ("algorithm ES256", "algorithm", edit(&[0x01, 0x27, 0x04], &[0x01, 0x26, 0x04]), "Algorithm"),
        (
            "another data structure",
            "data structure",
            edit(&[0x19, 0x01, 0x8b, 0x01], &[0x19, 0x01, 0x8b, 0x02]),
            "DataStructure",
        ),
        (
            "proof key -3",
            "kind of proof",
            edit(&[0x19, 0x01, 0x8c, 0xa1, 0x20], &[0x19, 0x01, 0x8c, 0xa1, 0x22]),
            "ProofType",
        ),
        ("no tag", "form", good[1..].to_vec(), "Cbor"),
        ("tag 17", "form", edit(&[0xd2, 0x84], &[0xd1, 0x84]), "Cbor"),
        ("label in a longer head", "second spelling", edit(&[0xa3, 0x01, 0x27], &[0xa3, 0x18, 0x01]), "Cbor"),
        ("indefinite array", "second spelling", edit(&[0xd2, 0x84], &[0xd2, 0x9f]), "Cbor"),
        ("payload not detached", "payload", edit(&[0xf6, 0x58, 0x40], &[0x40, 0x58, 0x40]), "Cbor"),
        ("cut off", "truncation", good[..good.len() - 1].to_vec(), "Cbor"),
        ("a byte behind", "trailing bytes", [&good[..], &[0]].concat(), "Trailing"),
        ("empty", "form", Vec::new(), "Cbor"),
        ("over the limit", "limit", vec![0xd2; 4_097], "TooLong"),
    ] {
        file.bad(comment, class, case(&bytes), reason);
    }
    let mut flipped = good.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    file.bad("signature changed", "signature not checked", case(&flipped), "Signature.Wrong");
    // A tree of one entry: the RFC's path has at least one hash.
    let single = [
        0xd2, 0x84, 0x4d, 0xa3, 0x01, 0x27, 0x04, 0x44, 0, 0, 0, 0, 0x19, 0x01, 0x8b, 0x01, 0xa1, 0x19, 0x01,
        0x8c, 0xa1, 0x20, 0x81, 0x44, 0x83, 0x01, 0x00, 0x80, 0xf6, 0x40,
    ];
    file.bad("a tree of one entry", "empty path", case(&single), "PathLength");
    file.write();
}
