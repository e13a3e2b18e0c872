//! What a run is made of: a seed, what kind of bad luck it brings, and what is taken out.

use std::{fmt, str::FromStr};

use ledger_log::ablation::Rule;

/// A rule that can be taken out of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Disks say that they have synced and have not.
    L2,
    /// A node that lost its disk returns under its id, and the others put up with it.
    L3,
    /// A record that was sent again is another one.
    S2,
    /// The root that is signed is not compared with the one that the state keeps. One voter, so that nobody else looks.
    G1,
    /// No root vote.
    G2,
    /// Neither of the two.
    G1G2,
    /// No sign guard.
    G3,
    /// Leaders judge before an entry of their own term.
    G4,
    /// A witness's line is merged unchecked.
    C2,
    /// No fence.
    R2,
    /// Reads that must be fresh are not confirmed by a majority.
    FreshReads,
}

/// Every switch, in the order of the table.
pub const SWITCHES: [Switch; 11] = [
    Switch::L2,
    Switch::L3,
    Switch::S2,
    Switch::G1,
    Switch::G2,
    Switch::G1G2,
    Switch::G3,
    Switch::G4,
    Switch::C2,
    Switch::R2,
    Switch::FreshReads,
];

impl Switch {
    /// The rules of the node that it takes out.
    pub(super) fn rules(self) -> &'static [Rule] {
        match self {
            // A matter of the disk.
            Self::L2 => &[],
            Self::L3 => &[Rule::L3],
            Self::S2 => &[Rule::S2],
            Self::G1 => &[Rule::G1],
            Self::G2 => &[Rule::G2],
            Self::G1G2 => &[Rule::G1, Rule::G2],
            Self::G3 => &[Rule::G3],
            Self::G4 => &[Rule::G4],
            Self::C2 => &[Rule::C2],
            Self::R2 => &[Rule::R2],
            Self::FreshReads => &[Rule::FreshReads],
        }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::G1G2 => f.write_str("G1+G2"),
            Self::FreshReads => f.write_str("fresh-reads"),
            other => fmt::Debug::fmt(other, f),
        }
    }
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(&SWITCHES, text)
            .ok_or_else(|| format!("{text} cannot be taken out here; {} can", list(&SWITCHES)))
    }
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// What is taken out.
    pub off: Option<Switch>,
    /// The kind of bad luck, where not the seed says it.
    pub luck: Option<Luck>,
}

/// What kind of bad luck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Luck {
    /// Crashes, power cuts, failing disks, bad network, moody witnesses, wrong clocks, changes of members.
    Storm,
    /// A storm, and bits flip on one node: at rest, and in memory.
    Rot,
    /// A storm, and bits flip in the tree that one node keeps in memory, and nowhere else.
    Memory,
    /// The same in a cluster of one node, where nobody else looks.
    Alone,
    /// The whole cluster is set back to an older backup that witnesses know to be older.
    SetBack,
    /// The same, behind notes that were signed and that no witness has seen.
    SetBackUnseen,
    /// A second cluster is started from a backup while the first one goes on.
    Twins,
    /// A storm, and one node's disk says that it has synced and says only later that it has not.
    LateLies,
}

/// Every kind.
const KINDS: [Luck; 8] = [
    Luck::Storm,
    Luck::Rot,
    Luck::Memory,
    Luck::Alone,
    Luck::SetBack,
    Luck::SetBackUnseen,
    Luck::Twins,
    Luck::LateLies,
];

impl fmt::Display for Luck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Luck {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(&KINDS, text)
            .ok_or_else(|| format!("{text} is no kind of bad luck; there are {}", list(&KINDS)))
    }
}

fn named<T: Copy + fmt::Display>(all: &[T], text: &str) -> Option<T> {
    all.iter().copied().find(|one| one.to_string().eq_ignore_ascii_case(text))
}

fn list<T: fmt::Display>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl Plan {
    /// Of twenty seeds eleven are storms. Rules that only matter in other weather are looked for there.
    pub(super) fn luck(&self) -> Luck {
        if let Some(luck) = self.luck {
            return luck;
        }
        match (self.off, self.seed % 20) {
            (Some(Switch::R2), _) => Luck::SetBack,
            (Some(Switch::G3), _) => Luck::SetBackUnseen,
            (Some(Switch::G1), _) => Luck::Alone,
            (Some(Switch::G2), _) => Luck::Rot,
            (Some(Switch::G1G2), _) => Luck::Memory,
            (Some(_), _) => Luck::Storm,
            (None, 2 | 7) => Luck::Rot,
            (None, 12) => Luck::Memory,
            (None, 17) => Luck::Alone,
            (None, 4 | 14) => Luck::SetBack,
            (None, 9) => Luck::SetBackUnseen,
            (None, 19) => Luck::Twins,
            (None, 15) => Luck::LateLies,
            (None, _) => Luck::Storm,
        }
    }
}
