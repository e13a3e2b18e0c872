//! A C2SP monitoring prefix over HTTP or HTTPS.
//!
//! Spec: <https://c2sp.org/tlog-tiles>

use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::runtime::Runtime;

use crate::{
    error::{ClientError, explain},
    source::{Source, SourceError},
};

/// How many files are fetched at once.
const PARALLEL: usize = 16;
/// How often one file is tried when the server does not answer or says that it is overloaded.
const ATTEMPTS_MAX: u32 = 4;
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one file may take.
const FILE_TIMEOUT: Duration = Duration::from_secs(60);

/// The published files of one log behind a URL. Blocking: must not be used inside an async runtime.
#[derive(Debug)]
pub struct HttpSource {
    prefix: String,
    client: reqwest::Client,
    runtime: Runtime,
}

impl HttpSource {
    /// Files below `prefix`, e.g. `https://log.example/main`. `ca_pem`: the only authority to trust, else the public
    /// ones.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`].
    pub fn new(prefix: &str, ca_pem: Option<&[u8]>) -> Result<Self, ClientError> {
        let bad = |reason: String| ClientError::BadUrl { url: prefix.into(), reason };
        if !prefix.starts_with("http://") && !prefix.starts_with("https://") {
            return Err(bad("it must begin with http:// or https://".into()));
        }
        // One provider of cryptography for the process; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(FILE_TIMEOUT)
            .user_agent(concat!("maip/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = ca_pem {
            builder = builder.tls_built_in_root_certs(false);
            for certificate in reqwest::Certificate::from_pem_bundle(pem).map_err(|e| bad(e.to_string()))? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|e| bad(e.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| bad(e.to_string()))?;
        Ok(Self { prefix: prefix.trim_end_matches('/').into(), client, runtime })
    }

    async fn get(&self, path: &str, max: usize) -> Result<Vec<u8>, SourceError> {
        let mut pause = PAUSE_FIRST;
        let mut attempt = 1;
        loop {
            match self.get_once(path, max).await {
                Err(SourceError::Unreachable { .. }) if attempt < ATTEMPTS_MAX => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn get_once(&self, path: &str, max: usize) -> Result<Vec<u8>, SourceError> {
        let url = format!("{}/{path}", self.prefix);
        let failed = |e: reqwest::Error| {
            let plain = explain(&self.prefix, &e);
            SourceError::Unreachable { why: plain.why, next: plain.next }
        };
        let mut response = self.client.get(&url).send().await.map_err(failed)?;
        let status = response.status();
        if matches!(status.as_u16(), 404 | 410) {
            return Err(SourceError::Missing { place: self.prefix.clone(), path: path.into() });
        }
        if !status.is_success() {
            return Err(SourceError::Unreachable {
                why: format!("{url} answered {status}"),
                next: "check that the URL is the monitoring prefix of a log".into(),
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > max {
                return Err(SourceError::Damaged {
                    path: path.into(),
                    reason: format!("more than {max} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl Source for HttpSource {
    fn fetch(&self, path: &str, max: usize) -> Result<Vec<u8>, SourceError> {
        self.runtime.block_on(self.get(path, max))
    }

    fn fetch_many(&self, paths: &[String], max: usize) -> Vec<Result<Vec<u8>, SourceError>> {
        let all = stream::iter(paths).map(|path| self.get(path, max)).buffered(PARALLEL).collect();
        self.runtime.block_on(all)
    }

    fn place(&self) -> String {
        self.prefix.clone()
    }
}
