//! Verifying proof files with nothing but the file, a policy and the time.
//!
//! ```text
//!   file --sniff--> proof | multi-proof | COSE receipt       staple        (a chain of all that: `chain`)
//!                     |                                        |
//!                  log signature, witness quorum, path      the same of its state.root, path in the map
//!                     |        -> the entry is in the log      |        -> the subject's status
//!                  record in the entry, key bindings           |
//!                     |        -> who stated it                |
//!                  cosignature times against --max-age      until when it is known, against --max-age
//! ```
//!
//! **Invariant:** this module uses `ledger_format` and `std` only; no socket can be reached from it. A test reads its
//! sources and holds it to that.

mod age;
mod binding;
mod chain;
mod sniff;
mod staple;
mod verdict;

pub use age::{FUTURE_TOLERANCE_S, as_of};
pub use binding::{Binding, Bindings, SignatureFinding};
pub use chain::{ChainJudgement, judge_chain};
pub use sniff::{Kind, sniff};
pub use staple::StatusFinding;
pub use verdict::{Finding, Question, RecordFacts, Stated, Verdict, verify_file};

#[cfg(test)]
mod tests {
    /// What no source of this module may mention.
    const FORBIDDEN: &[&str] =
        &["std::net", "tokio", "tonic", "reqwest", "hyper", "transport", "ledger_proto", "source::"];

    #[test]
    fn the_offline_path_names_no_network_code() {
        for (name, source) in [
            ("age", include_str!("age.rs")),
            ("binding", include_str!("binding.rs")),
            ("chain", include_str!("chain.rs")),
            ("sniff", include_str!("sniff.rs")),
            ("staple", include_str!("staple.rs")),
            ("verdict", include_str!("verdict.rs")),
        ] {
            for word in FORBIDDEN {
                assert!(!source.contains(word), "{name}.rs mentions {word}");
            }
            assert!(!source.contains("crate::"), "{name}.rs reaches outside its module");
        }
    }
}
