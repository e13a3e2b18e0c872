//! The replicated state machine: Command in, Applied out, nothing else.
//!
//! ```text
//! Command --+
//!           v
//! View --> apply --> Applied { outcomes, entries, writes, published, alarm }
//! ```
//!
//! [`apply`] is the only way in which state changes. It takes no clock, no randomness, no store and no configuration, uses no floats and no
//! map without an order, so every replica computes the same bytes from the same commands, and a test needs no runtime. What must
//! reach disk is returned; the caller commits it together with the applied Raft index.
//!
//! Whatever a public answer depends on follows from the log's entries alone: [`Replayer`] rebuilds it and trusts nobody.
//! What follows from commands only (the published checkpoint, node ids, counters) is marked in [`keys`].
//!
//! Deliberately absent: verification of signatures in `apply` (the receiving node did it; a replay does it again), and every
//! kind of I/O.

mod actions;
mod agent_status;
mod agents;
mod applied;
mod apply;
mod attestations;
mod authority;
mod batch;
mod calendar;
mod claims;
mod codec;
mod command;
mod compliance;
mod decide;
mod decisions;
mod ended;
mod ending;
mod federation;
mod fields;
mod genesis;
mod grant_answers;
mod grants;
mod guardrails;
mod judgement;
pub mod keys;
mod log_keys;
mod log_rules;
mod map;
mod memory;
mod metering;
mod nodes;
mod overlay;
mod points;
mod policies;
mod private;
mod publish;
mod question;
mod receipts;
mod registry;
mod rejection;
mod replay;
mod scores;
mod sessions;
mod severity;
mod signature_job;
mod signer;
mod status;
mod subject;
mod tenants;
mod thresholds;
mod tokens;
pub mod trust;
mod trust_points;
mod usage;
mod values;
mod view;
mod workflows;

pub use actions::receipt_meaning;
pub use applied::{Alarm, Applied, Ignored, NewEntry, Outcome, Published, Write};
pub use apply::apply;
pub use authority::{Grant, GrantFault, GrantStanding};
pub use calendar::Month;
pub use claims::{Claim, ClaimVoteAt, Document, claim_votes};
pub use codec::DecodeError;
pub use command::{COMMAND_VERSION, Command, Private, RECORDS_PER_COMMAND_MAX};
pub use compliance::Anomaly;
pub use decide::{Answer, Question, evaluate};
pub use decisions::{ApprovalAt, DecisionAt, VerdictAt, approval_of, asked_before, asked_count, verdict};
pub use ended::{ENDED_LOOKS_MAX, EndedPage, ended_by};
pub use ending::{Ending, ended_early};
pub use federation::{Agreement, newest_agreement};
pub use guardrails::{GUARDRAILS_MAX, GuardrailAt, guardrails};
pub use judgement::{GrantJudgement, judge_grant};
pub use keys::RECORD_KEY_PREFIX;
pub use map::{
    MAP_KEPT_MS, MAP_VERSIONS_KEPT, MAP_VERSIONS_MAX, MapStatus, MapVersion, StapleParts, map_status,
    staple_parts, waiting,
};
pub use memory::MemoryState;
pub use metering::{Counters, Metric, QuotaExceeded, Usage, quotas_bind, usage};
pub use points::{KeptPoints, Point, Points};
pub use policies::{POLICIES_MAX, PolicyAt, policies, policy};
pub use private::{
    Expect, Note, PRIVATE_BYTES_MAX, PRIVATE_EXPECTS_MAX, PRIVATE_KEY_BYTES_MAX, PRIVATE_SWEEP_MAX,
    PRIVATE_VALUE_BYTES_MAX, PRIVATE_WAIT_MAX_MS, PRIVATE_WRITES_MAX, PrivateWrite, Transacted, Transaction,
    TransactionFault, ValueDigest, private, private_due, private_pair,
};
pub use receipts::{ReceiptMark, receipt_about};
pub use registry::{Lineage, SCOPE_DEFINITIONS_MAX, ScopeAt, Tool, scope_defined, tool, tool_named};
pub use rejection::{Code, Rejection};
pub use replay::{ReplayError, ReplayFault, ReplayState, Replayer, Step, StepError};
pub use scores::ComputedScore;
pub use sessions::{Session, SessionStanding};
pub use severity::{TENANT_CAP_DAYS, tenant_cap_bp};
pub use signature_job::SignatureJob;
pub use signer::{SignatureChecker, SignatureFault, check_signature, signer_key};
pub use status::{
    LogStatus, agent, agent_key, agreement, anomaly, chain, children, claim, compliance_check,
    compliance_report, computed_score, dataset, decision, document, erased, flags, genesis, grant,
    grant_fault, log_keys, log_ms, model, open_sessions, receipt_mark, record_at, record_index, record_of,
    run, session, size, status, tenant, trust_closing_score, trust_reading, workflow, workflow_version,
};
pub use subject::{Subject, public_status};
pub use tokens::{
    Nonce, SIGNED_WITHIN_MS, ShownCall, TokenLive, TokenQuestion, TokenReason, TokenRefused, check_token,
    grant_token, session_claims,
};
pub use trust_points::{
    TRUST_HISTORY_DAYS, TrustAsOf, TrustPoint, newest_trust_point, trust_as_of, trust_points,
};
pub use values::{
    Agent, AgentStatus, Chain, Flags, Genesis, KeySpan, LOG_KEYS_EVER_MAX, LogKeySpan, LogKeys, RecordAt,
    Service, SignerKey, Tenant, Tree, Value,
};
pub use view::View;
pub use workflows::{Run, Workflow, WorkflowStep, WorkflowVersion};
