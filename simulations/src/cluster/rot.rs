//! Bits that flip on one machine: at rest in whatever the node reads, and in its memory.
//!
//! It is one machine of a run, as what a majority has alike is the log. The state engine and the Raft log keep checksums, so what rots
//! there is found when it is read; tiles and bundles are checked against each other; the sign guard against the tree. Two flips are
//! found by the rules alone: in the tree that a node keeps in memory, and in the log's time before the engine made its checksum.

use std::path::{Path, PathBuf};

use ledger_format::{BundleId, TILE_WIDTH, TileId};
use ledger_log::LogStatus;
use ledger_state::keys;
use ledger_store::Space;

use super::{
    machine::{Down, Machine},
    plan::Luck,
    site::Cluster,
};
use crate::dice::Dice;

/// Where a bit flips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rot {
    /// In a value of the state engine.
    Value,
    /// In a tile or a bundle.
    File,
    /// In the older half of the Raft log.
    RaftLog,
    /// In what was last acknowledged to Raft, where the log ends.
    RaftLogEnd,
    /// In the memory of a witness, not on the machine.
    Witness,
    /// In a Raft snapshot.
    Snapshot,
    /// In the sign guard.
    Guard,
    /// In the log's time as the state has it, so that this node's entries become other ones.
    Time,
    /// In the tree in memory.
    Tree,
}

const KINDS: [Rot; 9] = [
    Rot::Value,
    Rot::File,
    Rot::RaftLog,
    Rot::RaftLogEnd,
    Rot::Snapshot,
    Rot::Guard,
    Rot::Time,
    Rot::Tree,
    Rot::Witness,
];
/// Less of a Raft log is left alone.
const RAFT_LOG_BYTES_MIN: usize = 4_096;
/// What counts as the end of a Raft log: no frame is shorter than its header.
const END_BYTES: usize = 24;
/// Full tiles of a run, at each level.
const TILES_MAX: u64 = 16;

/// A tile or bundle in which a bit has flipped, and what it was.
pub(super) struct RottenFile {
    node: u64,
    path: PathBuf,
    kept: Kept,
    good: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Kept {
    Tile(TileId),
    Bundle(BundleId),
}

impl Cluster {
    /// A bit flips on the machine that has bad luck in this run.
    pub(super) async fn flip_a_bit(&mut self) -> Result<(), String> {
        let running: Vec<u64> = self.running().collect();
        let Some(id) = self.victim.or_else(|| self.dice.pick(&running).copied()) else { return Ok(()) };
        self.victim = Some(id);
        if self.retired.contains(&id) {
            return Ok(());
        }
        let rot = match self.plan.luck() {
            Luck::Rot => self.dice.pick(&KINDS).copied().unwrap_or(Rot::Tree),
            _ => Rot::Tree,
        };
        if rot == Rot::Witness {
            return self.flip_in_a_witness();
        }
        let while_down = match rot {
            Rot::RaftLog | Rot::RaftLogEnd | Rot::Guard | Rot::Time => true,
            Rot::Value | Rot::File | Rot::Snapshot => self.dice.once_in(1, 2),
            Rot::Tree | Rot::Witness => false,
        };
        // Where a call of the disk has failed, what came last may never have been acknowledged; a power cut may have taken the mark.
        let machine = &self.machines[&id];
        let knows_its_end = machine.log.is_some() && !machine.disk.hit();
        if while_down {
            self.stop(id, Down::Kill).await;
        }
        if !self.flip(id, rot)? {
            return Ok(());
        }
        {
            let mut facts = self.seen.facts();
            facts.rotten.insert(id);
            if matches!(rot, Rot::Guard | Rot::Time) {
                facts.contradicting.insert(id);
            }
        }
        if matches!(rot, Rot::Value | Rot::RaftLog | Rot::RaftLogEnd | Rot::Guard | Rot::Time) {
            self.lasting.insert(id);
        }
        if rot == Rot::RaftLogEnd && knows_its_end {
            self.must_refuse.insert(id);
        }
        let when = if while_down { "while it is down" } else { "while it runs" };
        self.history.tell(&format!("a bit flips on node {id}: {rot:?}, {when}"));
        if rot == Rot::Time && self.dice.once_in(1, 2) {
            // A follower finds it with the next checkpoint of a leader that is right (S5). As the leader it makes the entries (G2).
            self.start(id).await?;
            self.hand_over_to(id);
        }
        Ok(())
    }

    /// False where there is nothing of the kind.
    fn flip(&mut self, id: u64, rot: Rot) -> Result<bool, String> {
        let (dice, machine) = (&mut self.dice, &self.machines[&id]);
        let dir = &machine.dir;
        match rot {
            Rot::Value => Ok(machine.flip_value(dice)),
            Rot::RaftLog => Ok(machine.flip_raft_log(dice)),
            Rot::RaftLogEnd => Ok(machine.flip_end_of_raft_log(dice)),
            Rot::Witness => Ok(false),
            Rot::Snapshot => {
                flip_one_of(files_below(&dir.join("snapshots")), dice).map(|path| path.is_some())
            }
            Rot::Guard => flip_one_of(vec![dir.join("sign-guard")], dice).map(|path| path.is_some()),
            Rot::Time => Ok(machine.flip_time(dice)),
            Rot::Tree => Ok(machine
                .log
                .as_ref()
                .is_some_and(|log| log.flip_in_memory(usize::try_from(dice.below(256)).unwrap_or(0)))),
            Rot::File => {
                let root = dir.join("tiles");
                let known = |path: &PathBuf| self.rotten_files.iter().any(|file| file.path == *path);
                let files = files_below(&root).into_iter().filter(|path| !known(path)).collect();
                let Some((path, good)) = flip_one_of(files, dice)? else { return Ok(false) };
                let Some(kept) = kept_in(&root, &path) else { return Ok(false) };
                self.rotten_files.push(RottenFile { node: id, path, kept, good });
                Ok(true)
            }
        }
    }

    /// In one copy of what a witness remembers, or in both copies of where a file of it begins.
    fn flip_in_a_witness(&mut self) -> Result<(), String> {
        let place = usize::try_from(self.dice.below(3)).unwrap_or(0);
        let both = self.dice.once_in(1, 3);
        self.witnesses.stop(place);
        if let Some(what) = self.witnesses.rot(place, both, &mut self.dice)? {
            self.history.tell(&format!("witness {} loses power, and {what}", place + 1));
        }
        Ok(())
    }

    /// Asks every node for what has rotted there: it answers with what was there before, or not at all.
    pub(super) fn read_what_rotted(&self) {
        for file in &self.rotten_files {
            let Some(log) = self.machines[&file.node].log.as_ref() else { continue };
            let reader = log.reader();
            let read = match file.kept {
                Kept::Tile(id) => reader.tile(id),
                Kept::Bundle(id) => reader.bundle(id),
            };
            if let Ok(Some(bytes)) = read
                && bytes != file.good
            {
                let what = format!("node {} serves {} with other bytes", file.node, file.name());
                self.seen.facts().wrong.push(what);
            }
        }
    }

    /// At the end nothing rots unnoticed where somebody would read it.
    pub(super) fn find_what_rotted(&self) {
        for file in &self.rotten_files {
            let Some(log) = self.machines[&file.node].log.as_ref() else { continue };
            let repaired = std::fs::read(&file.path).is_ok_and(|bytes| bytes == file.good);
            let LogStatus { raft_state, alarms, .. } = log.status();
            let alarmed = alarms.iter().any(|alarm| alarm.starts_with("corruption"));
            if !repaired && !alarmed && raft_state != "stopped" {
                let what = format!("node {} goes on with {} and knows nothing of it", file.node, file.name());
                self.seen.facts().wrong.push(what);
            }
        }
    }
}

impl RottenFile {
    fn name(&self) -> String {
        match self.kept {
            Kept::Tile(id) => id.path(),
            Kept::Bundle(id) => id.path(),
        }
    }
}

impl Machine {
    fn flip_value(&self, dice: &mut Dice) -> bool {
        let image = self.engine.image();
        let Some((space, key, value)) = dice.pick(&image).cloned() else { return false };
        self.engine.rot(space, key, value);
        true
    }

    fn flip_raft_log(&self, dice: &mut Dice) -> bool {
        let Some((path, mut bytes, written)) = self.last_segment() else { return false };
        if written < RAFT_LOG_BYTES_MIN {
            return false;
        }
        flip_in(&mut bytes[..written / 2], dice);
        self.disk.set_bytes(&path, bytes);
        true
    }

    /// Within the last frame, or in the one before where that one is shorter.
    fn flip_end_of_raft_log(&self, dice: &mut Dice) -> bool {
        let Some((path, mut bytes, written)) = self.last_segment() else { return false };
        if written < RAFT_LOG_BYTES_MIN {
            return false;
        }
        flip_in(&mut bytes[written - END_BYTES..written], dice);
        self.disk.set_bytes(&path, bytes);
        true
    }

    /// The last file of the Raft log, what is in it, and how much of that is written.
    fn last_segment(&self) -> Option<(PathBuf, Vec<u8>, usize)> {
        let segments =
            self.disk.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "seg"));
        let path = segments.max()?;
        let bytes = self.disk.bytes(&path)?;
        let written = bytes.iter().rposition(|byte| *byte != 0)? + 1;
        Some((path, bytes, written))
    }

    /// The log's time becomes later by half an hour at least: an earlier one is corrected by the next command.
    fn flip_time(&self, dice: &mut Dice) -> bool {
        let image = self.engine.image();
        let is_time = |pair: &&(Space, Vec<u8>, Vec<u8>)| pair.0 == Space::State && pair.1 == keys::SERVICE;
        let Some((space, key, value)) = image.iter().find(is_time) else { return false };
        // A version, then the time, seven bits a byte, the lowest first.
        let zero = |at: &(usize, u32)| value.get(at.0).is_some_and(|byte| byte >> at.1 & 1 == 0);
        let bits: Vec<(usize, u32)> =
            (4..6).flat_map(|byte| (0..7).map(move |bit| (byte, bit))).filter(zero).collect();
        let Some((byte, bit)) = dice.pick(&bits).copied() else { return false };
        let mut later = value.clone();
        later[byte] |= 1 << bit;
        self.engine.rot_unseen(*space, key, later);
        true
    }
}

pub(super) fn flip_in(bytes: &mut [u8], dice: &mut Dice) {
    let at = usize::try_from(dice.below(bytes.len() as u64 * 8)).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(at / 8) {
        *byte ^= 1 << (at % 8);
    }
}

/// Flips a bit in one of the files; which one, and what was in it.
fn flip_one_of(files: Vec<PathBuf>, dice: &mut Dice) -> Result<Option<(PathBuf, Vec<u8>)>, String> {
    let Some(path) = dice.pick(&files).cloned() else { return Ok(None) };
    let Ok(good) = std::fs::read(&path) else { return Ok(None) };
    let mut bytes = good.clone();
    flip_in(&mut bytes, dice);
    std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
    Ok(Some((path, good)))
}

/// All files below a directory, sorted.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(dir) else { return Vec::new() };
    let paths = listing.filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

/// Which full tile or bundle lies at a path below `root`.
fn kept_in(root: &Path, path: &Path) -> Option<Kept> {
    let name = path.strip_prefix(root).ok()?.to_str()?.to_owned();
    let width = u16::try_from(TILE_WIDTH).ok()?;
    let bundles = (0..TILES_MAX).map(|index| BundleId { index, width });
    let tiles = (0..3).flat_map(|level| (0..TILES_MAX).map(move |index| TileId { level, index, width }));
    let bundle = bundles.into_iter().find(|id| id.path() == name).map(Kept::Bundle);
    bundle.or_else(|| tiles.into_iter().find(|id| id.path() == name).map(Kept::Tile))
}
