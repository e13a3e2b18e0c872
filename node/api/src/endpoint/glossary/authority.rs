//! Policies, approvals, tools, guardrails.

use super::Word;

pub(super) const WORDS: &[Word] = &[];
