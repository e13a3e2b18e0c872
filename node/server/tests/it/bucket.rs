//! `export` to a bucket, against a server that speaks the three calls of S3 that it needs.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};

use crate::{node::program, static_log};

/// One stored object, and its place in the order of writing.
#[derive(Clone)]
struct Object {
    order: usize,
    kind: String,
    cache: String,
    bytes: Bytes,
}

#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<BTreeMap<String, Object>>>);

async fn answer(
    State(bucket): State<Bucket>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let mut objects = bucket.0.lock().unwrap();
    let text =
        |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    if method == Method::PUT {
        assert!(text("authorization").starts_with("AWS4-HMAC-SHA256 "), "requests are signed");
        let order = objects.len();
        let object = Object { order, kind: text("content-type"), cache: text("cache-control"), bytes };
        objects.insert(uri.path().to_owned(), object);
        return [("etag", "\"1\"")].into_response();
    }
    match objects.get(uri.path()) {
        Some(object) => {
            let headers = [("etag", "\"1\""), ("last-modified", "Mon, 23 Nov 2026 12:00:00 GMT")];
            (headers, object.bytes.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn serve(bucket: Bucket) -> SocketAddr {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let app = Router::new().fallback(answer).with_state(bucket);
    tokio::spawn(async move { axum::serve(socket, app).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_gets_tiles_with_their_headers_and_the_checkpoint_last() {
    let bucket = Bucket::default();
    let endpoint = format!("http://{}", serve(bucket.clone()).await);
    let files = static_log::files(600, "one");
    let url = format!("http://{}", static_log::serve(files.clone()).await);
    let mut export = program();
    export
        .args([
            "export",
            "--url",
            &url,
            "--vkey",
            &static_log::signer().vkey().to_string(),
            "--to",
            "s3://logs/public/main",
        ])
        .env("AWS_ENDPOINT", &endpoint)
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    let output = tokio::task::spawn_blocking(move || export.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));

    let objects = bucket.0.lock().unwrap().clone();
    assert_eq!(objects.len(), files.len());
    for (path, bytes) in &files {
        let object = &objects[&format!("/logs/public/main/{path}")];
        assert_eq!(object.bytes[..], bytes[..], "{path}");
        let (kind, cache) = match path.as_str() {
            "checkpoint" => ("text/plain; charset=utf-8", "public, max-age=1"),
            _ => ("application/octet-stream", "public, max-age=31536000, immutable"),
        };
        assert_eq!((object.kind.as_str(), object.cache.as_str()), (kind, cache), "{path}");
    }
    assert_eq!(
        objects["/logs/public/main/checkpoint"].order,
        files.len() - 1,
        "the checkpoint is written last"
    );
}
