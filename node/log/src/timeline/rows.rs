//! Keys and values of the timeline, all under the byte 1 of the per-record index.

use std::sync::LazyLock;

use ledger_format::record::{AgentId, TYPES, Ulid};
use ledger_store::Space;

use super::{ROWS_AT_ONCE, TIMELINE_LOOKS_MAX, TimelinePage, TimelineQuery, TimelineRow};
use crate::ledger::{Ledger, LedgerError};

/// First byte of every key of the timeline. State keys begin with letters.
pub(crate) const PREFIX: u8 = 1;
/// Raised when rows change their form; rows of another version are built anew. The table of types is part of it: codes
/// of types are places in it.
const VERSION: u8 = 3;
/// Code of "any type".
pub(super) const ANY: u8 = u8::MAX;

static VERSION_MARK: LazyLock<[u8; 8]> = LazyLock::new(|| {
    let mut hash = blake3::Hasher::new();
    hash.update(&[VERSION]);
    for info in TYPES {
        hash.update(info.name.as_bytes()).update(b"\n");
    }
    *hash.finalize().as_bytes().first_chunk().expect("8 of 32 bytes")
});

/// The code of a type; `None` for an unknown word.
pub(super) fn code(type_name: &str) -> Option<u8> {
    TYPES.iter().position(|info| info.name == type_name).map(|at| at as u8)
}

/// Whose rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Scope {
    Tenant(Ulid),
    /// What a tenant says about an agent.
    Agent(Ulid, AgentId),
    /// What a tenant is a party to, whoever's record it is.
    Party(Ulid),
    /// What an agent of a tenant is a party to.
    PartyAgent(Ulid, AgentId),
}

impl Scope {
    pub(super) fn of(tenant: Ulid, agent: Option<AgentId>) -> Self {
        agent.map_or(Scope::Tenant(tenant), |agent| Scope::Agent(tenant, agent))
    }

    pub(super) fn of_party(tenant: Ulid, agent: Option<AgentId>) -> Self {
        agent.map_or(Scope::Party(tenant), |agent| Scope::PartyAgent(tenant, agent))
    }

    /// Whether the row is in the list itself: the record may be another tenant's.
    fn holds_rows(self) -> bool {
        matches!(self, Scope::Party(_) | Scope::PartyAgent(..))
    }

    fn write(self, key: &mut Vec<u8>) {
        let (mark, tenant, agent) = match self {
            Scope::Tenant(tenant) => (b't', tenant, None),
            Scope::Agent(tenant, agent) => (b'a', tenant, Some(agent)),
            Scope::Party(tenant) => (b'p', tenant, None),
            Scope::PartyAgent(tenant, agent) => (b'q', tenant, Some(agent)),
        };
        key.push(mark);
        key.extend_from_slice(&tenant.to_bytes());
        if let Some(agent) = agent {
            key.extend_from_slice(&agent.0.to_bytes());
        }
    }
}

/// A place in the timeline.
pub(super) enum Place {
    /// How far it is built.
    Reached,
    /// An entry of a tenant, in order: the row.
    Row(Ulid, u64),
    /// An entry of a type in a scope, newest first.
    Newest(Scope, u8, u64),
    /// How many there are of a type in a scope.
    Count(Scope, u8),
    /// The record that made an object.
    Object(Ulid),
}

impl Place {
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = vec![PREFIX];
        match self {
            Place::Reached => key.push(b'0'),
            Place::Row(tenant, index) => {
                key.push(b'r');
                key.extend_from_slice(&tenant.to_bytes());
                key.extend_from_slice(&index.to_be_bytes());
            }
            Place::Newest(scope, code, index) => {
                key.push(b'n');
                scope.write(&mut key);
                key.push(*code);
                key.extend_from_slice(&(u64::MAX - index).to_be_bytes());
            }
            Place::Count(scope, code) => {
                key.push(b'c');
                scope.write(&mut key);
                key.push(*code);
            }
            Place::Object(id) => {
                key.push(b'o');
                key.extend_from_slice(&id.to_bytes());
            }
        }
        key
    }
}

pub(super) fn reached_value(size: u64) -> Vec<u8> {
    [&VERSION_MARK[..], &size.to_be_bytes()].concat()
}

/// The size, if the rows were built by this version.
pub(super) fn reached(bytes: &[u8]) -> Option<u64> {
    let (version, size) = bytes.split_at_checked(8)?;
    (version == &VERSION_MARK[..]).then_some(u64::from_be_bytes(size.try_into().ok()?))
}

pub(super) fn object_value(index: u64, tenant: Ulid) -> Vec<u8> {
    [&index.to_be_bytes()[..], &tenant.to_bytes()].concat()
}

pub(super) fn object(bytes: &[u8]) -> Option<(u64, Ulid)> {
    let (index, tenant) = bytes.split_at_checked(8)?;
    Some((u64::from_be_bytes(index.try_into().ok()?), Ulid::from_bytes(tenant.try_into().ok()?)))
}

pub(super) fn row_value(code: u8, agent: Option<AgentId>, id: Ulid, log_ms: u64) -> Vec<u8> {
    let mut value = vec![code, u8::from(agent.is_some())];
    value.extend_from_slice(&agent.unwrap_or_default().0.to_bytes());
    value.extend_from_slice(&id.to_bytes());
    value.extend_from_slice(&log_ms.to_be_bytes());
    value
}

fn row(index: u64, bytes: &[u8]) -> Option<TimelineRow> {
    let (&code, rest) = bytes.split_first()?;
    let (&has_agent, rest) = rest.split_first()?;
    let (agent, rest) = rest.split_first_chunk::<16>()?;
    let (id, rest) = rest.split_first_chunk::<16>()?;
    Some(TimelineRow {
        index,
        type_name: TYPES.get(usize::from(code))?.name,
        agent: (has_agent == 1).then(|| AgentId(Ulid::from_bytes(*agent))),
        id: Ulid::from_bytes(*id),
        log_ms: u64::from_be_bytes(rest.try_into().ok()?),
    })
}

fn index_at_end(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The rows that a query asks for.
pub(super) fn page(ledger: &Ledger, query: &TimelineQuery<'_>) -> Result<TimelinePage, LedgerError> {
    let codes: Vec<u8> = query.types.iter().filter_map(|name| code(name)).collect();
    if query.limit == 0 || !query.types.is_empty() && codes.is_empty() {
        return Ok(TimelinePage::default());
    }
    let scope = Scope::of(query.tenant, query.agent);
    if query.ascending { ascending(ledger, query, &codes) } else { newest(ledger, query, scope, &codes) }
}

/// The rows of what the tenant, or the agent of it, is a party to; newest first.
pub(super) fn page_of_party(ledger: &Ledger, query: &TimelineQuery<'_>) -> Result<TimelinePage, LedgerError> {
    let codes: Vec<u8> = query.types.iter().filter_map(|name| code(name)).collect();
    if query.limit == 0 || codes.is_empty() {
        return Ok(TimelinePage::default());
    }
    newest(ledger, query, Scope::of_party(query.tenant, query.agent), &codes)
}

fn matches(row: &TimelineRow, query: &TimelineQuery<'_>) -> bool {
    let of_type = query.types.is_empty() || query.types.contains(&row.type_name);
    of_type && query.agent.is_none_or(|agent| row.agent == Some(agent))
}

fn ascending(ledger: &Ledger, query: &TimelineQuery<'_>, _codes: &[u8]) -> Result<TimelinePage, LedgerError> {
    let mut page = TimelinePage::default();
    let mut from = Place::Row(query.tenant, query.from).key();
    let to = Place::Row(query.tenant, query.before.unwrap_or(u64::MAX)).key();
    let mut looked = 0;
    while looked < TIMELINE_LOOKS_MAX {
        let pairs = ledger.engine().scan(Space::Index, &from, Some(&to), ROWS_AT_ONCE)?;
        let Some((last, _)) = pairs.last() else { return Ok(page) };
        from = [last.as_slice(), &[0]].concat();
        looked += pairs.len();
        for (key, value) in &pairs {
            let Some(found) = index_at_end(key).and_then(|index| row(index, value)) else { continue };
            page.next = Some(found.index);
            if matches(&found, query) {
                page.rows.push(found);
                if page.rows.len() == query.limit {
                    return Ok(page);
                }
            }
        }
        if pairs.len() < ROWS_AT_ONCE {
            page.next = None;
            return Ok(page);
        }
    }
    Ok(page)
}

fn newest(
    ledger: &Ledger,
    query: &TimelineQuery<'_>,
    scope: Scope,
    codes: &[u8],
) -> Result<TimelinePage, LedgerError> {
    // One type has a list of its own; several are picked from the list of all.
    let list = if let [code] = codes { *code } else { ANY };
    let mut page = TimelinePage::default();
    let below = query.before.unwrap_or(u64::MAX);
    let Some(first) = below.checked_sub(1) else { return Ok(page) };
    let mut from = Place::Newest(scope, list, first).key();
    let to = match query.from.checked_sub(1) {
        Some(beyond) => Place::Newest(scope, list, beyond).key(),
        None => [Place::Newest(scope, list, 0).key().as_slice(), &[0]].concat(),
    };
    let mut looked = 0;
    while looked < TIMELINE_LOOKS_MAX {
        let pairs =
            ledger.engine().scan(Space::Index, &from, Some(&to), ROWS_AT_ONCE.min(query.limit.max(16)))?;
        let Some((last, _)) = pairs.last() else {
            page.next = None;
            return Ok(page);
        };
        from = [last.as_slice(), &[0]].concat();
        looked += pairs.len();
        for (key, own) in pairs {
            let Some(index) = index_at_end(&key).map(|inverted| u64::MAX - inverted) else { continue };
            page.next = Some(index);
            let value = match scope.holds_rows() {
                true => Some(own),
                false => ledger.engine().get(Space::Index, &Place::Row(query.tenant, index).key())?,
            };
            let Some(found) = value.and_then(|value| row(index, &value)) else { continue };
            if matches(&found, query) {
                page.rows.push(found);
                if page.rows.len() == query.limit {
                    return Ok(page);
                }
            }
        }
    }
    Ok(page)
}
