//! `maip trust`: how far an agent is trusted and why, from the log's entries alone.

mod compute;
mod text;

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand, ValueHint};
use ledger_client::replay::{Claim, Replayed, Standing, TRUST_ROWS_MAX, TrustWatch};
use ledger_format::record::AgentId;
use serde_json::{Value, json};

use self::compute::Compute;
use super::{
    Done, Exit, Failure, Global, Out,
    agent::agent_id,
    copy::{Between, LogCopy},
};

/// Rows that are printed unless told otherwise.
const ROWS: u64 = 20;

/// One agent of a replayed log.
#[derive(Debug, Args)]
pub(crate) struct OfAgent {
    /// The agent, in any spelling of its id.
    #[arg(value_parser = agent_id)]
    agent: AgentId,
    #[command(flatten)]
    copy: LogCopy,
    /// Replay the first N entries only, and answer as of then.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// The score as of the last entry, its factors and caps; with --json a claim that `check` takes.
    Show {
        #[command(flatten)]
        of: OfAgent,
    },
    /// The entries that the score comes from, newest first: what each meant and what came of it.
    Explain {
        #[command(flatten)]
        of: OfAgent,
        /// Print the newest N entries.
        #[arg(long, value_name = "N", default_value_t = ROWS, value_parser = rows())]
        limit: u64,
    },
    /// The score at the end of each log day.
    History {
        #[command(flatten)]
        of: OfAgent,
        /// Print the newest N days.
        #[arg(long, value_name = "N", default_value_t = ROWS, value_parser = rows())]
        limit: u64,
    },
    /// Log that the tenant asks for a score, which counts towards its plan, and read the score from the entries up to there.
    Compute(Box<Compute>),
    /// Compute a served score again and say whether it is equal.
    Check {
        /// The claim: {agent, alg, as_of_size, factors, origin, score_bp}, and as_of, caps and more if you like.
        #[arg(value_name = "CLAIM", value_hint = ValueHint::FilePath)]
        claim: PathBuf,
        #[command(flatten)]
        copy: LogCopy,
        #[command(flatten)]
        between: Between,
    },
}

fn rows() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=TRUST_ROWS_MAX as u64)
}

impl Trust {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Trust::Show { of } => {
                let (replayed, standing, _) = of.replay(global, out, 0)?;
                let claim = replayed.claim(of.agent, &standing);
                let json = json!({
                    "ok": true, "claim": claim, "status": standing.reading.status.as_str(),
                    "tenant": standing.tenant.to_string(), "trend": standing.reading.trend.map(|trend| trend.as_str()),
                });
                out.answer(&text::standing(out, of.agent, &replayed, &standing), &json);
            }
            Trust::Explain { of, limit } => {
                let (replayed, standing, watch) = of.replay(global, out, *limit)?;
                let rows: Vec<_> = watch.contributions().rev().collect();
                let json = json!({
                    "ok": true, "agent": of.agent.to_string(), "as_of_size": replayed.size(), "count": watch.count(),
                    "entries": rows.iter().map(|row| text::contribution_json(row)).collect::<Vec<_>>(),
                    "score_bp": standing.reading.score,
                });
                out.answer(&text::contributions(&standing, &rows, watch.count()), &json);
            }
            Trust::History { of, limit } => {
                let (replayed, standing, watch) = of.replay(global, out, *limit)?;
                let days = watch.closing_scores(&replayed);
                let json = json!({
                    "ok": true, "agent": of.agent.to_string(), "as_of_size": replayed.size(),
                    "days": days.iter().map(text::day_json).collect::<Vec<_>>(),
                    "now": { "as_of": standing.as_of_ms, "score_bp": standing.reading.score },
                });
                out.answer(&text::history(&standing, &days), &json);
            }
            Trust::Compute(compute) => return compute.run(global, out),
            Trust::Check { claim, copy, between } => return check(claim, (copy, between), global, out),
        }
        Ok(Exit::Ok)
    }
}

impl OfAgent {
    fn replay(
        &self,
        global: &Global,
        out: &Out,
        rows: u64,
    ) -> Result<(Replayed, Standing, TrustWatch), Failure> {
        let mut watch = TrustWatch::new(self.agent, usize::try_from(rows).unwrap_or(TRUST_ROWS_MAX));
        let replayed = self.copy.replay(global, out, self.to, &mut watch)?;
        let unknown = || {
            Failure::no(format!("{} is not in the log", self.agent))
                .why(format!("none of its first {} entries registers it", replayed.size()))
                .next("check the id, and which log you ask")
        };
        let standing = replayed.standing(self.agent, replayed.last_entry_ms()).ok_or_else(unknown)?;
        Ok((replayed, standing, watch))
    }
}

fn check(path: &PathBuf, (copy, between): (&LogCopy, &Between), global: &Global, out: &Out) -> Done {
    let unusable = |why: String| {
        Failure::cannot(format!("the claim {} cannot be checked", path.display()))
            .why(why)
            .next("a claim is what `maip trust show --json` prints: see docs/cli.md")
    };
    let bytes = fs::read(path).map_err(|e| unusable(e.to_string()))?;
    let claim = Claim::parse(&bytes).map_err(|e| unusable(e.to_string()))?;
    let replayed = between.replay(copy, global, out, Some(claim.as_of_size))?;
    let known = ledger_state::agent(replayed.state(), claim.agent).is_some();
    let Some(compared) = claim.compare(&replayed) else {
        return Err(match known {
            true => unusable(format!(
                "its as_of is before {}, the time of the last of the {} entries",
                replayed.last_entry_ms(),
                claim.as_of_size
            )),
            false => Failure::no("the claim is wrong")
                .why(format!("the first {} entries know no agent {}", claim.as_of_size, claim.agent)),
        });
    };
    let equal = compared.different.is_empty();
    let different: Vec<Value> = compared
        .different
        .iter()
        .map(|(name, claimed, computed)| json!({ "name": name, "claimed": claimed, "computed": computed }))
        .collect();
    let json = json!({
        "ok": equal, "agent": claim.agent.to_string(), "as_of_size": claim.as_of_size, "equal": compared.equal,
        "different": different, "not_compared": compared.not_compared,
    });
    out.answer(&text::compared(out, &claim, &compared), &json);
    Ok(if equal { Exit::Ok } else { Exit::No })
}
