//! One word, one thing: what fields are called and mean in every group.
//!
//! A field whose declaration has no documentation of its own is described from here, and so are examples of answers. Words that one
//! group alone has are better said at the field itself.

mod authority;
mod common;
mod compliance;
mod events;
mod grants;
mod keys;
mod records;
mod sessions;
mod trust;
mod work;

/// Name of a field, what it means as a sentence, and how a value of it looks, as JSON.
type Word = (&'static str, &'static str, &'static str);

/// What a field of this name means and how a value of it looks, as JSON.
pub(super) fn word(name: &str) -> Option<&'static Word> {
    words().find(|(known, ..)| *known == name)
}

fn words() -> impl Iterator<Item = &'static Word> {
    let topics: [&'static [Word]; 10] = [
        common::WORDS,
        keys::WORDS,
        records::WORDS,
        authority::WORDS,
        sessions::WORDS,
        grants::WORDS,
        trust::WORDS,
        compliance::WORDS,
        events::WORDS,
        work::WORDS,
    ];
    topics.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_there_once_with_an_example_that_is_json() {
        let mut names = std::collections::BTreeSet::new();
        for (name, about, example) in words() {
            assert!(names.insert(name), "{name} is there twice");
            assert!(about.ends_with('.'), "{name}: a description is a sentence");
            assert!(serde_json::from_str::<serde_json::Value>(example).is_ok(), "{name}: {example}");
        }
    }
}
