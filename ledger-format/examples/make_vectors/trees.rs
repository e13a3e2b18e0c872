//! Vectors of the hash tree.

use ledger_format::*;
use serde_json::{Value, json};

use crate::File;
use crate::world::{entry, hexes, leaves, root};

/// The entries of the Certificate Transparency test vectors and the roots after each, as published.
const CT_ENTRIES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const CT_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
pub(crate) const EMPTY_ROOT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const CT: &str = "published: certificate-transparency test vectors";

pub(crate) fn write() {
    roots();
    inclusion();
    consistency();
    subtree();
}

fn ct_leaf(index: usize) -> String {
    leaf_hash(&crate::run::from_hex(CT_ENTRIES[index])).to_hex()
}

fn roots() {
    let mut file = File::new("merkle-root", "RFC 6962 section 2.1");
    file.good("no entries", "empty tree", json!({ "entries": [], "root": EMPTY_ROOT }));
    for size in 1..=8 {
        let input = json!({ "entries": CT_ENTRIES[..size], "root": CT_ROOTS[size - 1] });
        file.good(&format!("{CT}, size {size}"), "shape of the tree", input);
    }
    // SHA-256(0x00): a tree that hashed leaves without their prefix byte would give SHA-256("") here.
    let unprefixed = json!({ "entries": [""], "root": EMPTY_ROOT });
    file.bad("leaf hashed without its prefix", "domain separation", unprefixed, "RootMismatch");
    let two = json!({ "entries": ["00", "10"], "root": CT_ROOTS[1] });
    file.bad("two other entries", "content", two, "RootMismatch");
    file.write();
}

fn inclusion() {
    let mut file = File::new("inclusion", "RFC 9162 section 2.1.3.2");
    let ct = |index: usize, size: usize, proof: &[&str]| {
        json!({ "leaf": ct_leaf(index), "index": index.to_string(), "size": size.to_string(),
                "proof": proof, "root": CT_ROOTS[size - 1] })
    };
    let a = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
    let b = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
    let c = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
    let d = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
    let e = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
    file.good(&format!("{CT}, 0 of 1"), "one entry", ct(0, 1, &[]));
    file.good(&format!("{CT}, 0 of 8"), "left edge", ct(0, 8, &[a, b, c]));
    file.good(&format!("{CT}, 5 of 8"), "inside", ct(5, 8, &[d, e, CT_ROOTS[3]]));
    file.good(&format!("{CT}, 2 of 3"), "odd right edge", ct(2, 3, &[CT_ROOTS[1]]));
    file.good(&format!("{CT}, 1 of 5"), "left of an odd right edge", ct(1, 5, &[CT_ROOTS[0], b, d]));

    let leaves = leaves(300);
    let case = |index: u64, size: u64| {
        let tree = &leaves[..size as usize];
        let proof = prove_inclusion(tree, index, size).expect("in memory");
        json!({ "leaf": leaf_hash(&entry(index)).to_hex(), "index": index.to_string(),
                "size": size.to_string(), "proof": hexes(&proof), "root": root(tree).to_hex() })
    };
    for (index, size) in [(255, 256), (255, 257), (256, 257), (0, 300), (299, 300), (173, 300)] {
        file.good(&format!("{index} of {size}"), "around the edge of a tile", case(index, size));
    }
    let change = |mut input: Value, field: &str, value: Value| {
        input[field] = value;
        input
    };
    let good = || case(173, 300);
    let proof = |input: &Value| input["proof"].as_array().expect("a list").clone();
    let mut longer = proof(&good());
    longer.push(json!(EMPTY_ROOT));
    file.bad(
        "a hash too many",
        "trailing hash accepted",
        change(good(), "proof", json!(longer)),
        "WrongLength",
    );
    let mut shorter = proof(&good());
    shorter.pop();
    file.bad(
        "a hash too few",
        "missing hash accepted",
        change(good(), "proof", json!(shorter)),
        "WrongLength",
    );
    let mut swapped = proof(&good());
    swapped.swap(0, 1);
    file.bad(
        "two hashes swapped",
        "order of the path",
        change(good(), "proof", json!(swapped)),
        "RootMismatch",
    );
    file.bad("the neighbour's index", "index ignored", change(good(), "index", json!("172")), "RootMismatch");
    let outside = change(good(), "index", json!("300"));
    file.bad("index equal to size", "off by one", outside, "IndexOutsideTree");
    let far = change(good(), "index", json!("18446744073709551615"));
    file.bad("largest index", "overflow", far, "IndexOutsideTree");
    let empty = json!({ "leaf": EMPTY_ROOT, "index": "0", "size": "0", "proof": [], "root": EMPTY_ROOT });
    file.bad("in the empty tree", "size 0 underflows", empty, "IndexOutsideTree");
    let huge = json!({ "leaf": EMPTY_ROOT, "index": "18446744073709551614", "size": "18446744073709551615",
                       "proof": [], "root": EMPTY_ROOT });
    file.bad("largest size, no hashes", "panic above 2^63", huge, "WrongLength");
    let inner = json!({ "leaf": CT_ROOTS[1], "index": "0", "size": "2",
                        "proof": [b], "root": CT_ROOTS[3] });
    file.good(
        "an inner node passes as a leaf of a smaller tree: sizes must come from the checkpoint",
        "size not from the checkpoint",
        inner,
    );
    file.write();
}

fn consistency() {
    let mut file = File::new("consistency", "RFC 9162 section 2.1.4.2");
    let ct = |old: usize, new: usize, proof: &[&str]| {
        json!({ "old": old.to_string(), "new": new.to_string(), "proof": proof,
                "old_root": CT_ROOTS[old - 1], "new_root": CT_ROOTS[new - 1] })
    };
    let a = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
    let b = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
    let c = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
    let d = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
    let e = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
    let f = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
    file.good(&format!("{CT}, 1 to 1"), "equal sizes", ct(1, 1, &[]));
    file.good(&format!("{CT}, 1 to 8"), "old is a power of two", ct(1, 8, &[a, b, c]));
    file.good(&format!("{CT}, 6 to 8"), "old is no power of two", ct(6, 8, &[f, e, CT_ROOTS[3]]));
    file.good(&format!("{CT}, 2 to 5"), "new is odd", ct(2, 5, &[b, d]));
    let zero = |new_root: &str, proof: Value| json!({ "old": "0", "new": "8", "proof": proof, "old_root": EMPTY_ROOT, "new_root": new_root });
    file.good("from the empty tree", "old size 0", zero(CT_ROOTS[7], json!([])));
    file.bad("from the empty tree with a hash", "old size 0", zero(CT_ROOTS[7], json!([a])), "WrongLength");
    let wrong_zero = json!({ "old": "0", "new": "8", "proof": [], "old_root": CT_ROOTS[0],
                             "new_root": CT_ROOTS[7] });
    file.bad("the empty tree with another root", "old size 0", wrong_zero, "OldRootMismatch");
    let fork =
        json!({ "old": "4", "new": "4", "proof": [], "old_root": CT_ROOTS[3], "new_root": CT_ROOTS[2] });
    file.bad("one size, two roots", "fork at equal size", fork, "RootMismatch");
    file.bad("an equal size with a hash", "trailing hash accepted", ct(4, 4, &[a]), "WrongLength");
    file.bad("sizes reversed", "shrinking log", ct(8, 6, &[f, e, CT_ROOTS[3]]), "SizesReversed");
    file.bad("no hashes", "missing hash accepted", ct(6, 8, &[]), "WrongLength");
    file.bad("a hash too few", "missing hash accepted", ct(6, 8, &[f, e]), "WrongLength");
    let longer = ct(6, 8, &[f, e, CT_ROOTS[3], a]);
    file.bad("a hash too many", "trailing hash accepted", longer, "WrongLength");
    file.bad("first hash wrong", "old root not compared", ct(6, 8, &[a, e, CT_ROOTS[3]]), "OldRootMismatch");
    // The old root does not depend on the hash to the right of it.
    file.bad(
        "a hash right of the old tree wrong",
        "new root not compared",
        ct(6, 8, &[f, a, CT_ROOTS[3]]),
        "RootMismatch",
    );
    let huge = json!({ "old": "9223372036854775809", "new": "18446744073709551615", "proof": [a],
                       "old_root": a, "new_root": a });
    file.bad("sizes above 2^63", "overflow", huge, "WrongLength");
    file.write();
}

fn subtree() {
    let mut file = File::new("subtree", "draft-ietf-plants-merkle-tree-certs sections 4.1 to 4.4");
    let leaves = leaves(300);
    let case = |start: u64, end: u64, size: u64| {
        let tree = &leaves[..size as usize];
        let proof = prove_subtree(tree, start, end, size).expect("in memory");
        let part = root(&leaves[start as usize..end as usize]).to_hex();
        json!({ "start": start.to_string(), "end": end.to_string(), "size": size.to_string(),
                "proof": hexes(&proof), "subtree": part, "root": root(tree).to_hex() })
    };
    for (start, end, size, class) in [
        (0, 300, 300, "whole tree"),
        (0, 7, 300, "prefix, cut by the proof"),
        (0, 256, 300, "full tile"),
        (256, 300, 300, "right edge"),
        (4, 8, 9, "complete subtree"),
        (8, 13, 14, "cut subtree that does not start at 0"),
        (5, 6, 7, "one entry"),
        (7, 7, 9, "empty interval"),
        (0, 0, 0, "empty tree"),
    ] {
        file.good(&format!("[{start}, {end}) of {size}"), class, case(start, end, size));
    }
    let set = |mut input: Value, field: &str, value: &str| {
        input[field] = json!(value);
        input
    };
    let good = || case(8, 13, 14);
    file.bad("start not aligned", "alignment", set(good(), "start", "9"), "NotASubtree");
    file.bad("end past the tree", "bounds", set(good(), "end", "15"), "NotASubtree");
    file.bad("start past the end", "bounds", set(good(), "start", "16"), "NotASubtree");
    let huge = set(set(good(), "start", "9223372036854775808"), "end", "18446744073709551615");
    let huge = set(huge, "size", "18446744073709551615");
    file.bad("upper half of the largest tree, wrong hashes", "overflow above 2^63", huge, "WrongLength");
    let mut wrong = good();
    wrong["subtree"] = json!(EMPTY_ROOT);
    file.bad("another subtree hash", "subtree hash not compared", wrong, "OldRootMismatch");
    let mut wrong = case(4, 8, 9);
    wrong["subtree"] = json!(EMPTY_ROOT);
    file.bad("another complete subtree", "root not compared", wrong, "RootMismatch");
    let mut longer = good();
    longer["proof"].as_array_mut().expect("a list").push(json!(EMPTY_ROOT));
    file.bad("a hash too many", "trailing hash accepted", longer, "WrongLength");
    let mut shorter = good();
    shorter["proof"].as_array_mut().expect("a list").pop();
    file.bad("a hash too few", "missing hash accepted", shorter, "WrongLength");
    let empty = json!({ "start": "7", "end": "7", "size": "9", "proof": [], "subtree": CT_ROOTS[0],
                        "root": CT_ROOTS[7] });
    file.bad("empty interval with a hash of something", "empty interval", empty, "OldRootMismatch");
    file.write();
}
