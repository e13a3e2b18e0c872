//! Judging a grant by the state, or a chain file by itself.

use ledger_format::{
    Chain, ChainFreshness, ChainMoment, ChainQuestion, ChainReason, ChainVerdict, Policy, TenantRoot,
    record::{DelegationId, Kid, Scope},
    verify_chain,
};
use ledger_state::{Grant, GrantJudgement};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{
    verdict::{
        DelegationEnd, DelegationLink, DelegationLog, DelegationRule, DelegationVerdict, older_reason,
        older_verdict,
    },
    view::{is_party, judged},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply, either, one_of},
    wire::{AgentRef, DelegationRef, KeyIdText, OriginText, ScopeText, TenantRef, Text, Whole, time_text},
};

/// Largest chain file that is judged here, in characters; larger ones are for `maip verify`.
const CHAIN_CHARS_MAX: usize = 1_500_000;
/// A chain file.
type ChainText = Text<1, CHAIN_CHARS_MAX>;
/// Largest body of a check: a chain file inside JSON.
pub(super) const CHECK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Root keys that a check may name.
const ROOTS_MAX: usize = 16;

/// What is to be judged: a grant by its id, or a chain file.
pub(super) enum CheckDelegation {
    Grant(CheckGrant),
    File(Box<CheckChainFile>),
}

impl BodyInput for CheckDelegation {}

one_of!(CheckDelegation: CheckGrant, CheckChainFile);

impl<'de> Deserialize<'de> for CheckDelegation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_grant = |body: &serde_json::Value| body.get("chain").is_none();
        either(deserializer, is_grant, CheckDelegation::Grant, |file| CheckDelegation::File(Box::new(file)))
    }
}

/// A grant to be judged by this node's state.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckGrant {
    delegation_id: DelegationRef,
    /// Who wants to use it; another agent than the receiver may not.
    #[serde(default)]
    agent_id: Option<AgentRef>,
    /// What shall be done; without it, only whether the grant holds.
    #[serde(default)]
    action: Option<ScopeText>,
}

/// A chain file to be judged by itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckChainFile {
    /// The whole file, as `/v1/receipts/{receipt_id}/chain` or `maip chain` gives it.
    chain: ChainText,
    /// A tlog-policy that lists every log on the way; this log's own when nothing is said.
    #[serde(default)]
    policy: Option<Text<1, 65_536>>,
    /// How old what is known may be, in seconds; any age when nothing is said.
    #[serde(default)]
    max_age_seconds: Option<Whole<1, 31_536_000>>,
    /// `now`: whether the authority stands. `receipt`: whether it stood when the receipt was logged.
    #[serde(default)]
    moment: Option<DelegationMoment>,
    /// Root keys that the verifier trusts; without any, whoever its log says is a tenant.
    #[serde(default)]
    #[schema(max_items = 16)]
    tenant_roots: Option<Vec<TrustedRoot>>,
    /// What the file must be about; without it, whatever its receipt says.
    #[serde(default)]
    action: Option<ScopeText>,
}

/// As of when everything on the way must live.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum DelegationMoment {
    Now,
    Receipt,
}

/// A tenant's root key that the verifier trusts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TrustedRoot {
    /// The log where the tenant lives.
    origin: OriginText,
    tenant_id: TenantRef,
    /// Its root key.
    key_id: KeyIdText,
}

pub(super) async fn check(
    context: Context,
    _: NoQuery,
    body: CheckDelegation,
) -> Result<Reply<DelegationVerdict>, ApiError> {
    let verdict = match body {
        CheckDelegation::Grant(question) => of_grant(&context, &question)?,
        CheckDelegation::File(question) => of_file(&context, &question)?,
    };
    Ok(Reply::new(verdict))
}

fn action_of(text: Option<&ScopeText>) -> Result<Option<Scope>, ApiError> {
    let wrong = |message: &str| ApiError::unprocessable(message).field("action").fix("write resource:action");
    let Some(text) = text else { return Ok(None) };
    let (scope, denied) = text.scope().map_err(|error| wrong(&error))?;
    if denied || !scope.is_exact() {
        return Err(wrong("an action is one scope without a wildcard"));
    }
    Ok(Some(scope))
}

fn of_grant(context: &Context, question: &CheckGrant) -> Result<DelegationVerdict, ApiError> {
    let action = action_of(question.action.as_ref())?;
    let (id, tenant) = (question.delegation_id.0, context.tenant()?);
    let found = judged(context, id, action.as_ref())?.filter(|found| is_party(found, tenant));
    let found = found.ok_or_else(|| ApiError::missing("delegation", "delegation_id"))?;
    let leaf = found.chain.last().ok_or_else(|| ApiError::internal("a grant has no chain"))?;
    let stranger = question.agent_id.filter(|agent| agent.0 != leaf.1.to_agent);
    let mut operator_vouches = Vec::new();
    for (id, grant) in &found.chain {
        let record = context.entry(grant.index)?.map(|(_, record)| record);
        if record.is_some_and(|record| record.actor == ledger_format::record::Actor::Operator) {
            operator_vouches.push(id.to_string());
        }
    }
    let (reason, detail) = match (&found.fault, stranger) {
        (_, Some(agent)) => {
            (ChainReason::NotItsGrantor.code(), Some(format!("grant {id} is not for agent {}", agent.0)))
        }
        (Some(fault), None) => (fault.reason.code(), Some(fault.to_string())),
        (None, None) => ("holds", None),
    };
    Ok(DelegationVerdict {
        valid: found.fault.is_none() && stranger.is_none(),
        reason: reason.into(),
        verdict: if stranger.is_some() { "CHAIN_BROKEN" } else { older_verdict(&found) },
        detail,
        judged_by: "state",
        delegation_id: Some(id.to_string()),
        as_of_size: Some(context.reader.applied_size()),
        witnessed_at: None,
        freshness: ChainFreshness::Fresh.as_str(),
        effective_scopes: found.scopes.iter().map(ToString::to_string).collect(),
        denied_scopes: found.denied.iter().map(ToString::to_string).collect(),
        determining_rules: action.as_ref().map_or_else(Vec::new, |action| rules(&found, action)),
        action: action.map(|action| action.to_string()),
        chain: found.chain.iter().map(|(id, grant)| DelegationLink::of(*id, grant, context.now_ms)).collect(),
        logs: Vec::new(),
        ended: Vec::new(),
        operator_vouches,
        checked_at: time_text(context.now_ms),
    })
}

/// What each link says of an action.
fn rules(found: &GrantJudgement, action: &Scope) -> Vec<DelegationRule> {
    let rule = |(id, grant): &(DelegationId, Grant)| {
        let by = |list: &[Scope]| list.iter().find(|scope| scope.covers(action)).map(ToString::to_string);
        let (effect, scope) = match (by(&grant.deny), by(&grant.scopes)) {
            (Some(deny), _) => ("denies", Some(deny)),
            (None, Some(scope)) => ("allows", Some(scope)),
            (None, None) => ("does_not_cover", None),
        };
        DelegationRule { delegation_id: id.to_string(), effect, scope }
    };
    found.chain.iter().map(rule).collect()
}

fn of_file(context: &Context, question: &CheckChainFile) -> Result<DelegationVerdict, ApiError> {
    let action = action_of(question.action.as_ref())?;
    let policy_text = question.policy.as_ref().map_or_else(|| context.log.policy_text(), Text::as_str);
    let policy = Policy::parse(policy_text)
        .map_err(|error| ApiError::unprocessable(error.to_string()).field("policy"))?;
    let chain = Chain::parse(question.chain.as_str().as_bytes())
        .map_err(|error| ApiError::unprocessable(error.to_string()).field("chain"))?;
    let roots = roots(question.tenant_roots.as_deref().unwrap_or_default())?;
    let asked = ChainQuestion {
        now_s: context.now_ms / 1_000,
        max_age_s: question.max_age_seconds.map(Whole::get),
        tenant_roots: &roots,
        moment: match question.moment {
            Some(DelegationMoment::Receipt) => ChainMoment::Receipt,
            Some(DelegationMoment::Now) | None => ChainMoment::Now,
        },
    };
    let now = time_text(context.now_ms);
    match verify_chain(&chain, &policy, &asked) {
        Ok(verdict) => {
            let other = action.filter(|action| *action != verdict.receipt.action);
            Ok(proven(&verdict, other.as_ref(), now))
        }
        Err(fault) => Ok(DelegationVerdict {
            valid: false,
            reason: fault.reason.code().into(),
            verdict: older_reason(fault.reason),
            detail: Some(fault.detail),
            judged_by: "chain_file",
            delegation_id: None,
            action: action.map(|action| action.to_string()),
            as_of_size: None,
            witnessed_at: None,
            freshness: ChainFreshness::Unknown.as_str(),
            effective_scopes: Vec::new(),
            denied_scopes: Vec::new(),
            determining_rules: Vec::new(),
            chain: Vec::new(),
            logs: Vec::new(),
            ended: Vec::new(),
            operator_vouches: Vec::new(),
            checked_at: now,
        }),
    }
}

fn roots(named: &[TrustedRoot]) -> Result<Vec<TenantRoot>, ApiError> {
    if named.len() > ROOTS_MAX {
        return Err(ApiError::unprocessable(format!("at most {ROOTS_MAX} root keys")).field("tenant_roots"));
    }
    let root = |root: &TrustedRoot| {
        let kid = Kid::parse(root.key_id.as_str())?;
        Some(TenantRoot { origin: root.origin.as_str().to_owned(), tenant: root.tenant_id.0, kid })
    };
    Ok(named.iter().filter_map(root).collect())
}

/// A chain file that holds; `other` is an action that was asked about and is not the receipt's.
fn proven(verdict: &ChainVerdict, other: Option<&Scope>, now: String) -> DelegationVerdict {
    let seconds = |s: u64| time_text(s.saturating_mul(1_000));
    let reason = if other.is_some() { ChainReason::OtherReceipt.code() } else { verdict.reason() };
    let first = verdict.logs.first();
    DelegationVerdict {
        valid: verdict.is_valid() && other.is_none(),
        reason: reason.into(),
        verdict: if other.is_some() { "CHAIN_BROKEN" } else { "VALID" },
        detail: other.map(|other| format!("the receipt is about {}, not {other}", verdict.receipt.action)),
        judged_by: "chain_file",
        delegation_id: verdict.links.last().map(|link| link.grant.to_string()),
        action: Some(verdict.receipt.action.to_string()),
        as_of_size: first.map(|log| log.as_of_size),
        witnessed_at: first.and_then(|log| log.witnessed_s).map(seconds),
        freshness: verdict.freshness.as_str(),
        effective_scopes: verdict.effective_scopes.iter().map(ToString::to_string).collect(),
        denied_scopes: verdict.denied.iter().map(ToString::to_string).collect(),
        determining_rules: verdict
            .links
            .iter()
            .map(|link| DelegationRule {
                delegation_id: link.grant.to_string(),
                effect: "allows",
                scope: Some(verdict.receipt.action.to_string()),
            })
            .collect(),
        chain: verdict.links.iter().map(DelegationLink::of_file).collect(),
        logs: verdict
            .logs
            .iter()
            .map(|log| DelegationLog {
                origin: log.origin.clone(),
                as_of_size: log.as_of_size,
                witnessed_at: log.witnessed_s.map(seconds),
            })
            .collect(),
        ended: verdict
            .ended
            .iter()
            .map(|end| DelegationEnd {
                origin: end.origin.clone(),
                subject: end.subject.clone(),
                status: end.status.clone(),
                since: end.since,
            })
            .collect(),
        operator_vouches: verdict.operator_vouches.clone(),
        checked_at: now,
    }
}
