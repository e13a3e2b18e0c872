//! What every command that logs a record shares: sign, send, check, keep the proof.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum, ValueHint};
use ledger_client::{ClientError, Submitted, keys::KeyHandle};
use ledger_format::{
    TlogProof,
    record::{Actor, Body, Draft, Record, RecordHash, Ulid},
};
use ledger_proto::v1;
use serde_json::{Value, json};

use super::{
    Done, Exit, Failure, Global, Out,
    global::{AdminKey, block_on},
    record_log::what_to_do,
    time::now_ms,
};

/// How long to wait for a record.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Ack {
    /// A majority of nodes holds it durably; its index is final.
    Sequenced,
    /// A published checkpoint covers it.
    Published,
    /// That checkpoint carries the witnesses' cosignatures; the answer holds the proof file.
    Witnessed,
}

impl From<Ack> for v1::Ack {
    fn from(ack: Ack) -> Self {
        match ack {
            Ack::Sequenced => Self::Sequenced,
            Ack::Published => Self::Published,
            Ack::Witnessed => Self::Witnessed,
        }
    }
}

/// How a new record is logged.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct Send {
    /// How long to wait.
    #[arg(long, value_enum, default_value = "witnessed")]
    ack: Ack,
    /// Write the proof file here (not with --ack sequenced, which gives none).
    #[arg(long, value_name = "PROOF", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Check the proof against this policy before it is written. Default: the devnet's.
    #[arg(long, env = "MAIP_POLICY", value_name = "FILE", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
    /// Size of a checkpoint that was seen before: proves that the record is not older than it.
    #[arg(long, value_name = "SIZE")]
    anchor: Option<u64>,
    /// Do not send: print the signed record.
    #[arg(long)]
    dry_run: bool,
}

/// A record about to be signed.
pub(crate) struct Stated<'a> {
    /// Set when only an operator may log this type of record.
    pub(crate) operator: Option<&'a AdminKey>,
    /// Set by commands that take `--id`: the same record can be sent again.
    pub(crate) id: Option<Ulid>,
    pub(crate) tenant: Ulid,
    pub(crate) actor: Actor,
    pub(crate) prev: Option<RecordHash>,
    pub(crate) body: Body,
}

/// A record that is logged.
pub(crate) struct Sent {
    pub(crate) record: Record,
    pub(crate) submitted: Submitted,
    /// Its proof satisfies the policy.
    checked: bool,
}

/// A record that is signed and may be in the log, whatever fails.
struct Signed {
    id: Ulid,
    tenant: Ulid,
    /// The command takes the id.
    repeats: bool,
}

impl Signed {
    /// A failure of the call that logs it.
    fn not_answered(&self, error: ClientError) -> Failure {
        let settled = matches!(&error, ClientError::Refused(refused) if refused.is_settled());
        let failure = Failure::from(error);
        if settled { failure.record(self.id) } else { self.open(failure) }
    }

    /// The record is in the log or may be. Run again without its id, the command would log another one.
    fn open(&self, failure: Failure) -> Failure {
        let Self { id, tenant, repeats } = self;
        let again = match (repeats, *tenant) {
            (true, _) => format!("run again with --id {id}: the record is logged once"),
            (false, Ulid::NIL) => format!("`maip entry {id}` says whether the record is logged"),
            (false, tenant) => {
                format!("`maip entry {id} --tenant {tenant}` says whether the record is logged")
            }
        };
        let next = failure.next.as_deref().filter(|next| !next.is_empty());
        let next = next.map_or_else(|| again.clone(), |next| format!("{next}; {again}"));
        failure.next(next).record(*id)
    }
}

/// A fresh id: now, and 80 random bits.
pub(crate) fn new_id() -> Result<Ulid, Failure> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| Failure::cannot("no randomness").why(e))?;
    Ok(Ulid::from_parts(now_ms(), u128::from_be_bytes(random)))
}

impl Send {
    /// Nothing is to be sent.
    pub(crate) fn only_prints(&self) -> bool {
        self.dry_run
    }

    /// The policy that proofs are checked against, if one is given.
    pub(crate) fn policy(&self) -> Option<&PathBuf> {
        self.policy.as_ref()
    }

    /// Signs a record and logs it. `words` says what it does; `extra` goes into the JSON answer.
    pub(crate) fn log(
        &self,
        global: &Global,
        out: &Out,
        stated: Stated<'_>,
        key: &KeyHandle,
        words: &str,
        extra: Value,
    ) -> Done {
        if let Some(sent) = self.send(global, out, stated, key)? {
            self.answer(out, &sent, words, "", extra);
        }
        Ok(Exit::Ok)
    }

    /// Signs a record and logs it; `None` when it was only to be printed.
    ///
    /// The record's time is that of its id, so that the same command with the same id signs the same bytes.
    pub(crate) fn send(
        &self,
        global: &Global,
        out: &Out,
        stated: Stated<'_>,
        key: &KeyHandle,
    ) -> Result<Option<Sent>, Failure> {
        self.check_options()?;
        let id = stated.id.map_or_else(new_id, Ok)?;
        let draft = Draft {
            id,
            tenant: stated.tenant,
            actor: stated.actor,
            at: id.timestamp_ms(),
            anchor: self.anchor,
            prev: stated.prev,
            body: stated.body,
        };
        let record = key.sign_record(draft)?;
        record.check().map_err(|e| {
            let next = what_to_do(record.type_name(), &e);
            Failure::cannot("the record breaks a rule of its type").why(e).next(next)
        })?;
        let bytes = record.to_bytes();
        if self.dry_run {
            out.bytes(&bytes);
            out.bytes(b"\n");
            return Ok(None);
        }
        let policy = global.policy(self.policy.as_ref())?;
        let after = Signed { id, tenant: stated.tenant, repeats: stated.id.is_some() };
        let submitted = block_on(async {
            let nodes = match stated.operator {
                Some(key) => key.nodes(global)?,
                None => global.nodes()?,
            };
            let sent = nodes.submit(&global.log, &bytes, self.ack.into(), global.timeout).await;
            sent.map_err(|error| after.not_answered(error))
        })?;
        let checked = self.keep_proof(&submitted, policy.as_ref());
        let checked = checked.map_err(|failure| after.open(failure))?;
        Ok(Some(Sent { record, submitted, checked }))
    }

    /// What cannot work is said before anything is sent.
    fn check_options(&self) -> Result<(), Failure> {
        match (&self.out, self.ack) {
            (Some(_), Ack::Sequenced) => Err(Failure::cannot(
                "--out needs a proof, and --ack sequenced waits for none",
            )
            .next("give --ack published or witnessed, or fetch the proof later with `maip proof get`")),
            _ => Ok(()),
        }
    }

    /// Checks the proof of an answer and writes it where it is wanted. Says whether a policy vouches for it.
    fn keep_proof(
        &self,
        submitted: &Submitted,
        policy: Option<&ledger_format::Policy>,
    ) -> Result<bool, Failure> {
        let checked = check_proof(submitted, policy)?;
        if let Some(path) = &self.out {
            write_proof(path, submitted.proof.as_deref())?;
        }
        Ok(checked)
    }

    /// Says what was logged. `more` are further lines.
    pub(crate) fn answer(&self, out: &Out, sent: &Sent, words: &str, more: &str, extra: Value) {
        let Sent { record, submitted, checked } = sent;
        let mut json = answer_json(submitted);
        json["ok"] = json!(true);
        json["id"] = json!(record.id.to_string());
        json["record_hash"] = json!(record.hash().to_string());
        json["proof_file"] = json!(self.out);
        json["proof_verified"] = json!(checked);
        merge(&mut json, extra);
        let mut text = format!("{} {words}\n", out.good("logged:"));
        let _ = writeln!(text, "  record   {}", record.id);
        let again = if submitted.duplicate { ", the record was there already" } else { "" };
        let _ = writeln!(text, "  index    {} ({}{again})", submitted.index, ack_name(submitted.ack));
        let _ = writeln!(text, "  leaf     {}", submitted.leaf);
        if let Some(path) = &self.out {
            let verified =
                if *checked { "verified" } else { "path verified; no policy was given for the signatures" };
            let _ = writeln!(text, "  proof    {} ({verified})", path.display());
        }
        text.push_str(more);
        out.answer(&text, &json);
    }
}

/// Verifies the proof of an answer, if there is a proof and a policy. Says whether it did.
fn check_proof(submitted: &Submitted, policy: Option<&ledger_format::Policy>) -> Result<bool, Failure> {
    let (Some(bytes), Some(policy)) = (&submitted.proof, policy) else { return Ok(false) };
    let bad = |why: String| {
        Failure::no("the record is logged, but its proof does not satisfy the policy")
            .why(why)
            .next(format!("check the policy; `maip proof get {}` fetches a newer proof", submitted.index))
    };
    let proof = TlogProof::parse(bytes).map_err(|e| bad(e.to_string()))?;
    ledger_format::verify(&submitted.entry, &proof, policy).map_err(|e| bad(e.to_string()))?;
    Ok(true)
}

pub(crate) fn write_proof(path: &Path, proof: Option<&[u8]>) -> Result<(), Failure> {
    let proof = proof.ok_or_else(|| {
        Failure::cannot("the record is logged, but the answer holds no proof")
            .next("ask for --ack witnessed, or fetch it with `maip proof get`")
    })?;
    fs::write(path, proof)
        .map_err(|e| Failure::cannot(format!("{} cannot be written", path.display())).why(e))
}

fn merge(into: &mut Value, extra: Value) {
    if let (Value::Object(into), Value::Object(extra)) = (into, extra) {
        into.extend(extra);
    }
}

pub(crate) fn answer_json(s: &Submitted) -> Value {
    json!({
        "index": s.index, "leaf": s.leaf.to_string(), "log_ms": s.log_ms, "duplicate": s.duplicate,
        "ack": ack_name(s.ack),
    })
}

fn ack_name(ack: v1::Ack) -> &'static str {
    match ack {
        v1::Ack::Unspecified | v1::Ack::Sequenced => "sequenced",
        v1::Ack::Published => "published",
        v1::Ack::Witnessed => "witnessed",
    }
}
