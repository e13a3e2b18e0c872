//! `maip tenant update|key|suspend|reactivate`: changes of a tenant.

use clap::Args;
use ledger_format::record::{
    Body, Plan, TenantKey, TenantReactivate, TenantSuspend, TenantUpdate, TrustThresholds,
};
use serde_json::json;

use super::{Done, Failure, Global, Out, send::Send, signer::TenantOrOperator};

/// What is given replaces what was.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// What people call it.
    #[arg(long)]
    name: Option<String>,
    /// Scores in basis points below which its agents are watched, need approvals, and are suspended.
    #[arg(long, value_name = "MONITOR,APPROVAL,SUSPEND", value_parser = thresholds)]
    thresholds: Option<TrustThresholds>,
    /// What it has subscribed to; only the operator changes it.
    #[arg(long, value_parser = plan, requires = "operator_key")]
    plan: Option<Plan>,
    #[command(flatten)]
    signer: TenantOrOperator,
    #[command(flatten)]
    send: Send,
}

impl Update {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let (stated, key) = self.signer.state(global, |on_behalf_of| {
            let (name, plan, thresholds) = (self.name.clone(), self.plan, self.thresholds.clone());
            Body::TenantUpdate(Box::new(TenantUpdate { name, on_behalf_of, plan, thresholds }))
        })?;
        let name = self.signer.name();
        let words = format!("{name} is described anew");
        self.send.log(global, out, stated, &key, &words, json!({ "tenant": name }))
    }
}

/// A new root key.
#[derive(Debug, Args)]
pub(crate) struct NewKey {
    /// The new root key: its public half, a file, or a name in the key directory.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    new_key: String,
    /// The present root key, when the operator signs; none if the tenant has none. Otherwise it is --tenant-key.
    #[arg(long, value_name = "KEY", requires = "operator_key", allow_hyphen_values = true)]
    previous: Option<String>,
    /// Why: scheduled, compromised, lost, ...
    #[arg(long, default_value = "scheduled")]
    reason: String,
    #[command(flatten)]
    signer: TenantOrOperator,
    #[command(flatten)]
    send: Send,
}

impl NewKey {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let new = global.public_key(&self.new_key)?;
        let named = self.previous.as_ref().map(|key| global.public_key(key)).transpose()?;
        let (mut stated, key) = self.signer.state(global, |on_behalf_of| {
            let (previous, reason) = (named.map(|key| key.kid()), self.reason.clone());
            Body::TenantKey(Box::new(TenantKey { key: new, on_behalf_of, previous, reason }))
        })?;
        if stated.operator.is_none()
            && let Body::TenantKey(body) = &mut stated.body
        {
            body.previous = Some(key.kid());
        }
        let name = self.signer.name();
        let words = format!("{name} signs with key {} from now on", new.kid());
        let extra = json!({ "tenant": name, "kid": new.kid().to_string() });
        self.send.log(global, out, stated, &key, &words, extra)
    }
}

/// Who signs, and why.
#[derive(Debug, Args)]
pub(crate) struct Standing {
    /// Why, in a word.
    #[arg(long, value_name = "WORD")]
    reason: String,
    #[command(flatten)]
    signer: TenantOrOperator,
    #[command(flatten)]
    send: Send,
}

impl Standing {
    pub(crate) fn suspend(&self, global: &Global, out: &Out) -> Done {
        let body = |on_behalf_of| {
            Body::TenantSuspend(Box::new(TenantSuspend { on_behalf_of, reason: self.reason.clone() }))
        };
        self.log(global, out, body, "is suspended, and the sessions of its agents have ended")
    }

    pub(crate) fn reactivate(&self, global: &Global, out: &Out) -> Done {
        let body = |on_behalf_of| {
            Body::TenantReactivate(Box::new(TenantReactivate { on_behalf_of, reason: self.reason.clone() }))
        };
        self.log(global, out, body, "and its agents may act again")
    }

    fn log(
        &self,
        global: &Global,
        out: &Out,
        body: impl FnOnce(Option<String>) -> Body,
        words: &str,
    ) -> Done {
        let (stated, key) = self.signer.state(global, body)?;
        if stated.operator.is_none() && matches!(stated.body, Body::TenantReactivate(_)) {
            return Err(Failure::cannot("only the operator reactivates a tenant")
                .next("give --operator-key and --on-behalf-of"));
        }
        let name = self.signer.name();
        self.send.log(global, out, stated, &key, &format!("{name} {words}"), json!({ "tenant": name }))
    }
}

fn thresholds(text: &str) -> Result<TrustThresholds, String> {
    let rule = || "three scores from 10000 down to 0, e.g. 7000,5000,3000".to_owned();
    let scores: Vec<u64> = text.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| rule())?;
    match scores[..] {
        [monitor, approval, suspend] if suspend <= approval && approval <= monitor && monitor <= 10_000 => {
            Ok(TrustThresholds { approval, monitor, suspend })
        }
        _ => Err(rule()),
    }
}

fn plan(text: &str) -> Result<Plan, String> {
    Plan::parse(text).ok_or_else(|| {
        let all: Vec<_> = Plan::ALL.iter().map(|plan| plan.as_str()).collect();
        format!("one of {}", all.join(", "))
    })
}
