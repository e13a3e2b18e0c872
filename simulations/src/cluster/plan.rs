//! What a run is made of: a seed, what kind of bad luck it brings, and what is taken out.

use std::{fmt, str::FromStr};

/// A rule that can be taken out of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Disks say that they have synced and have not.
    L2,
    /// A node that lost its disk returns under its id, and the others put up with it.
    L3,
    /// No sign guard.
    G3,
    /// Leaders judge before an entry of their own term.
    G4,
    /// A witness's line is merged unchecked.
    C2,
    /// No fence.
    R2,
}

/// Every switch.
pub const SWITCHES: [Switch; 6] = [Switch::L2, Switch::L3, Switch::G3, Switch::G4, Switch::C2, Switch::R2];

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = SWITCHES.into_iter().find(|switch| switch.to_string().eq_ignore_ascii_case(text));
        known.ok_or_else(|| format!("{text} cannot be taken out here; L2, L3, G3, G4, C2 and R2 can"))
    }
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// What is taken out.
    pub off: Option<Switch>,
}

/// What kind of bad luck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Luck {
    /// Crashes, power cuts, failing disks, bad network, moody witnesses, wrong clocks, changes of members.
    Storm,
    /// The whole cluster is set back to an older backup that witnesses know to be older.
    SetBack,
    /// The same, behind notes that were signed and that no witness has seen.
    SetBackUnseen,
}

impl Plan {
    /// Every fifth seed sets the cluster back. Rules that only matter then are looked for there.
    pub(super) fn luck(&self) -> Luck {
        match (self.off, self.seed % 10) {
            (Some(Switch::R2), _) => Luck::SetBack,
            (Some(Switch::G3), _) => Luck::SetBackUnseen,
            (Some(_), _) => Luck::Storm,
            (None, 4) => Luck::SetBack,
            (None, 9) => Luck::SetBackUnseen,
            (None, _) => Luck::Storm,
        }
    }
}
