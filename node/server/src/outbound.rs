//! HTTP to witnesses.

use std::{fs, time::Duration};

use anyhow::Context as _;
use futures::future::BoxFuture;
use ledger_log::{HttpAnswer, WitnessTransport};

use crate::config::Outbound;

/// Largest answer of a witness: a checkpoint with its full load of cosignatures.
const ANSWER_BYTES_MAX: usize = ledger_format::NOTE_BYTES_MAX;
/// How long an unused connection is kept.
const KEEP: Duration = Duration::from_secs(90);

/// Witnesses over HTTP and HTTPS, with kept connections.
pub(crate) struct HttpWitnesses(reqwest::Client);

impl HttpWitnesses {
    /// The client of the configuration.
    pub(crate) fn new(outbound: &Outbound) -> anyhow::Result<Self> {
        Ok(Self(client(outbound)?))
    }
}

/// An HTTP client as this program wants it: it follows no redirects, and trusts the web's authorities and `ca`.
pub(crate) fn client(outbound: &Outbound) -> anyhow::Result<reqwest::Client> {
    builder(outbound)?.build().context("cannot set up HTTP to witnesses")
}

/// A client as this program wants it, before it is built.
pub(crate) fn builder(outbound: &Outbound) -> anyhow::Result<reqwest::ClientBuilder> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(KEEP)
        .tcp_nodelay(true)
        .no_proxy()
        .user_agent(concat!("maip-node/", env!("CARGO_PKG_VERSION")));
    if let Some(proxy) = &outbound.proxy {
        let proxy = reqwest::Proxy::all(proxy)
            .with_context(|| format!("configuration field `outbound.proxy`: {proxy:?}"))?;
        builder = builder.proxy(proxy);
    }
    if let Some(path) = &outbound.ca {
        let pem =
            fs::read(path).with_context(|| format!("cannot read the authorities in {}", path.display()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .with_context(|| format!("{} holds no PEM certificates", path.display()))?;
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    Ok(builder)
}

/// Reads a body, but no more than `max` bytes of it.
pub(crate) async fn read_body(response: &mut reqwest::Response, max: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + piece.len() > max {
            return Err(format!("the answer is longer than {max} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

impl WitnessTransport for HttpWitnesses {
    fn add_checkpoint(
        &self,
        url: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<HttpAnswer, String>> {
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        Box::pin(answer(self.0.post(url).body(body), timeout))
    }

    fn get(&self, url: &str, timeout: Duration) -> BoxFuture<'static, Result<HttpAnswer, String>> {
        Box::pin(answer(self.0.get(url), timeout))
    }
}

async fn answer(request: reqwest::RequestBuilder, timeout: Duration) -> Result<HttpAnswer, String> {
    // Over the whole exchange, so a witness that trickles its answer gains nothing.
    let mut response = request.timeout(timeout).send().await.map_err(|error| describe(&error))?;
    let status = response.status().as_u16();
    let kind = response.headers().get(reqwest::header::CONTENT_TYPE);
    let content_type = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let body = read_body(&mut response, ANSWER_BYTES_MAX).await?;
    Ok(HttpAnswer { status, content_type, body })
}

/// The error and its causes in one line.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
