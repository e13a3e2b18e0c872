//! The body of a record: one variant per record type, and the table of types.

use super::json::{JsonError, Reader, Writer};
use super::{
    AgentKey, AgentKill, AgentReactivate, AgentRegister, AgentRevoke, AgentSuspend, AgentUpdate, LogGenesis,
    LogKey, ReceiptAction, SessionClose, SessionHandoff, SessionOpen, SessionRefresh, TenantRegister,
};
use super::{agent, agent_status, log_genesis, log_key, receipt, session, tenant};

/// Who may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// An agent with its own key.
    Agent,
    /// A tenant with its root key.
    Tenant,
    /// The log's operator on behalf of an authenticated caller.
    Operator,
}

impl ActorKind {
    /// The word in documents and errors.
    pub fn as_str(self) -> &'static str {
        match self {
            ActorKind::Agent => "agent",
            ActorKind::Tenant => "tenant",
            ActorKind::Operator => "operator",
        }
    }
}

/// What documents, tests and other tools need to know of one record type.
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// The word in `type`.
    pub name: &'static str,
    /// Who may sign it.
    pub actors: &'static [ActorKind],
    /// The body's fields, in canonical order; members of an inner object follow it with their path.
    pub fields: &'static [FieldInfo],
}

/// One field of a body.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Path below `body`.
    pub name: &'static str,
    /// Whether every record of the type has it.
    pub required: bool,
}

impl FieldInfo {
    pub(super) const fn required(name: &'static str) -> Self {
        Self { name, required: true }
    }

    pub(super) const fn optional(name: &'static str) -> Self {
        Self { name, required: false }
    }
}

/// Every record type that this version reads and writes.
pub const TYPES: &[TypeInfo] = &[
    log_genesis::INFO,
    log_key::INFO,
    tenant::REGISTER,
    agent::REGISTER,
    agent::KEY,
    agent_status::UPDATE,
    agent_status::SUSPEND,
    agent_status::REACTIVATE,
    agent::REVOKE,
    agent_status::KILL,
    session::OPEN,
    session::REFRESH,
    session::HANDOFF,
    session::CLOSE,
    receipt::ACTION,
];

/// What a record states, by type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// `log.genesis`
    LogGenesis(Box<LogGenesis>),
    /// `log.key`
    LogKey(LogKey),
    /// `tenant.register`
    TenantRegister(TenantRegister),
    /// `agent.register`
    AgentRegister(Box<AgentRegister>),
    /// `agent.key`
    AgentKey(AgentKey),
    /// `agent.revoke`
    AgentRevoke(AgentRevoke),
    /// `session.open`
    SessionOpen(Box<SessionOpen>),
    /// `session.refresh`
    SessionRefresh(SessionRefresh),
    /// `session.handoff`
    SessionHandoff(SessionHandoff),
    /// `session.close`
    SessionClose(SessionClose),
    /// `agent.update`
    AgentUpdate(Box<AgentUpdate>),
    /// `agent.suspend`
    AgentSuspend(AgentSuspend),
    /// `agent.reactivate`
    AgentReactivate(AgentReactivate),
    /// `agent.kill`
    AgentKill(AgentKill),
    /// `receipt.action`
    ReceiptAction(ReceiptAction),
}

/// Reads the body of one type.
pub(super) type ReadBody = fn(&mut Reader<'_>) -> Result<Body, JsonError>;

/// The reader of a type's body, and the table's row; `None` for an unknown type.
pub(super) fn reader_of(type_name: &str) -> Option<(&'static TypeInfo, ReadBody)> {
    let (info, read): (&'static TypeInfo, ReadBody) = match type_name {
        "receipt.action" => (&receipt::ACTION, |r| ReceiptAction::read(r).map(Body::ReceiptAction)),
        "agent.register" => {
            (&agent::REGISTER, |r| AgentRegister::read(r).map(|b| Body::AgentRegister(Box::new(b))))
        }
        "agent.key" => (&agent::KEY, |r| AgentKey::read(r).map(Body::AgentKey)),
        "agent.revoke" => (&agent::REVOKE, |r| AgentRevoke::read(r).map(Body::AgentRevoke)),
        "tenant.register" => (&tenant::REGISTER, |r| TenantRegister::read(r).map(Body::TenantRegister)),
        "log.genesis" => (&log_genesis::INFO, |r| LogGenesis::read(r).map(|b| Body::LogGenesis(Box::new(b)))),
        "session.open" => (&session::OPEN, |r| SessionOpen::read(r).map(|b| Body::SessionOpen(Box::new(b)))),
        "session.refresh" => (&session::REFRESH, |r| SessionRefresh::read(r).map(Body::SessionRefresh)),
        "session.handoff" => (&session::HANDOFF, |r| SessionHandoff::read(r).map(Body::SessionHandoff)),
        "session.close" => (&session::CLOSE, |r| SessionClose::read(r).map(Body::SessionClose)),
        "agent.update" => {
            (&agent_status::UPDATE, |r| AgentUpdate::read(r).map(|b| Body::AgentUpdate(Box::new(b))))
        }
        "agent.suspend" => (&agent_status::SUSPEND, |r| AgentSuspend::read(r).map(Body::AgentSuspend)),
        "agent.reactivate" => {
            (&agent_status::REACTIVATE, |r| AgentReactivate::read(r).map(Body::AgentReactivate))
        }
        "agent.kill" => (&agent_status::KILL, |r| AgentKill::read(r).map(Body::AgentKill)),
        "log.key" => (&log_key::INFO, |r| LogKey::read(r).map(Body::LogKey)),
        _ => return None,
    };
    Some((info, read))
}

impl Body {
    /// The table's row for this body's type.
    pub fn info(&self) -> &'static TypeInfo {
        match self {
            Body::LogGenesis(_) => &log_genesis::INFO,
            Body::LogKey(_) => &log_key::INFO,
            Body::TenantRegister(_) => &tenant::REGISTER,
            Body::AgentRegister(_) => &agent::REGISTER,
            Body::AgentKey(_) => &agent::KEY,
            Body::AgentRevoke(_) => &agent::REVOKE,
            Body::SessionOpen(_) => &session::OPEN,
            Body::SessionRefresh(_) => &session::REFRESH,
            Body::SessionHandoff(_) => &session::HANDOFF,
            Body::SessionClose(_) => &session::CLOSE,
            Body::AgentUpdate(_) => &agent_status::UPDATE,
            Body::AgentSuspend(_) => &agent_status::SUSPEND,
            Body::AgentReactivate(_) => &agent_status::REACTIVATE,
            Body::AgentKill(_) => &agent_status::KILL,
            Body::ReceiptAction(_) => &receipt::ACTION,
        }
    }

    /// Whether the record is about the log itself: it belongs to no tenant, and the operator signs in its own name.
    pub fn is_about_the_log(&self) -> bool {
        matches!(self, Body::LogGenesis(_) | Body::LogKey(_))
    }

    /// The credential that the operator acted for.
    pub fn on_behalf_of(&self) -> Option<&str> {
        match self {
            Body::LogGenesis(_) | Body::LogKey(_) => None,
            Body::TenantRegister(b) => b.on_behalf_of.as_deref(),
            Body::AgentRegister(b) => b.on_behalf_of.as_deref(),
            Body::AgentKey(b) => b.on_behalf_of.as_deref(),
            Body::AgentRevoke(b) => b.on_behalf_of.as_deref(),
            Body::SessionOpen(b) => b.on_behalf_of.as_deref(),
            Body::SessionRefresh(b) => b.on_behalf_of.as_deref(),
            Body::SessionHandoff(b) => b.on_behalf_of.as_deref(),
            Body::SessionClose(b) => b.on_behalf_of.as_deref(),
            Body::AgentUpdate(b) => b.on_behalf_of.as_deref(),
            Body::AgentSuspend(b) => b.on_behalf_of.as_deref(),
            Body::AgentReactivate(b) => b.on_behalf_of.as_deref(),
            Body::AgentKill(b) => b.on_behalf_of.as_deref(),
            Body::ReceiptAction(b) => b.on_behalf_of.as_deref(),
        }
    }

    /// The agent that the body is about.
    pub fn agent(&self) -> Option<super::AgentId> {
        match self {
            Body::LogGenesis(_) | Body::LogKey(_) | Body::TenantRegister(_) => None,
            Body::AgentRegister(b) => Some(b.agent),
            Body::AgentKey(b) => Some(b.agent),
            Body::AgentRevoke(b) => Some(b.agent),
            Body::SessionOpen(b) => Some(b.agent),
            Body::SessionRefresh(b) => Some(b.agent),
            Body::SessionHandoff(b) => Some(b.agent),
            Body::SessionClose(b) => Some(b.agent),
            Body::AgentUpdate(b) => Some(b.agent),
            Body::AgentSuspend(b) => Some(b.agent),
            Body::AgentReactivate(b) => Some(b.agent),
            Body::AgentKill(b) => Some(b.agent),
            Body::ReceiptAction(b) => Some(b.agent),
        }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        match self {
            Body::LogGenesis(b) => b.write(w),
            Body::LogKey(b) => b.write(w),
            Body::TenantRegister(b) => b.write(w),
            Body::AgentRegister(b) => b.write(w),
            Body::AgentKey(b) => b.write(w),
            Body::AgentRevoke(b) => b.write(w),
            Body::SessionOpen(b) => b.write(w),
            Body::SessionRefresh(b) => b.write(w),
            Body::SessionHandoff(b) => b.write(w),
            Body::SessionClose(b) => b.write(w),
            Body::AgentUpdate(b) => b.write(w),
            Body::AgentSuspend(b) => b.write(w),
            Body::AgentReactivate(b) => b.write(w),
            Body::AgentKill(b) => b.write(w),
            Body::ReceiptAction(b) => b.write(w),
        }
    }
}
