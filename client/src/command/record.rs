//! `maip record`: records of any type, from their JSON. Logging one: `record_log`.

use std::{fs, path::PathBuf};

use clap::{Subcommand, ValueHint};
use ledger_format::record::{Record as Parsed, RecordError, json as canonical};
use serde_json::{Value, json};

use super::{Done, Exit, Failure, Global, Out, record_log::RecordLog};

#[derive(Debug, Subcommand)]
pub(crate) enum Record {
    /// Log a record of any type, from the JSON of its body.
    Log(Box<RecordLog>),
    /// Sign a record written by hand or by a program: JSON without `sig`, in any layout.
    Sign {
        /// The unsigned record.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The key of its actor: a key file, or a name in the key directory.
        #[arg(long, value_name = "FILE")]
        key: String,
        /// Where to write it. Default: standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Say what a record states and who signed it.
    Show {
        /// The record.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Check its signature with this public key.
        #[arg(long)]
        key: Option<String>,
    },
}

impl Record {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Self::Log(log) => log.run(global, out),
            Self::Sign { file, key, out: target } => sign(global, out, file, key, target.as_ref()),
            Self::Show { file, key } => show(global, out, file, key.as_deref()),
        }
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|e| Failure::cannot(format!("{} cannot be read", path.display())).why(e))
}

/// Brings the JSON into its canonical form, signs it, and reads the result back as a record.
fn sign(global: &Global, out: &Out, file: &PathBuf, key: &str, target: Option<&PathBuf>) -> Done {
    let key = global.signer(key)?;
    let not = |why: String| Failure::no(format!("{} is not an unsigned record", file.display())).why(why);
    let mut value: Value = serde_json::from_slice(&read(file)?).map_err(|e| not(e.to_string()))?;
    let Value::Object(members) = &mut value else { return Err(not("it is not a JSON object".into())) };
    if members.remove("sig").is_some() {
        out.remark("its `sig` is replaced");
    }
    let unsigned = canonical_bytes(&value).map_err(not)?;
    let signature = key.sign(&unsigned)?;
    value["sig"] = json!({ "alg": "ed25519", "kid": key.kid().to_string(), "value": base64url(&signature) });
    let signed = canonical_bytes(&value).map_err(not)?;
    Parsed::parse(&signed).map_err(|e| not(e.to_string()))?;
    match target {
        Some(path) => {
            fs::write(path, &signed)
                .map_err(|e| Failure::cannot(format!("{} cannot be written", path.display())).why(e))?;
            out.answer(&format!("wrote {}", path.display()), &json!({ "ok": true, "file": path }));
        }
        None => out.line(&String::from_utf8_lossy(&signed)),
    }
    Ok(Exit::Ok)
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// The one spelling of a JSON value: integers and text only. An error names the place.
pub(crate) fn canonical_bytes(value: &Value) -> Result<Vec<u8>, String> {
    Ok(convert(value, "")?.to_bytes())
}

fn convert(value: &Value, path: &str) -> Result<canonical::Value, String> {
    Ok(match value {
        Value::Null => canonical::Value::Null,
        Value::Bool(b) => canonical::Value::Bool(*b),
        Value::Number(n) => {
            canonical::Value::Int(n.as_i64().ok_or_else(|| format!("{path}: {n} is not an integer"))?)
        }
        Value::String(s) => canonical::Value::Str(s.clone()),
        Value::Array(items) => {
            let item = |(at, item)| convert(item, &format!("{path}[{at}]"));
            canonical::Value::Array(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let dot = if path.is_empty() { "" } else { "." };
            let member = |(k, v): (&String, &Value)| Ok((k.clone(), convert(v, &format!("{path}{dot}{k}"))?));
            let mut all = members.iter().map(member).collect::<Result<Vec<_>, String>>()?;
            all.sort_by(|a, b| a.0.cmp(&b.0));
            canonical::Value::Object(all)
        }
    })
}

fn show(global: &Global, out: &Out, file: &PathBuf, key: Option<&str>) -> Done {
    let mut bytes = read(file)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    let record = Parsed::parse(&bytes)
        .map_err(|e: RecordError| Failure::no(format!("{} is not a record", file.display())).why(e))?;
    let checked = match key {
        None => "not checked: no --key was given".to_owned(),
        Some(key) => {
            let key = global.public_key(key)?;
            record
                .verify_signature(&key)
                .map_err(|e| Failure::no("the record's signature does not hold").why(e))?;
            "valid".to_owned()
        }
    };
    let pretty: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let text = format!(
        "{}\nhash       {}\nsignature  {checked} (key id {})",
        serde_json::to_string_pretty(&pretty).unwrap_or_default(),
        record.hash(),
        record.sig.kid,
    );
    let json = json!({
        "ok": true, "type": record.type_name(), "id": record.id.to_string(), "hash": record.hash().to_string(),
        "kid": record.sig.kid.to_string(), "signature": checked, "record": pretty,
    });
    out.answer(&text, &json);
    Ok(Exit::Ok)
}
