//! `GET /v1/log/tail`: published entries as they come, as server-sent events, a checkpoint after the entries that it covers.
//!
//! The same as `Tail` over gRPC, for programs that have only HTTP.

use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::stream;
use ledger_format::{BundleId, TILE_WIDTH, parse_bundle};
use ledger_log::Reader;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use utoipa::IntoParams;

use crate::{ApiError, blocking, proofs::malformed, router::Api};

/// Tails open at once on a node; they need no credential.
const TAILS_MAX: usize = 128;
/// A tail on which nothing happens says so this often.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a place may be free again, seconds.
const RETRY_AFTER_S: u32 = 5;

static TAILS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(TAILS_MAX)));

/// Which log, and from where.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TailQuery {
    /// Name of the log; the main one when it is left out.
    #[serde(default)]
    #[param(max_length = 64, example = "main")]
    log: String,
    /// The first index; what is published from now on when it is left out. `Last-Event-ID` goes before it.
    #[param(example = 0)]
    from: Option<u64>,
}

/// One open tail.
struct Tail {
    reader: Reader,
    next: u64,
    /// Size of the checkpoint that was sent last.
    announced: Option<u64>,
    ready: VecDeque<Bytes>,
    stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// Starts a tail. It ends when the caller goes, the node stops, or the log is a sandbox and reset.
pub(crate) async fn tail(
    State(api): State<Api>,
    query: Result<Query<TailQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(malformed)?;
    let reader = api.logs.named(&query.log)?.reader();
    let published = reader.checkpoint().map_or(0, |published| published.checkpoint.size);
    let next = match headers.get("last-event-id") {
        Some(last) => {
            let last = last.to_str().ok().and_then(|text| text.parse::<u64>().ok());
            last.and_then(|last| last.checked_add(1)).ok_or_else(|| {
                ApiError::malformed("is not the index of an entry")
                    .field("Last-Event-ID")
                    .fix("send the id of the last entry that you have, as it came")
            })?
        }
        None => query.from.unwrap_or(published),
    };
    let place = Arc::clone(&TAILS)
        .try_acquire_owned()
        .map_err(|_| ApiError::busy("this node has too many tails open", RETRY_AFTER_S))?;
    let ready = VecDeque::from([Bytes::from_static(b": connected\n\n")]);
    let tail = Tail { reader, next, announced: None, ready, stopping: api.stopping.clone(), _place: place };
    let parts = stream::unfold(tail, |mut tail| async move {
        let part = tail.part().await?;
        Some((Ok::<_, std::convert::Infallible>(part), tail))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

impl Tail {
    /// The next bytes; `None` ends the tail.
    async fn part(&mut self) -> Option<Bytes> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Some(part);
            }
            let published = self.reader.checkpoint().filter(|p| Some(p.checkpoint.size) != self.announced);
            if let Some(published) = published {
                let size = published.checkpoint.size;
                if self.next < size {
                    if let Err(error) = self.bundle(size).await {
                        tracing::warn!(message = %error.message, "a tail ends");
                        return None;
                    }
                    continue;
                }
                self.announced = Some(size);
                let note = String::from_utf8_lossy(&published.note);
                let data = serde_json::json!({"size": size, "checkpoint": note});
                return Some(format!("event: checkpoint\ndata: {data}\n\n").into());
            }
            let wanted = self.announced.map_or(0, |size| size + 1);
            let reader = self.reader.clone();
            tokio::select! {
                found = reader.wait_published(wanted, HEARTBEAT) => {
                    if found.is_none() {
                        return Some(Bytes::from_static(b": heartbeat\n\n"));
                    }
                }
                () = self.reader.closed() => return None,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            }
        }
    }

    /// The entries from `next` to the end of its bundle or to `size`.
    async fn bundle(&mut self, size: u64) -> Result<(), ApiError> {
        let index = self.next / TILE_WIDTH;
        let first = index * TILE_WIDTH;
        // At most 256, so it fits.
        let width = (size - first).min(TILE_WIDTH) as u16;
        let reader = self.reader.clone();
        let bundle = blocking(move || reader.bundle(BundleId { index, width })).await?;
        let bundle =
            bundle.ok_or_else(|| ApiError::internal("a bundle below the published size is missing"))?;
        let entries = parse_bundle(&bundle, width).map_err(ApiError::internal)?;
        for (place, entry) in (first..).zip(entries).skip_while(|(place, _)| *place < self.next) {
            let data = serde_json::json!({"index": place, "entry": STANDARD.encode(entry)});
            self.ready.push_back(format!("id: {place}\nevent: entry\ndata: {data}\n\n").into());
        }
        self.next = first + u64::from(width);
        Ok(())
    }
}
