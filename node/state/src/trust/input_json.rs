//! Inputs as JSON: exactly the documented fields, nothing guessed.
//!
//! Errors come in the order of [`TrustError`]: the kind, then fields and ranges, then the outcome, then the time of a cited
//! interaction.

use ledger_format::record::json::{self, Value};

use super::constants::{FULL_BP, MAX_INTEGER, ONE_Q12};
use super::error::TrustError;
use super::id::Id;
use super::input::{ActionOutcome, Attestation, Input, SessionOutcome, StatusChange, Verdict, What};

impl Input {
    /// Reads an input from canonical JSON; other text is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        Self::from_value(&json::parse(bytes).map_err(|_| TrustError::Malformed)?)
    }

    /// Reads an input from a JSON value with exactly the fields of its kind.
    pub fn from_value(value: &Value) -> Result<Self, TrustError> {
        let Value::Object(members) = value else { return Err(TrustError::UnknownKind) };
        let fields = Fields(members);
        let kind = fields.text("kind").map_err(|_| TrustError::UnknownKind)?;
        let names = field_names(kind).ok_or(TrustError::UnknownKind)?;
        fields.are_exactly(names)?;
        let ms = fields.integer("ms", MAX_INTEGER)?;
        let what = fields.what(kind)?;
        let input = Self { ms, what };
        input.check()?;
        Ok(input)
    }

    /// The input as JSON value; reads back as the same input.
    pub fn to_value(&self) -> Value {
        let text = |text: &str| Value::Str(text.to_owned());
        // Inputs in their ranges hold nothing above 2^53.
        let number = |number: u64| Value::Int(number as i64);
        let (kind, fields) = match &self.what {
            What::Register { agent, tenant } => {
                ("register", vec![("agent", text(agent.as_str())), ("tenant", text(tenant.as_str()))])
            }
            What::TenantWeight { tenant, weight_q12 } => {
                ("tenant_weight", vec![("tenant", text(tenant.as_str())), ("weight", number(*weight_q12))])
            }
            What::Action { agent, outcome } => {
                ("action", vec![("agent", text(agent.as_str())), ("outcome", text(outcome.as_str()))])
            }
            What::Denial { agent } => ("denial", vec![("agent", text(agent.as_str()))]),
            What::Session { agent, outcome } => {
                ("session", vec![("agent", text(agent.as_str())), ("outcome", text(outcome.as_str()))])
            }
            What::Attest(a) => (
                "attest",
                vec![
                    ("agent", text(a.agent.as_str())),
                    ("by", text(a.by.as_str())),
                    ("interaction", number(a.interaction)),
                    ("interaction_ms", number(a.interaction_ms)),
                    ("outcome", text(a.verdict.as_str())),
                ],
            ),
            What::Delegate { agent, ceiling_bp, cross_tenant } => (
                "delegate",
                vec![
                    ("agent", text(agent.as_str())),
                    ("ceiling", number(*ceiling_bp)),
                    ("cross_tenant", Value::Bool(*cross_tenant)),
                ],
            ),
            What::Status { agent, change } => (change.as_str(), vec![("agent", text(agent.as_str()))]),
        };
        let all = fields.into_iter().chain([("kind", text(kind)), ("ms", number(self.ms))]);
        Value::Object(all.map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// The fields of a kind, besides `kind` and `ms`.
fn field_names(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "register" => &["agent", "tenant"],
        "tenant_weight" => &["tenant", "weight"],
        "action" | "session" => &["agent", "outcome"],
        "denial" => &["agent"],
        "attest" => &["agent", "by", "interaction", "interaction_ms", "outcome"],
        "delegate" => &["agent", "ceiling", "cross_tenant"],
        status => StatusChange::parse(status).map(|_| &["agent"] as &[_])?,
    })
}

/// The members of an object.
struct Fields<'a>(&'a [(String, Value)]);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Each of the names once, and no other.
    fn are_exactly(&self, names: &[&str]) -> Result<(), TrustError> {
        let complete = names.iter().chain(&["kind", "ms"]).all(|name| self.get(name).is_some());
        if complete && self.0.len() == names.len() + 2 { Ok(()) } else { Err(TrustError::Malformed) }
    }

    fn text(&self, name: &str) -> Result<&'a str, TrustError> {
        match self.get(name) {
            Some(Value::Str(text)) => Ok(text),
            _ => Err(TrustError::Malformed),
        }
    }

    fn id(&self, name: &str) -> Result<Id, TrustError> {
        Id::parse(self.text(name)?).ok_or(TrustError::Malformed)
    }

    fn integer(&self, name: &str, max: u64) -> Result<u64, TrustError> {
        match self.get(name) {
            Some(Value::Int(value)) => {
                u64::try_from(*value).ok().filter(|value| *value <= max).ok_or(TrustError::Malformed)
            }
            _ => Err(TrustError::Malformed),
        }
    }

    /// The outcome is named last of all, so that every other fault is reported first.
    fn outcome<T>(&self, parse: fn(&str) -> Option<T>) -> Result<T, TrustError> {
        parse(self.text("outcome")?).ok_or(TrustError::UnknownOutcome)
    }

    fn what(&self, kind: &str) -> Result<What, TrustError> {
        if kind == "tenant_weight" {
            let weight_q12 = self.integer("weight", ONE_Q12)?;
            return Ok(What::TenantWeight { tenant: self.id("tenant")?, weight_q12 });
        }
        let agent = self.id("agent")?;
        Ok(match kind {
            "register" => What::Register { agent, tenant: self.id("tenant")? },
            "action" => What::Action { agent, outcome: self.outcome(ActionOutcome::parse)? },
            "denial" => What::Denial { agent },
            "session" => What::Session { agent, outcome: self.outcome(SessionOutcome::parse)? },
            "attest" => What::Attest(Attestation {
                agent,
                by: self.id("by")?,
                interaction: self.integer("interaction", MAX_INTEGER)?,
                interaction_ms: self.integer("interaction_ms", MAX_INTEGER)?,
                verdict: self.outcome(Verdict::parse)?,
            }),
            "delegate" => {
                let Some(Value::Bool(cross_tenant)) = self.get("cross_tenant") else {
                    return Err(TrustError::Malformed);
                };
                let ceiling_bp = self.integer("ceiling", FULL_BP)?;
                What::Delegate { agent, ceiling_bp, cross_tenant: *cross_tenant }
            }
            status => {
                let change = StatusChange::parse(status).ok_or(TrustError::UnknownKind)?;
                What::Status { agent, change }
            }
        })
    }
}
