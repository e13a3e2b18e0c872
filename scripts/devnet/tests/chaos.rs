//! A short run of `simulations/chaos` with a fixed seed: everything that was promised is kept.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Chosen for its minute: it holds every kind of fault, also a full disk where one can be mounted.
const SEED: &str = "10177";

#[test]
fn nothing_is_lost_in_a_minute_of_chaos() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_maip-devnet"))
        .args(["chaos", "--minutes", "1", "--seed", SEED, "--json"])
        .output()?;
    let story = String::from_utf8_lossy(&output.stderr);
    println!("{story}");
    ensure!(output.status.code() == Some(0), "{}: {story}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).context("no report")?;
    println!("{report}");
    let number = |name: &str| report[name].as_u64().unwrap_or(0);
    ensure!(number("faults") > 5 && number("acknowledged") > 50, "{report}");
    ensure!(number("size") > number("acknowledged") && number("checkpoints") > 0, "{report}");
    Ok(())
}

#[test]
fn wrong_usage_is_no_verdict() -> Result<()> {
    for wrong in ["-1", "many", "NaN"] {
        let status = Command::new(env!("CARGO_BIN_EXE_maip-devnet"))
            .args(["chaos", &format!("--minutes={wrong}")])
            .output()?
            .status;
        ensure!(status.code() == Some(2), "--minutes {wrong}: {status}");
    }
    Ok(())
}
