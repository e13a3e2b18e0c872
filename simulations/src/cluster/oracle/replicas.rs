//! Replicas that have applied the same raft_entries hold the same bytes; entries of all are prefixes of one log.

use super::{Facts, Replica};

pub(super) fn check(facts: &Facts, replicas: &[Replica]) -> Result<(), String> {
    if facts.disk_lied {
        // A node may have applied what the others have lost.
        return Ok(());
    }
    for (at, one) in replicas.iter().enumerate() {
        for other in &replicas[..at] {
            let both = one.entries.len().min(other.entries.len());
            if one.entries[..both] != other.entries[..both] {
                return Err(format!("nodes {} and {} hold different entries", other.id, one.id));
            }
            if one.raft_index == other.raft_index && one.state != other.state {
                return Err(format!(
                    "nodes {} and {} have applied {} raft_entries and hold different states",
                    other.id, one.id, one.raft_index
                ));
            }
        }
    }
    Ok(())
}
