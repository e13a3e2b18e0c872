//! The scores in the state are those that the entries give when somebody else reads them: a plain reading of
//! `docs/trust-score.md`, "From records to inputs", with books of its own, against what `apply` keeps.

mod world;

use std::collections::BTreeMap;

use ledger_format::record::{ActionVerdict, AgentId, Body, Entry, Record, SessionEnd, SessionId, TenantId};
use ledger_state::trust::{self, ActionOutcome, Id, Input, MemoryTrust, SessionOutcome, StatusChange, What};
use ledger_state::{Flags, MemoryState};
use proptest::prelude::*;
use world::{history::*, *};

#[derive(Clone, Copy, PartialEq)]
enum Standing {
    Active,
    Suspended,
    Revoked,
    Killed,
}

struct Person {
    parent: Option<AgentId>,
    standing: Standing,
    /// Sessions that are this agent's since before this index are over.
    sessions_end: u64,
}

struct Sitting {
    agent: AgentId,
    since: u64,
    expires_at: u64,
}

/// Somebody who reads entries and keeps books.
#[derive(Default)]
struct Reader {
    trust: MemoryTrust,
    people: BTreeMap<AgentId, Person>,
    open: BTreeMap<SessionId, Sitting>,
    now: u64,
}

fn name(agent: AgentId) -> Id {
    Id::parse(&agent.to_string()).unwrap()
}

impl Reader {
    fn hear(&mut self, what: What) {
        trust::apply(&mut self.trust, &Input { ms: self.now, what }).unwrap();
    }

    fn sessions_over(&mut self) {
        let mut due: Vec<_> = self
            .open
            .iter()
            .filter(|(_, sitting)| sitting.expires_at <= self.now)
            .map(|(id, sitting)| (sitting.expires_at, *id))
            .collect();
        due.sort();
        for (_, id) in due {
            let sitting = self.open.remove(&id).unwrap();
            let person = &self.people[&sitting.agent];
            if person.standing == Standing::Active && person.sessions_end <= sitting.since {
                self.hear(What::Session { agent: name(sitting.agent), outcome: SessionOutcome::Expired });
            }
        }
    }

    fn is_below(&self, agent: AgentId, top: AgentId) -> bool {
        agent == top || self.people[&agent].parent.is_some_and(|parent| self.is_below(parent, top))
    }

    fn end(&mut self, index: u64, top: AgentId, cascade: bool, standing: Standing, change: StatusChange) {
        let concerned = |person: &Person| match standing {
            Standing::Killed => person.standing != Standing::Killed,
            _ => !matches!(person.standing, Standing::Revoked | Standing::Killed),
        };
        let mut ended: Vec<_> = self
            .people
            .iter()
            .filter(|(id, person)| concerned(person) && (**id == top || cascade && self.is_below(**id, top)))
            .map(|(id, _)| *id)
            .collect();
        ended.sort_by_key(|id| (*id != top, *id));
        for id in ended {
            self.set(id, index, standing, change);
        }
    }

    fn set(&mut self, id: AgentId, index: u64, standing: Standing, change: StatusChange) {
        let person = self.people.get_mut(&id).unwrap();
        person.standing = standing;
        if standing != Standing::Active {
            person.sessions_end = index;
        }
        self.hear(What::Status { agent: name(id), change });
    }

    fn read(&mut self, index: u64, at: u64, record: &Record, flags: Flags) {
        self.now = at;
        self.sessions_over();
        match &record.body {
            Body::AgentRegister(body) => {
                let tenant = Id::parse(&TenantId(record.tenant).to_string()).unwrap();
                self.hear(What::Register { agent: name(body.agent), tenant });
                if let Some(parent) = body.parent {
                    let score = trust::reading(&self.trust, &name(parent), at).unwrap().score;
                    let ceiling_bp = score.unwrap_or(5_000);
                    self.hear(What::Delegate { agent: name(body.agent), ceiling_bp, cross_tenant: false });
                }
                let person = Person { parent: body.parent, standing: Standing::Active, sessions_end: 0 };
                self.people.insert(body.agent, person);
            }
            Body::AgentSuspend(body) => {
                self.set(body.agent, index, Standing::Suspended, StatusChange::Suspend)
            }
            Body::AgentReactivate(body) => {
                self.set(body.agent, index, Standing::Active, StatusChange::Reactivate);
            }
            Body::AgentRevoke(body) => {
                self.end(index, body.agent, body.cascade, Standing::Revoked, StatusChange::Revoke);
            }
            Body::AgentKill(body) => {
                self.end(index, body.agent, body.cascade, Standing::Killed, StatusChange::Kill);
            }
            Body::SessionOpen(body) => {
                let expires_at = at + body.ttl_min * 60_000;
                self.open.insert(body.session, Sitting { agent: body.agent, since: index, expires_at });
            }
            Body::SessionRefresh(body) => {
                self.open.get_mut(&body.session).unwrap().expires_at = at + body.ttl_min * 60_000;
            }
            Body::SessionHandoff(body) => {
                let sitting = self.open.get_mut(&body.session).unwrap();
                (sitting.agent, sitting.since) = (body.to, index);
            }
            Body::SessionClose(body) => {
                self.open.remove(&body.session).unwrap();
                let outcome = match body.outcome {
                    SessionEnd::Clean => SessionOutcome::Clean,
                    SessionEnd::Aborted => SessionOutcome::Aborted,
                };
                self.hear(What::Session { agent: name(body.agent), outcome });
            }
            Body::ReceiptAction(body) => {
                let does_harm = self.action(body.agent, body.verdict, flags);
                // 30.00 is the default threshold; nobody here sets another.
                let falls_below = |reader: &Self| {
                    let reading = trust::reading(&reader.trust, &name(body.agent), at).unwrap();
                    reading.response_bp() < 3_000 && reader.people[&body.agent].standing == Standing::Active
                };
                let suspends = does_harm && falls_below(self);
                assert_eq!(flags.contains(Flags::TRUST_SUSPENDED), suspends, "entry {index}");
                if flags.contains(Flags::TRUST_SUSPENDED) {
                    self.set(body.agent, index, Standing::Suspended, StatusChange::Suspend);
                }
            }
            _ => {}
        }
    }

    /// Whether it can only lower trust.
    fn action(&mut self, agent: AgentId, verdict: Option<ActionVerdict>, flags: Flags) -> bool {
        let agent = name(agent);
        if flags.contains(Flags::SESSION_ENDED) {
            self.hear(What::Session { agent, outcome: SessionOutcome::UseAfterEnd });
            return true;
        }
        let beyond = flags.contains(Flags::OUT_OF_SCOPE) || flags.contains(Flags::DENIED);
        let outcome = match (verdict, beyond) {
            (Some(ActionVerdict::Critical), _) => ActionOutcome::Critical,
            (Some(ActionVerdict::Major), _) | (_, true) => ActionOutcome::Major,
            (Some(ActionVerdict::Minor), false) => ActionOutcome::Minor,
            (Some(ActionVerdict::Ok), false) => ActionOutcome::Ok,
            (None, false) => return false,
        };
        self.hear(What::Action { agent, outcome });
        outcome != ActionOutcome::Ok
    }
}

fn read_all(state: &MemoryState, entries: &[Vec<u8>]) -> Reader {
    let mut reader = Reader::default();
    for (index, bytes) in (0..).zip(entries) {
        let entry = Entry::parse(bytes).unwrap();
        let record = Record::parse(entry.record).unwrap();
        reader.read(index, entry.at, &record, ledger_state::flags(state, index));
    }
    reader
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn scores_are_what_the_entries_say(history in history()) {
        let (state, entries) = play(&commands(&history));
        let reader = read_all(&state, &entries);
        for number in 1..6 {
            let ours = ledger_state::trust_reading(&state, agent(number), reader.now);
            let theirs = trust::reading(&reader.trust, &name(agent(number)), reader.now).ok();
            prop_assert_eq!(ours, theirs, "agent {}", number);
        }
    }
}

/// Histories in which nothing is heard would prove nothing.
#[test]
fn the_histories_move_scores() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut scored, mut capped, mut with_sessions) = (0, 0, 0);
    for _ in 0..300 {
        let (state, entries) = play(&commands(&history().new_tree(&mut runner).unwrap().current()));
        let reader = read_all(&state, &entries);
        for reading in (1..6).filter_map(|n| ledger_state::trust_reading(&state, agent(n), reader.now)) {
            scored += u64::from(reading.score.is_some());
            capped += u64::from(!reading.caps_hit.is_empty());
            with_sessions += u64::from(reading.factors.sessions.is_some());
        }
    }
    assert!(scored > 60 && capped > 0 && with_sessions > 15, "{scored} {capped} {with_sessions}");
}

/// What an entry meant is told with it, and a refused record means nothing.
#[test]
fn a_command_says_what_its_entries_meant() {
    let mut state = populated();
    index(&one(&mut state, &open(400, 1, 1, 5, "invoice:*")));
    let begin = ledger_state::status(&state).size;
    let at = START_MS + 10 * 60_000;
    // Refused after it has ended the session; the next one ends it again.
    let records = [
        register_agent(1, 402, 1, None),
        judged(403, 2, "invoice:pay", Some(ActionVerdict::Minor), None),
        receipt(1, 404, 2, "invoice:pay"),
    ];
    let applied = state.apply(&append_at(at, &records));
    let kinds: Vec<_> = applied.trust_inputs.iter().map(|(index, input)| (*index, input.clone())).collect();
    let name = |number| trust::Id::parse(&agent(number).to_string()).unwrap();
    let input = |what| trust::Input { ms: at, what };
    let expired = trust::SessionOutcome::Expired;
    assert_eq!(
        kinds,
        [
            (begin, input(trust::What::Session { agent: name(1), outcome: expired })),
            (begin, input(trust::What::Action { agent: name(2), outcome: trust::ActionOutcome::Minor })),
        ]
    );
}
