//! Records that clients send: one tenant, its agents, and what they did.

use bytes::Bytes;
use ledger_format::record::{
    Actor, AgentId, AgentKey, AgentRegister, AgentRevoke, AgentType, Body, Digest, Draft, ReceiptAction,
    Scope, SigningKey, TenantRegister, Ulid,
};

use super::history::BEGIN_MS;

/// A tenant whose records follow each other.
pub(super) struct Tenant {
    id: Ulid,
    key: SigningKey,
    next: u64,
}

impl Tenant {
    pub(super) fn new(number: u8) -> Self {
        Self {
            id: Ulid::from_parts(1, u128::from(number)),
            key: SigningKey::from_seed([number; 32]),
            next: 0,
        }
    }

    /// Its registration, then in turn an agent and two receipts of what it did, for ever.
    pub(super) fn next(&mut self) -> Bytes {
        let body = match self.next {
            0 => self.registration(),
            next if next % 3 == 1 => self.agent(next),
            next => self.receipt(next - (next - 1) % 3),
        };
        self.sign(body)
    }

    /// The tenant's registration.
    pub(super) fn register(&mut self) -> Bytes {
        self.sign(self.registration())
    }

    /// The registration of an agent with its first key.
    pub(super) fn register_agent(&mut self, number: u64) -> Bytes {
        self.sign(self.agent(number))
    }

    /// From now on an agent signs with its key of this number, which follows the one before.
    pub(super) fn rotate(&mut self, number: u64, key: usize) -> Bytes {
        let body = AgentKey {
            agent: self.agent_id(number),
            key: self.agent_key(number, key).public(),
            on_behalf_of: None,
            previous: self.agent_key(number, key - 1).public().kid(),
            reason: "scheduled".into(),
        };
        self.sign(Body::AgentKey(body))
    }

    /// An agent may do nothing more.
    pub(super) fn revoke(&mut self, number: u64) -> Bytes {
        let body = AgentRevoke {
            agent: self.agent_id(number),
            cascade: false,
            compromised_at: None,
            on_behalf_of: None,
            reason: "retired".into(),
        };
        self.sign(Body::AgentRevoke(body))
    }

    fn sign(&mut self, body: Body) -> Bytes {
        self.next += 1;
        let id = Ulid::from_parts(2, self.id.0 << 32 | u128::from(self.next));
        Draft::new(self.id, id, Actor::Tenant, BEGIN_MS, body).sign(&self.key).to_bytes().into()
    }

    /// The id of an agent.
    pub(super) fn agent_id(&self, number: u64) -> AgentId {
        AgentId(Ulid::from_parts(3, self.id.0 << 32 | u128::from(number)))
    }

    /// Its key of this number, from 1 on.
    pub(super) fn agent_key(&self, number: u64, key: usize) -> SigningKey {
        let text = format!("{} {number} {key}", self.id.0);
        SigningKey::from_seed(ledger_format::leaf_hash(text.as_bytes()).0)
    }

    fn registration(&self) -> Body {
        let key = Some(self.key.public());
        Body::TenantRegister(TenantRegister { key, name: "Tenant".into(), on_behalf_of: None, plan: None })
    }

    fn agent(&self, number: u64) -> Body {
        Body::AgentRegister(Box::new(AgentRegister {
            agent: self.agent_id(number),
            denies: Vec::new(),
            key: self.agent_key(number, 1).public(),
            name: "Agent".into(),
            on_behalf_of: None,
            parent: None,
            runtime_type: None,
            scopes: vec![scope()],
            agent_type: AgentType::Autonomous,
        }))
    }

    /// Sent again it is the same record; but for that rule nothing would keep a second one out.
    fn receipt(&self, agent: u64) -> Body {
        let digest = Digest::sha256(&self.next.to_be_bytes());
        Body::ReceiptAction(ReceiptAction {
            action: scope(),
            agent: self.agent_id(agent),
            approval: None,
            decision: None,
            detail: Vec::new(),
            grant: None,
            input: digest,
            on_behalf_of: None,
            outcome: None,
            output: digest,
            session: None,
            tool: None,
            verdict: None,
        })
    }
}

fn scope() -> Scope {
    Scope::parse("invoice:read").expect("a scope")
}
