//! A private certificate authority for one devnet.

use std::{
    fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Signs the certificates of the nodes. Its key is kept in the devnet's directory, so that nodes added later
/// get a certificate that the first ones accept.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The certificate that clients and peers trust, PEM.
    pub(crate) certificate: PathBuf,
}

/// A certificate and its key, PEM files.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// Certificate chain.
    pub(crate) cert: PathBuf,
    /// Private key, mode 0600.
    pub(crate) key: PathBuf,
}

impl Authority {
    /// Makes a new authority in `dir`.
    pub(crate) fn create(dir: &Path) -> Result<Authority> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let params = authority_params();
        let key = KeyPair::generate()?;
        let certificate = dir.join("ca.pem");
        fs::write(&certificate, params.self_signed(&key)?.pem())
            .with_context(|| format!("cannot write {}", certificate.display()))?;
        write_private(&dir.join("ca.key"), &key.serialize_pem())?;
        Ok(Authority { issuer: Issuer::new(params, key), certificate })
    }

    /// The authority that an earlier run made in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Authority> {
        let path = dir.join("ca.key");
        let pem = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let key = KeyPair::from_pem(&pem).with_context(|| format!("{} is not a PEM key", path.display()))?;
        Ok(Authority { issuer: Issuer::new(authority_params(), key), certificate: dir.join("ca.pem") })
    }

    /// A certificate for the client-facing port of a node: loopback only.
    pub(crate) fn for_clients(&self, dir: &Path) -> Result<Pair> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, "maip devnet node", dir, "client-facing")
    }

    /// A certificate for the port between nodes: it names the node and serves both directions of mutual TLS.
    pub(crate) fn for_peers(&self, dir: &Path, node_id: u64) -> Result<Pair> {
        let name = format!("maip-node-{node_id}");
        let mut params = CertificateParams::new(vec![name.clone()])?;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, &name, dir, "peer")
    }

    fn issue(&self, mut params: CertificateParams, name: &str, dir: &Path, stem: &str) -> Result<Pair> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let pair = Pair { cert: dir.join(format!("{stem}.pem")), key: dir.join(format!("{stem}.key")) };
        let certificate = params.signed_by(&key, &self.issuer)?;
        fs::write(&pair.cert, certificate.pem())
            .with_context(|| format!("cannot write {}", pair.cert.display()))?;
        write_private(&pair.key, &key.serialize_pem())?;
        Ok(pair)
    }
}

/// The same on every run: an issuer is its name and its key.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "maip devnet authority");
    params
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

#[test]
fn keys_are_private_and_certificates_are_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::create(dir.path()).unwrap();
    let pair = authority.for_peers(&dir.path().join("node"), 7).unwrap();
    for key in [dir.path().join("ca.key"), pair.key] {
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for certificate in [authority.certificate, pair.cert] {
        assert!(fs::read_to_string(certificate).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    }
}
