//! The background scrub: what is at rest is read again, slowly, and compared (rule R3).
//!
//! Bundles against level-0 tiles, tiles against their parents. What does not fit is replaced by a peer's copy that
//! proves itself against the published, witnessed root; nothing is ever repaired from a guess. Then the files of the
//! engine, against their checksums.

mod engine;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use ledger_format::{
    BundleId, Hash, TILE_WIDTH, TileId, encode_tile, leaf_hash, parse_bundle, parse_tile, tile_root,
    verify_subtree,
};

use crate::{
    alarm::AlarmKind,
    hosted::Core,
    ledger::{Ledger, LedgerError},
};

/// Between two passes over everything.
const BETWEEN_PASSES: Duration = Duration::from_secs(60);
/// The same while something is known to be damaged: a reader found it, or nobody could repair it yet.
const BETWEEN_PASSES_DAMAGED: Duration = Duration::from_secs(5);
/// How often it is looked whether a reader found damage.
const LOOK: Duration = Duration::from_millis(500);
const WIDTH: u16 = TILE_WIDTH as u16;

/// What is known to be damaged and is not repaired: the alarm goes when nothing is left.
#[derive(Default)]
struct Standing {
    files: Option<String>,
    engine: Option<String>,
}

type Shared = Mutex<Standing>;

fn lock(standing: &Shared) -> MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lowers the alarm, unless something else is damaged still.
fn lower(core: &Core, standing: &Shared) {
    let standing = lock(standing);
    match standing.files.as_ref().or(standing.engine.as_ref()) {
        Some(what) => core.alarms.raise(AlarmKind::Corruption, what.as_str()),
        None => core.alarms.lower(AlarmKind::Corruption),
    }
}

/// Scrubs for ever. The engine is read beside the rest: it may be large, and a bundle that a reader found damaged does not wait.
pub(crate) async fn run(core: Arc<Core>) {
    let standing = Shared::default();
    let kept = async {
        loop {
            lock(&standing).files = None;
            let unrepaired = files(&core, &standing).await;
            lock(&standing).files = unrepaired;
            if !rest(&core).await {
                return;
            }
        }
    };
    tokio::join!(kept, engine::run(&core, &standing));
}

/// Waits for the next pass; false when consensus has stopped and nothing is to be scrubbed any more.
async fn rest(core: &Core) -> bool {
    let start = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        if core.stopped.get().is_some() {
            return false;
        }
        let damaged = core.alarms.is_standing(AlarmKind::Corruption);
        if start.elapsed() >= if damaged { BETWEEN_PASSES_DAMAGED } else { BETWEEN_PASSES } {
            return true;
        }
    }
}

/// One pass over all tiles and bundles below the published size. What could not be repaired, if anything.
async fn files(core: &Arc<Core>, standing: &Shared) -> Option<String> {
    let pause = Duration::from_millis(core.options.limits.scrub_pause_ms);
    let mut unrepaired = None;
    let mut level = 0_u8;
    let mut count = core.ledger.filed().min(core.published_size()) / TILE_WIDTH;
    while count > 0 {
        for index in 0..count {
            let good = if level == 0 {
                bundle_fits(&core.ledger, index)
            } else {
                parent_fits(&core.ledger, level, index)
            };
            if !matches!(good, Ok(true)) {
                let what = if level == 0 {
                    format!("bundle or tile 0/{index}")
                } else {
                    format!("tile {level}/{index}")
                };
                core.alarms.raise(AlarmKind::Corruption, format!("{what} is damaged on disk"));
                let repaired = if level == 0 {
                    repair_bundle(core, index).await
                } else {
                    repair_parent(&core.ledger, level, index)
                };
                match repaired {
                    Ok(()) => {
                        core.metrics.repaired.inc();
                        core.ledger.forget_cached_files();
                        lower(core, standing);
                        tracing::warn!(log = %core.name, "{what} was damaged and is repaired");
                    }
                    Err(error) => {
                        let what = format!("{what} is damaged and cannot be repaired: {error}");
                        core.alarms.raise(AlarmKind::Corruption, what.clone());
                        unrepaired = Some(what);
                    }
                }
            }
            core.metrics.scrubbed.inc();
            tokio::time::sleep(pause).await;
        }
        count /= TILE_WIDTH;
        level += 1;
    }
    unrepaired
}

fn file_tile(ledger: &Ledger, level: u8, index: u64) -> Result<Option<Vec<Hash>>, LedgerError> {
    let bytes = ledger.files().read(&TileId { level, index, width: WIDTH }.path())?;
    Ok(bytes.and_then(|bytes| parse_tile(&bytes, WIDTH).ok()))
}

fn bundle_leaves(bundle: &[u8]) -> Option<Vec<Hash>> {
    Some(parse_bundle(bundle, WIDTH).ok()?.into_iter().map(leaf_hash).collect())
}

fn bundle_fits(ledger: &Ledger, index: u64) -> Result<bool, LedgerError> {
    let bundle = ledger.files().read(&BundleId { index, width: WIDTH }.path())?;
    let leaves = bundle.as_deref().and_then(bundle_leaves);
    Ok(leaves.is_some() && leaves == file_tile(ledger, 0, index)?)
}

/// The tile above, computed from the tiles below it.
fn from_children(ledger: &Ledger, level: u8, index: u64) -> Result<Option<Vec<Hash>>, LedgerError> {
    let mut row = Vec::with_capacity(TILE_WIDTH as usize);
    for child in index * TILE_WIDTH..(index + 1) * TILE_WIDTH {
        let Some(tile) = file_tile(ledger, level - 1, child)? else { return Ok(None) };
        row.push(tile_root(&tile));
    }
    Ok(Some(row))
}

fn parent_fits(ledger: &Ledger, level: u8, index: u64) -> Result<bool, LedgerError> {
    let computed = from_children(ledger, level, index)?;
    Ok(computed.is_some() && computed == file_tile(ledger, level, index)?)
}

/// The first full tile of a log of `size` entries that does not fit what lies below it; what a node that does not open says.
/// Looks only where opening reads: the right edge of each level.
pub(crate) fn damaged_at_edge(ledger: &Ledger, size: u64) -> Option<String> {
    let mut count = size / TILE_WIDTH;
    for level in 0_u8.. {
        if count == 0 {
            break;
        }
        for index in count / TILE_WIDTH * TILE_WIDTH..count {
            let fits =
                if level == 0 { bundle_fits(ledger, index) } else { parent_fits(ledger, level, index) };
            if !matches!(fits, Ok(true)) {
                return Some(TileId { level, index, width: WIDTH }.path());
            }
        }
        count /= TILE_WIDTH;
    }
    None
}

fn repair_parent(ledger: &Ledger, level: u8, index: u64) -> Result<(), String> {
    let computed = from_children(ledger, level, index).map_err(|e| e.to_string())?;
    let computed = computed.ok_or("a tile below it is damaged too; it is repaired first")?;
    // The children were compared with their bundles in this same pass, from the bottom up.
    let path = TileId { level, index, width: WIDTH }.path();
    ledger.files().replace(&path, &encode_tile(&computed)).map_err(|e| e.to_string())
}

/// Asks the other nodes for a bundle until one proves itself against the published root.
pub(crate) async fn repair_bundle(core: &Arc<Core>, index: u64) -> Result<(), String> {
    let published = core
        .ledger
        .published()
        .ok_or("nothing is published yet that a peer's copy could be checked against")?;
    let (size, root) = (published.checkpoint.size, published.checkpoint.root);
    let mut why = "there is no other node".to_owned();
    for peer in core.voters().into_iter().filter(|member| member.id != core.options.node_id) {
        let id = peer.id;
        match core.fetch_bundle(peer, index, size).await {
            Ok((bundle, proof)) => match install_bundle(&core.ledger, index, &bundle, &proof, size, root) {
                Ok(()) => return Ok(()),
                Err(error) => why = format!("node {id}: {error}"),
            },
            Err(error) => why = format!("node {id}: {error}"),
        }
    }
    Err(why)
}

fn install_bundle(
    ledger: &Ledger,
    index: u64,
    bundle: &Bytes,
    proof: &[Hash],
    size: u64,
    root: Hash,
) -> Result<(), String> {
    let leaves = bundle_leaves(bundle).ok_or("its bundle is malformed")?;
    let start = index * TILE_WIDTH;
    verify_subtree(start, start + TILE_WIDTH, size, proof, tile_root(&leaves), root)
        .map_err(|e| e.to_string())?;
    let replace =
        |path: String, bytes: &[u8]| ledger.files().replace(&path, bytes).map_err(|e| e.to_string());
    replace(BundleId { index, width: WIDTH }.path(), bundle)?;
    replace(TileId { level: 0, index, width: WIDTH }.path(), &encode_tile(&leaves))
}
