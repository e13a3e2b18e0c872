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
//! | `o` session | session | entries |
//! | `e` time, session | nothing: the open sessions in the order in which they run out | entries |
//! | `E` | no open session runs out before this time | entries |
//! | `T` agent | what trust in the agent is computed from | entries |
//! | `W` tenant | weight of its agents' attestations; absent if 0 | entries |
//! | `C` log day, index, attester, subject | nothing: interactions that attestations have cited | entries |
//! | `M` | log time of the last input to trust | entries |
//! | `d` subject | index of the first change that the status map does not have; absent without one | entries |
//! | `q` index, subject | nothing: the subjects that wait to be sealed, in order | entries |
//! | `j` version, path | node of the status map | entries |
//! | `J` key of the map, version counted down | status of a subject since that version | entries |
//! | `y` version | keys under `j` and `J` that this version and later ones do not need | entries |
//! | `v` version | root of the status map, place of its `state.root` entry | entries |
//! | `V` | the newest version of the status map | entries |
//! | `s` | the log's time, counters | commands |
//! | `p` | the published checkpoint | commands |
//! | `n` node id | the disk that the node id belongs to | commands |
//!
//! Identifiers are 16 bytes, numbers big-endian, so byte order is their order. Values under `r` are as many as entries and can be
//! rebuilt from entries one by one ([`crate::record_index`]); all others are small state and belong into snapshots.

use ledger_format::Hash;
use ledger_format::record::{AgentId, Kid, SessionId, Ulid};

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

/// No open session runs out before the time under this key.
pub(crate) const SESSIONS_DUE: &[u8] = b"E";
/// Key of the log time of the last input to trust.
pub(crate) const TRUST_MS: &[u8] = b"M";

/// Key of a session.
pub fn session(id: SessionId) -> Vec<u8> {
    join(b'o', &id.0.to_bytes(), &[])
}

/// Key of a session's place in the order in which sessions run out.
pub(crate) fn session_due(expires_at: u64, id: SessionId) -> Vec<u8> {
    join(b'e', &expires_at.to_be_bytes(), &id.0.to_bytes())
}

/// Before the keys of all sessions that run out at that time or later.
pub(crate) fn sessions_due_from(expires_at: u64) -> Vec<u8> {
    join(b'e', &expires_at.to_be_bytes(), &[])
}

/// Key of what trust in an agent is computed from.
pub(crate) fn trust(id: AgentId) -> Vec<u8> {
    join(b'T', &id.0.to_bytes(), &[])
}

/// Key of the weight of a tenant's attestations.
pub(crate) fn tenant_weight(id: Ulid) -> Vec<u8> {
    join(b'W', &id.to_bytes(), &[])
}

/// Key of an interaction that an attestation has cited.
pub(crate) fn citation(day: u64, interaction: u64, by: AgentId, about: AgentId) -> Vec<u8> {
    let mut key = citations_from(day);
    key.extend_from_slice(&interaction.to_be_bytes());
    key.extend_from_slice(&by.0.to_bytes());
    key.extend_from_slice(&about.0.to_bytes());
    key
}

/// Before the keys of all citations of that log day or later.
pub(crate) fn citations_from(day: u64) -> Vec<u8> {
    join(b'C', &day.to_be_bytes(), &[])
}

/// Key of a subject's mark that it waits to be sealed.
pub(crate) fn dirty(subject: &str) -> Vec<u8> {
    join(b'd', subject.as_bytes(), &[])
}

/// Key of a subject's place among those that wait to be sealed.
pub(crate) fn dirty_queue(since: u64, subject: &str) -> Vec<u8> {
    join(b'q', &since.to_be_bytes(), subject.as_bytes())
}

/// Before the places of all subjects that wait since that index or later.
pub(crate) fn dirty_queue_from(since: u64) -> Vec<u8> {
    join(b'q', &since.to_be_bytes(), &[])
}

/// Behind the places of all subjects that wait.
pub(crate) const DIRTY_QUEUE_END: &[u8] = b"r";

/// Since when the subject in a place of the queue waits.
pub(crate) fn dirty_since(place: &[u8]) -> Option<u64> {
    place.get(1..9).and_then(|since| since.try_into().ok()).map(u64::from_be_bytes)
}

/// The subject in a place of the queue.
pub(crate) fn dirty_subject(place: &[u8]) -> Option<String> {
    place.get(9..).and_then(|name| String::from_utf8(name.to_vec()).ok())
}

/// Key of the newest version of the status map.
pub(crate) const MAP_NEWEST: &[u8] = b"V";

/// Key of a version of the status map.
pub(crate) fn map_version(version: u64) -> Vec<u8> {
    join(b'v', &version.to_be_bytes(), &[])
}

/// Key of what a version of the status map has made superfluous.
pub(crate) fn map_stale(version: u64) -> Vec<u8> {
    join(b'y', &version.to_be_bytes(), &[])
}

/// Key of a node of the status map, by the version that made it and its path of half bytes from the root.
pub(crate) fn map_node(version: u64, path: &[u8]) -> Vec<u8> {
    let mut key = join(b'j', &version.to_be_bytes(), &[path.len() as u8]);
    key.extend(path.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or_default()));
    key
}

/// Key of the value of a key of the status map since a version. Versions count down: the first key from here on is that of the
/// newest value which is not newer.
pub(crate) fn map_value(key: Hash, version: u64) -> Vec<u8> {
    join(b'J', &key.0, &(u64::MAX - version).to_be_bytes())
}

/// Behind all values of a key of the status map: version 0 has none.
pub(crate) fn map_value_end(key: Hash) -> Vec<u8> {
    map_value(key, 0)
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
