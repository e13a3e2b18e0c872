//! `maip-node check`: opens everything a configuration names and says what is wrong, all at once.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use ledger_log::Generation;
use rustls::{
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    pki_types::{ServerName, UnixTime},
};

use crate::{
    config::{self, Config, Overrides},
    given::Given,
    keys::AdminKey,
    node,
    outbound::HttpWitnesses,
    tls::{self, ServerTls, node_name},
};

/// Prints one line for each thing checked; whether all were right.
pub fn check(path: &Path) -> bool {
    let config = match config::load(path, &Overrides::default()) {
        Ok(config) => config,
        Err(error) => {
            println!("wrong  {:#}", anyhow::Error::from(error));
            return false;
        }
    };
    println!("ok     configuration {}", path.display());
    let mut all_right = given_files(path, &config);
    for (what, finding) in findings(&config) {
        match finding {
            Ok(()) => println!("ok     {what}"),
            Err(error) => {
                println!("wrong  {what}: {error:#}");
                all_right = false;
            }
        }
    }
    all_right
}

/// Compares the files with those of the last start, and prints what it finds; whether all can be what somebody wants.
fn given_files(path: &Path, config: &Config) -> bool {
    let given = match Given::compare(path, config) {
        Ok(given) => given,
        Err(error) => {
            println!("wrong  given files: {error}");
            return false;
        }
    };
    if let Some(error) = given.damaged_record() {
        println!(
            "ok     given files: not compared, as the record of the last start cannot be used ({error})"
        );
    } else if given.changes().is_empty() {
        println!("ok     given files");
    }
    for change in given.changes() {
        println!("ok     given files: {change}");
    }
    true
}

/// Everything that is checked, in order, each with its outcome.
pub fn findings(config: &Config) -> Vec<(String, anyhow::Result<()>)> {
    let mut findings = vec![
        ("data_dir".to_owned(), writable(&config.data_dir)),
        ("admin_key_file".to_owned(), AdminKey::load(&config.admin_key_file).map(|_| ()).map_err(Into::into)),
        (
            "tls".to_owned(),
            ServerTls::clients(&config.tls, config.api.client_ca.as_deref()).map(|_| ()).map_err(Into::into),
        ),
        ("peer_tls".to_owned(), ServerTls::peers(&config.peer_tls).map(|_| ()).map_err(Into::into)),
        ("outbound".to_owned(), HttpWitnesses::new(&config.outbound).map(|_| ())),
        ("peer_tls name and authority".to_owned(), named_by_authority(config)),
    ];
    for log in &config.logs {
        findings.push((
            format!("log {}: keys and policy", log.name),
            node::options(config, log, &Generation::first()).map(|_| ()),
        ));
        findings.push((format!("log {}: witnesses", log.name), witnesses(log)));
    }
    findings
}

/// The directory exists or can be made, and a file can be written in it.
fn writable(dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let probe = dir.join(".maip-node-check");
    fs::write(&probe, b"").with_context(|| format!("cannot write in {}", dir.display()))?;
    fs::remove_file(&probe).with_context(|| format!("cannot remove {}", probe.display()))
}

/// Other nodes will ask for `maip-node-<id>` under the cluster's authority, valid today.
fn named_by_authority(config: &Config) -> anyhow::Result<()> {
    let roots = Arc::new(tls::read_roots(&config.peer_tls.ca)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, tls::provider()).build()?;
    let chain = tls::read_certificates(&config.peer_tls.cert)?;
    let Some((own, intermediates)) = chain.split_first() else { bail!("no certificate") };
    let name = node_name(config.node_id);
    let server = ServerName::try_from(name.clone())?;
    verifier.verify_server_cert(own, intermediates, &server, &[], UnixTime::now()).with_context(|| {
        format!(
            "{} is not a valid certificate for {name} under {}",
            config.peer_tls.cert.display(),
            config.peer_tls.ca.display()
        )
    })?;
    Ok(())
}

/// Each witness of the policy must be reachable by URL, else nobody can ask it.
fn witnesses(log: &config::Log) -> anyhow::Result<()> {
    let text = fs::read_to_string(&log.policy)?;
    let policy = ledger_format::Policy::parse(&text)?;
    for witness in policy.witnesses() {
        match &witness.url {
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => {}
            Some(url) => bail!("witness {} has {url:?}, which is no http(s) URL", witness.name),
            None => bail!("witness {} has no URL in {}", witness.name, log.policy.display()),
        }
    }
    Ok(())
}
