//! Random histories of one log: what several people try, batch by batch.

use ledger_format::record::{
    ActionVerdict, AnomalyId, AnomalyReport, Decision, DecisionKind, DecisionReason, DecisionResult,
    DelegationRevoke, PolicyCondition, PolicyEffect, PolicyId, PolicyPut, PolicyRule, RateLimit, RecordHash,
    RuleRef, SessionEnd, Severity, TenantReactivate, TenantSuspend,
};
use ledger_state::{Command, MemoryState};
use proptest::prelude::*;

use super::families::{FAMILIES, record_of};
use super::speak::{deleg, offer};
use super::*;

/// One thing that somebody tries. Numbers are small, so that attempts meet: ids are taken, parents missing, keys old.
#[derive(Clone, Debug)]
pub(crate) enum Attempt {
    Tenant(u8),
    Agent {
        tenant: u8,
        record: u64,
        agent: u8,
        parent: Option<u8>,
    },
    Receipt {
        tenant: u8,
        record: u64,
        agent: u8,
        key: u8,
        action: bool,
        anchor: Option<u64>,
    },
    Rotate {
        record: u64,
        agent: u8,
        from: u8,
        to: u8,
    },
    Revoke {
        tenant: u8,
        record: u64,
        agent: u8,
        cascade: bool,
    },
    Open {
        record: u64,
        number: u8,
        agent: u8,
        ttl_min: u64,
    },
    Refresh {
        record: u64,
        number: u8,
        agent: u8,
        ttl_min: u64,
    },
    HandOff {
        record: u64,
        number: u8,
        agent: u8,
        to: u8,
    },
    Close {
        record: u64,
        number: u8,
        agent: u8,
        clean: bool,
    },
    Judged {
        record: u64,
        agent: u8,
        verdict: usize,
        action: bool,
        session: Option<u8>,
    },
    Suspend {
        record: u64,
        agent: u8,
    },
    Reactivate {
        record: u64,
        agent: u8,
    },
    Kill {
        record: u64,
        agent: u8,
        cascade: bool,
    },
    Offer {
        record: u64,
        number: u8,
        from: Option<u8>,
        to: u8,
        parent: Option<u8>,
        wide: bool,
    },
    TakeBack {
        record: u64,
        number: u8,
    },
    Granted {
        record: u64,
        agent: u8,
        number: u8,
    },
    Policy {
        record: u64,
        effect: usize,
        limit: u64,
    },
    Decide {
        record: u64,
        agent: u8,
        action: bool,
        number: Option<u8>,
        result: usize,
        reason: usize,
        rule: bool,
    },
    Rest {
        tenant: u8,
        record: u64,
        on: bool,
    },
    Report {
        record: u64,
        agent: u8,
        severity: usize,
    },
    Family {
        family: usize,
        number: u8,
        agent: u8,
    },
    Garbage(Vec<u8>),
}

impl Attempt {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Attempt::Tenant(number) => register_tenant(*number),
            Attempt::Agent { tenant, record, agent, parent } => {
                register_agent(*tenant, *record, *agent, *parent)
            }
            Attempt::Receipt { tenant, record, agent, key: number, action, anchor } => {
                let mut draft = receipt_draft(
                    *tenant,
                    *record,
                    *agent,
                    if *action { "invoice:pay" } else { "order:read" },
                );
                draft.anchor = *anchor;
                draft.sign(&key(*number))
            }
            Attempt::Rotate { record, agent, from, to } => {
                rotate(*record, *agent, *from, *to).sign(&key(*from))
            }
            Attempt::Revoke { tenant, record, agent, cascade } => revoke(*tenant, *record, *agent, *cascade),
            Attempt::Open { record, number, agent, ttl_min } => {
                open(*record, *number, *agent, *ttl_min, "invoice:*")
            }
            Attempt::Refresh { record, number, agent, ttl_min } => {
                refresh(*record, *number, *agent, *ttl_min)
            }
            Attempt::HandOff { record, number, agent, to } => hand_off(*record, *number, *agent, *to),
            Attempt::Close { record, number, agent, clean } => {
                let end = if *clean { SessionEnd::Clean } else { SessionEnd::Aborted };
                close(*record, *number, *agent, end)
            }
            Attempt::Judged { record, agent, verdict, action, session } => {
                let verdict = ActionVerdict::ALL.get(*verdict).copied();
                let action = if *action { "invoice:pay" } else { "order:read" };
                judged(*record, *agent, action, verdict, *session)
            }
            Attempt::Suspend { record, agent } => suspend(*record, *agent),
            Attempt::Reactivate { record, agent } => reactivate(*record, *agent),
            Attempt::Kill { record, agent, cascade } => kill(*record, *agent, *cascade),
            Attempt::Garbage(bytes) => return bytes.clone(),
            other => other.wide(),
        }
        .to_bytes()
    }

    /// What only wide histories hold.
    fn wide(&self) -> Record {
        match self {
            Attempt::Offer { record, number, from, to, parent, wide } => {
                let mut body = offer(*number, *from, (1, *to), &[if *wide { "*:*" } else { "invoice:pay" }]);
                body.parent = parent.map(|number| offer_hash(number, *from));
                (body.limits.calls, body.limits.window_s) = (Some(2), Some(60));
                let body = Body::DelegationOffer(Box::new(body));
                match from {
                    None => by_tenant(1, *record, body),
                    Some(number) => {
                        let actor = Actor::Agent(agent(*number));
                        Draft::new(tenant(1).0, id(*record), actor, START_MS, body).sign(&key(*number))
                    }
                }
            }
            Attempt::TakeBack { record, number } => {
                let body =
                    DelegationRevoke { grant: deleg(*number), on_behalf_of: None, reason: "over".into() };
                by_tenant(1, *record, Body::DelegationRevoke(Box::new(body)))
            }
            Attempt::Granted { record, agent, number } => {
                let body =
                    ReceiptAction { grant: Some(deleg(*number)), ..action_body(*agent, "invoice:pay") };
                by_tenant(1, *record, Body::ReceiptAction(body))
            }
            Attempt::Policy { record, effect, limit } => {
                let calls = Some(RateLimit { max: *limit, window_s: 60 });
                let when = PolicyCondition {
                    calls,
                    days: None,
                    depth_max: None,
                    depth_min: None,
                    minutes: None,
                    spend: None,
                    trust_max_bp: None,
                    trust_min_bp: None,
                };
                let rule = PolicyRule {
                    actions: scopes(&["invoice:*"]),
                    agent_types: None,
                    agents: None,
                    effect: PolicyEffect::ALL[*effect],
                    when: Some(when),
                };
                let policy = PolicyId(Ulid(1));
                let body = PolicyPut {
                    name: "P".into(),
                    on_behalf_of: None,
                    policy,
                    priority: 1,
                    rules: vec![rule],
                };
                by_tenant(1, *record, Body::PolicyPut(Box::new(body)))
            }
            Attempt::Decide { record, agent: number, action, number: grant, result, reason, rule } => {
                let body = Decision {
                    action: scope(if *action { "invoice:pay" } else { "order:read" }),
                    agent: agent(*number),
                    amount: None,
                    approval: None,
                    grant: grant.map(deleg),
                    inputs: Digest::sha256(b"inputs"),
                    kind: DecisionKind::Policy,
                    on_behalf_of: None,
                    policies: Vec::new(),
                    reason: DecisionReason::ALL[*reason],
                    result: DecisionResult::ALL[*result],
                    rules: if *rule {
                        vec![RuleRef { policy: PolicyId(Ulid(1)), place: 0 }]
                    } else {
                        Vec::new()
                    },
                    session: None,
                    tool: None,
                };
                by_tenant(1, *record, Body::Decision(Box::new(body)))
            }
            Attempt::Rest { tenant: number, record, on } => {
                let (desk, reason) = (Some("desk".to_owned()), "unpaid".to_owned());
                let body = if *on {
                    Body::TenantSuspend(Box::new(TenantSuspend { on_behalf_of: desk, reason }))
                } else {
                    Body::TenantReactivate(Box::new(TenantReactivate { on_behalf_of: desk, reason }))
                };
                Draft::new(tenant(*number).0, id(*record), Actor::Operator, START_MS, body).sign(&operator())
            }
            Attempt::Report { record, agent: number, severity } => {
                let body = AnomalyReport {
                    agent: agent(*number),
                    anomaly: AnomalyId(id(*record)),
                    evidence: None,
                    kind: "burst".into(),
                    on_behalf_of: None,
                    severity: Severity::ALL[*severity],
                };
                by_tenant(1, *record, Body::AnomalyReport(Box::new(body)))
            }
            Attempt::Family { family, number, agent } => {
                record_of(*family, *number, *agent, offer_hash(*number, Some(*agent)))
            }
            other => unreachable!("{other:?} is written above"),
        }
    }
}

/// The hash of the root offer of that number, as [`Attempt::Offer`] signs it under the record number `200 + number`.
fn offer_hash(number: u8, to: Option<u8>) -> RecordHash {
    let record = 200 + u64::from(number);
    Attempt::Offer { record, number, from: None, to: to.unwrap_or(1), parent: None, wide: true }.wide().hash()
}

pub(crate) fn attempt() -> impl Strategy<Value = Attempt> {
    let (tenant, agent) = (|| 1..3u8, || 1..6u8);
    prop_oneof![
        1 => tenant().prop_map(Attempt::Tenant),
        6 => (tenant(), 0..40u64, agent(), proptest::option::of(agent()))
            .prop_map(|(tenant, record, agent, parent)| Attempt::Agent { tenant, record, agent, parent }),
        8 => (tenant(), 0..40u64, agent(), 1..8u8, any::<bool>(), proptest::option::of(0..30u64)).prop_map(
            |(tenant, record, agent, key, action, anchor)| {
                // Mostly the agent's first key.
                let key = if key > 5 { key } else { agent };
                Attempt::Receipt { tenant, record, agent, key, action, anchor }
            }
        ),
        4 => (0..40u64, agent(), 1..8u8, 1..8u8)
            .prop_map(|(record, agent, from, to)| Attempt::Rotate { record, agent, from, to }),
        1 => (tenant(), 0..40u64, agent(), any::<bool>())
            .prop_map(|(tenant, record, agent, cascade)| Attempt::Revoke { tenant, record, agent, cascade }),
        4 => (40..80u64, 0..4u8, agent(), 1..4u64)
            .prop_map(|(record, number, agent, ttl_min)| Attempt::Open { record, number, agent, ttl_min }),
        1 => (40..80u64, 0..4u8, agent(), 1..4u64)
            .prop_map(|(record, number, agent, ttl_min)| Attempt::Refresh { record, number, agent, ttl_min }),
        1 => (40..80u64, 0..4u8, agent(), agent())
            .prop_map(|(record, number, agent, to)| Attempt::HandOff { record, number, agent, to }),
        1 => (40..80u64, 0..4u8, agent(), any::<bool>())
            .prop_map(|(record, number, agent, clean)| Attempt::Close { record, number, agent, clean }),
        4 => (80..120u64, agent(), 0..5usize, any::<bool>(), proptest::option::of(0..4u8)).prop_map(
            |(record, agent, verdict, action, session)| Attempt::Judged { record, agent, verdict, action, session }
        ),
        1 => (120..140u64, agent()).prop_map(|(record, agent)| Attempt::Suspend { record, agent }),
        1 => (120..140u64, agent()).prop_map(|(record, agent)| Attempt::Reactivate { record, agent }),
        1 => (120..140u64, agent(), any::<bool>())
            .prop_map(|(record, agent, cascade)| Attempt::Kill { record, agent, cascade }),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Attempt::Garbage),
    ]
}

/// Attempts of every kind that decides about others.
fn wide_attempt() -> impl Strategy<Value = Attempt> {
    let (agent, grant) = (|| 1..6u8, || 0..4u8);
    prop_oneof![
        12 => attempt(),
        // A root under the record number that children look for, and what hangs below it.
        3 => (grant(), agent()).prop_map(|(number, to)| {
            let record = 200 + u64::from(number);
            Attempt::Offer { record, number, from: None, to, parent: None, wide: true }
        }),
        3 => (210..240u64, 4..8u8, agent(), agent(), grant(), any::<bool>()).prop_map(
            |(record, number, from, to, parent, wide)| {
                Attempt::Offer { record, number, from: Some(from), to, parent: Some(parent), wide }
            }
        ),
        1 => (240..260u64, 0..8u8).prop_map(|(record, number)| Attempt::TakeBack { record, number }),
        4 => (260..300u64, agent(), 0..8u8)
            .prop_map(|(record, agent, number)| Attempt::Granted { record, agent, number }),
        2 => (300..320u64, 0..3usize, 1..3u64)
            .prop_map(|(record, effect, limit)| Attempt::Policy { record, effect, limit }),
        6 => (
            320..360u64,
            agent(),
            any::<bool>(),
            proptest::option::of(0..8u8),
            0..3usize,
            0..DecisionReason::ALL.len(),
            any::<bool>()
        )
            .prop_map(|(record, agent, action, number, result, reason, rule)| Attempt::Decide {
                record, agent, action, number, result, reason, rule
            }),
        1 => (1..3u8, 360..370u64, any::<bool>())
            .prop_map(|(tenant, record, on)| Attempt::Rest { tenant, record, on }),
        1 => (370..390u64, agent(), 0..4usize)
            .prop_map(|(record, agent, severity)| Attempt::Report { record, agent, severity }),
    ]
}

/// Records of families that stand side by side, about one thing: the later ones build on the earlier ones.
fn story() -> impl Strategy<Value = Vec<Attempt>> {
    let last = FAMILIES - 1;
    (0..FAMILIES, 1..7usize, 0..3u8, 1..6u8).prop_map(move |(first, count, number, agent)| {
        let families = first..(first + count).min(FAMILIES);
        // The last one silences the tenant: rarely, and alone.
        families
            .filter(|family| *family != last || number == 0)
            .map(|family| Attempt::Family { family, number, agent })
            .collect()
    })
}

/// As [`history`], with attempts of every kind.
pub(crate) fn wide_history() -> impl Strategy<Value = Vec<(u64, Vec<Attempt>)>> {
    let some = prop_oneof![4 => wide_attempt().prop_map(|one| vec![one]), 1 => story()];
    let batch = (0..300_000u64, proptest::collection::vec(some, 0..24).prop_map(|some| some.concat()));
    proptest::collection::vec(batch, 1..8)
}

/// Batches with the leader's clock of each, which may run back.
pub(crate) fn history() -> impl Strategy<Value = Vec<(u64, Vec<Attempt>)>> {
    // Minutes, so that sessions run out between batches and not within them.
    let batch = (0..300_000u64, proptest::collection::vec(attempt(), 0..16));
    proptest::collection::vec(batch, 1..8)
}

pub(crate) fn commands(history: &[(u64, Vec<Attempt>)]) -> Vec<Command> {
    let mut commands = vec![append(&[genesis(), register_tenant(1), register_agent(1, 2, 1, None)])];
    for (ms, attempts) in history {
        let records = attempts.iter().map(Attempt::bytes).collect();
        commands.push(Command::Append { log_ms: START_MS + ms, records });
    }
    commands
}

/// Runs commands; the entries with the state after them.
pub(crate) fn play(commands: &[Command]) -> (MemoryState, Vec<Vec<u8>>) {
    let (mut state, mut entries) = (MemoryState::new(), Vec::new());
    for command in commands {
        let applied = state.apply(command);
        assert_eq!(applied.alarm, None);
        entries.extend(applied.entries.into_iter().map(|entry| entry.bytes));
    }
    (state, entries)
}
