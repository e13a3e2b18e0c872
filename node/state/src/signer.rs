//! Which key must have signed a record: a question to the state, asked at ingest, in apply, and again in every replay.

use std::collections::BTreeMap;

use ledger_format::record::{Actor, Body, Kid, PublicKey, Record};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::points::{NoPoints, Point, Points, point_of};
use crate::rejection::{Code, Rejection};
use crate::values::SignerKey;
use crate::view::View;

/// Why a signature was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The record is at fault; the sender can mend it.
    #[error("{0}")]
    Rejected(Rejection),
    /// The state is damaged: the node must stop.
    #[error("{0}")]
    Corrupt(Alarm),
}

impl From<Stop> for SignatureFault {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Rejected(rejection) => SignatureFault::Rejected(rejection),
            Stop::Halt(alarm) => SignatureFault::Corrupt(alarm),
        }
    }
}

/// Finds the public key that must have signed `record`, as of the state in `view`.
///
/// | actor | key |
/// |---|---|
/// | operator | of the genesis; in `log.genesis` the one in its body |
/// | tenant | the tenant's root key; in `tenant.register` the one in its body |
/// | agent | the agent's current key |
///
/// The state may change between this answer and the record's index: apply checks again, by fingerprint.
pub fn signer_key(view: &(impl View + ?Sized), record: &Record) -> Result<SignerKey, SignatureFault> {
    let mut batch = Batch::new(view).map_err(SignatureFault::Corrupt)?;
    Ok(signer(&mut batch, record)?)
}

/// Checks the signature of a parsed record against the state in `view`. For ingest and for replay; costs one strict Ed25519
/// verification (about 40 µs). For many records at once: [`SignatureChecker`].
pub fn check_signature(view: &(impl View + ?Sized), record: &Record) -> Result<(), SignatureFault> {
    SignatureChecker::new(view)?.check(record)
}

/// Checks the signatures of records that arrive together, against one moment of the state.
///
/// Each signer is looked up once. Records may follow each other: a receipt may be signed with the key that an earlier record of the
/// same batch registers, before the log has either of them. That is safe because apply compares fingerprints: whatever key
/// verified a signature here, the record is logged only if it names the key that is valid at its index.
pub struct SignatureChecker<'v, V: ?Sized> {
    batch: Batch<'v, V>,
    /// Keys as points, by their bytes.
    points: &'v dyn Points,
    /// Keys that earlier records of this batch bring.
    brought: BTreeMap<Kid, PublicKey>,
}

impl<'v, V: View + ?Sized> SignatureChecker<'v, V> {
    /// A checker against the state in `view`.
    pub fn new(view: &'v V) -> Result<Self, SignatureFault> {
        Self::with_points(view, &NoPoints)
    }

    /// A checker that remembers keys as points from one batch to the next.
    pub fn with_points(view: &'v V, points: &'v dyn Points) -> Result<Self, SignatureFault> {
        let batch = Batch::new(view).map_err(SignatureFault::Corrupt)?;
        Ok(Self { batch, points, brought: BTreeMap::new() })
    }

    /// Checks one record.
    pub fn check(&mut self, record: &Record) -> Result<(), SignatureFault> {
        let key = self.key(record)?;
        record.verify_signature(&key).map_err(|error| SignatureFault::Rejected(Rejection::from(&error)))?;
        self.check_rest(record)
    }

    /// As [`SignatureChecker::check`], of a record that whoever asks has signed just now: the signature itself is not verified.
    pub fn check_own(&mut self, record: &Record) -> Result<(), SignatureFault> {
        self.key(record)?;
        self.check_rest(record)
    }

    fn key(&mut self, record: &Record) -> Result<Point, SignatureFault> {
        match check_kid(&mut self.batch, record) {
            Ok(key) => point_of(self.points, &key).map_err(SignatureFault::Corrupt),
            Err(Stop::Rejected(rejection)) => {
                let brought = self.brought.get(&record.sig.kid).copied();
                brought.map(Point::Decoded).ok_or(SignatureFault::Rejected(rejection))
            }
            Err(Stop::Halt(alarm)) => Err(SignatureFault::Corrupt(alarm)),
        }
    }

    fn check_rest(&mut self, record: &Record) -> Result<(), SignatureFault> {
        check_second_signature(record).map_err(SignatureFault::Rejected)?;
        let brings = match &record.body {
            Body::TenantRegister(body) => body.key,
            Body::AgentRegister(body) => Some(body.key),
            Body::AgentKey(body) => Some(body.key),
            Body::TenantKey(body) => Some(body.key),
            _ => None,
        };
        self.brought.extend(brings.map(|key| (key.kid(), key)));
        Ok(())
    }
}

/// An agreement has two signatures.
pub(crate) fn check_second_signature(record: &Record) -> Result<(), Rejection> {
    let Body::FederationAgree(body) = &record.body else { return Ok(()) };
    body.verify_peer(record.tenant).map_err(|_| {
        let message = "it does not verify under peer_key";
        let fix = "let the peer sign the agreed bytes";
        Rejection::new(Code::BadSignature, "body.peer_sig.value", message, fix)
    })
}

/// Checks that the record names the key that is valid for its signer at the next index.
pub(crate) fn check_kid<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
) -> Result<SignerKey, Stop> {
    let key = signer(batch, record)?;
    if key.kid == record.sig.kid {
        return Ok(key);
    }
    let mut message = format!("{} signs with key {}, not with {}", record.actor, key.kid, record.sig.kid);
    if let Actor::Agent(agent) = record.actor
        && let Some(until) = batch.agent_key(agent, record.sig.kid)?.and_then(|span| span.until)
    {
        message = format!("{message}, which was replaced and is not valid from index {until} on");
    }
    Err(Rejection::new(Code::KeyNotValid, "sig.kid", message, "sign with the current key").into())
}

fn signer<V: View + ?Sized>(batch: &mut Batch<'_, V>, record: &Record) -> Result<SignerKey, Stop> {
    let from = batch.next_index();
    let own = |key: &PublicKey| SignerKey { public: *key.as_bytes(), kid: key.kid(), from };
    match (record.actor, &record.body) {
        (Actor::Operator, Body::LogGenesis(body)) => Ok(own(&body.operator_key)),
        (Actor::Operator, _) => Ok(batch.genesis()?.operator),
        (Actor::Tenant, Body::TenantRegister(body)) => {
            body.key.as_ref().map(own).ok_or_else(|| without_key().into())
        }
        (Actor::Tenant, _) => batch.tenant(record.tenant)?.key.ok_or_else(|| without_key().into()),
        (Actor::Agent(id), _) => Ok(batch.active_agent_of(record.tenant, id, "actor")?.key),
    }
}

fn without_key() -> Rejection {
    let message = "the tenant was registered without a root key";
    Rejection::new(Code::TenantWithoutKey, "actor", message, "let the operator sign on the tenant's behalf")
}
