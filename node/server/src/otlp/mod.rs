//! OTLP over HTTP: this node's requests as spans and its counters as metrics, pushed to a collector.
//!
//! A collector that is slow or away costs the node nothing: spans wait in a bounded queue, and what does not fit is dropped and counted
//! in `/metrics`.

mod exporter;
mod metrics;
mod spans;
mod wire;

pub(crate) use exporter::Exporter;
pub(crate) use spans::noted;
