//! Questions to the state, answered from a view.
//!
//! A stored value that does not decode counts as absent here; `apply` raises an alarm for it.

use ledger_format::Hash;
use ledger_format::record::{
    AgentId, AnomalyId, ClaimId, ComplianceCheckId, DatasetId, DelegationId, Digest, DocumentId, Entry, Kid,
    ModelId, OrchestrationId, ReceiptId, Record, RecordHash, ReportId, SessionId, Ulid, WorkflowId,
    record_hash,
};

use crate::applied::{Alarm, Published};
use crate::authority::Grant;
use crate::batch::Batch;
use crate::claims::{Claim, Document};
use crate::compliance::Anomaly;
use crate::decisions::DecisionAt;
use crate::federation::Agreement;
use crate::keys::{self, Kept};
use crate::receipts::{ReceiptMark, receipt_about};
use crate::registry::{Lineage, dataset_key, model_key};
use crate::scores::{ComputedScore, Number, computed_key};
use crate::sessions::Session;
use crate::trust::{AgentState, Reading};
use crate::values::{Agent, Chain, Flags, Genesis, KeySpan, LogKeys, RecordAt, Service, Tenant, Tree, Value};
use crate::view::{View, load};
use crate::workflows::{Run, Workflow, WorkflowVersion, version_key, workflow_key};

/// Where the log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// Entries.
    pub size: u64,
    /// Root over all of them.
    pub root: Hash,
    /// The log's time, ms since 1970.
    pub log_ms: u64,
    /// The log's time in the last entry, ms since 1970.
    pub last_entry_ms: u64,
    /// First line of every checkpoint; `None` before the genesis.
    pub origin: Option<String>,
    /// The published checkpoint.
    pub published: Option<Published>,
    /// Checkpoints that broke rule S5.
    pub publishes_ignored: u64,
}

/// Where the log stands.
pub fn status(view: &(impl View + ?Sized)) -> LogStatus {
    let tree: Tree = find(view, keys::TREE).unwrap_or_default();
    let service: Service = find(view, keys::SERVICE).unwrap_or_default();
    LogStatus {
        size: tree.frontier.size(),
        root: tree.frontier.root(),
        log_ms: service.log_ms,
        last_entry_ms: tree.last_at,
        origin: genesis(view).map(|genesis| genesis.origin),
        published: find(view, keys::PUBLISHED),
        publishes_ignored: service.publishes_ignored,
    }
}

/// The log's time, ms since 1970: of [`status`] what is asked most often.
pub fn log_ms(view: &(impl View + ?Sized)) -> u64 {
    find::<Service>(view, keys::SERVICE).unwrap_or_default().log_ms
}

/// Entries of the log: [`LogStatus::size`] alone.
pub fn size(view: &(impl View + ?Sized)) -> u64 {
    find::<Tree>(view, keys::TREE).unwrap_or_default().frontier.size()
}

/// What entry 0 says.
pub fn genesis(view: &(impl View + ?Sized)) -> Option<Genesis> {
    find(view, keys::GENESIS)
}

/// The log's verifier keys, retired ones included; none before the genesis.
pub fn log_keys(view: &(impl View + ?Sized)) -> LogKeys {
    find(view, keys::LOG_KEYS).unwrap_or_default()
}

/// A tenant.
pub fn tenant(view: &(impl View + ?Sized), id: Ulid) -> Option<Tenant> {
    find(view, &keys::tenant(id))
}

/// An agent.
pub fn agent(view: &(impl View + ?Sized), id: AgentId) -> Option<Agent> {
    find(view, &keys::agent(id))
}

/// A session.
pub fn session(view: &(impl View + ?Sized), id: SessionId) -> Option<Session> {
    find(view, &keys::session(id))
}

/// A grant.
pub fn grant(view: &(impl View + ?Sized), id: DelegationId) -> Option<Grant> {
    find(view, &keys::grant(id))
}

/// Why a grant does not hold at the log's time, itself or for something above it; `None`: it holds.
///
/// # Errors
/// The state is damaged.
pub fn grant_fault<V: View + ?Sized>(view: &V, id: DelegationId) -> Result<Option<String>, Alarm> {
    let mut batch = Batch::new(view)?;
    match batch.grant_chain(id)? {
        Some(chain) => batch.chain_fault(&chain, true),
        None => Ok(Some(format!("there is no grant {id}"))),
    }
}

/// An agreement, by the hash of its record.
pub fn agreement(view: &(impl View + ?Sized), hash: RecordHash) -> Option<Agreement> {
    find(view, &keys::agreement(hash))
}

/// A decision on record.
pub fn decision(view: &(impl View + ?Sized), tenant: Ulid, id: ReceiptId) -> Option<DecisionAt> {
    find(view, &keys::kept(Kept::Decision, &tenant.to_bytes(), &id.0.to_bytes()))
}

/// A claim.
pub fn claim(view: &(impl View + ?Sized), id: ClaimId) -> Option<Claim> {
    find(view, &keys::kept(Kept::Claim, &id.0.to_bytes(), &[]))
}

/// What became of a receipt; `None`: it counts.
pub fn receipt_mark(view: &(impl View + ?Sized), tenant: Ulid, id: ReceiptId) -> Option<ReceiptMark> {
    find(view, &keys::kept(Kept::ReceiptMark, &tenant.to_bytes(), &id.0.to_bytes()))
}

/// A workflow.
pub fn workflow(view: &(impl View + ?Sized), id: WorkflowId) -> Option<Workflow> {
    find(view, &workflow_key(id))
}

/// A version of a workflow.
pub fn workflow_version(
    view: &(impl View + ?Sized),
    id: WorkflowId,
    version: u64,
) -> Option<WorkflowVersion> {
    find(view, &version_key(id, version))
}

/// A run of a workflow.
pub fn run(view: &(impl View + ?Sized), id: OrchestrationId) -> Option<Run> {
    find(view, &keys::kept(Kept::Run, &id.0.to_bytes(), &[]))
}

/// The newest score of the agent that its tenant asked for.
pub fn computed_score(view: &(impl View + ?Sized), id: AgentId) -> Option<ComputedScore> {
    find(view, &computed_key(id))
}

/// A document.
pub fn document(view: &(impl View + ?Sized), id: DocumentId) -> Option<Document> {
    find(view, &keys::kept(Kept::Document, &id.0.to_bytes(), &[]))
}

/// An anomaly.
pub fn anomaly(view: &(impl View + ?Sized), id: AnomalyId) -> Option<Anomaly> {
    find(view, &keys::kept(Kept::Anomaly, &id.0.to_bytes(), &[]))
}

/// Index of the record of a compliance check.
pub fn compliance_check(view: &(impl View + ?Sized), id: ComplianceCheckId) -> Option<u64> {
    find::<Number>(view, &keys::kept(Kept::Check, &id.0.to_bytes(), &[])).map(|number| number.value)
}

/// Index of the record of a compliance report.
pub fn compliance_report(view: &(impl View + ?Sized), id: ReportId) -> Option<u64> {
    find::<Number>(view, &keys::kept(Kept::Report, &id.0.to_bytes(), &[])).map(|number| number.value)
}

/// A data set in the lineage graph.
pub fn dataset(view: &(impl View + ?Sized), id: DatasetId) -> Option<Lineage> {
    find(view, &dataset_key(id))
}

/// A model in the lineage graph.
pub fn model(view: &(impl View + ?Sized), id: ModelId) -> Option<Lineage> {
    find(view, &model_key(id))
}

/// Index of the record that says that a subject was erased.
pub fn erased(view: &(impl View + ?Sized), tenant: Ulid, subject: &Digest) -> Option<u64> {
    let key = keys::kept(Kept::Erased, &tenant.to_bytes(), subject.to_string().as_bytes());
    find::<Number>(view, &key).map(|number| number.value)
}

/// Trust in an agent at log time `ms`, which is not before the last entry; `None` for an unknown agent or an earlier time.
pub fn trust_reading(view: &(impl View + ?Sized), id: AgentId, ms: u64) -> Option<Reading> {
    let last = find::<Number>(view, keys::TRUST_MS).map_or(0, |number| number.value);
    let state: AgentState = find(view, &keys::trust(id))?;
    (ms >= last && ms <= crate::trust::MAX_INTEGER).then(|| state.reading_at(ms))
}

/// The score of an agent when a log day ended, as its trend looks back to it: `Some(None)` is unscored. `None` for an unknown agent,
/// and for a day before the last input about it.
pub fn trust_closing_score(view: &(impl View + ?Sized), id: AgentId, day: u64) -> Option<Option<u64>> {
    find::<AgentState>(view, &keys::trust(id))?.closing_score(day)
}

/// When a key was valid for an agent.
pub fn agent_key(view: &(impl View + ?Sized), id: AgentId, kid: Kid) -> Option<KeySpan> {
    find(view, &keys::agent_key(id, kid))
}

/// The agents directly below one, in the order of registration, from number `first` on, at most `limit`.
pub fn children(view: &(impl View + ?Sized), id: AgentId, first: u64, limit: u64) -> Vec<AgentId> {
    let count = agent(view, id).map_or(0, |agent| agent.children);
    let child =
        |number| Some(AgentId(Ulid::from_bytes(view.get(&keys::child(id, number))?.try_into().ok()?)));
    (first..count.min(first.saturating_add(limit))).filter_map(child).collect()
}

/// An agent's open sessions; of one that has ended, those that its end ended.
pub fn open_sessions(view: &(impl View + ?Sized), id: AgentId) -> u64 {
    find::<Number>(view, &keys::open_sessions(id)).map_or(0, |open| open.value)
}

/// The chain of an agent's receipts; empty before the first.
pub fn chain(view: &(impl View + ?Sized), id: AgentId) -> Chain {
    find(view, &keys::chain(id)).unwrap_or_default()
}

/// Where a record is in the log.
pub fn record_at(view: &(impl View + ?Sized), tenant: Ulid, id: Ulid) -> Option<RecordAt> {
    find(view, &keys::record(tenant, id))
}

/// What the log noticed about an entry.
pub fn flags(view: &(impl View + ?Sized), index: u64) -> Flags {
    find(view, &keys::flags(index)).unwrap_or_default()
}

/// The per-record keys and values that applying this entry at `index` wrote: all of them can be rebuilt from entries alone. None if
/// the bytes are no entry with a record.
pub fn record_index(index: u64, entry: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Some((value, record)) = record_of(index, entry) else { return Vec::new() };
    let place = (keys::record(record.tenant, record.id), value.encode());
    let receipt = value.receipt_of.map(|agent| (keys::receipt(agent, index), Vec::new()));
    [Some(place), receipt].into_iter().flatten().collect()
}

/// The record of the entry at `index`, and its place as the state has it. None if the bytes are no entry with a record.
pub fn record_of(index: u64, entry: &[u8]) -> Option<(RecordAt, Record)> {
    let Entry { at, record: bytes } = Entry::parse(entry).ok()?;
    let record = Record::parse(bytes).ok()?;
    let leaf = ledger_format::leaf_hash(entry);
    let receipt_of = receipt_about(&record.body);
    Some((RecordAt { index, log_ms: at, hash: record_hash(bytes), leaf, receipt_of }, record))
}

fn find<T: Value>(view: &(impl View + ?Sized), key: &[u8]) -> Option<T> {
    load(view, key).ok().flatten()
}
