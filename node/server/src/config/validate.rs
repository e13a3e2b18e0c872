//! Rules over the whole configuration that a type cannot hold. No file is opened here; `maip-node check` does that.

use std::collections::BTreeSet;

use ledger_api::is_log_name;
use ledger_format::{SANDBOX_ORIGIN_BYTES_MAX, generation_of};

use super::limits::BOUND_MAX;
use super::{Config, ConfigError, Log, MemberEntry};

/// A DNS name and a port fit easily.
const ADDRESS_BYTES_MAX: usize = 255;
/// Checkpoint origins and cosignature messages allow 255 bytes.
const ORIGIN_BYTES_MAX: usize = 255;

impl Config {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.node_id == 0 {
            return Err(ConfigError::field(
                "node_id",
                "0 is no node id",
                "use 1 or more, never used before in this cluster",
            ));
        }
        if self.listen == self.peer_listen && self.listen.port() != 0 {
            return Err(ConfigError::field(
                "peer_listen",
                "the same address as `listen`",
                "use another port",
            ));
        }
        if let Some(name) = self.limits.zero() {
            return Err(ConfigError::field(
                format!("limits.{name}"),
                "0 would stop the node",
                "leave the field out for its default",
            ));
        }
        if let Some(name) = self.limits.too_large() {
            return Err(ConfigError::field(
                format!("limits.{name}"),
                format!("more than {BOUND_MAX} is no bound"),
                "leave the field out for its default",
            ));
        }
        if let Some(otlp) = &self.telemetry.otlp
            && !otlp.starts_with("http://")
            && !otlp.starts_with("https://")
        {
            return Err(ConfigError::field(
                "telemetry.otlp",
                format!("{otlp:?} is not an http or https URL"),
                "write http://host:4318, without a path",
            ));
        }
        self.validate_raft()?;
        self.validate_cluster()?;
        self.validate_logs()
    }

    fn validate_raft(&self) -> Result<(), ConfigError> {
        let raft = &self.raft;
        if raft.heartbeat_ms == 0 || raft.election_min_ms < 2 * raft.heartbeat_ms {
            return Err(ConfigError::field(
                "raft.election_min_ms",
                format!("{} is less than two heartbeats of {} ms", raft.election_min_ms, raft.heartbeat_ms),
                "use at least three times raft.heartbeat_ms",
            ));
        }
        if raft.election_max_ms <= raft.election_min_ms {
            return Err(ConfigError::field(
                "raft.election_max_ms",
                "not larger than raft.election_min_ms, so elections would tie",
                "use at least 1.5 times raft.election_min_ms",
            ));
        }
        Ok(())
    }

    fn validate_cluster(&self) -> Result<(), ConfigError> {
        let mut ids = BTreeSet::new();
        for (place, member) in self.cluster.members.iter().enumerate() {
            let field = |name: &str| format!("cluster.members[{place}].{name}");
            if member.id == 0 || !ids.insert(member.id) {
                return Err(ConfigError::field(
                    field("id"),
                    format!("{} is 0 or named twice", member.id),
                    "give each node its own id",
                ));
            }
            validate_member(member, &field)?;
        }
        if self.cluster.bootstrap && !ids.contains(&self.node_id) {
            return Err(ConfigError::field(
                "cluster.members",
                format!("node {} (this one) is not among the first members", self.node_id),
                "list it, or set cluster.bootstrap = false and add it with `maip-node`'s Admin service",
            ));
        }
        Ok(())
    }

    fn validate_logs(&self) -> Result<(), ConfigError> {
        if self.logs.is_empty() {
            return Err(ConfigError::field("logs", "no log is configured", "add a [[logs]] table"));
        }
        let (mut names, mut origins) = (BTreeSet::new(), BTreeSet::new());
        for (place, log) in self.logs.iter().enumerate() {
            let field = |name: &str| format!("logs[{place}].{name}");
            if !is_log_name(&log.name) {
                return Err(ConfigError::field(
                    field("name"),
                    format!("{:?} cannot be the name of a log", log.name),
                    "use lower-case letters, digits and inner hyphens, not the name of an endpoint",
                ));
            }
            if !names.insert(&log.name) {
                return Err(ConfigError::field(
                    field("name"),
                    format!("{:?} is used twice", log.name),
                    "give each log its own name",
                ));
            }
            if !origins.insert(&log.origin) {
                return Err(ConfigError::field(
                    field("origin"),
                    format!("{:?} is used twice", log.origin),
                    "give each log its own origin",
                ));
            }
            validate_log(log, &field)?;
        }
        self.validate_sandboxes()
    }

    /// Production is never reset, and what a sandbox will be called belongs to nobody else.
    fn validate_sandboxes(&self) -> Result<(), ConfigError> {
        for (place, log) in self.logs.iter().enumerate().filter(|(_, log)| log.sandbox) {
            let field = |name: &str| format!("logs[{place}].{name}");
            if place == 0 {
                return Err(ConfigError::field(
                    field("sandbox"),
                    format!("{:?} is the main log, which is production and can never be reset", log.name),
                    "take the line out, or put a production log first",
                ));
            }
            if log.origin.len() > SANDBOX_ORIGIN_BYTES_MAX {
                return Err(ConfigError::field(
                    field("origin"),
                    format!("longer than the {SANDBOX_ORIGIN_BYTES_MAX} bytes of a sandbox's origin"),
                    "leave room for the number of a generation behind it",
                ));
            }
            let taken = self.logs.iter().find(|other| {
                generation_of(&log.origin, &other.origin).is_some_and(|generation| generation > 1)
            });
            if let Some(other) = taken {
                return Err(ConfigError::field(
                    field("origin"),
                    format!("after a reset it would be {:?}, which is log {:?}", other.origin, other.name),
                    "give that log an origin that is not the sandbox's with a number",
                ));
            }
        }
        Ok(())
    }
}

fn validate_member(member: &MemberEntry, field: &dyn Fn(&str) -> String) -> Result<(), ConfigError> {
    if !is_host_port(&member.peer) {
        return Err(ConfigError::field(
            field("peer"),
            format!("{:?} is not host:port", member.peer),
            "use the host and port of the node's peer_listen",
        ));
    }
    let host = member.api.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
    if !host.is_some_and(is_host_port) {
        return Err(ConfigError::field(
            field("api"),
            format!("{:?} is not https://host:port", member.api),
            "use the host and port of the node's listen",
        ));
    }
    Ok(())
}

fn validate_log(log: &Log, field: &dyn Fn(&str) -> String) -> Result<(), ConfigError> {
    let bad = log.origin.is_empty()
        || log.origin.len() > ORIGIN_BYTES_MAX
        || log.origin.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
    if bad {
        return Err(ConfigError::field(
            field("origin"),
            format!("{:?} cannot be an origin", log.origin),
            "use a URL without its scheme, such as log.example.org/main",
        ));
    }
    if log.publish.interval_ms == 0 || log.publish.min_interval_ms > log.publish.interval_ms {
        return Err(ConfigError::field(
            field("publish.min_interval_ms"),
            "larger than publish.interval_ms, or that is 0",
            "the tick (interval_ms) is the longest time between two checkpoints of a growing log",
        ));
    }
    if log.seal.interval_ms != 0 && log.seal.pause_ms > log.seal.interval_ms {
        return Err(ConfigError::field(
            field("seal.pause_ms"),
            "larger than seal.interval_ms",
            "the interval is the longest that a status waits to be sealed; 0 seals nothing",
        ));
    }
    if log.publish.witness_timeout_ms == 0 {
        return Err(ConfigError::field(
            field("publish.witness_timeout_ms"),
            "0 gives no witness time to answer",
            "use 1000",
        ));
    }
    Ok(())
}

fn is_host_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    address.len() <= ADDRESS_BYTES_MAX
        && !host.is_empty()
        && !host.contains(['/', ' ', '@'])
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}
