//! Which events a record can be.

use std::borrow::Cow;

use ledger_format::record::{
    ApprovalVerdict, Body, BreakerState, ClaimResult, DecisionKind, DecisionResult, DetailValue,
    DocumentResult, ReceiptStatement, RunResult, StepStatus,
};
use ledger_state::Flags;

/// Longest word of an event, and longest pattern.
pub(crate) const WORD_BYTES_MAX: usize = 64;
/// The `kind` of a receipt that carries a caller's own event.
pub(crate) const EMITTED: &str = "event";
/// A meter has reached a share of what the plan includes. No record says it: it goes to webhooks only.
pub(crate) const USAGE_THRESHOLD: &str = "billing.usage.threshold";
/// Any record that brought trust in an agent below one of the tenant's thresholds is this, too.
const THRESHOLD_BREACH: &str = "trust.threshold_breach";

/// Each record type with every word that an event of it can go under. The first one is its name unless [`words`] says otherwise.
/// Those of the log itself belong to no tenant and reach nobody.
pub(crate) const TYPES: &[(&str, &[&str])] = &[
    ("log.genesis", &["log.started"]),
    ("log.key", &["log.key_changed"]),
    ("log.policy", &["log.policy_changed"]),
    ("trust.algorithm", &["log.trust_algorithm_changed"]),
    ("tenant.register", &["tenant.registered"]),
    ("tenant.update", &["tenant.updated"]),
    ("tenant.key", &["tenant.key_rotated"]),
    ("tenant.suspend", &["tenant.suspended"]),
    ("tenant.reactivate", &["tenant.restored"]),
    ("federation.agree", &["federation.agreed"]),
    ("federation.end", &["federation.ended"]),
    ("agent.register", &["agent.registered"]),
    ("agent.key", &["agent.key_rotated"]),
    ("agent.update", &["agent.updated"]),
    ("agent.suspend", &["agent.suspended"]),
    ("agent.reactivate", &["agent.restored"]),
    ("agent.revoke", &["agent.revoked"]),
    ("agent.kill", &["killswitch.activated", "agent.revoked"]),
    ("scope.define", &["scope.defined"]),
    ("tool.register", &["tool.registered"]),
    ("session.open", &["session.created"]),
    ("session.refresh", &["session.refreshed"]),
    ("session.handoff", &["session.handed_off"]),
    ("session.close", &["session.revoked", "session.closed"]),
    ("receipt.action", &["receipt.created"]),
    ("receipt.genesis", &["receipt.created"]),
    ("receipt.delegation", &["receipt.created"]),
    ("receipt.revocation", &["receipt.created"]),
    ("receipt.dataset", &["receipt.created"]),
    ("receipt.model", &["receipt.created"]),
    ("receipt.compliance", &["receipt.created"]),
    ("receipt.claim", &["receipt.created", "attestation.created"]),
    ("receipt.approval", &["receipt.created"]),
    ("receipt.supersede", &["receipt.superseded"]),
    ("receipt.revoke", &["receipt.revoked"]),
    (
        "decision",
        &[
            "decision.allowed",
            "decision.denied",
            "decision.needs_approval",
            "guardrail.passed",
            "guardrail.violation",
        ],
    ),
    ("approval", &["approval.approved", "approval.rejected"]),
    ("attest.peer", &["trust.peer_attested"]),
    ("witness.request", &["witness.requested"]),
    ("witness.attest", &["witness.attested"]),
    ("trust.compute", &["trust.computed"]),
    ("delegation.offer", &["trust.delegation_offered", "delegation.offered"]),
    ("delegation.accept", &["trust.delegation_accepted", "delegation.accepted"]),
    ("delegation.reject", &["delegation.rejected"]),
    ("delegation.revoke", &["delegation.revoked"]),
    ("policy.put", &["policy.updated"]),
    ("policy.status", &["policy.status_changed"]),
    ("claim.create", &["truth_claim.created"]),
    ("claim.resolve", &["truth_claim.verified", "truth_claim.rejected", "truth_claim.inconclusive"]),
    ("document.attest", &["document.attested"]),
    ("document.verdict", &["document.verified", "document.rejected", "document.inconclusive"]),
    ("compliance.check", &["compliance.checked"]),
    ("compliance.report", &["compliance.reported"]),
    ("anomaly.report", &["anomaly.reported"]),
    ("anomaly.resolve", &["anomaly.resolved"]),
    ("dataset.attest", &["dataset.attested", "dataset.lineage_updated"]),
    ("model.attest", &["model.attested", "model.lineage_updated"]),
    ("workflow.define", &["workflow.created"]),
    ("workflow.publish", &["workflow.published"]),
    ("orchestration.start", &["orchestration.started"]),
    ("orchestration.step", &["orchestration.step", "orchestration.timeout"]),
    ("orchestration.finish", &["orchestration.completed", "orchestration.failed", "orchestration.cancelled"]),
    ("guardrail.define", &["guardrail.defined"]),
    (
        "guardrail.status",
        &[
            "guardrail.circuit_breaker_closed",
            "guardrail.circuit_breaker_opened",
            "guardrail.circuit_breaker_half_opened",
            "guardrail.disabled",
        ],
    ),
    ("erasure", &["data.erased"]),
];

/// Every word that an event of a record type can go under.
fn possible(record_type: &str) -> &'static [&'static str] {
    TYPES.iter().find(|(name, _)| *name == record_type).map_or(&[], |(_, words)| words)
}

/// The words of one event, its name first.
pub(crate) fn words(body: &Body, flags: Flags) -> Vec<Cow<'static, str>> {
    let all = possible(body.info().name);
    let first = |more: bool| if more { all } else { all.get(..1).unwrap_or_default() };
    let one = |at: usize| all.get(at..=at).unwrap_or_default();
    let chosen: &[&'static str] = match body {
        Body::ReceiptClaim(statement) => match kind(statement) {
            Some(EMITTED) => {
                let name = statement.subject.clone().unwrap_or_else(|| EMITTED.into());
                return with_flags(vec![name.into()], flags);
            }
            Some("attestation") => &["attestation.created", "receipt.created"],
            _ => first(false),
        },
        Body::Decision(decision) => match (decision.kind, decision.result) {
            (DecisionKind::Guardrail, DecisionResult::Allowed) => one(3),
            (DecisionKind::Guardrail, _) => one(4),
            (_, DecisionResult::Allowed) => one(0),
            (_, DecisionResult::Denied) => one(1),
            (_, DecisionResult::NeedsApproval) => one(2),
        },
        Body::Approval(approval) => one(usize::from(approval.verdict == ApprovalVerdict::Rejected)),
        Body::ClaimResolve(resolved) => one(match resolved.result {
            ClaimResult::Confirmed => 0,
            ClaimResult::Rejected => 1,
            ClaimResult::Inconclusive => 2,
        }),
        Body::DocumentVerdict(verdict) => one(match verdict.verdict {
            DocumentResult::Valid => 0,
            DocumentResult::Invalid => 1,
            DocumentResult::Inconclusive => 2,
        }),
        Body::DatasetAttest(dataset) => first(dataset.sources.is_some()),
        Body::ModelAttest(model) => first(model.base.is_some() || model.datasets.is_some()),
        Body::OrchestrationStep(step) => first(step.status == StepStatus::TimedOut),
        Body::OrchestrationFinish(run) => one(match run.result {
            RunResult::Succeeded => 0,
            RunResult::Failed => 1,
            RunResult::Cancelled => 2,
        }),
        Body::GuardrailStatus(status) => one(match status.state {
            BreakerState::Closed => 0,
            BreakerState::Open => 1,
            BreakerState::HalfOpen => 2,
            BreakerState::Disabled => 3,
        }),
        _ => all,
    };
    with_flags(chosen.iter().copied().map(Cow::Borrowed).collect(), flags)
}

fn with_flags(mut words: Vec<Cow<'static, str>>, flags: Flags) -> Vec<Cow<'static, str>> {
    if flags.contains(Flags::TRUST_ALERT) || flags.contains(Flags::TRUST_SUSPENDED) {
        words.push(Cow::Borrowed(THRESHOLD_BREACH));
    }
    words
}

/// The `kind` in a statement's small facts.
fn kind(statement: &ReceiptStatement) -> Option<&str> {
    statement.detail.iter().flatten().find_map(|(key, value)| match value {
        DetailValue::Text(text) if key == "kind" => Some(text.as_str()),
        _ => None,
    })
}

/// Whether a word is one that only a record makes: callers cannot emit it.
pub(crate) fn is_reserved(word: &str) -> bool {
    word == USAGE_THRESHOLD
        || word == THRESHOLD_BREACH
        || TYPES.iter().any(|(_, words)| words.contains(&word))
}

/// Whether a text is the word of an event.
pub(crate) fn is_word(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    !text.is_empty()
        && text.len() <= WORD_BYTES_MAX
        && text.bytes().all(allowed)
        && text.split('.').all(|part| !part.is_empty())
}

/// Whether a text says which events are wanted: `*`, a word, or the beginning of words and `.*`.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.len() <= WORD_BYTES_MAX && (text == "*" || is_word(text.strip_suffix(".*").unwrap_or(text)))
}

/// Whether a word is one of those that a pattern wants.
pub(crate) fn word_fits(word: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => word.starts_with(beginning),
        None => word == pattern,
    }
}

/// The record types whose events can fit one of the patterns; empty: any type.
pub(crate) fn record_types(patterns: &[String]) -> Vec<&'static str> {
    let fits = |word: &str| patterns.iter().any(|pattern| word_fits(word, pattern));
    if patterns.is_empty() || fits(THRESHOLD_BREACH) {
        return Vec::new();
    }
    let emitted = patterns.iter().any(|pattern| pattern.ends_with('*') || !is_reserved(pattern));
    TYPES
        .iter()
        .filter(|(name, words)| words.iter().any(|word| fits(word)) || (emitted && *name == "receipt.claim"))
        .map(|(name, _)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use ledger_format::record::{AgentId, Digest, GuardrailStatus};

    use super::*;

    #[test]
    fn every_record_type_is_an_event() {
        let known: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
        let types: Vec<&str> = ledger_format::record::TYPES.iter().map(|info| info.name).collect();
        assert_eq!(known, types);
        for (name, words) in TYPES {
            assert!(!words.is_empty() && words.iter().all(|word| is_word(word)), "{name}: {words:?}");
        }
    }

    #[test]
    fn every_published_event_of_the_protocol_is_known_unless_no_record_makes_it() {
        // An end by time alone is no record, so it is no event.
        for word in [
            "agent.registered",
            "agent.updated",
            "agent.suspended",
            "agent.revoked",
            "agent.restored",
            "session.created",
            "session.refreshed",
            "session.revoked",
            "trust.computed",
            "trust.threshold_breach",
            "trust.delegation_offered",
            "trust.delegation_accepted",
            "orchestration.started",
            "orchestration.completed",
            "orchestration.failed",
            "orchestration.timeout",
            "dataset.attested",
            "dataset.lineage_updated",
            "model.attested",
            "model.lineage_updated",
            "guardrail.violation",
            "guardrail.circuit_breaker_opened",
            "guardrail.circuit_breaker_closed",
            "anomaly.reported",
            "anomaly.resolved",
            "killswitch.activated",
            "receipt.created",
            "receipt.revoked",
            "truth_claim.verified",
            "document.verified",
            "delegation.offered",
            "billing.usage.threshold",
        ] {
            assert!(is_reserved(word), "{word}");
        }
        assert!(!is_reserved("session.expired") && !is_reserved("acme.invoice_paid"));
    }

    #[test]
    fn the_words_follow_from_what_the_record_says() {
        let status = |state| {
            let body = GuardrailStatus { guardrail: "spend".into(), on_behalf_of: None, state };
            words(&Body::GuardrailStatus(Box::new(body)), Flags::NONE)
        };
        assert_eq!(status(BreakerState::Open), ["guardrail.circuit_breaker_opened"]);
        assert_eq!(status(BreakerState::Closed), ["guardrail.circuit_breaker_closed"]);
        let claim = |kind: Option<&str>, flags| {
            let detail = kind.map(|kind| vec![("kind".to_owned(), DetailValue::Text(kind.into()))]);
            let body = ReceiptStatement {
                agent: AgentId::default(),
                detail,
                input: Some(Digest::sha256(b"")),
                on_behalf_of: None,
                output: None,
                subject: Some("acme.invoice_paid".into()),
            };
            words(&Body::ReceiptClaim(Box::new(body)), flags)
        };
        assert_eq!(claim(Some("event"), Flags::NONE), ["acme.invoice_paid"]);
        assert_eq!(claim(Some("attestation"), Flags::NONE), ["attestation.created", "receipt.created"]);
        assert_eq!(claim(None, Flags::TRUST_ALERT), ["receipt.created", "trust.threshold_breach"]);
    }

    #[test]
    fn patterns_choose_record_types() {
        let types = |patterns: &[&str]| {
            record_types(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(types(&[]), Vec::<&str>::new());
        assert_eq!(types(&["*"]), Vec::<&str>::new());
        assert_eq!(types(&["agent.revoked"]), ["agent.revoke", "agent.kill"]);
        assert_eq!(types(&["acme.paid"]), ["receipt.claim"]);
        assert_eq!(types(&["anomaly.*"]), ["receipt.claim", "anomaly.report", "anomaly.resolve"]);
        assert_eq!(types(&["trust.threshold_breach"]), Vec::<&str>::new());
        for (text, good) in [
            ("*", true),
            ("agent.*", true),
            ("agent", true),
            ("a*", false),
            ("A.b", false),
            (".a", false),
            ("", false),
        ] {
            assert_eq!(is_pattern(text), good, "{text:?}");
        }
        let longest = "a".repeat(WORD_BYTES_MAX);
        assert!(
            is_pattern(&longest) && !is_pattern(&format!("{longest}.*")),
            "the end of a pattern counts, too"
        );
    }
}
