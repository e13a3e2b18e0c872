//! `maip erase`: the log learns that a subject is erased, then its key is destroyed.

use std::time::Duration;

use clap::Args;
use ledger_client::vault::{Standing, Vault};
use ledger_format::record::{Body, Digest, Erasure};
use ledger_proto::v1::NodeErasure;
use serde_json::{Value, json};

use super::{
    Done, Exit, Failure, Global, Out,
    agent::{TenantSigner, by_tenant},
    node_store::{is_done, node_json, node_lines, wait_for_nodes},
    payload::VaultDir,
    send::{Send, Sent},
};

/// How long to wait until all nodes have destroyed what they keep of the subject.
const NODES_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Whom: the name that `maip payload put --subject` got.
    subject: String,
    #[command(flatten)]
    vault: VaultDir,
    /// Why, in a word; it is logged, so nothing personal.
    #[arg(
        long,
        value_name = "WORD",
        required_unless_present = "status",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Log and destroy nothing: say how far the erasure has come on each node. Answers 1 until all are done.
    #[arg(long, conflicts_with = "dry_run")]
    status: bool,
    #[command(flatten)]
    signer: TenantSigner,
    #[command(flatten)]
    send: Send,
}

/// What the log knows before the key is destroyed.
enum Logged {
    /// By this run.
    Now(Box<Sent>),
    /// By an earlier run that was broken off.
    Before,
    /// The record was only to be printed.
    Not,
}

impl Erase {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let mut vault = Vault::open(&self.vault.dir)?;
        if self.status {
            return self.show_status(global, out, vault.subject(&self.subject)?);
        }
        let subject = vault.subject(&self.subject).ok();
        let (logged, extra) = match vault.standing(&self.subject)? {
            Standing::Unfinished if self.send.only_prints() => {
                return Err(Failure::cannot("the erasure is logged already: there is no record to print")
                    .next("run it without --dry-run to finish the erasure"));
            }
            Standing::Unfinished => (Logged::Before, json!({})),
            Standing::Kept(subject) => {
                (self.log(global, out, subject)?, json!({ "subject": subject.to_string() }))
            }
        };
        if let Logged::Not = logged {
            return Ok(Exit::Ok);
        }
        let destroyed = vault.destroy(&self.subject).map_err(|error| {
            let next = "the erasure is logged; run the same command again to finish it";
            Failure::from(error).next(next)
        })?;
        let nodes = subject.map(|subject| wait_for_nodes(global, self.signer.tenant, subject, NODES_WAIT));
        self.answer(out, &logged, destroyed.payloads, nodes, extra);
        Ok(Exit::Ok)
    }

    fn log(&self, global: &Global, out: &Out, subject: Digest) -> Result<Logged, Failure> {
        let body = Erasure { on_behalf_of: None, reason: self.reason.clone(), subject };
        let stated = by_tenant(self.signer.tenant, Body::Erasure(Box::new(body)));
        match self.send.send(global, out, stated, &self.signer.key(global)?) {
            Ok(Some(sent)) => Ok(Logged::Now(Box::new(sent))),
            Ok(None) => Ok(Logged::Not),
            // The commitment is salted with a secret of this vault: nobody else can have named it.
            Err(failure) if is_erased_already(&failure) => Ok(Logged::Before),
            Err(failure) => Err(failure),
        }
    }

    fn show_status(&self, global: &Global, out: &Out, subject: Digest) -> Done {
        let nodes = wait_for_nodes(global, self.signer.tenant, subject, Duration::ZERO)?;
        let done = nodes.iter().all(is_done);
        let json = json!({ "ok": done, "subject": subject.to_string(), "nodes": node_json(&nodes) });
        out.answer(&format!("subject  {subject}\n{}", node_lines(&nodes)), &json);
        Ok(if done { Exit::Ok } else { Exit::No })
    }

    fn answer(
        &self,
        out: &Out,
        logged: &Logged,
        payloads: usize,
        nodes: Option<Result<Vec<NodeErasure>, Failure>>,
        mut extra: Value,
    ) {
        extra["destroyed"] = json!({ "payloads": payloads });
        let many = if payloads == 1 { "" } else { "s" };
        let mut more =
            format!("  vault    the subject's key is destroyed, {payloads} payload{many} removed\n");
        match nodes {
            Some(Ok(nodes)) => {
                more += &node_lines(&nodes);
                extra["nodes"] = node_json(&nodes);
            }
            Some(Err(failure)) => out
                .remark(&format!("  nodes    not asked: {}; `maip erase --status` asks again", failure.what)),
            None => {}
        }
        match logged {
            Logged::Now(sent) => self.send.answer(out, sent, "the subject is erased", &more, extra),
            Logged::Before | Logged::Not => {
                extra["ok"] = json!(true);
                extra["resumed"] = json!(true);
                let text = format!("{} an erasure that the log has already\n{more}", out.good("finished:"));
                out.answer(&text, &extra);
            }
        }
    }
}

fn is_erased_already(failure: &Failure) -> bool {
    failure.code.as_deref().is_some_and(|code| code.eq_ignore_ascii_case("subject_erased"))
}
