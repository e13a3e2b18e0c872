//! Values about the log as a whole and about single entries.

use ledger_format::record::{AgentId, GenesisLimits, Kid, RecordHash, Ulid};
use ledger_format::{Frontier, Hash};

use super::{SignerKey, VERSION, Value};
use crate::codec::{DecodeError, Decoder, Encoder};

/// The tree, as far as appending and the root need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Size and the roots of the full subtrees.
    pub frontier: Frontier,
    /// The log's time in the last entry, ms since 1970.
    pub last_at: u64,
}

impl Value for Tree {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, 32 * self.frontier.hashes().len() + 24);
        e.integer(self.frontier.size()).integer(self.last_at);
        for hash in self.frontier.hashes() {
            e.fixed(&hash.0);
        }
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let (size, last_at) = (d.integer()?, d.integer()?);
        let hashes: Result<Vec<_>, _> = (0..size.count_ones()).map(|_| d.fixed().map(Hash)).collect();
        let frontier = Frontier::from_parts(size, hashes?).ok_or(DecodeError::Invalid("frontier"))?;
        d.finish()?;
        Ok(Self { frontier, last_at })
    }
}

/// What follows from commands and not from entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The log's time, ms since 1970: the largest that any command brought.
    pub log_ms: u64,
    /// Checkpoints that were not published because they broke rule S5.
    pub publishes_ignored: u64,
}

impl Value for Service {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, 20);
        e.integer(self.log_ms).integer(self.publishes_ignored);
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let value = Self { log_ms: d.integer()?, publishes_ignored: d.integer()? };
        d.finish()?;
        Ok(value)
    }
}

/// What entry 0 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// First line of every checkpoint.
    pub origin: String,
    /// Verifier keys of the log at its beginning; see [`super::LogKeys`] for those in force.
    pub log_keys: Vec<String>,
    /// The key that signs for clients which cannot.
    pub operator: SignerKey,
    /// The witness policy (tlog-policy text).
    pub policy: String,
    /// The last good checkpoint of the log that this one follows, as a signed note.
    pub predecessor: Option<String>,
    /// Which algorithm computes trust scores.
    pub trust_algorithm: String,
    /// Bounds of this log.
    pub limits: GenesisLimits,
}

impl Value for Genesis {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, self.policy.len() + 512);
        e.text(&self.origin).integer(self.log_keys.len() as u64);
        for key in &self.log_keys {
            e.text(key);
        }
        self.operator.write(&mut e);
        let limits = &self.limits;
        e.text(&self.policy).text(&self.trust_algorithm);
        e.optional(self.predecessor.as_deref(), |e, note| {
            e.text(note);
        });
        e.integer(limits.agent_depth).integer(limits.agent_descendants);
        e.integer(limits.agent_scopes).integer(limits.record_bytes);
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let origin = d.text()?;
        let count = d.count(ledger_format::record::LOG_KEYS_MAX)?;
        let log_keys = (0..count).map(|_| d.text()).collect::<Result<_, _>>()?;
        let operator = SignerKey::read(&mut d)?;
        let (policy, trust_algorithm) = (d.text()?, d.text()?);
        let predecessor = d.optional(Decoder::text)?;
        let (agent_depth, agent_descendants) = (d.integer()?, d.integer()?);
        let (agent_scopes, record_bytes) = (d.integer()?, d.integer()?);
        d.finish()?;
        let limits = GenesisLimits { agent_depth, agent_descendants, agent_scopes, record_bytes };
        Ok(Self { origin, log_keys, operator, policy, predecessor, trust_algorithm, limits })
    }
}

/// Where a record is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordAt {
    /// Its index.
    pub index: u64,
    /// The log's time in its entry, ms since 1970.
    pub log_ms: u64,
    /// Its hash.
    pub hash: RecordHash,
    /// The leaf hash of its entry.
    pub leaf: Hash,
    /// The agent whose receipt it is; `None` for other records.
    pub receipt_of: Option<AgentId>,
}

impl Value for RecordAt {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, 80);
        e.integer(self.index).integer(self.log_ms).fixed(&self.hash.0).fixed(&self.leaf.0);
        e.optional(self.receipt_of, |e, agent| {
            e.fixed(&agent.0.to_bytes());
        });
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let (index, log_ms) = (d.integer()?, d.integer()?);
        let (hash, leaf) = (RecordHash(d.fixed()?), Hash(d.fixed()?));
        let receipt_of = d.optional(|d| d.fixed().map(|id| AgentId(Ulid::from_bytes(id))))?;
        let value = Self { index, log_ms, hash, leaf, receipt_of };
        d.finish()?;
        Ok(value)
    }
}

/// What the log noticed about an entry that it took all the same: evidence is never refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// Nothing.
    pub const NONE: Flags = Flags(0);
    /// The action is within none of the agent's scopes.
    pub const OUT_OF_SCOPE: Flags = Flags(1);
    /// The action is one that the agent was denied.
    pub const DENIED: Flags = Flags(2);
    /// `prev` is not the hash of the record that the same agent signed before.
    pub const PREV_MISMATCH: Flags = Flags(4);

    /// The session that it names had ended.
    pub const SESSION_ENDED: Flags = Flags(8);
    /// The session that it names is not the agent's.
    pub const SESSION_UNKNOWN: Flags = Flags(16);
    /// The agent was suspended.
    pub const SUSPENDED: Flags = Flags(32);

    /// The grant that it names is not the agent's, or its key is another.
    pub const GRANT_UNKNOWN: Flags = Flags(64);
    /// The grant that it names did not hold.
    pub const GRANT_ENDED: Flags = Flags(128);
    /// It goes beyond what the grant, or whoever grants, has.
    pub const GRANT_EXCEEDED: Flags = Flags(256);
    /// The agent acts under grants only, and it names none.
    pub const NO_GRANT: Flags = Flags(512);
    /// It needed an approval and has none that is good for it.
    pub const NO_APPROVAL: Flags = Flags(1024);
    /// The decision that it names does not allow it.
    pub const DECISION_MISMATCH: Flags = Flags(2048);

    /// It brought trust in the agent below what its tenant watches.
    pub const TRUST_ALERT: Flags = Flags(4096);
    /// It brought trust in the agent so low that the agent is suspended from here on.
    pub const TRUST_SUSPENDED: Flags = Flags(8192);

    const NAMES: [(Flags, &'static str); 14] = [
        (Flags::OUT_OF_SCOPE, "out_of_scope"),
        (Flags::DENIED, "denied"),
        (Flags::PREV_MISMATCH, "prev_mismatch"),
        (Flags::SESSION_ENDED, "session_ended"),
        (Flags::SESSION_UNKNOWN, "session_unknown"),
        (Flags::SUSPENDED, "suspended"),
        (Flags::GRANT_UNKNOWN, "grant_unknown"),
        (Flags::GRANT_ENDED, "grant_ended"),
        (Flags::GRANT_EXCEEDED, "grant_exceeded"),
        (Flags::NO_GRANT, "no_grant"),
        (Flags::NO_APPROVAL, "no_approval"),
        (Flags::DECISION_MISMATCH, "decision_mismatch"),
        (Flags::TRUST_ALERT, "trust_alert"),
        (Flags::TRUST_SUSPENDED, "trust_suspended"),
    ];

    /// Both.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set.
    pub fn has_any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether none is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The words for documents and answers.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }

    /// Every word.
    pub fn all_names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().map(|(_, name)| name)
    }
}

impl Value for Flags {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(VERSION, 6);
        e.integer(u64::from(self.0));
        e.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, VERSION)?;
        let bits = u32::try_from(d.integer()?).map_err(|_| DecodeError::Invalid("flags"))?;
        d.finish()?;
        Ok(Self(bits))
    }
}

impl SignerKey {
    pub(crate) fn write(&self, e: &mut Encoder) {
        e.fixed(&self.public).fixed(&self.kid.0).integer(self.from);
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { public: d.fixed()?, kid: Kid(d.fixed()?), from: d.integer()? })
    }
}
