//! `log.genesis`: entry 0, what this log is and by which rules its state is computed.

use super::body::{ActorKind, FieldInfo, TypeInfo};
use super::fields::{self, SCOPES_MAX};
use super::json::{JsonError, Reader, Reason, Writer};
use super::keys::PublicKey;
use super::kinds::number;
use crate::checkpoint::{Checkpoint, ORIGIN_BYTES_MAX};
use crate::note::{Note, SignatureType, Vkey};
use crate::policy::Policy;

/// Most log keys in one genesis.
pub const LOG_KEYS_MAX: usize = 8;

/// Longest witness policy, in bytes.
pub const POLICY_BYTES_MAX: usize = 16 * 1024;

/// Longest last checkpoint of a predecessor, in bytes: a dozen ML-DSA cosignatures do not fit, dozens of Ed25519 do.
pub const PREDECESSOR_BYTES_MAX: usize = 8 * 1024;

/// Deepest tree of agents that any log may allow.
pub const AGENT_DEPTH_MAX: u64 = 8;

/// Most agents below one agent that any log may allow: a kill marks all of them in one step.
pub const AGENT_DESCENDANTS_MAX: u64 = 100_000;

/// Facts for documents and tests.
pub(super) const INFO: TypeInfo = TypeInfo {
    name: "log.genesis",
    about: "",
    actors: &[ActorKind::Operator],
    fields: &[
        FieldInfo::required("limits"),
        FieldInfo::required("limits.agent_depth"),
        FieldInfo::required("limits.agent_descendants"),
        FieldInfo::required("limits.agent_scopes"),
        FieldInfo::required("limits.record_bytes"),
        FieldInfo::required("log_keys"),
        FieldInfo::required("operator_key"),
        FieldInfo::required("origin"),
        FieldInfo::required("policy"),
        FieldInfo::optional("predecessor"),
        FieldInfo::required("trust_algorithm"),
    ],
};

/// Body of `log.genesis`. Its `tenant` is all zeros, and the operator key that it names signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogGenesis {
    /// Bounds that `apply` enforces in this log.
    pub limits: GenesisLimits,
    /// The log's verifier keys (`name+hash+key`, Ed25519); each is named after the origin.
    pub log_keys: Vec<String>,
    /// The key that signs for clients which cannot.
    pub operator_key: PublicKey,
    /// First line of every checkpoint of this log.
    pub origin: String,
    /// The witness policy in force from the beginning (tlog-policy text).
    pub policy: String,
    /// The last good checkpoint of another log, which this one follows because entries of that one were lost: the
    /// signed note, byte for byte.
    pub predecessor: Option<String>,
    /// Which algorithm computes trust scores.
    pub trust_algorithm: String,
}

/// Bounds of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenesisLimits {
    /// Longest chain of parents; an agent without a parent has depth 0.
    pub agent_depth: u64,
    /// Most agents below one agent, at all levels.
    pub agent_descendants: u64,
    /// Most scopes, and most denies, of one agent.
    pub agent_scopes: u64,
    /// Longest record, in bytes.
    pub record_bytes: u64,
}

impl Default for GenesisLimits {
    fn default() -> Self {
        Self {
            agent_depth: AGENT_DEPTH_MAX,
            agent_descendants: 10_000,
            agent_scopes: 64,
            record_bytes: super::RECORD_BYTES_MAX as u64,
        }
    }
}

impl LogGenesis {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut limits, mut log_keys, mut operator_key) = (None, None, None);
        let (mut origin, mut policy, mut predecessor, mut trust_algorithm) = (None, None, None, None);
        r.object(|r, key| {
            match key {
                "limits" => limits = Some(GenesisLimits::read(r)?),
                "log_keys" => log_keys = Some(read_log_keys(r)?),
                "operator_key" => operator_key = Some(fields::public_key(r)?),
                "origin" => origin = Some(read_origin(r)?),
                "policy" => policy = Some(read_policy(r)?),
                "predecessor" => predecessor = Some(read_predecessor(r)?),
                "trust_algorithm" => trust_algorithm = Some(fields::algorithm(r)?),
                _ => return fields::unknown(r),
            }
            Ok(())
        })?;
        let body = Self {
            limits: r.required("limits", limits)?,
            log_keys: r.required("log_keys", log_keys)?,
            operator_key: r.required("operator_key", operator_key)?,
            origin: r.required("origin", origin)?,
            policy: r.required("policy", policy)?,
            predecessor,
            trust_algorithm: r.required("trust_algorithm", trust_algorithm)?,
        };
        body.check_log_keys(r)?;
        body.check_predecessor(r)?;
        Ok(body)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.open_object();
        w.key("limits");
        self.limits.write(w);
        w.key("log_keys");
        w.open_array();
        self.log_keys.iter().for_each(|key| w.string(key));
        w.close_array();
        w.text_field("operator_key", &self.operator_key.to_string());
        w.text_field("origin", &self.origin);
        w.text_field("policy", &self.policy);
        fields::write_optional(w, "predecessor", self.predecessor.as_deref());
        w.text_field("trust_algorithm", &self.trust_algorithm);
        w.close_object();
    }

    /// Every log key is an Ed25519 note key of this origin.
    fn check_log_keys(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        for (i, text) in self.log_keys.iter().enumerate() {
            if !is_log_key(text, &self.origin) {
                let rule = "an ed25519 verifier key whose name is the origin";
                return Err(r.field_error(&format!("log_keys[{i}]"), Reason::Invalid { rule }));
            }
        }
        Ok(())
    }

    /// A log does not follow itself: what has lost entries goes on under another origin.
    fn check_predecessor(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        let origin = self.predecessor.as_deref().and_then(|note| note.lines().next());
        if origin == Some(self.origin.as_str()) {
            let rule = "a checkpoint of another origin";
            return Err(r.field_error("predecessor", Reason::Invalid { rule }));
        }
        Ok(())
    }
}

impl GenesisLimits {
    fn read(r: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut agent_depth, mut agent_descendants, mut agent_scopes, mut record_bytes) =
            (None, None, None, None);
        r.object(|r, key| {
            match key {
                "agent_depth" => agent_depth = Some(number(r, 0, AGENT_DEPTH_MAX, "0 to 8")?),
                "agent_descendants" => {
                    agent_descendants = Some(number(r, 0, AGENT_DESCENDANTS_MAX, "0 to 100000")?);
                }
                "agent_scopes" => agent_scopes = Some(number(r, 1, SCOPES_MAX as u64, "1 to 256")?),
                "record_bytes" => {
                    record_bytes = Some(number(r, 4_096, super::RECORD_BYTES_MAX as u64, "4096 to 65502")?);
                }
                _ => return fields::unknown(r),
            }
            Ok(())
        })?;
        Ok(Self {
            agent_depth: r.required("agent_depth", agent_depth)?,
            agent_descendants: r.required("agent_descendants", agent_descendants)?,
            agent_scopes: r.required("agent_scopes", agent_scopes)?,
            record_bytes: r.required("record_bytes", record_bytes)?,
        })
    }

    fn write(&self, w: &mut Writer) {
        w.open_object();
        w.unsigned_field("agent_depth", self.agent_depth);
        w.unsigned_field("agent_descendants", self.agent_descendants);
        w.unsigned_field("agent_scopes", self.agent_scopes);
        w.unsigned_field("record_bytes", self.record_bytes);
        w.close_object();
    }
}

pub(super) fn read_origin(r: &mut Reader<'_>) -> Result<String, JsonError> {
    let rule = "1 to 255 bytes without white space, control characters and plus signs";
    fields::read_with(r, rule, |text| {
        let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
        (plain && (1..=ORIGIN_BYTES_MAX).contains(&text.len())).then(|| text.to_owned())
    })
}

fn read_log_keys(r: &mut Reader<'_>) -> Result<Vec<String>, JsonError> {
    let (start, mut keys) = (r.offset(), Vec::new());
    r.array(|r, place| {
        let start = r.offset();
        if place == LOG_KEYS_MAX {
            return Err(r.error(start, Reason::Invalid { rule: "a list of 1 to 8 keys" }));
        }
        let key = fields::lines(r, 2 * ORIGIN_BYTES_MAX, "a verifier key: name+hash+key")?;
        if keys.contains(&key) {
            return Err(r.error(start, Reason::Invalid { rule: "a key that is not in the list yet" }));
        }
        keys.push(key);
        Ok(())
    })?;
    if keys.is_empty() {
        return Err(r.error(start, Reason::Invalid { rule: "a list of 1 to 8 keys" }));
    }
    Ok(keys)
}

pub(super) fn read_policy(r: &mut Reader<'_>) -> Result<String, JsonError> {
    let start = r.offset();
    let rule = "a tlog-policy text of at most 16384 bytes";
    let text = fields::lines(r, POLICY_BYTES_MAX, rule)?;
    if Policy::parse(&text).is_ok() { Ok(text) } else { Err(r.error(start, Reason::Invalid { rule })) }
}

fn read_predecessor(r: &mut Reader<'_>) -> Result<String, JsonError> {
    let start = r.offset();
    let rule = "a signed checkpoint of at least one entry, at most 8192 bytes";
    let text = fields::lines(r, PREDECESSOR_BYTES_MAX, rule)?;
    let checkpoint = Note::parse(text.as_bytes()).ok().and_then(|note| Checkpoint::parse(note.text()).ok());
    match checkpoint {
        Some(checkpoint) if checkpoint.size > 0 => Ok(text),
        _ => Err(r.error(start, Reason::Invalid { rule })),
    }
}

fn is_log_key(text: &str, origin: &str) -> bool {
    Vkey::parse(text).is_ok_and(|key| key.name() == origin && key.signature_type() == SignatureType::Ed25519)
}
