//! What the year showed: how soon the bad fall, how many of the good ever do, and how well a threshold tells them apart.

use std::fmt::Write as _;

use super::kinds::Kind;
use super::people::{Person, SAMPLE_DAYS};
use super::town::HOUR_MS;

/// Place of seven days in [`SAMPLE_DAYS`].
const WEEK: usize = 5;

/// The thresholds of `docs/trust-score.md`, in basis points.
const THRESHOLDS: [u64; 4] = [3_000, 5_000, 7_000, 9_000];

/// All figures of a run.
#[derive(Debug)]
pub struct Figures {
    /// One row a kind.
    pub kinds: Vec<KindFigures>,
    /// Ids that lived.
    pub agents: u64,
    /// Records that the log took.
    pub records: u64,
}

/// One kind's figures.
#[derive(Debug)]
pub struct KindFigures {
    /// Which.
    pub kind: Kind,
    /// How many lived.
    pub agents: u64,
    /// How many did harm.
    pub harmful: u64,
    /// How many were ever below 50.
    pub fell: u64,
    /// How many were below 50 when they were no newcomers any more.
    pub fell_grown: u64,
    /// How many their score suspended.
    pub suspended: u64,
    /// Hours from the first harm to the fall, of those who fell, sorted.
    pub hours: Vec<u64>,
    /// Harm seen until the fall, sorted.
    pub seen: Vec<u64>,
    /// Scores at [`SAMPLE_DAYS`] after the turn; of a whitewasher after its beginning, when it turned. Sorted.
    pub scores: Vec<Vec<u64>>,
    /// Scores of the honest at the same ages, sorted.
    pub honest: Vec<Vec<u64>>,
    /// The most that peers gave to one and took from one, in basis points.
    pub peers: (u64, u64),
    /// How many heard a good and a bad word that counted.
    pub heard: (u64, u64),
}

impl Figures {
    /// From everybody's marks.
    pub(super) fn new(people: &[Person], records: u64) -> Self {
        let lived = |person: &&Person| person.marks.by_age[0].is_some() || person.begin < person.end;
        let kinds = Kind::ALL.map(|kind| KindFigures::new(kind, people)).into();
        Figures { kinds, agents: people.iter().filter(lived).count() as u64, records }
    }

    /// One kind's.
    pub fn of(&self, kind: Kind) -> Option<&KindFigures> {
        self.kinds.iter().find(|row| row.kind == kind)
    }

    /// Two tables and two sentences, as Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "| kind | agents | ever below 50 | after day 15 | hours from first harm, median (90 %) | seen by then | suspended | score before, +1 d, +7 d, +28 d |\n|---|---|---|---|---|---|---|---|"
        )?;
        for row in &self.kinds {
            let hours = match (at(&row.hours, 50), at(&row.hours, 90)) {
                (Some(median), Some(most)) => format!("{median} ({most})"),
                _ => "–".into(),
            };
            let seen = at(&row.seen, 50).map_or("–".into(), |seen| seen.to_string());
            let medians: Vec<String> =
                [0, 1, WEEK, 8].map(|place| row.scores[place].as_slice()).map(|s| points(at(s, 50))).into();
            writeln!(
                text,
                "| {} | {} | {} ({}) | {} | {hours} | {seen} | {} | {} |",
                row.kind.name(),
                row.agents,
                row.fell,
                percent(row.fell, row.agents),
                percent(row.fell_grown, row.agents),
                percent(row.suspended, row.agents),
                medians.join(", "),
            )?;
        }
        self.write_roc(text)?;
        self.write_peers(text)
    }

    fn write_roc(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n| kind against the honest | area under the ROC curve, +1 d, +3 d, +7 d, +28 d | below 30, 50, 70, 90 after 7 d | found at 1 % false alarms |\n|---|---|---|---|"
        )?;
        for row in self.kinds.iter().filter(|row| !matches!(row.kind, Kind::Griefer | Kind::Sybil)) {
            let below = THRESHOLDS.map(|bp| percent(row.below(WEEK, bp), row.scores[WEEK].len() as u64));
            let areas: Vec<String> = [1, 3, WEEK, 8].map(|place| area(row.area(place))).into();
            let found = row.found_at(WEEK, 1);
            let (areas, found) = if row.kind.is_good() {
                ("–".into(), "–".into())
            } else {
                (areas.join(", "), percent(found, row.scores[WEEK].len() as u64))
            };
            writeln!(text, "| {} | {areas} | {} | {found} |", row.kind.name(), below.join(", "))?;
        }
        Ok(())
    }

    fn write_peers(&self, text: &mut String) -> std::fmt::Result {
        let gain = [Kind::Sybil, Kind::SybilFront].into_iter().filter_map(|kind| self.of(kind));
        let gain = gain.map(|row| row.peers.0).max().unwrap_or(0);
        let ordinary = [Kind::Honest, Kind::Careless, Kind::Hijacked, Kind::Ramp];
        let victims = || ordinary.into_iter().filter_map(|kind| self.of(kind));
        let heard: u64 = victims().map(|row| row.heard.1).sum();
        let loss = victims().map(|row| row.peers.1).max().unwrap_or(0);
        writeln!(
            text,
            "\nThe praise of rings gave nobody more than {}. {heard} agents heard a bad word of a griefer that counted; it cost none more than {}.",
            points(Some(gain)),
            points(Some(loss))
        )
    }
}

impl KindFigures {
    fn new(kind: Kind, people: &[Person]) -> Self {
        let own = || people.iter().filter(move |person| person.kind == kind);
        // Nobody is compared with those of another age. The bad of these kinds turn on their first day.
        let young = kind == Kind::Whitewasher;
        let samples = |person: &Person| if young { person.marks.by_age } else { person.marks.after_turn };
        let column = |kind: Kind, place: usize| {
            let own = people.iter().filter(|person| person.kind == kind);
            sorted(own.filter_map(|person| samples(person)[place]))
        };
        let columns = |kind| (0..SAMPLE_DAYS.len()).map(|place| column(kind, place)).collect();
        let fall = |person: &Person| Some((person.marks.first_harm?, person.marks.fell?));
        let count = |is: fn(&Person) -> bool| own().filter(|person| is(person)).count() as u64;
        let most = |side: fn(&Person) -> u64| own().map(side).max().unwrap_or(0);
        KindFigures {
            kind,
            agents: count(|_| true),
            harmful: count(|person| person.marks.first_harm.is_some()),
            fell: count(|person| person.marks.fell.is_some()),
            fell_grown: count(|person| person.marks.fell_grown),
            suspended: count(|person| person.marks.suspended.is_some()),
            hours: sorted(
                own().filter_map(fall).map(|(harm, fell)| fell.saturating_sub(harm).div_ceil(HOUR_MS)),
            ),
            seen: sorted(own().filter(|p| fall(p).is_some()).map(|person| person.marks.harm.1)),
            scores: columns(kind),
            honest: columns(Kind::Honest),
            peers: (most(|person| person.marks.peers.0), most(|person| person.marks.peers.1)),
            heard: (count(|person| person.marks.peers.0 > 0), count(|person| person.marks.peers.1 > 0)),
        }
    }

    /// How many are below a threshold at a sample.
    pub fn below(&self, place: usize, bp: u64) -> u64 {
        self.scores[place].partition_point(|score| *score < bp) as u64
    }

    /// The points of the ROC curve at a sample: for each score that occurs, of 10,000 honest and of 10,000 of this kind, how
    /// many are at or below it.
    pub fn roc(&self, place: usize) -> Vec<(u64, u64)> {
        let (good, bad) = (&self.honest[place], &self.scores[place]);
        let mut cuts: Vec<u64> = good.iter().chain(bad).copied().collect();
        cuts.sort_unstable();
        cuts.dedup();
        let part = |list: &[u64], cut: u64| {
            list.partition_point(|score| *score <= cut) as u64 * 10_000 / (list.len() as u64).max(1)
        };
        std::iter::once((0, 0)).chain(cuts.into_iter().map(|cut| (part(good, cut), part(bad, cut)))).collect()
    }

    /// The area under the curve, of 10,000: how often a bad one is below a good one. Equal ones count half. None without data.
    pub fn area(&self, place: usize) -> Option<u64> {
        let (good, bad) = (&self.honest[place], &self.scores[place]);
        let pairs = 2 * good.len() as u128 * bad.len() as u128;
        let above = |score: u64| good.len() - good.partition_point(|other| *other <= score);
        let beside = |score: u64| good.len() - above(score) - good.partition_point(|other| *other < score);
        let won: u128 = bad.iter().map(|score| (2 * above(*score) + beside(*score)) as u128).sum();
        u64::try_from((won * 10_000).checked_div(pairs)?).ok()
    }

    /// How many are found by the highest threshold that at most `percent` of the honest are below.
    pub fn found_at(&self, place: usize, percent: usize) -> u64 {
        let good = &self.honest[place];
        let cut = good.get(good.len() * percent / 100).copied().unwrap_or(0);
        self.below(place, cut)
    }
}

fn sorted(values: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values
}

/// The value below which so many percent of the others are.
pub(super) fn at(sorted: &[u64], percent: usize) -> Option<u64> {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied()
}

fn percent(part: u64, of: u64) -> String {
    match (part * 1_000).checked_div(of) {
        Some(0) if part > 0 => "<0.1 %".into(),
        Some(tenths) => format!("{}.{} %", tenths / 10, tenths % 10),
        None => "–".into(),
    }
}

fn area(part: Option<u64>) -> String {
    part.map_or("–".into(), |part| format!("{}.{:03}", part / 10_000, part % 10_000 / 10))
}

fn points(bp: Option<u64>) -> String {
    bp.map_or("–".into(), |bp| format!("{}.{:02}", bp / 100, bp % 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bad: &[u64], good: &[u64]) -> KindFigures {
        let mut row = KindFigures::new(Kind::Hijacked, &[]);
        row.scores[1] = bad.to_vec();
        row.honest[1] = good.to_vec();
        row
    }

    #[test]
    fn areas_are_those_of_the_textbook() {
        let good = [10, 20, 30, 40];
        assert_eq!(row(&[1, 2], &good).area(1), Some(10_000));
        assert_eq!(row(&[50, 60], &good).area(1), Some(0));
        assert_eq!(row(&good, &good).area(1), Some(5_000));
        assert_eq!(row(&[25], &good).area(1), Some(5_000));
        assert_eq!(row(&[20], &good).area(1), Some(6_250));
        assert_eq!(row(&[], &good).area(1), None);
        assert_eq!(row(&[5, 35], &good).roc(1).last(), Some(&(10_000, 10_000)));
        assert_eq!(row(&[5, 15, 35], &good).found_at(1, 25), 2);
    }
}
