//! `maip status` and `maip admin`: operating a cluster.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand, ValueHint};
use ledger_proto::v1;
use serde_json::{Value, json};

use super::{
    Done, Exit, Global, Out,
    backup::backup,
    global::{AdminKey, block_on},
    log_key::LogKey,
    reset_log::ResetLog,
};

/// `maip status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    key: AdminKey,
}

#[derive(Debug, Args)]
pub(crate) struct NodeId {
    #[command(flatten)]
    key: AdminKey,
    /// Id of the node.
    id: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// The same as `maip status`.
    Status(Status),
    /// Bring a new node in as a learner: it copies the log and has no vote.
    AddLearner {
        #[command(flatten)]
        node: NodeId,
        /// host:port on which it talks to other nodes.
        #[arg(long, value_name = "HOST:PORT")]
        peer: String,
        /// URL on which it serves clients.
        #[arg(long, value_name = "URL")]
        api: String,
    },
    /// Give a learner its vote, once it has caught up.
    Promote(NodeId),
    /// Take a node out of the cluster. Its id can never be used again.
    Remove(NodeId),
    /// Hand leadership to a node.
    Transfer(NodeId),
    /// Take a Raft snapshot now, so that the Raft log can be purged.
    Snapshot {
        #[command(flatten)]
        key: AdminKey,
    },
    /// Rotate the log's own key.
    #[command(subcommand)]
    LogKey(Box<LogKey>),
    /// Drop everything in a sandbox and begin an empty log in its place. Never a production log.
    ResetLog(Box<ResetLog>),
    /// Write a consistent backup of the log, a tar file.
    Backup {
        #[command(flatten)]
        key: AdminKey,
        /// Where to write it; must not exist.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
    },
}

impl Status {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        block_on(async {
            let nodes = self.key.nodes(global)?;
            let status = nodes.admin(v1::StatusRequest {}, async |mut c, m| c.status(m).await).await?;
            let wanted = |l: &&v1::LogStatus| global.log.is_empty() || l.name == global.log;
            let logs: Vec<_> = status.logs.iter().filter(wanted).collect();
            let json = json!({
                "ok": true, "url": nodes.preferred_url(), "node_id": status.node_id, "version": status.version,
                "logs": logs.iter().map(|l| log_json(l)).collect::<Vec<_>>(),
            });
            let mut text =
                format!("node {} at {}, version {}\n", status.node_id, nodes.preferred_url(), status.version);
            for log in &logs {
                log_text(out, log, &mut text);
            }
            out.answer(&text, &json);
            Ok(if logs.iter().any(|l| l.read_only || !l.alarms.is_empty()) { Exit::No } else { Exit::Ok })
        })
    }
}

impl Admin {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Self::Status(status) => status.run(global, out),
            Self::AddLearner { node, peer, api } => block_on(async {
                let message = v1::AddLearnerRequest { id: node.id, peer: peer.clone(), api: api.clone() };
                let nodes = node.key.nodes(global)?;
                let answer = nodes.change(message, async |mut c, m| c.add_learner(m).await).await?;
                membership(out, &format!("node {} is a learner", node.id), &answer.members)
            }),
            Self::Promote(node) => block_on(async {
                let nodes = node.key.nodes(global)?;
                let answer = nodes
                    .change(v1::NodeRequest { id: node.id }, async |mut c, m| c.promote(m).await)
                    .await?;
                membership(out, &format!("node {} has a vote", node.id), &answer.members)
            }),
            Self::Remove(node) => block_on(async {
                let nodes = node.key.nodes(global)?;
                let answer =
                    nodes.change(v1::NodeRequest { id: node.id }, async |mut c, m| c.remove(m).await).await?;
                membership(out, &format!("node {} is out", node.id), &answer.members)
            }),
            Self::Transfer(node) => block_on(async {
                let nodes = node.key.nodes(global)?;
                let answer = nodes
                    .change(v1::NodeRequest { id: node.id }, async |mut c, m| c.transfer_leadership(m).await)
                    .await?;
                membership(out, &format!("node {} leads", node.id), &answer.members)
            }),
            Self::Snapshot { key } => block_on(async {
                let nodes = key.nodes(global)?;
                let message = v1::LogRequest { log: global.log.clone() };
                let answer = nodes.admin(message, async |mut c, m| c.snapshot(m).await).await?;
                let text = format!("snapshot at raft_index {}, size {}", answer.raft_index, answer.size);
                out.answer(
                    &text,
                    &json!({ "ok": true, "raft_index": answer.raft_index, "size": answer.size }),
                );
                Ok(Exit::Ok)
            }),
            Self::LogKey(change) => change.run(global, out),
            Self::ResetLog(reset) => reset.run(global, out),
            Self::Backup { key, out: file } => block_on(backup(key, global, out, file)),
        }
    }
}

fn membership(out: &Out, what: &str, members: &[v1::Member]) -> Done {
    let mut text = format!("{what}\n");
    for m in members {
        member_text(m, &mut text);
    }
    out.answer(&text, &json!({ "ok": true, "members": members.iter().map(member_json).collect::<Vec<_>>() }));
    Ok(Exit::Ok)
}

fn member_text(m: &v1::Member, text: &mut String) {
    let role = if m.voter { "voter" } else { "learner" };
    let _ = writeln!(text, "  node {:<3} {role:<8} {}  {}  raft_index {}", m.id, m.peer, m.api, m.matched);
}

fn member_json(m: &v1::Member) -> Value {
    json!({ "id": m.id, "peer": m.peer, "api": m.api, "voter": m.voter, "matched": m.matched })
}

fn log_text(out: &Out, l: &v1::LogStatus, text: &mut String) {
    let leader = if l.leader_id == 0 { "nobody".into() } else { format!("node {}", l.leader_id) };
    let sandbox =
        if l.generation > 0 { format!(", sandbox in generation {}", l.generation) } else { String::new() };
    let _ = writeln!(text, "\nlog {} ({}{sandbox})", l.name, l.origin);
    let _ = writeln!(text, "  size {} (published {}), root {}", l.size, l.published_size, l.root);
    let _ = writeln!(
        text,
        "  {} in term {}, led by {leader}; raft_index {} applied of {}, snapshot at {}",
        l.raft_state, l.term, l.raft_applied_index, l.raft_last_index, l.raft_snapshot_index
    );
    for m in &l.members {
        member_text(m, text);
    }
    for w in &l.witnesses {
        let trouble =
            if w.last_error.is_empty() { String::new() } else { out.bad(&format!("  {}", w.last_error)) };
        let ms = w.latency_us / 1_000;
        let _ = writeln!(text, "  witness {}  size {}, {ms} ms{trouble}", w.name, w.size);
    }
    if l.read_only {
        let _ = writeln!(text, "  {} {}", out.doubtful("read-only:"), l.read_only_reason);
    }
    for alarm in &l.alarms {
        let _ = writeln!(text, "  {} {alarm}", out.bad("ALARM"));
    }
}

fn log_json(l: &v1::LogStatus) -> Value {
    json!({
        "name": l.name, "origin": l.origin, "vkey": l.vkey,
        "environment": if l.generation > 0 { "sandbox" } else { "production" }, "generation": l.generation,
        "size": l.size, "published_size": l.published_size, "published_at_ms": l.published_at_ms, "root": l.root,
        "term": l.term, "leader_id": l.leader_id, "raft_state": l.raft_state,
        "raft_last_index": l.raft_last_index, "raft_applied_index": l.raft_applied_index,
        "raft_snapshot_index": l.raft_snapshot_index,
        "members": l.members.iter().map(member_json).collect::<Vec<_>>(),
        "witnesses": l.witnesses.iter().map(|w| json!({
            "name": w.name, "url": w.url, "size": w.size, "last_error": w.last_error, "latency_us": w.latency_us,
        })).collect::<Vec<_>>(),
        "alarms": l.alarms, "read_only": l.read_only, "read_only_reason": l.read_only_reason,
    })
}
