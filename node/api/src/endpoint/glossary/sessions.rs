//! Sessions and their tokens.

use super::Word;

pub(super) const WORDS: &[Word] = &[];
