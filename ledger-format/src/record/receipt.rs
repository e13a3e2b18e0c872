//! The receipt family: `receipt.action`, an agent's statement of something it did.

use super::body::{ActorKind, FieldInfo, TypeInfo};
use super::declare::Kind as _;
use super::fields::{self, Digest, words};
use super::ids::{AgentId, DelegationId, ReceiptId, SessionId};
use super::json::{JsonError, Reader, Reason, Writer};
use super::kinds::Id;
use super::scope::Scope;

/// Most members of `detail`.
pub const DETAIL_MEMBERS_MAX: usize = 16;

/// Longest text in `detail`, in bytes.
pub const DETAIL_BYTES_MAX: usize = 256;

words! {
    /// How an action ended, according to the agent.
    ActionOutcome, "one of success, failure, partial, denied" {
        /// It was done.
        Success = "success",
        /// It was tried and not done.
        Failure = "failure",
        /// A part was done.
        Partial = "partial",
        /// Somebody or something did not allow it.
        Denied = "denied",
    }
}

words! {
    /// How an action went, according to whoever enforces the rules; trust follows from it.
    ActionVerdict, "one of ok, minor, major, critical" {
        /// As it should.
        Ok = "ok",
        /// A minor violation.
        Minor = "minor",
        /// A major violation.
        Major = "major",
        /// A critical violation.
        Critical = "critical",
    }
}

/// Facts for documents and tests.
pub(super) const ACTION: TypeInfo = TypeInfo {
    name: "receipt.action",
    about: "",
    actors: &[ActorKind::Agent, ActorKind::Tenant, ActorKind::Operator],
    fields: &[
        FieldInfo::required("action"),
        FieldInfo::required("agent"),
        FieldInfo::optional("approval"),
        FieldInfo::optional("decision"),
        FieldInfo::optional("detail"),
        FieldInfo::optional("grant"),
        FieldInfo::required("input"),
        FieldInfo::optional("on_behalf_of"),
        FieldInfo::optional("outcome"),
        FieldInfo::required("output"),
        FieldInfo::optional("session"),
        FieldInfo::optional("tool"),
        FieldInfo::optional("verdict"),
    ],
};

/// Body of `receipt.action`; about 300 bytes as a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptAction {
    /// What was done, as one scope. Outside the agent's scopes it is logged all the same, and flagged.
    pub action: Scope,
    /// Who did it; when the agent itself signs, the record's actor.
    pub agent: AgentId,
    /// The approval that it had.
    pub approval: Option<ReceiptId>,
    /// The decision that allowed it.
    pub decision: Option<ReceiptId>,
    /// Small facts that are not personal, e.g. a model's name; keys are tokens in ascending order.
    pub detail: Vec<(String, DetailValue)>,
    /// The grant that it was done under.
    pub grant: Option<DelegationId>,
    /// Digest of what went in.
    pub input: Digest,
    /// The credential that the operator acted for.
    pub on_behalf_of: Option<String>,
    /// How it ended.
    pub outcome: Option<ActionOutcome>,
    /// Digest of what came out.
    pub output: Digest,
    /// The session in which it happened.
    pub session: Option<SessionId>,
    /// The tool that was used, by name or id.
    pub tool: Option<String>,
    /// How it went, according to the tenant or the operator; an agent does not judge itself.
    pub verdict: Option<ActionVerdict>,
}

/// A value in `detail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DetailValue {
    /// A text of at most 256 bytes.
    Text(String),
    /// An integer within ±(2^53 - 1).
    Integer(i64),
}

impl ReceiptAction {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut action, mut agent, mut detail, mut input, mut output) = (None, None, Vec::new(), None, None);
        let (mut on_behalf_of, mut outcome, mut session) = (None, None, None);
        let (mut tool, mut verdict, mut approval, mut decision, mut grant) = (None, None, None, None, None);
        r.object(|r, key| {
            match key {
                "action" => action = Some(fields::exact_scope(r)?),
                "agent" => agent = Some(fields::agent_id(r)?),
                "approval" => approval = Some(Id::<ReceiptId>::read(r)?),
                "decision" => decision = Some(Id::<ReceiptId>::read(r)?),
                "detail" => detail = read_detail(r)?,
                "grant" => grant = Some(Id::<DelegationId>::read(r)?),
                "input" => input = Some(fields::digest(r)?),
                "on_behalf_of" => on_behalf_of = Some(fields::on_behalf_of(r)?),
                "outcome" => outcome = Some(ActionOutcome::read(r)?),
                "output" => output = Some(fields::digest(r)?),
                "session" => session = Some(fields::session_id(r)?),
                "tool" => tool = Some(fields::name(r)?),
                "verdict" => verdict = Some(ActionVerdict::read(r)?),
                _ => return fields::unknown(r),
            }
            Ok(())
        })?;
        Ok(Self {
            action: r.required("action", action)?,
            agent: r.required("agent", agent)?,
            approval,
            decision,
            detail,
            grant,
            input: r.required("input", input)?,
            on_behalf_of,
            outcome,
            output: r.required("output", output)?,
            session,
            tool,
            verdict,
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.open_object();
        w.text_field("action", self.action.as_str());
        w.text_field("agent", &self.agent.to_string());
        fields::write_optional(w, "approval", self.approval.map(|id| id.to_string()).as_deref());
        fields::write_optional(w, "decision", self.decision.map(|id| id.to_string()).as_deref());
        if !self.detail.is_empty() {
            w.key("detail");
            write_detail(w, &self.detail);
        }
        fields::write_optional(w, "grant", self.grant.map(|id| id.to_string()).as_deref());
        w.text_field("input", &self.input.to_string());
        fields::write_optional(w, "on_behalf_of", self.on_behalf_of.as_deref());
        fields::write_optional(w, "outcome", self.outcome.map(ActionOutcome::as_str));
        w.text_field("output", &self.output.to_string());
        fields::write_optional(w, "session", self.session.map(|s| s.to_string()).as_deref());
        fields::write_optional(w, "tool", self.tool.as_deref());
        fields::write_optional(w, "verdict", self.verdict.map(ActionVerdict::as_str));
        w.close_object();
    }
}

/// Reads `detail`: flat, small, and absent rather than empty (one spelling).
pub(super) fn read_detail(r: &mut Reader<'_>) -> Result<Vec<(String, DetailValue)>, JsonError> {
    let (start, mut members) = (r.offset(), Vec::new());
    r.object(|r, key| {
        let start = r.offset();
        if members.len() == DETAIL_MEMBERS_MAX {
            return Err(r.error(start, Reason::Invalid { rule: "one of at most 16 members" }));
        }
        if !fields::is_token(key) {
            return Err(r.error(
                start,
                Reason::Invalid { rule: "under a key of 1 to 64 characters of a-z 0-9 . _ -" },
            ));
        }
        let value = if r.peek() == Some(b'"') {
            let rule = "a text of at most 256 bytes";
            let short = |text: &str| (text.len() <= DETAIL_BYTES_MAX).then(|| text.to_owned());
            DetailValue::Text(fields::read_with(r, rule, short)?)
        } else {
            DetailValue::Integer(r.integer()?)
        };
        members.push((key.to_owned(), value));
        Ok(())
    })?;
    if members.is_empty() {
        return Err(r.error(start, Reason::Invalid { rule: "an object with members, or absent" }));
    }
    Ok(members)
}

pub(super) fn write_detail(w: &mut Writer, members: &[(String, DetailValue)]) {
    w.open_object();
    for (key, value) in members {
        w.key(key);
        match value {
            DetailValue::Text(text) => w.string(text),
            DetailValue::Integer(value) => w.integer(*value),
        }
    }
    w.close_object();
}
