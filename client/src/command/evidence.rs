//! `maip evidence`: who cheated.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Subcommand, ValueHint};
use ledger_format::{Evidence as File, EvidenceKind, Staple, TlogProof};
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
    /// Put a revocation and a later staple that does not show it into an evidence file.
    Status {
        /// The proof file of the record that ended something: a kill, a revocation, the end of a session or an agreement.
        #[arg(long, value_name = "PROOF", value_hint = ValueHint::FilePath)]
        ending: PathBuf,
        /// The later staple of what it ended.
        #[arg(long, value_name = "STAPLE", value_hint = ValueHint::FilePath)]
        staple: PathBuf,
        /// Whose keys count. Default: the devnet's policy.
        #[arg(long, env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
        policy: Option<PathBuf>,
        /// Where to write the evidence.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
    },
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|e| Failure::cannot(format!("{} cannot be read", path.display())).why(e))
}

/// Writes evidence only if it convicts.
fn status(
    global: &Global,
    out: &Out,
    (ending, staple): (&Path, &Path),
    policy: Option<&PathBuf>,
    target: &Path,
) -> Done {
    let policy = global.policy_needed(policy)?;
    let bad = |path: &Path, why: String| {
        Failure::no(format!("{} is not what it should be", path.display())).why(why)
    };
    let proof = TlogProof::parse(&read(ending)?).map_err(|e| bad(ending, e.to_string()))?;
    let later = Staple::parse(&read(staple)?).map_err(|e| bad(staple, e.to_string()))?;
    let evidence = File::StatusContradiction { ending: proof, staple: Box::new(later) };
    evidence.judge(&policy).map_err(|e| {
        Failure::no("the staple does not contradict the record").why(e).next("ask for a later staple")
    })?;
    fs::write(target, evidence.to_bytes())
        .map_err(|e| Failure::cannot(format!("{} cannot be written", target.display())).why(e))?;
    let text = format!("wrote {}: the log {}", target.display(), in_words(evidence.kind()));
    out.answer(&text, &json!({ "ok": true, "file": target, "kind": evidence.kind().name() }));
    Ok(Exit::Ok)
}

impl Evidence {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let (file, policy) = match self {
            Self::Check { file, policy } => (file, policy),
            Self::Status { ending, staple, policy, out: target } => {
                return status(global, out, (ending, staple), policy.as_ref(), target);
            }
        };
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
        EvidenceKind::StatusContradiction => {
            "ended something for good and sealed a later status by which it goes on"
        }
    }
}
