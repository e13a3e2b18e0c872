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
mod body;
mod declare;
mod entry;
mod envelope;
mod error;
mod fields;
mod hex;
mod ids;
pub mod json;
mod keys;
mod kinds;
mod log_genesis;
mod log_key;
mod receipt;
mod scope;
mod session;
mod state_root;
mod tenant;

pub use agent::{AgentKey, AgentRegister, AgentRevoke, AgentType};
pub use agent_status::{AgentKill, AgentReactivate, AgentSuspend, AgentUpdate};
pub use body::{ActorKind, Body, FieldInfo, TYPES, TypeInfo};
pub use entry::{ENTRY_OVERHEAD_BYTES, Entry, EntryError, RECORD_BYTES_MAX};
pub use envelope::{Actor, Draft, ENVELOPE_FIELDS, Record, RecordHash, Signature, VERSION, record_hash};
pub use error::RecordError;
pub use fields::{
    Digest, DigestAlgorithm, NAME_BYTES_MAX, ON_BEHALF_OF_BYTES_MAX, SCOPES_MAX, TOKEN_BYTES_MAX,
};
pub use ids::{
    AgentId, AnomalyId, AttestationId, ClaimId, ComplianceCheckId, DatasetId, DelegationId, DocumentId,
    ModelId, OrchestrationId, PolicyId, ReceiptId, ReportId, SessionId, TenantId, ToolId, ULID_CHARS, Ulid,
    WorkflowId, tenant_tag,
};
pub use keys::{BadSignature, KeyError, Kid, PUBLIC_KEY_CHARS, PublicKey, SEED_PREFIX, SigningKey};
pub use log_genesis::{
    AGENT_DEPTH_MAX, AGENT_DESCENDANTS_MAX, GenesisLimits, LOG_KEYS_MAX, LogGenesis, POLICY_BYTES_MAX,
    PREDECESSOR_BYTES_MAX,
};
pub use log_key::{LogKey, LogKeyAction};
pub use receipt::{
    ActionOutcome, ActionVerdict, DETAIL_BYTES_MAX, DETAIL_MEMBERS_MAX, DetailValue, ReceiptAction,
};
pub use scope::{SCOPE_PART_BYTES_MAX, Scope};
pub use session::{
    SESSION_MINUTES_MAX, SessionClose, SessionEnd, SessionHandoff, SessionOpen, SessionRefresh,
};
pub use state_root::{STATE_ROOT_TYPE, StateRoot};
pub use tenant::{Plan, TenantRegister};
