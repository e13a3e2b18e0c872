//! Sessions: `session.open`, `session.refresh`, `session.handoff`, `session.close`, and their end by log time.

use std::rc::Rc;

use ledger_format::record::{
    AgentId, Record, Scope, SessionClose, SessionEnd, SessionHandoff, SessionId, SessionOpen, SessionRefresh,
    Ulid,
};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::calendar::MINUTE_MS;
use crate::fields::{value, word_parts};
use crate::keys;
use crate::metering::Metric;
use crate::overlay::Raw;
use crate::rejection::{Code, Rejection};
use crate::scores::{Number, agent_name};
use crate::subject::Subject;
use crate::trust::{SessionOutcome, What};
use crate::values::{Agent, Tenant};
use crate::view::View;

/// Sessions that one entry ends because their time is over; the rest waits for the next entry. Whether a session may be used is
/// decided by its time, not by this.
const EXPIRED_AT_ONCE: usize = 4_096;

/// What the log says of a session's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStanding {
    /// Nothing yet.
    Open,
    /// Closed, its work done.
    Closed,
    /// Closed, broken off.
    Aborted,
    /// It ran out.
    Expired,
    /// It ended with a suspension of its agent, or with its agent.
    Ended,
}

impl SessionStanding {
    /// All of them. Grows at its end only: the place is what is stored.
    pub const ALL: &'static [Self] = &[Self::Open, Self::Closed, Self::Aborted, Self::Expired, Self::Ended];

    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Aborted => "aborted",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }
}

word_parts!(SessionStanding);

value! {
    /// A session.
    pub Session {
        /// The tenant it belongs to.
        tenant: Ulid,
        /// Whose it is.
        agent: AgentId,
        /// Index since when it is this agent's: of its opening, or of the last hand-off.
        since: u64,
        /// Index of its opening.
        opened: u64,
        /// For whom it is meant.
        audience: Option<String>,
        /// The key of which callers prove possession.
        proof_key: Option<[u8; 32]>,
        /// What may be done in it. Sorted.
        scopes: Vec<Scope>,
        /// Log time at which it runs out, ms since 1970.
        expires_at: u64,
        /// What the log says of its end.
        standing: SessionStanding,
    }
}

impl Session {
    /// Whether something may be done in it at that log time, given its agent and tenant: an agent's sessions end with it.
    pub fn is_live(&self, agent: &Agent, tenant: &Tenant, log_ms: u64) -> bool {
        self.standing == SessionStanding::Open && log_ms < self.expires_at && self.is_left_by(agent, tenant)
    }

    /// Whether neither a suspension nor the agent's end has ended it.
    fn is_left_by(&self, agent: &Agent, tenant: &Tenant) -> bool {
        self.is_left_by_agent(agent) && tenant.is_active() && tenant.sessions_end <= self.since
    }

    fn is_left_by_agent(&self, agent: &Agent) -> bool {
        agent.is_active() && agent.sessions_end <= self.since
    }
}

pub(crate) fn open<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &SessionOpen,
) -> Result<(), Stop> {
    let agent = batch.acting_agent_of(record.tenant, body.agent, "body.agent")?;
    if batch.session(body.session)?.is_some() {
        let message = format!("session {} is or was there already", body.session);
        return Err(
            Rejection::new(Code::SessionExists, "body.session", message, "make a new session id").into()
        );
    }
    check_scopes(&body.scopes, &agent, body.agent)?;
    let index = batch.next_index();
    let session = Session {
        tenant: record.tenant,
        agent: body.agent,
        since: index,
        opened: index,
        audience: body.audience.clone(),
        proof_key: body.proof_key.map(|key| *key.as_bytes()),
        scopes: body.scopes.clone(),
        expires_at: expiry(batch, body.ttl_min),
        standing: SessionStanding::Open,
    };
    batch.wait_for_end(body.session, session.expires_at)?;
    batch.put_session(body.session, session)?;
    batch.count_usage(record.tenant, Metric::Sessions)?;
    Ok(())
}

pub(crate) fn refresh<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &SessionRefresh,
) -> Result<(), Stop> {
    let session = batch.live_session(record, body.session, body.agent)?;
    let expires_at = expiry(batch, body.ttl_min);
    batch.delete(keys::session_due(session.expires_at, body.session));
    batch.wait_for_end(body.session, expires_at)?;
    batch.put_session(body.session, Session { expires_at, ..Rc::unwrap_or_clone(session) })?;
    Ok(())
}

pub(crate) fn hand_off<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &SessionHandoff,
) -> Result<(), Stop> {
    let session = batch.live_session(record, body.session, body.agent)?;
    let to = batch.acting_agent_of(record.tenant, body.to, "body.to")?;
    if let Some(scope) = session.scopes.iter().find(|scope| !has(&to, scope)) {
        let message = format!("the session allows {scope}, which agent {} may not do", body.to);
        let fix = "hand the session to an agent that has its scopes";
        return Err(Rejection::new(Code::ScopeExceedsAgent, "body.to", message, fix).into());
    }
    let since = batch.next_index();
    batch.put_session(body.session, Session { agent: body.to, since, ..Rc::unwrap_or_clone(session) })?;
    batch.note_interaction(body.agent, body.to)?;
    Ok(())
}

pub(crate) fn close<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &SessionClose,
) -> Result<(), Stop> {
    let session = batch.live_session(record, body.session, body.agent)?;
    let (standing, outcome) = match body.outcome {
        SessionEnd::Clean => (SessionStanding::Closed, SessionOutcome::Clean),
        SessionEnd::Aborted => (SessionStanding::Aborted, SessionOutcome::Aborted),
    };
    batch.delete(keys::session_due(session.expires_at, body.session));
    batch.put_session(body.session, Session { standing, ..Rc::unwrap_or_clone(session) })?;
    Ok(batch.observe(What::Session { agent: agent_name(body.agent), outcome })?)
}

fn expiry<V: View + ?Sized>(batch: &Batch<'_, V>, ttl_min: u64) -> u64 {
    batch.service.log_ms.saturating_add(ttl_min * MINUTE_MS)
}

fn has(agent: &Agent, scope: &Scope) -> bool {
    agent.scopes.iter().any(|wide| wide.covers(scope))
}

fn check_scopes(scopes: &[Scope], agent: &Agent, id: AgentId) -> Result<(), Rejection> {
    let Some(i) = scopes.iter().position(|scope| !has(agent, scope)) else { return Ok(()) };
    let message = format!("{} is not within the scopes of agent {id}", scopes[i]);
    let fix = "ask for scopes that the agent has";
    Err(Rejection::new(Code::ScopeExceedsAgent, format!("body.scopes[{i}]"), message, fix))
}

impl<V: View + ?Sized> Batch<'_, V> {
    pub(crate) fn session(&mut self, id: SessionId) -> Result<Option<Rc<Session>>, Alarm> {
        self.get(keys::session(id))
    }

    fn put_session(&mut self, id: SessionId, session: Session) -> Result<(), Alarm> {
        if let Some(before) = self.session(id)? {
            self.count_session(&before, |open| open.saturating_sub(1))?;
        }
        self.count_session(&session, |open| open + 1)?;
        self.put(keys::session(id), session);
        self.mark_dirty(Subject::Session(id))
    }

    /// Counts an open session of its agent. One that the agent's suspension or end has ended is counted no more, so the count of
    /// an agent that has ended stays at what its end ended.
    fn count_session(&mut self, session: &Session, change: impl FnOnce(u64) -> u64) -> Result<(), Alarm> {
        let agent = self.find_agent(session.agent)?;
        let counts = session.standing == SessionStanding::Open
            && agent.is_some_and(|agent| session.is_left_by_agent(&agent));
        if counts {
            let open = self.get::<Number>(keys::open_sessions(session.agent))?.map_or(0, |open| open.value);
            self.set_open_sessions(session.agent, change(open));
        }
        Ok(())
    }

    pub(crate) fn set_open_sessions(&mut self, agent: AgentId, open: u64) {
        let key = keys::open_sessions(agent);
        if open == 0 { self.delete(key) } else { self.put(key, Number { value: open }) }
    }

    /// The session that a record changes: the agent's own, and live.
    fn live_session(&mut self, record: &Record, id: SessionId, owner: AgentId) -> Result<Rc<Session>, Stop> {
        let refuse = |code, message: String, fix: &str| Rejection::new(code, "body.session", message, fix);
        let agent = self.agent_of(record.tenant, owner, "body.agent")?;
        let unknown =
            || refuse(Code::SessionUnknown, format!("there is no session {id}"), "log session.open first");
        let session = self.session(id)?.ok_or_else(unknown)?;
        if session.agent != owner {
            let message = format!("session {id} belongs to agent {}", session.agent);
            return Err(refuse(Code::SessionOfOtherAgent, message, "name the session's agent").into());
        }
        let tenant = self.tenant(record.tenant)?;
        if !session.is_live(&agent, &tenant, self.service.log_ms) {
            let message = format!("session {id} has ended");
            return Err(refuse(Code::SessionEnded, message, "open a new session").into());
        }
        Ok(session)
    }

    fn wait_for_end(&mut self, id: SessionId, expires_at: u64) -> Result<(), Alarm> {
        let due = self.get::<Number>(keys::SESSIONS_DUE.to_vec())?;
        if due.is_none_or(|due| expires_at < due.value) {
            self.put(keys::SESSIONS_DUE.to_vec(), Number { value: expires_at });
        }
        self.put(keys::session_due(expires_at, id), Raw(Vec::new()));
        Ok(())
    }

    /// Ends the sessions whose time is over at the log time of the entry at hand, in the order of their time and id.
    pub(crate) fn end_sessions_due(&mut self) -> Result<(), Alarm> {
        let Some(due) = self.get::<Number>(keys::SESSIONS_DUE.to_vec())? else { return Ok(()) };
        let now = self.service.log_ms;
        if now < due.value {
            return Ok(());
        }
        let from = keys::sessions_due_from(due.value);
        for _ in 0..EXPIRED_AT_ONCE {
            let Some(key) = self.next_key(&from, &keys::sessions_due_from(now + 1)) else { break };
            let corrupt = || Alarm::CorruptState { key: key.clone(), reason: "not a session's time".into() };
            let id = key.last_chunk::<16>().map(|id| SessionId(Ulid::from_bytes(*id))).ok_or_else(corrupt)?;
            self.end_session(id)?;
            self.delete(key);
        }
        match self.next_key(&from, &keys::sessions_due_from(u64::MAX)) {
            Some(key) => {
                let time = key.get(1..9).and_then(|time| time.try_into().ok()).map_or(0, u64::from_be_bytes);
                self.put(keys::SESSIONS_DUE.to_vec(), Number { value: time });
            }
            None => self.delete(keys::SESSIONS_DUE.to_vec()),
        }
        Ok(())
    }

    fn end_session(&mut self, id: SessionId) -> Result<(), Alarm> {
        let missing =
            |what: &str| Alarm::CorruptState { key: keys::session(id), reason: format!("{what} is missing") };
        let session = self.session(id)?.ok_or_else(|| missing("a session that waits for its end"))?;
        let agent = self.find_agent(session.agent)?.ok_or_else(|| missing("the agent of a session"))?;
        let tenant = self.find_tenant(session.tenant)?.ok_or_else(|| missing("the tenant of a session"))?;
        let left = session.is_left_by(&agent, &tenant);
        let standing = if left { SessionStanding::Expired } else { SessionStanding::Ended };
        let name = agent_name(session.agent);
        self.put_session(id, Session { standing, ..Rc::unwrap_or_clone(session) })?;
        // What a suspension, a revocation or a kill has ended counts neither for nor against the agent.
        if left {
            self.observe(What::Session { agent: name, outcome: SessionOutcome::Expired })
        } else {
            Ok(())
        }
    }
}
