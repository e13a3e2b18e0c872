//! Which steps agents find, and where.
//!
//! A step that its agent can claim has a place of its own, so that an agent finds its work without looking at runs. The places follow from
//! the run and change with it. One transaction has room for [`AT_ONCE`] of them and a run may have more: what ends a run takes back as
//! many as fit, and the change after it takes the rest, which are found where they were put. There is always such a change: it notes that
//! the record of the end is logged, and whoever leads makes it, as the run is among the open ones until then. An offer that is still there gives
//! nobody a step: a claim looks at the run.

use ledger_state::PRIVATE_WRITES_MAX;

use super::{Definition, Run, RunStatus, StepRun, StepState, definition::STEPS_MAX};
use crate::ApiError;

/// Most offers that one change of a run brings and takes. No move of an open run touches more steps.
pub(super) const AT_ONCE: usize = 60;
// Beside the run itself and when to look at it.
const _: () = assert!(AT_ONCE + 2 <= PRIVATE_WRITES_MAX);
// The end of a run and the change after it take all.
const _: () = assert!(STEPS_MAX <= 2 * AT_ONCE);

/// What a change of a run brings and takes.
#[derive(Debug, Default)]
pub(super) struct Offers {
    pub(super) fresh: Vec<String>,
    pub(super) gone: Vec<String>,
}

impl Offers {
    /// Between two states of a run. `is_there` says what the nodes still have of one that is over.
    pub(super) fn between(
        before: Option<&Run>,
        run: &Run,
        definition: &Definition,
        is_there: impl Fn(&str) -> Result<bool, ApiError>,
    ) -> Result<Self, ApiError> {
        let Some(before) = before else {
            return Ok(Self { fresh: open(run, definition), ..Self::default() });
        };
        if run.status == RunStatus::Running {
            let (old, new) = (open(before, definition), open(run, definition));
            let without = |some: &[String], other: &[String]| -> Vec<String> {
                some.iter().filter(|offer| !other.contains(offer)).cloned().collect()
            };
            return Ok(Self { fresh: without(&new, &old), gone: without(&old, &new) });
        }
        let mut gone = Vec::new();
        for offer in ever(run, definition) {
            if gone.len() < AT_ONCE && is_there(&offer)? {
                gone.push(offer);
            }
        }
        Ok(Self { fresh: Vec::new(), gone })
    }
}

/// Where the offers to an agent are.
pub(super) fn prefix(agent: &str) -> String {
    format!("run-work/{agent}/")
}

fn place(run: &Run, at: usize, step: &StepRun) -> String {
    format!("{}{}/{at}", prefix(step.agent.as_deref().unwrap_or_default()), run.id)
}

/// The steps that can be claimed now.
fn open(run: &Run, definition: &Definition) -> Vec<String> {
    let is_open = |at: usize, step: &StepRun| {
        step.status == StepState::Ready && definition.steps[at].kind.is_for_agents()
    };
    let steps = run.steps.iter().enumerate().filter(|(at, step)| is_open(*at, step));
    steps.map(|(at, step)| place(run, at, step)).collect()
}

/// Every place where the last agent of a step may have found it; one that hands a step on has claimed it, and then it is offered to nobody.
fn ever(run: &Run, definition: &Definition) -> Vec<String> {
    let steps = run.steps.iter().enumerate().filter(|(at, _)| definition.steps[*at].kind.is_for_agents());
    steps.map(|(at, step)| place(run, at, step)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::tests::{A, World, many_tasks};

    /// The nodes' side: what is offered, as the changes of a run leave it.
    #[derive(Default)]
    struct Shop {
        there: BTreeSet<String>,
    }

    impl Shop {
        /// Takes a change on.
        fn take(&mut self, before: &Run, world: &World) {
            let is_there = |offer: &str| Ok(self.there.contains(offer));
            let offers = Offers::between(Some(before), &world.run, &world.definition, is_there).unwrap();
            assert!(offers.fresh.len() + offers.gone.len() + 2 <= PRIVATE_WRITES_MAX, "{offers:?}");
            self.there.extend(offers.fresh);
            for gone in offers.gone {
                assert!(self.there.remove(&gone), "{gone}");
            }
        }

        /// Has the agent find every step of a run.
        fn offer_all(world: &mut World) -> Self {
            let mut shop = Self::default();
            for at in 0..STEPS_MAX {
                let before = world.run.clone();
                world.begin(at);
                shop.take(&before, world);
            }
            assert_eq!(shop.there.len(), STEPS_MAX);
            shop
        }
    }

    #[test]
    fn what_ends_a_run_takes_back_all_its_offers() {
        let mut world = World::new(many_tasks(STEPS_MAX));
        let mut shop = Shop::offer_all(&mut world);
        let before = world.run.clone();
        world.run.cancel("too many", world.now).unwrap();
        shop.take(&before, &world);
        assert_eq!(shop.there.len(), STEPS_MAX - AT_ONCE, "one change has no room for all");
        // Whoever logs the end knows the run as it is by then, and nothing of how it was.
        let over = world.run.clone();
        assert!(!over.outbox.is_empty(), "it is looked at again");
        world.run.outbox.clear();
        shop.take(&over, &world);
        assert_eq!(shop.there, BTreeSet::new());
    }

    #[test]
    fn what_time_ends_together_ends_in_changes_that_fit() {
        let mut world = World::new(many_tasks(STEPS_MAX));
        let mut shop = Shop::offer_all(&mut world);
        for at in 0..STEPS_MAX {
            let before = world.run.clone();
            world.run.claim(at, A, None, 1_000, world.now).unwrap();
            shop.take(&before, &world);
        }
        assert_eq!(shop.there, BTreeSet::new());
        // Every claim runs out, and then every attempt.
        for (later, offered) in [(1_000, STEPS_MAX), (60_000, 0)] {
            world.now += later;
            loop {
                let before = world.run.clone();
                if !world.run.expire(&world.definition, world.now) {
                    break;
                }
                shop.take(&before, &world);
            }
            assert_eq!((world.run.status, shop.there.len()), (RunStatus::Running, offered));
        }
    }
}
