//! Scopes that a tenant has given a meaning.

use ledger_format::record::{Body, Scope, ScopeDefine, Ulid};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Listed, NoQuery, Paged, Reply, Routes},
    wire::{DescriptionText, Metadata, ScopeText, WriteReceipt, Written, record_name},
};

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Scopes",
        "What a scope means in a tenant. Agents may have scopes that nobody has defined; a definition says what one is for and whether it is critical.",
    );
    routes
        .post("/v1/scopes", "define_scope", define)
        .summary("Define a scope")
        .about(
            "Again for the same name: the new definition replaces the old one. A critical action of a supervised agent needs an approval. \
             `constraints` are for those who read them: the nodes enforce policies and delegations, not these.",
        )
        .needs("scopes:write")
        .example(json!({
            "name": "payments:write", "description": "Initiates payments.", "critical": true,
            "constraints": {"max_amount_cents": 100_000},
        }));
    routes
        .get("/v1/scopes", "list_scopes", list)
        .summary("List scopes")
        .about("Those that the tenant has defined, newest first.")
        .needs("scopes:read")
        .paged();
    routes.get("/v1/scopes/{scope_name}", "get_scope", get).summary("Get a scope").needs("scopes:read");
}

/// A scope to be defined.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DefineScope {
    /// The scope itself: `resource:action` or `resource:*`.
    #[serde(alias = "scope")]
    name: ScopeText,
    #[serde(default)]
    description: Option<DescriptionText>,
    #[serde(default)]
    constraints: Option<Metadata>,
    /// Whether a supervised agent needs an approval for it.
    #[serde(default)]
    critical: bool,
}

impl BodyInput for DefineScope {}

/// What was said of a definition that the record does not hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct ScopeNotes {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    constraints: serde_json::Map<String, serde_json::Value>,
}

/// A scope with its meaning.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ScopeView {
    id: String,
    /// The scope itself.
    name: String,
    /// The same.
    #[serde(rename = "scope")]
    scope_name: String,
    description: String,
    /// As they were given.
    #[schema(value_type = Object)]
    constraints: serde_json::Map<String, serde_json::Value>,
    /// Whether a supervised agent needs an approval for it.
    critical: bool,
    log_index: u64,
    created_at: String,
    #[serde(flatten)]
    written: Written,
}

impl Listed for ScopeView {
    const PLURAL: &'static str = "scopes";
}

impl ScopeView {
    fn logged(mut self, receipt: WriteReceipt) -> Self {
        self.written = receipt.into();
        self
    }
}

async fn define(mut context: Context, _: NoQuery, body: DefineScope) -> Result<Reply<ScopeView>, ApiError> {
    let (scope, denied) = body.name.scope().map_err(|error| ApiError::unprocessable(error).field("name"))?;
    if denied || scope.as_str() == "*:*" {
        return Err(ApiError::unprocessable("is not resource:action or resource:*").field("name"));
    }
    let text = body.description.map(DescriptionText::into_string).filter(|text| !text.is_empty());
    let (description, whole) = text.as_deref().map(record_name).unzip();
    let notes = ScopeNotes {
        description: whole.flatten(),
        constraints: body.constraints.map(|constraints| constraints.0).unwrap_or_default(),
    };
    let id = context.new_id()?;
    let on_behalf_of = context.on_behalf_of()?;
    let record = ScopeDefine { critical: body.critical, description, on_behalf_of, scope: scope.clone() };
    let logged = context.record_noted(id, Body::ScopeDefine(Box::new(record)), id, &notes).await?;
    let view = defined(&context, logged.index)?.ok_or_else(|| ApiError::missing("scope", "name"))?;
    Ok(Reply::new(view.logged(logged.receipt)).at(logged.index))
}

/// The definition in the entry with this index.
fn defined(context: &Context, index: u64) -> Result<Option<ScopeView>, ApiError> {
    let Some((log_ms, record)) = context.entry(index)? else { return Ok(None) };
    let Body::ScopeDefine(body) = &record.body else { return Ok(None) };
    let notes: ScopeNotes = context.kept(record.id)?.unwrap_or_default();
    Ok(Some(ScopeView {
        id: Ulid::uuid(record.id),
        name: body.scope.to_string(),
        scope_name: body.scope.to_string(),
        description: notes.description.or_else(|| body.description.clone()).unwrap_or_default(),
        constraints: notes.constraints,
        critical: body.critical,
        log_index: index,
        created_at: crate::wire::time_text(log_ms),
        written: Written::default(),
    }))
}

async fn list(context: Context, _: NoQuery) -> Result<Reply<Paged<ScopeView>>, ApiError> {
    let tenant = context.tenant()?;
    let page = context.list(&["scope.define"], None, true, |context, row| {
        let Some(view) = defined(context, row.index)? else { return Ok(None) };
        let Some(scope) = Scope::parse(&view.name) else { return Ok(None) };
        let newest = context.view(|view| ledger_state::scope_defined(view, tenant, &scope))?;
        Ok(newest.is_some_and(|at| at.index == row.index).then_some(view))
    });
    Ok(Reply::new(page.await?))
}

async fn get(context: Context, _: NoQuery) -> Result<Reply<ScopeView>, ApiError> {
    let text = context.word("scope_name");
    let scope = Scope::parse(text)
        .ok_or_else(|| ApiError::malformed("is not resource:action or resource:*").field("scope_name"))?;
    let tenant = context.tenant()?;
    let at = context.view(|view| ledger_state::scope_defined(view, tenant, &scope))?;
    let view = at.map(|at| defined(&context, at.index)).transpose()?.flatten();
    let view = view.ok_or_else(|| ApiError::missing("scope", "scope_name"))?;
    let index = view.log_index;
    Ok(Reply::new(view).at(index))
}
