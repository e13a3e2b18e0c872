//! The state of the model: nodes, witnesses, and what has been said to the outside so far.

use super::{
    promise::Promise,
    protocol::Protocol,
    rule::Rule,
    tree::{Entry, Leaf, Tree, What},
};

/// A note on its way to the witnesses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Round {
    /// What the leader has signed.
    pub(super) tree: Tree,
    /// Witnesses whose lines it has merged, as bits.
    pub(super) lines: u8,
    /// Those of them whose line does not verify.
    pub(super) bad: u8,
}

/// One node, with its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// Not part of the cluster yet.
    pub(super) away: bool,
    /// Its term; its vote is in it, as elections are one step here.
    pub(super) term: u8,
    /// Its Raft log.
    pub(super) log: Vec<Entry>,
    /// How much of its log is committed and applied.
    pub(super) applied: usize,
    /// Takes itself for the leader of its term.
    pub(super) leader: bool,
    /// Term and length of the log that would survive a power cut.
    pub(super) durable: (u8, usize),
    /// The fence is behind it.
    pub(super) fenced: bool,
    /// What its copy of the log key signed last.
    pub(super) guard: Tree,
    /// The note for which it collects cosignatures.
    pub(super) round: Option<Round>,
    /// A bit of its first entry has flipped.
    pub(super) rotten: bool,
    /// It has stopped itself: its tree is not the one that was signed.
    pub(super) halted: bool,
    /// A fork alarm forbids it to sign.
    pub(super) alarm: bool,
    /// The checkpoint that it serves.
    pub(super) served: Tree,
}

/// One witness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Witness {
    /// What it remembers.
    pub(super) now: Tree,
    /// What it would remember after a restart.
    pub(super) stored: Tree,
}

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// The nodes.
    pub(super) nodes: Vec<Node>,
    /// The witnesses.
    pub(super) witnesses: Vec<Witness>,
    /// What has ever been signed with the log key, and by which node. Sorted.
    pub(super) signed: Vec<(usize, Tree)>,
    /// What has ever been cosigned, and by which witness. Sorted.
    pub(super) cosigned: Vec<(usize, Tree)>,
    /// What clients were told: this leaf has this index. Sorted.
    pub(super) acknowledged: Vec<(usize, Leaf)>,
    /// A backup: what one node had applied.
    pub(super) backup: Option<Vec<Entry>>,
    /// The backup has been used.
    pub(super) restored: bool,
    /// Bad luck so far: crashes, flipped bits, lies, retries.
    pub(super) spent: [u8; 4],
    /// A promise that the last step has broken, where the state alone does not show it.
    pub(super) broken: Option<Promise>,
}

/// What a prefix of the Raft log means.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meaning {
    /// The entries.
    pub(super) tree: Tree,
    /// The last valid checkpoint.
    pub(super) published: Tree,
}

/// Members in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Members {
    /// One set decides.
    One(u8),
    /// Both decide.
    Both(u8, u8),
}

impl Members {
    /// Whether these nodes are a majority.
    pub(super) fn majority(self, nodes: u8) -> bool {
        let of = |set: u8| (nodes & set).count_ones() * 2 > set.count_ones();
        match self {
            Members::One(set) => of(set),
            Members::Both(old, new) => of(old) && of(new),
        }
    }

    /// All of them.
    pub(super) fn all(self) -> u8 {
        match self {
            Members::One(set) => set,
            Members::Both(old, new) => old | new,
        }
    }
}

impl Protocol {
    /// What raft_entries mean, applied in order.
    pub(super) fn meaning(&self, log: &[Entry]) -> Meaning {
        let mut meaning = Meaning::default();
        for entry in log {
            match entry.what {
                What::Record(record, later) => {
                    let known = meaning.tree.leaves().iter().any(|leaf| leaf.record == record);
                    if !(known && self.holds(Rule::S2)) {
                        meaning.tree.push(Leaf { record, term: entry.term, later, flipped: false });
                    }
                }
                What::Publish(tree) => {
                    if tree.is_prefix_of(&meaning.tree) && meaning.published.is_prefix_of(&tree) {
                        meaning.published = tree;
                    }
                }
                What::Blank | What::Joint | What::New => {}
            }
        }
        meaning
    }

    /// The tree that a node computes from what it has applied.
    pub(super) fn tree(&self, node: &Node) -> Tree {
        self.computed(node, node.applied)
    }

    /// The tree that a node computes from a prefix of its log.
    pub(super) fn computed(&self, node: &Node, length: usize) -> Tree {
        let tree = self.meaning(&node.log[..length]).tree;
        if node.rotten { tree.rotten() } else { tree }
    }

    /// The members that a node goes by: the last ones in its log, committed or not.
    pub(super) fn members(&self, state: &State, node: usize) -> Members {
        let own = self.world.clusters.iter().copied().find(|set| set & bit(node) != 0);
        let (old, new) = (own.unwrap_or(self.world.clusters[0]), self.world.new_members);
        let change = |entry: &Entry| match entry.what {
            What::Joint => Some(Members::Both(old, new)),
            What::New => Some(Members::One(new)),
            _ => None,
        };
        state.nodes[node].log.iter().rev().find_map(change).unwrap_or(Members::One(old))
    }

    /// The smallest majorities with this node in it.
    pub(super) fn majorities(&self, state: &State, node: usize) -> Vec<u8> {
        let members = self.members(state, node);
        let sets = 0..1_u8 << self.world.nodes;
        sets.filter(|set| set & bit(node) != 0 && set & !(members.all() | bit(node)) == 0)
            .filter(|set| members.majority(*set))
            .filter(|set| {
                let smaller = |other: &usize| !members.majority(set & !bit(*other));
                bits(*set).filter(|other| *other != node).all(|other| smaller(&other))
            })
            .collect()
    }

    /// G4: leader, with an entry of its own term applied.
    pub(super) fn confirmed(&self, node: &Node) -> bool {
        let own = node.log[..node.applied].last().is_some_and(|entry| entry.term == node.term);
        node.leader && (own || !self.holds(Rule::G4))
    }

    /// The same, and a majority has not heard of a later leader.
    pub(super) fn majority_confirms(&self, state: &State, node: usize) -> bool {
        let term = state.nodes[node].term;
        self.confirmed(&state.nodes[node])
            && self
                .majorities(state, node)
                .iter()
                .any(|set| bits(*set).all(|other| state.nodes[other].term <= term))
    }

    /// Trees that a quorum of witnesses has cosigned.
    pub(super) fn witnessed<'s>(&self, state: &'s State) -> impl Iterator<Item = &'s Tree> {
        let quorum = self.world.quorum;
        state
            .cosigned
            .iter()
            .map(|(_, tree)| tree)
            .filter(move |tree| state.cosigned.iter().filter(|(_, other)| other == *tree).count() >= quorum)
    }
}

/// One node or witness as a bit.
pub(super) fn bit(place: usize) -> u8 {
    1 << place
}

/// The places of a set's bits.
pub(super) fn bits(set: u8) -> impl Iterator<Item = usize> {
    (0..8).filter(move |place| set & bit(*place) != 0)
}

/// Adds to a sorted list without repetition.
pub(super) fn note<T: Ord>(list: &mut Vec<T>, item: T) {
    if let Err(place) = list.binary_search(&item) {
        list.insert(place, item);
    }
}
