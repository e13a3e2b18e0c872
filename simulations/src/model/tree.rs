//! Trees and logs of the model: a root is the list of leaves itself, a hash that cannot collide.

use std::fmt;

/// Most leaves in a tree of the model.
const LEAVES_MAX: usize = 4;

/// One leaf: which record, and the term whose leader gave it its time. The same record proposed twice makes two leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Leaf {
    /// Number of the record.
    pub(super) record: u8,
    /// Term of the leader that proposed it.
    pub(super) term: u8,
    /// Proposed by a cluster that was made from a backup: terms begin again there, times do not.
    pub(super) later: bool,
    /// A bit of it has flipped on this disk.
    pub(super) flipped: bool,
}

/// A tree: its size and what its root stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Tree {
    size: u8,
    leaves: [Leaf; LEAVES_MAX],
}

impl Tree {
    /// Number of leaves.
    pub(super) fn size(&self) -> usize {
        usize::from(self.size)
    }

    /// Its leaves, in order.
    pub(super) fn leaves(&self) -> &[Leaf] {
        &self.leaves[..self.size()]
    }

    /// Adds a leaf; a full tree stays as it is, and worlds are bounded so that none is filled.
    pub(super) fn push(&mut self, leaf: Leaf) {
        if self.size() < LEAVES_MAX {
            self.leaves[self.size()] = leaf;
            self.size += 1;
        }
    }

    /// Whether `other` extends this tree or is it.
    pub(super) fn is_prefix_of(&self, other: &Tree) -> bool {
        other.leaves().starts_with(self.leaves())
    }

    /// Whether both can be of one log.
    pub(super) fn fits(&self, other: &Tree) -> bool {
        self.is_prefix_of(other) || other.is_prefix_of(self)
    }

    /// The same tree as a disk computes it on which a bit of the first leaf has flipped.
    pub(super) fn rotten(mut self) -> Tree {
        if self.size > 0 {
            self.leaves[0].flipped = true;
        }
        self
    }
}

/// `[a1 b2]`: record a as given by the leader of term 1, then b by that of term 2. `'` marks what was
/// proposed after a restore, `!` a flipped bit.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leaf = |leaf: &Leaf| {
            let later = if leaf.later { "'" } else { "" };
            let flipped = if leaf.flipped { "!" } else { "" };
            format!("{}{}{later}{flipped}", record_name(leaf.record), leaf.term)
        };
        write!(f, "[{}]", self.leaves().iter().map(leaf).collect::<Vec<_>>().join(" "))
    }
}

/// Records are called a, b, c.
pub(super) fn record_name(record: u8) -> char {
    char::from(b'a' + record)
}

/// What a raft_entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum What {
    /// The entry with which a leader begins its term.
    Blank,
    /// A record, and whether it was proposed by a cluster made from a backup.
    Record(u8, bool),
    /// A checkpoint that witnesses have cosigned.
    Publish(Tree),
    /// Old and new members decide together (joint consensus).
    Joint,
    /// The new members decide.
    New,
}

/// A raft_entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Term of the leader that made it.
    pub(super) term: u8,
    /// What it does.
    pub(super) what: What,
}
