//! Who lives in a population, how many of each, and how they behave: every number of the story is in this file.

use crate::dice::Dice;

/// A kind of agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Does its work; something minor goes wrong in one of 500 actions.
    Honest,
    /// Does its work badly: minor violations, sessions left open, tries beyond its scopes.
    Careless,
    /// Honest until somebody else holds its key.
    Hijacked,
    /// Praises its ring, and is praised; does next to nothing itself.
    Sybil,
    /// The one of a ring that is praised and does harm.
    SybilFront,
    /// Does harm from the first day, and takes a fresh id when its score is low.
    Whitewasher,
    /// Asks for a little more each hour, up to fifteen times as much; no single action is a violation.
    Ramp,
    /// Works well, and speaks ill of the agents of others.
    Griefer,
}

impl Kind {
    /// All of them, in the order of the tables.
    pub const ALL: [Kind; 8] = [
        Kind::Honest,
        Kind::Careless,
        Kind::Hijacked,
        Kind::Sybil,
        Kind::SybilFront,
        Kind::Whitewasher,
        Kind::Ramp,
        Kind::Griefer,
    ];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Honest => "honest",
            Kind::Careless => "careless",
            Kind::Hijacked => "hijacked",
            Kind::Sybil => "ring, members",
            Kind::SybilFront => "ring, front",
            Kind::Whitewasher => "whitewasher",
            Kind::Ramp => "slow ramp",
            Kind::Griefer => "griefer",
        }
    }

    /// Of 10,000 agents.
    pub fn share(self) -> u64 {
        match self {
            Kind::Honest => 8_220,
            Kind::Careless => 800,
            Kind::Hijacked => 400,
            Kind::Sybil => 190,
            Kind::SybilFront => 10,
            Kind::Whitewasher => 250,
            Kind::Ramp => 30,
            Kind::Griefer => 100,
        }
    }

    /// Whether it does harm by its own actions from some day on.
    pub fn does_harm(self) -> bool {
        matches!(self, Kind::Hijacked | Kind::SybilFront | Kind::Whitewasher)
    }

    /// Whether its score ought to stay high.
    pub fn is_good(self) -> bool {
        matches!(self, Kind::Honest)
    }
}

/// Shortest and longest life of an agent, in days. One in fifty stays for the rest of the year.
pub(super) const LIFE_DAYS: (u64, u64) = (30, 60);

/// Of 7 days an agent works on so many.
pub(super) const WORK_DAYS_OF_7: u64 = 5;

/// Actions on a day of work, each in an hour of its own.
pub(super) const ACTIONS_A_DAY: (u64, u64) = (1, 3);

/// Actions on a day of work of an agent that does harm.
pub(super) const HARM_ACTIONS_A_DAY: (u64, u64) = (4, 12);

/// Days of life before an agent of these kinds turns bad, at least and at most.
pub(super) const TURNS_DAYS: (u64, u64) = (15, 25);

/// How often harm is seen by whoever enforces the rules; unseen harm is logged as an action like any other.
pub(super) const SEEN_PERCENT: u64 = 50;

/// Calls of a ramp in its first active hour, growth an hour in percent, calls at most.
pub(super) const RAMP: (u64, u64, u64) = (4, 2, 60);

/// Days between two words of a ring's member or of a griefer.
pub(super) const WORD_DAYS: u64 = 7;

/// Agents of a ring, in two tenants without weight.
pub(super) const RING: u64 = 20;

/// Agents of a tenant of griefers. The log's seeds have accepted these tenants.
pub(super) const GRIEFERS_A_TENANT: u64 = 10;

/// Ordinary agents of a tenant.
pub(super) const AGENTS_A_TENANT: u64 = 100;

/// Ids of a whitewasher, on average.
pub(super) const IDS_OF_A_WHITEWASHER: u64 = 5;

/// Days after which a suspended agent of a good kind is looked at and goes on.
pub(super) const REVIEW_DAYS: u64 = 2;

/// What an action turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// As it should be.
    Ok,
    /// A violation, seen and stated by the enforcer.
    Minor,
    /// Likewise.
    Major,
    /// Likewise.
    Critical,
    /// Asked for and refused: beyond its scopes.
    Denied,
    /// Harm that nobody saw: logged as an action like any other.
    Unseen,
}

/// What the next action of an agent turns out to be.
pub(super) fn deed(kind: Kind, turned: bool, dice: &mut Dice) -> Deed {
    if turned && kind.does_harm() {
        return harm(kind, dice);
    }
    let (minor, major, denied) = match kind {
        // Of 20,000.
        Kind::Careless => (800, 40, 200),
        _ => (40, 1, 2),
    };
    match dice.below(20_000) {
        n if n < minor => Deed::Minor,
        n if n < minor + major => Deed::Major,
        n if n < minor + major + denied => Deed::Denied,
        _ => Deed::Ok,
    }
}

/// One action in three is harm, of a whitewasher and of a ring's front one in five.
fn harm(kind: Kind, dice: &mut Dice) -> Deed {
    let percent = if kind == Kind::Hijacked { 33 } else { 20 };
    if !dice.once_in(percent, 100) {
        return Deed::Ok;
    }
    if !dice.once_in(SEEN_PERCENT, 100) {
        return Deed::Unseen;
    }
    match dice.below(100) {
        0..50 => Deed::Minor,
        50..75 => Deed::Major,
        75..80 => Deed::Critical,
        _ => Deed::Denied,
    }
}
