//! Bounds on requests: how many at once, how many bytes of bodies, how long.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use ledger_api::ApiError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::{config::Limits, counters::Counters, grpc::refusal};

/// Calls that last as long as the caller likes.
const LONG_CALLS: &[&str] = &["/Tail", "/SubmitStream", "/Backup", "/Watch", "/ServerReflectionInfo"];
/// When a refused caller may try again.
const RETRY_AFTER_S: u32 = 1;

/// The bounds of one listener.
pub struct Guard {
    requests: Arc<Semaphore>,
    long_streams: Arc<Semaphore>,
    body_bytes: Arc<Semaphore>,
    request: Duration,
    counters: Arc<Counters>,
}

impl Guard {
    /// Bounds as configured.
    pub fn new(limits: &Limits, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            requests: Arc::new(Semaphore::new(limits.requests)),
            long_streams: Arc::new(Semaphore::new(limits.long_streams)),
            body_bytes: Arc::new(Semaphore::new(limits.body_bytes_in_flight)),
            request: Duration::from_millis(limits.request_ms),
            counters,
        })
    }
}

/// Takes a request on, or refuses it in its own protocol.
pub async fn guarded<F: Future<Output = Response>>(
    guard: &Guard,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let grpc = is_grpc(request.headers());
    let long = grpc && LONG_CALLS.iter().any(|call| request.uri().path().ends_with(call));
    let slots = if long { &guard.long_streams } else { &guard.requests };
    let Ok(slot) = Arc::clone(slots).try_acquire_owned() else {
        guard.counters.refused_busy();
        return busy(grpc, "this node serves too many requests already");
    };
    guard.counters.request();
    let budget = Arc::clone(&guard.body_bytes);
    let request = request.map(|inner| Body::new(Counted { inner, budget, held: None, streamed: long }));
    if long {
        let response = next(request).await;
        return response.map(|inner| Body::new(Holding { inner, _slot: slot }));
    }
    let answered = tokio::time::timeout(guard.request, next(request)).await;
    drop(slot);
    answered.unwrap_or_else(|_| {
        guard.counters.timed_out();
        timed_out(grpc)
    })
}

/// Whether this is gRPC or gRPC-web.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    is_of_kind(headers, b"application/grpc")
}

/// Whether this is gRPC-web, which browsers speak.
pub fn is_grpc_web(headers: &HeaderMap) -> bool {
    is_of_kind(headers, b"application/grpc-web")
}

fn is_of_kind(headers: &HeaderMap, begin: &[u8]) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(begin))
}

fn busy(grpc: bool, message: &str) -> Response {
    if grpc {
        return refusal::busy(message, RETRY_AFTER_S * 1_000).into_http::<Body>();
    }
    ApiError::busy(message, RETRY_AFTER_S).into_response()
}

fn timed_out(grpc: bool) -> Response {
    let message = "the request took longer than this node allows";
    if grpc {
        return Status::deadline_exceeded(message).into_http::<Body>();
    }
    ApiError::new(axum::http::StatusCode::REQUEST_TIMEOUT, "TIMEOUT", message)
        .fix("send the body faster, or ask for less")
        .into_response()
}

/// A request body whose bytes count against the budget of the listener.
struct Counted {
    inner: Body,
    budget: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    /// Of a stream only the last piece is held: what came before has been handed on.
    streamed: bool,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = &polled else { return polled };
        let Some(data) = frame.data_ref() else { return polled };
        let Ok(bytes) = u32::try_from(data.len()) else { return polled };
        if this.streamed {
            this.held = None;
        }
        match Arc::clone(&this.budget).try_acquire_many_owned(bytes) {
            Ok(more) => match &mut this.held {
                Some(held) => held.merge(more),
                None => this.held = Some(more),
            },
            Err(_) => {
                let refused =
                    refusal::busy("this node holds too many request bytes already", RETRY_AFTER_S * 1_000);
                return Poll::Ready(Some(Err(axum::Error::new(refused))));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response body that keeps its place among the long streams until it ends.
struct Holding {
    inner: Body,
    _slot: OwnedSemaphorePermit,
}

impl HttpBody for Holding {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
