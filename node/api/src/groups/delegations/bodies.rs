//! An offer, as each of the published clients asks for it.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::{
    endpoint::{BodyInput, either, one_of},
    wire::{
        AgentRef, Base64Text, CurrencyText, KeyIdText, Metadata, OriginText, ReasonText, RecordHashText,
        ScopeObject, ScopeText, TenantRef, Text, TimeText, Whole,
    },
};

/// Longest life that can be asked for, in seconds: a year of 365 days.
const TTL_SECONDS_MAX: u64 = 31_536_000;

/// Seconds that a grant lives.
pub(super) type TtlSeconds = Whole<1, TTL_SECONDS_MAX>;
/// Hours that a grant lives.
pub(super) type TtlHours = Whole<1, 8_760>;
/// Links that there may be from this one on.
pub(super) type Depth = Whole<1, 8>;
/// A number of calls.
pub(super) type Calls = Whole<1, 1_000_000_000>;

/// An offer: as the API has it, or as the older SDKs send it.
pub(super) enum OfferDelegation {
    Native(Box<NativeOffer>),
    Sdk(SdkOffer),
}

impl BodyInput for OfferDelegation {}

one_of!(OfferDelegation: NativeOffer, SdkOffer);

impl<'de> Deserialize<'de> for OfferDelegation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_sdk =
            |body: &serde_json::Value| body.get("fromAgentId").is_some() || body.get("toAgentId").is_some();
        either(deserializer, is_sdk, OfferDelegation::Sdk, |body| OfferDelegation::Native(Box::new(body)))
    }
}

/// A grant to be offered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NativeOffer {
    /// The agent that grants; without one, the tenant itself does. Also read as `offered_by_agent_id` and `parent_agent_id`.
    #[serde(default, alias = "offered_by_agent_id", alias = "parent_agent_id")]
    pub(super) from_agent_id: Option<AgentRef>,
    /// The agent that gets it. Also read as `child_agent_id`. Left out in an offer to another tenant, that tenant names it when it accepts.
    #[serde(default, alias = "child_agent_id", alias = "target_agent_id")]
    pub(super) to_agent_id: Option<AgentRef>,
    /// That agent's tenant; the caller's own, or one that there is an agreement with, when nothing is said. Also read as `target_tenant_id`.
    #[serde(default, alias = "target_tenant_id")]
    pub(super) to_tenant_id: Option<TenantRef>,
    /// The log where that agent lives, if that is another one; then `to_tenant_id`, `to_key_id` and `agreement_id` are needed.
    #[serde(default)]
    pub(super) to_origin: Option<OriginText>,
    /// The key that the receiver uses the grant with, 32 hex digits; its current one when nothing is said.
    #[serde(default)]
    pub(super) to_key_id: Option<KeyIdText>,
    /// What the receiver may do; with `!`, what it must not do.
    #[schema(min_items = 1, max_items = 256)]
    pub(super) scopes: Vec<ScopeText>,
    /// Links that the chain may have from this one on: 1 is a grant that is not handed on, which is so when nothing is said. Across tenants at most 3.
    #[serde(default)]
    pub(super) max_depth: Option<Depth>,
    /// How long it lives. Also as `ttl_hours` or `expires_at`; one of the three.
    #[serde(default)]
    pub(super) ttl_seconds: Option<TtlSeconds>,
    /// How long it lives, in hours.
    #[serde(default)]
    pub(super) ttl_hours: Option<TtlHours>,
    /// When it ends.
    #[serde(default)]
    pub(super) expires_at: Option<TimeText>,
    /// When it begins; at once when nothing is said.
    #[serde(default)]
    pub(super) not_before: Option<TimeText>,
    /// What it is for. The log holds a word of it.
    #[serde(default)]
    pub(super) purpose: Option<Text<1, 256>>,
    /// Bounds of its use.
    #[serde(default)]
    pub(super) conditions: Option<OfferConditions>,
    /// Bounds of its use. A bound that the log cannot hold is refused, not dropped.
    #[serde(default)]
    pub(super) constraints: Option<OfferConstraints>,
    /// Trust that the receiver must have, 0 to 100.
    #[serde(default)]
    pub(super) require_trust_score_above: Option<Whole<0, 100>>,
    /// The agreement under which it passes to another tenant; the newest one with that tenant when nothing is said.
    #[serde(default)]
    pub(super) agreement_id: Option<RecordHashText>,
    /// What the offerer attaches: both parties see it. Kept by the nodes, not in the log.
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

impl BodyInput for NativeOffer {}

/// How often a grant may be used.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfferConditions {
    /// Most uses in its whole life.
    #[serde(default)]
    pub(super) max_invocations: Option<Calls>,
}

/// Bounds of a grant.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfferConstraints {
    /// Most uses in an hour. Also read as `rate_limit_per_hour`.
    #[serde(default, alias = "rate_limit_per_hour", skip_serializing_if = "Option::is_none")]
    pub(super) max_actions_per_hour: Option<Calls>,
    /// Environments in which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 32)]
    pub(super) allowed_environments: Option<Vec<Text<1, 64>>>,
    /// How often it may be handed on: one less than `max_depth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_sub_delegations: Option<Whole<0, 7>>,
    /// Amounts above it need an approval, in the smallest unit of `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) require_approval_above: Option<Whole<0, 9_007_199_254_740_991>>,
    /// Most to spend in its whole life, in the smallest unit of `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_spend: Option<Whole<0, 9_007_199_254_740_991>>,
    /// The currency of the amounts, three capital letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<CurrencyText>,
    /// When the grant ends, where some clients say it.
    #[serde(default, skip_serializing)]
    pub(super) expires_at: Option<TimeText>,
}

/// A grant to be offered, as the older SDKs send it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SdkOffer {
    /// The agent that grants.
    #[serde(rename = "fromAgentId")]
    pub(super) from_agent_id: AgentRef,
    /// The agent that gets it.
    #[serde(rename = "toAgentId")]
    pub(super) to_agent_id: AgentRef,
    /// What the receiver may do.
    pub(super) scope: ScopeObject,
    /// How long it lives.
    #[serde(default, rename = "ttlSeconds")]
    pub(super) ttl_seconds: Option<TtlSeconds>,
}

/// Who takes a grant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptDelegation {
    /// The receiver: who it is, the grant says, but for an offer to the tenant as a whole. Also read as `accepted_by_agent_id`.
    #[serde(default, alias = "accepted_by_agent_id", alias = "agentId")]
    pub(super) agent_id: Option<AgentRef>,
    /// The `token` of the offer's answer.
    #[serde(default)]
    pub(super) token: Option<RecordHashText>,
    /// The offer, if it stands in another log.
    #[serde(default)]
    pub(super) foreign: Option<ForeignOffer>,
}

impl BodyInput for AcceptDelegation {
    const REQUIRED: bool = false;
}

/// An offer of another log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ForeignOffer {
    /// The record of the offer as it stands there, base64 of its canonical bytes.
    pub(super) record_base64: Base64Text,
    /// That log.
    pub(super) origin: OriginText,
    /// The agreement with the tenant that grants, in this log.
    pub(super) agreement_id: RecordHashText,
}

/// Why a grant ends. Older clients send no body at all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyDelegation {
    /// Kept by the nodes; the log holds a word of it.
    #[serde(default)]
    pub(super) reason: Option<ReasonText>,
}

impl BodyInput for WhyDelegation {
    const REQUIRED: bool = false;
}

impl NativeOffer {
    /// An offer that says no more than this.
    pub(super) fn of(from: AgentRef, to: AgentRef, scopes: Vec<ScopeText>) -> Self {
        Self {
            from_agent_id: Some(from),
            to_agent_id: Some(to),
            to_tenant_id: None,
            to_origin: None,
            to_key_id: None,
            scopes,
            max_depth: None,
            ttl_seconds: None,
            ttl_hours: None,
            expires_at: None,
            not_before: None,
            purpose: None,
            conditions: None,
            constraints: None,
            require_trust_score_above: None,
            agreement_id: None,
            metadata: None,
        }
    }
}
