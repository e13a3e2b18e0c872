//! Vectors of multi-proofs, COSE receipts and evidence.

use ledger_format::record::Entry;
use ledger_format::*;
use serde_json::{Value, json};

use crate::File;
use crate::proofs::proof_of;
use crate::world::{
    ORIGIN, TIME_S, entry, flip, forked_leaves, hex, leaves, log_signer, note, note_of, policy_text, root,
    witness,
};

pub(crate) fn write() {
    multi_proofs();
    cose_receipts();
    evidence();
}

fn multi_proofs() {
    let mut file = File::new("multi-proof", "maip-multi-proof/1: module multiproof of ledger-format");
    let policy = policy_text();
    let text_case = |text: &str| json!({ "policy": policy, "proof": text });
    let case = |proof: &MultiProof| text_case(&proof.to_string());
    let build = |size: u64, indexes: &[u64]| {
        let tree = leaves(size);
        let entries = indexes.iter().map(|&index| (index, entry(index))).collect();
        MultiProof::build(&tree, note(&tree, &[1, 2]), entries).expect("a good request")
    };
    for (size, indexes, class) in [
        (1, &[0][..], "no hashes"),
        (11, &[5], "one entry: the audit path"),
        (11, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "every entry"),
        (11, &[0, 1, 10], "odd right edge"),
        (256, &[0, 255], "one full tile"),
        (257, &[255, 256], "a tile and one entry"),
        (600, &[3, 4, 255, 256, 511, 512, 599], "several tiles"),
    ] {
        file.good(&format!("entries {indexes:?} of {size}"), class, case(&build(size, indexes)));
    }
    let change = |change: &dyn Fn(&mut MultiProof)| {
        let mut proof = build(600, &[3, 4, 599]);
        change(&mut proof);
        case(&proof)
    };
    let inclusion = |kind: &str| format!("Inclusion.{kind}");
    file.bad(
        "a hash too many",
        "trailing hash accepted",
        change(&|p| p.hashes.push(empty_root())),
        &inclusion("WrongLength"),
    );
    file.bad(
        "a hash too few",
        "missing hash accepted",
        change(&|p| p.hashes.truncate(p.hashes.len() - 1)),
        &inclusion("WrongLength"),
    );
    file.bad("no hashes", "missing hash accepted", change(&|p| p.hashes.clear()), &inclusion("WrongLength"));
    file.bad(
        "one bit turned",
        "path not used",
        change(&|p| p.hashes[0] = flip(p.hashes[0])),
        &inclusion("RootMismatch"),
    );
    file.bad(
        "two hashes swapped",
        "order of hashes",
        change(&|p| p.hashes.swap(0, 1)),
        &inclusion("RootMismatch"),
    );
    file.bad(
        "one entry changed",
        "entry not hashed",
        change(&|p| p.entries[1].1.push(0)),
        &inclusion("RootMismatch"),
    );
    file.bad(
        "one index changed",
        "index not used",
        change(&|p| p.entries[2].0 = 598),
        &inclusion("RootMismatch"),
    );
    file.bad(
        "index equal to size",
        "off by one",
        change(&|p| p.entries[2].0 = 600),
        &inclusion("IndexOutsideTree"),
    );
    file.bad(
        "largest index",
        "overflow",
        change(&|p| p.entries[2].0 = u64::MAX),
        &inclusion("IndexOutsideTree"),
    );
    file.bad("indexes descend", "order", change(&|p| p.entries.swap(0, 1)), "Order");
    file.bad("an index twice", "order", change(&|p| p.entries[1].0 = 3), "Order");
    let larger = note(&leaves(601), &[1, 2]);
    file.bad(
        "checkpoint of a larger tree",
        "size not from the checkpoint",
        change(&|p| p.note = larger.clone()),
        &inclusion("WrongLength"),
    );
    let alone = note(&leaves(600), &[1]);
    file.bad("one witness of two", "quorum", change(&|p| p.note = alone.clone()), "Policy.Quorum");
    let good = build(11, &[5]).to_string();
    for (comment, class, text, reason) in [
        ("empty", "form", String::new(), "Header"),
        ("another version", "form", good.replacen("/1\n", "/2\n", 1), "Header"),
        ("no entry", "form", good.replacen("entry 5 ZW50cnkgNQ==\n", "", 1), "EntryCount"),
        ("leading zero", "second spelling", good.replacen("entry 5", "entry 05", 1), "Entry"),
        ("no padding", "second spelling", good.replacen("NQ==", "NQ", 1), "Entry"),
        ("a malformed hash", "base64", good.replacen("NQ==\n", "NQ==\nAAAA\n", 1), "Hash"),
        ("no empty line", "form", good.replacen("\n\nmaip", "\nmaip", 1), "Hash"),
        ("cut off", "truncation", good[..good.len() - 1].to_owned(), "Note.Signature"),
    ] {
        file.bad(comment, class, text_case(&text), reason);
    }
    file.write();
}

fn cose_receipts() {
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

fn evidence() {
    let mut file = File::new("evidence", "maip-evidence/1: module evidence of ledger-format");
    let policy = policy_text();
    let text_case =
        |text: &str, culprits: &[&str]| json!({ "policy": policy, "evidence": text, "culprits": culprits });
    let case = |evidence: &Evidence, culprits: &[&str]| text_case(&evidence.to_string(), culprits);
    let log: &str = &format!("log {ORIGIN}");
    let (honest, forked) = (leaves(11), forked_leaves(20, 6));
    let prefix_of = |size: u64| PrefixProof {
        root: root(&forked[..size as usize]),
        hashes: prove_subtree(&forked, 0, size, 20).expect("in memory"),
    };
    let same_size = |witnesses: [&[u8]; 2]| Evidence::LogForkSameSize {
        first: note(&honest, witnesses[0]),
        second: note(&forked[..11], witnesses[1]),
    };
    let inconsistent = |witnesses: &[u8], size: u64| Evidence::LogInconsistent {
        old: note(&honest[..size as usize], witnesses),
        new: note(&forked, witnesses),
        prefix: prefix_of(size),
    };
    file.good("two roots for one size", "log fork", case(&same_size([&[], &[]]), &[log]));
    file.good("and a witness helped", "log fork", case(&same_size([&[1, 2], &[2, 3]]), &[log, "w2"]));
    file.good(
        "a tree that does not begin with the older one",
        "inconsistent log",
        case(&inconsistent(&[], 11), &[log]),
    );
    file.good("older size a power of two", "inconsistent log", case(&inconsistent(&[3], 8), &[log, "w3"]));
    let text = |leaves: &[Hash]| crate::world::checkpoint(leaves);
    let cosigned = |leaves: &[Hash]| {
        let mut note = Note::new(text(leaves));
        note.push(witness(1).cosign(&text(leaves), TIME_S));
        note
    };
    let fork = |first: Note, second: Note, prefix| Evidence::WitnessFork { first, second, prefix };
    let witness_only = fork(cosigned(&honest), cosigned(&forked), Some(prefix_of(11)));
    file.good("a witness alone, two sizes", "witness fork", case(&witness_only, &["w1"]));
    let witness_only = fork(cosigned(&honest), cosigned(&forked[..11]), None);
    file.good("a witness alone, one size", "witness fork", case(&witness_only, &["w1"]));
    let bad_entry = |entry: &[u8]| {
        let tree = [leaf_hash(b"x"), leaf_hash(entry)];
        let hashes = prove_inclusion(&tree[..], 1, 2).expect("in memory");
        Evidence::BadEntry {
            proof: TlogProof { extra: Some(entry.to_vec()), index: 1, hashes, note: note(&tree, &[]) },
        }
    };
    file.good("an entry that is no entry", "bad entry", case(&bad_entry(b"hello"), &[log]));
    let spaced = Entry::encode(1, br#"{"a": 1}"#);
    file.good("an entry whose record is not canonical", "bad entry", case(&bad_entry(&spaced), &[log]));

    let canonical = Entry::encode(1, br#"{"a":1}"#);
    file.bad(
        "a canonical record of an unknown type",
        "bad entry",
        case(&bad_entry(&canonical), &[]),
        "NotEvidence.GoodEntry",
    );
    let equal = Evidence::LogForkSameSize { first: note(&honest, &[]), second: note(&honest, &[1]) };
    file.bad(
        "the same checkpoint twice",
        "no contradiction",
        case(&equal, &[]),
        "NotEvidence.NoContradiction",
    );
    let honest_growth = Evidence::LogInconsistent {
        old: note(&forked[..11], &[]),
        new: note(&forked, &[]),
        prefix: prefix_of(11),
    };
    file.bad(
        "a log that only grew",
        "no contradiction",
        case(&honest_growth, &[]),
        "NotEvidence.NoContradiction",
    );
    let sizes = Evidence::LogForkSameSize { first: note(&honest[..6], &[]), second: note(&honest, &[]) };
    file.bad("two sizes and no prefix proof", "sizes", case(&sizes, &[]), "NotEvidence.Sizes");
    let invented = Evidence::LogInconsistent {
        old: note(&honest, &[]),
        new: note(&forked, &[]),
        prefix: PrefixProof { root: empty_root(), ..prefix_of(11) },
    };
    file.bad(
        "a prefix that the proof does not give",
        "prefix not verified",
        case(&invented, &[]),
        "NotEvidence.Proof.OldRootMismatch",
    );
    let reversed =
        Evidence::LogInconsistent { old: note(&forked, &[]), new: note(&honest, &[]), prefix: prefix_of(11) };
    file.bad("larger note first", "sizes", case(&reversed, &[]), "NotEvidence.Sizes");
    let unsigned = Evidence::LogForkSameSize { first: cosigned(&honest), second: note(&forked[..11], &[]) };
    file.bad(
        "one side not signed by the log",
        "framing an honest log",
        case(&unsigned, &[]),
        "NotEvidence.NoCulprit",
    );
    let apart = fork(note(&honest, &[1]), note(&forked[..11], &[2]), None);
    file.bad(
        "two witnesses, one side each",
        "framing an honest witness",
        case(&apart, &[]),
        "NotEvidence.NoCulprit",
    );
    let other = Checkpoint::new("maip.example/other", 11, root(&forked[..11])).to_string();
    let two_logs = Evidence::LogForkSameSize { first: note(&honest, &[]), second: note_of(&other, &[]) };
    file.bad("two logs", "framing by another origin", case(&two_logs, &[]), "NotEvidence.TwoLogs");
    let mut moved = proof_of(5);
    moved.index = 4;
    file.bad(
        "an entry that is not there",
        "bad entry",
        case(&Evidence::BadEntry { proof: moved }, &[]),
        "NotEvidence.Proof.RootMismatch",
    );

    let good = same_size([&[], &[]]).to_string();
    let with_prefix = inconsistent(&[], 11).to_string();
    let length = note(&honest, &[]).to_string().len();
    for (comment, class, text, reason) in [
        ("empty", "form", String::new(), "Header"),
        ("another version", "form", good.replacen("/1\n", "/2\n", 1), "Header"),
        ("unknown kind", "kind", good.replacen("log-fork-same-size", "log-fork", 1), "Kind"),
        (
            "a prefix where none belongs",
            "prefix",
            with_prefix.replacen("log-inconsistent", "log-fork-same-size", 1),
            "Prefix",
        ),
        (
            "no prefix where one belongs",
            "prefix",
            good.replacen("log-fork-same-size", "log-inconsistent", 1),
            "Prefix",
        ),
        ("one note", "form", good[..good.rfind("note ").unwrap_or(0)].to_owned(), "Part"),
        ("length too large", "length", good.replacen(&format!("note {length}"), "note 99999", 1), "Part"),
        (
            "largest length",
            "overflow",
            good.replacen(&format!("note {length}"), "note 18446744073709551615", 1),
            "Part",
        ),
        (
            "length too small",
            "length",
            good.replacen(&format!("note {length}"), &format!("note {}", length - 1), 1),
            "Note.Signature",
        ),
        ("length with a leading zero", "second spelling", good.replacen("note ", "note 0", 1), "Part"),
        (
            "length inside a character",
            "utf-8 boundary",
            good.replacen(&format!("note {length}"), "note 68", 1),
            "Part",
        ),
        ("something behind", "trailing bytes", format!("{good}\n"), "Trailing"),
        ("cut off", "truncation", good[..good.len() - 1].to_owned(), "Part"),
    ] {
        file.bad(comment, class, text_case(&text, &[]), reason);
    }
    file.write();
}
