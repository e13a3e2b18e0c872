//! `maip erase`: the log learns that a subject is erased, then its key is destroyed.

use clap::Args;
use ledger_client::vault::{Standing, Vault};
use ledger_format::record::{Body, Digest, Erasure};
use serde_json::{Value, json};

use super::{
    Done, Exit, Failure, Global, Out,
    agent::{TenantSigner, by_tenant},
    payload::VaultDir,
    send::{Send, Sent},
};

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Whom: the name that `maip payload put --subject` got.
    subject: String,
    #[command(flatten)]
    vault: VaultDir,
    /// Why, in a word; it is logged, so nothing personal.
    #[arg(long, value_name = "WORD")]
    reason: String,
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
        self.answer(out, &logged, destroyed.payloads, extra);
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

    fn answer(&self, out: &Out, logged: &Logged, payloads: usize, mut extra: Value) {
        extra["destroyed"] = json!({ "payloads": payloads });
        let many = if payloads == 1 { "" } else { "s" };
        let more = format!("  vault    the subject's key is destroyed, {payloads} payload{many} removed\n");
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
