//! What the protocol promises: one invariant each.

use super::{
    protocol::Protocol,
    state::State,
    tree::{Tree, What},
};

/// A promise. Which of them a world keeps is said by the world: a restored backup takes some away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// All notes ever signed, published or not, fit each other.
    Signed,
    /// All notes that one disk has signed fit each other.
    SignedByOneDisk,
    /// Nothing is signed that contradicts what was witnessed before.
    NothingAgainstWitnessed,
    /// All notes that a quorum of witnesses cosigned fit each other.
    Witnessed,
    /// A witness never signs two roots for a size, nor trees that do not fit.
    WitnessOnce,
    /// What a node serves never shrinks and never changes.
    NeverShrinks,
    /// What a node publishes is its own tree.
    OwnTree,
    /// What was acknowledged is with every confirmed leader, at its index.
    Acknowledged,
    /// A record has one index.
    OneIndex,
    /// A published note has a quorum of lines, and all its lines verify.
    ValidPublished,
    /// A fork alarm is raised only when entries are lost.
    TrueAlarm,
}

/// Name and sentence of each.
pub(super) const PROMISES: &[(Promise, &str)] = &[
    (Promise::Signed, "all notes ever signed fit each other"),
    (Promise::SignedByOneDisk, "all notes that one disk signed fit each other"),
    (Promise::NothingAgainstWitnessed, "nothing is signed against what was witnessed before"),
    (Promise::Witnessed, "all witnessed notes fit each other"),
    (Promise::WitnessOnce, "a witness never signs two trees that do not fit"),
    (Promise::NeverShrinks, "what is published never shrinks or changes"),
    (Promise::OwnTree, "a node publishes its own tree only"),
    (Promise::Acknowledged, "what was acknowledged is kept at its index"),
    (Promise::OneIndex, "a record has one index"),
    (Promise::ValidPublished, "what is published satisfies the policy"),
    (Promise::TrueAlarm, "a fork alarm means that entries are lost"),
];

impl Promise {
    /// Its sentence.
    pub fn text(self) -> &'static str {
        PROMISES.iter().find(|(promise, _)| *promise == self).map_or("", |(_, text)| text)
    }

    /// Whether a state keeps it.
    pub(super) fn kept(self, protocol: &Protocol, state: &State) -> bool {
        if state.broken == Some(self) {
            return false;
        }
        match self {
            Promise::Signed => fit(state.signed.iter().map(|(_, tree)| tree)),
            Promise::SignedByOneDisk => by_one(&state.signed),
            Promise::Witnessed => fit(protocol.witnessed(state)),
            Promise::WitnessOnce => by_one(&state.cosigned),
            Promise::Acknowledged => acknowledged(protocol, state),
            Promise::OneIndex => one_index(protocol, state),
            // Seen when the step is made.
            Promise::NothingAgainstWitnessed
            | Promise::NeverShrinks
            | Promise::OwnTree
            | Promise::ValidPublished
            | Promise::TrueAlarm => true,
        }
    }
}

fn fit<'t>(trees: impl Iterator<Item = &'t Tree>) -> bool {
    let trees: Vec<_> = trees.collect();
    trees.iter().enumerate().all(|(at, one)| trees[at..].iter().all(|other| one.fits(other)))
}

fn by_one(list: &[(usize, Tree)]) -> bool {
    let mut owners: Vec<_> = list.iter().map(|(owner, _)| *owner).collect();
    owners.dedup();
    owners.into_iter().all(|owner| fit(list.iter().filter(|(who, _)| *who == owner).map(|(_, tree)| tree)))
}

fn acknowledged(protocol: &Protocol, state: &State) -> bool {
    let newest = state.nodes.iter().map(|node| node.term).max().unwrap_or_default();
    state.nodes.iter().all(|node| {
        let tree = protocol.meaning(&node.log[..node.applied]).tree;
        // The leader of the newest term, once an entry of its term is applied, has everything. Whatever the rules say.
        let own = node.log[..node.applied].last().is_some_and(|entry| entry.term == node.term);
        let complete = node.leader && own && node.term == newest;
        state.acknowledged.iter().all(|(index, leaf)| match tree.leaves().get(*index) {
            Some(own) => own == leaf,
            None => !complete,
        })
    })
}

fn one_index(protocol: &Protocol, state: &State) -> bool {
    let in_log = |record: u8, log: &[super::tree::Entry]| {
        log.iter().any(|entry| matches!(entry.what, What::Record(known, _) if known == record))
    };
    state.nodes.iter().all(|node| {
        let applied = &node.log[..node.applied];
        let tree = protocol.meaning(applied).tree;
        (0..protocol.world.records)
            .filter(|record| in_log(*record, applied))
            .all(|record| tree.leaves().iter().filter(|leaf| leaf.record == record).count() == 1)
    })
}
