//! Reads of the present state, published or not: this node's word, which a staple proves later.
//!
//! A kill counts from the moment at which a node applies it, before all of it is written, so whoever must not let a dead agent pass asks here.

use std::time::Duration;

use ledger_format::record::AgentId;
use ledger_state::{Alarm, Answer, EndedPage, Question, Rejection, SignatureFault, Subject, View};
use tokio::time::Instant;

use crate::{
    ledger::LedgerError,
    reader::{ReadError, Reader},
};

/// What a subject is on this node now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Its public status, canonical JSON; `None`: the node knows no such subject.
    pub status: Option<Vec<u8>>,
    /// Whether it may act, or may be used, by the log's time.
    pub live: bool,
    /// Of an agent: its open sessions, or, once it has ended, those that its end ended.
    pub sessions: u64,
    /// Entries that the node had applied.
    pub size: u64,
}

/// What a decision logged now would have to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluated {
    /// The answer.
    pub answer: Answer,
    /// The log's time that it holds for, ms since 1970.
    pub log_ms: u64,
    /// Entries that the node had applied.
    pub size: u64,
}

impl Reader {
    /// Waits until this node has applied `size` entries, or the time is over; whether it has.
    pub async fn wait_applied(&self, size: u64, timeout: Duration) -> bool {
        let mut applied = self.core.ledger.watch_applied();
        let reached = tokio::time::timeout(timeout, applied.wait_for(|mark| mark.size >= size)).await;
        matches!(reached, Ok(Ok(_)))
    }

    /// Whether this node has applied everything that was committed when it was asked, as a majority confirms. False when that cannot be
    /// found out in time: a node that is cut off does not know what it missed.
    pub async fn is_latest(&self, timeout: Duration) -> bool {
        self.core.confirm_latest(Instant::now() + timeout).await
    }

    /// What a subject is now.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn present(&self, subject: Subject) -> Result<Present, ReadError> {
        let ledger = &self.core.ledger;
        // Read first: what is applied in between makes the answer newer than it says, never older.
        let size = ledger.size();
        let present = ledger.with_view(|view| {
            let status = ledger_state::public_status(view, subject)?;
            let live = status.is_some() && is_live(view, subject);
            let sessions = match subject {
                Subject::Agent(id) => ledger_state::open_sessions(view, id),
                _ => 0,
            };
            Ok(Present { status, live, sessions, size })
        })?;
        Ok(present.map_err(|alarm: Alarm| LedgerError::corrupt("the state", alarm.to_string()))?)
    }

    /// A page of what the record at `index`, a revocation or kill of `top`, ended; see [`ledger_state::ended_by`].
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn ended(
        &self,
        top: AgentId,
        index: u64,
        from: AgentId,
        limit: usize,
    ) -> Result<EndedPage, ReadError> {
        Ok(self.core.ledger.with_view(|view| ledger_state::ended_by(view, top, index, from, limit))?)
    }

    /// What a decision logged now would have to say; or why none can be logged, because the question names nobody.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn evaluate(&self, question: &Question) -> Result<Result<Evaluated, Rejection>, ReadError> {
        let ledger = &self.core.ledger;
        let now_ms = self.core.world.clock.now_ms();
        // As in `present`: never older than it says.
        let size = ledger.size();
        let evaluated = ledger.with_view(|view| {
            let log_ms = ledger_state::log_ms(view).max(now_ms);
            ledger_state::evaluate(view, question, log_ms).map(|answer| Evaluated { answer, log_ms, size })
        })?;
        match evaluated {
            Ok(evaluated) => Ok(Ok(evaluated)),
            Err(SignatureFault::Rejected(rejection)) => Ok(Err(rejection)),
            Err(SignatureFault::Corrupt(alarm)) => {
                Err(LedgerError::corrupt("the state", alarm.to_string()).into())
            }
        }
    }
}

/// Whether it may be used now, by the log's time.
fn is_live(view: &impl View, subject: Subject) -> bool {
    let log_ms = || ledger_state::log_ms(view);
    match subject {
        Subject::Agent(id) => ledger_state::agent(view, id).is_some_and(|agent| {
            let tenant = ledger_state::tenant(view, agent.tenant);
            agent.is_active() && tenant.is_some_and(|tenant| tenant.is_active())
        }),
        Subject::Tenant(id) => ledger_state::tenant(view, id.0).is_some_and(|tenant| tenant.is_active()),
        Subject::Session(id) => ledger_state::session(view, id).is_some_and(|session| {
            let agent = ledger_state::agent(view, session.agent);
            let tenant = ledger_state::tenant(view, session.tenant);
            agent.zip(tenant).is_some_and(|(agent, tenant)| session.is_live(&agent, &tenant, log_ms()))
        }),
        Subject::Grant(id) => matches!(ledger_state::grant_fault(view, id), Ok(None)),
        Subject::Agreement(hash) => {
            ledger_state::agreement(view, hash).is_some_and(|agreement| agreement.is_live(log_ms()))
        }
    }
}
