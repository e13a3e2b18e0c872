//! `maip policy`: whom a policy trusts, in words.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Subcommand, ValueHint};
use serde_json::json;

use super::{Done, Exit, Global, Out};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Parse a policy and say whom it trusts.
    Show {
        /// The policy file. Default: the devnet's.
        #[arg(value_name = "FILE", env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
}

impl Policy {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let Self::Show { file } = self;
        let policy = global.policy_needed(file.as_ref())?;
        let mut text = String::new();
        for log in policy.logs() {
            let url = log.url.as_deref().unwrap_or("no URL");
            let _ = writeln!(text, "log      {} (key {}, {url})", log.vkey.name(), log.vkey.key_id());
        }
        for witness in policy.witnesses() {
            let url = witness.url.as_deref().unwrap_or("no URL");
            let _ = writeln!(
                text,
                "witness  {} = {} (key {}, {url})",
                witness.name,
                witness.vkey.name(),
                witness.vkey.key_id()
            );
        }
        let _ = writeln!(text, "quorum   {}", policy.quorum());
        let logs: Vec<_> = policy
            .logs()
            .iter()
            .map(|l| json!({ "origin": l.vkey.name(), "vkey": l.vkey.to_string(), "url": l.url }))
            .collect();
        let witnesses: Vec<_> = policy
            .witnesses()
            .iter()
            .map(|w| json!({ "name": w.name, "vkey": w.vkey.to_string(), "url": w.url }))
            .collect();
        let json = json!({
            "ok": true, "logs": logs, "witnesses": witnesses, "quorum": policy.quorum().to_string(),
        });
        out.answer(&text, &json);
        Ok(Exit::Ok)
    }
}
