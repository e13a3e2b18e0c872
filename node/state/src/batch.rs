//! The state while one command is applied: the view below, what the command has changed above ([`Overlay`]).

use std::ops::Range;
use std::rc::Rc;

use ledger_format::record::{AgentId, Kid, Ulid};
use ledger_format::{Hash, leaf_hash};

use crate::applied::{Alarm, NewEntry, Write};
use crate::keys;
use crate::overlay::{Overlay, Raw};
use crate::private::{self, Note};
use crate::rejection::{Code, Rejection};
use crate::trust::Input;
use crate::values::{Agent, Chain, Flags, Genesis, KeySpan, LogKeys, RecordAt, Service, Tenant, Tree, Value};
use crate::view::{View, load};

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

/// A refusal, as families say it.
pub(crate) fn refuse(code: Code, field: &str, message: impl Into<String>, fix: &str) -> Stop {
    Rejection::new(code, field, message, fix).into()
}

/// One command's working state.
pub(crate) struct Batch<'v, V: ?Sized> {
    pub(crate) tree: Tree,
    pub(crate) service: Service,
    pub(crate) entries: Vec<NewEntry>,
    /// See [`crate::Applied::trust_inputs`].
    pub(crate) trust_inputs: Vec<(u64, Input)>,
    /// Whether what the record at hand does must be sealed at once.
    pub(crate) seal_now: bool,
    /// See [`crate::Applied::seal_now`].
    pub(crate) urgent: Option<Range<u64>>,
    /// Subjects that the record at hand changes and that have waited since before.
    pub(crate) waiting_still: Vec<String>,
    /// Writes that nothing in this command reads: keys that the overlay does not have.
    pub(crate) direct: Vec<Write>,
    overlay: Overlay<'v, V>,
}

impl<'v, V: View + ?Sized> Batch<'v, V> {
    pub(crate) fn new(view: &'v V) -> Result<Self, Alarm> {
        Ok(Self {
            tree: load(view, keys::TREE)?.unwrap_or_default(),
            service: load(view, keys::SERVICE)?.unwrap_or_default(),
            entries: Vec::new(),
            trust_inputs: Vec::new(),
            seal_now: false,
            urgent: None,
            waiting_still: Vec::new(),
            direct: Vec::new(),
            overlay: Overlay::new(view),
        })
    }

    /// The state before the command.
    pub(crate) fn view(&self) -> &'v V {
        self.overlay.view()
    }

    /// Appends an entry at the log's time.
    pub(crate) fn push_entry(&mut self, bytes: Vec<u8>) -> Hash {
        let (index, leaf) = (self.next_index(), leaf_hash(&bytes));
        self.tree.frontier.push(leaf);
        self.tree.last_at = self.service.log_ms;
        self.entries.push(NewEntry { index, leaf, bytes });
        leaf
    }

    /// The index that the next entry gets.
    pub(crate) fn next_index(&self) -> u64 {
        self.tree.frontier.size()
    }

    /// Runs the work for one record: all of it, or, if it is refused, nothing.
    pub(crate) fn all_or_nothing<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.overlay.keep();
        self.seal_now = false;
        self.waiting_still.clear();
        let inputs = self.trust_inputs.len();
        let result = work(self);
        if result.is_err() {
            self.overlay.take_back();
            self.trust_inputs.truncate(inputs);
        }
        result
    }

    /// Everything written, by ascending key.
    pub(crate) fn finish(mut self) -> (Vec<NewEntry>, Vec<Write>) {
        if !self.entries.is_empty() {
            self.overlay.put(keys::TREE.to_vec(), self.tree);
        }
        self.overlay.put(keys::SERVICE.to_vec(), self.service);
        let mut writes = self.overlay.into_writes();
        if !self.direct.is_empty() {
            writes.append(&mut self.direct);
            writes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        }
        (self.entries, writes)
    }

    /// The value under a key. Each key has one type, always the same.
    pub(crate) fn get<T: Value + 'static>(&mut self, key: Vec<u8>) -> Result<Option<Rc<T>>, Alarm> {
        self.overlay.get(key)
    }

    pub(crate) fn put<T: Value + 'static>(&mut self, key: Vec<u8>, value: T) {
        self.overlay.put(key, value);
    }

    /// Keeps what came with a record that has got its index.
    pub(crate) fn keep_note(&mut self, note: &Note) -> Result<(), Alarm> {
        private::keep(&mut self.overlay, note)
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.overlay.delete(key);
    }

    /// The smallest key with a value, `from <= key < to`.
    pub(crate) fn next_key(&self, from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
        self.overlay.next_key(from, to)
    }

    pub(crate) fn genesis(&mut self) -> Result<Rc<Genesis>, Stop> {
        let none = || {
            let message = "the log has no genesis entry yet";
            Rejection::new(Code::NoGenesis, "", message, "let the operator log log.genesis first")
        };
        Ok(self.get(keys::GENESIS.to_vec())?.ok_or_else(none)?)
    }

    pub(crate) fn put_genesis(&mut self, genesis: Genesis) {
        self.put(keys::GENESIS.to_vec(), genesis);
    }

    /// The log's verifier keys.
    pub(crate) fn log_keys(&mut self) -> Result<LogKeys, Alarm> {
        Ok(self.get::<LogKeys>(keys::LOG_KEYS.to_vec())?.map(Rc::unwrap_or_clone).unwrap_or_default())
    }

    pub(crate) fn put_log_keys(&mut self, log_keys: LogKeys) {
        self.put(keys::LOG_KEYS.to_vec(), log_keys);
    }

    pub(crate) fn find_tenant(&mut self, id: Ulid) -> Result<Option<Rc<Tenant>>, Alarm> {
        self.get(keys::tenant(id))
    }

    /// The tenant that a record belongs to.
    pub(crate) fn tenant(&mut self, id: Ulid) -> Result<Rc<Tenant>, Stop> {
        let unknown = || {
            let message = format!("tenant {id} is not registered");
            Rejection::new(Code::TenantUnknown, "tenant", message, "log tenant.register first")
        };
        Ok(self.find_tenant(id)?.ok_or_else(unknown)?)
    }

    /// As [`Batch::tenant`], and it must not be suspended.
    pub(crate) fn active_tenant(&mut self, id: Ulid) -> Result<Rc<Tenant>, Stop> {
        let tenant = self.tenant(id)?;
        if let Some(index) = tenant.suspended {
            let message = format!("tenant {id} is suspended since index {index}");
            let fix = "let the operator reactivate it";
            return Err(Rejection::new(Code::TenantSuspended, "tenant", message, fix).into());
        }
        Ok(tenant)
    }

    pub(crate) fn put_tenant(&mut self, id: Ulid, tenant: Tenant) {
        self.put(keys::tenant(id), tenant);
    }

    pub(crate) fn find_agent(&mut self, id: AgentId) -> Result<Option<Rc<Agent>>, Alarm> {
        self.get(keys::agent(id))
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

    /// As [`Batch::active_agent_of`], and neither it nor its tenant is suspended.
    pub(crate) fn acting_agent_of(
        &mut self,
        tenant: Ulid,
        id: AgentId,
        field: &str,
    ) -> Result<Rc<Agent>, Stop> {
        let agent = self.active_agent_of(tenant, id, field)?;
        self.active_tenant(tenant)?;
        if let crate::values::AgentStatus::Suspended { index, .. } = agent.status {
            let message = format!("agent {id} is suspended since index {index}");
            return Err(
                Rejection::new(Code::AgentSuspended, field, message, "let the tenant reactivate it").into()
            );
        }
        Ok(agent)
    }

    pub(crate) fn put_agent(&mut self, id: AgentId, agent: Agent) {
        self.put(keys::agent(id), agent);
    }

    pub(crate) fn chain(&mut self, agent: AgentId) -> Result<Chain, Alarm> {
        Ok(self.get(keys::chain(agent))?.map_or_else(Chain::default, |chain: Rc<Chain>| *chain))
    }

    pub(crate) fn put_chain(&mut self, agent: AgentId, chain: Chain) {
        self.put(keys::chain(agent), chain);
    }

    pub(crate) fn agent_key(&mut self, agent: AgentId, kid: Kid) -> Result<Option<KeySpan>, Alarm> {
        Ok(self.get(keys::agent_key(agent, kid))?.map(|span: Rc<KeySpan>| *span))
    }

    pub(crate) fn put_agent_key(&mut self, agent: AgentId, kid: Kid, span: KeySpan) {
        self.put(keys::agent_key(agent, kid), span);
    }

    /// Where a record is. A node that fetches what a snapshot from elsewhere needs knows the places of records that it has not applied yet;
    /// if that comes to nothing it applies them after all, and then they are not there.
    pub(crate) fn find_record(&mut self, tenant: Ulid, id: Ulid) -> Result<Option<RecordAt>, Alarm> {
        let at = self.get(keys::record(tenant, id))?.map(|at: Rc<RecordAt>| *at);
        Ok(at.filter(|at| at.index < self.next_index()))
    }

    pub(crate) fn put_record(&mut self, tenant: Ulid, id: Ulid, at: RecordAt) {
        self.put(keys::record(tenant, id), at);
    }

    pub(crate) fn put_flags(&mut self, index: u64, flags: Flags) {
        if !flags.is_empty() {
            self.put(keys::flags(index), flags);
        }
    }

    /// The child with a number.
    pub(crate) fn child(&mut self, parent: AgentId, number: u64) -> Result<AgentId, Alarm> {
        let key = keys::child(parent, number);
        let bytes: Option<[u8; 16]> =
            self.get::<Raw>(key.clone())?.and_then(|raw| raw.0.as_slice().try_into().ok());
        let corrupt = || Alarm::CorruptState { key, reason: "not an agent id".into() };
        Ok(AgentId(Ulid::from_bytes(bytes.ok_or_else(corrupt)?)))
    }

    pub(crate) fn put_child(&mut self, parent: AgentId, number: u64, child: AgentId) {
        self.put(keys::child(parent, number), Raw(child.0.to_bytes().to_vec()));
    }
}
