//! The API about itself.

use axum::{
    http::{Method, header},
    response::{IntoResponse, Response},
};

use crate::{
    ApiError,
    endpoint::{Context, NoBody, NoQuery, Routes},
};

pub(super) fn declare(routes: &mut Routes) {
    routes.group("Service", "The API about itself.");
    routes
        .raw(Method::GET, "/v1/openapi.json", "get_openapi", "application/json", get)
        .summary("This document")
        .public();
}

async fn get(_: Context, _: NoQuery, _: NoBody) -> Result<Response, ApiError> {
    // Whoever asks first waits until it is made, on a thread where that holds up nobody else.
    let document = tokio::task::spawn_blocking(crate::openapi).await.map_err(ApiError::internal)?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, document).into_response())
}
