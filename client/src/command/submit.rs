//! `maip submit`, and what every command that logs a record shares: sign, send, check, keep the proof.

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum, ValueHint};
use ledger_client::{Nodes, Submitted, error::Refused, transport::BATCH_MAX};
use ledger_format::{
    TlogProof,
    record::{Actor, Body, Draft, Record, RecordHash, SigningKey, Ulid},
};
use ledger_proto::v1;
use serde_json::{Value, json};

use super::{
    Done, Exit, Failure, Global, Out,
    global::{AdminKey, block_on, now_ms},
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
    /// Write the proof file here (needs --ack published or witnessed).
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
    pub(crate) id: Option<Ulid>,
    pub(crate) tenant: Ulid,
    pub(crate) actor: Actor,
    pub(crate) prev: Option<RecordHash>,
    pub(crate) body: Body,
}

/// A fresh id: now, and 80 random bits.
pub(crate) fn new_id() -> Result<Ulid, Failure> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| Failure::cannot("no randomness").why(e))?;
    Ok(Ulid::from_parts(now_ms(), u128::from_be_bytes(random)))
}

impl Send {
    /// Signs a record and logs it. `words` says what it does; `extra` goes into the JSON answer.
    pub(crate) fn log(
        &self,
        global: &Global,
        out: &Out,
        stated: Stated<'_>,
        key: &SigningKey,
        words: &str,
        extra: Value,
    ) -> Done {
        let draft = Draft {
            id: stated.id.map_or_else(new_id, Ok)?,
            tenant: stated.tenant,
            actor: stated.actor,
            at: now_ms(),
            anchor: self.anchor,
            prev: stated.prev,
            body: stated.body,
        };
        let record = draft.sign(key);
        record.check().map_err(|e| {
            Failure::cannot("the record breaks a rule of its type").why(e).next("see docs/record-format.md")
        })?;
        let bytes = record.to_bytes();
        if self.dry_run {
            out.bytes(&bytes);
            out.bytes(b"\n");
            return Ok(Exit::Ok);
        }
        let policy = global.policy(self.policy.as_ref())?;
        let submitted = block_on(async {
            let nodes = match stated.operator {
                Some(key) => key.nodes(global)?,
                None => global.nodes()?,
            };
            Ok(nodes.submit(&global.log, &bytes, self.ack.into(), global.timeout).await?)
        })?;
        let checked = check_proof(&submitted, policy.as_ref())?;
        if let Some(path) = &self.out {
            write_proof(path, submitted.proof.as_deref())?;
        }
        let mut json = answer_json(&submitted);
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
                if checked { "verified" } else { "path verified; no policy was given for the signatures" };
            let _ = writeln!(text, "  proof    {} ({verified})", path.display());
        }
        out.answer(&text, &json);
        Ok(Exit::Ok)
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

fn write_proof(path: &Path, proof: Option<&[u8]>) -> Result<(), Failure> {
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

fn answer_json(s: &Submitted) -> Value {
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

/// `maip submit`.
#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// Files with one record each, or `-` for one record a line on standard input.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// How long to wait for each batch of 256.
    #[arg(long, value_enum, default_value = "sequenced")]
    ack: Ack,
    /// Write the proof file of each record into this directory as INDEX.tlog-proof.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    proofs: Option<PathBuf>,
    /// Skip this many lines: where an earlier run stopped. Skipping is only faster: the same record gets the same index.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
}

/// Records with the name they are reported under.
type Records<'a> = Box<dyn Iterator<Item = Result<(String, Vec<u8>), Failure>> + 'a>;

/// What became of a run of `maip submit`.
#[derive(Default)]
struct Tally {
    logged: u64,
    duplicates: u64,
    refused: u64,
}

impl Submit {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        if let Some(dir) = &self.proofs {
            fs::create_dir_all(dir)
                .map_err(|e| Failure::cannot(format!("{} cannot be made", dir.display())).why(e))?;
        }
        block_on(async {
            let nodes = global.nodes()?;
            let bar = out.progress("records", 0);
            let mut tally = Tally::default();
            let mut batch: Vec<(String, Vec<u8>)> = Vec::with_capacity(BATCH_MAX);
            for item in self.records() {
                let item = item?;
                bar.inc_length(1);
                batch.push(item);
                if batch.len() == BATCH_MAX {
                    self.send(&nodes, global, out, &mut batch, &mut tally).await?;
                    bar.set_position(tally.logged + tally.refused);
                }
            }
            self.send(&nodes, global, out, &mut batch, &mut tally).await?;
            bar.finish_and_clear();
            let Tally { logged, duplicates, refused } = tally;
            if out.is_json() {
                let ok = refused == 0;
                out.line(
                    &json!({ "ok": ok, "logged": logged, "duplicates": duplicates, "refused": refused })
                        .to_string(),
                );
            } else {
                out.remark(&format!("{logged} logged ({duplicates} were there already), {refused} refused"));
            }
            Ok(if refused == 0 { Exit::Ok } else { Exit::No })
        })
    }

    /// All records with the name they are reported under: the file, or the line's number.
    fn records(&self) -> Records<'_> {
        if self.files == [PathBuf::from("-")] {
            let lines = io::stdin().lock().split(b'\n').enumerate();
            let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
            return Box::new(lines.skip(skip).filter_map(|(number, line)| match line {
                Ok(line) if line.is_empty() => None,
                Ok(line) => Some(Ok(((number + 1).to_string(), line))),
                Err(e) => Some(Err(Failure::cannot("standard input broke off").why(e))),
            }));
        }
        Box::new(self.files.iter().map(|path| {
            let mut bytes = fs::read(path)
                .map_err(|e| Failure::cannot(format!("{} cannot be read", path.display())).why(e))?;
            // An editor's newline at the end is no part of the record.
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            Ok((path.display().to_string(), bytes))
        }))
    }

    /// Sends one batch and reports each record on its own line. Records that are none are not sent.
    async fn send(
        &self,
        nodes: &Nodes,
        global: &Global,
        out: &Out,
        batch: &mut Vec<(String, Vec<u8>)>,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let mut results: Vec<Option<Result<Submitted, Refused>>> = Vec::new();
        let mut good = Vec::new();
        for (_, bytes) in batch.iter() {
            results.push(Record::parse(bytes).err().map(|e| Err(malformed(&e.to_string()))));
            if results.last().is_some_and(Option::is_none) {
                good.push(bytes.clone());
            }
        }
        let mut answers = match good.is_empty() {
            true => Vec::new(),
            false => nodes.submit_batch(&global.log, &good, self.ack.into(), global.timeout).await?,
        }
        .into_iter();
        for ((name, _), early) in batch.drain(..).zip(results) {
            let result = early.or_else(|| answers.next()).expect("one answer for each record sent");
            self.report(out, &name, result, tally)?;
        }
        Ok(())
    }

    fn report(
        &self,
        out: &Out,
        name: &str,
        result: Result<Submitted, Refused>,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        match result {
            Ok(s) => {
                tally.logged += 1;
                tally.duplicates += u64::from(s.duplicate);
                if let (Some(dir), Some(proof)) = (&self.proofs, s.proof.as_deref()) {
                    write_proof(&dir.join(format!("{}.tlog-proof", s.index)), Some(proof))?;
                }
                let mut json = answer_json(&s);
                json["record"] = json!(name);
                let again = if s.duplicate { "  (was there already)" } else { "" };
                out.line(&if out.is_json() {
                    json.to_string()
                } else {
                    format!("{name}  {}{again}", s.index)
                });
            }
            Err(r) => {
                tally.refused += 1;
                let error = json!({ "code": r.code, "field": r.field, "message": r.message, "fix": r.fix });
                let json = json!({ "record": name, "refused": error });
                let text = format!("{name}  {} {r}", out.bad("refused:"));
                out.line(&if out.is_json() { json.to_string() } else { text });
            }
        }
        Ok(())
    }
}

fn malformed(why: &str) -> Refused {
    Refused {
        code: "MALFORMED".into(),
        field: String::new(),
        message: why.into(),
        fix: "records are canonical JSON, one a line: see docs/record-format.md".into(),
        retry_after_ms: 0,
    }
}
