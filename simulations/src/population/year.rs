//! The year: who wakes up when, and what it does then.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use ledger_state::trust::{DAY_MS, Status};

use super::kinds::{self, Deed, Kind};
use super::people::{Circle, People, Person, SAMPLE_DAYS, YEAR_DAYS, day};
use super::town::{HOUR_MS, Town};
use crate::dice::Dice;

/// What there is to do at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Register,
    PlanDay,
    Act,
    Close { session: u64 },
    Speak,
    Review,
    SampleAge(usize),
    SampleTurn(usize),
}

/// The story as it is told.
pub(super) struct Year {
    /// The log.
    pub(super) town: Town,
    /// Everybody.
    pub(super) people: People,
    /// Who speaks of whom, by the tenant that speaks.
    circles: BTreeMap<u64, Vec<Circle>>,
    /// What is to be done; of one moment in the order in which it was planned.
    agenda: BinaryHeap<Reverse<(u64, u64, u64, Task)>>,
    planned: u64,
    sessions: u64,
    dice: Dice,
}

impl Year {
    /// The first morning: tenants, agreements, everybody's birthday.
    pub(super) fn new(agents: u64, mut dice: Dice) -> Result<Self, String> {
        let mut town = Town::new()?;
        let people = People::new(agents, &mut dice);
        let mut circles: BTreeMap<u64, Vec<Circle>> = BTreeMap::new();
        for tenant in 0..people.of_tenant.len() as u64 {
            town.register_tenant(tenant)?;
        }
        town.name_seeds(&[0])?;
        for accepted in &people.accepted {
            town.agree(0, *accepted)?;
        }
        for &(from, to) in &people.pairs {
            let agreement = town.agree(from, to)?;
            circles.entry(from).or_default().push(Circle { to, agreement });
        }
        let (agenda, planned, sessions) = (BinaryHeap::new(), 0, 0);
        let mut year = Year { town, people, circles, agenda, planned, sessions, dice };
        for agent in 0..year.people.list.len() as u64 {
            let begin = year.person(agent).begin;
            year.plan(begin, agent, Task::Register);
        }
        Ok(year)
    }

    /// Lets it happen. `day_is_over` hears of each day.
    pub(super) fn run(&mut self, mut day_is_over: impl FnMut(u64, &Town)) -> Result<(), String> {
        let mut today = 0;
        while let Some(Reverse((ms, _, agent, task))) = self.agenda.pop() {
            while day(today + 1) <= ms {
                today += 1;
                day_is_over(today, &self.town);
            }
            if today >= YEAR_DAYS {
                break;
            }
            self.town.advance(ms);
            self.step(agent, ms, task).map_err(|error| format!("day {today}, agent {agent}: {error}"))?;
        }
        Ok(())
    }

    fn person(&mut self, agent: u64) -> &mut Person {
        // Numbers are places in the list: `People::add` gives them.
        &mut self.people.list[usize::try_from(agent).unwrap_or(usize::MAX)]
    }

    fn plan(&mut self, ms: u64, agent: u64, task: Task) {
        self.planned += 1;
        self.agenda.push(Reverse((ms, self.planned, agent, task)));
    }

    fn step(&mut self, agent: u64, now: u64, task: Task) -> Result<(), String> {
        match task {
            Task::Register => return self.register(agent, now),
            Task::SampleAge(place) | Task::SampleTurn(place) => return self.sample(agent, now, task, place),
            Task::Review => {
                let tenant = self.person(agent).tenant;
                self.person(agent).stopped = false;
                return self.town.reactivate(tenant, agent);
            }
            _ => {}
        }
        let person = self.person(agent);
        let tenant = person.tenant;
        match task {
            // Whoever is suspended has no sessions left.
            _ if person.stopped => Ok(()),
            Task::Close { session } => self.town.close_session(tenant, agent, session),
            _ if now >= person.end => Ok(()),
            Task::PlanDay => self.plan_day(agent, now),
            Task::Act => self.act(agent, now),
            _ => self.speak(agent, now),
        }
    }

    fn register(&mut self, agent: u64, now: u64) -> Result<(), String> {
        let (tenant, kind, turn) = {
            let person = self.person(agent);
            (person.tenant, person.kind, person.turn)
        };
        self.town.register_agent(tenant, agent)?;
        self.plan(now, agent, Task::PlanDay);
        for (place, days) in SAMPLE_DAYS.into_iter().enumerate() {
            // An hour later, so that a whole day of it has been seen.
            self.plan(now + days * DAY_MS + HOUR_MS, agent, Task::SampleAge(place));
            self.plan(turn + days * DAY_MS + HOUR_MS, agent, Task::SampleTurn(place));
        }
        let first_word = match kind {
            Kind::Sybil => now + 3 * DAY_MS,
            Kind::Griefer => day(31),
            _ => return Ok(()),
        };
        let spread = self.person(agent).dice.below(kinds::WORD_DAYS * DAY_MS);
        self.plan(first_word + spread, agent, Task::Speak);
        Ok(())
    }

    fn plan_day(&mut self, agent: u64, now: u64) -> Result<(), String> {
        let begin = now - now % DAY_MS;
        self.plan(begin + DAY_MS, agent, Task::PlanDay);
        let person = self.person(agent);
        let (kind, turned) = (person.kind, now >= person.turn);
        // Members of a ring do as little as they can; a ramp and a thief do not rest.
        let works = match kind {
            Kind::Sybil => person.dice.once_in(2, 7),
            _ if turned && (kind.does_harm() || kind == Kind::Ramp) => true,
            _ => person.dice.once_in(kinds::WORK_DAYS_OF_7, 7),
        };
        if !works {
            return Ok(());
        }
        let hours = match kind {
            Kind::Ramp if turned => 10,
            _ if turned && kind.does_harm() => {
                person.dice.between(kinds::HARM_ACTIONS_A_DAY.0, kinds::HARM_ACTIONS_A_DAY.1)
            }
            _ => person.dice.between(kinds::ACTIONS_A_DAY.0, kinds::ACTIONS_A_DAY.1),
        };
        let (first, step) = (person.dice.between(7, 8), 12 / hours.max(1));
        let minutes: Vec<u64> = (0..hours).map(|_| person.dice.below(60)).collect();
        let tenant = person.tenant;
        let has_session = person.dice.once_in(1, kinds::WORK_DAYS_OF_7);
        let closes = !(kind == Kind::Careless && person.dice.once_in(1, 2));
        for (place, minute) in (0..).zip(minutes) {
            let ms = begin + (first + place * step) * HOUR_MS + minute * (HOUR_MS / 60);
            if ms > now {
                self.plan(ms, agent, Task::Act);
            }
        }
        if has_session {
            self.sessions += 1;
            let session = self.sessions;
            self.town.open_session(tenant, agent, session)?;
            if closes {
                self.plan(now + 9 * HOUR_MS, agent, Task::Close { session });
            }
        }
        Ok(())
    }

    /// One action, or an hour's calls of a ramp; then its score is looked at, and what follows from it is done.
    fn act(&mut self, agent: u64, now: u64) -> Result<(), String> {
        let person = self.person(agent);
        let (tenant, kind, turned) = (person.tenant, person.kind, now >= person.turn);
        let mut calls = 1;
        if kind == Kind::Ramp && turned {
            person.marks.first_harm.get_or_insert(now);
            calls = person.pace / 100;
            person.pace = (person.pace + person.pace * kinds::RAMP.1 / 100).min(kinds::RAMP.2 * 100);
        }
        for _ in 0..calls {
            let person = self.person(agent);
            let deed = kinds::deed(kind, turned, &mut person.dice);
            if turned && kind.does_harm() && deed != Deed::Ok {
                person.marks.first_harm.get_or_insert(now);
                if person.marks.fell.is_none() {
                    person.marks.harm.0 += 1;
                    person.marks.harm.1 += u64::from(deed != Deed::Unseen);
                }
            }
            self.town.act(tenant, agent, deed)?;
            self.look(agent, now)?;
            if self.person(agent).stopped {
                break;
            }
        }
        let person = self.person(agent);
        if kind == Kind::Whitewasher && person.marks.fell.is_some() && !person.stopped {
            person.stopped = true;
            self.take_fresh_id(tenant, now);
        }
        Ok(())
    }

    /// Notes the score. Who is suspended stops; a good one is looked at and goes on.
    fn look(&mut self, agent: u64, now: u64) -> Result<(), String> {
        let reading = self.town.reading(agent)?;
        let person = self.person(agent);
        person.marks.note(&reading, person.begin, now);
        if reading.status == Status::Suspended && !person.stopped {
            person.stopped = true;
            person.marks.suspended.get_or_insert(now);
            let (kind, tenant) = (person.kind, person.tenant);
            let is_wrong = matches!(kind, Kind::Honest | Kind::Careless | Kind::Sybil | Kind::Griefer);
            if is_wrong {
                let review = now + kinds::REVIEW_DAYS * DAY_MS;
                self.plan(review, agent, Task::Review);
                self.plan(review + HOUR_MS, agent, Task::PlanDay);
            } else if kind == Kind::Whitewasher {
                self.take_fresh_id(tenant, now);
            }
        }
        Ok(())
    }

    fn take_fresh_id(&mut self, tenant: u64, now: u64) {
        let Some(left) = self.people.fresh_ids.checked_sub(1) else { return };
        self.people.fresh_ids = left;
        let begin = now - now % DAY_MS + DAY_MS;
        let fresh = self.people.add(Kind::Whitewasher, tenant, begin, &mut self.dice);
        self.plan(begin, fresh, Task::Register);
    }

    /// A word about an agent of another tenant: of a ring good, of a griefer bad.
    fn speak(&mut self, agent: u64, now: u64) -> Result<(), String> {
        self.plan(now + kinds::WORD_DAYS * DAY_MS, agent, Task::Speak);
        let (tenant, kind) = (self.person(agent).tenant, self.person(agent).kind);
        let mut dice = self.person(agent).dice.split();
        let Some(circle) = self.circles.get(&tenant).and_then(|circles| dice.pick(circles)).copied() else {
            return Ok(());
        };
        let others = usize::try_from(circle.to).ok().and_then(|place| self.people.of_tenant.get(place));
        let Some(&subject) = others.and_then(|others| dice.pick(others)) else { return Ok(()) };
        let other = self.person(subject);
        if other.stopped || now < other.begin + HOUR_MS || now >= other.end {
            return Ok(());
        }
        self.town.judge((tenant, agent), (circle.to, subject), circle.agreement, kind == Kind::Sybil)?;
        self.look(subject, now)
    }

    fn sample(&mut self, agent: u64, now: u64, task: Task, place: usize) -> Result<(), String> {
        if now >= self.person(agent).end {
            return Ok(());
        }
        let reading = self.town.reading(agent)?;
        let person = self.person(agent);
        person.marks.note(&reading, person.begin, now);
        let samples = match task {
            Task::SampleAge(_) => &mut person.marks.by_age,
            _ => &mut person.marks.after_turn,
        };
        samples[place] = reading.score.map(|score| score.min(reading.response_bp()));
        Ok(())
    }
}
