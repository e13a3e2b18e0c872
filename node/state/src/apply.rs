//! One command in, everything that follows from it out.

use std::collections::BTreeMap;

use ledger_format::record::json::INTEGER_MAX;
use ledger_format::record::{Actor, Body, Entry, Record, RecordHash, SealStep, record_hash};

use crate::applied::{Alarm, Applied, Outcome};
use crate::batch::{Batch, Stop};
use crate::command::{Command, Private};
use crate::private::Note;
use crate::rejection::{Code, Rejection};
use crate::values::{Flags, RecordAt};
use crate::view::View;
use crate::{
    agent_status, agents, attestations, claims, compliance, decisions, federation, genesis, grant_answers,
    grants, guardrails, log_keys, log_rules, nodes, policies, private, publish, receipts, registry, scores,
    sessions, signer, tenants, workflows,
};

/// Applies one command to the state that `view` shows. Pure and total: it reads nothing else, and whatever is wrong with the
/// command is an answer, the same on every replica (rule S1).
///
/// Signatures of records are not verified here: the node that received a record did it, and a node that does not
/// trust the others replays the log ([`crate::Replayer`]). That the record names the key which is valid for its
/// signer at this index is checked here, because it depends on the order of records.
pub fn apply(view: &(impl View + ?Sized), command: &Command) -> Applied {
    let result = match command {
        Command::Append { log_ms, records } => append(view, *log_ms, records, &BTreeMap::new()),
        Command::AppendNoted { log_ms, records, notes } => append(view, *log_ms, records, notes),
        Command::Seal { log_ms } => seal(view, *log_ms, None),
        Command::SealStep { log_ms, step } => seal(view, *log_ms, Some(*step)),
        Command::Publish { note } => publish::apply(view, note),
        Command::Private(Private::NodeId { id, incarnation }) => nodes::register(view, *id, *incarnation),
        Command::Private(Private::Transact { log_ms, transaction }) => {
            private::transact(view, *log_ms, transaction)
        }
    };
    result.unwrap_or_else(|alarm| Applied { alarm: Some(alarm), ..Applied::default() })
}

/// The log's time never goes back, and stays an integer that every JSON reader carries exactly.
pub(crate) fn advance(previous_ms: u64, log_ms: u64) -> u64 {
    previous_ms.max(log_ms.min(INTEGER_MAX))
}

fn seal(view: &(impl View + ?Sized), log_ms: u64, step: Option<SealStep>) -> Result<Applied, Alarm> {
    let mut batch = Batch::new(view)?;
    batch.service.log_ms = advance(batch.service.log_ms, log_ms);
    let outcome = batch.seal(step)?;
    let trust_inputs = std::mem::take(&mut batch.trust_inputs);
    let (entries, writes) = batch.finish();
    Ok(Applied { outcomes: vec![outcome], entries, writes, trust_inputs, ..Applied::default() })
}

fn append(
    view: &(impl View + ?Sized),
    log_ms: u64,
    records: &[Vec<u8>],
    notes: &BTreeMap<u32, Note>,
) -> Result<Applied, Alarm> {
    let mut batch = Batch::new(view)?;
    batch.service.log_ms = advance(batch.service.log_ms, log_ms);
    let mut outcomes = Vec::with_capacity(records.len());
    for (at, bytes) in (0..).zip(records) {
        outcomes.push(match batch.all_or_nothing(|batch| batch.noted(bytes, notes.get(&at))) {
            Ok(outcome) => outcome,
            Err(Stop::Rejected(rejection)) => Outcome::Rejected(rejection),
            Err(Stop::Halt(alarm)) => return Err(alarm),
        });
    }
    let (seal_now, trust_inputs) = (batch.urgent.take(), std::mem::take(&mut batch.trust_inputs));
    let (entries, writes) = batch.finish();
    Ok(Applied { outcomes, entries, writes, trust_inputs, seal_now, ..Applied::default() })
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// One record with what nodes keep of it.
    fn noted(&mut self, bytes: &[u8], note: Option<&Note>) -> Result<Outcome, Stop> {
        let outcome = self.record(bytes)?;
        if let (Some(note), Outcome::Sequenced { duplicate: false, .. }) = (note, &outcome) {
            self.keep_note(note)?;
        }
        Ok(outcome)
    }

    /// One record. What a rejected one has changed is taken back by the caller.
    fn record(&mut self, bytes: &[u8]) -> Result<Outcome, Stop> {
        let record = Record::parse(bytes).map_err(|error| Rejection::from(&error))?;
        let hash = record_hash(bytes);
        if let Some(known) = self.find_record(record.tenant, record.id)? {
            return duplicate(&record, hash, known);
        }
        self.check_envelope(&record, bytes.len())?;
        signer::check_kid(self, &record)?;
        let prev_flag = self.check_prev(&record)?;
        // What the log's time has ended comes first, and stays undone if the record is refused: it waits for an entry.
        self.end_sessions_due()?;
        let flags = self.family(&record, hash, prev_flag)?;
        if self.seal_now {
            self.mark_urgent()?;
        }
        Ok(self.sequence(&record, hash, bytes, flags)?)
    }

    /// What holds for records of every type.
    fn check_envelope(&mut self, record: &Record, size: usize) -> Result<(), Stop> {
        if !matches!(record.body, Body::LogGenesis(_)) {
            let max = self.genesis()?.limits.record_bytes;
            if size as u64 > max {
                let message = format!("record of {size} bytes is longer than this log's {max}");
                let fix = "move values out of the record and put their digests in";
                return Err(Rejection::new(Code::TooLarge, "", message, fix).into());
            }
        }
        match record.anchor {
            Some(anchor) if anchor > self.next_index() => {
                let message =
                    format!("the log has {} entries, no checkpoint of size {anchor}", self.next_index());
                let fix = "name the size of a checkpoint that this log has published";
                Err(Rejection::new(Code::AnchorAhead, "anchor", message, fix).into())
            }
            _ => Ok(()),
        }
    }

    /// Compares `prev` with what the same agent signed last. Tenants and the operator sign from many places at
    /// once, so their `prev` is kept as evidence and not compared.
    fn check_prev(&mut self, record: &Record) -> Result<Flags, Alarm> {
        let (Actor::Agent(agent), Some(prev)) = (record.actor, record.prev) else { return Ok(Flags::NONE) };
        let matches = self.chain(agent)?.signed == Some(prev);
        Ok(if matches { Flags::NONE } else { Flags::PREV_MISMATCH })
    }

    /// The rules and effects of the record's own type.
    fn family(&mut self, record: &Record, hash: RecordHash, flags: Flags) -> Result<Flags, Stop> {
        match &record.body {
            Body::LogGenesis(body) => genesis::register(self, body)?,
            Body::LogKey(body) => log_keys::change(self, body)?,
            Body::LogPolicy(body) => log_rules::policy(self, body)?,
            Body::TrustAlgorithm(body) => log_rules::algorithm(self, body)?,
            Body::TenantRegister(body) => tenants::register(self, record, body)?,
            Body::TenantUpdate(body) => tenants::update(self, record, body)?,
            Body::TenantKey(body) => tenants::rotate_key(self, record, body)?,
            Body::TenantSuspend(_) => tenants::suspend(self, record)?,
            Body::TenantReactivate(_) => tenants::reactivate(self, record)?,
            Body::FederationAgree(body) => federation::agree(self, record, body, hash)?,
            Body::FederationEnd(body) => federation::end(self, record, body)?,
            Body::AgentRegister(body) => agents::register(self, record, body)?,
            Body::AgentKey(body) => agents::rotate_key(self, record, body)?,
            Body::AgentUpdate(body) => agent_status::update(self, record, body)?,
            Body::AgentSuspend(body) => agent_status::suspend(self, record, body)?,
            Body::AgentReactivate(body) => agent_status::reactivate(self, record, body)?,
            Body::AgentRevoke(body) => agent_status::revoke(self, record, body)?,
            Body::AgentKill(body) => agent_status::kill(self, record, body)?,
            Body::SessionOpen(body) => sessions::open(self, record, body)?,
            Body::SessionRefresh(body) => sessions::refresh(self, record, body)?,
            Body::SessionHandoff(body) => sessions::hand_off(self, record, body)?,
            Body::SessionClose(body) => sessions::close(self, record, body)?,
            Body::ReceiptAction(body) => return receipts::action(self, record, body, hash, flags),
            Body::ReceiptGenesis(body)
            | Body::ReceiptDelegation(body)
            | Body::ReceiptRevocation(body)
            | Body::ReceiptDataset(body)
            | Body::ReceiptModel(body)
            | Body::ReceiptCompliance(body)
            | Body::ReceiptClaim(body)
            | Body::ReceiptApproval(body) => return receipts::statement(self, record, body, hash, flags),
            Body::ReceiptSupersede(body) => receipts::supersede(self, record, body)?,
            Body::ReceiptRevoke(body) => receipts::revoke(self, record, body)?,
            Body::DelegationOffer(body) => return grants::offer(self, record, body, hash, flags),
            Body::DelegationAccept(body) => grant_answers::accept(self, record, body)?,
            Body::DelegationReject(body) => grant_answers::reject(self, record, body)?,
            Body::DelegationRevoke(body) => grant_answers::revoke(self, record, body)?,
            Body::Decision(body) => return decisions::decision(self, record, body, flags),
            Body::Approval(body) => decisions::approval(self, record, body)?,
            Body::PolicyPut(body) => policies::put(self, record, body, hash)?,
            Body::PolicyStatus(body) => policies::set_status(self, record, body)?,
            Body::AttestPeer(body) => return attestations::peer(self, record, body, flags),
            other => return self.other_family(record, other, flags),
        }
        Ok(flags)
    }

    /// Families that keep books and decide nothing about others.
    fn other_family(&mut self, record: &Record, body: &Body, flags: Flags) -> Result<Flags, Stop> {
        match body {
            Body::ScopeDefine(body) => registry::define_scope(self, record, body)?,
            Body::ToolRegister(body) => registry::register_tool(self, record, body)?,
            Body::DatasetAttest(body) => registry::dataset(self, record, body)?,
            Body::ModelAttest(body) => registry::model(self, record, body)?,
            Body::TrustCompute(body) => scores::compute(self, record, body)?,
            Body::Erasure(body) => registry::erase(self, record, body)?,
            Body::ClaimCreate(body) => claims::create(self, record, body)?,
            Body::ClaimResolve(body) => claims::resolve(self, record, body)?,
            Body::WitnessRequest(body) => claims::request(self, record, body)?,
            Body::WitnessAttest(body) => claims::vote(self, record, body)?,
            Body::DocumentAttest(body) => claims::attest_document(self, record, body)?,
            Body::DocumentVerdict(body) => claims::judge_document(self, record, body)?,
            Body::ComplianceCheck(body) => compliance::check(self, record, body)?,
            Body::ComplianceReport(body) => compliance::report(self, record, body)?,
            Body::AnomalyReport(body) => compliance::anomaly(self, record, body)?,
            Body::AnomalyResolve(body) => compliance::resolve(self, record, body)?,
            Body::WorkflowDefine(body) => workflows::define(self, record, body)?,
            Body::WorkflowPublish(body) => workflows::publish(self, record, body)?,
            Body::OrchestrationStart(body) => workflows::start(self, record, body)?,
            Body::OrchestrationStep(body) => workflows::step(self, record, body)?,
            Body::OrchestrationFinish(body) => workflows::finish(self, record, body)?,
            Body::GuardrailDefine(body) => guardrails::define(self, record, body)?,
            Body::GuardrailStatus(body) => guardrails::set_status(self, record, body)?,
            _ => {
                let message = format!("this log does not know records of type {}", record.type_name());
                let fix = "wait until the log's software knows the type";
                return Err(Rejection::new(Code::Malformed, "type", message, fix).into());
            }
        }
        Ok(flags)
    }

    /// Gives the record its index and the log its entry.
    fn sequence(
        &mut self,
        record: &Record,
        hash: RecordHash,
        bytes: &[u8],
        flags: Flags,
    ) -> Result<Outcome, Alarm> {
        let (index, log_ms) = (self.next_index(), self.service.log_ms);
        let leaf = self.push_entry(Entry::encode(log_ms, bytes));
        self.put_record(
            record.tenant,
            record.id,
            RecordAt { index, log_ms, hash, leaf, receipt_of: receipts::receipt_about(&record.body) },
        );
        self.put_flags(index, flags);
        if let Actor::Agent(agent) = record.actor {
            let mut chain = self.chain(agent)?;
            chain.signed = Some(hash);
            self.put_chain(agent, chain);
        }
        Ok(Outcome::Sequenced { index, leaf, log_ms, duplicate: false })
    }
}

/// Exact deduplication (rule S2): the same record gets its first index back, always; another one under its id never.
fn duplicate(record: &Record, hash: RecordHash, known: RecordAt) -> Result<Outcome, Stop> {
    if known.hash == hash {
        let RecordAt { index, leaf, log_ms, .. } = known;
        return Ok(Outcome::Sequenced { index, leaf, log_ms, duplicate: true });
    }
    let message = format!("id {} is used by another record, at index {}", record.id, known.index);
    let fix = "make a new id, or send the first record unchanged";
    Err(Rejection::new(Code::IdConflict, "id", message, fix).into())
}
