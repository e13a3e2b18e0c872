//! What is kept of an agent: one value of bounded size, whatever its history.

use super::constants::{FULL_BP, TREND_DAYS};
use super::id::Id;
use super::input::{StatusChange, named};
use super::peers::Bucket;

named! {
    /// Whether an agent may act.
    Status {
        /// It may.
        Active = "active",
        /// Not now. The score goes on.
        Suspended = "suspended",
        /// Never again; the score is 0.
        Revoked = "revoked",
        /// Never again, with everything below it; the score is 0.
        Killed = "killed",
    }
}

/// The trust state of one agent, brought up to date to an epoch.
///
/// Suffixes give the units: `_q12` units of evidence times 4096, `_q8` octaves times 256, `_bp` basis points. Field names
/// are those of the state's JSON form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentState {
    /// Its tenant.
    pub tenant: Id,
    /// The epoch that the state is of: log time in hours.
    pub epoch: u64,
    /// Whether it may act.
    pub status: Status,

    /// Ok actions; good evidence of behaviour and of scope.
    pub good_q12: u64,
    /// Violations.
    pub violations_q12: u64,
    /// Denials.
    pub denials_q12: u64,
    /// Sessions that ended clean.
    pub clean_sessions_q12: u64,
    /// Sessions that did not.
    pub bad_sessions_q12: u64,
    /// The penalty for anomalies, in q12 basis points.
    pub penalty_bp_q12: u64,
    /// What peers say, by ascending tenant, at most eight.
    pub peers_q12: Vec<Bucket>,

    /// Actions and denials in the open epoch.
    pub epoch_calls: u64,
    /// Denials in the open epoch.
    pub epoch_denials: u64,
    /// What the open epoch has been charged already.
    pub epoch_penalty_bp: u64,

    /// Closed epochs with calls, counted up to the end of the warm-up.
    pub active_epochs: u64,
    /// log2 of the calls of an active epoch: the median that follows.
    pub fast_median_q8: u64,
    /// The median that hardly follows.
    pub slow_median_q8: u64,
    /// How far epochs usually are from the fast median.
    pub deviation_q8: u64,

    /// Log days with an action, counted until it is no newcomer.
    pub active_days: u64,
    /// The last of them.
    pub last_active_day: Option<u64>,
    /// Cap after violations and floods of denials.
    pub severity_cap_bp: u64,
    /// Cap by delegation.
    pub ceiling_bp: u64,

    /// Scores at the end of the last seven log days, oldest first.
    pub closing_scores: [Option<u64>; TREND_DAYS],
}

impl AgentState {
    /// A new agent: active, without evidence.
    pub fn new(tenant: Id, epoch: u64) -> Self {
        Self {
            tenant,
            epoch,
            status: Status::Active,
            good_q12: 0,
            violations_q12: 0,
            denials_q12: 0,
            clean_sessions_q12: 0,
            bad_sessions_q12: 0,
            penalty_bp_q12: 0,
            peers_q12: Vec::new(),
            epoch_calls: 0,
            epoch_denials: 0,
            epoch_penalty_bp: 0,
            active_epochs: 0,
            fast_median_q8: 0,
            slow_median_q8: 0,
            deviation_q8: 0,
            active_days: 0,
            last_active_day: None,
            severity_cap_bp: FULL_BP,
            ceiling_bp: FULL_BP,
            closing_scores: [None; TREND_DAYS],
        }
    }

    /// Whether it is over for this agent.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, Status::Revoked | Status::Killed)
    }

    /// Changes the status; what does not apply is ignored.
    pub(crate) fn set_status(&mut self, change: StatusChange) {
        self.status = match (change, self.status) {
            (StatusChange::Kill, _) => Status::Killed,
            (StatusChange::Revoke, status) if status != Status::Killed => Status::Revoked,
            (StatusChange::Suspend, Status::Active) => Status::Suspended,
            (StatusChange::Reactivate, Status::Suspended) => Status::Active,
            (_, status) => status,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_under_every_change() {
        use Status::{Active, Killed, Revoked, Suspended};
        let table = [
            (StatusChange::Suspend, [Suspended, Suspended, Revoked, Killed]),
            (StatusChange::Reactivate, [Active, Active, Revoked, Killed]),
            (StatusChange::Revoke, [Revoked, Revoked, Revoked, Killed]),
            (StatusChange::Kill, [Killed, Killed, Killed, Killed]),
        ];
        for (change, after) in table {
            for (&before, after) in Status::ALL.iter().zip(after) {
                let mut agent = AgentState::new(Id::parse("home").unwrap(), 0);
                agent.status = before;
                agent.set_status(change);
                assert_eq!(agent.status, after, "{before:?} {change:?}");
            }
        }
    }
}
