//! Events, metrics, webhooks.

use super::Word;

pub(super) const WORDS: &[Word] = &[];
