//! Building the timeline behind the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ledger_format::record::{AgentId, Body, Entry, Record, Ulid};
use ledger_store::{Batch, Space};

use super::rows::{self, ANY, Place, Scope};
use crate::{hosted::Core, ledger::LedgerError};

/// Entries that become rows in one write.
const ENTRIES_AT_ONCE: u64 = 512;
/// The log counts as quiet when nothing was written between two looks, this long apart.
const QUIET: Duration = Duration::from_millis(250);
/// So far behind, the timeline catches up even while the log is busy: whoever asks should not wait for minutes.
const BEHIND_MAX: u64 = 200_000;

/// Runs on every node whose options ask for a timeline.
pub(crate) async fn run(core: Arc<Core>) {
    let mut wanted = core.timeline.wanted.subscribe();
    let mut reached = match core.timeline_reached() {
        Ok(reached) => reached,
        Err(error) => return tracing::error!(log = %core.name, "the timeline cannot be read: {error}"),
    };
    core.timeline.reached.send_replace(reached);
    loop {
        let size = core.ledger.size();
        let pressing = *wanted.borrow_and_update() > reached || size.saturating_sub(reached) > BEHIND_MAX;
        if reached >= size || !pressing {
            // Looked at now and then: woken with every write, each node would pay for it with each record.
            tokio::select! {
                changed = wanted.changed() => { if changed.is_err() { return; } continue; }
                () = tokio::time::sleep(QUIET) => {}
            }
            if reached >= size || core.ledger.size() > size {
                continue;
            }
        }
        let worker = Arc::clone(&core);
        let step = tokio::task::spawn_blocking(move || extend(&worker, reached)).await;
        match step {
            Ok(Ok(now)) => {
                reached = now;
                core.timeline.reached.send_replace(reached);
            }
            Ok(Err(error)) => {
                tracing::error!(log = %core.name, "the timeline is not extended: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(_) => return,
        }
    }
}

/// Adds some entries from `reached` on; how far it is then. Another answer than what was expected on disk (the index was
/// cleared, or the rows are of another version) begins anew.
fn extend(core: &Arc<Core>, reached: u64) -> Result<u64, LedgerError> {
    let ledger = &core.ledger;
    let on_disk = core.timeline_reached()?;
    if on_disk != reached {
        return Ok(on_disk);
    }
    if reached == 0 {
        clear(core)?;
    }
    let end = ledger.size().min(reached + ENTRIES_AT_ONCE);
    let mut batch = Batch::new();
    let mut counts: BTreeMap<(Scope, u8), u64> = BTreeMap::new();
    let mut next = reached;
    while next < end {
        // A bundle at a time: each is read and checked as a whole.
        let entries = ledger.entries(next, end)?;
        if entries.is_empty() {
            break;
        }
        for (index, bytes) in (next..).zip(&entries) {
            // A `state.root` is nobody's record.
            let Ok(entry) = Entry::parse(bytes) else { continue };
            if let Ok(record) = Record::parse(entry.record) {
                add(&mut batch, &mut counts, index, entry.at, &record);
            }
        }
        next += entries.len() as u64;
    }
    for ((scope, code), more) in counts {
        let key = Place::Count(scope, code).key();
        let before = ledger.engine().get(Space::Index, &key)?.and_then(|bytes| bytes.try_into().ok());
        batch.put(Space::Index, key, (before.map_or(0, u64::from_be_bytes) + more).to_be_bytes());
    }
    batch.put(Space::Index, Place::Reached.key(), rows::reached_value(end));
    ledger.engine().commit(batch)?;
    Ok(end)
}

fn add(batch: &mut Batch, counts: &mut BTreeMap<(Scope, u8), u64>, index: u64, log_ms: u64, record: &Record) {
    let Some(code) = rows::code(record.type_name()) else { return };
    if record.tenant == Ulid::NIL {
        return;
    }
    let agent = record.body.agent();
    batch.put(
        Space::Index,
        Place::Row(record.tenant, index).key(),
        rows::row_value(code, agent, record.id, log_ms),
    );
    let about = agent.map(|agent| Scope::of(record.tenant, Some(agent)));
    for scope in [Scope::of(record.tenant, None)].into_iter().chain(about) {
        for code in [code, ANY] {
            batch.put(Space::Index, Place::Newest(scope, code, index).key(), []);
            *counts.entry((scope, code)).or_default() += 1;
        }
    }
    for (tenant, agents) in parties(record) {
        let about = agents.iter().map(|agent| Some(*agent));
        for agent in [None].into_iter().chain(about) {
            let scope = Scope::of_party(tenant, agent);
            let row = rows::row_value(code, agent, record.id, log_ms);
            batch.put(Space::Index, Place::Newest(scope, code, index).key(), row.clone());
            batch.put(Space::Index, Place::Newest(scope, ANY, index).key(), row);
            *counts.entry((scope, code)).or_default() += 1;
        }
    }
    if let Some(object) = made(record) {
        batch.put(Space::Index, Place::Object(object).key(), rows::object_value(index, record.tenant));
    }
}

/// The tenants between which a record makes something, with those of their agents that it is about: their lists of grants and of
/// agreements begin here. A tenant of another log may be among them, whom nobody asks for.
fn parties(record: &Record) -> BTreeMap<Ulid, BTreeSet<AgentId>> {
    let mut parties: BTreeMap<Ulid, BTreeSet<AgentId>> = BTreeMap::new();
    match &record.body {
        Body::DelegationOffer(offer) => {
            parties.entry(record.tenant).or_default().extend(offer.from);
            parties.entry(offer.to.tenant.0).or_default().insert(offer.to.agent);
        }
        // A grant of another log begins here with its acceptance.
        Body::DelegationAccept(accept) if accept.foreign.is_some() => {
            parties.entry(record.tenant).or_default().insert(accept.agent);
        }
        Body::FederationAgree(agreement) => {
            parties.entry(record.tenant).or_default();
            parties.entry(agreement.peer.0).or_default();
        }
        _ => {}
    }
    parties
}

/// The object that a record makes. A later record that makes it anew, such as another version, takes its place. A statement and a
/// request for votes are their own objects: anybody may verify the one or vote on the other by its id, without knowing whose it is.
fn made(record: &Record) -> Option<Ulid> {
    Some(match &record.body {
        Body::ReceiptClaim(_) | Body::WitnessRequest(_) => record.id,
        Body::AgentRegister(body) => body.agent.0,
        Body::ToolRegister(body) => body.tool.0,
        Body::SessionOpen(body) => body.session.0,
        Body::DelegationOffer(body) => body.grant.0,
        Body::PolicyPut(body) => body.policy.0,
        Body::ClaimCreate(body) => body.claim.0,
        Body::DocumentAttest(body) => body.document.0,
        Body::ComplianceCheck(body) => body.check.0,
        Body::ComplianceReport(body) => body.report.0,
        Body::AnomalyReport(body) => body.anomaly.0,
        Body::DatasetAttest(body) => body.dataset.0,
        Body::ModelAttest(body) => body.model.0,
        Body::WorkflowDefine(body) => body.workflow.0,
        Body::OrchestrationStart(body) => body.orchestration.0,
        _ => return None,
    })
}

/// Removes what another version has left.
fn clear(core: &Arc<Core>) -> Result<(), LedgerError> {
    let engine = core.ledger.engine();
    loop {
        let left = engine.scan(
            Space::Index,
            &[rows::PREFIX],
            Some(&[rows::PREFIX + 1]),
            ENTRIES_AT_ONCE as usize,
        )?;
        if left.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for (key, _) in left {
            batch.delete(Space::Index, key);
        }
        engine.commit(batch)?;
    }
}
