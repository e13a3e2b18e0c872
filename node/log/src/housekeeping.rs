//! What a hosted log does on the side: watch the disk, watch consensus, keep a leader's snapshot useful, scrub.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ledger_store::StoreError;
use openraft::{Instant as _, async_runtime::WatchReceiver as _};

use crate::{
    alarm::{AlarmKind, Alarms, Cause},
    hosted::Core,
    scrub,
};

/// Between two looks at disk and consensus.
const LOOK: Duration = Duration::from_millis(500);
/// Between two attempts of a leader without room to hand leadership over. Longer than an election, so that nodes that are
/// all short of space do not keep the log from publishing by passing leadership round.
const BETWEEN_HANDOVERS: Duration = Duration::from_secs(5);

/// Runs until consensus stops on this node; reads go on after that.
pub(crate) async fn run(core: Arc<Core>) {
    if core.options.limits.scrub_pause_ms > 0 {
        core.spawn(scrub::run(core.clone()));
    }
    let mut handed_over: Option<Instant> = None;
    loop {
        look_at_disk(&core);
        let due = handed_over.is_none_or(|at| at.elapsed() >= BETWEEN_HANDOVERS);
        if due && *core.low_space.borrow() && hand_over(&core).await {
            handed_over = Some(Instant::now());
        }
        if snapshot_is_older_than_members(&core)
            && let Err(fatal) = core.raft.trigger().snapshot().await
        {
            core.note_stopped(&fatal.to_string());
        }
        if let Err(fatal) = &core.raft.metrics().borrow_watched().running_state {
            core.note_stopped(&fatal.to_string());
        }
        if core.stopped.get().is_some() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// R6: below the reserve no records are taken, while there is still room for what was taken before.
fn look_at_disk(core: &Core) {
    let free = ledger_store::free_bytes(core.ledger.dir());
    if let Some(low) = judge_disk(&core.alarms, free, core.options.limits.reserve_bytes) {
        core.low_space.send_replace(low);
    }
}

/// Raises and lowers what the free space says; whether it is below the reserve, if that is known.
fn judge_disk(alarms: &Alarms, free: Result<u64, StoreError>, reserve_bytes: u64) -> Option<bool> {
    match free {
        Ok(free) => {
            alarms.lower_for(AlarmKind::Corruption, Cause::Disk);
            if free < reserve_bytes {
                let reserve = reserve_bytes >> 20;
                let text =
                    format!("free disk space is below the reserve of {reserve} MiB: records are refused");
                alarms.raise_for(AlarmKind::DiskFull, Cause::Disk, text);
            } else {
                alarms.lower_for(AlarmKind::DiskFull, Cause::Disk);
            }
            Some(free < reserve_bytes)
        }
        Err(error) => {
            let text = format!("the data directory cannot be read: {error}");
            alarms.raise_for(AlarmKind::Corruption, Cause::Disk, text);
            None
        }
    }
}

/// Whoever is sent a snapshot fetches the entries before it from the members that it names. One from before the present members may
/// name neither its sender nor anybody who still lives: then no new node could ever be brought in.
fn snapshot_is_older_than_members(core: &Core) -> bool {
    let metrics = core.raft.metrics().borrow_watched().clone();
    let members = metrics.membership_config.log_id().as_ref().map(|id| id.index);
    let applied = metrics.last_applied.map(|id| id.index);
    core.is_leader() && metrics.snapshot.is_some_and(|id| Some(id.index) < members) && members <= applied
}

/// R6: all records pass through the leader, so one without room would refuse them for the whole cluster. It hands
/// leadership to the voter that is furthest among those that answer. True when it tried.
async fn hand_over(core: &Core) -> bool {
    if !core.is_leader() {
        return false;
    }
    let Some(to) = furthest_voter(core) else { return false };
    tracing::warn!(log = %core.name, "free disk space is below the reserve: node {to} is asked to lead");
    if let Err(fatal) = core.raft.trigger().transfer_leader(to).await {
        core.note_stopped(&fatal.to_string());
    }
    true
}

/// The other voter that holds most of the Raft log and has lately answered a heartbeat; known to a leader only.
fn furthest_voter(core: &Core) -> Option<u64> {
    let metrics = core.raft.metrics().borrow_watched().clone();
    let (heartbeat, replication) = (metrics.heartbeat.as_ref()?, metrics.replication.as_ref()?);
    let fresh = Duration::from_millis(core.options.raft.election_max_ms);
    let answers =
        |id: &u64| heartbeat.get(id).is_some_and(|at| at.as_ref().is_some_and(|at| at.elapsed() <= fresh));
    let voters = metrics.membership_config.voter_ids();
    let others = voters.filter(|id| *id != core.options.node_id && answers(id));
    others.max_by_key(|id| {
        replication.get(id).and_then(|matched| matched.as_ref()).map(|matched| matched.index)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_the_disk_says_lowers_what_the_disk_has_said_and_nothing_else() {
        let alarms = Alarms::default();
        let unread = ledger_store::free_bytes(Path::new("/no/such/directory"));
        assert_eq!(judge_disk(&alarms, unread, 10), None);
        assert!(alarms.is_standing(AlarmKind::Corruption));
        assert_eq!(judge_disk(&alarms, Ok(9), 10), Some(true));
        assert!(alarms.is_standing(AlarmKind::DiskFull) && !alarms.is_standing(AlarmKind::Corruption));
        assert_eq!(judge_disk(&alarms, Ok(10), 10), Some(false));
        assert!(alarms.standing().is_empty());

        // There is room, and no inode: what could not be written cannot be written still.
        alarms.raise_for(AlarmKind::DiskFull, Cause::TileFiles, "tile files cannot be written");
        alarms.raise(AlarmKind::Corruption, "a bundle");
        assert_eq!(judge_disk(&alarms, Ok(10), 10), Some(false));
        assert!(alarms.is_standing(AlarmKind::DiskFull) && alarms.is_standing(AlarmKind::Corruption));
    }
}
