//! `maip submit`: ready records, from files or a stream.

use std::{
    fs,
    io::{self, BufRead},
    path::PathBuf,
};

use clap::{Args, ValueHint};
use ledger_client::{Nodes, Submitted, error::Refused, transport::BATCH_MAX};
use ledger_format::record::Record;
use serde_json::json;

use super::{
    Done, Exit, Failure, Global, Out,
    global::block_on,
    send::{Ack, answer_json, write_proof},
};

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
        if self.files.len() > 1 && self.files.iter().any(|f| f.as_os_str() == "-") {
            return Err(Failure::cannot("`-` stands for standard input and takes no other file beside it"));
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
