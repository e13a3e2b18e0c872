//! The C2SP tlog-tiles layout over GET: `checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`.

use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use ledger_format::{BundleId, TileId};
use ledger_log::{HostedLog, ReadError, Reader};

use crate::{ApiError, blocking, router::Api};

/// How long a checkpoint may be remembered, and the tiles of a sandbox: it is replaced every second.
const CHECKPOINT_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=1");
/// A tile or bundle of a given width never changes in a production log. In a sandbox it does: the next generation has the
/// same paths.
const IMMUTABLE_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What a path under `tile/` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Hashes.
    Tile(TileId),
    /// Entries.
    Bundle(BundleId),
}

impl Resource {
    /// Parses what follows `tile/`. One spelling only, as the specification has it.
    pub(crate) fn parse(rest: &str) -> Result<Self, ApiError> {
        let path = format!("tile/{rest}");
        let parsed = if rest.starts_with("entries/") {
            BundleId::parse(&path).map(Self::Bundle)
        } else {
            TileId::parse(&path).map(Self::Tile)
        };
        parsed.map_err(|error| {
            ApiError::not_found(format!("no such tile: {error}"))
                .field("path")
                .fix("use tile/<level>/<index>[.p/<width>] or tile/entries/<index>[.p/<width>] of c2sp.org/tlog-tiles")
        })
    }

    fn read(self, reader: &Reader, unpublished: bool) -> Result<Option<Bytes>, ReadError> {
        match (self, unpublished) {
            (Self::Tile(id), false) => reader.tile(id),
            (Self::Bundle(id), false) => reader.bundle(id),
            (Self::Tile(id), true) => reader.unpublished_tile(id),
            (Self::Bundle(id), true) => reader.unpublished_bundle(id),
        }
    }
}

/// `GET /checkpoint`: of the main log.
pub(crate) async fn main_checkpoint(State(api): State<Api>) -> Result<Response, ApiError> {
    checkpoint(api.logs.main())
}

/// `GET /<log>/checkpoint`.
pub(crate) async fn log_checkpoint(
    State(api): State<Api>,
    Path(log): Path<String>,
) -> Result<Response, ApiError> {
    checkpoint(&api.logs.named(&log)?)
}

/// `GET /tile/…`: of the main log.
pub(crate) async fn main_tile(
    State(api): State<Api>,
    Path(rest): Path<String>,
) -> Result<Response, ApiError> {
    resource(api.logs.main(), &rest, false).await
}

/// `GET /<log>/tile/…`.
pub(crate) async fn log_tile(
    State(api): State<Api>,
    Path((log, rest)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    resource(&api.logs.named(&log)?, &rest, false).await
}

/// `GET /unpublished/tile/…`: of the main log, up to the applied size.
pub(crate) async fn main_unpublished(
    State(api): State<Api>,
    Path(rest): Path<String>,
) -> Result<Response, ApiError> {
    resource(api.logs.main(), &rest, true).await
}

/// `GET /<log>/unpublished/tile/…`.
pub(crate) async fn log_unpublished(
    State(api): State<Api>,
    Path((log, rest)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    resource(&api.logs.named(&log)?, &rest, true).await
}

fn checkpoint(log: &HostedLog) -> Result<Response, ApiError> {
    let published = log.reader().checkpoint().ok_or_else(|| {
        ApiError::not_found("this log has not published a checkpoint yet").fix("ask again in a second")
    })?;
    let headers = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, CHECKPOINT_CACHE)];
    Ok((headers, Bytes::copy_from_slice(&published.note)).into_response())
}

async fn resource(log: &HostedLog, rest: &str, unpublished: bool) -> Result<Response, ApiError> {
    let resource = Resource::parse(rest)?;
    let reader = log.reader();
    let bytes = blocking(move || resource.read(&reader, unpublished)).await?.ok_or_else(|| {
        ApiError::not_found("the log has not published that far")
            .fix("read the checkpoint for the published size")
    })?;
    // Above the published size nothing is promised for ever, although an applied entry does not change either.
    let cache = match (unpublished, log.generation()) {
        (true, _) => HeaderValue::from_static("no-store"),
        (false, None) => IMMUTABLE_CACHE,
        (false, Some(_)) => CHECKPOINT_CACHE,
    };
    Ok(([(header::CONTENT_TYPE, OCTETS), (header::CACHE_CONTROL, cache)], bytes).into_response())
}
