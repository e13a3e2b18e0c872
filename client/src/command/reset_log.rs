//! `maip admin reset-log`: a sandbox ends, and an empty log begins in its place.

use std::{fs, path::PathBuf};

use clap::{Args, ValueHint};
use ledger_proto::v1::{LogStatus, ResetLogRequest, StatusRequest};
use serde_json::json;

use super::{
    Done, Exit, Failure, Global, Out,
    global::{AdminKey, block_on},
};

#[derive(Debug, Args)]
pub(crate) struct ResetLog {
    #[command(flatten)]
    key: AdminKey,
    /// The sandbox, by its name. Everything in it is dropped on every node; proofs taken from it stay good.
    sandbox: String,
    /// Write the witness policy for the log that begins; must not exist.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    policy_out: Option<PathBuf>,
}

impl ResetLog {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        if let Some(file) = self.policy_out.as_ref().filter(|file| file.exists()) {
            return Err(Failure::cannot(format!("{} exists", file.display())).next("choose another name"));
        }
        block_on(async {
            let nodes = self.key.nodes(global)?;
            let status = nodes.admin(StatusRequest {}, async |mut c, m| c.status(m).await).await?;
            let generation = sandbox_generation(&status.logs, &self.sandbox)?;
            // With its number: asked again, at another node or by hand, the call ends no other generation.
            let message = ResetLogRequest { log: self.sandbox.clone(), generation };
            let begun = nodes.change(message, async |mut c, m| c.reset_log(m).await).await?;
            if let Some(file) = &self.policy_out {
                fs::write(file, &begun.policy).map_err(|e| {
                    Failure::cannot(format!("the log was reset, but {} cannot be written", file.display()))
                        .why(e)
                        .next("GET /v1/log/policy?log=NAME of a node gives the policy, too")
                })?;
            }
            let text = format!(
                "{} is in generation {} now: {}\nvkey {}",
                self.sandbox, begun.generation, begun.origin, begun.vkey
            );
            let json = json!({
                "ok": true, "log": self.sandbox, "generation": begun.generation, "origin": begun.origin,
                "vkey": begun.vkey, "policy": begun.policy,
            });
            out.answer(&text, &json);
            if self.policy_out.is_none() {
                let name = &self.sandbox;
                out.remark(&format!(
                    "to verify it: its policy, GET /v1/log/policy?log={name} of a node, or --policy-out"
                ));
            }
            Ok(Exit::Ok)
        })
    }
}

/// The present generation of a sandbox; production is refused before anybody is asked to do anything.
fn sandbox_generation(logs: &[LogStatus], name: &str) -> Result<u32, Failure> {
    let named = |wanted: fn(&&LogStatus) -> bool| {
        let names: Vec<&str> = logs.iter().filter(wanted).map(|log| log.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let sandboxes = format!("sandboxes of these nodes: {}", named(|log| log.generation > 0));
    let Some(log) = logs.iter().find(|log| log.name == name) else {
        return Err(Failure::cannot(format!("the node shows no log {name:?}")).next(sandboxes));
    };
    if log.generation == 0 {
        let what = format!("{name} is a production log and was not touched");
        return Err(Failure::no(what).why("a production log can never be reset").next(sandboxes));
    }
    Ok(log.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sandbox_is_reset() {
        let log =
            |name: &str, generation| LogStatus { name: name.into(), generation, ..LogStatus::default() };
        let logs = [log("main", 0), log("sandbox", 3)];
        assert_eq!(sandbox_generation(&logs, "sandbox").unwrap(), 3);
        let production = sandbox_generation(&logs, "main").unwrap_err();
        assert_eq!(production.exit, Exit::No);
        assert!(production.next.is_some_and(|next| next.contains("sandbox")));
        assert_eq!(sandbox_generation(&logs, "other").unwrap_err().exit, Exit::CannotJudge);
        assert!(
            sandbox_generation(&[log("main", 0)], "x").unwrap_err().next.is_some_and(|n| n.contains("none"))
        );
    }
}
