//! `maip-node init`: a directory from which a node starts, with nothing to fill in.

mod certificates;
mod template;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use ledger_api::is_log_name;
use ledger_format::{Checkpoint, Note, NoteSigner, SignatureType, record::SigningKey};

use crate::{
    config::{self, MemberEntry, Overrides},
    keys::{new_admin_key, random, read_secret, write_secret},
};

/// Name of the configuration in the new directory.
pub const CONFIG_FILE: &str = "maip-node.toml";

/// The logs of a node that is not told others: production, and the place to try things out.
const DEFAULT_LOGS: [&str; 2] = ["main=maip.localhost/main", "sandbox=maip.localhost/sandbox"];
/// A log of this name is a sandbox.
const SANDBOX: &str = "sandbox";

/// Writes a new node's directory.
#[derive(Debug, Args)]
pub struct Init {
    /// The directory: must not exist yet, or be empty.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// This node's id: never used before in its cluster.
    #[arg(long, value_name = "N")]
    node_id: u64,
    /// A hosted log and its origin; repeat for more. The first is the main log. A log called sandbox is one: it can be reset.
    #[arg(long, value_name = "NAME=ORIGIN", value_parser = pair, default_values = DEFAULT_LOGS)]
    origin: Vec<(String, String)>,
    /// Take over a log key from another node instead of making one.
    #[arg(long, value_name = "NAME=FILE", value_parser = pair)]
    log_key: Vec<(String, String)>,
    /// Take over an operator key from another node instead of making one.
    #[arg(long, value_name = "NAME=FILE", value_parser = pair)]
    operator_key: Vec<(String, String)>,
    /// For a new log that follows one which lost entries: file with the last good checkpoint of that one.
    #[arg(long, value_name = "NAME=FILE", value_parser = pair)]
    predecessor: Vec<(String, String)>,
    /// Take over the admin key from another node instead of making one.
    #[arg(long, value_name = "FILE")]
    admin_key: Option<PathBuf>,
    /// The first node's `tls` directory: take its authority over, so that the nodes trust each other.
    #[arg(long, value_name = "DIR")]
    ca: Option<PathBuf>,
    /// Further name or address in the certificate that clients see; repeat for more.
    #[arg(long, value_name = "NAME|IP")]
    host: Vec<String>,
    /// A first voter; repeat for each node of a new cluster. Left out: this node alone.
    #[arg(long, value_name = "ID=HOST:PEER_PORT,HOST:CLIENT_PORT", value_parser = member)]
    member: Vec<MemberEntry>,
    /// This node will be added to a living cluster.
    #[arg(long, conflicts_with = "member")]
    join: bool,
    /// Address for clients.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7443")]
    listen: SocketAddr,
    /// Address for the other nodes.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7444")]
    peer_listen: SocketAddr,
    /// Address for plain HTTP.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7080")]
    http_listen: SocketAddr,
}

/// One log of the new node.
struct NewLog {
    name: String,
    origin: String,
    vkey: String,
    /// It can be reset.
    sandbox: bool,
    /// File name of the predecessor's checkpoint, when there is one.
    predecessor: Option<String>,
}

/// Writes keys (mode 0600), certificates, policies and a commented configuration, then loads it to be sure.
pub fn init(args: &Init) -> anyhow::Result<()> {
    ensure!(args.node_id != 0, "--node-id 0 is no node id; use 1 or more");
    check_names(args)?;
    fresh_directory(&args.dir)?;
    let keys = args.dir.join("keys");
    fs::create_dir_all(&keys)?;
    let mut logs = Vec::new();
    for (name, origin) in &args.origin {
        logs.push(new_log(args, &keys, name, origin)?);
    }
    let admin = match &args.admin_key {
        Some(path) => read_secret(path)?,
        None => format!("{}\n", new_admin_key()?),
    };
    write_secret(&keys.join("admin.key"), &admin)?;
    certificates::write(&args.dir.join("tls"), args.ca.as_deref(), args.node_id, &args.host)?;
    for log in &logs {
        fs::write(args.dir.join(format!("policy-{}.txt", log.name)), template::policy(log))?;
    }
    let path = args.dir.join(CONFIG_FILE);
    fs::write(&path, template::configuration(args, &logs))?;
    config::load(&path, &Overrides::default()).context("the configuration just written does not load")?;
    report(args, &logs, &path);
    Ok(())
}

fn check_names(args: &Init) -> anyhow::Result<()> {
    for (name, _) in &args.origin {
        ensure!(
            is_log_name(name),
            "--origin {name}=…: not a log name; use lower-case letters, digits and inner hyphens"
        );
        ensure!(
            args.origin.iter().filter(|(other, _)| other == name).count() == 1,
            "--origin {name}=… is given twice"
        );
    }
    let by_log = [
        ("--log-key", &args.log_key),
        ("--operator-key", &args.operator_key),
        ("--predecessor", &args.predecessor),
    ];
    for (flag, given) in by_log {
        for (name, _) in given {
            ensure!(
                args.origin.iter().any(|(known, _)| known == name),
                "{flag} {name}=…: there is no --origin {name}=…"
            );
        }
    }
    // A key that is made anew on one node of a cluster is another log there, which nobody notices before it matters.
    for (flag, given) in [("--log-key", &args.log_key), ("--operator-key", &args.operator_key)] {
        for (name, _) in &args.origin {
            ensure!(
                given.is_empty() || given.iter().any(|(known, _)| known == name),
                "{flag} {name}=… is missing: a node that takes over the key of one log takes over those of all its logs"
            );
        }
    }
    Ok(())
}

fn fresh_directory(dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut entries = fs::read_dir(dir).with_context(|| format!("cannot look into {}", dir.display()))?;
    if entries.next().is_some() {
        bail!("{} is not empty; keys are never written over others", dir.display());
    }
    Ok(())
}

fn new_log(args: &Init, keys: &Path, name: &str, origin: &str) -> anyhow::Result<NewLog> {
    let given = |list: &[(String, String)]| {
        list.iter().find(|(known, _)| known == name).map(|(_, file)| PathBuf::from(file))
    };
    let signer = match given(&args.log_key) {
        Some(path) => {
            NoteSigner::parse(&read_secret(&path)?).with_context(|| format!("log key {}", path.display()))?
        }
        None => NoteSigner::new(origin, SignatureType::Ed25519, random()?)
            .with_context(|| format!("{origin:?} cannot be an origin"))?,
    };
    ensure!(
        signer.vkey().name() == origin,
        "the log key for {name} is of origin {:?}, not {origin:?}",
        signer.vkey().name()
    );
    let operator = match given(&args.operator_key) {
        Some(path) => SigningKey::parse_seed_text(&read_secret(&path)?)
            .with_context(|| format!("operator key {}", path.display()))?,
        None => SigningKey::from_seed(random()?),
    };
    write_secret(&keys.join(format!("{name}.log.key")), &format!("{}\n", signer.to_private_text()))?;
    write_secret(&keys.join(format!("{name}.operator.key")), &operator.to_seed_text())?;
    let predecessor =
        given(&args.predecessor).map(|from| predecessor(args, name, origin, &from)).transpose()?;
    let vkey = signer.vkey().to_string();
    let sandbox = name == SANDBOX;
    Ok(NewLog { name: name.to_owned(), origin: origin.to_owned(), vkey, sandbox, predecessor })
}

/// Copies the last good checkpoint of the log that this one follows; its file name.
fn predecessor(args: &Init, name: &str, origin: &str, from: &Path) -> anyhow::Result<String> {
    let wrong = || format!("--predecessor {name}={}", from.display());
    let text = fs::read_to_string(from).with_context(wrong)?;
    let note = Note::parse(text.as_bytes()).with_context(wrong)?;
    let checkpoint = Checkpoint::parse(note.text()).with_context(wrong)?;
    ensure!(
        checkpoint.origin != origin,
        "{}: a log that has lost entries never goes on under its origin {origin:?}; choose another",
        wrong()
    );
    let file = format!("predecessor-{name}.txt");
    fs::write(args.dir.join(&file), text)?;
    Ok(file)
}

fn report(args: &Init, logs: &[NewLog], config: &Path) {
    println!("wrote {}", config.display());
    for log in logs {
        println!("{} {}: vkey {}", if log.sandbox { "sandbox" } else { "log" }, log.name, log.vkey);
    }
    println!(
        "next: add witnesses to policy-*.txt, then `maip-node check --config {0}` and `maip-node --config {0}`",
        config.display()
    );
    if !args.join && args.member.is_empty() {
        println!(
            "another node: `maip-node init --node-id M --ca {0}/tls --admin-key {0}/keys/admin.key --log-key … --operator-key … --join`",
            args.dir.display()
        );
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("use NAME=VALUE".to_owned()),
    }
}

fn member(text: &str) -> Result<MemberEntry, String> {
    let wrong = || "use ID=HOST:PEER_PORT,HOST:CLIENT_PORT".to_owned();
    let (id, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (peer, api) = rest.split_once(',').ok_or_else(wrong)?;
    let api = if api.starts_with("https://") { api.to_owned() } else { format!("https://{api}") };
    Ok(MemberEntry { id: id.parse().map_err(|_| wrong())?, peer: peer.to_owned(), api })
}
