//! Tenants: `tenant.register`, `.update`, `.key`, `.suspend`, `.reactivate`.

use std::rc::Rc;

use ledger_format::record::{Plan, Record, TenantId, TenantKey, TenantRegister, TenantUpdate, Ulid};

use crate::batch::{Batch, Stop};
use crate::rejection::{Code, Rejection};
use crate::subject::Subject;
use crate::values::{SignerKey, Tenant};
use crate::view::View;

/// Most root keys that a tenant may have had.
const FORMER_KEYS_MAX: usize = 256;

pub(crate) fn register<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &TenantRegister,
) -> Result<(), Stop> {
    if let Some(known) = batch.find_tenant(record.tenant)? {
        let message = format!("tenant {} is registered since index {}", record.tenant, known.registered);
        return Err(Rejection::new(Code::TenantExists, "tenant", message, "make a new tenant id").into());
    }
    let index = batch.next_index();
    let tenant = Tenant {
        name: body.name.clone(),
        plan: body.plan.unwrap_or(Plan::Developer),
        key: body.key.map(|key| SignerKey { public: *key.as_bytes(), kid: key.kid(), from: index }),
        former_keys: Vec::new(),
        registered: index,
        registered_ms: batch.service.log_ms,
        agents: 0,
        thresholds: None,
        suspended: None,
        sessions_end: 0,
    };
    store(batch, record.tenant, tenant)
}

pub(crate) fn update<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &TenantUpdate,
) -> Result<(), Stop> {
    let mut tenant = Rc::unwrap_or_clone(batch.tenant(record.tenant)?);
    if let Some(name) = &body.name {
        tenant.name.clone_from(name);
    }
    if let Some(plan) = body.plan {
        tenant.plan = plan;
    }
    if body.thresholds.is_some() {
        tenant.thresholds.clone_from(&body.thresholds);
    }
    store(batch, record.tenant, tenant)
}

pub(crate) fn rotate_key<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &TenantKey,
) -> Result<(), Stop> {
    let mut tenant = Rc::unwrap_or_clone(batch.tenant(record.tenant)?);
    let old = tenant.key.map(|key| key.kid);
    if old != body.previous {
        let message = match old {
            Some(kid) => format!("the tenant's current key is {kid}"),
            None => "the tenant has no key yet".into(),
        };
        let fix = "name the current key in previous, or leave it out if there is none";
        return Err(Rejection::new(Code::PreviousKeyWrong, "body.previous", message, fix).into());
    }
    let new = body.key.kid();
    if old == Some(new) || tenant.former_keys.contains(&new) {
        let message = format!("key {new} is or was this tenant's already");
        return Err(Rejection::new(Code::KeyReused, "body.key", message, "make a new key").into());
    }
    if tenant.former_keys.len() >= FORMER_KEYS_MAX {
        let message = format!("the tenant has had {FORMER_KEYS_MAX} keys");
        return Err(Rejection::new(Code::TooManyKeys, "body.key", message, "register a new tenant").into());
    }
    tenant.former_keys.extend(old);
    // The old key signs up to and with this record, the new one after it.
    let from = batch.next_index() + 1;
    tenant.key = Some(SignerKey { public: *body.key.as_bytes(), kid: new, from });
    store(batch, record.tenant, tenant)
}

pub(crate) fn suspend<V: View + ?Sized>(batch: &mut Batch<'_, V>, record: &Record) -> Result<(), Stop> {
    let mut tenant = Rc::unwrap_or_clone(batch.tenant(record.tenant)?);
    if let Some(index) = tenant.suspended {
        let message = format!("the tenant is suspended since index {index}");
        return Err(Rejection::new(Code::TenantSuspended, "tenant", message, "nothing is left to do").into());
    }
    let index = batch.next_index();
    tenant.suspended = Some(index);
    tenant.sessions_end = index;
    store(batch, record.tenant, tenant)?;
    batch.seal_now = true;
    Ok(batch.refresh_weight(record.tenant)?)
}

pub(crate) fn reactivate<V: View + ?Sized>(batch: &mut Batch<'_, V>, record: &Record) -> Result<(), Stop> {
    let mut tenant = Rc::unwrap_or_clone(batch.tenant(record.tenant)?);
    if tenant.suspended.take().is_none() {
        let message = "the tenant is not suspended";
        return Err(
            Rejection::new(Code::TenantNotSuspended, "tenant", message, "nothing is left to do").into()
        );
    }
    store(batch, record.tenant, tenant)?;
    Ok(batch.refresh_weight(record.tenant)?)
}

fn store<V: View + ?Sized>(batch: &mut Batch<'_, V>, id: Ulid, tenant: Tenant) -> Result<(), Stop> {
    batch.put_tenant(id, tenant);
    Ok(batch.mark_dirty(Subject::Tenant(TenantId(id)))?)
}
