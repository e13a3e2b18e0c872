//! A year of a hundred thousand agents.
//!
//! ```text
//! kinds   who there is and how they behave: every number of the story
//! people  who is born when and where; what is written down about each
//! town    the log: what they say is signed and goes through `ledger_state::apply`
//! year    who wakes up when and what it does
//! figures how soon the bad fall, how many good ones ever do, ROC
//! plot    the same as SVG
//! ```
//!
//! The enforcers of the story see half of all harm: a score is as good as they are. What nobody saw is logged as an action
//! like any other.

mod figures;
mod kinds;
mod people;
mod plot;
mod town;
mod year;

pub use figures::{Figures, KindFigures};
pub use kinds::Kind;
pub use plot::svg;

use ledger_format::{Frontier, Hash};

use crate::dice::Dice;
use year::Year;

/// What a run is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many ids, about.
    pub agents: u64,
    /// Which story.
    pub seed: u64,
}

/// What became of it.
#[derive(Debug)]
pub struct Story {
    /// The figures.
    pub figures: Figures,
    /// The root of the log at the end: the same for the same story, whoever tells it.
    pub root: Hash,
}

/// Lets a year happen. `progress` hears of each day: its number and the records so far.
///
/// # Errors
/// When the log refuses what the story says is right, or raises an alarm: both mean that story and log disagree.
pub fn run(options: Options, mut progress: impl FnMut(u64, u64)) -> Result<Story, String> {
    let mut year = Year::new(options.agents, Dice::new(options.seed))?;
    year.run(|day, town| progress(day, town.records()))?;
    let figures = Figures::new(&year.people.list, year.town.records());
    let mut tree = Frontier::new();
    year.town.state().leaves().iter().for_each(|leaf| tree.push(*leaf));
    Ok(Story { figures, root: tree.root() })
}
