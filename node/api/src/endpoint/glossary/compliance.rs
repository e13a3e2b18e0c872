//! Compliance, anomalies, data sets, models, billing, audit.

use super::Word;

pub(super) const WORDS: &[Word] = &[];
