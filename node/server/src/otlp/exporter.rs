//! Sends what was measured, from a bounded queue.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use ledger_api::Logs;
use prost::Message;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{
    metrics::metrics,
    spans::nanos,
    wire::{
        MetricsRequest, Resource, ResourceMetrics, ResourceSpans, Scope, ScopeMetrics, ScopeSpans, Span,
        TracesRequest, integer, text,
    },
};
use crate::{config::Config, outbound};

/// Spans that may wait.
const QUEUE: usize = 4_096;
/// Spans of one request.
const SPANS_AT_ONCE: usize = 512;
/// How long spans gather before they are sent.
const GATHER: Duration = Duration::from_secs(1);
/// For one request to the collector.
const REQUEST: Duration = Duration::from_secs(5);
/// Pauses before a request is sent again; after the last one, what it held is dropped.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
/// For the last requests of a node that stops.
const LAST: Duration = Duration::from_secs(3);

/// Where spans are handed in.
pub(crate) struct Exporter {
    queue: mpsc::Sender<Span>,
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// What sends.
struct Sending {
    exporter: Arc<Exporter>,
    client: reqwest::Client,
    base: String,
    resource: Resource,
    logs: Logs,
    node_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    started: u64,
}

impl Exporter {
    /// Starts exporting if the configuration names a collector.
    pub(crate) fn start(
        config: &Config,
        logs: &Logs,
        node_metrics: &Arc<dyn Fn() -> String + Send + Sync>,
        stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<Option<(Arc<Self>, JoinHandle<()>)>> {
        let Some(base) = &config.telemetry.otlp else { return Ok(None) };
        let (queue, spans) = mpsc::channel(QUEUE);
        let exporter = Arc::new(Self {
            queue,
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let client =
            outbound::builder(&config.outbound)?.build().context("cannot set up HTTP to the collector")?;
        let sending = Sending {
            exporter: Arc::clone(&exporter),
            client,
            base: base.trim_end_matches('/').to_owned(),
            resource: Resource {
                attributes: vec![
                    text("service.name", "maip-node"),
                    text("service.version", env!("CARGO_PKG_VERSION")),
                    text("service.instance.id", config.node_id.to_string()),
                    integer("maip.node_id", config.node_id as i64),
                ],
            },
            logs: logs.clone(),
            node_metrics: Arc::clone(node_metrics),
            started: nanos(SystemTime::now()),
        };
        let every = Duration::from_millis(config.telemetry.otlp_metrics_ms.max(100));
        Ok(Some((exporter, tokio::spawn(sending.run(spans, every, stopping)))))
    }

    /// Hands in a span; when the queue is full it is dropped and counted.
    pub(super) fn span(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Prometheus text.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for (name, help, value) in [
            ("maip_otlp_spans_sent_total", "Spans that the collector took.", &self.sent),
            (
                "maip_otlp_spans_dropped_total",
                "Spans that did not fit into the queue or were not taken.",
                &self.dropped,
            ),
            ("maip_otlp_requests_failed_total", "Requests to the collector that failed.", &self.failed),
        ] {
            // Writing to a string cannot fail.
            let _ =
                writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}", value.load(Relaxed));
        }
        out
    }
}

impl Sending {
    async fn run(
        self,
        mut spans: mpsc::Receiver<Span>,
        every: Duration,
        mut stopping: watch::Receiver<bool>,
    ) {
        let mut measure = tokio::time::interval(every);
        measure.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut gather = tokio::time::interval(GATHER);
        gather.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ready = Vec::with_capacity(SPANS_AT_ONCE);
        loop {
            tokio::select! {
                _ = measure.tick() => self.measure().await,
                _ = gather.tick() => {
                    while let Ok(span) = spans.try_recv() {
                        ready.push(span);
                        if ready.len() == SPANS_AT_ONCE {
                            self.traces(std::mem::take(&mut ready)).await;
                        }
                    }
                    self.traces(std::mem::take(&mut ready)).await;
                }
                () = stopped(&mut stopping) => break,
            }
        }
        // Requests that were open when the node was told to stop still end; what they were is told, if it can be soon.
        tokio::time::sleep(Duration::from_millis(100)).await;
        while let Ok(span) = spans.try_recv() {
            ready.push(span);
        }
        let last = async {
            self.traces(ready).await;
            self.measure().await;
        };
        let _ = tokio::time::timeout(LAST, last).await;
    }

    async fn traces(&self, spans: Vec<Span>) {
        if spans.is_empty() {
            return;
        }
        let count = spans.len() as u64;
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans }];
        let resource_spans = vec![ResourceSpans { resource: Some(self.resource.clone()), scope_spans }];
        let taken = self.post("v1/traces", &TracesRequest { resource_spans }).await;
        let counter = if taken { &self.exporter.sent } else { &self.exporter.dropped };
        counter.fetch_add(count, Relaxed);
    }

    async fn measure(&self) {
        let mut texts: Vec<String> = self.logs.iter().map(|log| log.metrics_text()).collect();
        texts.push((self.node_metrics)());
        let text = ledger_api::metrics::merge(&texts);
        let metrics = metrics(&text, self.started, nanos(SystemTime::now()));
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics }];
        let resource_metrics = vec![ResourceMetrics { resource: Some(self.resource.clone()), scope_metrics }];
        self.post("v1/metrics", &MetricsRequest { resource_metrics }).await;
    }

    /// Posts a message; whether the collector took it.
    async fn post(&self, path: &str, message: &impl Message) -> bool {
        let body = message.encode_to_vec();
        let mut pauses = PAUSES.into_iter();
        loop {
            let url = format!("{}/{path}", self.base);
            let request = self.client.post(url).header("content-type", "application/x-protobuf");
            let answer = request.body(body.clone()).timeout(REQUEST).send().await;
            let (again, why) = match answer {
                Ok(answer) if answer.status().is_success() => return true,
                // The protocol: only these are worth another attempt.
                Ok(answer) => {
                    (matches!(answer.status().as_u16(), 429 | 502..=504), answer.status().to_string())
                }
                Err(error) => (true, outbound::describe(&error)),
            };
            self.exporter.failed.fetch_add(1, Relaxed);
            match pauses.next().filter(|_| again) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    tracing::debug!(path, %why, "the collector did not take what was measured");
                    return false;
                }
            }
        }
    }
}

/// Resolves when the node is told to stop. What the watch gives must not be held while something is sent.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn scope() -> Scope {
    Scope { name: "maip-node".into(), version: env!("CARGO_PKG_VERSION").into() }
}
