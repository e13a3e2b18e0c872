//! Agents, their keys over time, and the chains of their receipts.

use ledger_format::record::{AgentId, AgentType, Kid, RecordHash, SCOPES_MAX, Scope, Ulid};

use ledger_format::Hash;

use super::{VERSION, Value};
use crate::codec::{DecodeError, Decoder, Encoder};

/// A public key that signs now. Its 32 bytes were checked when they came in; they are kept raw, because turning them
/// back into a point costs more than all the rest of applying a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerKey {
    /// The Ed25519 public key.
    pub public: [u8; 32],
    /// Its fingerprint.
    pub kid: Kid,
    /// First index at which it is valid.
    pub from: u64,
}

/// A registered agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The tenant it belongs to.
    pub tenant: Ulid,
    /// How much it acts by itself.
    pub agent_type: AgentType,
    /// What people call it.
    pub name: String,
    /// What kind of program it is.
    pub runtime_type: Option<String>,
    /// What it may do. Sorted.
    pub scopes: Vec<Scope>,
    /// What it must not do. Sorted.
    pub denies: Vec<Scope>,
    /// Actions for which it needs an approval, if it is supervised. Sorted.
    pub critical: Vec<Scope>,
    /// The agent above.
    pub parent: Option<AgentId>,
    /// Length of the chain of parents.
    pub depth: u64,
    /// Agents directly below, revoked ones included; numbered from 0 under the keys `c`.
    pub children: u64,
    /// Agents below at all levels, revoked ones included.
    pub descendants: u64,
    /// The key that signs now, or signed last.
    pub key: SignerKey,
    /// Index of its registration.
    pub registered: u64,
    /// Its sessions that began before this index have ended with a suspension or for good; 0 without any.
    pub sessions_end: u64,
    /// Whether it may act.
    pub status: AgentStatus,
}

/// Whether an agent may act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentStatus {
    /// It may.
    Active,
    /// From `index` on it may not, until it is reactivated.
    Suspended {
        /// Index of the `agent.suspend`.
        index: u64,
        /// The log's time there, ms since 1970.
        at: u64,
        /// The reason in that record.
        reason: String,
    },
    /// From `index` on it may not.
    Revoked {
        /// Whether the kill switch did it.
        killed: bool,
        /// Index of the `agent.revoke` or `agent.kill` that ended it.
        index: u64,
        /// The log's time there, ms since 1970.
        at: u64,
        /// The agent named in that record: this one, or one above.
        cause: AgentId,
        /// The reason in that record.
        reason: String,
        /// When the revoker believes that it fell into foreign hands, ms since 1970.
        compromised_at: Option<u64>,
    },
}

impl Agent {
    /// Whether the agent may act now.
    pub fn is_active(&self) -> bool {
        self.status == AgentStatus::Active
    }

    /// Whether it has ended for good.
    pub fn is_revoked(&self) -> bool {
        matches!(self.status, AgentStatus::Revoked { .. })
    }

    /// Whether the kill switch ended it.
    pub fn is_killed(&self) -> bool {
        matches!(self.status, AgentStatus::Revoked { killed: true, .. })
    }
}

impl Value for Agent {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, 256);
        e.fixed(&self.tenant.to_bytes()).byte(type_tag(self.agent_type)).text(&self.name);
        e.optional(self.runtime_type.as_deref(), |e, text| {
            e.text(text);
        });
        for list in [&self.scopes, &self.denies, &self.critical] {
            e.integer(list.len() as u64);
            for scope in list {
                e.text(scope.as_str());
            }
        }
        e.optional(self.parent, |e, parent| {
            e.fixed(&parent.0.to_bytes());
        });
        e.integer(self.depth).integer(self.children).integer(self.descendants);
        self.key.write(&mut e);
        e.integer(self.registered).integer(self.sessions_end);
        write_status(&mut e, &self.status);
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let tenant = Ulid::from_bytes(d.fixed()?);
        let agent_type =
            *AgentType::ALL.get(usize::from(d.byte()?)).ok_or(DecodeError::Invalid("agent type"))?;
        let name = d.text()?;
        let runtime_type = d.optional(Decoder::text)?;
        let (scopes, denies, critical) = (read_scopes(&mut d)?, read_scopes(&mut d)?, read_scopes(&mut d)?);
        let parent = d.optional(read_agent_id)?;
        let (depth, children, descendants) = (d.integer()?, d.integer()?, d.integer()?);
        let key = SignerKey::read(&mut d)?;
        let (registered, sessions_end) = (d.integer()?, d.integer()?);
        let status = read_status(&mut d)?;
        d.finish()?;
        Ok(Self {
            tenant,
            agent_type,
            name,
            runtime_type,
            scopes,
            denies,
            critical,
            parent,
            depth,
            children,
            descendants,
            key,
            registered,
            sessions_end,
            status,
        })
    }
}

/// Place in [`AgentType::ALL`], which only ever grows at its end.
fn type_tag(agent_type: AgentType) -> u8 {
    let place = AgentType::ALL.iter().position(|&t| t == agent_type).expect("every type is listed");
    u8::try_from(place).expect("few types")
}

fn read_agent_id(d: &mut Decoder<'_>) -> Result<AgentId, DecodeError> {
    Ok(AgentId(Ulid::from_bytes(d.fixed()?)))
}

fn read_scopes(d: &mut Decoder<'_>) -> Result<Vec<Scope>, DecodeError> {
    let count = d.count(SCOPES_MAX)?;
    (0..count).map(|_| Scope::parse(&d.text()?).ok_or(DecodeError::Invalid("scope"))).collect()
}

fn write_status(e: &mut Encoder, status: &AgentStatus) {
    match status {
        AgentStatus::Active => {
            e.byte(0);
        }
        AgentStatus::Revoked { killed, index, at, cause, reason, compromised_at } => {
            e.byte(if *killed { 3 } else { 1 }).integer(*index).integer(*at);
            e.fixed(&cause.0.to_bytes()).text(reason).optional(*compromised_at, |e, at| {
                e.integer(at);
            });
        }
        AgentStatus::Suspended { index, at, reason } => {
            e.byte(2).integer(*index).integer(*at).text(reason);
        }
    }
}

fn read_status(d: &mut Decoder<'_>) -> Result<AgentStatus, DecodeError> {
    Ok(match d.byte()? {
        0 => AgentStatus::Active,
        tag @ (1 | 3) => AgentStatus::Revoked {
            killed: tag == 3,
            index: d.integer()?,
            at: d.integer()?,
            cause: read_agent_id(d)?,
            reason: d.text()?,
            compromised_at: d.optional(Decoder::integer)?,
        },
        2 => AgentStatus::Suspended { index: d.integer()?, at: d.integer()?, reason: d.text()? },
        _ => return Err(DecodeError::Invalid("status")),
    })
}

/// When one key of an agent was valid: at every index from `from` up to and without `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpan {
    /// The Ed25519 public key.
    pub public: [u8; 32],
    /// First index at which it is valid.
    pub from: u64,
    /// First index at which it no longer is; `None` while it is the current one.
    pub until: Option<u64>,
    /// The key before it: the history can be walked backwards from the current key.
    pub previous: Option<Kid>,
    /// Which of the agent's keys it is: 1 for the first.
    pub number: u64,
}

impl KeySpan {
    /// Whether a record at `index` could be signed with this key.
    pub fn is_valid_at(&self, index: u64) -> bool {
        self.from <= index && self.until.is_none_or(|until| index < until)
    }
}

impl Value for KeySpan {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, 72);
        e.fixed(&self.public).integer(self.from);
        e.optional(self.until, |e, until| {
            e.integer(until);
        });
        e.optional(self.previous, |e, kid| {
            e.fixed(&kid.0);
        });
        e.integer(self.number);
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let (public, from) = (d.fixed()?, d.integer()?);
        let until = d.optional(Decoder::integer)?;
        let (previous, number) = (d.optional(|d| d.fixed().map(Kid))?, d.integer()?);
        d.finish()?;
        Ok(Self { public, from, until, previous, number })
    }
}

/// The chain of an agent's receipts: what there is, and a hash that commits to all of it in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Receipts about the agent, whoever signed them.
    pub count: u64,
    /// How many of them are flagged.
    pub flagged: u64,
    /// Hash over all receipts' record hashes in order: see [`Chain::extend`]. Zeros before the first.
    pub head: [u8; 32],
    /// Index of the last receipt.
    pub last: u64,
    /// Hash of the last record, of any type, that the agent signed itself: what its next `prev` should be.
    pub signed: Option<RecordHash>,
}

impl Chain {
    /// Adds a receipt: `head = SHA-256(0x01 || head || record hash)`, the node hash of the tree.
    pub(crate) fn extend(&mut self, record: RecordHash, index: u64, flagged: bool) {
        self.head = ledger_format::node_hash(Hash(self.head), Hash(record.0)).0;
        self.count += 1;
        self.flagged += u64::from(flagged);
        self.last = index;
    }
}

impl Value for Chain {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, 96);
        e.integer(self.count).integer(self.flagged).fixed(&self.head).integer(self.last);
        e.optional(self.signed, |e, hash| {
            e.fixed(&hash.0);
        });
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let (count, flagged, head, last) = (d.integer()?, d.integer()?, d.fixed()?, d.integer()?);
        let signed = d.optional(|d| d.fixed().map(RecordHash))?;
        d.finish()?;
        Ok(Self { count, flagged, head, last, signed })
    }
}
