//! Checking an entity against a framework.

use std::collections::BTreeMap;

use ledger_format::record::{
    Body, ComplianceCheck, ComplianceCheckId, Digest, Finding, FindingStatus, Framework, TenantId, Ulid,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    super::receipts::Found,
    check_view::{CheckNotes, ComplianceVerdict, Told, check_view},
    entity::{Entity, EntityType, own_entity},
    gather::{Period, gather},
    scope::{FrameworkText, ScopeText, tokens},
};
use crate::{
    ApiError,
    account::{Changes, quota},
    compliance::{control, evaluate},
    endpoint::{BodyInput, Context, NoQuery, Paged, QueryInput, Reply, either, one_of},
    wire::{AgentRef, Text},
};

/// How long the same check gives the same result.
const KEPT_MS: u64 = 24 * 3_600_000;

/// What is to be checked: any entity, or an agent as older clients name it.
pub(super) enum CheckCompliance {
    Entity(CheckEntity),
    Agent(CheckAgent),
}

impl BodyInput for CheckCompliance {}

one_of!(CheckCompliance: CheckEntity, CheckAgent);

impl<'de> Deserialize<'de> for CheckCompliance {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entity = |body: &serde_json::Value| body.get("agent_id").is_none();
        either(deserializer, entity, CheckCompliance::Entity, CheckCompliance::Agent)
    }
}

/// An entity to be checked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckEntity {
    entity_type: EntityType,
    /// Its id; `tenant` is the caller's tenant.
    entity_id: Text<1, 256>,
    /// The set of controls.
    #[serde(alias = "framework")]
    regulation: FrameworkText,
    /// Which controls: `full` when nothing is said.
    #[serde(default)]
    scope: Option<ScopeText>,
}

/// An agent to be checked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckAgent {
    agent_id: AgentRef,
    /// The set of controls.
    #[serde(alias = "regulation")]
    framework: FrameworkText,
    /// Which controls: `full` when nothing is said.
    #[serde(default)]
    scope: Option<ScopeText>,
}

/// A question, read.
struct Asked {
    entity: Entity,
    framework: Framework,
    tokens: Vec<&'static str>,
}

impl Asked {
    async fn of(context: &Context, body: CheckCompliance) -> Result<Self, ApiError> {
        let (kind, text, framework, scope, field) = match body {
            CheckCompliance::Entity(body) => {
                (body.entity_type, body.entity_id, body.regulation.0, body.scope, "entity_id")
            }
            CheckCompliance::Agent(body) => {
                let text = Text::new(body.agent_id.0.to_string()).map_err(ApiError::internal)?;
                (EntityType::Agent, text, body.framework.0, body.scope, "agent_id")
            }
        };
        let tokens = tokens(framework, scope.as_ref())?;
        Ok(Self { entity: own_entity(context, kind, &text, field).await?, framework, tokens })
    }

    /// Where the answer is remembered.
    fn place(&self, context: &Context) -> Result<String, ApiError> {
        let (tenant, log) = (context.tenant()?, Digest::sha256(context.log.vkey().to_string().as_bytes()));
        let asked = format!("{}|{}|{}", self.entity.id, self.framework.as_str(), self.tokens.join(","));
        let asked = Digest::sha256(asked.as_bytes());
        let hex = |digest: Digest| super::super::receipts::hex(&digest.bytes[..16]);
        Ok(format!("compliance-checks/{tenant}/{}/{}", hex(log), hex(asked)))
    }
}

pub(super) async fn check(
    mut context: Context,
    _: NoQuery,
    body: CheckCompliance,
) -> Result<Reply<ComplianceVerdict>, ApiError> {
    let asked = Asked::of(&context, body).await?;
    let place = asked.place(&context)?;
    if let Some(found) = remembered(&context, &place)? {
        return shown(&context, &found, true);
    }
    let record_id = context.new_id()?;
    let tenant = context.tenant()?;
    // Repeated under its key, while the first answer was lost.
    let repeated = context.seed.map_or(Ok(None), |_| Found::of(&context, tenant, record_id))?;
    let (found, logged) = match repeated {
        Some(found) => (found, None),
        None => {
            quota::compliance_checks(&context)?;
            let logged = run(&mut context, record_id, &asked).await?;
            let found = Found::at_index(&context, tenant, logged.index)?;
            (found.ok_or_else(|| ApiError::internal("a logged check is not there"))?, Some(logged))
        }
    };
    let until = Some(found.at.log_ms + KEPT_MS);
    context.shared.store.change(Changes::default().put(&place, &record_id.to_string(), until)?).await?;
    let reply = shown(&context, &found, false)?;
    Ok(reply.map(|view| logged.iter().fold(view, ComplianceVerdict::acked)))
}

/// The equal check of the last 24 hours, if this log still has it.
fn remembered(context: &Context, place: &str) -> Result<Option<Found>, ApiError> {
    let kept: Option<String> = context.shared.store.get(place)?.map(|(id, _)| id);
    let id = kept.and_then(|id| Ulid::parse(&id));
    let found = id.map_or(Ok(None), |id| Found::of(context, context.tenant()?, id))?;
    let now = context.view(|view| ledger_state::log_ms(view))?;
    Ok(found.filter(|found| now.saturating_sub(found.at.log_ms) < KEPT_MS))
}

async fn run(
    context: &mut Context,
    record_id: Ulid,
    asked: &Asked,
) -> Result<crate::endpoint::Logged, ApiError> {
    let Asked { entity, framework, tokens } = asked;
    let check = ComplianceCheckId(context.new_id()?);
    let tree_size = context.reader.applied_size();
    let summary = gather(context, entity, Period { from_ms: 0, to_ms: u64::MAX }).await?;
    let found = evaluate(*framework, tokens, &summary);
    let told = |found: &crate::compliance::Found| {
        let told = Told { text: found.outcome.text.clone(), count: found.outcome.count };
        (found.token.to_owned(), told)
    };
    let notes = CheckNotes {
        entity: Some(entity.clone()),
        scope: tokens.iter().map(|token| (*token).to_owned()).collect(),
        told: found.iter().map(told).collect::<BTreeMap<_, _>>(),
        records: summary.records,
        truncated: summary.truncated,
        tree_size,
    };
    let findings = found.into_iter().map(|found| Finding {
        control: found.token.to_owned(),
        evidence: found.outcome.evidence,
        remedy: (found.outcome.status == FindingStatus::Fail)
            .then(|| control(*framework, found.token).map(|control| control.remedy.to_owned()))
            .flatten(),
        status: found.outcome.status,
    });
    let record = Body::ComplianceCheck(Box::new(ComplianceCheck {
        agent: entity.agent(context)?,
        check,
        findings: findings.collect(),
        framework: *framework,
        on_behalf_of: context.on_behalf_of()?,
    }));
    context.record_noted(record_id, record, record_id, &notes).await
}

fn shown(context: &Context, found: &Found, cached: bool) -> Result<Reply<ComplianceVerdict>, ApiError> {
    let view = check_view(context, found)?.ok_or_else(|| ApiError::internal("a check of another type"))?;
    Ok(Reply::new(view.cached(cached)).at(found.at.index))
}

/// Which checks.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListChecks {
    /// Only of this agent.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// Only against this framework.
    #[serde(default, alias = "framework")]
    #[param(inline)]
    regulation: Option<FrameworkText>,
    /// Only with this status.
    #[serde(default)]
    #[param(inline)]
    status: Option<VerdictWord>,
}

impl QueryInput for ListChecks {}

/// How it stands as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ComplianceStatus)]
enum VerdictWord {
    Compliant,
    Partial,
    NonCompliant,
    NotApplicable,
}

impl VerdictWord {
    fn as_str(self) -> &'static str {
        match self {
            VerdictWord::Compliant => "compliant",
            VerdictWord::Partial => "partial",
            VerdictWord::NonCompliant => "non_compliant",
            VerdictWord::NotApplicable => "not_applicable",
        }
    }
}

pub(super) async fn list(
    context: Context,
    query: ListChecks,
) -> Result<Reply<Paged<ComplianceVerdict>>, ApiError> {
    let agent = query.agent_id.map(|agent| agent.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let filtered = query.regulation.is_some() || query.status.is_some();
    let page = context.list(&["compliance.check"], agent, filtered, |context, row| {
        let Some(found) = Found::of_row(context, row)? else { return Ok(None) };
        let view = check_view(context, &found)?;
        Ok(view.filter(|view| {
            query.regulation.is_none_or(|wanted| view.is_against(wanted.0))
                && query.status.is_none_or(|wanted| view.has_status(wanted.as_str()))
        }))
    });
    Ok(Reply::new(page.await?))
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<ComplianceVerdict>, ApiError> {
    let id: ComplianceCheckId = context.id("check_id")?;
    let missing = || ApiError::missing("compliance check", "check_id");
    let index = context.view(|view| ledger_state::compliance_check(view, id))?.ok_or_else(missing)?;
    let found = Found::at_index(&context, context.tenant()?, index)?.ok_or_else(missing)?;
    let view = check_view(&context, &found)?.ok_or_else(missing)?;
    Ok(Reply::new(view).at(index))
}

/// The caller's tenant, as answers name it.
pub(super) fn tenant_id(context: &Context) -> Result<String, ApiError> {
    Ok(TenantId(context.tenant()?).to_string())
}
