//! Reading a log's published files: checkpoint and entry bundles.
//!
//! Spec: <https://c2sp.org/tlog-tiles>
//!
//! Nothing that arrives is believed here: the checkpoint's signature and the bundles' hashes are checked by
//! [`crate::verify`].

#[cfg_attr(simulation, path = "fetch/nowhere.rs")]
mod http;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ledger_format::{BundleId, ENTRY_BYTES_MAX, NOTE_BYTES_MAX, Note, TILE_WIDTH, parse_bundle};

use http::Http;

/// Largest bundle: 256 entries with their lengths.
const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + ENTRY_BYTES_MAX);

/// The authorities for `https` cannot be used. The configuration is wrong.
#[derive(Debug, thiserror::Error)]
#[error("the authorities for https prefixes cannot be used: {0}")]
pub struct FetchSetupError(String);

/// A file of a log could not be read. The log's server or the network is at fault; worth a retry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {reason}")]
pub(crate) struct FetchError {
    url: String,
    reason: String,
}

/// Where a log is read: prefixes with the same content, and the one that answered last.
#[derive(Debug)]
pub(crate) struct Prefixes<'a> {
    /// At least one.
    pub(crate) urls: &'a [String],
    pub(crate) preferred: &'a AtomicUsize,
}

/// Reads logs over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    http: Http,
}

impl Fetcher {
    /// A reader that trusts the authorities in the PEM file `ca` only, or the public ones without it.
    pub(crate) fn new(ca: Option<&Path>, timeout: Duration) -> Result<Self, FetchSetupError> {
        Ok(Self { http: Http::new(ca, timeout).map_err(FetchSetupError)? })
    }

    /// The checkpoint published by a log, unverified; `None` if there is none yet.
    pub(crate) async fn checkpoint(&self, prefixes: &Prefixes<'_>) -> Result<Option<Note>, FetchError> {
        let Some((url, bytes)) = self.get_from(prefixes, "checkpoint", NOTE_BYTES_MAX).await? else {
            return Ok(None);
        };
        let note = Note::parse(&bytes).map_err(|error| FetchError { url, reason: error.to_string() })?;
        Ok(Some(note))
    }

    /// The first `width` entries of a bundle, unverified.
    ///
    /// A partial bundle may have been deleted once the full one exists, so that is asked for next.
    pub(crate) async fn entries(
        &self,
        prefixes: &Prefixes<'_>,
        index: u64,
        width: u16,
    ) -> Result<Vec<Vec<u8>>, FetchError> {
        let full = TILE_WIDTH as u16;
        let widths = if width == full { &[full][..] } else { &[width, full][..] };
        for &got in widths {
            let path = BundleId { index, width: got }.path();
            let Some((url, bytes)) = self.get_from(prefixes, &path, BUNDLE_BYTES_MAX).await? else {
                continue;
            };
            let entries = parse_bundle(&bytes, got)
                .map_err(|error| FetchError { url, reason: format!("not an entry bundle: {error}") })?;
            return Ok(entries.into_iter().take(usize::from(width)).map(<[u8]>::to_vec).collect());
        }
        let url = format!("{}/{}", prefixes.urls[0], BundleId { index, width }.path());
        Err(FetchError { url, reason: "not found".into() })
    }

    /// A file and its address from the first prefix that has it; `None` if none of those that answer has.
    async fn get_from(
        &self,
        prefixes: &Prefixes<'_>,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<(String, Vec<u8>)>, FetchError> {
        let first = prefixes.preferred.load(Ordering::Relaxed);
        let (mut failure, mut is_missing) = (None, false);
        for nth in (0..prefixes.urls.len()).map(|nth| (first + nth) % prefixes.urls.len()) {
            let url = format!("{}/{path}", prefixes.urls[nth]);
            match self.http.get(&url, bytes_max).await {
                Ok(Some(bytes)) => {
                    prefixes.preferred.store(nth, Ordering::Relaxed);
                    return Ok(Some((url, bytes)));
                }
                Ok(None) => is_missing = true,
                Err(reason) => failure = Some(FetchError { url, reason }),
            }
        }
        match failure {
            Some(error) if !is_missing => Err(error),
            _ => Ok(None),
        }
    }
}
