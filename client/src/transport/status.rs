//! Questions about the status of a subject, each answer checked against what was asked.

use std::time::Duration;

use ledger_format::record::{DecisionReason, DecisionResult, RecordHash, RuleRef, TenantId};
use ledger_format::{Checkpoint, Staple, leaf_hash, map_key, verify_inclusion};
use ledger_proto::v1;
use ledger_state::{Answer, Question};

use super::{Nodes, submit::ms, submit::timed};
use crate::error::ClientError;

/// What a node says that a decision would have to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluated {
    /// The answer.
    pub answer: Answer,
    /// The log's time that it holds for, ms since 1970.
    pub log_ms: u64,
    /// Entries that the node had applied.
    pub size: u64,
}

/// What a revocation or kill ended, as a node says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The agents, each before those below it.
    pub agents: Vec<String>,
    /// Sessions that ended with them.
    pub sessions: u64,
}

/// Most agents that [`Nodes::ended`] takes from a node.
pub const ENDED_AGENTS_MAX: usize = 1_000_000;

/// Most pages of them: a page that looked at agents which ended otherwise may be empty.
pub const ENDED_PAGES_MAX: usize = 10_000;

impl Nodes {
    /// The staple of a subject; with a `min_size` the node waits, at most `timeout`, for one that holds every change by an
    /// entry below that size. Its paths are checked; who signed the checkpoint is the policy's business.
    ///
    /// # Errors
    /// The text names no subject, nothing is sealed yet, no node, or a staple that does not hold or is somebody else's.
    pub async fn staple(
        &self,
        log: &str,
        subject: &str,
        min_size: u64,
        timeout: Duration,
    ) -> Result<Staple, ClientError> {
        let message = v1::GetStapleRequest {
            log: log.into(),
            subject: subject.into(),
            min_size,
            timeout_ms: ms(timeout),
        };
        let answer = self.ledger(async |mut c| c.get_staple(timed(message.clone(), timeout)).await).await?;
        let dishonest = |reason| ClientError::Dishonest { url: self.preferred_url().into(), reason };
        let staple = Staple::parse(&answer.staple).map_err(|e| dishonest(format!("not a staple: {e}")))?;
        check_staple(&staple, subject).map_err(dishonest)?;
        Ok(staple)
    }

    /// What a subject is now on the node that answers: its word, unproven. `latest` takes it only from a node of which a majority
    /// confirms that it has applied everything acknowledged so far, so that what was logged a moment ago is seen on any node.
    ///
    /// # Errors
    /// The text names no subject, no node, or none that is confirmed within `timeout`.
    pub async fn status(
        &self,
        log: &str,
        subject: &str,
        latest: bool,
        timeout: Duration,
    ) -> Result<v1::GetStatusResponse, ClientError> {
        let message = v1::GetStatusRequest {
            log: log.into(),
            subject: subject.into(),
            min_index: None,
            timeout_ms: ms(timeout),
            fresh: latest,
        };
        self.ledger(async |mut c| c.get_status(timed(message.clone(), timeout)).await).await
    }

    /// What a decision logged now would have to say, on the node that answers, once it has applied the entry at `min_index`. Its word:
    /// the log works the answer out again when the decision is logged.
    ///
    /// # Errors
    /// The log knows no such tenant or agent, no node, none that is that far within `timeout`, or an answer that is none.
    pub async fn evaluate(
        &self,
        log: &str,
        question: &Question,
        min_index: Option<u64>,
        timeout: Duration,
    ) -> Result<Evaluated, ClientError> {
        let text = |id: Option<String>| id.unwrap_or_default();
        let amount = question.amount.as_ref();
        let message = v1::EvaluateRequest {
            log: log.into(),
            tenant: TenantId(question.tenant).to_string(),
            agent: question.agent.to_string(),
            action: question.action.as_str().into(),
            kind: question.kind.as_str().into(),
            amount: amount.map(|a| v1::Amount { currency: a.currency.clone(), minor: a.minor }),
            approval: text(question.approval.map(|id| id.to_string())),
            grant: text(question.grant.map(|id| id.to_string())),
            session: text(question.session.map(|id| id.to_string())),
            tool: text(question.tool.map(|id| id.to_string())),
            min_index,
            timeout_ms: ms(timeout),
        };
        let said = self.ledger(async |mut c| c.evaluate(timed(message.clone(), timeout)).await).await?;
        let reason = "a decision that is none".into();
        let wrong = || ClientError::Dishonest { url: self.preferred_url().into(), reason };
        let answer = read_answer(&said).ok_or_else(wrong)?;
        Ok(Evaluated { answer, log_ms: said.log_ms, size: said.size })
    }

    /// A page of the published receipts about an agent, from index `from` on, as a node gives it.
    ///
    /// # Errors
    /// No node, or none that has published `min_size` entries within `timeout`.
    pub async fn history(
        &self,
        log: &str,
        agent: &str,
        from: u64,
        min_size: u64,
        timeout: Duration,
    ) -> Result<v1::GetHistoryResponse, ClientError> {
        let message = v1::GetHistoryRequest {
            log: log.into(),
            agent: agent.into(),
            from,
            limit: 0,
            min_size,
            timeout_ms: ms(timeout),
        };
        self.ledger(async |mut c| c.get_history(timed(message.clone(), timeout)).await).await
    }

    /// What the revocation or kill of `agent` at `index` ended, all pages of it: a node's word, unproven.
    ///
    /// # Errors
    /// No node, none that has applied that entry within `timeout`, or more than [`ENDED_AGENTS_MAX`] agents or [`ENDED_PAGES_MAX`] pages.
    pub async fn ended(
        &self,
        log: &str,
        agent: &str,
        index: u64,
        timeout: Duration,
    ) -> Result<Ended, ClientError> {
        let (mut all, mut from) = (Ended::default(), String::new());
        for _ in 0..ENDED_PAGES_MAX {
            let message = v1::GetEndedRequest {
                log: log.into(),
                agent: agent.into(),
                index,
                from,
                limit: 0,
                timeout_ms: ms(timeout),
            };
            let page = self.ledger(async |mut c| c.get_ended(timed(message.clone(), timeout)).await).await?;
            all.agents.extend(page.agents);
            all.sessions = all.sessions.saturating_add(page.sessions);
            if page.next.is_empty() {
                return Ok(all);
            }
            if all.agents.len() > ENDED_AGENTS_MAX {
                break;
            }
            from = page.next;
        }
        let reason = "its list of ended agents has no end".into();
        Err(ClientError::Dishonest { url: self.preferred_url().into(), reason })
    }
}

fn read_answer(said: &v1::EvaluateResponse) -> Option<Answer> {
    Some(Answer {
        result: DecisionResult::parse(&said.result)?,
        reason: DecisionReason::parse(&said.reason)?,
        policies: said.policies.iter().map(|hash| RecordHash::parse(hash)).collect::<Option<_>>()?,
        rules: said.rules.iter().map(|rule| RuleRef::parse(rule)).collect::<Option<_>>()?,
    })
}

/// The staple is about the subject, its status is in the map of its `state.root`, and that entry lies in its checkpoint's tree.
/// Says nothing about who signed the checkpoint.
///
/// # Errors
/// What does not hold, in words.
pub fn check_staple(staple: &Staple, subject: &str) -> Result<(), String> {
    if staple.subject != subject {
        return Err(format!("a staple of {} when asked for {subject}", staple.subject));
    }
    let root = staple.state_root().ok_or("the staple's entry is not a state.root")?;
    staple
        .map_proof()
        .verify(root.map_root, map_key(subject), staple.value())
        .map_err(|e| format!("the staple does not hold: {e}"))?;
    let proof = &staple.inclusion;
    let checkpoint = Checkpoint::parse(proof.note.text()).map_err(|e| format!("not a checkpoint: {e}"))?;
    let leaf = leaf_hash(proof.entry().unwrap_or_default());
    verify_inclusion(leaf, proof.index, checkpoint.size, &proof.hashes, checkpoint.root)
        .map_err(|e| format!("the staple does not hold: {e}"))
}
