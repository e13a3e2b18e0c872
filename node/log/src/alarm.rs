//! Alarms: things a person must look at.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
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
    /// Free disk space is below the reserve (rule R6).
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

/// The alarms that stand on this node for one log.
#[derive(Default)]
pub struct Alarms {
    standing: Mutex<BTreeMap<AlarmKind, String>>,
}

impl Alarms {
    /// Raises an alarm; logged when it is new or its text changed.
    pub fn raise(&self, kind: AlarmKind, text: impl Into<String>) {
        let text = text.into();
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.get(&kind) != Some(&text) {
            tracing::error!(alarm = kind.name(), "{text}");
            standing.insert(kind, text);
        }
    }

    /// Lowers an alarm whose cause is gone. Alarms that stop signing are lowered by a restart only.
    pub fn lower(&self, kind: AlarmKind) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.remove(&kind).is_some() {
            tracing::info!(alarm = kind.name(), "alarm lowered");
        }
    }

    /// All that stand.
    pub fn standing(&self) -> Vec<(AlarmKind, String)> {
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.iter().map(|(kind, text)| (*kind, text.clone())).collect()
    }

    /// Whether a standing alarm forbids signing.
    pub fn stop_signing(&self) -> bool {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).keys().any(|kind| kind.stops_signing())
    }

    /// Whether this alarm stands.
    pub fn is_standing(&self, kind: AlarmKind) -> bool {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&kind)
    }
}
