//! TLS of the two listeners, with certificates that SIGHUP reloads.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use thiserror::Error;
use webpki::EndEntityCert;

use crate::{
    config::{PeerTlsFiles, TlsFiles},
    keys::{KeyFileError, read_secret},
};

/// What a listener offers, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why certificates cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate file is not there or not PEM.
    #[error("certificate file {path}: {problem}")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The private key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Certificate and key do not belong together, or cannot serve.
    #[error("certificate {path} cannot serve: {problem}")]
    Pair {
        /// Certificate file.
        path: PathBuf,
        /// What rustls says.
        problem: String,
    },
}

/// The one cryptography provider of the program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The name that a node's certificate carries on the peer listener.
pub fn node_name(id: u64) -> String {
    format!("maip-node-{id}")
}

type Load = Box<dyn Fn() -> Result<ServerConfig, TlsError> + Send + Sync>;

/// A listener's TLS, replaceable while it runs.
pub struct ServerTls {
    current: RwLock<Arc<ServerConfig>>,
    load: Load,
}

impl ServerTls {
    /// For clients: they see our certificate, and may show one of the authority in `ca`; without an authority, nobody is asked for one.
    pub fn clients(files: &TlsFiles, ca: Option<&Path>) -> Result<Arc<Self>, TlsError> {
        let (files, ca) = (files.clone(), ca.map(Path::to_owned));
        Self::new(Box::new(move || client_listener(&files, ca.as_deref())))
    }

    /// For nodes: whoever shows no certificate of the cluster's authority is turned away in the handshake.
    pub fn peers(files: &PeerTlsFiles) -> Result<Arc<Self>, TlsError> {
        let files = files.clone();
        Self::new(Box::new(move || peer_listener(&files)))
    }

    fn new(load: Load) -> Result<Arc<Self>, TlsError> {
        let current = RwLock::new(Arc::new(load()?));
        Ok(Arc::new(Self { current, load }))
    }

    /// What the next handshake uses.
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again. On an error the old certificates stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new((self.load)()?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

fn client_listener(files: &TlsFiles, ca: Option<&Path>) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| pair(&files.cert, &error))?;
    let builder = match ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let roots = Arc::new(read_roots(ca)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsError::Certificate { path: ca.to_owned(), problem: error.to_string() })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(read_certificates(&files.cert)?, read_key(&files.key)?)
        .map_err(|error| pair(&files.cert, &error))?;
    Ok(with_protocols(config))
}

fn peer_listener(files: &PeerTlsFiles) -> Result<ServerConfig, TlsError> {
    let roots = Arc::new(read_roots(&files.ca)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| TlsError::Certificate { path: files.ca.clone(), problem: error.to_string() })?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| pair(&files.cert, &error))?
        .with_client_cert_verifier(verifier);
    let config = builder
        .with_single_cert(read_certificates(&files.cert)?, read_key(&files.key)?)
        .map_err(|error| pair(&files.cert, &error))?;
    Ok(with_protocols(config))
}

fn with_protocols(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config
}

/// The URIs that a certificate names, which was verified in the handshake.
pub fn uris(certificate: &CertificateDer<'_>) -> Vec<String> {
    let parsed = EndEntityCert::try_from(certificate);
    parsed.map(|parsed| parsed.valid_uri_names().map(str::to_owned).collect()).unwrap_or_default()
}

/// The certificates of a PEM file, at least one.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |problem: String| TlsError::Certificate { path: path.to_owned(), problem };
    let pem = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("holds no PEM certificate".to_owned()));
    }
    Ok(certificates)
}

/// A trust store of the certificates of a PEM file.
pub fn read_roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::Certificate { path: path.to_owned(), problem: error.to_string() })?;
    }
    Ok(roots)
}

/// A certificate file as it is, for clients that take PEM.
pub fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error: io::Error| TlsError::Certificate {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read_secret(path)?;
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| {
        TlsError::Key(KeyFileError::Content {
            path: path.to_owned(),
            problem: format!("not a PEM private key: {error}"),
        })
    })
}

fn pair(path: &Path, error: &rustls::Error) -> TlsError {
    TlsError::Pair { path: path.to_owned(), problem: error.to_string() }
}
