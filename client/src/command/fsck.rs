//! `maip log`: the files of a log.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};
use ledger_client::{
    DirSource,
    fsck::{Fault, fsck},
};
use serde_json::json;

use super::{Done, Exit, Failure, Out, global::read_policy};

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Re-hash a directory of tiles and name the first file that is wrong.
    Fsck {
        /// An export, a mirror, or a node's tile directory.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Check the checkpoint's signatures, too.
        #[arg(long, env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
        policy: Option<PathBuf>,
    },
}

impl Log {
    pub(crate) fn run(&self, out: &Out) -> Done {
        let Self::Fsck { dir, policy } = self;
        if !dir.is_dir() {
            return Err(Failure::cannot(format!("{} is not a directory", dir.display()))
                .next("give the directory that holds `tile/`"));
        }
        let policy = policy.as_deref().map(read_policy).transpose()?;
        let bar = out.progress("entries", 0);
        let mut progress = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        };
        let report = fsck(&DirSource::new(dir), policy.as_ref(), &mut progress);
        bar.finish_and_clear();
        match report {
            Ok(report) => {
                let against = match (&report.checkpoint, &policy) {
                    (Some(_), Some(_)) => "up to the root of the witnessed checkpoint",
                    (Some(_), None) => "up to the root of the checkpoint (signatures not checked: no policy)",
                    (None, _) => "against each other (no checkpoint here, so the root is not checked)",
                };
                let text = format!(
                    "{} {} entries and {} tiles fit {against}",
                    out.good("in order:"),
                    report.size,
                    report.tiles
                );
                let json = json!({
                    "ok": true, "size": report.size, "tiles": report.tiles,
                    "root_checked": report.checkpoint.is_some(), "signatures_checked": policy.is_some(),
                });
                out.answer(&text, &json);
                Ok(Exit::Ok)
            }
            Err(fault) => Err(describe(fault)),
        }
    }
}

fn describe(fault: Fault) -> Failure {
    let next = match &fault {
        Fault::Tile { .. } | Fault::Entry { .. } | Fault::File(_) => {
            "fetch the file again from another copy of the log; its hash decides which is right"
        }
        _ => "fetch checkpoint and tiles again from another copy of the log",
    };
    Failure::no("the files are not in order").why(fault).next(next)
}
