//! Events as they happen: server-sent events that go on where a client stopped.

use std::{collections::VecDeque, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::Deserialize;
use utoipa::IntoParams;

use super::list::{feed, filter};
use crate::{
    ApiError,
    account::{Caller, still_holds},
    endpoint::{Context, NoBody, QueryInput},
    events::{Event, EventPattern, Feed, Filter, StreamSlot, parse_id},
    maip::Shared,
    wire::{AgentRef, Text},
};

/// A stream on which nothing happens says so this often, and looks whether its credential still holds.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events that come close together are sent together; so a busy log is not asked for each of them.
const GATHER: Duration = Duration::from_millis(50);

/// Which events, and behind which.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamEvents {
    /// Only events of this word; with `.*` at its end, of all words that begin so.
    #[serde(default)]
    #[param(inline)]
    event_type: Option<EventPattern>,
    /// Only events about this agent.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// The id of the last event that the client has; the header `Last-Event-ID` says the same.
    #[serde(default)]
    #[param(inline)]
    last_event_id: Option<Text<1, 64>>,
}

impl QueryInput for StreamEvents {}

/// One open stream.
struct Live {
    feed: Feed,
    filter: Filter,
    /// The next index that was not looked at.
    next: u64,
    ready: VecDeque<Bytes>,
    shared: Shared,
    headers: HeaderMap,
    caller: Caller,
    _slot: StreamSlot,
}

pub(super) async fn stream(context: Context, query: StreamEvents, _: NoBody) -> Result<Response, ApiError> {
    let feed = feed(&context)?;
    let filter = filter(&context, query.event_type, query.agent_id)?;
    let header = context.headers.get("last-event-id").map(|value| value.to_str().unwrap_or("-").to_owned());
    let last = query.last_event_id.map(Text::into_string).or(header).filter(|text| !text.is_empty());
    let next = match last {
        None => context.reader.applied_size(),
        Some(text) => {
            let (tag, index) = parse_id(&text).ok_or_else(|| {
                ApiError::malformed("is not the id of an event")
                    .field("last_event_id")
                    .fix("send the id of the last event that you have, as it came")
            })?;
            // Of another log: a sandbox that was reset has begun anew, and so does whoever listens to it.
            if tag == feed.tag() { index + 1 } else { 0 }
        }
    };
    let slot = context.shared.streams.open(&context.caller()?.name)?;
    let live = Live {
        feed,
        filter,
        next,
        ready: VecDeque::from([Bytes::from_static(b": connected\n\n")]),
        shared: context.shared.clone(),
        headers: context.headers.clone(),
        caller: context.caller()?.clone(),
        _slot: slot,
    };
    let parts = stream::unfold(live, |mut live| async move {
        let part = live.part().await?;
        Some((Ok::<_, std::convert::Infallible>(part), live))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

impl Live {
    /// The next bytes; `None` ends the stream.
    async fn part(&mut self) -> Option<Bytes> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Some(part);
            }
            let mut stopping = self.shared.stopping.clone();
            let reader = self.feed.reader().clone();
            let size = tokio::select! {
                size = self.feed.wait(self.next, HEARTBEAT) => size,
                () = reader.closed() => return None,
                _ = stopping.wait_for(|stopping| *stopping) => return None,
            };
            if !self.may() {
                return None;
            }
            if size <= self.next {
                return Some(Bytes::from_static(b": heartbeat\n\n"));
            }
            if let Err(error) = self.look(size).await {
                tracing::warn!(%error, "a stream of events ends");
                return None;
            }
            if self.ready.is_empty() {
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    /// Whether the credential still holds.
    fn may(&self) -> bool {
        still_holds(&self.shared, &self.headers, &self.caller, (self.shared.now_ms)())
    }

    async fn look(&mut self, size: u64) -> Result<(), String> {
        let (feed, filter, from) = (self.feed.clone(), self.filter.clone(), self.next);
        let found = tokio::task::spawn_blocking(move || feed.onwards(&filter, from, size)).await;
        let found = found.map_err(|error| error.to_string())?.map_err(|error| error.message)?;
        self.next = found.next;
        self.ready.extend(found.events.iter().map(frame));
        Ok(())
    }
}

/// One event in the form of server-sent events. JSON has no line feeds of its own.
fn frame(event: &Event) -> Bytes {
    let data = serde_json::to_string(event).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", event.event_id, event.event_type).into()
}
