//! Names of state values: the first byte says what kind of value, the rest which one.
//!
//! | key | value | derived from |
//! |---|---|---|
//! | `m` | tree: size, time of the last entry, frontier | entries |
//! | `g` | genesis | entries |
//! | `l` | verifier keys of the log and the indices between which each was in force | entries |
//! | `t` tenant | tenant | entries |
//! | `a` agent | agent | entries |
//! | `k` agent, kid | validity of one key of an agent | entries |
//! | `c` agent, number | the agent's child with that number | entries |
//! | `h` agent | chain of the agent's receipts | entries |
//! | `f` index | flags of the entry; absent without any | entries |
//! | `r` tenant, record id | index, hashes and time of the record | its entry alone |
//! | `d` subject | index of the first change that the status map does not have; absent without one | entries |
//! | `q` index, subject | nothing: the subjects that wait to be sealed, in order | entries |
//! | `s` | the log's time, counters | commands |
//! | `p` | the published checkpoint | commands |
//! | `n` node id | the disk that the node id belongs to | commands |
//!
//! Identifiers are 16 bytes, numbers big-endian, so byte order is their order. Values under `r` are as many as entries and can be
//! rebuilt from entries one by one ([`crate::record_index`]); all others are small state and belong into snapshots.

use ledger_format::record::{AgentId, Kid, Ulid};

/// First byte of the per-record keys.
pub const RECORD_KEY_PREFIX: u8 = b'r';

/// First byte of agents' keys, for scans.
pub const AGENT_KEY_PREFIX: u8 = b'a';

/// First byte of tenants' keys, for scans.
pub const TENANT_KEY_PREFIX: u8 = b't';

/// Key of the tree.
pub const TREE: &[u8] = b"m";
/// Key of the genesis.
pub const GENESIS: &[u8] = b"g";
/// Key of the log's verifier keys.
pub const LOG_KEYS: &[u8] = b"l";
/// Key of the log's time and counters.
pub const SERVICE: &[u8] = b"s";
/// Key of the published checkpoint.
pub const PUBLISHED: &[u8] = b"p";

/// Whether the value under this key follows from the entries alone, so that replaying them rebuilds it byte for byte.
pub fn is_derived_from_entries(key: &[u8]) -> bool {
    !matches!(key.first(), Some(b's' | b'p' | b'n') | None)
}

/// Key of a tenant.
pub fn tenant(id: Ulid) -> Vec<u8> {
    join(TENANT_KEY_PREFIX, &id.to_bytes(), &[])
}

/// Key of an agent.
pub fn agent(id: AgentId) -> Vec<u8> {
    join(AGENT_KEY_PREFIX, &id.0.to_bytes(), &[])
}

/// Key of one of an agent's keys.
pub fn agent_key(agent: AgentId, kid: Kid) -> Vec<u8> {
    join(b'k', &agent.0.to_bytes(), &kid.0)
}

/// Key of an agent's child; children are numbered from 0 in the order of their registration.
pub fn child(parent: AgentId, number: u64) -> Vec<u8> {
    join(b'c', &parent.0.to_bytes(), &number.to_be_bytes())
}

/// Key of an agent's chain of receipts.
pub fn chain(agent: AgentId) -> Vec<u8> {
    join(b'h', &agent.0.to_bytes(), &[])
}

/// Key of an entry's flags.
pub fn flags(index: u64) -> Vec<u8> {
    join(b'f', &index.to_be_bytes(), &[])
}

/// Key of a record's place in the log.
pub fn record(tenant: Ulid, id: Ulid) -> Vec<u8> {
    join(RECORD_KEY_PREFIX, &tenant.to_bytes(), &id.to_bytes())
}

/// Key of a subject's mark that it waits to be sealed.
pub(crate) fn dirty(subject: &str) -> Vec<u8> {
    join(b'd', subject.as_bytes(), &[])
}

/// Key of a subject's place among those that wait to be sealed.
pub(crate) fn dirty_queue(since: u64, subject: &str) -> Vec<u8> {
    join(b'q', &since.to_be_bytes(), subject.as_bytes())
}

/// Key of a node id.
pub fn node(id: u64) -> Vec<u8> {
    join(b'n', &id.to_be_bytes(), &[])
}

fn join(prefix: u8, first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + first.len() + second.len());
    key.push(prefix);
    key.extend_from_slice(first);
    key.extend_from_slice(second);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_keys_is_order_of_numbers() {
        assert!(flags(255) < flags(256) && child(AgentId::default(), 9) < child(AgentId::default(), 10));
        assert!(is_derived_from_entries(&record(Ulid(1), Ulid(2))) && !is_derived_from_entries(&node(1)));
    }
}
