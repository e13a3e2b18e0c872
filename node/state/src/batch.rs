//! The state while one command is applied: the view below, what the command has changed above.
//!
//! Values that many records of one batch touch (tenants, agents, chains) are decoded once and encoded once, however many
//! records there are. Everything sits in ordered maps, so what comes out has one order.

use std::collections::BTreeMap;
use std::rc::Rc;

use ledger_format::record::{AgentId, Kid, Ulid};

use crate::applied::{Alarm, NewEntry, Write};
use crate::keys;
use crate::rejection::{Code, Rejection};
use crate::values::{Agent, Chain, Flags, Genesis, KeySpan, LogKeys, RecordAt, Service, Tenant, Tree, Value};
use crate::view::{View, load};

/// New values by key; `None` deletes.
type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Why a record goes no further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It is refused.
    Rejected(Rejection),
    /// This node must stop.
    Halt(Alarm),
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Stop::Rejected(rejection)
    }
}

impl From<Alarm> for Stop {
    fn from(alarm: Alarm) -> Self {
        Stop::Halt(alarm)
    }
}

/// Values of one kind that this command has read or written.
struct Table<K, T> {
    slots: BTreeMap<K, Slot<T>>,
}

struct Slot<T> {
    value: Option<Rc<T>>,
    dirty: bool,
}

impl<K: Ord + Copy, T: Value> Table<K, T> {
    fn new() -> Self {
        Self { slots: BTreeMap::new() }
    }

    fn get(
        &mut self,
        view: &(impl View + ?Sized),
        id: K,
        key: impl FnOnce(K) -> Vec<u8>,
    ) -> Result<Option<Rc<T>>, Alarm> {
        if let Some(slot) = self.slots.get(&id) {
            return Ok(slot.value.clone());
        }
        let value = load(view, &key(id))?.map(Rc::new);
        self.slots.insert(id, Slot { value: value.clone(), dirty: false });
        Ok(value)
    }

    fn put(&mut self, id: K, value: T) {
        self.slots.insert(id, Slot { value: Some(Rc::new(value)), dirty: true });
    }

    fn flush(self, writes: &mut Writes, key: impl Fn(K) -> Vec<u8>) {
        for (id, slot) in self.slots {
            if let (true, Some(value)) = (slot.dirty, slot.value) {
                writes.insert(key(id), Some(value.encode()));
            }
        }
    }
}

/// One command's working state.
pub(crate) struct Batch<'v, V: ?Sized> {
    pub(crate) view: &'v V,
    pub(crate) tree: Tree,
    pub(crate) service: Service,
    pub(crate) entries: Vec<NewEntry>,
    genesis: Option<Rc<Genesis>>,
    tenants: Table<Ulid, Tenant>,
    agents: Table<AgentId, Agent>,
    chains: Table<AgentId, Chain>,
    records: Table<(Ulid, Ulid), RecordAt>,
    agent_keys: Table<(AgentId, Kid), KeySpan>,
    /// What no later record of the same command needs decoded.
    writes: Writes,
}

impl<'v, V: View + ?Sized> Batch<'v, V> {
    pub(crate) fn new(view: &'v V) -> Result<Self, Alarm> {
        Ok(Self {
            view,
            tree: load(view, keys::TREE)?.unwrap_or_default(),
            service: load(view, keys::SERVICE)?.unwrap_or_default(),
            entries: Vec::new(),
            genesis: load(view, keys::GENESIS)?.map(Rc::new),
            tenants: Table::new(),
            agents: Table::new(),
            chains: Table::new(),
            records: Table::new(),
            agent_keys: Table::new(),
            writes: BTreeMap::new(),
        })
    }

    /// The index that the next entry gets.
    pub(crate) fn next_index(&self) -> u64 {
        self.tree.frontier.size()
    }

    /// Everything written, by ascending key.
    pub(crate) fn finish(mut self) -> (Vec<NewEntry>, Vec<Write>) {
        if !self.entries.is_empty() {
            self.writes.insert(keys::TREE.to_vec(), Some(self.tree.encode()));
        }
        self.writes.insert(keys::SERVICE.to_vec(), Some(self.service.encode()));
        self.tenants.flush(&mut self.writes, keys::tenant);
        self.agents.flush(&mut self.writes, keys::agent);
        self.chains.flush(&mut self.writes, keys::chain);
        self.records.flush(&mut self.writes, |(tenant, id)| keys::record(tenant, id));
        self.agent_keys.flush(&mut self.writes, |(agent, kid)| keys::agent_key(agent, kid));
        (self.entries, self.writes.into_iter().collect())
    }

    pub(crate) fn genesis(&self) -> Result<Rc<Genesis>, Rejection> {
        self.genesis.clone().ok_or_else(|| {
            let message = "the log has no genesis entry yet";
            Rejection::new(Code::NoGenesis, "", message, "let the operator log log.genesis first")
        })
    }

    pub(crate) fn put_genesis(&mut self, genesis: Genesis) {
        self.writes.insert(keys::GENESIS.to_vec(), Some(genesis.encode()));
        self.genesis = Some(Rc::new(genesis));
    }

    /// The log's verifier keys. Written by [`Batch::put_log_keys`] and nowhere else.
    pub(crate) fn log_keys(&self) -> Result<LogKeys, Alarm> {
        let Some(Some(written)) = self.writes.get(keys::LOG_KEYS) else {
            return Ok(load(self.view, keys::LOG_KEYS)?.unwrap_or_default());
        };
        let corrupt = |e: crate::DecodeError| Alarm::CorruptState {
            key: keys::LOG_KEYS.to_vec(),
            reason: e.to_string(),
        };
        LogKeys::decode(written).map_err(corrupt)
    }

    pub(crate) fn put_log_keys(&mut self, log_keys: &LogKeys) {
        self.writes.insert(keys::LOG_KEYS.to_vec(), Some(log_keys.encode()));
    }

    pub(crate) fn find_tenant(&mut self, id: Ulid) -> Result<Option<Rc<Tenant>>, Alarm> {
        self.tenants.get(self.view, id, keys::tenant)
    }

    /// The tenant that a record belongs to.
    pub(crate) fn tenant(&mut self, id: Ulid) -> Result<Rc<Tenant>, Stop> {
        let unknown = || {
            let message = format!("tenant {id} is not registered");
            Rejection::new(Code::TenantUnknown, "tenant", message, "log tenant.register first")
        };
        Ok(self.find_tenant(id)?.ok_or_else(unknown)?)
    }

    pub(crate) fn put_tenant(&mut self, id: Ulid, tenant: Tenant) {
        self.tenants.put(id, tenant);
    }

    pub(crate) fn find_agent(&mut self, id: AgentId) -> Result<Option<Rc<Agent>>, Alarm> {
        self.agents.get(self.view, id, keys::agent)
    }

    /// An agent that must exist and belong to `tenant`. `field` is where the record names it.
    pub(crate) fn agent_of(&mut self, tenant: Ulid, id: AgentId, field: &str) -> Result<Rc<Agent>, Stop> {
        let unknown = || {
            let message = format!("agent {id} is not registered");
            Rejection::new(Code::AgentUnknown, field, message, "log agent.register first")
        };
        let agent = self.find_agent(id)?.ok_or_else(unknown)?;
        if agent.tenant != tenant {
            let message = format!("agent {id} belongs to another tenant");
            let fix = "name an agent of the record's tenant";
            return Err(Rejection::new(Code::AgentOfOtherTenant, field, message, fix).into());
        }
        Ok(agent)
    }

    /// As [`Batch::agent_of`], and it must not be revoked.
    pub(crate) fn active_agent_of(
        &mut self,
        tenant: Ulid,
        id: AgentId,
        field: &str,
    ) -> Result<Rc<Agent>, Stop> {
        let agent = self.agent_of(tenant, id, field)?;
        if let crate::values::AgentStatus::Revoked { index, .. } = agent.status {
            let message = format!("agent {id} is revoked since index {index}");
            let fix = "revocation is final: register a new agent";
            return Err(Rejection::new(Code::AgentRevoked, field, message, fix).into());
        }
        Ok(agent)
    }

    pub(crate) fn put_agent(&mut self, id: AgentId, agent: Agent) {
        self.agents.put(id, agent);
    }

    pub(crate) fn chain(&mut self, agent: AgentId) -> Result<Chain, Alarm> {
        Ok(self.chains.get(self.view, agent, keys::chain)?.map_or_else(Chain::default, |chain| *chain))
    }

    pub(crate) fn put_chain(&mut self, agent: AgentId, chain: Chain) {
        self.chains.put(agent, chain);
    }

    pub(crate) fn agent_key(&mut self, agent: AgentId, kid: Kid) -> Result<Option<KeySpan>, Alarm> {
        let key = |(agent, kid)| keys::agent_key(agent, kid);
        Ok(self.agent_keys.get(self.view, (agent, kid), key)?.map(|span| *span))
    }

    pub(crate) fn put_agent_key(&mut self, agent: AgentId, kid: Kid, span: KeySpan) {
        self.agent_keys.put((agent, kid), span);
    }

    pub(crate) fn find_record(&mut self, tenant: Ulid, id: Ulid) -> Result<Option<RecordAt>, Alarm> {
        let key = |(tenant, id)| keys::record(tenant, id);
        Ok(self.records.get(self.view, (tenant, id), key)?.map(|at| *at))
    }

    pub(crate) fn put_record(&mut self, tenant: Ulid, id: Ulid, at: RecordAt) {
        self.records.put((tenant, id), at);
    }

    pub(crate) fn put_flags(&mut self, index: u64, flags: Flags) {
        if !flags.is_empty() {
            self.put_bytes(keys::flags(index), flags.encode());
        }
    }

    /// The child with a number. Its key is written by [`Batch::put_child`] and nowhere else.
    pub(crate) fn child(&self, parent: AgentId, number: u64) -> Result<AgentId, Alarm> {
        let key = keys::child(parent, number);
        let stored = match self.writes.get(&key) {
            Some(written) => written.clone(),
            None => self.view.get(&key),
        };
        let bytes: Option<[u8; 16]> = stored.and_then(|bytes| bytes.try_into().ok());
        let corrupt = || Alarm::CorruptState { key, reason: "not an agent id".into() };
        Ok(AgentId(Ulid::from_bytes(bytes.ok_or_else(corrupt)?)))
    }

    pub(crate) fn put_child(&mut self, parent: AgentId, number: u64, child: AgentId) {
        self.put_bytes(keys::child(parent, number), child.0.to_bytes().to_vec());
    }

    /// Writes a value that nobody reads again in this command.
    pub(crate) fn put_bytes(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }
}
