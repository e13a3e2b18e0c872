//! What the program says while it runs: one line per event on standard error, with the request's trace id.

use anyhow::{Context as _, anyhow};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, Telemetry};

/// Starts writing log lines. `RUST_LOG` wins over the configuration, as operators expect.
pub fn start(telemetry: &Telemetry) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(filter).context("RUST_LOG")?,
        _ => EnvFilter::try_new(&telemetry.log).context("configuration field `telemetry.log`")?,
    };
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match telemetry.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow!("cannot start logging: {error}"))
}
