//! The walk over a timeline that fills one page of a list.

use ledger_log::{TimelinePage, TimelineRow};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::Page;
use crate::ApiError;

/// Rows that a page looks at for nothing. Then it ends where it is, short or empty, and its cursor leads on.
pub(crate) const LOOKS_MAX: usize = 5_000;
/// Rows that are read at once when the first ones have not filled the page.
const ROWS_AT_ONCE: usize = 128;

/// What was found.
pub(super) struct Walked<T> {
    pub(super) items: Vec<T>,
    /// Rows that belong to the list, from the page's cursor on: those that were passed over, and the items.
    pub(super) passed: usize,
    /// The last row that was looked at, if there may be more behind it.
    pub(super) next: Option<u64>,
}

/// Walks from the page's cursor on until the page is full, the timeline ends or `looks_max` rows were none of the list. `read` reads
/// at most so many rows before a place, `show` says what a row is in the list.
pub(super) fn walk<T>(
    page: Page,
    looks_max: usize,
    read: impl Fn(Option<u64>, usize) -> Result<TimelinePage, ApiError>,
    show: impl Fn(&TimelineRow) -> Result<Option<T>, ApiError>,
) -> Result<Walked<T>, ApiError> {
    let mut walked = Walked { items: Vec::new(), passed: 0, next: page.cursor };
    let (mut looks, mut limit) = (0, page.limit);
    loop {
        let found = read(walked.next, limit)?;
        for row in &found.rows {
            walked.next = Some(row.index);
            match show(row)? {
                None => looks += 1,
                Some(item) => {
                    walked.passed += 1;
                    if walked.passed > page.offset {
                        walked.items.push(item);
                    }
                }
            }
            if walked.items.len() == page.limit || looks >= looks_max {
                return Ok(walked);
            }
        }
        walked.next = found.next;
        // Fewer rows than asked for: the timeline is at its end, or has itself looked at as much as one question may.
        if walked.next.is_none() || found.rows.len() < limit {
            return Ok(walked);
        }
        limit = page.limit.max(ROWS_AT_ONCE);
    }
}

/// Does what reads many entries, without holding up what else this thread of the runtime would do.
pub(super) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use ledger_format::record::Ulid;

    use super::*;

    /// A timeline of entries 0 to `count - 1`, of which the list has every `each`th.
    fn page(count: u64, each: u64, looks_max: usize, page: Page) -> Walked<u64> {
        let row = |index| TimelineRow {
            index,
            type_name: "decision",
            agent: None,
            id: Ulid(index.into()),
            log_ms: 0,
        };
        let read = |before: Option<u64>, limit| {
            let rows: Vec<TimelineRow> = (0..before.unwrap_or(count)).rev().take(limit).map(row).collect();
            let next = rows.last().map(|row| row.index).filter(|last| *last > 0);
            Ok(TimelinePage { rows, next })
        };
        let show = |row: &TimelineRow| Ok(row.index.is_multiple_of(each).then_some(row.index));
        walk(page, looks_max, read, show).unwrap()
    }

    #[test]
    fn a_page_without_a_match_ends_and_its_cursor_leads_on() {
        let (mut pages, mut found, mut cursor) = (0, Vec::new(), None);
        loop {
            // Only entry 0 is in the list.
            let walked = page(100, 1_000, 30, Page { limit: 7, offset: 0, cursor });
            (pages, cursor) = (pages + 1, walked.next);
            found.extend(walked.items);
            match pages {
                1 => assert_eq!((walked.passed, walked.next), (0, Some(70))),
                2 => assert_eq!((walked.passed, walked.next), (0, Some(40))),
                _ => {}
            }
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((pages, found), (4, vec![0]));
    }

    #[test]
    fn rows_of_the_list_are_no_looks_for_nothing() {
        let first = page(100, 1, 30, Page { limit: 5, offset: 60, cursor: None });
        assert_eq!((first.items, first.passed, first.next), (vec![39, 38, 37, 36, 35], 65, Some(35)));
        let short = page(100, 10, 30, Page { limit: 7, offset: 0, cursor: None });
        assert_eq!((short.items, short.next), (vec![90, 80, 70], Some(67)));
        let rest = page(100, 10, 100, Page { limit: 7, offset: 0, cursor: Some(67) });
        assert_eq!((rest.items, rest.next), (vec![60, 50, 40, 30, 20, 10, 0], Some(0)));
    }

    #[test]
    fn where_the_timeline_itself_has_looked_enough_the_page_ends() {
        let page = Page { limit: 7, offset: 0, cursor: Some(90) };
        let read = |before: Option<u64>, _| {
            assert_eq!(before, Some(90), "it is asked once");
            Ok(TimelinePage { rows: Vec::new(), next: Some(40) })
        };
        let walked = walk(page, 30, read, |_| Ok(Some(()))).unwrap();
        assert_eq!((walked.items.len(), walked.next), (0, Some(40)));
    }
}
