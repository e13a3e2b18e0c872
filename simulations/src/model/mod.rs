//! The protocol as a model, explored to the end within stated bounds.
//!
//! Raft is abstracted to what the rules build on: an election and a commit are one step each, between any majority. On it stand
//! signing, guard, fence, cosigning and publishing as the rules of `node/log/tests/README.md` say, and bad luck: power cuts, lost
//! disks, flipped bits, lying witnesses, lost answers, records sent twice, changes of members, backups, clusters made from them.
//!
//! | file | holds |
//! |---|---|
//! | `world` | bounds, and what is promised within them |
//! | `rule`, `promise` | what can be switched off; what must never happen |
//! | `consensus`, `publishing`, `faults` | the steps |
//! | `protocol` | all of it as a transition system for the checker |
//!
//! **Invariant:** no world has a random choice or a limit that its `World` does not state.

mod consensus;
mod faults;
mod promise;
mod protocol;
mod publishing;
mod rule;
mod state;
mod tree;
mod world;

use self::protocol::{Protocol, Step};
use stateright::{Checker as _, HasDiscoveries, Model as _};

pub use self::{
    promise::Promise,
    rule::{RULES, Rule},
    world::{World, limits, worlds},
};

/// What an exploration found.
#[derive(Debug)]
pub struct Explored {
    /// The world.
    pub world: World,
    /// States met, each counted once.
    pub states: usize,
    /// Steps to the state that is furthest away.
    pub depth: usize,
    /// The shortest story in which a promise is broken, if there is one.
    pub broken: Option<Counterexample>,
}

/// A story with a bad end.
#[derive(Debug)]
pub struct Counterexample {
    /// What was broken.
    pub promise: Promise,
    /// Sentences, one a step, the last one being what is wrong.
    pub story: Vec<String>,
}

/// Explores a world to its end, or to the first broken promise.
pub fn explore(world: World, off: &[Rule]) -> Explored {
    let promises = world.promises.clone();
    let protocol = Protocol { world: world.clone(), off: off.to_vec() };
    // One thread: breadth first, so the first story is among the shortest, and is the same every time.
    let checker = protocol.checker().finish_when(HasDiscoveries::Any).spawn_bfs().join();
    let found = promises.into_iter().find_map(|promise| Some((promise, checker.discovery(promise.text())?)));
    let broken = found.map(|(promise, path)| {
        let mut story: Vec<String> = Vec::new();
        let states = path.into_vec();
        for (at, (_, step)) in states.iter().enumerate() {
            let Some(step) = step else { continue };
            let after = states.get(at + 1).map(|(state, _)| state);
            let signs = match (step, after) {
                (Step::Sign { node }, Some(after)) => after.nodes[*node].round.as_ref(),
                _ => None,
            };
            let what = signs.map_or(String::new(), |round| format!(" {}", round.tree));
            story.push(format!("{step}{what}"));
        }
        story.push(format!("BROKEN: {}", promise.text()));
        Counterexample { promise, story }
    });
    Explored { world, states: checker.unique_state_count(), depth: checker.max_depth(), broken }
}
