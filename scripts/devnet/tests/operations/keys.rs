//! Keys and certificates that change while the log goes on.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use devnet::{LogInfo, wait_until, wait_until_async};
use ledger_format::{Note, NoteSigner, Vkey};
use rustix::process::Signal;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::site::{LIMIT, ORIGIN, Site, edit, text};

/// How often "certificates reloaded" is said for one SIGHUP: clients, peers, and calls to peers.
const RELOADS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn rotating_certificates() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    for id in site.ids() {
        let fresh = new_certificates(&site, id, Some(site.home(1).join("tls")), "after.example")?;
        for file in ["node.pem", "node.key"] {
            fs::copy(fresh.join(file), site.home(id).join("tls").join(file))?;
        }
        reload(&site, id)?;
        // The new certificate carries a name that the old one did not.
        answers_as(&site, id, "after.example").await?;
    }
    site.receipts(&[1, 2, 3], 3).await?;
    site.check().await
}

/// The cluster's own authority: both are trusted first, then certificates of the new one are used, then the old one goes.
#[tokio::test(flavor = "multi_thread")]
async fn rotating_the_cluster_authority() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    let old = fs::read_to_string(site.home(1).join("tls/ca.pem"))?;
    let authority = new_certificates(&site, 1, None, "after.example")?;
    let new = fs::read_to_string(authority.join("ca.pem"))?;
    for id in site.ids() {
        fs::write(site.home(id).join("tls/ca.pem"), format!("{old}{new}"))?;
        reload(&site, id)?;
    }
    for id in site.ids() {
        let fresh = new_certificates(&site, id, Some(authority.clone()), "after.example")?;
        for file in ["node.pem", "node.key"] {
            fs::copy(fresh.join(file), site.home(id).join("tls").join(file))?;
        }
        reload(&site, id)?;
    }
    site.receipts(&[1, 2, 3], 3).await?;
    for id in site.ids() {
        fs::write(site.home(id).join("tls/ca.pem"), &new)?;
        reload(&site, id)?;
    }
    // New connections between nodes are made under the new authority alone.
    site.restart_one_by_one()?;
    site.receipts(&[1, 2, 3], 3).await?;
    site.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating_the_admin_key() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    let other = new_node(&site, 1, None, "unused.example")?;
    let new = fs::read_to_string(other.join("keys/admin.key"))?;
    let old = site.manifest.admin_key.clone();
    for id in site.ids() {
        // `fs::copy` keeps the mode 0600 of the source.
        fs::copy(other.join("keys/admin.key"), site.home(id).join("keys/admin.key"))?;
    }
    site.maip("status").context("the old key is good until the restart")?;
    new.trim_end().clone_into(&mut site.manifest.admin_key);
    site.restart_one_by_one()?;
    site.maip("status")?;
    site.manifest.admin_key = old;
    let refused = site.maip_output("status")?;
    ensure!(!refused.status.success(), "the old admin key is still good");
    new.trim_end().clone_into(&mut site.manifest.admin_key);
    site.receipts(&[1, 2, 3], 3).await?;
    site.check().await
}

/// R5: policies and witnesses learn the new key, nodes hold both, the log adds one and retires the other.
#[tokio::test(flavor = "multi_thread")]
async fn rotating_the_log_key() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    let before = site.receipts(&[1, 2, 3], 3).await?;
    let old = site.manifest.log("main")?.clone();
    let fresh = new_node(&site, 1, None, "unused.example")?.join("keys/main.log.key");
    let vkey = NoteSigner::parse(fs::read_to_string(&fresh)?.trim_end())?.vkey().to_string();

    // 1: witnesses and policies know both keys.
    let more = format!("[[logs]]\nvkey = \"{vkey}\"\n");
    fs::write(site.dir().join("witness-1/logs.d/main-next.toml"), more)?;
    site.signal_named("w1", Signal::HUP)?;
    let out = site.dir().join("witness-1/witness.out");
    wait_until("the witness to read its logs again", LIMIT, || {
        ensure!(fs::read_to_string(&out)?.contains("the logs were read again"), "not yet");
        Ok(())
    })?;
    site.manifest.logs.push(LogInfo { vkey: vkey.clone(), ..old.clone() });
    site.write_policy()?;
    // 2: every node holds both keys.
    for id in site.ids() {
        fs::copy(&fresh, site.home(id).join("keys/main.next.log.key"))?;
        edit(&site.config(id), "#next_log_key =", "next_log_key =")?;
    }
    site.restart_one_by_one()?;
    // 3: the log adds one, and later retires the other.
    let operator = text(&site.home(1).join("keys/main.operator.key"));
    site.maip(&format!("admin log-key add {vkey} --operator-key {operator} {}", site.policy()))?;
    ensure!(signers(&site)? == (true, true), "both keys sign meanwhile");
    site.maip(&format!("admin log-key retire {} --operator-key {operator} {}", old.vkey, site.policy()))?;
    site.receipts(&[1, 2, 3], 1).await?;
    ensure!(signers(&site)? == (false, true), "the new key signs alone");
    let last = site.maip_output(&format!("admin log-key retire {vkey} --operator-key {operator}"))?;
    ensure!(last.status.code() == Some(1), "the last key was retired");
    // 4: the old key goes from the nodes and from the policies.
    for id in site.ids() {
        fs::rename(site.home(id).join("keys/main.next.log.key"), site.home(id).join("keys/main.log.key"))?;
        edit(&site.config(id), "next_log_key =", "#next_log_key =")?;
    }
    site.manifest.logs.remove(0);
    site.write_policy()?;
    site.restart_one_by_one()?;
    let after = site.receipts(&[1, 2, 3], 3).await?;
    // The origin is the same: what was logged before is proven under the new key, too.
    let proof = site.dir().join("old.tlog-proof");
    site.maip(&format!("proof get {} --out {} {}", before.index, text(&proof), site.policy()))?;
    site.maip(&format!("verify {} {}", text(&proof), site.policy()))?;
    ensure!(after.index > before.index, "the log began again");
    site.check().await
}

/// Whether the published checkpoint carries lines of the first and of the second log key.
fn signers(site: &Site) -> Result<(bool, bool)> {
    let note = Note::parse(site.get(1, "/main/checkpoint")?.as_bytes())?;
    let signed = |place: usize| {
        let log = site.manifest.logs.get(place).context("there are two keys")?;
        let vkey = Vkey::parse(&log.vkey)?;
        Ok::<_, anyhow::Error>(note.signature_of(&vkey).is_some())
    };
    Ok((signed(0)?, signed(1)?))
}

/// The `tls` directory of a throw-away `maip-node init` for this node.
fn new_certificates(site: &Site, id: u64, authority: Option<PathBuf>, host: &str) -> Result<PathBuf> {
    Ok(new_node(site, id, authority, host)?.join("tls"))
}

fn new_node(site: &Site, id: u64, authority: Option<PathBuf>, host: &str) -> Result<PathBuf> {
    let dir =
        (0..).map(|n| site.dir().join(format!("fresh-{n}"))).find(|dir| !dir.exists()).context("no name")?;
    let mut args: Vec<String> =
        ["init", "--node-id", &id.to_string(), "--host", host].map(str::to_owned).into();
    args.extend(["--dir".into(), text(&dir), "--origin".into(), format!("main={ORIGIN}")]);
    if let Some(authority) = authority {
        args.extend(["--ca".into(), text(&authority)]);
    }
    site.programs.run("maip-node", &args)?;
    Ok(dir)
}

/// SIGHUP; returns when the node has said that it took every certificate.
fn reload(site: &Site, id: u64) -> Result<()> {
    let count = |text: &str| text.matches("certificates reloaded").count();
    let before = count(&site.said(id)?);
    site.signal(id, Signal::HUP)?;
    wait_until("the certificates to be read", LIMIT, || {
        let said = site.said(id)?;
        ensure!(count(&said) >= before + RELOADS, "{} of {RELOADS}", count(&said) - before);
        Ok(())
    })
}

/// A client that asks for `name` accepts the node's certificate.
async fn answers_as(site: &Site, id: u64, name: &str) -> Result<()> {
    let ca = Certificate::from_pem(fs::read(&site.manifest.ca)?);
    let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name(name);
    let endpoint = Endpoint::from_shared(site.manifest.node(id)?.grpc_url.clone())?.tls_config(tls)?;
    let endpoint = endpoint.connect_timeout(Duration::from_secs(3));
    wait_until_async("the new certificate", LIMIT, async || Ok(endpoint.connect().await.map(drop)?)).await
}
