//! Vectors of tiles and bundles.

use ledger_format::*;
use serde_json::{Value, json};

use crate::File;
use crate::trees::EMPTY_ROOT;
use crate::world::{flip, hex, leaves, root};

pub(crate) fn write() {
    tile_paths();
    tiles();
    bundles();
}

fn tile_paths() {
    let mut file = File::new("tile-path", "https://c2sp.org/tlog-tiles");
    for path in [
        "tile/0/000",
        "tile/0/x001/x234/067",
        "tile/1/x001/234.p/5",
        "tile/63/999.p/255",
        "tile/entries/000",
        "tile/entries/x001/234.p/1",
        "tile/0/x018/x446/x744/x073/x709/x551/615",
    ] {
        file.good(path, "spelling", json!({ "path": path }));
    }
    for (path, class, reason) in [
        ("tile/8/0/000", "Go sumdb spelling", "Index"),
        ("tile/0/000.p/0", "a tile of width 0", "Width"),
        ("tile/0/000.p/256", "a full tile as partial", "Width"),
        ("tile/0/000.p/05", "second spelling", "Width"),
        ("tile/64/000", "level out of range", "Level"),
        ("tile/01/000", "second spelling", "Level"),
        ("tile/data/000", "CT spelling", "Level"),
        ("tile/0/x000/001", "second spelling", "Index"),
        ("tile/0/1", "second spelling", "Index"),
        ("tile/0/0001", "second spelling", "Index"),
        ("tile/0/x1/000", "second spelling", "Index"),
        ("tile/0/001/000", "missing x", "Index"),
        ("tile/0/x001", "last group with x", "Index"),
        ("tile/0/../000", "path traversal", "Index"),
        ("tile/0/%30%30%30", "percent encoding", "Index"),
        ("tile/0/x018/x446/x744/x073/x709/x551/616", "index over 2^64-1", "Index"),
        ("tile/0/x999/x999/x999/x999/x999/x999/x999/x999/x999/999", "index far over 2^64-1", "Index"),
        ("/tile/0/000", "leading slash", "Prefix"),
        ("tile/entries/000.p/", "empty width", "Width"),
        ("", "empty", "Prefix"),
    ] {
        file.bad(path, class, json!({ "path": path }), reason);
    }
    file.write();
}

fn tiles() {
    let mut file = File::new("tile", "https://c2sp.org/tlog-tiles");
    let leaves = leaves(256);
    let tile = |width: usize| {
        let hashes = &leaves[..width];
        json!({ "tile_hex": hex(&encode_tile(hashes)), "width": width.to_string(), "root": root(hashes).to_hex() })
    };
    file.good("one hash", "narrowest", tile(1));
    file.good("three hashes", "odd width", tile(3));
    file.good("full", "widest", tile(256));
    let set = |mut input: Value, field: &str, value: Value| {
        input[field] = value;
        input
    };
    file.bad("a hash more than asked", "length", set(tile(3), "width", json!("2")), "Length");
    file.bad("a hash less than asked", "length", set(tile(3), "width", json!("4")), "Length");
    file.bad("half a hash", "length", set(tile(1), "tile_hex", json!("00".repeat(31))), "Length");
    let none = json!({ "tile_hex": "", "width": "0", "root": EMPTY_ROOT });
    file.bad("width 0", "a tile of width 0", none, "Width");
    file.bad("width 257", "width out of range", set(tile(3), "width", json!("257")), "Width");
    let mut flipped = leaves[..3].to_vec();
    flipped[1] = flip(flipped[1]);
    let flipped = set(tile(3), "tile_hex", json!(hex(&encode_tile(&flipped))));
    file.bad("one bit turned", "bit rot", flipped, "RootMismatch");
    file.write();
}

fn bundles() {
    let mut file = File::new("entry-bundle", "https://c2sp.org/tlog-tiles");
    let bundle = |hex: &str, width: &str| json!({ "bundle_hex": hex, "width": width });
    file.good("one entry of no bytes", "empty entry", bundle("0000", "1"));
    file.good("three entries", "lengths", bundle("0001610002626200036363 63".replace(' ', "").as_str(), "3"));
    file.bad("no bytes", "truncation", bundle("", "1"), "Truncated");
    file.bad("half a length", "truncation", bundle("00", "1"), "Truncated");
    file.bad("ends inside an entry", "truncation", bundle("000261", "1"), "Truncated");
    file.bad("an entry less than asked", "truncation", bundle("000161", "2"), "Truncated");
    file.bad("an entry more than asked", "trailing bytes", bundle("000161000162", "1"), "Trailing");
    file.bad("length of 65,535 without bytes", "allocation by length", bundle("ffff", "1"), "Truncated");
    file.bad("width 0", "width out of range", bundle("", "0"), "Width");
    file.bad("width 257", "width out of range", bundle("0000", "257"), "Width");
    file.write();
}
