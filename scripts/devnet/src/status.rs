//! `maip-devnet status`.

use std::path::Path;

use anyhow::Result;
use devnet::{Manifest, NodeInfo, WitnessInfo, grpc, http, is_ours};
use serde::Serialize;

/// How long one question may take.
const ASK_LIMIT: std::time::Duration = std::time::Duration::from_secs(2);

#[derive(Serialize)]
struct Report {
    nodes: Vec<NodeLine>,
    witnesses: Vec<WitnessLine>,
}

#[derive(Serialize)]
struct NodeLine {
    id: u64,
    pid: u32,
    running: bool,
    logs: Vec<LogLine>,
    /// Why `logs` is empty.
    error: Option<String>,
}

#[derive(Serialize)]
struct LogLine {
    name: String,
    raft_state: String,
    term: u64,
    size: u64,
    published_size: u64,
    read_only: bool,
    alarms: Vec<String>,
}

#[derive(Serialize)]
struct WitnessLine {
    name: String,
    pid: u32,
    running: bool,
    ready: bool,
}

/// Prints the table (or JSON); true when everything runs.
pub(crate) fn run(data: &Path, json: bool) -> Result<bool> {
    let manifest = Manifest::read(data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut nodes = Vec::new();
    for node in &manifest.nodes {
        nodes.push(runtime.block_on(node_line(&manifest, node)));
    }
    let witnesses = manifest.witnesses.iter().map(witness_line).collect();
    let report = Report { nodes, witnesses };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(report.nodes.iter().all(|n| n.running && n.error.is_none())
        && report.witnesses.iter().all(|w| w.running && w.ready))
}

async fn node_line(manifest: &Manifest, node: &NodeInfo) -> NodeLine {
    let running = node.pid != 0 && is_ours(node.pid, &node.config);
    let mut line = NodeLine { id: node.id, pid: node.pid, running, logs: Vec::new(), error: None };
    if !running {
        line.error = Some("does not run".into());
        return line;
    }
    match grpc::status(manifest, node).await {
        Err(error) => line.error = Some(format!("{error:#}")),
        Ok(status) => {
            line.logs = status
                .logs
                .into_iter()
                .map(|log| LogLine {
                    name: log.name,
                    raft_state: log.raft_state,
                    term: log.term,
                    size: log.size,
                    published_size: log.published_size,
                    read_only: log.read_only,
                    alarms: log.alarms,
                })
                .collect();
        }
    }
    line
}

fn witness_line(witness: &WitnessInfo) -> WitnessLine {
    let running = witness.pid != 0 && is_ours(witness.pid, &witness.config);
    let ready = running
        && http::get(&format!("{}/health/ready", witness.url), ASK_LIMIT).is_ok_and(|a| a.status == 200);
    WitnessLine { name: witness.name.clone(), pid: witness.pid, running, ready }
}

fn print(report: &Report) {
    println!(
        "{:<18} {:>8}  {:<9} {:<10} {:>6} {:>10} {:>10}",
        "process", "pid", "log", "state", "term", "size", "published"
    );
    for node in &report.nodes {
        let name = format!("node {}", node.id);
        if let Some(error) = &node.error {
            println!("{name:<18} {:>8}  {error}", node.pid);
        }
        for log in &node.logs {
            println!(
                "{name:<18} {:>8}  {:<9} {:<10} {:>6} {:>10} {:>10}{}",
                node.pid,
                log.name,
                log.raft_state,
                log.term,
                log.size,
                log.published_size,
                if log.read_only { "  read-only" } else { "" }
            );
            for alarm in &log.alarms {
                println!("  ALARM {alarm}");
            }
        }
    }
    for witness in &report.witnesses {
        let state = if witness.ready {
            "ready"
        } else if witness.running {
            "not ready"
        } else {
            "does not run"
        };
        println!("{:<18} {:>8}  {state}", witness.name, witness.pid);
    }
}
