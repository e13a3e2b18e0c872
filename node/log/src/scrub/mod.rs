//! The background scrub: what is at rest is read again, slowly, and compared (rule R3).
//!
//! Bundles against level-0 tiles, tiles against their parents. What does not fit is replaced by a peer's copy that
//! proves itself against the published, witnessed root; nothing is ever repaired from a guess. Then the files of the
//! engine, against their checksums.

mod engine;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ledger_format::{
    BundleId, Hash, HashReader as _, TILE_WIDTH, TileId, encode_tile, leaf_hash, parse_bundle, parse_tile,
    tile_root, verify_subtree,
};

use crate::{
    alarm::{AlarmKind, Cause},
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

/// Scrubs for ever. The engine is read beside the rest: it may be large, and a bundle that a reader found damaged does not wait.
pub(crate) async fn run(core: Arc<Core>) {
    let kept = async {
        loop {
            pass(&core).await;
            if !rest(&core).await {
                return;
            }
        }
    };
    tokio::join!(kept, engine::run(&core));
}

/// One pass over tiles and bundles. When it has left nothing damaged, the alarm goes: the scrub's own, and the one of a reader that
/// came upon something before all of it was looked at.
async fn pass(core: &Arc<Core>) {
    let found = core.alarms.text(AlarmKind::Corruption, Cause::Reader);
    if !files(core).await {
        return;
    }
    core.alarms.lower_for(AlarmKind::Corruption, Cause::Scrub);
    if core.alarms.text(AlarmKind::Corruption, Cause::Reader) == found {
        core.alarms.lower_for(AlarmKind::Corruption, Cause::Reader);
    }
}

/// Waits for the next pass; false when consensus has stopped and nothing is to be scrubbed any more.
async fn rest(core: &Core) -> bool {
    let start = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        if core.stopped.get().is_some() {
            return false;
        }
        // What a pass can end; a damaged snapshot stands until the next start.
        let causes = [Cause::Reader, Cause::Scrub, Cause::Engine];
        let damaged = causes.iter().any(|cause| core.alarms.text(AlarmKind::Corruption, *cause).is_some());
        if start.elapsed() >= if damaged { BETWEEN_PASSES_DAMAGED } else { BETWEEN_PASSES } {
            return true;
        }
    }
}

/// Reads all tiles and bundles below the published size, from the bottom up. Whether they are whole now: as they were, or repaired.
async fn files(core: &Arc<Core>) -> bool {
    let pause = Duration::from_millis(core.options.limits.scrub_pause_ms);
    let mut whole = true;
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
                whole &= repair(core, level, index, whole).await;
            }
            core.metrics.scrubbed.inc();
            tokio::time::sleep(pause).await;
        }
        count /= TILE_WIDTH;
        level += 1;
    }
    whole
}

/// Repairs what does not fit; true when that is done. The alarm of what this pass, or the one before, could not repair is left as it
/// is: what lies above a damaged tile does not fit for its sake.
async fn repair(core: &Arc<Core>, level: u8, index: u64, whole: bool) -> bool {
    let what = if level == 0 { format!("bundle or tile 0/{index}") } else { format!("tile {level}/{index}") };
    let alarm = |text: String| core.alarms.raise_for(AlarmKind::Corruption, Cause::Scrub, text);
    let is_first = core.alarms.text(AlarmKind::Corruption, Cause::Scrub).is_none();
    if is_first {
        alarm(format!("{what} is damaged on disk"));
    }
    let repaired =
        if level == 0 { repair_bundle(core, index).await } else { repair_parent(&core.ledger, level, index) };
    match repaired {
        Ok(()) => {
            core.ledger.forget_cached_files();
            if is_first {
                core.alarms.lower_for(AlarmKind::Corruption, Cause::Scrub);
            }
            if core
                .alarms
                .text(AlarmKind::Corruption, Cause::Reader)
                .is_some_and(|text| is_of(&text, level, index))
            {
                core.alarms.lower_for(AlarmKind::Corruption, Cause::Reader);
            }
            core.metrics.repaired.inc();
            tracing::warn!(log = %core.name, "{what} was damaged and is repaired");
            true
        }
        Err(error) => {
            if whole {
                alarm(format!("{what} is damaged and cannot be repaired: {error}"));
            }
            false
        }
    }
}

/// Whether a reader's alarm is about this tile, or the bundle below it.
fn is_of(text: &str, level: u8, index: u64) -> bool {
    let about = |path: String| text.strip_prefix(&path).is_some_and(|rest| rest.starts_with(':'));
    about(TileId { level, index, width: WIDTH }.path())
        || level == 0 && about(BundleId { index, width: WIDTH }.path())
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
    // A tile below may be one that no peer could repair, and reads like any other.
    if !is_root(ledger, level, index, tile_root(&computed)).map_err(|e| e.to_string())? {
        return Err(
            "what the tiles below it give is not what the log has there: one of them is damaged".into()
        );
    }
    let path = TileId { level, index, width: WIDTH }.path();
    ledger.files().replace(&path, &encode_tile(&computed)).map_err(|e| e.to_string())
}

/// Whether this is the root of a full tile: as the tile above says or, where that one is damaged too, as the tree further up says of
/// the tile above with this root in its place.
fn is_root(ledger: &Ledger, level: u8, index: u64, root: Hash) -> Result<bool, LedgerError> {
    let unknown = match ledger.hashes().subtree(8 * (level + 1), index) {
        Ok(known) => return Ok(known == root),
        Err(error) => error,
    };
    let above = index / TILE_WIDTH;
    let mut row = Vec::with_capacity(TILE_WIDTH as usize);
    for beside in above * TILE_WIDTH..(above + 1) * TILE_WIDTH {
        match file_tile(ledger, level, beside)? {
            _ if beside == index => row.push(root),
            Some(tile) => row.push(tile_root(&tile)),
            None => return Err(unknown),
        }
    }
    is_root(ledger, level + 1, above, tile_root(&row))
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

#[cfg(test)]
mod tests {
    use ledger_format::leaf_hash;
    use ledger_store::{EngineKind, EngineOptions};

    use super::*;
    use crate::alarm::Alarms;

    fn path(level: u8, index: u64) -> String {
        TileId { level, index, width: WIDTH }.path()
    }

    fn put(ledger: &Ledger, level: u8, index: u64, tile: &[Hash]) -> Hash {
        ledger.files().replace(&path(level, index), &encode_tile(tile)).unwrap();
        tile_root(tile)
    }

    fn flip(ledger: &Ledger, level: u8, index: u64) {
        let mut bytes = ledger.files().read(&path(level, index)).unwrap().unwrap();
        bytes[1_000] ^= 1;
        ledger.files().replace(&path(level, index), &bytes).unwrap();
        ledger.forget_cached_files();
    }

    fn any_tile(level: u8, index: u64) -> Vec<Hash> {
        (0..TILE_WIDTH).map(|at| leaf_hash(format!("{level} {index} {at}").as_bytes())).collect()
    }

    /// The tiles of a log so large that it has a full tile of that level; of those below, the ones of its first branch only.
    fn tree(dir: &std::path::Path, top: u8) -> Arc<Ledger> {
        let engine = ledger_store::open(EngineKind::Memory, dir, &EngineOptions::default()).unwrap();
        let ledger = Ledger::open_unloaded(dir, engine, Arc::new(Alarms::default())).unwrap();
        let mut first = any_tile(0, 0);
        for level in 0..top {
            let others = (1..TILE_WIDTH).map(|index| put(&ledger, level, index, &any_tile(level, index)));
            first = [put(&ledger, level, 0, &first)].into_iter().chain(others).collect();
        }
        put(&ledger, top, 0, &first);
        ledger.adopt_files(TILE_WIDTH.pow(u32::from(top) + 1)).unwrap();
        ledger
    }

    #[test]
    fn a_tile_is_computed_anew_only_where_it_gives_what_lies_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = tree(dir.path(), 1);
        let good = ledger.files().read(&path(1, 0)).unwrap();
        assert!(parent_fits(&ledger, 1, 0).unwrap());
        flip(&ledger, 1, 0);
        repair_parent(&ledger, 1, 0).unwrap();
        assert_eq!(ledger.files().read(&path(1, 0)).unwrap(), good);

        // Nobody could repair the one below: it is as long as it should be, and wrong.
        flip(&ledger, 0, 7);
        assert!(!parent_fits(&ledger, 1, 0).unwrap());
        let refused = repair_parent(&ledger, 1, 0).unwrap_err();
        assert!(refused.contains("one of them is damaged"), "{refused}");
        assert_eq!(
            ledger.files().read(&path(1, 0)).unwrap(),
            good,
            "the right one is replaced by a wrong one"
        );
    }

    #[test]
    fn a_tile_and_the_one_above_it_are_computed_anew_together() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = tree(dir.path(), 2);
        let good = [path(1, 0), path(2, 0)].map(|path| ledger.files().read(&path).unwrap());
        flip(&ledger, 1, 0);
        flip(&ledger, 2, 0);
        repair_parent(&ledger, 1, 0).unwrap();
        repair_parent(&ledger, 2, 0).unwrap();
        assert_eq!([path(1, 0), path(2, 0)].map(|path| ledger.files().read(&path).unwrap()), good);

        flip(&ledger, 2, 0);
        flip(&ledger, 0, 7);
        flip(&ledger, 1, 0);
        let bad = ledger.files().read(&path(1, 0)).unwrap();
        assert!(repair_parent(&ledger, 1, 0).is_err());
        assert_eq!(ledger.files().read(&path(1, 0)).unwrap(), bad);
    }
}
