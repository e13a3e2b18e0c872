//! The prefixes under which older clients look for the API: `/v1/machine-identity/…` and `/maip/v1/…` are `/v1/…`.

use axum::{
    extract::Request,
    http::uri::{PathAndQuery, Uri},
};

/// The prefix of the API.
const PREFIX: &str = "/v1";
/// What it was once.
const OLDER: &[&str] = &["/v1/machine-identity", "/maip/v1"];

/// The request under the prefix of today.
pub(crate) fn rewrite(mut request: Request) -> Request {
    if let Some(uri) = under_prefix(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

/// The address under the prefix of today; `None` when it is that already.
fn under_prefix(uri: &Uri) -> Option<Uri> {
    let whole = uri.path_and_query()?.as_str();
    let rest =
        OLDER.iter().find_map(|older| whole.strip_prefix(older).filter(|rest| rest.starts_with('/')))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{PREFIX}{rest}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_prefixes_lead_to_the_same_paths() {
        for (from, to) in [
            ("/v1/machine-identity/agents", Some("/v1/agents")),
            ("/maip/v1/agents/maip%3A0190c3a4%3A01?x=1", Some("/v1/agents/maip%3A0190c3a4%3A01?x=1")),
            ("http://node/maip/v1/receipts?a=b", Some("http://node/v1/receipts?a=b")),
            ("/v1/agents", None),
            ("/v1/machine-identity", None),
            ("/v1/machine-identityx/agents", None),
            ("/maip/v2/agents", None),
            ("/x/maip/v1/agents", None),
        ] {
            let got = under_prefix(&from.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(got.as_deref(), to, "{from}");
        }
    }
}
