//! A private authority for the cluster, and one certificate for the node.
//!
//! Enough for nodes among themselves for ever, and for clients that are given `ca.pem`. A public service puts its own
//! certificate for clients into `[tls]`.

use std::{fs, path::Path};

use anyhow::{Context as _, anyhow};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::{
    keys::{read_secret, write_secret},
    tls::node_name,
};

/// Name of every authority made here. A later node rebuilds the issuer from this name and the authority's key.
const AUTHORITY: &str = "MAIP Ledger cluster authority";

/// Writes `ca.pem`, `ca.key`, `node.pem` and `node.key` into `dir`; the authority is made, or taken from `ca`.
pub(super) fn write(dir: &Path, ca: Option<&Path>, node_id: u64, hosts: &[String]) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    let (pem, key) = match ca {
        Some(ca) => taken(ca)?,
        None => made()?,
    };
    write_secret(&dir.join("ca.key"), &key.serialize_pem())?;
    fs::write(dir.join("ca.pem"), pem)?;

    let mut names =
        vec![node_name(node_id), "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(hosts.iter().filter(|host| !names.contains(host)).cloned().collect::<Vec<_>>());
    let mut params = CertificateParams::new(names).context("a --host is neither a name nor an address")?;
    params.distinguished_name.push(DnType::CommonName, node_name(node_id));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let node_key = KeyPair::generate()?;
    let certificate = params.signed_by(&node_key, &Issuer::new(authority(), key))?;
    fs::write(dir.join("node.pem"), certificate.pem())?;
    write_secret(&dir.join("node.key"), &node_key.serialize_pem())?;
    Ok(())
}

fn made() -> anyhow::Result<(String, KeyPair)> {
    let key = KeyPair::generate()?;
    let certificate = authority().self_signed(&key)?;
    Ok((certificate.pem(), key))
}

fn taken(ca: &Path) -> anyhow::Result<(String, KeyPair)> {
    let path = ca.join("ca.pem");
    let pem = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let key =
        KeyPair::from_pem(&read_secret(&ca.join("ca.key"))?).map_err(|error| anyhow!("ca.key: {error}"))?;
    Ok((pem, key))
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
