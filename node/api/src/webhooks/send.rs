//! One attempt: an event is posted, and the answer judged.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Webhook, sign::signature};
use crate::{OutboundCall, OutboundFault, SharedOutbound, account::Secrets};

/// For one attempt, from the connection to the end of the answer.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Of the target's answer, which nobody reads but the owner in an error.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 256;
/// Attempts at once to one host, whoever's webhooks they are of.
const AT_ONCE_OF_HOST: usize = 4;
/// Attempts at once in all.
const AT_ONCE: usize = 64;
/// Hosts that are remembered when nobody is sending to them.
const HOSTS_KEPT: usize = 4_096;

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) delivered: bool,
    /// Trying again is no use.
    pub(crate) is_final: bool,
    /// Status of the answer, if there was one.
    pub(crate) answer: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) took_ms: u64,
}

/// A place among the attempts at once, until it is dropped.
pub(crate) struct Turn {
    _of_host: Option<OwnedSemaphorePermit>,
    _of_all: Option<OwnedSemaphorePermit>,
}

/// Bounds on attempts at once.
pub(crate) struct Targets {
    all: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Default for Targets {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(AT_ONCE)), hosts: Mutex::default() }
    }
}

impl Targets {
    /// Waits for a turn: first for the host's, so that a slow host does not hold the others' places.
    pub(crate) async fn turn(&self, url: &str) -> Turn {
        let host = host(url).to_owned();
        let of_host = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            if hosts.len() >= HOSTS_KEPT {
                hosts.retain(|_, turns| Arc::strong_count(turns) > 1);
            }
            Arc::clone(hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE_OF_HOST))))
        };
        // The semaphores are never closed.
        let of_host = of_host.acquire_owned().await.ok();
        Turn { _of_host: of_host, _of_all: Arc::clone(&self.all).acquire_owned().await.ok() }
    }
}

/// Host and port of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// What the attempts of one call share.
pub(crate) struct Sender<'a> {
    pub(crate) outbound: &'a SharedOutbound,
    pub(crate) secrets: &'a Secrets,
}

/// Posts an event to a webhook. The caller has waited for the turn: what it knows of the webhook may have changed meanwhile.
pub(crate) async fn send(
    sender: &Sender<'_>,
    turn: Turn,
    webhook: &Webhook,
    delivery_id: &str,
    event: &Map<String, Value>,
    attempt: u64,
    now_ms: impl Fn() -> u64,
) -> Outcome {
    let mut body = event.clone();
    body.insert("delivery_id".into(), delivery_id.into());
    body.insert("webhook_id".into(), format!("maip-hook:{}", webhook.id).into());
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let word = event.get("event_type").and_then(Value::as_str).unwrap_or_default();
    let begun = Instant::now();
    // Signed when it is sent: a receiver refuses what is old.
    let signature = signature(sender.secrets, webhook, now_ms(), &body);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let call = OutboundCall {
        method: "POST",
        url: webhook.url.clone(),
        headers: vec![
            header("content-type", "application/json"),
            header("user-agent", concat!("maip-node/", env!("CARGO_PKG_VERSION"))),
            header("x-maip-event", word),
            header("x-maip-delivery", delivery_id),
            header("x-maip-attempt", &attempt.to_string()),
            header("x-maip-signature", &signature),
            header("x-truthlocks-signature", &signature),
        ],
        body: body.into(),
        timeout: ATTEMPT,
        answer_bytes_max: ANSWER_BYTES_MAX,
    };
    let answer = sender.outbound.send(call).await;
    drop(turn);
    let took_ms = begun.elapsed().as_millis() as u64;
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => {
            Outcome { delivered: true, is_final: true, answer: Some(answer.status), error: None, took_ms }
        }
        Ok(answer) => {
            let said: String = String::from_utf8_lossy(&answer.body).chars().take(ERROR_CHARS_MAX).collect();
            let error = Some(format!("the target answered {}: {said}", answer.status));
            Outcome { delivered: false, is_final: false, answer: Some(answer.status), error, took_ms }
        }
        Err(fault) => {
            let is_final = matches!(fault, OutboundFault::Forbidden(_));
            let error = Some(fault.to_string().chars().take(ERROR_CHARS_MAX).collect());
            Outcome { delivered: false, is_final, answer: None, error, took_ms }
        }
    }
}

/// An event that says nothing: the target shows whether it takes events.
pub(crate) fn ping(webhook: &Webhook, id: &str, now_ms: u64) -> Map<String, Value> {
    let event = json!({
        "event_id": id, "id": id, "event_type": "webhook.ping", "event_types": ["webhook.ping"], "source": "webhook",
        "tenant_id": webhook.tenant, "environment": webhook.environment.word(), "payload": {},
        "timestamp": crate::wire::time_text(now_ms),
    });
    match event {
        Value::Object(event) => event,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_stands_before_the_path() {
        for (url, expected) in [
            ("https://example.com/hook?a=b", "example.com"),
            ("http://127.0.0.1:80", "127.0.0.1:80"),
            ("http://[::1]:80/x", "[::1]:80"),
        ] {
            assert_eq!(host(url), expected);
        }
    }

    #[tokio::test]
    async fn one_host_has_so_many_turns_at_once() {
        let targets = Targets::default();
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE_OF_HOST {
            taken.push(targets.turn("http://a/1").await);
        }
        let waiting = targets.turn("http://a/2");
        assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err());
        targets.turn("http://b/").await;
        taken.pop();
        targets.turn("http://a/2").await;
    }
}
