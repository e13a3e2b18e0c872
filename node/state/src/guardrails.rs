//! Guardrails: breakers that stop an action after too many denials.

use std::rc::Rc;

use ledger_format::record::{
    AgentId, BreakerState, DecisionReason, DecisionResult, GuardrailDefine, GuardrailStatus, Record, Scope,
    Ulid,
};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::decide::{Answer, Question};
use crate::fields::{value, word_parts};
use crate::keys::{self, Kept};
use crate::rejection::{Code, Rejection};
use crate::view::View;

/// Most guardrails of one tenant: a decision looks at all of them.
pub const GUARDRAILS_MAX: usize = 64;

word_parts!(BreakerState);

value! {
    /// A guardrail and its breaker.
    pub(crate) Guardrail {
        /// The actions.
        action: Scope,
        /// The agent; `None`: all of the tenant together.
        agent: Option<AgentId>,
        /// How long the breaker stays open, in seconds.
        cooldown_s: u64,
        /// Denials that open it.
        threshold: u64,
        /// Within how long, in seconds.
        window_s: u64,
        /// How it stands; an open one whose time is over is half open.
        state: BreakerState,
        /// Log time since when it stands so, ms since 1970.
        since_ms: u64,
        /// The window in which denials are counted.
        window: u64,
        /// Denials in it.
        denials: u64,
        /// Index of the `guardrail.define` record in force.
        defined: u64,
        /// Index of the newest record about it.
        changed: u64,
    }
}

/// A guardrail as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardrailAt {
    /// Its name.
    pub name: String,
    /// The actions.
    pub action: Scope,
    /// The agent; `None`: all of the tenant together.
    pub agent: Option<AgentId>,
    /// How long the breaker stays open, in seconds.
    pub cooldown_s: u64,
    /// Denials that open it.
    pub threshold: u64,
    /// Within how long, in seconds.
    pub window_s: u64,
    /// How its breaker stands now.
    pub state: BreakerState,
    /// Log time since when it stands so, ms since 1970.
    pub since_ms: u64,
    /// Denials that count now.
    pub denials: u64,
    /// Index of the `guardrail.define` record in force.
    pub defined: u64,
    /// Index of the newest record about it.
    pub changed: u64,
}

/// A tenant's guardrails by name, as they stand at log time `ms`, or the log's own if that is later; those that are switched off, too.
///
/// # Errors
/// The state is damaged.
pub fn guardrails(view: &(impl View + ?Sized), tenant: Ulid, ms: u64) -> Result<Vec<GuardrailAt>, Alarm> {
    let mut batch = Batch::new(view)?;
    let now = batch.service.log_ms.max(ms);
    let start = guardrail_key(tenant, "").len();
    let seen = |(key, at): Keyed| {
        let state = at.state_at(now);
        let since_ms = match (at.state, state) {
            (BreakerState::Open, BreakerState::HalfOpen) => at.since_ms + at.cooldown_s * 1_000,
            _ => at.since_ms,
        };
        let counts = state == BreakerState::Closed && at.window == now / (at.window_s * 1_000);
        GuardrailAt {
            name: String::from_utf8_lossy(&key[start..]).into_owned(),
            action: at.action.clone(),
            agent: at.agent,
            cooldown_s: at.cooldown_s,
            threshold: at.threshold,
            window_s: at.window_s,
            state,
            since_ms,
            denials: if counts { at.denials } else { 0 },
            defined: at.defined,
            changed: at.changed,
        }
    };
    Ok(batch.guardrails(tenant)?.into_iter().map(seen).collect())
}

impl Guardrail {
    fn is_about(&self, question: &Question) -> bool {
        self.action.covers(&question.action) && self.agent.is_none_or(|agent| agent == question.agent)
    }

    /// How it stands at that log time.
    fn state_at(&self, log_ms: u64) -> BreakerState {
        let over = log_ms >= self.since_ms.saturating_add(self.cooldown_s.saturating_mul(1_000));
        if self.state == BreakerState::Open && over { BreakerState::HalfOpen } else { self.state }
    }

    /// After a decision that it is about.
    fn after(mut self, denied: bool, log_ms: u64) -> Guardrail {
        let turn = |mut guardrail: Guardrail, state| {
            guardrail.state = state;
            guardrail.since_ms = log_ms;
            guardrail.denials = 0;
            guardrail
        };
        match (self.state_at(log_ms), denied) {
            (BreakerState::HalfOpen, false) => turn(self, BreakerState::Closed),
            (BreakerState::HalfOpen, true) => turn(self, BreakerState::Open),
            (BreakerState::Closed, true) => {
                let window = log_ms / self.window_s.saturating_mul(1_000);
                if self.window != window {
                    (self.window, self.denials) = (window, 0);
                }
                self.denials += 1;
                if self.denials >= self.threshold { turn(self, BreakerState::Open) } else { self }
            }
            _ => self,
        }
    }
}

pub(crate) fn define<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &GuardrailDefine,
) -> Result<(), Stop> {
    batch.tenant(record.tenant)?;
    if let Some(agent) = body.agent {
        batch.agent_of(record.tenant, agent, "body.agent")?;
    }
    let key = guardrail_key(record.tenant, &body.guardrail);
    let is_new = batch.get::<Guardrail>(key.clone())?.is_none();
    if is_new && batch.guardrails(record.tenant)?.len() >= GUARDRAILS_MAX {
        let message = format!("the tenant has {GUARDRAILS_MAX} guardrails");
        let fix = "define one again under its name";
        return Err(Rejection::new(Code::TooManyGuardrails, "body.guardrail", message, fix).into());
    }
    let guardrail = Guardrail {
        action: body.action.clone(),
        agent: body.agent,
        cooldown_s: body.cooldown_s,
        threshold: body.threshold,
        window_s: body.window_s,
        state: BreakerState::Closed,
        since_ms: batch.service.log_ms,
        window: 0,
        denials: 0,
        defined: batch.next_index(),
        changed: batch.next_index(),
    };
    batch.put(key, guardrail);
    Ok(())
}

pub(crate) fn set_status<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &GuardrailStatus,
) -> Result<(), Stop> {
    let key = guardrail_key(record.tenant, &body.guardrail);
    let unknown = || {
        let message = format!("the tenant has no guardrail {}", body.guardrail);
        Rejection::new(Code::GuardrailUnknown, "body.guardrail", message, "log guardrail.define first")
    };
    let guardrail = batch.get::<Guardrail>(key.clone())?.ok_or_else(unknown)?;
    let (since_ms, changed) = (batch.service.log_ms, batch.next_index());
    let guardrail = Rc::unwrap_or_clone(guardrail);
    batch.put(key, Guardrail { state: body.state, since_ms, changed, denials: 0, ..guardrail });
    Ok(())
}

fn guardrail_key(tenant: Ulid, name: &str) -> Vec<u8> {
    keys::kept(Kept::Guardrail, &tenant.to_bytes(), name.as_bytes())
}

/// A guardrail and its key.
type Keyed = (Vec<u8>, Rc<Guardrail>);

impl<V: View + ?Sized> Batch<'_, V> {
    fn guardrails(&mut self, tenant: Ulid) -> Result<Vec<Keyed>, Alarm> {
        let (mut from, to) = (guardrail_key(tenant, ""), guardrail_key(tenant, "\u{7f}"));
        let mut list = Vec::new();
        while let Some(key) = self.next_key(&from, &to) {
            if let Some(guardrail) = self.get::<Guardrail>(key.clone())? {
                list.push((key.clone(), guardrail));
            }
            from = [key.as_slice(), &[0]].concat();
        }
        Ok(list)
    }

    /// Whether a breaker stops it.
    pub(crate) fn a_breaker_is_open(&mut self, question: &Question) -> Result<bool, Alarm> {
        let now = self.service.log_ms;
        let stops = |g: &Guardrail| g.is_about(question) && g.state_at(now) == BreakerState::Open;
        Ok(self.guardrails(question.tenant)?.iter().any(|(_, guardrail)| stops(guardrail)))
    }

    /// Tells the breakers of a decision. What a breaker itself has stopped, or what waits for an approval, tells them nothing.
    pub(crate) fn judge_breakers(&mut self, question: &Question, answer: &Answer) -> Result<(), Alarm> {
        let denied = match (answer.result, answer.reason) {
            (DecisionResult::Allowed, _) => false,
            (DecisionResult::Denied, reason) => {
                let by_breaker = reason == DecisionReason::Guardrail
                    && question.kind != ledger_format::record::DecisionKind::Guardrail;
                if by_breaker {
                    return Ok(());
                }
                true
            }
            (DecisionResult::NeedsApproval, _) => return Ok(()),
        };
        let now = self.service.log_ms;
        for (key, guardrail) in self.guardrails(question.tenant)? {
            if guardrail.is_about(question) {
                let after = (*guardrail).clone().after(denied, now);
                if after != *guardrail {
                    self.put(key, after);
                }
            }
        }
        Ok(())
    }
}
