//! Records that clients send: one tenant and its agents.

use bytes::Bytes;
use ledger_format::record::{
    Actor, AgentId, AgentRegister, AgentType, Body, Draft, Scope, SigningKey, TenantRegister, Ulid,
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

    /// Its registration, then agents, for ever.
    pub(super) fn next(&mut self) -> Bytes {
        let body = if self.next == 0 { self.registration() } else { self.agent() };
        self.next += 1;
        let id = Ulid::from_parts(2, self.id.0 << 32 | u128::from(self.next));
        Draft::new(self.id, id, Actor::Tenant, BEGIN_MS, body).sign(&self.key).to_bytes().into()
    }

    fn registration(&self) -> Body {
        let key = Some(self.key.public());
        Body::TenantRegister(TenantRegister { key, name: "Tenant".into(), on_behalf_of: None, plan: None })
    }

    fn agent(&self) -> Body {
        let number = self.id.0 << 32 | u128::from(self.next);
        let seed = ledger_format::leaf_hash(&number.to_be_bytes()).0;
        Body::AgentRegister(Box::new(AgentRegister {
            agent: AgentId(Ulid::from_parts(3, number)),
            denies: Vec::new(),
            key: SigningKey::from_seed(seed).public(),
            name: "Agent".into(),
            on_behalf_of: None,
            parent: None,
            runtime_type: None,
            scopes: vec![Scope::parse("invoice:read").expect("a scope")],
            agent_type: AgentType::Autonomous,
        }))
    }
}
