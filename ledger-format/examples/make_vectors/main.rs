//! Writes `ledger-format/vectors/*.json`: `cargo run -p ledger-format --features ml-dsa --example make_vectors`.
//!
//! What a case expects is written by hand next to its input, never taken from the code: where they differ this
//! program stops. Keys come from fixed seeds, so the files change only when a case does. Published vectors of the
//! specifications are among the cases, quoted with their source.

#[path = "../../tests/chain/run.rs"]
mod chain_run;
mod chains;
mod cosignatures;
mod evidence;
mod multi_proofs;
mod notes;
mod policies;
mod proofs;
mod receipts;
#[path = "../../tests/status_proof/reference.rs"]
mod reference;
#[path = "../../tests/vectors/run.rs"]
mod run;
mod staples;
mod tiles;
mod trees;
mod world;

use std::path::Path;

use serde_json::{Value, json};

/// One file of vectors in the making.
pub(crate) struct File {
    format: &'static str,
    spec: &'static str,
    cases: Vec<Value>,
}

impl File {
    pub(crate) fn new(format: &'static str, spec: &'static str) -> Self {
        Self { format, spec, cases: Vec::new() }
    }

    /// An input that must be accepted.
    pub(crate) fn good(&mut self, comment: &str, class: &str, input: Value) {
        self.case(comment, class, input, Ok(()));
    }

    /// An input that must be refused for this reason.
    pub(crate) fn bad(&mut self, comment: &str, class: &str, input: Value, reason: &str) {
        self.case(comment, class, input, Err(reason.to_owned()));
    }

    fn case(&mut self, comment: &str, class: &str, input: Value, want: run::Outcome) {
        let (_, run) = run::FORMATS.iter().find(|(name, _)| *name == self.format).expect("a listed format");
        let got = run(&run::Input(&input));
        assert_eq!(got, want, "{}: {comment}\n{input:#}", self.format);
        let mut case = json!({
            "id": self.cases.len() + 1,
            "comment": comment,
            "class": class,
            "input": input,
            "valid": want.is_ok(),
        });
        if let Err(reason) = want {
            case["reason"] = json!(reason);
        }
        self.cases.push(case);
    }

    pub(crate) fn write(self) {
        let file = json!({ "format": self.format, "spec": self.spec, "cases": self.cases });
        let text = serde_json::to_string_pretty(&file).expect("plain values") + "\n";
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("{}.json", self.format));
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("{}: {} cases", path.display(), file["cases"].as_array().map_or(0, Vec::len));
    }
}

fn main() {
    trees::write();
    tiles::write();
    notes::write();
    cosignatures::write();
    #[cfg(feature = "ml-dsa")]
    cosignatures::write_ml_dsa();
    policies::write();
    proofs::write();
    multi_proofs::write();
    receipts::write();
    evidence::write();
    staples::write();
    chains::write();
}
