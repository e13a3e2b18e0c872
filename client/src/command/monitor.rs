//! `maip monitor`: follow a log and trust nothing of it.

use std::{path::PathBuf, thread, time::Duration};

use clap::{Args, ValueHint};
use indicatif::ProgressBar;
use ledger_client::{
    Source,
    monitor::{Caught, Look, Monitor as Follower, Trouble},
};
use serde_json::json;

use super::{Done, Exit, Failure, Global, Out, time::duration};

#[derive(Debug, Args)]
pub(crate) struct Monitor {
    /// Read the log from a directory instead of a URL.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Whom to trust. Default: the devnet's policy.
    #[arg(long, env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
    /// The monitor's memory: a mirror of the log.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    state: PathBuf,
    /// Look once and end.
    #[arg(long)]
    once: bool,
    /// How often to look.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    interval: Duration,
    /// End when this size has been checked.
    #[arg(long, value_name = "N")]
    to_size: Option<u64>,
}

impl Monitor {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let policy = global.policy_needed(self.policy.as_ref())?;
        let source: Box<dyn Source> = global.source(self.dir.as_ref())?;
        let bar = out.progress("own copy", 0);
        let mut follower =
            Follower::open(source, policy, &self.state, &mut steps(&bar)).map_err(|t| describe(out, t))?;
        bar.finish_and_clear();
        if follower.size() > 0 {
            out.remark(&format!("own copy of {} entries replays", follower.size()));
        }
        loop {
            let verdict = self.look(&mut follower, out)?;
            if self.to_size.is_some_and(|size| follower.size() >= size) {
                return Ok(Exit::Ok);
            }
            if self.once {
                return Ok(verdict);
            }
            thread::sleep(self.interval);
        }
    }

    fn look(&self, follower: &mut Follower<Box<dyn Source>>, out: &Out) -> Done {
        let bar = out.progress("entries", 0);
        let look = follower.look(&mut steps(&bar));
        bar.finish_and_clear();
        let look = match look {
            // Gone for a moment is not gone for good, unless one look is all there is.
            Err(trouble @ (Trouble::Unreachable(_) | Trouble::NotTheLogs(_))) if !self.once => {
                out.remark(&format!("{trouble}; looking again in {:?}", self.interval));
                return Ok(Exit::CannotJudge);
            }
            other => other.map_err(|t| describe(out, t))?,
        };
        Ok(tell(out, &look))
    }
}

fn steps(bar: &ProgressBar) -> impl FnMut(u64, u64) {
    |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    }
}

fn tell(out: &Out, look: &Look) -> Exit {
    let (exit, text, json) = match look {
        Look::Unchanged { size } => {
            (Exit::Ok, format!("nothing new at size {size}"), json!({ "look": "unchanged", "size": size }))
        }
        Look::Advanced { from, to } => (
            Exit::Ok,
            format!("{} entries {from} to {to} re-hashed and replayed", out.good("in order:")),
            json!({ "look": "advanced", "from": from, "size": to }),
        ),
        Look::Unwitnessed { size, reason } => (
            Exit::CannotJudge,
            format!("{} size {size}: {reason}", out.doubtful("not witnessed yet:")),
            json!({ "look": "unwitnessed", "size": size, "reason": reason }),
        ),
        Look::Older { size, head } => (
            Exit::No,
            format!("{} size {size} is served, {head} was before", out.doubtful("the log went back:")),
            json!({ "look": "older", "size": size, "head": head }),
        ),
    };
    let mut json = json;
    json["ok"] = json!(exit == Exit::Ok);
    out.answer(&text, &json);
    exit
}

fn describe(out: &Out, trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Unreachable(error) => error.into(),
        Trouble::Caught(caught) => describe_caught(out, &caught),
        Trouble::Damaged(_) => Failure::no("what the log serves is not what it signed")
            .why(trouble)
            .next("read it from another place: what is served is not signed, so this convicts nobody"),
        Trouble::NotTheLogs(_) => Failure::cannot("nothing to check")
            .why(trouble)
            .next("check that the policy and the URL are of the same log"),
        Trouble::TooNew { .. } => {
            Failure::cannot("this program is too old").why(trouble).next("use a newer maip")
        }
        other => Failure::cannot("the monitor cannot go on").why(other).next("check the --state directory"),
    }
}

fn describe_caught(out: &Out, caught: &Caught) -> Failure {
    out.remark(&out.bad("THE LOG CHEATED"));
    let file = caught.path.display();
    let next = match caught.stands_alone {
        true => {
            format!("publish {file}: `maip evidence check {file} --policy POLICY` convicts the log by it")
        }
        false => format!(
            "publish {file}: it proves that the log holds the entry; whoever replays the log up to it sees that it \
             is forbidden"
        ),
    };
    Failure::no(caught.words.clone()).why(format!("the evidence is in {file}")).next(next)
}
