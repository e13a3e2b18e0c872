//! `maip evidence`: who cheated.

use std::{fs, path::PathBuf};

use clap::{Subcommand, ValueHint};
use ledger_format::{Evidence as File, EvidenceKind};
use serde_json::json;

use super::{Done, Exit, Failure, Global, Out};

#[derive(Debug, Subcommand)]
pub(crate) enum Evidence {
    /// Judge an evidence file by the keys of a policy.
    Check {
        /// The file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Whose keys count. Default: the devnet's policy.
        #[arg(long, env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
        policy: Option<PathBuf>,
    },
}

impl Evidence {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let Self::Check { file, policy } = self;
        let policy = global.policy_needed(policy.as_ref())?;
        let bytes = fs::read(file)
            .map_err(|e| Failure::cannot(format!("{} cannot be read", file.display())).why(e))?;
        let evidence = File::parse(&bytes)
            .map_err(|e| Failure::no(format!("{} is not evidence", file.display())).why(e))?;
        let verdict = evidence.judge(&policy).map_err(|e| {
            Failure::no("this convicts nobody of the policy")
                .why(e)
                .next("check that the policy is the log's")
        })?;
        let mut culprits = Vec::new();
        if verdict.log {
            culprits.push(format!("the log {}", verdict.origin));
        }
        culprits.extend(verdict.witnesses.iter().map(|name| format!("the witness {name}")));
        let text = format!(
            "{} {} ({})\n  {}",
            out.bad("CONVICTED"),
            culprits.join(", "),
            verdict.kind.name(),
            in_words(verdict.kind)
        );
        let json = json!({
            "ok": true, "kind": verdict.kind.name(), "origin": verdict.origin,
            "log": verdict.log, "witnesses": verdict.witnesses,
        });
        out.answer(&text, &json);
        Ok(Exit::Ok)
    }
}

fn in_words(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::LogForkSameSize => "signed two different trees of the same size",
        EvidenceKind::LogInconsistent => "signed a tree that does not begin with one it signed before",
        EvidenceKind::WitnessFork => "cosigned two trees that contradict each other",
        EvidenceKind::BadEntry => "holds an entry that no correct log takes",
    }
}
