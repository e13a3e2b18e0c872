//! Vectors of multi-proofs.

use ledger_format::*;
use serde_json::json;

use crate::File;
use crate::world::{entry, flip, leaves, note, policy_text};

pub(crate) fn write() {
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
