//! Checks against frameworks, reports and anomalies.

use super::declare::{body, object};
use super::fields::{Digest, words};
use super::ids::{AgentId, AnomalyId, ComplianceCheckId, ReportId};
use super::json::{JsonError, Reader, Reason};
use super::kinds::{DigestOf, Id, Indices, Name, OnBehalfOf, Time, Token, Word, lists, word_kind};

/// Most findings of one check.
pub const FINDINGS_MAX: usize = 64;

words! {
    /// A set of controls.
    Framework, "one of soc2, iso27001, gdpr, hipaa, eu_ai_act" {
        /// SOC 2.
        Soc2 = "soc2",
        /// ISO/IEC 27001.
        Iso27001 = "iso27001",
        /// The GDPR.
        Gdpr = "gdpr",
        /// HIPAA.
        Hipaa = "hipaa",
        /// The EU AI Act.
        EuAiAct = "eu_ai_act",
    }
}

words! {
    /// How a control stands.
    FindingStatus, "one of pass, fail, not_applicable" {
        /// It is met.
        Pass = "pass",
        /// It is not.
        Fail = "fail",
        /// It does not concern this.
        NotApplicable = "not_applicable",
    }
}

words! {
    /// How bad an anomaly is, and what follows by itself.
    Severity, "one of low, medium, high, critical" {
        /// It is noted.
        Low = "low",
        /// The agent is throttled until it is resolved.
        Medium = "medium",
        /// The agent's sessions end.
        High = "high",
        /// The agent is suspended.
        Critical = "critical",
    }
}

words! {
    /// What became of an anomaly.
    AnomalyResolution, "one of false_positive, mitigated, accepted" {
        /// It was none.
        FalsePositive = "false_positive",
        /// It was mended.
        Mitigated = "mitigated",
        /// It is lived with.
        Accepted = "accepted",
    }
}
word_kind!(Framework, FindingStatus, Severity, AnomalyResolution);

object! {
    /// What a check found about one control.
    Finding is "a finding" {
        /// the control
        required control: String as Token,
        /// indices of the entries that show it
        required evidence: Vec<u64> as Indices,
        /// what to do
        optional remedy: String as Name,
        /// how it stands
        required status: FindingStatus as Word<FindingStatus>,
    }
}

lists! {
    /// Findings, in order.
    Findings: plain Finding as Finding, 0, FINDINGS_MAX, "a list of at most 64 findings";
}

body! {
    /// Body of `compliance.check`: how a tenant, or one of its agents, stands against a framework.
    ///
    /// Effect: the check is on record and counts towards the tenant's plan. Refused: `check_exists`, `evidence_unknown` (an index that the log
    /// has not reached).
    ComplianceCheck = "compliance.check" by [Tenant, Operator], info CHECK {
        /// the agent; absent: the tenant
        optional agent: AgentId as Id<AgentId>,
        /// the new check's id
        required check: ComplianceCheckId as Id<ComplianceCheckId>,
        /// what was found
        required findings: Vec<Finding> as Findings,
        /// against what
        required framework: Framework as Word<Framework>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
    }
}

body! {
    /// Body of `compliance.report`: a report over a period was made.
    ///
    /// Effect: the report is on record. Refused: `report_exists`.
    ComplianceReport = "compliance.report" by [Tenant, Operator], info REPORT, check period_in_order {
        /// digest of the report
        required digest: Digest as DigestOf,
        /// against what
        required framework: Framework as Word<Framework>,
        /// beginning of the period
        required from: u64 as Time,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the new report's id
        required report: ReportId as Id<ReportId>,
        /// end of the period
        required to: u64 as Time,
    }
}

impl ComplianceReport {
    fn period_in_order(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        if self.from <= self.to {
            Ok(())
        } else {
            Err(r.field_error("to", Reason::Invalid { rule: "not before from" }))
        }
    }
}

body! {
    /// Body of `anomaly.report`: an agent behaves strangely.
    ///
    /// Effect: `low` is noted; `medium` throttles the agent (a decision needs an approval until it is resolved); `high` ends its sessions;
    /// `critical` suspends it until the tenant reactivates it. What an agent reports is noted, whatever its severity. Refused:
    /// `anomaly_exists`.
    AnomalyReport = "anomaly.report" by [Agent, Tenant, Operator], info ANOMALY {
        /// the agent
        required agent: AgentId as Id<AgentId>,
        /// the new anomaly's id
        required anomaly: AnomalyId as Id<AnomalyId>,
        /// digest of what shows it
        optional evidence: Digest as DigestOf,
        /// what kind
        required kind: String as Token,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// how bad
        required severity: Severity as Word<Severity>,
    }
}

body! {
    /// Body of `anomaly.resolve`: the anomaly is dealt with.
    ///
    /// Effect: it is closed, and no longer throttles the agent. Refused: `anomaly_unknown`, `anomaly_resolved`.
    AnomalyResolve = "anomaly.resolve" by [Tenant, Operator], info RESOLVE {
        /// the anomaly
        required anomaly: AnomalyId as Id<AnomalyId>,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// how
        required resolution: AnomalyResolution as Word<AnomalyResolution>,
    }
}
