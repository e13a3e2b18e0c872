//! `maip admin log-key`: one verifier key of the log takes over from another.

use clap::{Args, Subcommand, ValueHint};
use ledger_format::{
    SignatureType, Vkey,
    record::{Actor, Body, LogKeyAction, Ulid},
};
use serde_json::json;

use super::{
    Done, Global, Out,
    global::AdminKey,
    send::{Send, Stated},
};

#[derive(Debug, Subcommand)]
pub(crate) enum LogKey {
    /// Let another key sign checkpoints, beside the ones in force.
    Add(Change),
    /// Let a key sign no more. Refused for the last one.
    Retire(Change),
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// The verifier key: name+hash+key, named after the log's origin.
    #[arg(value_parser = log_vkey)]
    vkey: Vkey,
    /// The log's operator key: a key file, or a name in the key directory.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    operator_key: String,
    #[command(flatten)]
    admin: AdminKey,
    #[command(flatten)]
    send: Send,
}

impl LogKey {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let (change, action, words) = match self {
            Self::Add(change) => (change, LogKeyAction::Add, "signs for the log from now on"),
            Self::Retire(change) => (change, LogKeyAction::Retire, "signs for the log no more"),
        };
        let vkey = change.vkey.to_string();
        let key = global.signer(&change.operator_key)?;
        let stated = Stated {
            operator: Some(&change.admin),
            id: None,
            tenant: Ulid::NIL,
            actor: Actor::Operator,
            prev: None,
            body: Body::LogKey(ledger_format::record::LogKey { action, vkey: vkey.clone() }),
        };
        change.send.log(global, out, stated, &key, &format!("{vkey} {words}"), json!({ "vkey": vkey }))
    }
}

fn log_vkey(text: &str) -> Result<Vkey, String> {
    let key = Vkey::parse(text).map_err(|e| e.to_string())?;
    match key.signature_type() {
        SignatureType::Ed25519 => Ok(key),
        _ => Err("a log signs with an Ed25519 key".into()),
    }
}
