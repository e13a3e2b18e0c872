//! Trust policies: which logs are accepted, and whose cosignatures are enough.
//!
//! Spec: <https://c2sp.org/tlog-policy>
//!
//! ```text
//! log <vkey> [<url>]                        any one of the logs must have signed
//! witness <name> <vkey> [<url>]
//! group <name> all|any|<k> <member>...      members: witnesses and groups of earlier lines
//! quorum <name>|none                        exactly once
//! ```
//!
//! [`Policy::parse`] reads the file, [`Policy::check`] answers for one note. We take UTF-8 only, which the spec
//! recommends; there names and URLs are opaque bytes.

mod age;
mod check;
mod parse;

use std::fmt;

use crate::note::Vkey;

pub use age::FUTURE_TOLERANCE_S;
pub use check::{PolicyFailure, Witnessed};
pub use parse::{PolicyError, PolicyErrorReason};

/// Largest policy file that is read, in bytes.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// Most logs, most witnesses and most groups, each. The spec recommends at least 32.
pub const POLICY_ITEMS_MAX: usize = 256;

/// Whom a verifier trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// `None` is the predefined `none`: no cosignature is needed.
    quorum: Option<Member>,
}

/// A `log` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    /// Key of the log; its name is the log's origin.
    pub vkey: Vkey,
    /// Where to reach the log.
    pub url: Option<String>,
}

/// A `witness` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Name inside this policy only; the key has its own.
    pub name: String,
    /// Key of the witness.
    pub vkey: Vkey,
    /// Where to reach the witness: its submission prefix.
    pub url: Option<String>,
}

/// A `group` line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    /// How many members are needed, 1 to their number.
    threshold: usize,
    members: Vec<Member>,
}

/// What a name stands for: an index into witnesses or groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

impl Policy {
    /// The logs, any of which is accepted.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The same witnesses and quorum for other logs.
    pub(crate) fn with_logs(&self, logs: Vec<PolicyLog>) -> Self {
        Self { logs, ..self.clone() }
    }

    /// The witnesses, whether the quorum needs them or not.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// The quorum in words: `none`, a witness's name, or `2 of (w1, w2, any of (w3, w4))`.
    pub fn quorum(&self) -> String {
        self.quorum.map_or_else(|| "none".to_owned(), |member| self.describe(member))
    }

    /// Whether the quorum is `none`: the log's own signature is then enough.
    pub fn needs_no_witness(&self) -> bool {
        self.quorum.is_none()
    }

    fn describe(&self, member: Member) -> String {
        match member {
            Member::Witness(index) => self.witnesses[index].name.clone(),
            Member::Group(index) => {
                let group = &self.groups[index];
                let members: Vec<_> = group.members.iter().map(|&member| self.describe(member)).collect();
                format!("{} of ({})", group.threshold_word(), members.join(", "))
            }
        }
    }

    fn name_of(&self, member: Member) -> &str {
        match member {
            Member::Witness(index) => &self.witnesses[index].name,
            Member::Group(index) => &self.groups[index].name,
        }
    }

    /// Whether these witnesses (one flag per witness) are a quorum.
    fn is_quorum(&self, cosigned: &[bool]) -> bool {
        let mut witnessed = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let count = group.members.iter().filter(|&&member| holds(member, cosigned, &witnessed)).count();
            witnessed.push(count >= group.threshold);
        }
        self.quorum.is_none_or(|member| holds(member, cosigned, &witnessed))
    }
}

fn holds(member: Member, cosigned: &[bool], witnessed: &[bool]) -> bool {
    match member {
        Member::Witness(index) => cosigned[index],
        // Groups refer only to earlier ones, so this one has been decided.
        Member::Group(index) => witnessed[index],
    }
}

impl Group {
    fn threshold_word(&self) -> String {
        match self.threshold {
            n if n == self.members.len() => "all".to_owned(),
            1 => "any".to_owned(),
            k => k.to_string(),
        }
    }
}

/// Without comments and with single spaces: logs, witnesses, groups, quorum. Reads back as the same policy.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PolicyLog { vkey, url } in &self.logs {
            writeln!(f, "log {vkey}{}", OptionalItem(url.as_deref()))?;
        }
        for PolicyWitness { name, vkey, url } in &self.witnesses {
            writeln!(f, "witness {name} {vkey}{}", OptionalItem(url.as_deref()))?;
        }
        for group in &self.groups {
            write!(f, "group {} {}", group.name, group.threshold_word())?;
            for &member in &group.members {
                write!(f, " {}", self.name_of(member))?;
            }
            writeln!(f)?;
        }
        writeln!(f, "quorum {}", self.quorum.map_or("none", |member| self.name_of(member)))
    }
}

struct OptionalItem<'a>(Option<&'a str>);

impl fmt::Display for OptionalItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |item| write!(f, " {item}"))
    }
}
