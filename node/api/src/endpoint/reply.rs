//! A good answer.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::ApiError;

/// The index of the entry that an answer speaks of: `?min_index=` on any node reads it back.
const LOG_INDEX: HeaderName = HeaderName::from_static("x-log-index");

/// A good answer; the endpoint's declaration says its status.
pub(crate) struct Reply<T> {
    body: T,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl<T> Reply<T> {
    pub(crate) fn new(body: T) -> Self {
        Self { body, headers: Vec::new() }
    }

    /// With another body.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { body: change(self.body), headers: self.headers }
    }

    /// Says which entry made it true.
    pub(crate) fn at(mut self, index: u64) -> Self {
        self.headers.push((LOG_INDEX, index.into()));
        self
    }

    /// The version that `If-Match` takes.
    pub(crate) fn version(mut self, version: impl std::fmt::Display) -> Self {
        if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
            self.headers.push((header::ETAG, value));
        }
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl<T: Serialize> Reply<T> {
    /// The answer in bytes.
    pub(super) fn encode(self) -> Result<Answer, ApiError> {
        let body = serde_json::to_vec(&self.body).map_err(ApiError::internal)?;
        Ok(Answer::Json { headers: self.headers, body })
    }
}

/// A good answer in bytes.
pub(super) enum Answer {
    /// JSON, with the declared status.
    Json { headers: Vec<(HeaderName, HeaderValue)>, body: Vec<u8> },
    /// As it is.
    Raw(Response),
}

impl Answer {
    pub(super) fn into_response(self, declared: StatusCode) -> Response {
        let (headers, body) = match self {
            Answer::Raw(response) => return response,
            Answer::Json { headers, body } => (headers, body),
        };
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (declared, json, body).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }
}
