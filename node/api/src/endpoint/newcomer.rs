//! Credentials that a node does not know yet, because it is behind.

use std::time::Duration;

use axum::http::{StatusCode, request::Parts};

use super::page::{INDEX_MAX, number};
use crate::{
    ApiError,
    account::{Caller, authenticate},
    maip::Shared,
};

/// How long a call with an unknown credential waits for the entry that it names.
const WAIT: Duration = Duration::from_secs(5);

/// Who calls. A credential that was made on another node a moment ago may be unknown here: whoever names an entry behind it with
/// `min_index`, as for any other read of what was just written, is waited for and asked again.
pub(super) async fn caller(
    shared: &Shared,
    request: &Parts,
    now_ms: u64,
) -> Result<Option<Caller>, ApiError> {
    match authenticate(shared, request, now_ms).await {
        Err(error) if error.status == StatusCode::UNAUTHORIZED && has_caught_up(shared, request).await => {
            authenticate(shared, request, now_ms).await
        }
        known => known,
    }
}

/// Whether this node was behind the entry that the call names, and no longer is. Credentials are in the main log's private state.
async fn has_caught_up(shared: &Shared, request: &Parts) -> bool {
    let query = request.uri.query().unwrap_or("");
    let named = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "min_index");
    let Some(index) = named.and_then(|(name, text)| number(&name, &text, 0, INDEX_MAX).ok()) else {
        return false;
    };
    let reader = shared.logs.main().reader();
    reader.applied_size() <= index && reader.wait_applied(index + 1, WAIT).await
}
