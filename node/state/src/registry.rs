//! Books about what exists: scopes, tools, data sets, models, erased subjects.

use std::rc::Rc;

use ledger_format::record::{
    DatasetAttest, DatasetId, Digest, Erasure, ModelAttest, ModelId, Record, Scope, ScopeDefine, ToolId,
    ToolRegister, Ulid,
};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::fields::value;
use crate::keys::{self, Kept};
use crate::rejection::{Code, Rejection};
use crate::scores::Number;
use crate::values::Agent;
use crate::view::{View, load};

/// Most definitions of scopes of one tenant.
pub const SCOPE_DEFINITIONS_MAX: u64 = 1_024;

value! {
    /// What a scope means in a tenant.
    pub ScopeAt {
        /// Whether a supervised agent needs an approval.
        critical: bool,
        /// Index of the definition.
        index: u64,
    }
}

value! {
    /// A tool.
    pub Tool {
        /// The tenant that it belongs to.
        tenant: Ulid,
        /// What people call it.
        name: String,
        /// What using it may be. Sorted.
        scopes: Vec<Scope>,
        /// The key of its owner.
        owner_key: Option<[u8; 32]>,
        /// Its version.
        version: Option<String>,
        /// Index of the record that is in force.
        index: u64,
    }
}

value! {
    /// Something in the lineage graph.
    pub Lineage {
        /// The tenant that attested it.
        tenant: Ulid,
        /// What people call it.
        name: String,
        /// The model that it was made from.
        base: Option<ModelId>,
        /// The data sets that it was made of.
        datasets: Vec<DatasetId>,
        /// Its index.
        index: u64,
    }
}

pub(crate) fn define_scope<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ScopeDefine,
) -> Result<(), Stop> {
    batch.tenant(record.tenant)?;
    let key = scope_key(record.tenant, body.scope.as_str());
    if batch.get::<ScopeAt>(key.clone())?.is_none() {
        let count_key = keys::kept(Kept::Scopes, &record.tenant.to_bytes(), &[]);
        let count = batch.get::<Number>(count_key.clone())?.map_or(0, |number| number.value);
        if count >= SCOPE_DEFINITIONS_MAX {
            let message = format!("the tenant has defined {SCOPE_DEFINITIONS_MAX} scopes");
            let fix = "define resource:* instead of single actions";
            return Err(Rejection::new(Code::TooManyDefinitions, "body.scope", message, fix).into());
        }
        batch.put(count_key, Number { value: count + 1 });
    }
    let index = batch.next_index();
    batch.put(key, ScopeAt { critical: body.critical, index });
    Ok(())
}

fn scope_key(tenant: Ulid, scope: &str) -> Vec<u8> {
    keys::kept(Kept::Scope, &tenant.to_bytes(), scope.as_bytes())
}

pub(crate) fn register_tool<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ToolRegister,
) -> Result<(), Stop> {
    batch.tenant(record.tenant)?;
    if batch.tool(body.tool)?.is_some_and(|tool| tool.tenant != record.tenant) {
        let message = format!("tool {} belongs to another tenant", body.tool);
        return Err(
            Rejection::new(Code::OwnedByOtherTenant, "body.tool", message, "make a new tool id").into()
        );
    }
    name_tool(batch, record.tenant, body)?;
    let tool = Tool {
        tenant: record.tenant,
        name: body.name.clone(),
        scopes: body.scopes.clone(),
        owner_key: body.owner_key.map(|key| *key.as_bytes()),
        version: body.version.clone(),
        index: batch.next_index(),
    };
    batch.put(keys::kept(Kept::Tool, &body.tool.0.to_bytes(), &[]), tool);
    Ok(())
}

value! {
    /// The tool that a name means.
    ToolNamed {
        /// The tool.
        tool: ToolId,
    }
}

fn tool_name_key(tenant: Ulid, name: &str) -> Vec<u8> {
    keys::kept(Kept::ToolName, &tenant.to_bytes(), name.as_bytes())
}

/// A name means the first tool that has it, until that one has another name or no scopes any more.
fn name_tool<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    tenant: Ulid,
    body: &ToolRegister,
) -> Result<(), Alarm> {
    if let Some(known) = batch.tool(body.tool)?
        && known.name != body.name
    {
        let old = tool_name_key(tenant, &known.name);
        if batch.get::<ToolNamed>(old.clone())?.is_some_and(|named| named.tool == body.tool) {
            batch.delete(old);
        }
    }
    let key = tool_name_key(tenant, &body.name);
    let holder = batch.get::<ToolNamed>(key.clone())?.map(|named| named.tool);
    let is_free = match holder {
        Some(tool) if tool != body.tool => batch.tool(tool)?.is_none_or(|tool| tool.scopes.is_empty()),
        Some(_) => false,
        None => true,
    };
    if is_free {
        batch.put(key, ToolNamed { tool: body.tool });
    }
    Ok(())
}

/// A tool.
pub fn tool(view: &(impl View + ?Sized), id: ToolId) -> Option<Tool> {
    load(view, &keys::kept(Kept::Tool, &id.0.to_bytes(), &[])).ok().flatten()
}

/// The tool that a name means in a tenant.
pub fn tool_named(view: &(impl View + ?Sized), tenant: Ulid, name: &str) -> Option<ToolId> {
    let named: Option<ToolNamed> = load(view, &tool_name_key(tenant, name)).ok().flatten();
    named.map(|named| named.tool)
}

/// What a scope means in a tenant.
pub fn scope_defined(view: &(impl View + ?Sized), tenant: Ulid, scope: &Scope) -> Option<ScopeAt> {
    load(view, &scope_key(tenant, scope.as_str())).ok().flatten()
}

pub(crate) fn dataset<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &DatasetAttest,
) -> Result<(), Stop> {
    batch.acting_agent_of(record.tenant, body.agent, "body.agent")?;
    let key = dataset_key(body.dataset);
    if batch.get::<Lineage>(key.clone())?.is_some() {
        let message = format!("data set {} is attested already", body.dataset);
        return Err(
            Rejection::new(Code::DatasetExists, "body.dataset", message, "make a new data set id").into()
        );
    }
    let datasets = body.sources.clone().unwrap_or_default();
    check_datasets(batch, &datasets, "body.sources")?;
    let index = batch.next_index();
    let value = Lineage { tenant: record.tenant, name: body.name.clone(), base: None, datasets, index };
    batch.put(key, value);
    Ok(())
}

pub(crate) fn model<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ModelAttest,
) -> Result<(), Stop> {
    batch.acting_agent_of(record.tenant, body.agent, "body.agent")?;
    let key = model_key(body.model);
    if batch.get::<Lineage>(key.clone())?.is_some() {
        let message = format!("model {} is attested already", body.model);
        return Err(Rejection::new(Code::ModelExists, "body.model", message, "make a new model id").into());
    }
    if let Some(base) = body.base
        && batch.get::<Lineage>(model_key(base))?.is_none()
    {
        let message = format!("model {base} is not attested");
        return Err(Rejection::new(Code::ModelUnknown, "body.base", message, "attest it first").into());
    }
    let datasets = body.datasets.clone().unwrap_or_default();
    check_datasets(batch, &datasets, "body.datasets")?;
    let index = batch.next_index();
    let value = Lineage { tenant: record.tenant, name: body.name.clone(), base: body.base, datasets, index };
    batch.put(key, value);
    Ok(())
}

/// What something is made of must be attested before it: so the graph has no cycles.
fn check_datasets<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    datasets: &[DatasetId],
    field: &str,
) -> Result<(), Stop> {
    for (i, id) in datasets.iter().enumerate() {
        if batch.get::<Lineage>(dataset_key(*id))?.is_none() {
            let message = format!("data set {id} is not attested");
            let field = format!("{field}[{i}]");
            return Err(Rejection::new(Code::DatasetUnknown, field, message, "attest it first").into());
        }
    }
    Ok(())
}

pub(crate) fn dataset_key(id: DatasetId) -> Vec<u8> {
    keys::kept(Kept::Dataset, &id.0.to_bytes(), &[])
}

pub(crate) fn model_key(id: ModelId) -> Vec<u8> {
    keys::kept(Kept::Model, &id.0.to_bytes(), &[])
}

pub(crate) fn erase<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &Erasure,
) -> Result<(), Stop> {
    batch.tenant(record.tenant)?;
    let key = erased_key(record.tenant, &body.subject);
    if batch.get::<Number>(key.clone())?.is_some() {
        let message = "the subject is erased already";
        return Err(
            Rejection::new(Code::SubjectErased, "body.subject", message, "nothing is left to do").into()
        );
    }
    let value = batch.next_index();
    batch.put(key, Number { value });
    Ok(())
}

fn erased_key(tenant: Ulid, subject: &Digest) -> Vec<u8> {
    keys::kept(Kept::Erased, &tenant.to_bytes(), subject.to_string().as_bytes())
}

impl<V: View + ?Sized> Batch<'_, V> {
    pub(crate) fn tool(&mut self, id: ToolId) -> Result<Option<Rc<Tool>>, Alarm> {
        self.get(keys::kept(Kept::Tool, &id.0.to_bytes(), &[]))
    }

    /// Whether an action is critical: for the agent by its own list, or in its tenant by definition, of the action or of its resource.
    pub(crate) fn is_critical(&mut self, tenant: Ulid, agent: &Agent, action: &Scope) -> Result<bool, Alarm> {
        if agent.critical.iter().any(|scope| scope.covers(action)) {
            return Ok(true);
        }
        let resource = action.as_str().split(':').next().unwrap_or_default();
        for name in [action.as_str(), &format!("{resource}:*")] {
            if self.get::<ScopeAt>(scope_key(tenant, name))?.is_some_and(|scope| scope.critical) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
