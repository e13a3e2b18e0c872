//! The sandbox: dropped and begun anew.

use std::fs;

use anyhow::{Result, ensure};
use devnet::{Devnet, Options, wait_until};

use crate::site::LIMIT;

#[tokio::test(flavor = "multi_thread")]
async fn resetting_a_sandbox() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut options = Options::new(dir.path().join("devnet"))?;
    options.ready_limit = LIMIT;
    let devnet = Devnet::start(options)?;
    let data = devnet.data().to_string_lossy().into_owned();
    let maip = |line: &str| {
        let args: Vec<&str> = line.split_whitespace().chain(["--devnet", &data]).collect();
        devnet.binaries().run("maip", &args)
    };
    let policy = dir.path().join("policy-sandbox-2.txt");

    let said = maip(&format!("admin reset-log sandbox --policy-out {}", policy.display()))?;
    ensure!(said.contains("generation 2") && said.contains("maip.devnet/sandbox/2"), "{said}");
    ensure!(
        fs::read_to_string(&policy)?.contains("log maip.devnet/sandbox/2+"),
        "the policy is of the old log"
    );
    let checkpoint = format!("checkpoint --log sandbox --policy {}", policy.display());
    // Whichever node answers: the others publish it a moment after the one that was asked.
    wait_until("the new log's checkpoint", LIMIT, || maip(&checkpoint))?;
    let status = wait_until("the new generation's status", LIMIT, || {
        let status = maip("status --log sandbox")?;
        ensure!(status.contains("sandbox in generation 2"), "{status}");
        Ok(status)
    })?;
    ensure!(status.contains("maip.devnet/sandbox/2"), "{status}");

    let refused = maip("admin reset-log main").map_err(|error| format!("{error:#}"));
    ensure!(refused.is_err_and(|said| said.contains("production log")), "production was reset");
    Ok(())
}
