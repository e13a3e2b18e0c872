//! Whose key signed a record.
//!
//! A record names the key that signed it by its id; that the key belongs to the actor is stated by an earlier record of
//! the same log: `tenant.register`, `agent.register`, `agent.key` or `log.genesis`. A verifier who holds a proof of
//! that record knows the binding; one who holds only the public key trusts whoever gave it to him.
//!
//! Logs are told apart by their origins, as their checkpoints state them: what one log registers says nothing about the
//! records of another, and indices of two logs have no order.

use ledger_format::record::{Actor, AgentId, Body, PublicKey, Record, Ulid};

/// Who a key speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Agent(Ulid, AgentId),
    Tenant(Ulid),
    Operator,
}

/// A key, and what ties it to its owner.
#[derive(Clone, Debug)]
pub struct Binding {
    key: PublicKey,
    /// `None`: a key that was handed over without proof.
    stated: Option<Statement>,
}

/// What a proven record states about a key.
#[derive(Clone, Debug)]
struct Statement {
    /// The log that it is in.
    origin: String,
    owner: Owner,
    /// Index of the record there.
    index: u64,
    /// Its own signature was checked, too.
    vouched: bool,
}

impl Statement {
    /// It says whose key signed the record at `index` of a log, if `signer` did.
    fn covers(&self, origin: &str, index: u64, signer: Owner) -> bool {
        self.origin == origin && self.index < index && self.owner == signer
    }
}

/// All keys a verifier knows.
#[derive(Clone, Debug, Default)]
pub struct Bindings(Vec<Binding>);

/// What is known about a record's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureFinding {
    /// Valid under a key that a proven record of the same log binds to the actor.
    Bound {
        /// Index of that record.
        index: u64,
        /// Its own signature was checked, too (with the registration of who signed it).
        vouched: bool,
    },
    /// Valid under the key that the record itself introduces: it proves possession, not identity.
    SelfSigned,
    /// Valid under a key the caller gave; nothing here proves whose it is.
    GivenKey,
    /// Not checked: no key with this id is known in this log.
    Unchecked,
}

impl SignatureFinding {
    /// The signature itself was verified.
    pub fn is_checked(&self) -> bool {
        *self != Self::Unchecked
    }

    /// A word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bound { .. } => "bound",
            Self::SelfSigned => "self-signed",
            Self::GivenKey => "given-key",
            Self::Unchecked => "unchecked",
        }
    }
}

impl Bindings {
    /// A key the caller vouches for.
    pub fn give(&mut self, key: PublicKey) {
        self.0.push(Binding { key, stated: None });
    }

    /// Takes the binding that the proven record at `index` of the log `origin` states, if it states one. Registrations
    /// are best added in log order, so that each can vouch for the next.
    ///
    /// # Errors
    /// In words, when the record binds no key or its own signature is known to be wrong.
    pub fn learn(&mut self, origin: &str, index: u64, record: &Record) -> Result<(), String> {
        let vouched = self.judge(origin, index, record)?.is_checked();
        let (owner, key) = match &record.body {
            Body::LogGenesis(b) => (Owner::Operator, &b.operator_key),
            Body::TenantRegister(b) => {
                let key = b.key.as_ref().ok_or("this tenant.register names no key")?;
                (Owner::Tenant(record.tenant), key)
            }
            Body::AgentRegister(b) => (Owner::Agent(record.tenant, b.agent), &b.key),
            Body::AgentKey(b) => (Owner::Agent(record.tenant, b.agent), &b.key),
            _ => return Err(format!("a {} record binds no key", record.type_name())),
        };
        let stated = Statement { origin: origin.to_owned(), owner, index, vouched };
        self.0.push(Binding { key: *key, stated: Some(stated) });
        Ok(())
    }

    /// What the known keys say about the signature of the record at `index` of the log `origin`.
    ///
    /// # Errors
    /// In words, when a key of the named id is known and the signature does not verify under it, or when this log proves
    /// that the named key belongs to somebody else.
    pub fn judge(&self, origin: &str, index: u64, record: &Record) -> Result<SignatureFinding, String> {
        if let Some(key) = own_key(record) {
            record.verify_signature(key).map_err(|e| e.to_string())?;
            return Ok(SignatureFinding::SelfSigned);
        }
        let signer = match record.actor {
            Actor::Agent(agent) => Owner::Agent(record.tenant, agent),
            Actor::Tenant => Owner::Tenant(record.tenant),
            Actor::Operator => Owner::Operator,
        };
        let named = || self.0.iter().filter(|b| b.key.kid() == record.sig.kid);
        let stated = || named().filter_map(|b| Some((b, b.stated.as_ref()?)));
        let (key, finding) = if let Some((b, s)) = stated().find(|(_, s)| s.covers(origin, index, signer)) {
            (&b.key, SignatureFinding::Bound { index: s.index, vouched: s.vouched })
        } else if let Some(given) = named().find(|b| b.stated.is_none()) {
            (&given.key, SignatureFinding::GivenKey)
        } else if let Some((_, other)) = stated().find(|(_, s)| s.origin == origin) {
            return Err(format!(
                "key {} signed, which entry {} binds to somebody else or only later",
                record.sig.kid, other.index
            ));
        } else {
            return Ok(SignatureFinding::Unchecked);
        };
        record.verify_signature(key).map_err(|e| e.to_string())?;
        Ok(finding)
    }

    /// The caller gave keys, without proof, that should have signed.
    pub fn has_given_keys(&self) -> bool {
        self.0.iter().any(|b| b.stated.is_none())
    }
}

/// The key a record introduces and is itself signed with.
fn own_key(record: &Record) -> Option<&PublicKey> {
    let key = match (&record.body, record.actor) {
        (Body::LogGenesis(b), Actor::Operator) => Some(&b.operator_key),
        (Body::TenantRegister(b), Actor::Tenant) => b.key.as_ref(),
        _ => None,
    };
    key.filter(|k| k.kid() == record.sig.kid)
}
