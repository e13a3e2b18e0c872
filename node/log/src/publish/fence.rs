//! The fence: before the first signature of a process, what witnesses and guard remember must be a prefix of what this
//! node holds (rule R2). It is what stops a cluster that was restored from a backup from forking its log.

use std::{sync::Arc, time::Duration};

use ledger_format::{Checkpoint, Note, PolicyWitness, Vkey, origin_path};

use crate::{
    ablation::{self, Rule},
    alarm::AlarmKind,
    hosted::Core,
};

/// Between two tries.
const RETRY: Duration = Duration::from_millis(100);
/// A fence that has not been passed for this many tries is an alarm.
const QUIET_TRIES: u32 = 30;

/// Why the fence cannot be passed yet, or ever.
enum Closed {
    /// Witnesses unreachable, or this node is still catching up.
    Wait(String),
    /// Somebody remembers a log that is not ours.
    Never(String),
}

/// Returns when the fence has been passed. Never returns when it cannot be.
pub(crate) async fn pass(core: &Arc<Core>) {
    let mut tries = 0_u32;
    loop {
        match check(core).await {
            Ok(()) => {
                core.alarms.lower(AlarmKind::Fence);
                core.fence.send_replace(true);
                tracing::info!(log = %core.name, size = core.ledger.size(), "fence passed");
                return;
            }
            Err(Closed::Wait(reason)) => {
                tries += 1;
                if tries > QUIET_TRIES {
                    core.alarms.raise(AlarmKind::Fence, reason);
                }
            }
            Err(Closed::Never(reason)) => {
                core.alarms.raise(AlarmKind::Fork, reason);
                return std::future::pending().await;
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn check(core: &Arc<Core>) -> Result<(), Closed> {
    if ablation::is_off(Rule::R2) {
        return Ok(());
    }
    let last = core.guard.lock().await.last().filter(|_| !ablation::is_off(Rule::G3));
    if let Some((size, root)) = last {
        compare(core, "the sign guard", size, root).await?;
    }
    let mut reached = Vec::new();
    let mut unreached = Vec::new();
    let mut reasons = Vec::new();
    for witness in core.options.policy.witnesses() {
        match ask(core, witness).await? {
            Ok(remembered) => {
                if let Some(checkpoint) = remembered {
                    compare(core, &format!("witness {}", witness.name), checkpoint.size, checkpoint.root)
                        .await?;
                }
                reached.push(witness.name.as_str());
            }
            Err(error) => {
                unreached.push(witness.name.as_str());
                reasons.push(format!("{}: {error}", witness.name));
            }
        }
    }
    // Two quorums of a policy need not share a witness (`any` of three): what those who were not reached could have cosigned
    // among themselves is not known.
    let policy = &core.options.policy;
    let none_needed = policy.quorum_met_by(&[]);
    if none_needed || (policy.quorum_met_by(&reached) && !policy.quorum_met_by(&unreached)) {
        return Ok(());
    }
    Err(Closed::Wait(format!(
        "too few witnesses can be asked what they have cosigned ({})",
        reasons.join("; ")
    )))
}

/// What one witness remembers of this log; the inner error means that it cannot be asked now.
async fn ask(
    core: &Arc<Core>,
    witness: &PolicyWitness,
) -> Result<Result<Option<Checkpoint>, String>, Closed> {
    let Some(url) = &witness.url else { return Ok(Err("the policy has no URL for it".into())) };
    let url = format!("{}/{}/checkpoint", url.trim_end_matches('/'), origin_path(&core.options.origin));
    let timeout = Duration::from_millis(core.options.publish.witness_timeout_ms);
    let answer = match core.world.witnesses.get(&url, timeout).await {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(error)),
    };
    match answer.status {
        404 => Ok(Ok(None)),
        200 => Ok(read(core, witness, &answer.body).map(Some)),
        status => Ok(Err(format!("answered {status}"))),
    }
}

fn read(core: &Core, witness: &PolicyWitness, body: &[u8]) -> Result<Checkpoint, String> {
    let note = Note::parse(body).map_err(|e| e.to_string())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| e.to_string())?;
    if checkpoint.origin != core.options.origin {
        return Err(format!("it answered with a checkpoint of {}", checkpoint.origin));
    }
    let signed_by = |vkey: &Vkey| note.signatures().iter().any(|line| vkey.verify(note.text(), line).is_ok());
    if !signed_by(&witness.vkey) || !log_keys(core)?.iter().any(signed_by) {
        return Err("its checkpoint is not signed by it and by this log".into());
    }
    Ok(checkpoint)
}

/// The keys that this log has or had, and those that this node holds: what a witness remembers may be older than the last
/// rotation, or newer than what this node has applied so far.
fn log_keys(core: &Core) -> Result<Vec<Vkey>, String> {
    let known = core.ledger.with_view(|view| ledger_state::log_keys(view)).map_err(|e| e.to_string())?;
    let known = known.0.iter().filter_map(|key| Vkey::parse(&key.vkey).ok());
    Ok(known.chain(core.options.signers().map(|key| key.vkey().clone())).collect())
}

async fn compare(core: &Arc<Core>, who: &str, size: u64, root: ledger_format::Hash) -> Result<(), Closed> {
    let ours = core.ledger.size();
    if size > ours {
        if core.majority_confirms_leader().await && size > core.ledger.size() {
            return Err(Closed::Never(format!(
                "{who} remembers {size} entries, this log has {}: committed entries are lost; see \"restoring\" in the operating manual",
                core.ledger.size()
            )));
        }
        return Err(Closed::Wait(format!("{who} remembers {size} entries, this node has {ours} so far")));
    }
    if size == 0 {
        return Ok(());
    }
    match core.ledger.root_at(size) {
        Ok(own) if own == root => Ok(()),
        Ok(_) => {
            // A node whose two trees differ has forked nothing: it is damaged, and that is the alarm it raises.
            core.checked_root().await.map_err(|error| Closed::Wait(error.to_string()))?;
            Err(Closed::Never(format!("{who} remembers another tree of {size} entries than this node has")))
        }
        Err(error) => Err(Closed::Wait(error.to_string())),
    }
}
