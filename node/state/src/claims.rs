//! Claims, the votes on them, and documents.

use std::rc::Rc;

use ledger_format::record::{
    AgentId, ClaimCreate, ClaimId, ClaimResolve, ClaimResult, ClaimVote, DocumentAttest, DocumentResult,
    DocumentVerdict, Record, ToolId, Ulid, VerdictMethod, WitnessAttest, WitnessRequest,
};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop, refuse};
use crate::fields::{value, word_parts};
use crate::keys::{self, Kept};
use crate::rejection::Code;
use crate::view::{View, load};

word_parts!(ClaimResult, ClaimVote, DocumentResult);

value! {
    /// A claim and its votes.
    pub Claim {
        /// The tenant that it belongs to.
        tenant: Ulid,
        /// Who claims it.
        agent: AgentId,
        /// Whether it concerns the tenant alone.
        internal: bool,
        /// Deadline in log time, and quorum, once votes are asked for.
        asked: Option<(u64, u64)>,
        /// Votes for it.
        confirm: u64,
        /// Votes against it.
        deny: u64,
        /// Abstentions.
        abstain: u64,
        /// Votes of agents of other tenants, of any kind.
        foreign: u64,
        /// What became of it.
        result: Option<ClaimResult>,
        /// Index of the record that made it.
        created: u64,
        /// Index of the newest request for votes.
        request: Option<u64>,
        /// Index of the record that says what became of it.
        resolved: Option<u64>,
    }
}

value! {
    /// An agent's vote on a claim.
    pub ClaimVoteAt {
        /// The agent's tenant.
        tenant: Ulid,
        /// The vote.
        vote: ClaimVote,
        /// Index of its record.
        index: u64,
    }
}

impl Claim {
    /// What the votes say.
    pub fn outcome(&self) -> ClaimResult {
        let votes = self.confirm + self.deny + self.abstain;
        let Some((_, quorum)) = self.asked.filter(|(_, quorum)| votes >= *quorum) else {
            return ClaimResult::Inconclusive;
        };
        let is_independent = self.internal || 2 * self.foreign >= quorum;
        if self.confirm > self.deny && is_independent {
            ClaimResult::Confirmed
        } else if self.deny > self.confirm {
            ClaimResult::Rejected
        } else {
            ClaimResult::Inconclusive
        }
    }
}

value! {
    /// A document.
    pub Document {
        /// The tenant that it belongs to.
        tenant: Ulid,
        /// Who attested it.
        agent: AgentId,
        /// What was found.
        verdict: Option<DocumentResult>,
        /// Index of the last record about it.
        index: u64,
    }
}

fn claim_key(id: ClaimId) -> Vec<u8> {
    keys::kept(Kept::Claim, &id.0.to_bytes(), &[])
}

pub(crate) fn create<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ClaimCreate,
) -> Result<(), Stop> {
    batch.acting_agent_of(record.tenant, body.agent, "body.agent")?;
    if batch.claim(body.claim)?.is_some() {
        let message = format!("claim {} is there already", body.claim);
        return Err(refuse(Code::ClaimExists, "body.claim", message, "make a new claim id"));
    }
    let claim = Claim {
        tenant: record.tenant,
        agent: body.agent,
        internal: body.internal,
        asked: None,
        confirm: 0,
        deny: 0,
        abstain: 0,
        foreign: 0,
        result: None,
        created: batch.next_index(),
        request: None,
        resolved: None,
    };
    batch.put(claim_key(body.claim), claim);
    Ok(())
}

/// A claim that is not resolved.
fn open<V: View + ?Sized>(batch: &mut Batch<'_, V>, id: ClaimId) -> Result<Rc<Claim>, Stop> {
    let unknown = || {
        refuse(Code::ClaimUnknown, "body.claim", format!("there is no claim {id}"), "log claim.create first")
    };
    let claim = batch.claim(id)?.ok_or_else(unknown)?;
    if let Some(result) = claim.result {
        let message = format!("claim {id} is resolved: {}", result.as_str());
        return Err(refuse(Code::ClaimResolved, "body.claim", message, "nothing is left to do"));
    }
    Ok(claim)
}

/// As [`open`], and it must be the tenant's own.
fn own<V: View + ?Sized>(batch: &mut Batch<'_, V>, record: &Record, id: ClaimId) -> Result<Rc<Claim>, Stop> {
    let claim = open(batch, id)?;
    if claim.tenant != record.tenant {
        let message = format!("the tenant has no claim {id}");
        return Err(refuse(Code::ClaimUnknown, "body.claim", message, "name a claim of the tenant"));
    }
    Ok(claim)
}

pub(crate) fn request<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &WitnessRequest,
) -> Result<(), Stop> {
    batch.acting_agent_of(record.tenant, body.agent, "body.agent")?;
    let claim = own(batch, record, body.claim)?;
    if body.deadline <= batch.service.log_ms {
        let message = format!("the log's time is {}", batch.service.log_ms);
        return Err(refuse(Code::ExpiresTooSoon, "body.deadline", message, "name a later time"));
    }
    let asked = Some((body.deadline, body.quorum));
    let request = Some(batch.next_index());
    batch.put(claim_key(body.claim), Claim { asked, request, ..Rc::unwrap_or_clone(claim) });
    Ok(())
}

pub(crate) fn vote<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &WitnessAttest,
) -> Result<(), Stop> {
    batch.acting_agent_of(record.tenant, body.agent, "body.agent")?;
    let mut claim = Rc::unwrap_or_clone(open(batch, body.claim)?);
    let Some((deadline, _)) = claim.asked else {
        let message = "nobody has asked for votes";
        return Err(refuse(Code::VoteNotAsked, "body.claim", message, "log witness.request first"));
    };
    if batch.service.log_ms >= deadline {
        let message = format!("votes counted up to {deadline}");
        return Err(refuse(Code::VoteTooLate, "body.claim", message, "ask for votes again"));
    }
    if claim.agent == body.agent {
        let message = "an agent does not vote on its own claim";
        return Err(refuse(Code::OwnClaim, "body.agent", message, "let another agent vote"));
    }
    let voted = vote_key(body.claim, body.agent);
    if batch.get::<ClaimVoteAt>(voted.clone())?.is_some() {
        let message = format!("agent {} has voted", body.agent);
        return Err(refuse(Code::VoteExists, "body.agent", message, "nothing is left to do"));
    }
    let index = batch.next_index();
    batch.put(voted, ClaimVoteAt { tenant: record.tenant, vote: body.vote, index });
    match body.vote {
        ClaimVote::Confirm => claim.confirm += 1,
        ClaimVote::Deny => claim.deny += 1,
        ClaimVote::Abstain => claim.abstain += 1,
    }
    claim.foreign += u64::from(claim.tenant != record.tenant);
    batch.put(claim_key(body.claim), claim);
    Ok(())
}

pub(crate) fn resolve<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ClaimResolve,
) -> Result<(), Stop> {
    let claim = own(batch, record, body.claim)?;
    let by_votes = body.method.is_none_or(|method| method == VerdictMethod::Witness);
    // Whoever asked for votes cannot overrule them.
    if by_votes || claim.asked.is_some() {
        let outcome = claim.outcome();
        if !by_votes || outcome != body.result {
            let message = format!("the votes say {}", outcome.as_str());
            return Err(refuse(Code::ResultDiffers, "body.result", message, "log what the votes say"));
        }
    }
    check_tool(batch, record, body.tool)?;
    let (result, resolved) = (Some(body.result), Some(batch.next_index()));
    batch.put(claim_key(body.claim), Claim { result, resolved, ..Rc::unwrap_or_clone(claim) });
    Ok(())
}

/// Refuses a verifier that is not the tenant's.
fn check_tool<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    tool: Option<ToolId>,
) -> Result<(), Stop> {
    if let Some(id) = tool
        && batch.tool(id)?.is_none_or(|tool| tool.tenant != record.tenant)
    {
        let message = format!("the tenant has no tool {id}");
        return Err(refuse(Code::ToolUnknown, "body.tool", message, "log tool.register first"));
    }
    Ok(())
}

fn vote_key(claim: ClaimId, agent: AgentId) -> Vec<u8> {
    keys::kept(Kept::Vote, &claim.0.to_bytes(), &agent.0.to_bytes())
}

/// The votes on a claim, in the order of the agents' ids, at most `limit`.
pub fn claim_votes(view: &(impl View + ?Sized), claim: ClaimId, limit: usize) -> Vec<(AgentId, ClaimVoteAt)> {
    let (mut from, end) = (vote_key(claim, AgentId(Ulid::NIL)), vote_key(claim, AgentId(Ulid(u128::MAX))));
    let end = keys::behind(&end);
    let mut votes = Vec::new();
    while votes.len() < limit
        && let Some(key) = view.next_key(&from, &end)
    {
        let agent = key.last_chunk::<16>().map(|id| AgentId(Ulid::from_bytes(*id)));
        if let (Some(agent), Some(vote)) = (agent, load::<ClaimVoteAt>(view, &key).ok().flatten()) {
            votes.push((agent, vote));
        }
        from = keys::behind(&key);
    }
    votes
}

fn document_key(id: ledger_format::record::DocumentId) -> Vec<u8> {
    keys::kept(Kept::Document, &id.0.to_bytes(), &[])
}

pub(crate) fn attest_document<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &DocumentAttest,
) -> Result<(), Stop> {
    batch.acting_agent_of(record.tenant, body.agent, "body.agent")?;
    let key = document_key(body.document);
    if batch.get::<Document>(key.clone())?.is_some() {
        let message = format!("document {} is attested already", body.document);
        return Err(refuse(Code::DocumentExists, "body.document", message, "make a new document id"));
    }
    let index = batch.next_index();
    batch.put(key, Document { tenant: record.tenant, agent: body.agent, verdict: None, index });
    Ok(())
}

pub(crate) fn judge_document<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &DocumentVerdict,
) -> Result<(), Stop> {
    let key = document_key(body.document);
    let unknown = || {
        let message = format!("the tenant has no document {}", body.document);
        refuse(Code::DocumentUnknown, "body.document", message, "log document.attest first")
    };
    let known = batch.get::<Document>(key.clone())?.filter(|document| document.tenant == record.tenant);
    let document = known.ok_or_else(unknown)?;
    check_tool(batch, record, body.tool)?;
    let index = batch.next_index();
    batch.put(key, Document { verdict: Some(body.verdict), index, ..Rc::unwrap_or_clone(document) });
    Ok(())
}

impl<V: View + ?Sized> Batch<'_, V> {
    pub(crate) fn claim(&mut self, id: ClaimId) -> Result<Option<Rc<Claim>>, Alarm> {
        self.get(claim_key(id))
    }
}
