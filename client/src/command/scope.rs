//! `maip scope`: what scopes mean in a tenant.

use clap::Subcommand;
use ledger_format::record::{Body, Scope as ScopeOf, ScopeDefine};
use serde_json::json;

use super::{
    Done, Global, Out,
    agent::{TenantSigner, by_tenant, scope},
    send::Send,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Scope {
    /// Say what a scope means, and whether it is critical. What is said replaces what was.
    Define {
        /// The scope, resource:action or resource:*.
        #[arg(value_parser = scope)]
        scope: ScopeOf,
        /// Supervised and little trusted agents need an approval for it.
        #[arg(long)]
        critical: bool,
        /// What it means.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        #[command(flatten)]
        signer: TenantSigner,
        #[command(flatten)]
        send: Send,
    },
}

impl Scope {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let Self::Define { scope, critical, description, signer, send } = self;
        let body = ScopeDefine {
            critical: *critical,
            description: description.clone(),
            on_behalf_of: None,
            scope: scope.clone(),
        };
        let stated = by_tenant(signer.tenant, Body::ScopeDefine(Box::new(body)));
        let words = format!("{} is {}critical", scope.as_str(), if *critical { "" } else { "not " });
        let extra = json!({ "scope": scope.as_str(), "critical": critical });
        send.log(global, out, stated, &signer.key(global)?, &words, extra)
    }
}
