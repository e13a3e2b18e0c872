//! General Data Protection Regulation (EU) 2016/679.

use ledger_format::record::Severity;

use super::super::{Control, rules};

/// General Data Protection Regulation (EU) 2016/679.
pub(in crate::compliance) const GDPR: &[Control] = &[
    Control {
        control: "Art. 5(1)(f)",
        token: "art.5-1-f",
        title: "Integrity and confidentiality",
        asks: "No action was recorded by an agent, in a session or under a grant that had ended.",
        severity: Severity::High,
        remedy: "Find out how the agent still acted; let tools check tokens against the log.",
        rule: rules::no_action_after_the_end,
    },
    Control {
        control: "Art. 5(2)",
        token: "art.5-2",
        title: "Accountability",
        asks: "Every record is signed and follows the one that its agent made before.",
        severity: Severity::High,
        remedy: "Ask the agent's owner for the missing records; rotate its key if it leaked.",
        rule: rules::records_are_signed,
    },
    Control {
        control: "Art. 17",
        token: "art.17",
        title: "Right to erasure",
        asks: "Erasures are on record.",
        severity: Severity::Low,
        remedy: "Record erasures with the subject's digest, after the key is destroyed.",
        rule: rules::erasures_are_on_record,
    },
    Control {
        control: "Art. 22",
        token: "art.22",
        title: "Automated decisions: people can step in",
        asks: "Agents are supervised, or a policy asks for approvals, or approvals are on record.",
        severity: Severity::High,
        remedy: "Make the agent supervised, or add a policy rule that asks for approvals.",
        rule: rules::people_can_step_in,
    },
    Control {
        control: "Art. 24",
        token: "art.24",
        title: "Responsibility of the controller",
        asks: "A policy is in force.",
        severity: Severity::Medium,
        remedy: "Create a policy: POST /v1/maip/policies.",
        rule: rules::policies_are_in_force,
    },
    Control {
        control: "Art. 25",
        token: "art.25",
        title: "Data protection by design and by default",
        asks: "No active agent has the scope *:*.",
        severity: Severity::High,
        remedy: "Give each agent only the scopes that it needs.",
        rule: rules::least_privilege,
    },
    Control {
        control: "Art. 29",
        token: "art.29",
        title: "Processing only as instructed",
        asks: "No recorded action went beyond the agent's scopes and grants.",
        severity: Severity::High,
        remedy: "Look at the cited actions; narrow what the agent's host lets it do.",
        rule: rules::within_scope,
    },
    Control {
        control: "Art. 30",
        token: "art.30",
        title: "Records of processing activities",
        asks: "Actions and decisions are in the log, under a published checkpoint.",
        severity: Severity::Critical,
        remedy: "Let the log publish its checkpoints; look at the alarms of the nodes.",
        rule: rules::actions_are_recorded,
    },
    Control {
        control: "Art. 32",
        token: "art.32",
        title: "Security of processing",
        asks: "No key in use is older than 90 days.",
        severity: Severity::Medium,
        remedy: "Rotate the cited keys: POST /v1/agents/{agent_id}/keys.",
        rule: rules::keys_are_fresh,
    },
    Control {
        control: "Art. 33",
        token: "art.33",
        title: "Notification of a breach within 72 hours",
        asks: "Every high or critical anomaly is closed within 72 hours.",
        severity: Severity::High,
        remedy: "Resolve the cited anomalies and notify whom the law names.",
        rule: |summary| rules::closed_within(summary, 72),
    },
];
