//! Where an export reads from: any server of the C2SP tlog-tiles layout.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use ledger_format::{BundleId, ENTRY_BYTES_MAX, Hash, NOTE_BYTES_MAX, TILE_WIDTH, TileId, Vkey, parse_tile};

use crate::{config::Outbound, outbound};

/// How often a file is asked for before the export gives up.
const ATTEMPTS: u32 = 4;
/// Pause before the second attempt; doubled each time.
const PAUSE: Duration = Duration::from_millis(250);
/// Time for one file.
const TIMEOUT: Duration = Duration::from_secs(30);
/// 256 entries, each with its two bytes of length.
const BUNDLE_BYTES_MAX: usize = (ENTRY_BYTES_MAX + 2) * TILE_WIDTH as usize;
const TILE_BYTES_MAX: usize = 32 * TILE_WIDTH as usize;
const VKEY_BYTES_MAX: usize = 4096;

/// A monitoring prefix.
pub(super) struct Source {
    http: reqwest::Client,
    prefix: String,
}

impl Source {
    /// `url` and, when given, the name of the log below it.
    pub(super) fn new(url: &str, log: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/');
        let prefix = if log.is_empty() { url.to_owned() } else { format!("{url}/{log}") };
        Ok(Self { http: outbound::client(&Outbound { ca: ca.map(Path::to_owned), proxy: None })?, prefix })
    }

    /// The checkpoint as it is served.
    pub(super) async fn checkpoint(&self) -> anyhow::Result<Bytes> {
        self.get(&format!("{}/checkpoint", self.prefix), NOTE_BYTES_MAX).await
    }

    /// The key that one of our nodes names for its log. Proves nothing by itself.
    pub(super) async fn vkey(&self, url: &str, log: &str) -> anyhow::Result<Vkey> {
        let url = format!("{}/v1/log/vkey?log={log}", url.trim_end_matches('/'));
        let body = self
            .get(&url, VKEY_BYTES_MAX)
            .await
            .context("this server names no key; give --vkey or --policy")?;
        let text = std::str::from_utf8(&body)?;
        Ok(Vkey::parse(text.trim_end())?)
    }

    /// A tile, with its hashes.
    pub(super) async fn tile(&self, id: TileId) -> anyhow::Result<(Bytes, Vec<Hash>)> {
        let bytes = self.get(&format!("{}/{}", self.prefix, id.path()), TILE_BYTES_MAX).await?;
        let hashes = parse_tile(&bytes, id.width).with_context(|| id.path())?;
        Ok((bytes, hashes))
    }

    /// An entry bundle.
    pub(super) async fn bundle(&self, id: BundleId) -> anyhow::Result<Bytes> {
        self.get(&format!("{}/{}", self.prefix, id.path()), BUNDLE_BYTES_MAX).await
    }

    async fn get(&self, url: &str, max: usize) -> anyhow::Result<Bytes> {
        let mut pause = PAUSE;
        for attempt in 1.. {
            match self.try_get(url, max).await {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => bail!("{url}: not found"),
                Err(error) if attempt == ATTEMPTS => return Err(error.context(url.to_owned())),
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    /// `None` when the file is not there, which no retry changes.
    async fn try_get(&self, url: &str, max: usize) -> anyhow::Result<Option<Bytes>> {
        let mut response = self.http.get(url).timeout(TIMEOUT).send().await?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let status = response.status();
        if !status.is_success() {
            bail!("the server answered {status}");
        }
        let body = outbound::read_body(&mut response, max).await.map_err(|error| anyhow!(error))?;
        Ok(Some(body.into()))
    }
}
