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

async fn get(context: Context, _: NoQuery, _: NoBody) -> Result<Response, ApiError> {
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, context.shared.document.clone()).into_response())
}
