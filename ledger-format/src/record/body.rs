//! The body of a record: one variant per record type, and the table of types.

use super::json::{JsonError, Reader, Writer};
use super::{
    AgentKey, AgentKill, AgentReactivate, AgentRegister, AgentRevoke, AgentSuspend, AgentUpdate,
    AnomalyReport, AnomalyResolve, Approval, AttestPeer, ClaimCreate, ClaimResolve, ComplianceCheck,
    ComplianceReport, DatasetAttest, Decision, DelegationAccept, DelegationOffer, DelegationReject,
    DelegationRevoke, DocumentAttest, DocumentVerdict, Erasure, FederationAgree, FederationEnd,
    GuardrailDefine, GuardrailStatus, LogGenesis, LogKey, LogPolicy, ModelAttest, OrchestrationFinish,
    OrchestrationStart, OrchestrationStep, PolicyPut, PolicyStatus, ReceiptAction, ReceiptRevoke,
    ReceiptStatement, ReceiptSupersede, ScopeDefine, SessionClose, SessionHandoff, SessionOpen,
    SessionRefresh, TenantKey, TenantReactivate, TenantRegister, TenantSuspend, TenantUpdate, ToolRegister,
    TrustAlgorithm, TrustCompute, WitnessAttest, WitnessRequest, WorkflowDefine, WorkflowPublish,
};
use super::{
    agent, agent_status, attestation, claims, compliance, decision, delegation, erasure, federation,
    guardrail, lineage, log_genesis, log_key, log_rules, policies, receipt, registry, session, statement,
    tenant, tenant_status, trust, workflow,
};

/// Who may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// An agent with its own key.
    Agent,
    /// A tenant with its root key.
    Tenant,
    /// The log's operator on behalf of an authenticated caller.
    Operator,
}

impl ActorKind {
    /// The word in documents and errors.
    pub fn as_str(self) -> &'static str {
        match self {
            ActorKind::Agent => "agent",
            ActorKind::Tenant => "tenant",
            ActorKind::Operator => "operator",
        }
    }
}

/// What documents, tests and other tools need to know of one record type.
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// The word in `type`.
    pub name: &'static str,
    /// What it states and what follows, as in `docs/record-format.md`; empty for the types that are described by hand there.
    pub about: &'static str,
    /// Who may sign it.
    pub actors: &'static [ActorKind],
    /// The body's fields, in canonical order.
    pub fields: &'static [FieldInfo],
}

/// One field of a body or of an object in it.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Its name; in bodies that are described by hand, a path.
    pub name: &'static str,
    /// Whether every record of the type has it.
    pub required: bool,
    /// What it says.
    pub about: &'static str,
    /// What it must be.
    pub rule: &'static str,
    /// The members, when the field holds an object or a list of objects.
    pub inner: &'static [FieldInfo],
    /// Whether it holds a list of such objects.
    pub is_list: bool,
}

impl FieldInfo {
    pub(super) const fn required(name: &'static str) -> Self {
        Self { name, required: true, about: "", rule: "", inner: &[], is_list: false }
    }

    pub(super) const fn optional(name: &'static str) -> Self {
        Self { required: false, ..Self::required(name) }
    }
}

/// Makes, from one row for each type, the enum, the table and what all bodies have in common. The last word of a row says whom
/// the body is about: `log`, `agent` (always one), `maybe` (perhaps one), `grantor` (perhaps the agent in `from`), `none`.
macro_rules! bodies {
    ($($variant:ident: $form:ident $body:ident = $name:literal $module:ident::$info:ident, $about:ident;)+) => {
        /// Every record type that this version reads and writes.
        pub const TYPES: &[TypeInfo] = &[$($module::$info),+];

        /// What a record states, by type.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Body {
            $(#[doc = concat!("`", $name, "`")] $variant(bodies!(@type $form $body))),+
        }

        /// The reader of a type's body, and the table's row; `None` for an unknown type.
        pub(super) fn reader_of(type_name: &str) -> Option<(&'static TypeInfo, ReadBody)> {
            // The type that nearly all records have comes first.
            if type_name == "receipt.action" {
                return Some((&receipt::ACTION, |r| ReceiptAction::read(r).map(Body::ReceiptAction)));
            }
            match type_name {
                $($name => Some((&$module::$info, |r| $body::read(r).map(|b| Body::$variant(bodies!(@wrap $form b))))),)+
                _ => None,
            }
        }

        impl Body {
            /// The table's row for this body's type.
            pub fn info(&self) -> &'static TypeInfo {
                match self { $(Body::$variant(_) => &$module::$info),+ }
            }

            /// Whether the record is about the log itself: it belongs to no tenant, and the operator signs in its own name.
            pub fn is_about_the_log(&self) -> bool {
                match self { $(Body::$variant(_) => bodies!(@log $about)),+ }
            }

            /// The credential that the operator acted for.
            pub fn on_behalf_of(&self) -> Option<&str> {
                match self { $(Body::$variant(b) => bodies!(@credential $about b)),+ }
            }

            /// The agent that the body is about: who speaks, when an agent signs.
            pub fn agent(&self) -> Option<super::AgentId> {
                match self { $(Body::$variant(b) => bodies!(@agent $about b)),+ }
            }

            pub(super) fn write(&self, w: &mut Writer) {
                match self { $(Body::$variant(b) => b.write(w)),+ }
            }
        }
    };
    (@type boxed $body:ident) => { Box<$body> };
    (@type plain $body:ident) => { $body };
    (@wrap boxed $b:ident) => { Box::new($b) };
    (@wrap plain $b:ident) => { $b };
    (@log log) => { true };
    (@log $about:ident) => { false };
    (@credential log $b:ident) => {{ let _ = $b; None }};
    (@credential $about:ident $b:ident) => { $b.on_behalf_of.as_deref() };
    (@agent agent $b:ident) => { Some($b.agent) };
    (@agent maybe $b:ident) => { $b.agent };
    (@agent grantor $b:ident) => { $b.from };
    (@agent $about:ident $b:ident) => {{ let _ = $b; None }};
}

/// Reads the body of one type.
pub(super) type ReadBody = fn(&mut Reader<'_>) -> Result<Body, JsonError>;

bodies! {
    LogGenesis: boxed LogGenesis = "log.genesis" log_genesis::INFO, log;
    LogKey: plain LogKey = "log.key" log_key::INFO, log;
    LogPolicy: boxed LogPolicy = "log.policy" log_rules::POLICY, log;
    TrustAlgorithm: boxed TrustAlgorithm = "trust.algorithm" log_rules::TRUST, log;
    TenantRegister: plain TenantRegister = "tenant.register" tenant::REGISTER, none;
    TenantUpdate: boxed TenantUpdate = "tenant.update" tenant_status::UPDATE, none;
    TenantKey: boxed TenantKey = "tenant.key" tenant_status::KEY, none;
    TenantSuspend: boxed TenantSuspend = "tenant.suspend" tenant_status::SUSPEND, none;
    TenantReactivate: boxed TenantReactivate = "tenant.reactivate" tenant_status::REACTIVATE, none;
    FederationAgree: boxed FederationAgree = "federation.agree" federation::AGREE, none;
    FederationEnd: boxed FederationEnd = "federation.end" federation::END, none;
    AgentRegister: boxed AgentRegister = "agent.register" agent::REGISTER, agent;
    AgentKey: plain AgentKey = "agent.key" agent::KEY, agent;
    AgentUpdate: boxed AgentUpdate = "agent.update" agent_status::UPDATE, agent;
    AgentSuspend: plain AgentSuspend = "agent.suspend" agent_status::SUSPEND, agent;
    AgentReactivate: plain AgentReactivate = "agent.reactivate" agent_status::REACTIVATE, agent;
    AgentRevoke: plain AgentRevoke = "agent.revoke" agent::REVOKE, agent;
    AgentKill: plain AgentKill = "agent.kill" agent_status::KILL, agent;
    ScopeDefine: boxed ScopeDefine = "scope.define" registry::DEFINE, none;
    ToolRegister: boxed ToolRegister = "tool.register" registry::TOOL, none;
    SessionOpen: boxed SessionOpen = "session.open" session::OPEN, agent;
    SessionRefresh: plain SessionRefresh = "session.refresh" session::REFRESH, agent;
    SessionHandoff: plain SessionHandoff = "session.handoff" session::HANDOFF, agent;
    SessionClose: plain SessionClose = "session.close" session::CLOSE, agent;
    ReceiptAction: plain ReceiptAction = "receipt.action" receipt::ACTION, agent;
    ReceiptGenesis: boxed ReceiptStatement = "receipt.genesis" statement::GENESIS, agent;
    ReceiptDelegation: boxed ReceiptStatement = "receipt.delegation" statement::DELEGATION, agent;
    ReceiptRevocation: boxed ReceiptStatement = "receipt.revocation" statement::REVOCATION, agent;
    ReceiptDataset: boxed ReceiptStatement = "receipt.dataset" statement::DATASET, agent;
    ReceiptModel: boxed ReceiptStatement = "receipt.model" statement::MODEL, agent;
    ReceiptCompliance: boxed ReceiptStatement = "receipt.compliance" statement::COMPLIANCE, agent;
    ReceiptClaim: boxed ReceiptStatement = "receipt.claim" statement::CLAIM, agent;
    ReceiptApproval: boxed ReceiptStatement = "receipt.approval" statement::APPROVAL, agent;
    ReceiptSupersede: boxed ReceiptSupersede = "receipt.supersede" statement::SUPERSEDE, agent;
    ReceiptRevoke: boxed ReceiptRevoke = "receipt.revoke" statement::REVOKE, agent;
    Decision: boxed Decision = "decision" decision::DECISION, agent;
    Approval: boxed Approval = "approval" decision::APPROVAL, agent;
    AttestPeer: boxed AttestPeer = "attest.peer" attestation::PEER, agent;
    WitnessRequest: boxed WitnessRequest = "witness.request" attestation::REQUEST, agent;
    WitnessAttest: boxed WitnessAttest = "witness.attest" attestation::ATTEST, agent;
    TrustCompute: boxed TrustCompute = "trust.compute" trust::COMPUTE, agent;
    DelegationOffer: boxed DelegationOffer = "delegation.offer" delegation::OFFER, grantor;
    DelegationAccept: boxed DelegationAccept = "delegation.accept" delegation::ACCEPT, agent;
    DelegationReject: boxed DelegationReject = "delegation.reject" delegation::REJECT, agent;
    DelegationRevoke: boxed DelegationRevoke = "delegation.revoke" delegation::REVOKE, none;
    PolicyPut: boxed PolicyPut = "policy.put" policies::PUT, none;
    PolicyStatus: boxed PolicyStatus = "policy.status" policies::STATUS, none;
    ClaimCreate: boxed ClaimCreate = "claim.create" claims::CREATE, agent;
    ClaimResolve: boxed ClaimResolve = "claim.resolve" claims::RESOLVE, none;
    DocumentAttest: boxed DocumentAttest = "document.attest" claims::ATTEST, agent;
    DocumentVerdict: boxed DocumentVerdict = "document.verdict" claims::VERDICT, none;
    ComplianceCheck: boxed ComplianceCheck = "compliance.check" compliance::CHECK, maybe;
    ComplianceReport: boxed ComplianceReport = "compliance.report" compliance::REPORT, none;
    AnomalyReport: boxed AnomalyReport = "anomaly.report" compliance::ANOMALY, agent;
    AnomalyResolve: boxed AnomalyResolve = "anomaly.resolve" compliance::RESOLVE, none;
    DatasetAttest: boxed DatasetAttest = "dataset.attest" lineage::DATASET, agent;
    ModelAttest: boxed ModelAttest = "model.attest" lineage::MODEL, agent;
    WorkflowDefine: boxed WorkflowDefine = "workflow.define" workflow::DEFINE, none;
    WorkflowPublish: boxed WorkflowPublish = "workflow.publish" workflow::PUBLISH, none;
    OrchestrationStart: boxed OrchestrationStart = "orchestration.start" workflow::START, maybe;
    OrchestrationStep: boxed OrchestrationStep = "orchestration.step" workflow::STEP, maybe;
    OrchestrationFinish: boxed OrchestrationFinish = "orchestration.finish" workflow::FINISH, none;
    GuardrailDefine: boxed GuardrailDefine = "guardrail.define" guardrail::DEFINE, maybe;
    GuardrailStatus: boxed GuardrailStatus = "guardrail.status" guardrail::STATUS, none;
    Erasure: boxed Erasure = "erasure" erasure::INFO, none;
}
