//! Entry 0 of a new log: who runs it, under which keys, policy and limits.

use std::{sync::Arc, time::Duration};

use ledger_format::record::{Actor, Body, Draft, GenesisLimits, LogGenesis, Ulid};
use ledger_format::{Checkpoint, Note};
use ledger_state::{Command, Outcome, Private};

use crate::hosted::Core;

/// Between two looks whether this node leads a log without genesis.
const POLL: Duration = Duration::from_millis(20);
/// Incarnation of the members that begin a cluster: the same for all, so that a second leader can finish what the first began.
const FIRST_HOUR: u128 = 0;
/// Which algorithm computes trust scores in a new log.
const TRUST_ALGORITHM: &str = "maip-trust/1";

/// Waits until the log has its genesis entry; writes it if this node leads.
pub(crate) async fn run(core: Arc<Core>) {
    while core.ledger.size() == 0 {
        if core.confirmed_leader().await && core.ledger.size() == 0 && *core.fence.borrow() {
            match write(&core).await {
                Ok(()) => tracing::info!(log = %core.name, origin = core.options.origin, "the log has begun"),
                Err(error) => tracing::warn!(log = %core.name, "genesis not written: {error}"),
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn write(core: &Arc<Core>) -> Result<(), String> {
    for member in core.voters() {
        // Members of the first hour take their ids into use like everybody after them (rule L3).
        register_node_id(core, member.id, FIRST_HOUR).await?;
    }
    let record = genesis(core);
    let command = Command::Append { log_ms: core.world.clock.now_ms(), records: vec![record] };
    let outcomes = core.propose(&command).await.map_err(|e| e.to_string())?;
    match outcomes.first() {
        Some(Outcome::Sequenced { .. }) => Ok(()),
        Some(Outcome::Rejected(rejection)) => Err(rejection.to_string()),
        other => Err(format!("unexpected outcome {other:?}")),
    }
}

/// Takes a node id into use, once and for ever.
pub(crate) async fn register_node_id(core: &Arc<Core>, id: u64, incarnation: u128) -> Result<(), String> {
    let command = Command::Private(Private::NodeId { id, incarnation });
    let outcomes = core.propose(&command).await.map_err(|e| e.to_string())?;
    match outcomes.first() {
        Some(Outcome::Rejected(rejection)) => Err(rejection.to_string()),
        _ => Ok(()),
    }
}

/// A new log may follow another one, not itself, and names a checkpoint of it (rule R4).
pub(crate) fn check_predecessor(note: &str, origin: &str) -> Result<(), String> {
    let note = Note::parse(note.as_bytes()).map_err(|e| format!("not a signed checkpoint: {e}"))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| format!("not a signed checkpoint: {e}"))?;
    if checkpoint.origin == origin {
        return Err(
            "a log that has lost entries never goes on under its origin; give the new one another".into()
        );
    }
    if checkpoint.size == 0 { Err("a checkpoint of no entries precedes nothing".into()) } else { Ok(()) }
}

fn genesis(core: &Core) -> Vec<u8> {
    let options = &core.options;
    let body = Body::LogGenesis(Box::new(LogGenesis {
        limits: GenesisLimits::default(),
        log_keys: vec![options.signer.vkey().to_string()],
        operator_key: options.operator.public(),
        origin: options.origin.clone(),
        policy: options.policy_text.clone(),
        predecessor: options.predecessor.clone(),
        trust_algorithm: TRUST_ALGORITHM.into(),
    }));
    let now_ms = core.world.clock.now_ms();
    // Derived, not drawn: apply takes only the first genesis, and this code needs no source of randomness.
    let digest = blake3::hash(options.origin.as_bytes());
    let random =
        u128::from_be_bytes(*digest.as_bytes().first_chunk().expect("a digest is longer than 16 bytes"));
    Draft::new(Ulid(0), Ulid::from_parts(now_ms, random), Actor::Operator, now_ms, body)
        .sign(&options.operator)
        .to_bytes()
}
