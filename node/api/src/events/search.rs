//! The search for one page of events, newest first.

use ledger_log::TimelineRow;

use crate::ApiError;

/// Rows read at once from the timeline.
pub(super) const AT_ONCE: usize = 128;
/// Matching events of a filtered list that are counted for its total.
const COUNTED_MAX: u64 = 10_000;

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Events to pass over.
    pub(super) offset: usize,
    /// Most events.
    pub(super) limit: usize,
    /// Every row is one: none need be read to be counted.
    pub(super) all_fit: bool,
    /// Most rows that are read and are none. Then the page ends where it is, short or empty.
    pub(super) looks_max: usize,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found<T> {
    /// With their places.
    pub(super) events: Vec<(u64, T)>,
    /// Events that fit, counted up to a bound.
    pub(super) passed: u64,
    looks: usize,
}

/// Searches below `to`: what was found, and where to go on if there may be more. `read` reads rows below a place, [`AT_ONCE`] if there
/// are as many, and says where the rest is; `look` reads the event of a place, if it fits.
pub(super) fn search<T>(
    wanted: Wanted,
    to: u64,
    read: impl Fn(u64) -> Result<(Vec<TimelineRow>, Option<u64>), ApiError>,
    look: impl Fn(u64) -> Result<Option<T>, ApiError>,
) -> Result<(Found<T>, Option<u64>), ApiError> {
    let mut found = Found { events: Vec::new(), passed: 0, looks: 0 };
    let mut rest = Some(to);
    while let Some(below) = rest {
        let (rows, more) = read(below)?;
        for row in &rows {
            if wanted.all_fit && !found.takes_next(wanted) {
                found.passed += 1;
            } else {
                found.take(wanted, row.index, look(row.index)?);
            }
            if found.is_enough(wanted) {
                let next = found.next(wanted, Some(row.index));
                return Ok((found, next));
            }
        }
        rest = more;
        if rows.len() < AT_ONCE {
            // The timeline is at its end, or has itself looked at as much as one question may.
            break;
        }
    }
    let next = found.next(wanted, rest);
    Ok((found, next))
}

impl<T> Found<T> {
    fn is_full(&self, wanted: Wanted) -> bool {
        self.events.len() == wanted.limit
    }

    /// Whether the next event that fits stands on the page.
    fn takes_next(&self, wanted: Wanted) -> bool {
        !self.is_full(wanted) && self.passed >= wanted.offset as u64
    }

    fn take(&mut self, wanted: Wanted, index: u64, event: Option<T>) {
        let Some(event) = event else {
            self.looks += 1;
            return;
        };
        if self.takes_next(wanted) {
            self.events.push((index, event));
        }
        self.passed += 1;
    }

    fn is_enough(&self, wanted: Wanted) -> bool {
        self.looks >= wanted.looks_max || (self.is_full(wanted) && self.passed >= COUNTED_MAX)
    }

    /// Where to go on. `rest`: the last place that was looked at, if there may be more below it.
    fn next(&self, wanted: Wanted, rest: Option<u64>) -> Option<u64> {
        let more = rest.is_some() || self.passed > (wanted.offset + self.events.len()) as u64;
        match self.events.last().filter(|_| self.is_full(wanted)) {
            Some((last, _)) => Some(*last).filter(|_| more),
            None => rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger_format::record::Ulid;

    use super::*;

    /// A search among entries 0 to 999, of which every `each`th is an event.
    fn among(wanted: Wanted, to: u64, each: u64) -> (Vec<u64>, u64, Option<u64>) {
        let row = |index| TimelineRow {
            index,
            type_name: "decision",
            agent: None,
            id: Ulid(index.into()),
            log_ms: 0,
        };
        let read = |below: u64| {
            let rows: Vec<TimelineRow> = (0..below).rev().take(AT_ONCE).map(row).collect();
            let more = rows.last().map(|row| row.index).filter(|last| *last > 0);
            Ok((rows, more))
        };
        let look = |index: u64| Ok(index.is_multiple_of(each).then_some(()));
        let (found, next) = search(wanted, to, read, look).unwrap();
        (found.events.into_iter().map(|(index, ())| index).collect(), found.passed, next)
    }

    #[test]
    fn a_search_without_a_match_ends_and_its_place_leads_on() {
        let wanted = Wanted { offset: 0, limit: 5, all_fit: false, looks_max: 400 };
        assert_eq!(among(wanted, 1_000, 5_000), (vec![], 0, Some(600)));
        assert_eq!(among(wanted, 600, 5_000), (vec![], 0, Some(200)));
        assert_eq!(among(wanted, 200, 5_000), (vec![0], 1, None));
    }

    #[test]
    fn a_full_page_says_whether_more_may_follow() {
        let wanted = Wanted { offset: 1, limit: 2, all_fit: false, looks_max: 1_000 };
        assert_eq!(among(wanted, 1_000, 100), (vec![800, 700], 10, Some(700)));
        assert_eq!(among(wanted, 201, 100), (vec![100, 0], 3, None));
        // It does not look for the total for ever.
        let wanted = Wanted { looks_max: 350, ..wanted };
        assert_eq!(among(wanted, 1_000, 100), (vec![800, 700], 3, Some(700)));
    }

    #[test]
    fn where_every_row_fits_only_those_of_the_page_are_read() {
        let wanted = Wanted { offset: 500, limit: 2, all_fit: true, looks_max: 1 };
        let (events, passed, next) = among(wanted, 1_000, 1);
        assert_eq!((events, passed, next), (vec![499, 498], 1_000, Some(498)));
    }
}
