//! Trust, witness votes, claims, documents.

use super::Word;

pub(super) const WORDS: &[Word] = &[];
