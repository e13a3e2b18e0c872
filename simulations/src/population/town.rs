//! The log that a population lives in: who speaks, signs; what is said goes through the real state machine.

use std::collections::BTreeMap;

use ledger_format::record::{
    ActionOutcome, ActionVerdict, Actor, AgentId, AgentReactivate, AgentRegister, AgentType, AttestPeer,
    Body, Decision, DecisionKind, DecisionReason, DecisionResult, DelegationId, DelegationOffer, Digest,
    Draft, FederationAgree, GenesisLimits, GrantLimits, GrantTo, Kid, LogGenesis, LogPolicy, PeerSignature,
    PeerVerdict, ReceiptAction, RecordHash, Scope, SessionClose, SessionEnd, SessionId, SessionOpen,
    SigningKey, TenantId, TenantRegister, Ulid,
};
use ledger_format::{NoteSigner, SignatureType};
use ledger_state::trust::{DAY_MS, Reading};
use ledger_state::{Command, MemoryState, Outcome};

use super::kinds::Deed;

/// When the year begins: a log day, ms since 1970.
pub(super) const BEGIN_MS: u64 = 20_454 * DAY_MS;

/// An hour of log time.
pub(super) const HOUR_MS: u64 = DAY_MS / 24;

const ORIGIN: &str = "ledger.example/population";

/// Who speaks. Numbers count from 0 in order of registration.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// The log's operator.
    Operator,
    /// A tenant, with its root key: it enforces the rules on its agents.
    Tenant(u64),
    /// An agent of a tenant.
    Agent(u64, u64),
}

/// A log in memory, its time, and what is counted.
#[derive(Debug)]
pub(super) struct Town {
    state: MemoryState,
    now: u64,
    records: u64,
    scopes: [Scope; 2],
    digest: Digest,
    /// Keys of the tenants that have spoken: they sign most.
    keys: BTreeMap<u64, SigningKey>,
}

impl Town {
    /// A log with its genesis.
    pub(super) fn new() -> Result<Self, String> {
        let scope = |text| Scope::parse(text).ok_or(format!("{text} is no scope"));
        let mut town = Town {
            state: MemoryState::new(),
            now: BEGIN_MS,
            records: 0,
            scopes: [scope("work:do")?, scope("vault:read")?],
            digest: Digest::sha256(b"population"),
            keys: BTreeMap::new(),
        };
        let signer = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32]).map_err(|e| e.to_string())?;
        let genesis = LogGenesis {
            limits: GenesisLimits::default(),
            log_keys: vec![signer.vkey().to_string()],
            operator_key: key(By::Operator).public(),
            origin: ORIGIN.into(),
            policy: format!("log {}\nquorum none\n", signer.vkey()),
            predecessor: None,
            trust_algorithm: "maip-trust/1".into(),
        };
        town.say(By::Operator, Body::LogGenesis(Box::new(genesis)))?;
        Ok(town)
    }

    /// The state.
    pub(super) fn state(&self) -> &MemoryState {
        &self.state
    }

    /// Records that the log has taken.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Time goes on. It never goes back.
    pub(super) fn advance(&mut self, ms: u64) {
        self.now = self.now.max(ms);
    }

    /// What trust says of an agent now.
    pub(super) fn reading(&self, agent: u64) -> Result<Reading, String> {
        ledger_state::trust_reading(&self.state, agent_id(agent), self.now)
            .ok_or_else(|| format!("agent {agent} has no reading"))
    }

    /// Signs a record and sends it; its index and hash. Nobody here says what a log refuses.
    fn say(&mut self, by: By, body: Body) -> Result<(u64, RecordHash), String> {
        let (tenant, actor) = match by {
            By::Operator => (Ulid::NIL, Actor::Operator),
            By::Tenant(tenant) => (tenant_id(tenant), Actor::Tenant),
            By::Agent(tenant, agent) => (tenant_id(tenant), Actor::Agent(agent_id(agent))),
        };
        let id = ulid(Family::Record, self.records);
        let draft = Draft::new(tenant, id, actor, self.now, body);
        let record = match by {
            By::Tenant(number) => draft.sign(self.keys.entry(number).or_insert_with(|| key(by))),
            By::Operator | By::Agent(..) => draft.sign(&key(by)),
        };
        let bytes = record.to_bytes();
        let hash = ledger_format::record::record_hash(&bytes);
        let command = Command::Append { log_ms: self.now, records: vec![bytes] };
        let outcomes = self.state.run(&command).map_err(|alarm| alarm.to_string())?;
        match outcomes.first() {
            Some(Outcome::Sequenced { index, .. }) => {
                self.records += 1;
                Ok((*index, hash))
            }
            other => Err(format!("{by:?} said {} and was told {other:?}", record.type_name())),
        }
    }

    /// A new tenant.
    pub(super) fn register_tenant(&mut self, tenant: u64) -> Result<(), String> {
        let key = Some(key(By::Tenant(tenant)).public());
        let body = TenantRegister { key, name: format!("Tenant {tenant}"), on_behalf_of: None, plan: None };
        self.say(By::Tenant(tenant), Body::TenantRegister(body)).map(drop)
    }

    /// The tenants whose word has full weight.
    pub(super) fn name_seeds(&mut self, tenants: &[u64]) -> Result<(), String> {
        let seeds = Some(tenants.iter().map(|tenant| TenantId(tenant_id(*tenant))).collect());
        let body = LogPolicy { policy: None, quotas: None, seeds };
        self.say(By::Operator, Body::LogPolicy(Box::new(body))).map(drop)
    }

    /// Two tenants agree for the year that agents of the one may grant to agents of the other.
    pub(super) fn agree(&mut self, from: u64, to: u64) -> Result<RecordHash, String> {
        let mut body = FederationAgree {
            expires_at: self.now + 366 * DAY_MS,
            hops: 1,
            on_behalf_of: None,
            origin: None,
            peer: TenantId(tenant_id(to)),
            peer_key: key(By::Tenant(to)).public(),
            peer_sig: PeerSignature { kid: Kid([0; 16]), value: [0; 64] },
            scopes: vec![self.scopes[0].clone()],
            ttl_min: 60,
        };
        body.sign_as_peer(tenant_id(from), &key(By::Tenant(to)));
        self.say(By::Tenant(from), Body::FederationAgree(Box::new(body))).map(|(_, hash)| hash)
    }

    /// A new agent of a tenant, with one scope.
    pub(super) fn register_agent(&mut self, tenant: u64, agent: u64) -> Result<(), String> {
        let body = AgentRegister {
            agent: agent_id(agent),
            denies: Vec::new(),
            key: key(By::Agent(tenant, agent)).public(),
            name: format!("Agent {agent}"),
            on_behalf_of: None,
            parent: None,
            runtime_type: None,
            scopes: vec![self.scopes[0].clone()],
            agent_type: AgentType::Autonomous,
        };
        self.say(By::Tenant(tenant), Body::AgentRegister(Box::new(body))).map(drop)
    }

    /// The tenant looked at a suspended agent and lets it go on.
    pub(super) fn reactivate(&mut self, tenant: u64, agent: u64) -> Result<(), String> {
        let body = AgentReactivate { agent: agent_id(agent), on_behalf_of: None, reason: "reviewed".into() };
        self.say(By::Tenant(tenant), Body::AgentReactivate(body)).map(drop)
    }

    /// An agent did something, and its tenant logs how that went; or it asked for something and was refused.
    pub(super) fn act(&mut self, tenant: u64, agent: u64, deed: Deed) -> Result<(), String> {
        let verdict = match deed {
            Deed::Ok | Deed::Unseen => ActionVerdict::Ok,
            Deed::Minor => ActionVerdict::Minor,
            Deed::Major => ActionVerdict::Major,
            Deed::Critical => ActionVerdict::Critical,
            Deed::Denied => return self.refuse(tenant, agent),
        };
        let body = ReceiptAction {
            approval: None,
            decision: None,
            grant: None,
            action: self.scopes[0].clone(),
            agent: agent_id(agent),
            detail: Vec::new(),
            input: self.digest,
            on_behalf_of: None,
            outcome: Some(ActionOutcome::Success),
            output: self.digest,
            session: None,
            tool: None,
            verdict: Some(verdict),
        };
        self.say(By::Tenant(tenant), Body::ReceiptAction(body)).map(drop)
    }

    fn refuse(&mut self, tenant: u64, agent: u64) -> Result<(), String> {
        let body = Decision {
            action: self.scopes[1].clone(),
            agent: agent_id(agent),
            amount: None,
            approval: None,
            grant: None,
            inputs: self.digest,
            kind: DecisionKind::Policy,
            on_behalf_of: None,
            policies: Vec::new(),
            reason: DecisionReason::NoScope,
            result: DecisionResult::Denied,
            rules: Vec::new(),
            session: None,
            tool: None,
        };
        self.say(By::Tenant(tenant), Body::Decision(Box::new(body))).map(drop)
    }

    /// A session of ten hours.
    pub(super) fn open_session(&mut self, tenant: u64, agent: u64, session: u64) -> Result<(), String> {
        let body = SessionOpen {
            agent: agent_id(agent),
            audience: None,
            on_behalf_of: None,
            proof_key: None,
            scopes: vec![self.scopes[0].clone()],
            session: SessionId(ulid(Family::Session, session)),
            ttl_min: 600,
        };
        self.say(By::Tenant(tenant), Body::SessionOpen(Box::new(body))).map(drop)
    }

    /// The session's work is done.
    pub(super) fn close_session(&mut self, tenant: u64, agent: u64, session: u64) -> Result<(), String> {
        let body = SessionClose {
            agent: agent_id(agent),
            on_behalf_of: None,
            outcome: SessionEnd::Clean,
            reason: None,
            session: SessionId(ulid(Family::Session, session)),
        };
        self.say(By::Tenant(tenant), Body::SessionClose(body)).map(drop)
    }

    /// An agent offers a grant to one of another tenant, and then says how it found it: two entries, signed by the agent.
    pub(super) fn judge(
        &mut self,
        from: (u64, u64),
        to: (u64, u64),
        under: RecordHash,
        good: bool,
    ) -> Result<(), String> {
        let by = By::Agent(from.0, from.1);
        let offer = DelegationOffer {
            agreement: Some(under),
            deny: Vec::new(),
            from: Some(agent_id(from.1)),
            grant: DelegationId(ulid(Family::Grant, self.records)),
            hops: 0,
            limits: GrantLimits::until(self.now + HOUR_MS / 2),
            on_behalf_of: None,
            parent: None,
            scopes: vec![self.scopes[0].clone()],
            to: GrantTo {
                agent: agent_id(to.1),
                kid: key(By::Agent(to.0, to.1)).kid(),
                origin: None,
                tenant: TenantId(tenant_id(to.0)),
            },
        };
        let (interaction, _) = self.say(by, Body::DelegationOffer(Box::new(offer)))?;
        let verdict = if good { PeerVerdict::Good } else { PeerVerdict::Bad };
        let (agent, subject) = (agent_id(from.1), agent_id(to.1));
        let word = AttestPeer { agent, interaction, on_behalf_of: None, subject, verdict };
        self.say(by, Body::AttestPeer(Box::new(word))).map(drop)
    }
}

/// What an id is for: ids of different families never meet.
#[derive(Clone, Copy)]
enum Family {
    Tenant,
    Agent,
    Session,
    Grant,
    Record,
}

fn ulid(family: Family, number: u64) -> Ulid {
    Ulid::from_parts(BEGIN_MS, (family as u128 + 1) << 72 | u128::from(number))
}

fn tenant_id(number: u64) -> Ulid {
    ulid(Family::Tenant, number)
}

/// An agent's id, by number.
pub(super) fn agent_id(number: u64) -> AgentId {
    AgentId(ulid(Family::Agent, number))
}

/// Everybody's key follows from its number: nothing is kept.
fn key(by: By) -> SigningKey {
    let (family, number) = match by {
        By::Operator => (1, 0),
        By::Tenant(number) => (2, number),
        By::Agent(_, number) => (3, number),
    };
    let mut seed = [family; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(seed)
}
