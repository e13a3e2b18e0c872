//! Alarms: things a person must look at.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What is wrong. The names are stable: metrics and runbooks use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AlarmKind {
    /// A witness has cosigned a larger log than this confirmed leader holds (rule C4): entries were lost.
    Fork,
    /// A witness holds another tree of the same size (rule C6).
    WitnessDisagrees,
    /// Replicas computed different roots for one size (rule G2): a bit flip or non-determinism.
    RootVote,
    /// A validly signed root differs from this node's (rule S5): this node is corrupt.
    RootMismatch,
    /// The sign guard refused (rule G3).
    SignGuard,
    /// A stored tile, bundle or state does not match what was committed (rule R3).
    Corruption,
    /// Free disk space is below the reserve (rule R6), or there is no room, or no inode, for tile files.
    DiskFull,
    /// Consensus stopped on this node; it serves reads only until it is restarted.
    ConsensusStopped,
    /// The fence has not been passed (rule R2).
    Fence,
    /// A file that the node was given, like a key or the configuration, is no longer what it runs with.
    Given,
}

impl AlarmKind {
    /// Stable name, as in `maip_alarm{kind="…"}`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::WitnessDisagrees => "witness_disagrees",
            Self::RootVote => "root_vote",
            Self::RootMismatch => "root_mismatch",
            Self::SignGuard => "sign_guard",
            Self::Corruption => "corruption",
            Self::DiskFull => "disk_full",
            Self::ConsensusStopped => "consensus_stopped",
            Self::Fence => "fence",
            Self::Given => "given",
        }
    }

    /// Signing stops for good while this alarm stands: going on could fork the log.
    #[must_use]
    pub fn stops_signing(self) -> bool {
        matches!(
            self,
            Self::Fork | Self::WitnessDisagrees | Self::RootVote | Self::RootMismatch | Self::SignGuard
        )
    }
}

/// Who raised an alarm. One kind has several causes at a time, and each goes by itself: room on the disk says nothing about a file
/// that could not be written for want of inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Nobody of those below.
    Other,
    /// A reader came upon a damaged tile or bundle; the text begins with its path. Readers do not come back to it: the scrub looks at all of them.
    Reader,
    /// The scrub found a tile or a bundle damaged.
    Scrub,
    /// The scrub found a file of the state engine damaged.
    Engine,
    /// Tile files cannot be written.
    TileFiles,
    /// What the system says of the disk.
    Disk,
}

/// The alarms that stand on this node for one log.
#[derive(Default)]
pub struct Alarms {
    standing: Mutex<BTreeMap<(AlarmKind, Cause), String>>,
}

impl Alarms {
    /// Raises an alarm; logged when it is new or its text changed.
    pub fn raise(&self, kind: AlarmKind, text: impl Into<String>) {
        self.raise_for(kind, Cause::Other, text);
    }

    /// The same for one cause, which goes without the others.
    pub(crate) fn raise_for(&self, kind: AlarmKind, cause: Cause, text: impl Into<String>) {
        let text = text.into();
        let mut standing = self.lock();
        if standing.get(&(kind, cause)) != Some(&text) {
            tracing::error!(alarm = kind.name(), "{text}");
            standing.insert((kind, cause), text);
        }
    }

    /// Lowers an alarm whose cause is gone. Alarms that stop signing are lowered by a restart only.
    pub fn lower(&self, kind: AlarmKind) {
        self.lower_for(kind, Cause::Other);
    }

    /// The same, for what was raised with this cause.
    pub(crate) fn lower_for(&self, kind: AlarmKind, cause: Cause) {
        if let Some(text) = self.lock().remove(&(kind, cause)) {
            tracing::info!(alarm = kind.name(), "alarm lowered: {text}");
        }
    }

    /// What stands for this cause.
    pub(crate) fn text(&self, kind: AlarmKind, cause: Cause) -> Option<String> {
        self.lock().get(&(kind, cause)).cloned()
    }

    /// All that stand, each kind once with all its causes.
    pub fn standing(&self) -> Vec<(AlarmKind, String)> {
        let mut kinds: Vec<(AlarmKind, String)> = Vec::new();
        for ((kind, _), text) in &*self.lock() {
            match kinds.last_mut().filter(|(last, _)| last == kind) {
                Some((_, texts)) => *texts = format!("{texts}; {text}"),
                None => kinds.push((*kind, text.clone())),
            }
        }
        kinds
    }

    /// Whether a standing alarm forbids signing.
    pub fn stop_signing(&self) -> bool {
        self.lock().keys().any(|(kind, _)| kind.stops_signing())
    }

    /// Whether this alarm stands.
    pub fn is_standing(&self, kind: AlarmKind) -> bool {
        self.lock().keys().any(|(standing, _)| *standing == kind)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(AlarmKind, Cause), String>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_of_an_alarm_goes_by_itself() {
        let alarms = Alarms::default();
        alarms.raise(AlarmKind::Corruption, "a bundle");
        alarms.raise_for(AlarmKind::DiskFull, Cause::Disk, "below the reserve");
        alarms.raise_for(AlarmKind::DiskFull, Cause::TileFiles, "no inode");
        let both = "no inode; below the reserve".to_owned();
        let corruption = (AlarmKind::Corruption, "a bundle".to_owned());
        assert_eq!(alarms.standing(), [corruption.clone(), (AlarmKind::DiskFull, both)]);

        alarms.lower_for(AlarmKind::DiskFull, Cause::Disk);
        alarms.lower_for(AlarmKind::Corruption, Cause::Disk);
        assert_eq!(alarms.standing(), [corruption, (AlarmKind::DiskFull, "no inode".to_owned())]);
        alarms.lower_for(AlarmKind::DiskFull, Cause::TileFiles);
        alarms.lower(AlarmKind::Corruption);
        assert!(alarms.standing().is_empty() && !alarms.is_standing(AlarmKind::DiskFull));
    }
}
