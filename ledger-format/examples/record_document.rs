//! Writes the sections about record types into `docs/record-format.md`, from the types themselves; a test holds them equal.
//!
//! ```text
//! cargo run -p ledger-format --example record_document
//! ```

use ledger_format::record::TYPES;

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/record-format.md");
    let mut text = std::fs::read_to_string(path)?;
    for (place, info) in TYPES.iter().enumerate() {
        let Some(section) = info.to_markdown() else { continue };
        let heading = format!("### `{}`\n", info.name);
        let begin = match text.find(&heading) {
            Some(begin) => begin,
            // After the section of the type before it.
            None => {
                let before = format!("### `{}`\n", TYPES[place - 1].name);
                let start = text.find(&before).expect("the first type is described") + before.len();
                let begin = start + end_of_section(&text[start..]);
                text.insert_str(begin, &format!("{heading}\n"));
                begin
            }
        };
        let end = begin + heading.len() + end_of_section(&text[begin + heading.len()..]);
        text.replace_range(begin..end, &format!("{section}\n"));
    }
    std::fs::write(path, text)
}

/// Where the next heading begins.
fn end_of_section(text: &str) -> usize {
    ["\n### ", "\n## "].iter().filter_map(|mark| text.find(mark)).min().map_or(text.len(), |at| at + 1)
}
