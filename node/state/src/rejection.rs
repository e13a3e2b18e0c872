//! Why a record was refused: a stable code, the field, words for people, and the fix.

use ledger_format::record::RecordError;

use crate::metering::QuotaExceeded;

/// A refusal, the same on every replica. Nothing was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// For machines.
    pub code: Code,
    /// The field at fault, e.g. `body.scopes[3]`; empty for the record as a whole.
    pub field: String,
    /// What is wrong, for people.
    pub message: String,
    /// What the sender can do.
    pub fix: String,
    /// With [`Code::QuotaExceeded`]: which quota.
    pub quota: Option<Box<QuotaExceeded>>,
}

impl std::error::Error for Rejection {}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{} ({}); {}", self.message, self.code.as_str(), self.fix)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal),+ $(,)?) => {
        /// What was wrong, as a stable word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant),+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code),+ }
            }

            /// Reads the word.
            pub fn parse(text: &str) -> Option<Code> {
                match text { $($code => Some(Code::$variant),)+ _ => None }
            }
        }
    };
}

codes! {
    /// The bytes are not a record; the field and the message say what is wrong.
    Malformed = "malformed",
    /// The signature does not verify under the signer's key.
    BadSignature = "bad_signature",
    /// The record names a key that is not its signer's valid key at this index.
    KeyNotValid = "key_not_valid",
    /// Longer than the log's genesis allows.
    TooLarge = "too_large",
    /// The log has no genesis yet, and this is none.
    NoGenesis = "no_genesis",
    /// The log has its genesis already.
    GenesisExists = "genesis_exists",
    /// The verifier key is named after another origin.
    LogKeyOfOtherLog = "log_key_of_other_log",
    /// The log has or had this verifier key.
    LogKeyReused = "log_key_reused",
    /// The verifier key is not in force.
    LogKeyUnknown = "log_key_unknown",
    /// Without this key nobody could sign for the log.
    LastLogKey = "last_log_key",
    /// More verifier keys than a log may have.
    TooManyLogKeys = "too_many_log_keys",
    /// The tenant has used this id for another record.
    IdConflict = "id_conflict",
    /// The anchor is a size that the log has not reached.
    AnchorAhead = "anchor_ahead",
    /// The tenant is not registered.
    TenantUnknown = "tenant_unknown",
    /// The tenant is registered already.
    TenantExists = "tenant_exists",
    /// The tenant has no root key: only the operator can act for it.
    TenantWithoutKey = "tenant_without_key",
    /// The agent is not registered.
    AgentUnknown = "agent_unknown",
    /// The agent id is taken, perhaps by an agent that was revoked.
    AgentExists = "agent_exists",
    /// The agent belongs to another tenant.
    AgentOfOtherTenant = "agent_of_other_tenant",
    /// The agent is revoked.
    AgentRevoked = "agent_revoked",
    /// The agent's key was the agent's before.
    KeyReused = "key_reused",
    /// `previous` is not the agent's current key.
    PreviousKeyWrong = "previous_key_wrong",
    /// The tree of agents would be deeper than the log allows.
    TooDeep = "too_deep",
    /// An agent above would have more agents below it than the log allows.
    TooManyDescendants = "too_many_descendants",
    /// More scopes or denies than the log allows.
    TooManyScopes = "too_many_scopes",
    /// A scope that the parent does not have.
    ScopeExceedsParent = "scope_exceeds_parent",
    /// One of the parent's denies is missing.
    DenyDropped = "deny_dropped",
    /// The agent is suspended.
    AgentSuspended = "agent_suspended",
    /// The agent is not suspended.
    AgentNotSuspended = "agent_not_suspended",
    /// A scope that the agent does not have.
    ScopeExceedsAgent = "scope_exceeds_agent",
    /// The session id is taken, perhaps by a session that has ended.
    SessionExists = "session_exists",
    /// There is no such session.
    SessionUnknown = "session_unknown",
    /// The session belongs to another agent.
    SessionOfOtherAgent = "session_of_other_agent",
    /// The session has ended.
    SessionEnded = "session_ended",
    /// The tenant is suspended.
    TenantSuspended = "tenant_suspended",
    /// The tenant is not suspended.
    TenantNotSuspended = "tenant_not_suspended",
    /// More root keys than a tenant may have had.
    TooManyKeys = "too_many_keys",
    /// The log's software does not have this trust algorithm.
    TrustAlgorithmUnknown = "trust_algorithm_unknown",
    /// There is no such agreement between these tenants.
    AgreementUnknown = "agreement_unknown",
    /// The agreement has ended.
    AgreementEnded = "agreement_ended",
    /// It would end at once, or has ended already.
    ExpiresTooSoon = "expires_too_soon",
    /// It would live longer than it may.
    ExpiresTooLate = "expires_too_late",
    /// The grant's id is taken.
    GrantExists = "grant_exists",
    /// There is no such grant, or it is not this agent's.
    GrantUnknown = "grant_unknown",
    /// The grant does not hold.
    GrantEnded = "grant_ended",
    /// The grant is accepted already.
    GrantAccepted = "grant_accepted",
    /// The offer was not taken within a day.
    OfferLapsed = "offer_lapsed",
    /// The offer is another one than the record says.
    OfferMismatch = "offer_mismatch",
    /// The receiver stands in the chain already.
    DelegationCycle = "delegation_cycle",
    /// The signer is neither on the grant's path nor above it.
    NotYoursToRevoke = "not_yours_to_revoke",
    /// There is no such policy.
    PolicyUnknown = "policy_unknown",
    /// The policy belongs to another tenant.
    PolicyOfOtherTenant = "policy_of_other_tenant",
    /// More policies than a tenant may have.
    TooManyPolicies = "too_many_policies",
    /// The log gives another answer than the decision.
    DecisionDiffers = "decision_differs",
    /// There is no such decision.
    DecisionUnknown = "decision_unknown",
    /// There is no such receipt.
    ReceiptUnknown = "receipt_unknown",
    /// The receipt is another agent's.
    ReceiptOfOtherAgent = "receipt_of_other_agent",
    /// The receipt is superseded.
    ReceiptSuperseded = "receipt_superseded",
    /// The receipt is revoked.
    ReceiptRevoked = "receipt_revoked",
    /// The entry is not one in which two agents had to do with each other.
    InteractionUnknown = "interaction_unknown",
    /// The entry is about other agents.
    InteractionOfOthers = "interaction_of_others",
    /// More definitions of scopes than a tenant may have.
    TooManyDefinitions = "too_many_definitions",
    /// The id belongs to another tenant.
    OwnedByOtherTenant = "owned_by_other_tenant",
    /// There is no such tool.
    ToolUnknown = "tool_unknown",
    /// The claim's id is taken.
    ClaimExists = "claim_exists",
    /// There is no such claim.
    ClaimUnknown = "claim_unknown",
    /// The claim is resolved.
    ClaimResolved = "claim_resolved",
    /// The votes say something else.
    ResultDiffers = "result_differs",
    /// Nobody has asked for votes.
    VoteNotAsked = "vote_not_asked",
    /// The deadline is over.
    VoteTooLate = "vote_too_late",
    /// The agent has voted.
    VoteExists = "vote_exists",
    /// The agent made the claim itself.
    OwnClaim = "own_claim",
    /// The document's id is taken.
    DocumentExists = "document_exists",
    /// There is no such document.
    DocumentUnknown = "document_unknown",
    /// The check's id is taken.
    CheckExists = "check_exists",
    /// The evidence is an index that the log has not reached.
    EvidenceUnknown = "evidence_unknown",
    /// The report's id is taken.
    ReportExists = "report_exists",
    /// The anomaly's id is taken.
    AnomalyExists = "anomaly_exists",
    /// There is no such anomaly.
    AnomalyUnknown = "anomaly_unknown",
    /// The anomaly is resolved.
    AnomalyResolved = "anomaly_resolved",
    /// The data set's id is taken.
    DatasetExists = "dataset_exists",
    /// There is no such data set.
    DatasetUnknown = "dataset_unknown",
    /// The model's id is taken.
    ModelExists = "model_exists",
    /// There is no such model.
    ModelUnknown = "model_unknown",
    /// There is no such workflow.
    WorkflowUnknown = "workflow_unknown",
    /// The workflow belongs to another tenant.
    WorkflowOfOtherTenant = "workflow_of_other_tenant",
    /// Not the next version, or not one that exists.
    WorkflowVersionWrong = "workflow_version_wrong",
    /// The version is not published.
    WorkflowNotPublished = "workflow_not_published",
    /// The run's id is taken.
    OrchestrationExists = "orchestration_exists",
    /// There is no such run.
    OrchestrationUnknown = "orchestration_unknown",
    /// The run is over.
    OrchestrationFinished = "orchestration_finished",
    /// The workflow has no such step.
    StepUnknown = "step_unknown",
    /// A step before it is not done.
    StepNotReady = "step_not_ready",
    /// The step is done.
    StepDone = "step_done",
    /// More guardrails than a tenant may have.
    TooManyGuardrails = "too_many_guardrails",
    /// There is no such guardrail.
    GuardrailUnknown = "guardrail_unknown",
    /// The subject is erased.
    SubjectErased = "subject_erased",
    /// More than the tenant's plan includes, in a log that enforces quotas.
    QuotaExceeded = "quota_exceeded",
    /// The node id belongs to another disk.
    NodeIdUsed = "node_id_used",
}

impl Code {
    /// Whether a node that has not yet applied everything may give this answer to a good record: the leader, or the same node a
    /// moment later, may know the tenant, the agent or the key. Whoever checks before the log does should then wait for what
    /// is committed and ask again.
    pub fn may_be_lag(self) -> bool {
        matches!(
            self,
            Code::NoGenesis
                | Code::TenantUnknown
                | Code::AgentUnknown
                | Code::KeyNotValid
                | Code::AnchorAhead
                | Code::SessionUnknown
                | Code::AgreementUnknown
                | Code::GrantUnknown
        )
    }
}

impl Rejection {
    pub(crate) fn new(
        code: Code,
        field: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { code, field: field.into(), message: message.into(), fix: fix.into(), quota: None }
    }
}

impl From<&RecordError> for Rejection {
    fn from(error: &RecordError) -> Self {
        let code = match error {
            RecordError::TooLarge { .. } => Code::TooLarge,
            RecordError::BadSignature { .. } => Code::BadSignature,
            RecordError::WrongKey { .. } => Code::KeyNotValid,
            _ => Code::Malformed,
        };
        // The error's own text begins with the field, which stands in `field` here.
        let text = error.to_string();
        let message = text.strip_prefix(&format!("{}: ", error.field())).unwrap_or(&text);
        Self::new(code, error.field(), message, error.fix())
    }
}
