//! Why a record was refused: a stable code, the field, words for people, and the fix.

use ledger_format::record::RecordError;

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
        Self { code, field: field.into(), message: message.into(), fix: fix.into() }
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
