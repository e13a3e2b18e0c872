//! The file itself.

use serde_json::json;

use super::attacks::base;
use super::{Case, ChainFile, run};

fn file_case(text: &str) -> Case {
    base().field("file", text)
}

pub(super) fn write(file: &mut ChainFile) {
    let text = |parts: &[&str]| run::text_of(&json!({ "parts": parts }), &json!(file.pool));
    let (one, two) = (text(&["receipt r5"]), text(&["receipt r5", "offer g5"]));
    let other_order = text(&["receipt r5", "identity b.tenant3", "offer g5"]);
    let many = text(&[&["receipt r5"][..], &vec!["offer g5"; 128]].concat());
    let staple_twice = text(&["receipt r5", "staple g5"]);
    let receipt_twice = text(&["receipt r5", "receipt r5"]);
    let offer_first = text(&["offer g5"]);
    let length = one.lines().nth(1).and_then(|line| line.split(' ').nth(1)).expect("a length").to_owned();
    let with_length = |new: &str| one.replacen(&format!("receipt {length}"), &format!("receipt {new}"), 1);
    let longer = (length.parse::<usize>().expect("a number") + 1).to_string();
    let extra = one.lines().find(|line| line.starts_with("extra ")).expect("an entry").to_owned() + "\n";
    let shorter = (length.parse::<usize>().expect("a number") - extra.len()).to_string();
    let without_entry = with_length(&shorter).replacen(&extra, "", 1);
    for (verdict, class, comment, text) in [
        ("no_links", "reading", "a receipt alone", one.clone()),
        ("parse.Header", "form", "empty", String::new()),
        ("parse.Header", "form", "another version", one.replacen("/v1", "/v2", 1)),
        ("parse.PartLine", "form", "no part", "maip.dev/chain/v1\n".into()),
        ("parse.PartLine", "form", "an unknown kind", one.replacen("receipt ", "reciept ", 1)),
        (
            "parse.PartLine",
            "second spelling",
            "a length with a zero before it",
            with_length(&format!("0{length}")),
        ),
        ("parse.PartLine", "second spelling", "two spaces", one.replacen("receipt ", "receipt  ", 1)),
        ("parse.Length", "length", "a byte too many", with_length(&longer)),
        ("parse.Length", "length", "more than there is", with_length("99999999")),
        ("parse.Length", "length", "more than a number holds", with_length("18446744073709551615")),
        ("parse.Length", "truncation", "the last line break is missing", one[..one.len() - 1].to_owned()),
        ("parse.PartLine", "trailing bytes", "something behind", one.clone() + "\n"),
        ("parse.Receipt", "form", "no receipt", offer_first),
        ("parse.Receipt", "form", "two receipts", receipt_twice),
        ("parse.Order", "second spelling", "kinds out of order", other_order),
        ("parse.TooManyParts", "limit", "129 parts", many),
        ("parse.NoEntry", "form", "a proof without its entry", without_entry),
        (
            "parse.Proof",
            "form",
            "a part that is no proof",
            two.replacen("\nc2sp.org/tlog-proof@v1", "\nc2sp.org/tlog-proof@v2", 1),
        ),
        ("parse.Staple", "form", "a proof in the place of a staple", staple_twice),
    ] {
        file.case(verdict, class, comment, file_case(&text));
    }
}
