//! Tenants and their first keys.

use ledger_format::record::{Plan, TenantId, Ulid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api_keys::{Draft, NewApiKey, issue};
use crate::{
    ApiError,
    account::{Account, Environment},
    endpoint::{BodyInput, Context, NoQuery, Reply, Routes},
    wire::{EmailText, NameText, Text, WriteReceipt, time_text},
};

pub(super) fn declare(routes: &mut Routes) {
    routes.group("Tenants", "Organisations, their plans and their first credentials.");
    routes
        .post("/v1/tenants", "create_tenant", create)
        .summary("Register a tenant")
        .about("Registers it in every environment and gives its first API keys, one for each, which are shown once.")
        .admin()
        .example(serde_json::json!({"name": "Acme", "plan": "business"}));
    routes.get("/v1/tenants/me", "get_own_tenant", own).summary("The caller's tenant").needs("tenants:read");
    routes
        .post("/v1/developers/register", "register_developer", developer)
        .summary("Register for the sandbox")
        .about("Where the operator allows it, anybody gets a tenant of the Developer plan in the sandbox.")
        .public()
        .example(serde_json::json!({"email": "dev@example.com", "source": "sdk"}));
}

/// The words for plans.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PlanWord {
    Developer,
    Business,
    Enterprise,
}

impl From<PlanWord> for Plan {
    fn from(word: PlanWord) -> Self {
        match word {
            PlanWord::Developer => Plan::Developer,
            PlanWord::Business => Plan::Business,
            PlanWord::Enterprise => Plan::Enterprise,
        }
    }
}

/// A tenant to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateTenant {
    /// What people call it.
    name: NameText,
    /// `developer` when nothing is said.
    #[serde(default)]
    plan: Option<PlanWord>,
}

impl BodyInput for CreateTenant {}

/// A tenant that was registered.
#[derive(Serialize, ToSchema)]
struct NewTenant {
    #[serde(flatten)]
    receipt: WriteReceipt,
    tenant_id: String,
    name: String,
    plan: String,
    /// The first API key of each environment.
    api_keys: Vec<NewApiKey>,
}

/// The key that a new tenant begins with: it may do everything in its environment.
fn first_key(tenant: Ulid, environment: Environment) -> Draft {
    let scopes = vec!["*:*".into()];
    Draft { tenant, environment, name: "first key".into(), scopes, expires_ms: None }
}

async fn create(mut context: Context, _: NoQuery, body: CreateTenant) -> Result<Reply<NewTenant>, ApiError> {
    let tenant = context.new_id()?;
    let plan = body.plan.map_or(Plan::Developer, Plan::from);
    let mut logged = None;
    let mut api_keys = Vec::new();
    for environment in [Environment::Production, Environment::Sandbox] {
        let Ok(log) = context.shared.logs.named(environment.log_name()) else { continue };
        (context.reader, context.log) = (log.reader(), log);
        let record = register(&mut context, tenant, body.name.as_str(), plan).await?;
        logged.get_or_insert(record);
        api_keys.push(issue(&mut context, first_key(tenant, environment)).await?);
    }
    let logged = logged.ok_or_else(|| ApiError::internal("no log took the tenant"))?;
    let answer = NewTenant {
        receipt: logged.receipt,
        tenant_id: TenantId(tenant).to_string(),
        name: body.name.into_string(),
        plan: plan.as_str().into(),
        api_keys,
    };
    Ok(Reply::new(answer).at(logged.index))
}

async fn register(
    context: &mut Context,
    tenant: Ulid,
    name: &str,
    plan: Plan,
) -> Result<crate::endpoint::Logged, ApiError> {
    let on_behalf_of =
        context.caller.as_ref().map_or("registration".to_owned(), |caller| caller.name.clone());
    let account = Account { name: name.to_owned(), plan: plan.as_str().to_owned(), on_behalf_of };
    account.keep(&context.shared.store, tenant).await?;
    let id = context.new_id()?;
    let logged = context.records_of(tenant, vec![(id, account.record())]).await?;
    logged.into_iter().next().ok_or_else(|| ApiError::internal("no answer for a record"))
}

/// The caller's tenant.
#[derive(Serialize, ToSchema)]
struct TenantView {
    tenant_id: String,
    name: String,
    plan: String,
    status: String,
    environment: String,
    /// When it appeared in the log.
    created_at: String,
}

async fn own(context: Context, _: NoQuery) -> Result<Reply<TenantView>, ApiError> {
    let id = context.tenant()?;
    let tenant = context.view(|view| ledger_state::tenant(view, id))?;
    let (name, plan, active) = match tenant {
        Some(tenant) => (tenant.name.clone(), tenant.plan, tenant.is_active()),
        // A sandbox that was reset learns of the tenant with its next record.
        None => {
            let account = Account::of(&context.shared.store, id)?;
            let account = account.ok_or_else(|| ApiError::missing("tenant", "tenant_id"))?;
            (account.name.clone(), account.plan(), true)
        }
    };
    Ok(Reply::new(TenantView {
        tenant_id: TenantId(id).to_string(),
        name,
        plan: plan.as_str().into(),
        status: if active { "active" } else { "suspended" }.into(),
        environment: context.caller()?.environment.word().into(),
        created_at: time_text(id.timestamp_ms()),
    }))
}

/// Who wants to try it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RegisterDeveloper {
    /// Not kept: the log holds no personal data.
    #[expect(dead_code, reason = "only looked at, and forgotten")]
    email: EmailText,
    /// Where the caller comes from, e.g. `sdk`.
    #[serde(default)]
    #[expect(dead_code, reason = "only looked at, and forgotten")]
    source: Option<Text<0, 64>>,
}

impl BodyInput for RegisterDeveloper {}

/// A new tenant of the sandbox.
#[derive(Serialize, ToSchema)]
struct NewDeveloper {
    #[serde(flatten)]
    receipt: WriteReceipt,
    tenant_id: String,
    /// Shown this once.
    api_key: String,
    plan: String,
    limits: serde_json::Value,
    upgrade_url: Option<String>,
}

async fn developer(
    mut context: Context,
    _: NoQuery,
    _: RegisterDeveloper,
) -> Result<Reply<NewDeveloper>, ApiError> {
    if !context.shared.open_registration {
        return Err(ApiError::forbidden("the operator of this log registers tenants")
            .fix("ask the operator for a tenant"));
    }
    let log = context.shared.logs.named(Environment::Sandbox.log_name())?;
    (context.reader, context.log) = (log.reader(), log);
    let tenant = context.new_id()?;
    let logged = register(&mut context, tenant, "developer", Plan::Developer).await?;
    let key = issue(&mut context, first_key(tenant, Environment::Sandbox)).await?;
    let limits = Plan::Developer.limits();
    let answer = NewDeveloper {
        receipt: logged.receipt,
        tenant_id: TenantId(tenant).to_string(),
        api_key: key.secret,
        plan: Plan::Developer.as_str().into(),
        limits: serde_json::json!({
            "maip.agents": limits.agents,
            "maip.sessions": limits.sessions,
            "maip.trust_computes": limits.trust_computes,
            "maip.compliance_checks": limits.compliance_checks,
        }),
        upgrade_url: None,
    };
    Ok(Reply::new(answer).at(logged.index))
}
