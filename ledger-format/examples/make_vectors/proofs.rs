//! Vectors of proof files and of what logs send to witnesses.

use ledger_format::*;
use serde_json::{Value, json};

use crate::File;
use crate::world::{entry, flip, forked_leaves, hex, leaves, note, policy_text, root};

pub(crate) fn write() {
    proofs();
    add_checkpoints();
    sign_subtrees();
}

/// A proof file of one entry in a tree of 11.
pub(crate) fn proof_of(index: u64) -> TlogProof {
    let leaves = leaves(11);
    let hashes = prove_inclusion(&leaves, index, 11).expect("in memory");
    TlogProof { extra: Some(entry(index)), index, hashes, note: note(&leaves, &[1, 2]) }
}

fn proofs() {
    let mut file = File::new("proof", "https://c2sp.org/tlog-proof");
    let policy = policy_text();
    let text_case = |text: &str| json!({ "policy": policy, "proof": text });
    let case = |proof: &TlogProof| text_case(&proof.to_string());
    for index in [0, 5, 10] {
        file.good(&format!("entry {index} of 11"), "reading", case(&proof_of(index)));
    }
    let bare = TlogProof { extra: None, ..proof_of(5) };
    let mut input = case(&bare);
    input["entry_hex"] = json!(hex(&entry(5)));
    file.good("without extra, the entry known to the verifier", "extra is optional", input);
    let one = leaves(1);
    let one = TlogProof { extra: Some(entry(0)), index: 0, hashes: Vec::new(), note: note(&one, &[1, 2]) };
    file.good("a log of one entry", "no hashes", case(&one));

    let change = |change: &dyn Fn(&mut TlogProof)| {
        let mut proof = proof_of(5);
        change(&mut proof);
        case(&proof)
    };
    let inclusion = |kind: &str| format!("Inclusion.{kind}");
    file.bad(
        "another entry",
        "entry not hashed",
        change(&|p| p.extra = Some(entry(6))),
        &inclusion("RootMismatch"),
    );
    file.bad(
        "empty extra",
        "entry not hashed",
        change(&|p| p.extra = Some(Vec::new())),
        &inclusion("RootMismatch"),
    );
    file.bad("another index", "index not used", change(&|p| p.index = 4), &inclusion("RootMismatch"));
    file.bad("index equal to size", "off by one", change(&|p| p.index = 11), &inclusion("IndexOutsideTree"));
    file.bad(
        "one bit turned",
        "path not used",
        change(&|p| p.hashes[1] = flip(p.hashes[1])),
        &inclusion("RootMismatch"),
    );
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
    let other = note(&forked_leaves(11, 6), &[1, 2]);
    file.bad(
        "checkpoint of another tree",
        "root not compared",
        change(&|p| p.note = other.clone()),
        &inclusion("RootMismatch"),
    );
    let larger = note(&leaves(12), &[1, 2]);
    file.bad(
        "checkpoint of a larger tree",
        "size not from the checkpoint",
        change(&|p| p.note = larger.clone()),
        &inclusion("RootMismatch"),
    );
    let alone = note(&leaves(11), &[1]);
    file.bad("one witness of two", "quorum", change(&|p| p.note = alone.clone()), "Policy.Quorum");

    let good = proof_of(5).to_string();
    for (comment, class, text, reason) in [
        ("empty", "form", String::new(), "Header"),
        ("another version", "form", good.replace("@v1", "@v2"), "Header"),
        ("carriage return", "control characters", good.replace("@v1\n", "@v1\r\n"), "Header"),
        ("byte order mark", "encoding", format!("\u{feff}{good}"), "Header"),
        ("no index", "form", good.replace("index 5\n", ""), "Index"),
        ("index with a leading zero", "second spelling", good.replace("index 5", "index 05"), "Index"),
        ("index 2^64", "overflow", good.replace("index 5", "index 18446744073709551616"), "Index"),
        ("extra behind the index", "order", reorder(&good), "Hash"),
        ("extra twice", "form", good.replacen("extra ", "extra AAAA\nextra ", 1), "Index"),
        ("extra without padding", "second spelling", good.replacen("ZW50cnkgNQ==", "ZW50cnkgNQ", 1), "Extra"),
        (
            "extra of 65,536 bytes",
            "limit",
            good.replacen("ZW50cnkgNQ==", &("A".repeat(87_382) + "=="), 1),
            "Extra",
        ),
        (
            "64 hashes",
            "limit",
            good.replacen(
                "index 5\n",
                &format!("index 5\n{}", format!("{}\n", empty_root().to_base64()).repeat(64)),
                1,
            ),
            "TooManyHashes",
        ),
        (
            "a hash of 31 bytes",
            "length",
            good.replacen("index 5\n", "index 5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n", 1),
            "Hash",
        ),
        ("no empty line", "form", good.replacen("\n\nmaip", "\nmaip", 1), "Hash"),
        (
            "no signature",
            "form",
            good.split("\n— ").next().unwrap_or_default().to_owned(),
            "Note.NoSeparator",
        ),
        ("cut off", "truncation", good[..good.len() - 1].to_owned(), "Note.Signature"),
        ("something behind", "trailing bytes", format!("{good}\n"), "Note.NoSignature"),
    ] {
        file.bad(comment, class, text_case(&text), reason);
    }
    file.write();
}

/// Moves the extra line behind the index line.
fn reorder(proof: &str) -> String {
    let mut lines: Vec<&str> = proof.split('\n').collect();
    lines.swap(1, 2);
    lines.join("\n")
}

fn add_checkpoints() {
    let mut file = File::new("add-checkpoint", "https://c2sp.org/tlog-witness");
    let body = |text: &str| json!({ "body": text });
    let tree = leaves(9);
    let request = |old: u64| AddCheckpoint {
        old,
        proof: prove_consistency(&tree, old, 9).expect("in memory"),
        note: note(&tree, &[]),
    };
    for old in [0, 3, 8, 9] {
        file.good(&format!("from {old} to 9"), "reading", body(&request(old).to_string()));
    }
    let reversed = AddCheckpoint { old: 10, ..request(9) };
    file.good(
        "old larger than the checkpoint: the witness answers, not the parser",
        "reading",
        body(&reversed.to_string()),
    );
    let good = request(3).to_string();
    let hash_line = format!("{}\n", empty_root().to_base64());
    for (comment, class, text, reason) in [
        ("empty", "form", String::new(), "FirstLine"),
        ("no old line", "form", good.replacen("old 3\n", "", 1), "FirstLine"),
        ("old with a leading zero", "second spelling", good.replacen("old 3", "old 03", 1), "FirstLine"),
        ("two spaces", "second spelling", good.replacen("old 3", "old  3", 1), "FirstLine"),
        ("negative", "sign", good.replacen("old 3", "old -3", 1), "FirstLine"),
        ("carriage return", "control characters", good.replacen("old 3\n", "old 3\r\n", 1), "FirstLine"),
        (
            "64 hashes",
            "limit",
            format!("old 3\n{}\n{}", hash_line.repeat(64), note(&tree, &[])),
            "TooManyHashes",
        ),
        ("a malformed hash", "base64", good.replacen("old 3\n", "old 3\nAAAA\n", 1), "Hash"),
        ("no empty line", "form", good.replacen("\n\nmaip", "\nmaip", 1), "Hash"),
        ("no signature", "form", format!("old 0\n\n{}\n", note(&tree, &[]).text()), "Note.NoSignature"),
        ("cut off", "truncation", good[..good.len() - 1].to_owned(), "Note.Signature"),
    ] {
        file.bad(comment, class, body(&text), reason);
    }
    let full = AddCheckpoint { proof: vec![root(&tree); 63], ..request(3) };
    file.good("63 hashes", "limit", body(&full.to_string()));
    file.bad("not UTF-8", "encoding", json!({ "body_hex": "6f6c6420ff0a" }), "Utf8");
    file.write();
}

fn sign_subtrees() {
    let mut file = File::new("sign-subtree", "https://c2sp.org/tlog-witness");
    let body = |text: &str| -> Value { json!({ "body": text }) };
    let tree = leaves(9);
    let request = |start: u64, end: u64| SignSubtree {
        start,
        end,
        hash: root(&tree[start as usize..end as usize]),
        proof: prove_subtree(&tree, start, end, 9).expect("in memory"),
        note: note(&tree, &[1]),
    };
    for (start, end) in [(0, 9), (4, 8), (4, 7), (8, 9), (5, 5)] {
        file.good(&format!("[{start}, {end})"), "reading", body(&request(start, end).to_string()));
    }
    let good = request(4, 7).to_string();
    for (comment, class, text, reason) in [
        ("empty", "form", String::new(), "FirstLine"),
        ("one number", "form", good.replacen("subtree 4 7", "subtree 4", 1), "FirstLine"),
        ("three numbers", "form", good.replacen("subtree 4 7", "subtree 4 7 9", 1), "FirstLine"),
        ("leading zero", "second spelling", good.replacen("subtree 4 7", "subtree 04 7", 1), "FirstLine"),
        ("not aligned", "alignment", good.replacen("subtree 4 7", "subtree 3 7", 1), "NotASubtree"),
        ("reversed", "bounds", good.replacen("subtree 4 7", "subtree 7 4", 1), "NotASubtree"),
        (
            "half of 2^64 and more, not at 0",
            "overflow above 2^63",
            good.replacen("subtree 4 7", "subtree 1 18446744073709551615", 1),
            "NotASubtree",
        ),
        ("no subtree hash", "form", format!("subtree 0 0\n\n{}", note(&tree, &[1])), "Hash"),
        ("no empty line", "form", good.replacen("\n\nmaip", "\nmaip", 1), "Hash"),
        ("cut off", "truncation", good[..good.len() - 1].to_owned(), "Note.Signature"),
    ] {
        file.bad(comment, class, body(&text), reason);
    }
    file.write();
}
