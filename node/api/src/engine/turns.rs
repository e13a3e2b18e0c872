//! Whose turn it is: open runs of all tenants, of which a few can be driven at once.
//!
//! A turn lasts as long as the slowest call that its run makes, so a tenant whose targets do not answer could take every turn there is. It
//! has at most [`TENANT_AT_ONCE`], and who is served goes round: each look goes on behind the run that was served last.

use std::collections::BTreeMap;

use super::keep::{Due, open_end, open_tenant};
use crate::ApiError;

/// Runs that are driven at once on one log; the others wait their turn.
pub(super) const AT_ONCE: usize = 64;
/// Runs of one tenant among them.
const TENANT_AT_ONCE: usize = 8;

/// Open runs by where they are kept, and when they are due.
pub(super) type Open = Vec<(String, Due)>;

/// Where the round is.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Where the run is kept that was served last.
    last: Option<String>,
}

impl Round {
    /// The runs that have their turn now: those that `wants` one, as long as turns are free. `read` reads the open runs behind a place,
    /// `tenants` are those of the runs that have their turn already.
    pub(super) fn next<'a>(
        &mut self,
        tenants: impl Iterator<Item = &'a str>,
        read: impl Fn(Option<&str>) -> Result<Open, ApiError>,
        wants: impl Fn(&str, Due) -> bool,
    ) -> Result<Open, ApiError> {
        let mut turns = Turns { taken: BTreeMap::new(), served: Vec::new(), free: AT_ONCE };
        tenants.for_each(|tenant| turns.take(tenant));
        turns.give(self.last.as_deref(), None, &read, &wants)?;
        if let Some(last) = &self.last {
            turns.give(None, Some(last), &read, &wants)?;
        }
        if let Some((place, _)) = turns.served.last() {
            self.last = Some(place.clone());
        }
        Ok(turns.served)
    }
}

/// Turns while they are given.
struct Turns {
    /// How many a tenant has.
    taken: BTreeMap<String, usize>,
    served: Open,
    free: usize,
}

impl Turns {
    fn take(&mut self, tenant: &str) {
        *self.taken.entry(tenant.to_owned()).or_default() += 1;
        self.free = self.free.saturating_sub(1);
    }

    fn has_all(&self, tenant: &str) -> bool {
        self.taken.get(tenant).is_some_and(|taken| *taken >= TENANT_AT_ONCE)
    }

    /// Gives turns to runs behind `after`, and not behind `to`.
    fn give(
        &mut self,
        after: Option<&str>,
        to: Option<&str>,
        read: &impl Fn(Option<&str>) -> Result<Open, ApiError>,
        wants: &impl Fn(&str, Due) -> bool,
    ) -> Result<(), ApiError> {
        let mut after = after.map(str::to_owned);
        while self.free > 0 {
            let some = read(after.as_deref())?;
            let Some((end, _)) = some.last() else { return Ok(()) };
            let mut next = end.clone();
            for (place, due) in some {
                if to.is_some_and(|to| place.as_str() > to) || self.free == 0 {
                    return Ok(());
                }
                let tenant = open_tenant(&place);
                if self.has_all(tenant) {
                    next = open_end(tenant);
                    break;
                }
                if wants(&place, due) {
                    self.take(tenant);
                    self.served.push((place, due));
                }
            }
            after = Some(next);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeSet, ops::Bound};

    use super::*;

    /// Open runs, all due, and those that have their turn.
    struct World {
        open: BTreeSet<String>,
        running: RefCell<BTreeSet<String>>,
        round: Round,
    }

    impl World {
        fn new(tenants: &[(&str, usize)]) -> Self {
            let place = |tenant: &str, run| format!("run-open/{tenant}/R{run:03}");
            let runs = |(tenant, count): &(&str, usize)| -> Vec<String> {
                (0..*count).map(|run| place(tenant, run)).collect()
            };
            let open = tenants.iter().flat_map(runs).collect();
            Self { open, running: RefCell::default(), round: Round::default() }
        }

        /// One look: who gets a turn.
        fn look(&mut self) -> Vec<String> {
            let behind = |after: Option<&str>| {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let some = self.open.range::<str, _>((from, Bound::Unbounded)).take(3);
                Ok(some.map(|place| (place.clone(), Due { due_ms: 0 })).collect())
            };
            let had = self.running.borrow().clone();
            let tenants = had.iter().map(|place| open_tenant(place));
            let served = self.round.next(tenants, behind, |place, _| !had.contains(place)).unwrap();
            let served: Vec<String> = served.into_iter().map(|(place, _)| place).collect();
            self.running.borrow_mut().extend(served.iter().cloned());
            assert!(self.running.borrow().len() <= AT_ONCE);
            served
        }

        fn served(&self, tenant: &str) -> usize {
            self.running.borrow().iter().filter(|place| open_tenant(place) == tenant).count()
        }
    }

    #[test]
    fn no_tenant_takes_the_turns_of_the_others() {
        let mut world = World::new(&[("A", 100), ("B", 1), ("C", 20)]);
        world.look();
        assert_eq!((world.served("A"), world.served("B"), world.served("C")), (8, 1, 8));
        assert_eq!(world.look(), Vec::<String>::new(), "nobody gives a turn back");
        world.open.insert("run-open/AA/R000".into());
        assert_eq!(world.look(), ["run-open/AA/R000"]);
    }

    #[test]
    fn turns_go_round_when_there_are_too_few() {
        let names: Vec<String> = (0..20).map(|n| format!("T{n:02}")).collect();
        let tenants: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 30)).collect();
        let mut world = World::new(&tenants);
        assert_eq!(world.look().len(), AT_ONCE);
        let mut ever: BTreeSet<String> =
            names.iter().filter(|name| world.served(name) > 0).cloned().collect();
        assert_eq!(ever.len(), 8);
        // One turn ends at a time, always the first tenant's that has one.
        for _ in 0..12 * 8 {
            let ended = world.running.borrow_mut().pop_first().unwrap();
            world.open.remove(&ended);
            ever.extend(world.look().iter().map(|place| open_tenant(place).to_owned()));
        }
        assert_eq!(ever.len(), names.len(), "{ever:?}");
    }
}
