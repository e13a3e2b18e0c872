//! Tenants.

use ledger_format::record::Plan;

use super::{SignerKey, VERSION, Value};
use crate::codec::{DecodeError, Decoder, Encoder};

/// A registered tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// What people call it.
    pub name: String,
    /// What it has subscribed to.
    pub plan: Plan,
    /// Its root key; without one only the operator acts for it.
    pub key: Option<SignerKey>,
    /// Index of its registration.
    pub registered: u64,
    /// Agents registered so far, revoked ones included.
    pub agents: u64,
}

impl Value for Tenant {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, self.name.len() + 80);
        e.text(&self.name).text(self.plan.as_str());
        e.optional(self.key, |e, key| key.write(e));
        e.integer(self.registered).integer(self.agents);
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let name = d.text()?;
        let plan = Plan::parse(&d.text()?).ok_or(DecodeError::Invalid("plan"))?;
        let key = d.optional(SignerKey::read)?;
        let (registered, agents) = (d.integer()?, d.integer()?);
        d.finish()?;
        Ok(Self { name, plan, key, registered, agents })
    }
}
