//! One publication, step by step.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use ledger_format::{Checkpoint, Hash, Note, NoteSigner};
use ledger_state::{Command, Outcome};
use tokio::sync::{mpsc, watch};

use super::{
    age::Due,
    cosign::{Cosigned, Target, WitnessState, Worker, merge, nothing_to_sign},
};
use crate::{
    ablation::{self, Rule},
    alarm::AlarmKind,
    bytes_codec::Writer,
    hosted::Core,
    ledger::LedgerError,
    peer::Kind,
    publish::guard::GuardError,
};

/// How long a voter may take to compute a root.
const ROOT_VOTE_TIMEOUT: Duration = Duration::from_millis(1_000);
/// Answers of witnesses waiting to be merged.
const RESULTS_MAX: usize = 64;

/// Why a round ended without a checkpoint. Nothing is lost: entries stay sequenced, the last checkpoint is served on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RoundError {
    #[error("leadership is not confirmed")]
    NotLeader,
    #[error("only {agree} of {needed} needed voters confirmed the root")]
    RootVote { agree: usize, needed: usize },
    #[error("voters computed another root for {size} entries than this node")]
    RootDisagreement { size: u64 },
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("no log key of this node is in force: the configuration names retired keys only")]
    NoKey,
    #[error("the witness policy was not satisfied in time: {0}")]
    Witnesses(String),
    #[error("the checkpoint could not be committed: {0}")]
    Commit(String),
}

/// What a round needs beside the log: one worker a witness.
pub(crate) struct Publisher {
    targets: watch::Sender<Option<Arc<Target>>>,
    results: mpsc::Receiver<Cosigned>,
}

impl Publisher {
    /// Starts the workers.
    pub(crate) fn start(core: &Arc<Core>) -> Self {
        let (targets, _) = watch::channel(None);
        let (results_tx, results) = mpsc::channel(RESULTS_MAX);
        for (index, witness) in core.options.policy.witnesses().iter().enumerate() {
            let Some(url) = witness.url.clone() else { continue };
            let state = core.witness_states[index].clone();
            state.send_replace(WitnessState { name: witness.name.clone(), url, ..WitnessState::default() });
            let worker = Worker {
                core: core.clone(),
                witness: index,
                vkey: witness.vkey.clone(),
                state,
                targets: targets.subscribe(),
                results: results_tx.clone(),
            };
            core.spawn(worker.run());
        }
        Self { targets, results }
    }

    /// Publishes everything that is applied; whether there was anything to publish.
    pub(super) async fn round(&mut self, core: &Arc<Core>, due: Due) -> Result<bool, RoundError> {
        // G4: only with an entry of this term applied does this node hold everything that was ever signed.
        if !core.confirmed_leader().await {
            return Err(RoundError::NotLeader);
        }
        let term = core.term();
        // Tiles and state keep the tree apart from each other; what they agree on is not a flipped bit.
        let (size, root) = core.checked_root().await?;
        if nothing_to_sign(size, root) {
            return Ok(false);
        }
        root_vote(core, size, root).await?;
        let note = sign(core, size, root).await?;
        let note = self.cosign(core, Target { size, note, term }).await?;
        if due == Due::Bare && core.ledger.published().is_some_and(|last| last.note[..] == note.to_bytes()) {
            return Ok(false);
        }
        publish(core, &note).await?;
        Ok(true)
    }

    /// C3: merges cosignatures until the policy is satisfied.
    async fn cosign(&mut self, core: &Arc<Core>, target: Target) -> Result<Note, RoundError> {
        let mut note = target.note.clone();
        if core.options.policy.check(&note).is_ok() {
            return Ok(note);
        }
        let size = target.size;
        while self.results.try_recv().is_ok() {}
        self.targets.send_replace(Some(Arc::new(target)));
        let limit = Duration::from_millis(core.options.publish.witness_timeout_ms);
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            match tokio::time::timeout_at(deadline, self.results.recv()).await {
                Ok(Some(cosigned)) if cosigned.size == size => {
                    // A line of an earlier note of the same size covers the same text: Ed25519 notes are deterministic.
                    merge(&mut note, cosigned.line);
                    if core.options.policy.check(&note).is_ok() {
                        return Ok(note);
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        if core.options.fail_open {
            return Ok(note);
        }
        let why = core.witness_states.iter().filter_map(|state| {
            let state = state.borrow();
            (!state.last_error.is_empty()).then(|| format!("{}: {}", state.name, state.last_error))
        });
        Err(RoundError::Witnesses(why.collect::<Vec<_>>().join("; ")))
    }
}

/// G2: a majority of the voters, this node included, computed the same root.
async fn root_vote(core: &Arc<Core>, size: u64, root: Hash) -> Result<(), RoundError> {
    if ablation::is_off(Rule::G2) {
        return Ok(());
    }
    let voters = core.voters();
    let needed = voters.len() / 2 + 1;
    let mut agree = usize::from(voters.iter().any(|member| member.id == core.options.node_id));
    let body = Writer::default().u64(size).finish();
    let mut asked: FuturesUnordered<_> = voters
        .into_iter()
        .filter(|member| member.id != core.options.node_id)
        .map(|member| {
            let call = core.world.peers.call(
                &member,
                &core.group,
                Kind::RootVote as u32,
                body.clone(),
                ROOT_VOTE_TIMEOUT,
            );
            async move { (member.id, call.await) }
        })
        .collect();
    let mut differ = Vec::new();
    while agree < needed {
        match asked.next().await {
            Some((_, Ok(answer))) if answer[..] == root.0 => agree += 1,
            Some((id, Ok(_))) => differ.push(id),
            Some((_, Err(_))) => {}
            None => break,
        }
    }
    if !differ.is_empty() {
        let text = format!(
            "nodes {differ:?} computed another root for {size} entries than node {}",
            core.options.node_id
        );
        if agree >= needed {
            // They halt by themselves as soon as they apply the checkpoint (rule S5).
            tracing::error!(log = %core.name, "{text}; the majority agrees with this node");
            core.metrics.root_disagreements.inc();
        } else {
            core.alarms.raise(AlarmKind::RootVote, text);
            if differ.len() >= needed {
                core.halt("this node computed another root than the majority").await;
            }
            return Err(RoundError::RootDisagreement { size });
        }
    }
    if agree >= needed { Ok(()) } else { Err(RoundError::RootVote { agree, needed }) }
}

/// G3, G5: the guard moves, durably, before the signature exists; no extension lines.
async fn sign(core: &Arc<Core>, size: u64, root: Hash) -> Result<Note, RoundError> {
    let signers = signers_in_force(core)?;
    let mut guard = core.guard.lock().await;
    guard.advance(size, root, |n| core.ledger.root_at(n)).inspect_err(|error| {
        // A full disk, or a tile that the scrub repairs, must not stop this node until somebody restarts it.
        if error.disagrees() {
            core.alarms.raise(AlarmKind::SignGuard, error.to_string());
        }
    })?;
    let text = Checkpoint::new(core.options.origin.clone(), size, root).to_string();
    let mut note = Note::new(text);
    for signer in signers {
        let line = signer.sign(note.text());
        note.push(line);
    }
    Ok(note)
}

/// R5: during a rotation more than one key is in force, and this node may hold more than one.
fn signers_in_force(core: &Core) -> Result<Vec<&NoteSigner>, RoundError> {
    let in_force = core.ledger.with_view(|view| ledger_state::log_keys(view))?;
    let in_force = |key: &&NoteSigner| in_force.is_in_force(&key.vkey().to_string());
    let signers: Vec<&NoteSigner> = core.options.signers().filter(in_force).collect();
    if signers.is_empty() { Err(RoundError::NoKey) } else { Ok(signers) }
}

/// Makes the checkpoint durable on a majority before anybody serves it.
async fn publish(core: &Arc<Core>, note: &Note) -> Result<(), RoundError> {
    let command = Command::Publish { note: note.to_bytes() };
    let outcomes = core.propose(&command).await.map_err(|e| RoundError::Commit(e.to_string()))?;
    match outcomes.first() {
        Some(Outcome::Done) => Ok(()),
        Some(other) => Err(RoundError::Commit(format!("apply ignored it: {other:?}"))),
        None => Err(RoundError::Commit("apply gave no answer".into())),
    }
}
