//! Orchestrations and workflows.

use super::Word;

pub(super) const WORDS: &[Word] = &[];
