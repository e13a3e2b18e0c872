//! Random histories of one log: what several people try, batch by batch.

use ledger_format::record::{ActionVerdict, SessionEnd};
use ledger_state::{Command, MemoryState};
use proptest::prelude::*;

use super::*;

/// One thing that somebody tries. Numbers are small, so that attempts meet: ids are taken, parents missing, keys old.
#[derive(Clone, Debug)]
pub(crate) enum Attempt {
    Tenant(u8),
    Agent { tenant: u8, record: u64, agent: u8, parent: Option<u8> },
    Receipt { tenant: u8, record: u64, agent: u8, key: u8, action: bool, anchor: Option<u64> },
    Rotate { record: u64, agent: u8, from: u8, to: u8 },
    Revoke { tenant: u8, record: u64, agent: u8, cascade: bool },
    Open { record: u64, number: u8, agent: u8, ttl_min: u64 },
    Refresh { record: u64, number: u8, agent: u8, ttl_min: u64 },
    HandOff { record: u64, number: u8, agent: u8, to: u8 },
    Close { record: u64, number: u8, agent: u8, clean: bool },
    Judged { record: u64, agent: u8, verdict: usize, action: bool, session: Option<u8> },
    Suspend { record: u64, agent: u8 },
    Reactivate { record: u64, agent: u8 },
    Kill { record: u64, agent: u8, cascade: bool },
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
        }
        .to_bytes()
    }
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
