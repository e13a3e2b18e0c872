//! Checks on the code itself. The checks are this crate's tests; the library reads what they check.
//!
//! | test | holds |
//! |---|---|
//! | `house_plan` | who may use whom, which third party lives where |
//! | `purity` | what formats and state must never name: disk, network, clock, randomness |
//! | `files` | sizes, documentation, lints, no leftovers, no machine's paths |
//! | `words` | one word for one thing |
//! | `dependencies` | licences, sources, one TLS provider |
//! | `attacks` | every attack in docs/delegation.md names the test or vector that holds it |
//! | `readme` | every command in the README exists |
//!
//! **Invariant:** a check says in one sentence what is wrong and where; it never changes anything.

mod metadata;
mod source;

pub use metadata::{Dependency, Package, all_packages, workspace_packages};
pub use source::{SourceFile, root, rust_files, tracked_files, without_tests};

/// Fails a test with every finding on a line of its own.
///
/// # Panics
/// When there is a finding.
pub fn expect_none(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n  {}", findings.len(), findings.join("\n  "));
}
