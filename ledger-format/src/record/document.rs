//! The description of a record type, as it stands in `docs/record-format.md`.

use super::body::{ActorKind, FieldInfo, TypeInfo};

/// Longest line of running text.
const LINE_CHARS: usize = 150;

impl TypeInfo {
    /// Every field with its path below `body`; members of an object in a list have `[]` in their path.
    pub fn paths(&self) -> Vec<(String, &'static FieldInfo)> {
        let mut out = Vec::new();
        collect("", self.fields, &mut out);
        out
    }

    /// The section of `docs/record-format.md` about this type; `None` for the types that are described by hand.
    pub fn to_markdown(&self) -> Option<String> {
        let (statement, effect) = self.about.split_once("\n\n")?;
        let statement = statement.split_once(": ").map_or(statement, |(_, rest)| rest);
        let mut text = format!("### `{}`\n\n", self.name);
        text += &wrap(&format!("{} Signed by {}.", capital(statement.trim()), signers(self.actors)));
        text += "\n| field of `body` | | |\n|---|---|---|\n";
        for (path, field) in self.paths() {
            let presence = if field.required { "required" } else { "optional" };
            text += &format!("| `{path}` | {presence} | {}: {} |\n", field.rule, field.about.trim());
        }
        text += "\n";
        text += &wrap(effect.trim());
        Some(text)
    }
}

fn collect(above: &str, fields: &'static [FieldInfo], out: &mut Vec<(String, &'static FieldInfo)>) {
    for field in fields {
        let path = format!("{above}{}", field.name);
        out.push((path.clone(), field));
        let below = if field.is_list { format!("{path}[].") } else { format!("{path}.") };
        collect(&below, field.inner, out);
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn signers(actors: &[ActorKind]) -> String {
    let names: Vec<_> = actors.iter().map(|actor| format!("the {}", actor.as_str())).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.join(""),
    }
}

fn wrap(text: &str) -> String {
    let (mut out, mut width) = (String::new(), 0);
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.len() > LINE_CHARS {
            out.push('\n');
            width = 0;
        }
        if width > 0 {
            out.push(' ');
            width += 1;
        }
        out += word;
        width += word.len();
    }
    out + "\n"
}
