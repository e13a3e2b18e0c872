//! How somebody stands against a set of controls: pure rules over a summary of what the log holds.
//!
//! ```text
//! entries -> Summary -> rule of each control -> Finding -> verdict
//! ```
//!
//! A rule says what the log shows and cites the entries that show it. Whether a control is met as a whole, with everything that no
//! log can show, is for an auditor to say; so each control states what its rule asks.

mod frameworks;
mod outcome;
mod rules;
mod summary;

use ledger_format::record::{FindingStatus, Framework, Severity};

pub(crate) use outcome::Outcome;
pub(crate) use rules::answer_within_ms;
pub(crate) use summary::{AgentFact, AnomalyFact, Only, Published, Summary, Trail};

/// One control of a framework, as far as a log can show it.
pub(crate) struct Control {
    /// As auditors write it, e.g. `CC6.1`.
    pub(crate) control: &'static str,
    /// As a record holds it, e.g. `cc6.1`.
    pub(crate) token: &'static str,
    pub(crate) title: &'static str,
    /// What the rule asks of the log.
    pub(crate) asks: &'static str,
    /// How bad it is when the rule fails.
    pub(crate) severity: Severity,
    /// What to do then; a record holds it, so at most 128 bytes.
    pub(crate) remedy: &'static str,
    pub(crate) rule: fn(&Summary) -> Outcome,
}

/// What a rule has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) token: &'static str,
    pub(crate) outcome: Outcome,
}

/// How it stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No rule fails and at least one holds.
    Compliant,
    /// Only rules of low or medium severity fail.
    Partial,
    /// A rule of high or critical severity fails.
    NonCompliant,
    /// No rule applies.
    NotApplicable,
}

impl Verdict {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Verdict::Compliant => "compliant",
            Verdict::Partial => "partial",
            Verdict::NonCompliant => "non_compliant",
            Verdict::NotApplicable => "not_applicable",
        }
    }
}

/// What people call a framework.
pub(crate) fn framework_title(framework: Framework) -> &'static str {
    match framework {
        Framework::Soc2 => "SOC 2",
        Framework::Iso27001 => "ISO/IEC 27001:2022",
        Framework::Gdpr => "GDPR",
        Framework::Hipaa => "HIPAA Security Rule",
        Framework::EuAiAct => "EU AI Act",
    }
}

/// The controls of a framework that a log can show something about, in the framework's order.
pub(crate) fn controls(framework: Framework) -> &'static [Control] {
    match framework {
        Framework::Soc2 => frameworks::SOC2,
        Framework::Iso27001 => frameworks::ISO27001,
        Framework::Gdpr => frameworks::GDPR,
        Framework::Hipaa => frameworks::HIPAA,
        Framework::EuAiAct => frameworks::EU_AI_ACT,
    }
}

/// A control by either of its spellings, whatever the case.
pub(crate) fn control(framework: Framework, word: &str) -> Option<&'static Control> {
    let is = |known: &str| known.eq_ignore_ascii_case(word.trim());
    controls(framework).iter().find(|control| is(control.token) || is(control.control))
}

/// Asks the rules; of all controls, or of those in `scope`.
pub(crate) fn evaluate(framework: Framework, scope: &[&str], summary: &Summary) -> Vec<Found> {
    let wanted = |control: &&Control| scope.is_empty() || scope.contains(&control.token);
    let found = |control: &Control| Found { token: control.token, outcome: (control.rule)(summary) };
    controls(framework).iter().filter(wanted).map(found).collect()
}

/// The verdict over findings: each a control's severity and status.
pub(crate) fn verdict(findings: impl Iterator<Item = (Severity, FindingStatus)>) -> Verdict {
    let (mut worst, mut passes) = (None, false);
    for (severity, status) in findings {
        match status {
            FindingStatus::Fail if matches!(severity, Severity::High | Severity::Critical) => {
                worst = Some(Verdict::NonCompliant);
            }
            FindingStatus::Fail => worst = worst.or(Some(Verdict::Partial)),
            FindingStatus::Pass => passes = true,
            FindingStatus::NotApplicable => {}
        }
    }
    worst.unwrap_or(if passes { Verdict::Compliant } else { Verdict::NotApplicable })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ledger_format::record::{FINDINGS_MAX, NAME_BYTES_MAX, TOKEN_BYTES_MAX};

    use super::*;
    use FindingStatus::{Fail, NotApplicable, Pass};
    use Severity::{Critical, High, Low, Medium};

    const ALL: [Framework; 5] =
        [Framework::Soc2, Framework::Iso27001, Framework::Gdpr, Framework::Hipaa, Framework::EuAiAct];

    #[test]
    fn a_record_can_hold_every_control() {
        for framework in ALL {
            let mut tokens = BTreeSet::new();
            assert!(
                controls(framework).len() <= FINDINGS_MAX && controls(framework).len() >= 8,
                "{framework:?}"
            );
            for control in controls(framework) {
                assert!(tokens.insert(control.token), "{} is there twice", control.token);
                assert_eq!(crate::wire::token(control.token), control.token, "a record holds a token");
                assert!(
                    control.token.len() <= TOKEN_BYTES_MAX && control.remedy.len() <= NAME_BYTES_MAX,
                    "{}",
                    control.token
                );
                for text in [control.control, control.title, control.asks, control.remedy] {
                    assert!(!text.is_empty(), "{}", control.token);
                }
                assert!(control.asks.ends_with('.') && control.remedy.ends_with('.'), "{}", control.token);
            }
        }
    }

    #[test]
    fn the_guide_tells_of_every_control() {
        let guide = include_str!("../../../../docs/guides/compliance.md");
        for control in ALL.iter().flat_map(|framework| controls(*framework)) {
            assert!(guide.contains(control.control), "docs/guides/compliance.md: {}", control.control);
        }
    }

    #[test]
    fn a_control_has_two_spellings() {
        for word in ["CC6.1", "cc6.1", " Cc6.1 "] {
            assert_eq!(control(Framework::Soc2, word).map(|control| control.token), Some("cc6.1"), "{word}");
        }
        assert_eq!(control(Framework::Hipaa, "§164.312(b)").map(|control| control.token), Some("164.312-b"));
        assert!(control(Framework::Soc2, "A.5.18").is_none());
    }

    #[test]
    fn an_empty_log_neither_passes_nor_fails_for_what_never_was() {
        let summary = Summary::default();
        for framework in ALL {
            for found in evaluate(framework, &[], &summary) {
                assert!(found.outcome.evidence.is_empty(), "{}: evidence out of nothing", found.token);
                assert_ne!(found.outcome.status, Pass, "{} passes without evidence", found.token);
            }
        }
        assert_eq!(evaluate(Framework::Soc2, &["cc6.1"], &summary).len(), 1);
    }

    #[test]
    fn the_worst_failure_decides() {
        for (findings, want) in [
            (vec![], Verdict::NotApplicable),
            (vec![(High, NotApplicable)], Verdict::NotApplicable),
            (vec![(High, Pass), (Low, NotApplicable)], Verdict::Compliant),
            (vec![(High, Pass), (Low, Fail)], Verdict::Partial),
            (vec![(Medium, Fail)], Verdict::Partial),
            (vec![(High, Fail), (Low, Fail)], Verdict::NonCompliant),
            (vec![(Low, Fail), (Critical, Fail), (Low, Pass)], Verdict::NonCompliant),
        ] {
            assert_eq!(verdict(findings.iter().copied()), want, "{findings:?}");
        }
    }
}
