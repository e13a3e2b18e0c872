//! Checks on the code itself: who may use whom, words, sizes.
