//! Whose key signed a record: what the registrations of the same log say.

use super::fault::{ChainFault, ChainReason as Reason, must};
use super::load::Stated;
use crate::record::{Actor, AgentId, Body, Kid, PublicKey, Record, RecordError, Ulid};

/// Who a key speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Operator,
    Tenant(Ulid),
    Agent(Ulid, AgentId),
}

struct Known<'a> {
    origin: &'a str,
    owner: Owner,
    key: PublicKey,
    /// Index of the record that gives it.
    index: u64,
    /// First index at which it is not valid any more, as far as the file tells.
    until: Option<u64>,
    trail: Vec<Kid>,
}

/// Who signed a record.
pub(super) struct Signer {
    /// The key, the key that vouched for it, and so on.
    pub(super) trail: Vec<Kid>,
    /// The operator signed it, for an actor that cannot.
    pub(super) is_operator: bool,
}

/// The keys that a file's registrations give.
pub(super) struct Keys<'a> {
    known: Vec<Known<'a>>,
    /// Whose registrations the operator alone vouches for.
    pub(super) by_operator: Vec<String>,
}

impl<'a> Keys<'a> {
    /// Takes the registrations of each log in its order, so that each can vouch for the next.
    pub(super) fn of(identities: &'a [Stated]) -> Result<Self, ChainFault> {
        let mut keys = Self { known: Vec::new(), by_operator: Vec::new() };
        let mut ordered: Vec<&Stated> = identities.iter().collect();
        ordered.sort_by_key(|stated| (&stated.origin, stated.index));
        for stated in ordered {
            keys.learn(stated)?;
        }
        Ok(keys)
    }

    fn learn(&mut self, stated: &'a Stated) -> Result<(), ChainFault> {
        let signer = self.judge(stated)?;
        let record = &stated.record;
        let tenant = record.tenant;
        let (owner, key, rotates) = match &record.body {
            Body::LogGenesis(body) => {
                must(stated.index == 0 && body.origin == stated.origin, Reason::WrongPlace, || {
                    format!("{}: a log.genesis that is not that of {}", stated.what, stated.origin)
                })?;
                (Owner::Operator, Some(body.operator_key), false)
            }
            Body::TenantRegister(body) => (Owner::Tenant(tenant), body.key, false),
            Body::TenantKey(body) => (Owner::Tenant(tenant), Some(body.key), true),
            Body::AgentRegister(body) => (Owner::Agent(tenant, body.agent), Some(body.key), false),
            Body::AgentKey(body) => (Owner::Agent(tenant, body.agent), Some(body.key), true),
            _ => {
                let detail = format!("{}: a {} gives no key", stated.what, record.type_name());
                return Err(ChainFault::new(Reason::WrongType, detail));
            }
        };
        if signer.is_operator && owner != Owner::Operator {
            self.by_operator.push(match owner {
                Owner::Agent(_, agent) => format!("{} of {agent}", record.type_name()),
                _ => format!("{} of maip-tenant:{tenant}", record.type_name()),
            });
        }
        if rotates {
            let before =
                self.known.iter_mut().filter(|known| known.origin == stated.origin && known.owner == owner);
            before.for_each(|known| known.until = Some(known.until.unwrap_or(stated.index + 1)));
        }
        let Some(key) = key else { return Ok(()) };
        let mut trail = signer.trail;
        if trail.first() != Some(&key.kid()) {
            trail.insert(0, key.kid());
        }
        let (origin, index) = (stated.origin.as_str(), stated.index);
        self.known.push(Known { origin, owner, key, index, until: None, trail });
        Ok(())
    }

    /// Who signed, and that the signature holds.
    pub(super) fn judge(&self, stated: &Stated) -> Result<Signer, ChainFault> {
        let record = &stated.record;
        let kid = record.sig.kid;
        let is_operator = record.actor == Actor::Operator;
        let bad =
            |error: RecordError| ChainFault::new(Reason::BadSignature, format!("{}: {error}", stated.what));
        if let Some(key) = own_key(record) {
            record.verify_signature(key).map_err(bad)?;
            return Ok(Signer { trail: vec![kid], is_operator });
        }
        let owner = match record.actor {
            Actor::Agent(agent) => Owner::Agent(record.tenant, agent),
            Actor::Tenant => Owner::Tenant(record.tenant),
            Actor::Operator => Owner::Operator,
        };
        let mut named = self
            .known
            .iter()
            .filter(|known| known.origin == stated.origin && known.owner == owner && known.key.kid() == kid);
        let known = named.next().ok_or_else(|| {
            let detail =
                format!("{}: no registration in {} gives key {kid} to {owner:?}", stated.what, stated.origin);
            ChainFault::new(Reason::KeyUnknown, detail)
        })?;
        let in_time = known.index < stated.index && known.until.is_none_or(|until| stated.index < until);
        must(in_time, Reason::KeyNotValid, || {
            format!("{}: key {kid} was not valid at index {}", stated.what, stated.index)
        })?;
        record.verify_signature(&known.key).map_err(bad)?;
        Ok(Signer { trail: known.trail.clone(), is_operator })
    }

    /// Whether a tenant of a log has, or had, that root key.
    pub(super) fn is_root_of(&self, origin: &str, tenant: Ulid, kid: Kid) -> bool {
        self.known.iter().any(|known| {
            known.origin == origin && known.owner == Owner::Tenant(tenant) && known.key.kid() == kid
        })
    }
}

/// The key that a record introduces and is itself signed with.
fn own_key(record: &Record) -> Option<&PublicKey> {
    let key = match (&record.body, record.actor) {
        (Body::LogGenesis(body), Actor::Operator) => Some(&body.operator_key),
        (Body::TenantRegister(body), Actor::Tenant) => body.key.as_ref(),
        _ => None,
    };
    key.filter(|key| key.kid() == record.sig.kid)
}
