//! The keys that sign a log's session tokens, as a JWK set (RFC 7517): `/.well-known/jwks.json`.
//!
//! One set a log: a verifier of production tokens must not take those of a sandbox.

use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ledger_format::token::jwks;
use ledger_log::{HostedLog, TokenFault};

use crate::{ApiError, blocking, router::Api};

const TYPE: HeaderValue = HeaderValue::from_static("application/jwk-set+json");
/// Token keys change with the operator key: next to never.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// `GET /.well-known/jwks.json`: of the main log.
pub(crate) async fn main(State(api): State<Api>) -> Result<Response, ApiError> {
    answer(api.logs.main()).await
}

/// `GET /<log>/.well-known/jwks.json`.
pub(crate) async fn log(State(api): State<Api>, Path(log): Path<String>) -> Result<Response, ApiError> {
    answer(&api.logs.named(&log)?).await
}

async fn answer(log: &HostedLog) -> Result<Response, ApiError> {
    let log = log.clone();
    let keys = blocking(move || Ok(log.token_keys())).await?;
    match keys {
        Ok(keys) => {
            Ok(([(header::CONTENT_TYPE, TYPE), (header::CACHE_CONTROL, CACHE)], jwks(&keys)).into_response())
        }
        Err(fault @ TokenFault::NoKey) => {
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "NO_TOKEN_KEY", fault.to_string())
                .fix("ask another node"))
        }
        Err(fault) => Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", fault.to_string())
            .fix("ask another node")),
    }
}
