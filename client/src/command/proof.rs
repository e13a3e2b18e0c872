//! `maip proof`: proof files from the log.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueHint};
use ledger_format::TlogProof;
use serde_json::json;

use super::{Done, Exit, Failure, Global, Out, global::block_on, multi::Batch, staple::Status, tail::which};

#[derive(Debug, Subcommand)]
pub(crate) enum Proof {
    /// Fetch the proof file of one entry, verify it, write it.
    Get(Get),
    /// Prove many entries in one file, from the log's published files.
    Batch(Batch),
    /// Fetch the staple of a subject: its status, or that the log knows no such subject; verify it, write it.
    Status(Status),
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Its index, or the id of its record.
    which: String,
    /// The tenant of the record, when it is named by id.
    #[arg(long, env = "MAIP_TENANT", default_value = "")]
    tenant: String,
    /// Where to write it. Default: standard output.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Wait until a published checkpoint covers the entry, at most --timeout.
    #[arg(long)]
    wait: bool,
    /// Verify against this policy before writing. Default: the devnet's.
    #[arg(long, env = "MAIP_POLICY", value_name = "FILE", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
}

impl Proof {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Self::Get(get) => get.run(global, out),
            Self::Batch(batch) => batch.run(global, out),
            Self::Status(status) => status.run(global, out),
        }
    }
}

impl Get {
    fn run(&self, global: &Global, out: &Out) -> Done {
        let policy = global.policy(self.policy.as_ref())?;
        let which = which(&self.which, &self.tenant);
        let bytes = block_on(async {
            let wait = self.wait.then_some(global.timeout);
            Ok(global.nodes()?.proof(&global.log, &which, wait).await?)
        })?;
        let bad =
            |why: String| Failure::no("the node's proof does not hold").why(why).next("ask another node");
        let proof = TlogProof::parse(&bytes).map_err(|e| bad(e.to_string()))?;
        let entry = proof.extra.as_deref().ok_or_else(|| bad("it does not hold the entry".into()))?;
        let mut witnesses = Vec::new();
        if let Some(policy) = &policy {
            let proven = ledger_format::verify(entry, &proof, policy).map_err(|e| bad(e.to_string()))?;
            witnesses = proven.cosigners;
        }
        let Some(path) = &self.out else {
            out.bytes(&bytes);
            return Ok(Exit::Ok);
        };
        write_file(path, &bytes)?;
        let verified = match &policy {
            Some(_) => format!("verified: {} witnesses", witnesses.len()),
            None => "its path is verified; no policy was given for the signatures".into(),
        };
        let text = format!("wrote {}: entry {} ({verified})", path.display(), proof.index);
        let json = json!({
            "ok": true, "file": path, "index": proof.index, "verified": policy.is_some(),
            "cosigners": super::checkpoint::cosigners(&witnesses),
        });
        out.answer(&text, &json);
        Ok(Exit::Ok)
    }
}

/// Writes an answer file.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes)
        .map_err(|e| Failure::cannot(format!("{} cannot be written", path.display())).why(e))
}
