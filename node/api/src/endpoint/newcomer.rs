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
    // Credentials are in the main log's private state. Looked at first: the node may catch up at any moment.
    let reader = shared.logs.main().reader();
    let ahead = min_index(request).filter(|index| reader.applied_size() <= *index);
    match authenticate(shared, request, now_ms).await {
        Err(error) if error.status == StatusCode::UNAUTHORIZED && ahead.is_some() => {
            reader.wait_applied(ahead.unwrap_or(0) + 1, WAIT).await;
            authenticate(shared, request, now_ms).await
        }
        known => known,
    }
}

/// The entry that a call names, if it names one.
fn min_index(request: &Parts) -> Option<u64> {
    let query = request.uri.query()?;
    let (name, text) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "min_index")?;
    number(&name, &text, 0, INDEX_MAX).ok()
}
