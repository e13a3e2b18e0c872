//! Agreements between tenants and the weight of their attestations: `federation.agree`, `federation.end`.

use std::rc::Rc;

use ledger_format::record::{FederationAgree, FederationEnd, Kid, Record, RecordHash, Scope, TenantId, Ulid};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::fields::value;
use crate::keys;
use crate::rejection::{Code, Rejection};
use crate::scores::{Number, tenant_name};
use crate::subject::Subject;
use crate::trust::{DAY_MS, What};
use crate::view::{View, load};

/// Full weight, of a federation seed.
const SEED_WEIGHT_Q12: u64 = 4_096;
/// Weight of a tenant that a seed has an agreement with.
const ACCEPTED_WEIGHT_Q12: u64 = 2_048;
/// How old such a tenant must be, in days of log time.
const ACCEPTED_AGE_DAYS: u64 = 30;

value! {
    /// An agreement that lets grants pass between two tenants.
    pub Agreement {
        /// The tenant whose record it is.
        tenant: Ulid,
        /// The other one.
        peer: TenantId,
        /// The log where the peer's records are; `None`: this log.
        origin: Option<String>,
        /// The peer's root key.
        peer_kid: Kid,
        /// What grants may be about. Sorted.
        scopes: Vec<Scope>,
        /// Tenants that a grant may pass through after the receiving one.
        hops: u64,
        /// Longest life of a grant, in minutes.
        ttl_min: u64,
        /// Log time at which it ends, ms since 1970.
        expires_at: u64,
        /// Index of its record.
        index: u64,
        /// Index of the record that ended it.
        ended: Option<u64>,
    }
}

impl Agreement {
    /// Whether it is in force at that log time.
    pub fn is_live(&self, log_ms: u64) -> bool {
        self.ended.is_none() && log_ms < self.expires_at
    }

    /// Whether it is between these two; `origin` is where the second one's records are.
    pub fn is_between(&self, a: Ulid, b: Ulid, origin: Option<&str>) -> bool {
        let (tenant, peer) = (self.tenant, self.peer.0);
        let same_log = self.origin.is_none() && origin.is_none();
        (tenant == a && peer == b && self.origin.as_deref() == origin)
            || (same_log && tenant == b && peer == a)
    }
}

pub(crate) fn agree<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &FederationAgree,
    hash: RecordHash,
) -> Result<(), Stop> {
    let refuse = |code, field: &str, message: String, fix: &str| Rejection::new(code, field, message, fix);
    batch.tenant(record.tenant)?;
    let own_origin = batch.genesis()?.origin.clone();
    let origin = body.origin.clone().filter(|origin| *origin != own_origin);
    if body.peer.0 == record.tenant && origin.is_none() {
        let fix = "name the other tenant";
        return Err(refuse(
            Code::TenantUnknown,
            "body.peer",
            "a tenant does not agree with itself".into(),
            fix,
        )
        .into());
    }
    if origin.is_none() {
        let unknown = || {
            let message = format!("tenant {} is not registered in this log", body.peer);
            refuse(Code::TenantUnknown, "body.peer", message, "register it, or name its log in origin")
        };
        let peer = batch.find_tenant(body.peer.0)?.ok_or_else(unknown)?;
        if peer.key.is_none_or(|key| key.public != *body.peer_key.as_bytes()) {
            let message = "it is not the peer's root key".into();
            return Err(refuse(
                Code::KeyNotValid,
                "body.peer_key",
                message,
                "name the peer's current root key",
            )
            .into());
        }
    }
    let now = batch.service.log_ms;
    if body.expires_at <= now {
        let message = format!("it would end at {}, and the log's time is {now}", body.expires_at);
        return Err(refuse(Code::ExpiresTooSoon, "body.expires_at", message, "name a later time").into());
    }
    let agreement = Agreement {
        tenant: record.tenant,
        peer: body.peer,
        origin,
        peer_kid: body.peer_key.kid(),
        scopes: body.scopes.clone(),
        hops: body.hops,
        ttl_min: body.ttl_min,
        expires_at: body.expires_at,
        index: batch.next_index(),
        ended: None,
    };
    let is_local = agreement.origin.is_none();
    batch.put_agreement(hash, agreement)?;
    if is_local {
        batch.put(keys::agreement_between(record.tenant, body.peer.0), Newest { hash });
        batch.refresh_weight(record.tenant)?;
        batch.refresh_weight(body.peer.0)?;
    }
    Ok(())
}

pub(crate) fn end<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &FederationEnd,
) -> Result<(), Stop> {
    let refuse = |code, message: String, fix: &str| Rejection::new(code, "body.agreement", message, fix);
    let unknown = || {
        let message = format!("tenant {} has no agreement {}", record.tenant, body.agreement);
        refuse(Code::AgreementUnknown, message, "name the hash of the federation.agree record")
    };
    let agreement = batch.agreement(body.agreement)?.ok_or_else(unknown)?;
    let (tenant, peer, is_local) = (agreement.tenant, agreement.peer.0, agreement.origin.is_none());
    if record.tenant != tenant && !(is_local && record.tenant == peer) {
        return Err(unknown().into());
    }
    if !agreement.is_live(batch.service.log_ms) {
        let message = format!("agreement {} has ended", body.agreement);
        return Err(refuse(Code::AgreementEnded, message, "nothing is left to do").into());
    }
    let ended = Some(batch.next_index());
    batch.put_agreement(body.agreement, Agreement { ended, ..Rc::unwrap_or_clone(agreement) })?;
    batch.seal_now = true;
    if is_local {
        batch.refresh_weight(tenant)?;
        batch.refresh_weight(peer)?;
    }
    Ok(())
}

/// The newest agreement of two tenants of this log, in force or not, with the hash of its record.
pub fn newest_agreement(view: &(impl View + ?Sized), a: Ulid, b: Ulid) -> Option<(RecordHash, Agreement)> {
    let newest: Newest = load(view, &keys::agreement_between(a, b)).ok().flatten()?;
    let agreement = load(view, &keys::agreement(newest.hash)).ok().flatten()?;
    Some((newest.hash, agreement))
}

value! {
    /// The newest agreement of two tenants.
    Newest {
        /// Its record's hash.
        hash: RecordHash,
    }
}

impl<V: View + ?Sized> Batch<'_, V> {
    pub(crate) fn agreement(&mut self, hash: RecordHash) -> Result<Option<Rc<Agreement>>, Alarm> {
        self.get(keys::agreement(hash))
    }

    fn put_agreement(&mut self, hash: RecordHash, agreement: Agreement) -> Result<(), Alarm> {
        self.put(keys::agreement(hash), agreement);
        self.mark_dirty(Subject::Agreement(hash))
    }

    /// Tells trust what the tenant's attestations weigh now, if that has changed.
    pub(crate) fn refresh_weight(&mut self, tenant: Ulid) -> Result<(), Alarm> {
        let weight_q12 = self.weight_of(tenant)?;
        let before = self.get::<Number>(keys::tenant_weight(tenant))?.map_or(0, |number| number.value);
        if weight_q12 == before {
            return Ok(());
        }
        self.observe(What::TenantWeight { tenant: tenant_name(tenant), weight_q12 })
    }

    fn weight_of(&mut self, id: Ulid) -> Result<u64, Alarm> {
        let Some(tenant) = self.find_tenant(id)?.filter(|tenant| tenant.is_active()) else { return Ok(0) };
        let seeds = self.seeds()?;
        if seeds.binary_search(&TenantId(id)).is_ok() {
            return Ok(SEED_WEIGHT_Q12);
        }
        let now = self.service.log_ms;
        if now < tenant.registered_ms.saturating_add(ACCEPTED_AGE_DAYS * DAY_MS) {
            return Ok(0);
        }
        for seed in seeds {
            let Some(newest) = self.get::<Newest>(keys::agreement_between(seed.0, id))? else { continue };
            if self.agreement(newest.hash)?.is_some_and(|agreement| agreement.is_live(now)) {
                return Ok(ACCEPTED_WEIGHT_Q12);
            }
        }
        Ok(0)
    }
}
