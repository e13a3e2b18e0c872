//! The rules that can be switched off, one at a time.

use std::{fmt, str::FromStr};

/// A rule of the log's safety, by its name in `node/log/tests/README.md`; the last two are the witness's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Acknowledged only when fsynced.
    L2,
    /// A node that lost its disk, or got an older one back, never returns under its id.
    L3,
    /// Members change by joint consensus only.
    L4,
    /// Publish is judged when it is applied.
    S5,
    /// The same record has one index.
    S2,
    /// Signed is only what is applied.
    G1,
    /// A majority computed the same root.
    G2,
    /// The sign guard.
    G3,
    /// A leader signs and judges only after an entry of its own term.
    G4,
    /// A witness's line is checked before it is merged.
    C2,
    /// The fence.
    R2,
    /// Those whom the fence could not ask are no quorum.
    R2Rest,
    /// A witness signs only what extends what it remembers.
    WitnessCompares,
    /// A witness remembers durably before it answers.
    WitnessPersists,
}

/// Every rule, in the order of the table.
pub const RULES: &[(Rule, &str, &str)] = &[
    (Rule::L2, "L2", "acknowledged only when fsynced"),
    (Rule::L3, "L3", "a node that lost its disk never returns under its id"),
    (Rule::L4, "L4", "members change by joint consensus only"),
    (Rule::S2, "S2", "the same record has one index"),
    (Rule::S5, "S5", "Publish is judged when it is applied"),
    (Rule::G1, "G1", "signed is only what is applied"),
    (Rule::G2, "G2", "a majority computed the same root"),
    (Rule::G3, "G3", "the sign guard"),
    (Rule::G4, "G4", "a leader judges only after an entry of its own term"),
    (Rule::C2, "C2", "a cosignature is checked before it is merged"),
    (Rule::R2, "R2", "the fence"),
    (Rule::R2Rest, "R2-rest", "those whom the fence could not ask are no quorum among themselves"),
    (Rule::WitnessCompares, "witness-compares", "a witness signs only what extends what it remembers"),
    (Rule::WitnessPersists, "witness-persists", "a witness remembers durably before it answers"),
];

impl Rule {
    /// What it says.
    pub fn text(self) -> &'static str {
        RULES.iter().find(|(rule, ..)| *rule == self).map_or("", |(_, _, text)| text)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(RULES.iter().find(|(rule, ..)| rule == self).map_or("", |(_, name, _)| name))
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = RULES.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(rule, ..)| *rule).ok_or_else(|| {
            let names: Vec<_> = RULES.iter().map(|(_, name, _)| *name).collect();
            format!("{text} is no rule of the model; it has {}", names.join(", "))
        })
    }
}
