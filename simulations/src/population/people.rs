//! Who is born when, into which tenant, and what is written down about each.

use ledger_format::record::RecordHash;
use ledger_state::trust::{DAY_MS, Reading};

use super::kinds::{self, Kind};
use super::town::BEGIN_MS;
use crate::dice::Dice;

/// Days of the story.
pub(super) const YEAR_DAYS: u64 = 365;

/// Days after a moment at which scores are looked at.
pub(super) const SAMPLE_DAYS: [u64; 9] = [0, 1, 2, 3, 5, 7, 14, 21, 28];

/// Days after which an agent is no newcomer any more: the story's agents turn from here on.
pub(super) const GROWN_DAYS: u64 = kinds::TURNS_DAYS.0;

/// One agent, that is one id.
#[derive(Debug)]
pub(super) struct Person {
    /// What it is.
    pub(super) kind: Kind,
    /// Its tenant.
    pub(super) tenant: u64,
    /// First moment, ms of log time.
    pub(super) begin: u64,
    /// When it stops by itself.
    pub(super) end: u64,
    /// When it turns bad; for the good the moment that they are compared at.
    pub(super) turn: u64,
    /// Whether it has stopped before its end: contained, or it went to another id.
    pub(super) stopped: bool,
    /// Calls that a ramp makes in an hour.
    pub(super) pace: u64,
    /// Chance of its own.
    pub(super) dice: Dice,
    /// What is known of it.
    pub(super) marks: Marks,
}

/// What is written down about an agent.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// When it did harm for the first time, seen or not.
    pub(super) first_harm: Option<u64>,
    /// Harm done until it fell below 50, the last one included, and how much of it was seen.
    pub(super) harm: (u64, u64),
    /// When its score, or its severity cap while unscored, was below 50 for the first time.
    pub(super) fell: Option<u64>,
    /// Whether it was below 50 when it was no newcomer any more: from [`GROWN_DAYS`] on.
    pub(super) fell_grown: bool,
    /// When it was suspended by its score for the first time.
    pub(super) suspended: Option<u64>,
    /// The most that its peers gave and took, in basis points.
    pub(super) peers: (u64, u64),
    /// Scores at [`SAMPLE_DAYS`] after its beginning; none while unscored or gone.
    pub(super) by_age: [Option<u64>; SAMPLE_DAYS.len()],
    /// The same after its turn.
    pub(super) after_turn: [Option<u64>; SAMPLE_DAYS.len()],
}

impl Marks {
    /// Notes what trust says now.
    pub(super) fn note(&mut self, reading: &Reading, begin: u64, now: u64) {
        if reading.response_bp() < 5_000 {
            self.fell.get_or_insert(now);
            self.fell_grown |= now >= begin + GROWN_DAYS * DAY_MS;
        }
        if let Some(peers) = reading.factors.peers {
            let change = peers.bp.abs_diff(5_000) / 10;
            let side = if peers.bp >= 5_000 { &mut self.peers.0 } else { &mut self.peers.1 };
            *side = change.max(*side);
        }
    }
}

/// A tenant whose agents another one's may judge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circle {
    /// The tenant that is spoken of.
    pub(super) to: u64,
    /// Under which agreement.
    pub(super) agreement: RecordHash,
}

/// Everybody, and where they belong.
#[derive(Debug, Default)]
pub(super) struct People {
    /// By number.
    pub(super) list: Vec<Person>,
    /// Numbers of the agents of each tenant.
    pub(super) of_tenant: Vec<Vec<u64>>,
    /// Pairs of tenants that will agree: who speaks, of whom.
    pub(super) pairs: Vec<(u64, u64)>,
    /// Tenants that the log's seeds accept.
    pub(super) accepted: Vec<u64>,
    /// Ids that whitewashers may still take.
    pub(super) fresh_ids: u64,
}

impl People {
    /// A population of about `agents` ids.
    pub(super) fn new(agents: u64, dice: &mut Dice) -> Self {
        let mut people = People::default();
        let count = |kind: Kind| (agents * kind.share()).div_ceil(10_000);
        people.settle(count, dice);
        people.found_rings(count(Kind::SybilFront), dice);
        people.found_griefers(count(Kind::Griefer), dice);
        let ids = count(Kind::Whitewasher);
        let first = ids.div_ceil(kinds::IDS_OF_A_WHITEWASHER);
        people.fresh_ids = ids - first;
        for _ in 0..first {
            let tenant = people.new_tenant();
            let begin = day(dice.below(YEAR_DAYS / 2));
            people.add(Kind::Whitewasher, tenant, begin, dice);
        }
        people
    }

    /// The ordinary tenants: agents of four kinds side by side. The first one is the log's seed.
    fn settle(&mut self, count: impl Fn(Kind) -> u64, dice: &mut Dice) {
        let mut kinds: Vec<Kind> = [Kind::Honest, Kind::Careless, Kind::Hijacked, Kind::Ramp]
            .into_iter()
            .flat_map(|kind| (0..count(kind)).map(move |_| kind))
            .collect();
        for last in (1..kinds.len()).rev() {
            let other = usize::try_from(dice.below(last as u64 + 1)).unwrap_or(0);
            kinds.swap(last, other);
        }
        for some in kinds.chunks(usize::try_from(kinds::AGENTS_A_TENANT).unwrap_or(1)) {
            let tenant = self.new_tenant();
            for kind in some {
                let begin = day(dice.below(YEAR_DAYS - kinds::LIFE_DAYS.1)) + dice.below(DAY_MS / 4);
                self.add(*kind, tenant, begin, dice);
            }
        }
    }

    /// A ring lives in two tenants without weight, whose agents praise each other.
    fn found_rings(&mut self, rings: u64, dice: &mut Dice) {
        for _ in 0..rings {
            let (home, other) = (self.new_tenant(), self.new_tenant());
            self.pairs.extend([(other, home), (home, other)]);
            let begin = day(dice.below(YEAR_DAYS / 2));
            self.add(Kind::SybilFront, home, begin, dice);
            for member in 1..kinds::RING {
                let tenant = if member < kinds::RING / 2 { home } else { other };
                self.add(Kind::Sybil, tenant, begin, dice);
            }
        }
    }

    /// A tenant of griefers, accepted by the seed, has agreements with five ordinary tenants.
    fn found_griefers(&mut self, griefers: u64, dice: &mut Dice) {
        let ordinary: Vec<u64> = (1..self.pairs.first().map_or(0, |pair| pair.1)).collect();
        for _ in 0..griefers.div_ceil(kinds::GRIEFERS_A_TENANT) {
            let tenant = self.new_tenant();
            self.accepted.push(tenant);
            for _ in 0..5 {
                if let Some(victim) = dice.pick(&ordinary) {
                    self.pairs.push((tenant, *victim));
                }
            }
            for _ in 0..kinds::GRIEFERS_A_TENANT {
                self.add(Kind::Griefer, tenant, day(0), dice);
            }
        }
    }

    fn new_tenant(&mut self) -> u64 {
        self.of_tenant.push(Vec::new());
        self.of_tenant.len() as u64 - 1
    }

    /// One more agent; its number.
    pub(super) fn add(&mut self, kind: Kind, tenant: u64, begin: u64, dice: &mut Dice) -> u64 {
        let mut dice = dice.split();
        let age = match kind {
            Kind::Whitewasher => 0,
            _ => dice.between(kinds::TURNS_DAYS.0, kinds::TURNS_DAYS.1),
        };
        let turn = begin + age * DAY_MS;
        let days = match kind {
            _ if kind.does_harm() => age + kinds::LIFE_DAYS.0,
            Kind::Griefer => YEAR_DAYS,
            Kind::Honest | Kind::Careless if dice.once_in(1, 50) => YEAR_DAYS,
            _ => dice.between(kinds::LIFE_DAYS.0, kinds::LIFE_DAYS.1),
        };
        let end = (begin + days * DAY_MS).min(day(YEAR_DAYS));
        let number = self.list.len() as u64;
        let (stopped, pace, marks) = (false, kinds::RAMP.0 * 100, Marks::default());
        self.list.push(Person { kind, tenant, begin, end, turn, stopped, pace, dice, marks });
        if let Some(agents) = usize::try_from(tenant).ok().and_then(|t| self.of_tenant.get_mut(t)) {
            agents.push(number);
        }
        number
    }
}

/// The beginning of a day of the story.
pub(super) fn day(number: u64) -> u64 {
    BEGIN_MS + number * DAY_MS
}
