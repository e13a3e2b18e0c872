//! A log's published files as a command's input: where they are, whom to trust, and how they are replayed.

use std::{fs, path::PathBuf};

use clap::{Args, ValueHint};
use ledger_client::replay::{Kept, ReplayTrouble, Replayed, Watcher, replay_since};

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

/// Between two checkpoints: what one replay leaves to the next.
#[derive(Debug, Args)]
pub(crate) struct Between {
    /// Go on where an earlier replay ended: what it kept with --keep. Only later entries are read.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    resume: Option<PathBuf>,
    /// Write what a later replay can go on from. Your own memory: do not take somebody else's.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    keep: Option<PathBuf>,
}

impl Between {
    /// Replays the entries behind what was kept, and keeps what there is then.
    pub(crate) fn replay(
        &self,
        copy: &LogCopy,
        global: &Global,
        out: &Out,
        to: Option<u64>,
    ) -> Result<Replayed, Failure> {
        let kept = self.resume.as_ref().map(read_kept).transpose()?;
        let replayed = copy.replay_since(global, out, kept, to, &mut ())?;
        if let Some(path) = &self.keep {
            let cannot =
                |e: std::io::Error| Failure::cannot(format!("{} cannot be written", path.display())).why(e);
            // Whatever is there is replaced by a whole file or not at all.
            let part = path.with_added_extension("part");
            fs::write(&part, replayed.keep()).and_then(|()| fs::rename(&part, path)).map_err(cannot)?;
        }
        Ok(replayed)
    }
}

fn read_kept(path: &PathBuf) -> Result<Kept, Failure> {
    let unusable = |why: String| {
        Failure::cannot(format!("{} is nothing to go on from", path.display()))
            .why(why)
            .next("replay without --resume, and write a new one with --keep")
    };
    let bytes = fs::read(path).map_err(|e| unusable(e.to_string()))?;
    Kept::parse(&bytes).map_err(|e| unusable(e.to_string()))
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
        self.replay_since(global, out, None, to, watcher)
    }

    fn replay_since(
        &self,
        global: &Global,
        out: &Out,
        kept: Option<Kept>,
        to: Option<u64>,
        watcher: &mut dyn Watcher,
    ) -> Result<Replayed, Failure> {
        let policy = global.policy_needed(self.policy.as_ref())?;
        let source = global.source(self.dir.as_ref())?;
        let bar = out.progress("entries", 0);
        let replayed = replay_since(&source, &policy, kept, to, watcher, &mut |done, total| {
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
        ReplayTrouble::OtherKept { .. } => Failure::cannot("this replay cannot be gone on from")
            .why(trouble)
            .next("give --resume a replay of this log, of no more entries than are asked for"),
        ReplayTrouble::NotSince { .. } => Failure::no("the log is not the one that was replayed before")
            .why(trouble)
            .next("if the file of --resume is your own, keep it and both checkpoints: `maip monitor` makes evidence"),
        _ => Failure::no("the log does not replay")
            .why(trouble)
            .next("read it from another place; if it is the same there, `maip monitor` makes the evidence"),
    }
}
