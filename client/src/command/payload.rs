//! `maip payload`: values that stay out of the log, kept in a vault.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand, ValueHint};
use ledger_client::vault::{Payload as Opened, SALT_BYTES, VALUE_MAX, Vault, VaultError, commitment};
use ledger_format::record::{Digest, DigestAlgorithm};
use serde_json::json;

use super::{
    Done, Exit, Failure, Global, Out,
    node_store::{Store, StoreArgs},
    private_file,
    receipt::digest,
};

/// Where the vault is.
#[derive(Debug, Args)]
pub(crate) struct VaultDir {
    /// The vault: a directory beside the tenant's keys.
    #[arg(long = "vault", env = "MAIP_VAULT", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Payload {
    /// Keep a value in the vault, encrypted under its subject's key; print the commitment that a record takes instead.
    Put {
        /// The value: a file, or - for standard input.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Whom the value is about; what is erased together. The log never sees the name.
        #[arg(long, value_name = "NAME")]
        subject: String,
        /// What the value is, e.g. text/plain; kept with it.
        #[arg(long, value_name = "NOTE", default_value = "")]
        media: String,
        #[command(flatten)]
        store: Box<StoreArgs>,
        #[command(flatten)]
        vault: VaultDir,
    },
    /// Decrypt a value, and check that it opens its commitment.
    Get {
        /// The commitment, as the record states it.
        #[arg(value_parser = digest)]
        commitment: Digest,
        /// Write the value here, readable by you only; a file that is there is replaced. Default: standard output.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
        /// Show the salt too: with it and the value, others check the commitment.
        #[arg(long)]
        with_salt: bool,
        /// Whom the value is about. With --store nodes.
        #[arg(long, value_name = "NAME", required_if_eq("store", "nodes"))]
        subject: Option<String>,
        #[command(flatten)]
        store: Box<StoreArgs>,
        #[command(flatten)]
        vault: VaultDir,
    },
    /// Check that a value and a salt open a commitment. Needs no vault and no server.
    Check {
        /// The commitment, as the record states it.
        #[arg(value_parser = digest)]
        commitment: Digest,
        /// The value: a file, or - for standard input.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The salt, as `maip payload get --with-salt` shows it.
        #[arg(long, value_name = "HEX", value_parser = salt)]
        salt: Salt,
    },
}

impl Payload {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Self::Put { file, subject, media, store, vault } => {
                let vault = Vault::create(&vault.dir)?;
                let (file, name) = (read(file)?, subject.as_str());
                match store.store {
                    Store::Vault => put(out, vault, name, media, file),
                    Store::Nodes => put_on_nodes(global, out, store, vault, name, media, file),
                }
            }
            Self::Get { commitment, out: file, with_salt, subject, store, vault } => {
                let vault = Vault::open(&vault.dir)?;
                let opened = match store.store {
                    Store::Vault => vault.get(*commitment)?,
                    Store::Nodes => {
                        let subject = vault.subject(subject.as_deref().unwrap_or_default())?;
                        store.get(global, subject, *commitment)?
                    }
                };
                give(out, *commitment, &opened, file.as_deref(), *with_salt)
            }
            Self::Check { commitment, file, salt } => check(out, *commitment, file, salt),
        }
    }
}

fn put(out: &Out, mut vault: Vault, subject: &str, media: &str, value: Vec<u8>) -> Done {
    let bytes = value.len();
    let kept = vault.put(subject, media, value)?;
    let place = vault.dir().display().to_string();
    kept_at(out, bytes, &format!("in {place}"), kept.commitment, kept.subject)
}

fn put_on_nodes(
    global: &Global,
    out: &Out,
    store: &StoreArgs,
    mut vault: Vault,
    subject: &str,
    media: &str,
    value: Vec<u8>,
) -> Done {
    let bytes = value.len();
    let (payload, subject) = vault.prepare(subject, media, value)?;
    store.put(global, subject, &payload)?;
    kept_at(out, bytes, "on a majority of nodes", payload.commitment(), subject)
}

fn kept_at(out: &Out, bytes: usize, place: &str, commitment: Digest, subject: Digest) -> Done {
    let text =
        format!("kept     {bytes} bytes, encrypted, {place}\npayload  {commitment}\nsubject  {subject}");
    let (commitment, subject) = (commitment.to_string(), subject.to_string());
    out.answer(&text, &json!({ "ok": true, "bytes": bytes, "commitment": commitment, "subject": subject }));
    Ok(Exit::Ok)
}

/// The value goes to a file or to standard output; everything else beside it.
fn give(out: &Out, commitment: Digest, opened: &Opened, file: Option<&Path>, with_salt: bool) -> Done {
    let salt = with_salt.then(|| hex(&opened.salt));
    let mut json = json!({
        "ok": true, "commitment": commitment.to_string(), "media": opened.media, "bytes": opened.value.len(),
        "file": file,
    });
    if let Some(salt) = &salt {
        json["salt"] = json!(salt);
    }
    let shown = salt.as_ref().map(|salt| format!("salt     {salt}"));
    match file {
        Some(path) => {
            private_file::write(path, &opened.value)
                .map_err(|e| Failure::cannot(format!("{} cannot be written", path.display())).why(e))?;
            let wrote = format!("wrote    {} ({} bytes)", path.display(), opened.value.len());
            out.answer(&[Some(wrote), shown].into_iter().flatten().collect::<Vec<_>>().join("\n"), &json);
        }
        None if out.is_json() => {
            json["value"] = json!(STANDARD.encode(&opened.value));
            out.answer("", &json);
        }
        None => {
            out.bytes(&opened.value);
            if let Some(shown) = shown {
                out.remark(&shown);
            }
        }
    }
    Ok(Exit::Ok)
}

fn check(out: &Out, stated: Digest, file: &Path, salt: &Salt) -> Done {
    let value = read(file)?;
    let opens = match stated.algorithm {
        DigestAlgorithm::Sha256 => commitment(&salt.0, &value) == stated,
        DigestAlgorithm::Blake3 => Digest::blake3(&[&salt.0, &value[..]].concat()) == stated,
    };
    if !opens {
        return Err(Failure::no("this value with this salt does not open the commitment")
            .next("both must be byte for byte what was committed to"));
    }
    let text = format!("{} the value and the salt open {stated}", out.good("yes:"));
    out.answer(&text, &json!({ "ok": true, "commitment": stated.to_string(), "opens": true }));
    Ok(Exit::Ok)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |e: io::Error| Failure::cannot(format!("{} cannot be read", file.display())).why(e);
    let source: Box<dyn io::Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(fs::File::open(file).map_err(cannot)?)
    };
    let mut value = Vec::new();
    source.take(VALUE_MAX as u64 + 1).read_to_end(&mut value).map_err(cannot)?;
    if value.len() > VALUE_MAX { Err(VaultError::LongValue.into()) } else { Ok(value) }
}

/// A salt as it was given.
#[derive(Clone, Debug)]
pub(crate) struct Salt(Vec<u8>);

/// Of any length: other programs may salt otherwise.
fn salt(text: &str) -> Result<Salt, String> {
    let rule = || format!("a salt is hex digits, two a byte; of a vault, {}", 2 * SALT_BYTES);
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(rule());
    }
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| rule());
    Ok(Salt((0..text.len()).step_by(2).map(byte).collect::<Result<_, _>>()?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        use VaultError as E;
        let next = match &error {
            E::PayloadErased(_) | E::SubjectErased => {
                let next = "nothing brings it back; proofs of records that name its digest still verify";
                return Self::no(error.to_string()).next(next);
            }
            E::Damaged(_) => {
                return Self::no(error.to_string()).next("restore the vault from a backup, key and payloads");
            }
            E::TooOpen { path, .. } => format!("chmod 600 {}", path.display()),
            E::NotAVault { .. } => "check --vault; `maip payload put` makes one, in a new directory".into(),
            E::KeyMissing { .. } => {
                "restore the key from a backup; without it nothing there can be read".into()
            }
            E::SubjectUnknown => {
                "give the name that `maip payload put --subject` got, and its --vault".into()
            }
            E::PayloadUnknown(_) => "check the commitment and --vault".into(),
            E::OtherDigest(_) => "`maip payload check` takes any digest".into(),
            E::LongValue => "cut it into parts, or keep it elsewhere and log its digest".into(),
            _ => "check the path, the name and the vault's files".into(),
        };
        Self::cannot(error.to_string()).next(next)
    }
}
