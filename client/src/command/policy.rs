//! `maip policy`: two things of that name. `show` is about witness policies, files that say whom a verifier trusts; `put`, `enable` and
//! `disable` are about a tenant's policies, records from which decisions follow.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand, ValueHint};
use ledger_format::record::{Actor, Body, PolicyId, PolicyState, PolicyStatus};
use serde_json::{Value, json};

use super::{
    Done, Exit, Failure, Global, Out,
    agent::{TenantSigner, by_tenant},
    ids::policy_id,
    record_log::{body, read_json},
    send::{Send, new_id},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Witness policy: parse the file and say whom it trusts. Nothing is logged.
    Show {
        /// The policy file. Default: the devnet's.
        #[arg(value_name = "FILE", env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Decision policy: log a tenant's policy, or a new version of one, from JSON.
    Put(Box<Put>),
    /// Decision policy: let decisions look at it again.
    Enable(Box<Switch>),
    /// Decision policy: let decisions look past it.
    Disable(Box<Switch>),
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The policy, {name, priority, rules}: a file, the JSON itself, or - for standard input. With `policy`, a new version of that one.
    #[arg(value_name = "FILE|JSON")]
    rules: String,
    /// The policy of which this is a version. Default: the one in the JSON, else a new one.
    #[arg(long, value_parser = policy_id)]
    id: Option<PolicyId>,
    #[command(flatten)]
    signer: TenantSigner,
    #[command(flatten)]
    send: Send,
}

#[derive(Debug, Args)]
pub(crate) struct Switch {
    /// The policy.
    #[arg(value_name = "POLICY", value_parser = policy_id)]
    id: PolicyId,
    #[command(flatten)]
    signer: TenantSigner,
    #[command(flatten)]
    send: Send,
}

impl Put {
    fn run(&self, global: &Global, out: &Out) -> Done {
        let key = self.signer.key(global)?;
        let mut json = read_json(&self.rules)?;
        let Value::Object(members) = &mut json else {
            return Err(Failure::no("this is not a policy")
                .why("it is not a JSON object")
                .next("write {\"name\", \"priority\", \"rules\"}: see policy.put in docs/record-format.md"));
        };
        match self.id {
            Some(id) => drop(members.insert("policy".into(), json!(id.to_string()))),
            None if members.contains_key("policy") => {}
            None => drop(members.insert("policy".into(), json!(PolicyId(new_id()?).to_string()))),
        }
        let body = body("policy.put", json, self.signer.tenant, Actor::Tenant, key.kid())?;
        let (id, words) = match &body {
            Body::PolicyPut(put) => {
                (put.policy, format!("policy {:?} is active as {}", put.name, put.policy))
            }
            _ => return Err(Failure::cannot("the body is of another type")),
        };
        let stated = by_tenant(self.signer.tenant, body);
        self.send.log(global, out, stated, &key, &words, json!({ "policy": id.to_string() }))
    }
}

impl Switch {
    fn run(&self, global: &Global, out: &Out, status: PolicyState) -> Done {
        let body = PolicyStatus { on_behalf_of: None, policy: self.id, status };
        let stated = by_tenant(self.signer.tenant, Body::PolicyStatus(Box::new(body)));
        let words = format!("policy {} is {}", self.id, status.as_str());
        let extra = json!({ "policy": self.id.to_string(), "status": status.as_str() });
        self.send.log(global, out, stated, &self.signer.key(global)?, &words, extra)
    }
}

impl Policy {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let file = match self {
            Self::Show { file } => file,
            Self::Put(put) => return put.run(global, out),
            Self::Enable(switch) => return switch.run(global, out, PolicyState::Active),
            Self::Disable(switch) => return switch.run(global, out, PolicyState::Disabled),
        };
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
