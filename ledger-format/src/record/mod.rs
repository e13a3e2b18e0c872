//! Records and entries: what actors state and sign, and what the log commits to.
//!
//! ```text
//! Draft --sign--> Record --to_bytes--> canonical JSON --Entry::encode--> the bytes of one leaf
//! ```
//!
//! [`Record::parse`] succeeds only for bytes that [`Record::to_bytes`] would print again, and checks every limit of every
//! field; it does not check the signature, because which key must have signed is a question to the log's state.
//! One entry holds no record: [`StateRoot`], which the log makes itself.
//! The full description for people is `docs/record-format.md`.

mod agent;
mod agent_status;
mod attestation;
mod body;
mod claims;
mod compliance;
mod decision;
mod declare;
mod delegation;
mod document;
mod entry;
mod envelope;
mod erasure;
mod error;
mod federation;
mod fields;
mod guardrail;
mod hex;
mod ids;
pub mod json;
mod keys;
mod kinds;
mod lineage;
mod log_genesis;
mod log_key;
mod log_rules;
mod plan;
mod policies;
mod prepared;
mod receipt;
mod registry;
mod scope;
mod session;
mod state_root;
mod statement;
mod tenant;
mod tenant_status;
mod trust;
mod workflow;

pub use agent::{AgentKey, AgentRegister, AgentRevoke, AgentType};
pub use agent_status::{AgentKill, AgentReactivate, AgentSuspend, AgentUpdate};
pub use attestation::{AttestPeer, ClaimVote, PeerVerdict, WitnessAttest, WitnessRequest};
pub use body::{ActorKind, Body, FieldInfo, TYPES, TypeInfo};
pub use claims::{
    ClaimCreate, ClaimResolve, ClaimResult, DocumentAttest, DocumentResult, DocumentVerdict, VerdictMethod,
};
pub use compliance::{
    AnomalyReport, AnomalyResolution, AnomalyResolve, ComplianceCheck, ComplianceReport, FINDINGS_MAX,
    Finding, FindingStatus, Framework, Severity,
};
pub use decision::{
    Amount, Approval, ApprovalVerdict, Decision, DecisionKind, DecisionReason, DecisionResult, RuleRef,
};
pub use delegation::{
    DelegationAccept, DelegationOffer, DelegationReject, DelegationRevoke, FOREIGN_BYTES_MAX,
    GRANT_DEPTH_MAX, GrantLimits, GrantTo,
};
pub use entry::{ENTRY_OVERHEAD_BYTES, Entry, EntryError, RECORD_BYTES_MAX};
pub use envelope::{Actor, Draft, ENVELOPE_FIELDS, Record, RecordHash, Signature, VERSION, record_hash};
pub use erasure::Erasure;
pub use error::RecordError;
pub use federation::{AGREEMENT_HOPS_MAX, FederationAgree, FederationEnd, PeerSignature};
pub use fields::{
    Digest, DigestAlgorithm, NAME_BYTES_MAX, ON_BEHALF_OF_BYTES_MAX, SCOPES_MAX, TOKEN_BYTES_MAX,
};
pub use guardrail::{BreakerState, GuardrailDefine, GuardrailStatus};
pub use ids::{
    AgentId, AnomalyId, AttestationId, ClaimId, ComplianceCheckId, DatasetId, DelegationId, DocumentId,
    ModelId, OrchestrationId, PolicyId, ReceiptId, ReportId, SessionId, TenantId, ToolId, ULID_CHARS, Ulid,
    WorkflowId, tenant_tag,
};
pub use keys::{BadSignature, KeyError, Kid, PUBLIC_KEY_CHARS, PublicKey, SEED_PREFIX, SigningKey};
pub use lineage::{DatasetAttest, ModelAttest};
pub use log_genesis::{
    AGENT_DEPTH_MAX, AGENT_DESCENDANTS_MAX, GenesisLimits, LOG_KEYS_MAX, LogGenesis, POLICY_BYTES_MAX,
    PREDECESSOR_BYTES_MAX,
};
pub use log_key::{LogKey, LogKeyAction};
pub use log_rules::{LogPolicy, Quotas, TrustAlgorithm};
pub use plan::PlanLimits;
pub use policies::{
    MinutesOfDay, POLICY_RULES_MAX, PolicyCondition, PolicyEffect, PolicyPut, PolicyRule, PolicyState,
    PolicyStatus, RateLimit, SpendLimit,
};
pub use prepared::{PreparedKey, Verify};
pub use receipt::{
    ActionOutcome, ActionVerdict, DETAIL_BYTES_MAX, DETAIL_MEMBERS_MAX, DetailValue, ReceiptAction,
};
pub use registry::{ScopeDefine, ToolRegister};
pub use scope::{SCOPE_PART_BYTES_MAX, Scope};
pub use session::{
    SESSION_MINUTES_MAX, SessionClose, SessionEnd, SessionHandoff, SessionOpen, SessionRefresh,
};
pub use state_root::{SEAL_SUBJECTS_MAX, STATE_ROOT_TYPE, SealStep, StateRoot};
pub use statement::{ReceiptRevoke, ReceiptStatement, ReceiptSupersede};
pub use tenant::{Plan, TenantRegister};
pub use tenant_status::{TenantKey, TenantReactivate, TenantSuspend, TenantUpdate, TrustThresholds};
pub use trust::TrustCompute;
pub use workflow::{
    OrchestrationFinish, OrchestrationStart, OrchestrationStep, RunResult, StepKind, StepStatus,
    WORKFLOW_STEPS_MAX, WorkflowDefine, WorkflowPublish, WorkflowStep,
};
