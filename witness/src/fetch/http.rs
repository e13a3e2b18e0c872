//! HTTP. The only place of a witness that opens connections.

use std::{path::Path, time::Duration};

use reqwest::{Certificate, Client, StatusCode};

/// Connections to the logs' servers.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
}

impl Http {
    pub(super) fn new(ca: Option<&Path>, timeout: Duration) -> Result<Self, String> {
        // Another part of the process may have chosen already; the choice is the same everywhere.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none());
        if let Some(path) = ca {
            let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let bundle =
                Certificate::from_pem_bundle(&pem).map_err(|error| format!("{}: {error}", path.display()))?;
            builder = builder.tls_built_in_root_certs(false);
            for certificate in bundle {
                builder = builder.add_root_certificate(certificate);
            }
        }
        Ok(Self { client: builder.build().map_err(|error| error.to_string())? })
    }

    /// A file of at most `bytes_max` bytes; `None` if it is not there.
    pub(super) async fn get(&self, url: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, String> {
        let sent = self.client.get(url).send().await;
        let mut response = sent.map_err(|error| error.without_url().to_string())?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(format!("the server answers {status}")),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
            if bytes.len() + chunk.len() > bytes_max {
                return Err(format!("the file is larger than {bytes_max} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }
}
