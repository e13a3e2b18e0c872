//! Tenants: `tenant.register`.

use ledger_format::record::{Plan, Record, TenantId, TenantRegister};

use crate::batch::{Batch, Stop};
use crate::rejection::{Code, Rejection};
use crate::subject::Subject;
use crate::values::{SignerKey, Tenant};
use crate::view::View;

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
        registered: index,
        agents: 0,
    };
    batch.put_tenant(record.tenant, tenant);
    batch.mark_dirty(Subject::Tenant(TenantId(record.tenant)))?;
    Ok(())
}
