//! A log's published files as a command's input: where they are, whom to trust, and how they are replayed.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use ledger_client::replay::{ReplayTrouble, Replayed, Watcher, replay_watched};

use super::{Failure, Global, Out};

/// Where the log is read from, and under which policy.
#[derive(Debug, Args)]
pub(crate) struct LogCopy {
    /// Read the log from a directory instead of a URL.
    #[arg(long, visible_alias = "from-tiles", value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Whom to trust. Default: the devnet's policy.
    #[arg(long, env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
}

impl LogCopy {
    /// What the log itself publishes, under this policy.
    pub(crate) fn published(policy: Option<PathBuf>) -> Self {
        Self { dir: None, policy }
    }

    /// Replays the first `to` entries, or all that the checkpoint covers, behind a progress bar.
    pub(crate) fn replay(
        &self,
        global: &Global,
        out: &Out,
        to: Option<u64>,
        watcher: &mut dyn Watcher,
    ) -> Result<Replayed, Failure> {
        let policy = global.policy_needed(self.policy.as_ref())?;
        let source = global.source(self.dir.as_ref())?;
        let bar = out.progress("entries", 0);
        let replayed = replay_watched(&source, &policy, to, watcher, &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        replayed.map_err(describe)
    }
}

fn describe(trouble: ReplayTrouble) -> Failure {
    match trouble {
        ReplayTrouble::Source(error) => error.into(),
        ReplayTrouble::Checkpoint(_) => Failure::cannot("there is nothing to replay to")
            .why(trouble)
            .next("check that the policy and the URL are of the same log"),
        ReplayTrouble::TooFar { .. } => {
            Failure::cannot("not so many entries are published").why(trouble).next("ask for fewer with --to")
        }
        _ => Failure::no("the log does not replay")
            .why(trouble)
            .next("read it from another place; if it is the same there, `maip monitor` makes the evidence"),
    }
}
