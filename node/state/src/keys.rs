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
//! | `R` agent, index | nothing: the receipts about the agent, in order | its entry alone |
//! | `o` session | session | entries |
//! | `e` time, session | nothing: the open sessions in the order in which they run out | entries |
//! | `N` agent | its open sessions, or, once it has ended, those that its end ended; absent if 0 | entries |
//! | `E` | no open session runs out before this time | entries |
//! | `T` agent | what trust in the agent is computed from | entries |
//! | `H` agent, epoch | trust in the agent behind the last entry of the hour that said something about it | entries |
//! | `W` tenant | weight of its agents' attestations; absent if 0 | entries |
//! | `C` log day, index, attester, subject | nothing: interactions that attestations have cited | entries |
//! | `M` | log time of the last input to trust | entries |
//! | `X` tenant | log days on which its agents ran into severity caps; absent without any | entries |
//! | `B` tenant, month | what the tenant used in that calendar month; absent if nothing | entries |
//! | `U` tenant | its agents that have not ended; absent before the first | entries |
//! | `d` subject | index of the first change that the status map does not have, and of the newest that must not wait; absent without one | entries |
//! | `q` index, subject | nothing: the subjects that wait to be sealed, in order | entries |
//! | `j` version, path | node of the status map | entries |
//! | `J` key of the map, version counted down | status of a subject since that version | entries |
//! | `y` version | keys under `j` and `J` that this version and later ones do not need | entries |
//! | `v` version | root of the status map, place of its `state.root` entry | entries |
//! | `V` | the newest version of the status map | entries |
//! | `A` hash | agreement between two tenants | entries |
//! | `b` tenant, peer | hash of the newest agreement between the two | entries |
//! | `G` grant | grant | entries |
//! | `O` offer hash | the grant that the offer made | entries |
//! | `u` grant | what was used of a grant | entries |
//! | `I` index | two agents that the entry brought together | entries |
//! | `P` tenant, policy | policy | entries |
//! | `x` kind, ids | everything else that families of records keep: see [`Kept`] | entries |
//! | `s` | the log's time, counters | commands |
//! | `p` | the published checkpoint | commands |
//! | `n` node id | the disk that the node id belongs to | commands |
//! | `z` key | private value, until when it counts | commands |
//! | `w` transaction | nothing, until when it is remembered that the transaction was done | commands |
//! | `Z` time, key under `z` or `w` | nothing: private values and marks in the order in which they expire | commands |
//!
//! Identifiers are 16 bytes, numbers big-endian, so byte order is their order. Keys under `r` and `R` are as many as entries
//! and can be rebuilt from entries one by one ([`crate::record_index`]), so they are in no snapshot: a node that joins makes them
//! from the entries that it fetches. All others are small state and belong into snapshots.

use ledger_format::Hash;
use ledger_format::record::{AgentId, DelegationId, Kid, PolicyId, RecordHash, SessionId, Ulid};

use crate::calendar::Month;

/// First byte of the keys that say where a record is.
pub const RECORD_KEY_PREFIX: u8 = b'r';

/// First byte of the keys that say which receipts are about an agent.
pub const RECEIPT_KEY_PREFIX: u8 = b'R';

/// Whether a key is one of those that are as many as entries and follow from one entry each.
pub fn is_per_record(key: &[u8]) -> bool {
    matches!(key.first(), Some(&RECORD_KEY_PREFIX | &RECEIPT_KEY_PREFIX))
}

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
    !matches!(key.first(), Some(b's' | b'p' | b'n' | b'z' | b'w' | b'Z') | None)
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

/// Key that says that the entry at `index` is a receipt about an agent.
pub fn receipt(agent: AgentId, index: u64) -> Vec<u8> {
    join(RECEIPT_KEY_PREFIX, &agent.0.to_bytes(), &index.to_be_bytes())
}

/// The index in such a key.
pub fn receipt_index(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|index| u64::from_be_bytes(*index))
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

/// Key of the federation seeds.
pub(crate) const SEEDS: &[u8] = b"x\0seeds";

/// Key of whether quotas bind; absent until the log says so.
pub(crate) const QUOTAS: &[u8] = b"x\0quotas";

/// Key of an agreement.
pub(crate) fn agreement(hash: RecordHash) -> Vec<u8> {
    join(b'A', &hash.0, &[])
}

/// Key of the newest agreement of two tenants; the same for both.
pub(crate) fn agreement_between(a: Ulid, b: Ulid) -> Vec<u8> {
    join(b'b', &a.min(b).to_bytes(), &a.max(b).to_bytes())
}

/// Key of a grant.
pub(crate) fn grant(id: DelegationId) -> Vec<u8> {
    join(b'G', &id.0.to_bytes(), &[])
}

/// Key of the grant that an offer made.
pub(crate) fn offer(hash: RecordHash) -> Vec<u8> {
    join(b'O', &hash.0, &[])
}

/// Key of what was used of a grant.
pub(crate) fn grant_usage(id: DelegationId) -> Vec<u8> {
    join(b'u', &id.0.to_bytes(), &[])
}

/// Key of the two agents that an entry brought together.
pub(crate) fn interaction(index: u64) -> Vec<u8> {
    join(b'I', &index.to_be_bytes(), &[])
}

/// Key of a policy.
pub(crate) fn policy(tenant: Ulid, id: PolicyId) -> Vec<u8> {
    join(b'P', &tenant.to_bytes(), &id.0.to_bytes())
}

/// Before and behind the policies of a tenant.
pub(crate) fn policies(tenant: Ulid) -> (Vec<u8>, Vec<u8>) {
    (join(b'P', &tenant.to_bytes(), &[]), join(b'P', &tenant.to_bytes(), &[255; 17]))
}

/// What families of records keep under `x`: the second byte of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kept {
    /// Tenant, scope: its definition.
    Scope = 1,
    /// Tenant: number of definitions.
    Scopes,
    /// Tool.
    Tool,
    /// Tenant, record: a decision.
    Decision,
    /// Tenant, record: an approval.
    Approval,
    /// Tenant, record: what became of a receipt.
    ReceiptMark,
    /// Policy, place, agent: what a rule has counted.
    RuleUsage,
    /// Policy: the tenant that it belongs to.
    PolicyOwner,
    /// Tenant, name: guardrail.
    Guardrail,
    /// Claim.
    Claim,
    /// Claim, agent: the agent's vote.
    Vote,
    /// Document.
    Document,
    /// Compliance check.
    Check,
    /// Report.
    Report,
    /// Anomaly.
    Anomaly,
    /// Agent: anomalies that throttle it.
    Throttle,
    /// Data set.
    Dataset,
    /// Model.
    Model,
    /// Workflow.
    Workflow,
    /// Workflow, version: its steps.
    WorkflowVersion,
    /// Run of a workflow.
    Run,
    /// Tenant, digest: erased.
    Erased,
    /// Agent: the newest score that its tenant asked for.
    Computed,
    /// Tenant, decision: what was said to it.
    Verdict,
    /// Tenant, name: the tool that is called so.
    ToolName,
    /// Tenant, index counted down: the decision there, which asked for an approval. Tenant alone: how many there are.
    Asked,
}

/// Key of something that a family of records keeps.
pub(crate) fn kept(kind: Kept, first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut key = vec![b'x', kind as u8];
    key.extend_from_slice(first);
    key.extend_from_slice(second);
    key
}

/// Whether a key is in one of the lists that every decision walks, a tenant's policies and guardrails: they are short, and a key
/// seldom comes or goes.
pub fn is_walked(key: &[u8]) -> bool {
    matches!(key, [b'P', ..]) || matches!(key, [b'x', kind, ..] if *kind == Kept::Guardrail as u8)
}

/// Whether a key is the status map's own: its nodes, the statuses in it and what became of older versions.
pub fn is_of_map(key: &[u8]) -> bool {
    matches!(key, [b'j' | b'J' | b'y' | b'v', ..])
}

/// Whether a key has no value to speak of and is in an order that is walked: sessions that run out, cited interactions, subjects that
/// wait to be sealed, private values that expire.
pub fn is_mark(key: &[u8]) -> bool {
    matches!(key, [b'e' | b'C' | b'q' | b'Z', ..])
}

/// Whether a key says that a subject's payloads are erased.
pub fn is_erasure(key: &[u8]) -> bool {
    matches!(key, [b'x', kind, ..] if *kind == Kept::Erased as u8)
}

/// Key of a session.
pub fn session(id: SessionId) -> Vec<u8> {
    join(b'o', &id.0.to_bytes(), &[])
}

/// Key of the number of an agent's open sessions.
pub(crate) fn open_sessions(agent: AgentId) -> Vec<u8> {
    join(b'N', &agent.0.to_bytes(), &[])
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

/// Key of trust in an agent as an hour left it.
pub(crate) fn trust_point(id: AgentId, epoch: u64) -> Vec<u8> {
    join(b'H', &id.0.to_bytes(), &epoch.to_be_bytes())
}

/// Key of the weight of a tenant's attestations.
pub(crate) fn tenant_weight(id: Ulid) -> Vec<u8> {
    join(b'W', &id.to_bytes(), &[])
}

/// Key of when agents of a tenant ran into severity caps.
pub(crate) fn severity(tenant: Ulid) -> Vec<u8> {
    join(b'X', &tenant.to_bytes(), &[])
}

/// Key of what a tenant used in a month.
pub(crate) fn month_usage(tenant: Ulid, month: Month) -> Vec<u8> {
    join(b'B', &tenant.to_bytes(), &month.number().to_be_bytes())
}

/// Key of the number of a tenant's agents that have not ended.
pub(crate) fn agents_active(tenant: Ulid) -> Vec<u8> {
    join(b'U', &tenant.to_bytes(), &[])
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

/// The next possible key.
pub(crate) fn behind(key: &[u8]) -> Vec<u8> {
    join(0, key, &[0]).split_off(1)
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

/// First byte of the keys of private values, for scans.
pub const PRIVATE_KEY_PREFIX: u8 = b'z';

/// Whether a key belongs to the private state: its value is a secret.
pub fn is_private(key: &[u8]) -> bool {
    matches!(key.first(), Some(b'z' | b'w' | b'Z'))
}

/// Key of a private value.
pub fn private(key: &[u8]) -> Vec<u8> {
    join(PRIVATE_KEY_PREFIX, key, &[])
}

/// Key of the mark that a transaction was done.
pub(crate) fn transaction(id: [u8; 16]) -> Vec<u8> {
    join(b'w', &id, &[])
}

/// Key of the place of a private value or mark in the order in which they expire.
pub(crate) fn private_due(expires_at_ms: u64, key: &[u8]) -> Vec<u8> {
    join(b'Z', &expires_at_ms.to_be_bytes(), key)
}

/// Before the places of everything that expires at that time or later.
pub(crate) fn private_due_from(expires_at_ms: u64) -> Vec<u8> {
    join(b'Z', &expires_at_ms.to_be_bytes(), &[])
}

/// When what is in such a place expires.
pub(crate) fn private_due_ms(place: &[u8]) -> Option<u64> {
    place.get(1..9).and_then(|time| time.try_into().ok()).map(u64::from_be_bytes)
}

/// The key of what is in such a place.
pub(crate) fn private_due_key(place: &[u8]) -> Option<&[u8]> {
    place.get(9..)
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

    /// Two kinds of values under one prefix would overwrite each other. The table above is the list of prefixes.
    #[test]
    fn every_kind_has_a_prefix_of_its_own() {
        let rows = include_str!("keys.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
        let mut prefixes: Vec<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
        let count = prefixes.len();
        prefixes.sort_unstable();
        prefixes.dedup();
        assert!(count > 20 && prefixes.len() == count, "{prefixes:?}");
    }

    #[test]
    fn order_of_keys_is_order_of_numbers() {
        assert!(flags(255) < flags(256) && child(AgentId::default(), 9) < child(AgentId::default(), 10));
        assert!(is_derived_from_entries(&record(Ulid(1), Ulid(2))) && !is_derived_from_entries(&node(1)));
    }
}
