//! Delegations and federation.

use super::Word;

pub(super) const WORDS: &[Word] = &[];
