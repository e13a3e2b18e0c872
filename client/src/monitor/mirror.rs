//! The monitor's memory: a copy of the log in the published layout.
//!
//! ```text
//! <state>/checkpoint          the head: the last checkpoint that was checked in full; written last, atomically
//! <state>/tile/...            everything below it; files beyond the head are leftovers of a run that broke off
//! <state>/evidence-<size>.txt what convicts the log, if it was caught
//! ```
//!
//! So a second run reads only what is new, evidence can be made even when the log has replaced its past, and
//! `maip log fsck` and any static web server work on the directory.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use ledger_format::{
    BundleId, Frontier, Hash, TILE_WIDTH, TileId, encode_tile, full_tiles, push_bundle_entry, tile_root,
};

use crate::source::DirSource;

/// The directory could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct MirrorError {
    path: PathBuf,
    source: io::Error,
}

/// The files, and the right edge of the tree in memory.
#[derive(Debug)]
pub struct Mirror {
    dir: PathBuf,
    frontier: Frontier,
    /// The incomplete tile of each level, from level 0 up.
    edge: Vec<Vec<Hash>>,
    /// Entries of the incomplete bundle, encoded.
    bundle: Vec<u8>,
    /// Partial files of the head, to be removed once the next head is on disk.
    partial: Vec<PathBuf>,
}

impl Mirror {
    /// Opens (or makes) the directory; nothing is in memory yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(dir: &Path) -> Result<Self, MirrorError> {
        fs::create_dir_all(dir).map_err(|source| MirrorError { path: dir.into(), source })?;
        Ok(Self {
            dir: dir.into(),
            frontier: Frontier::new(),
            edge: vec![Vec::new()],
            bundle: Vec::new(),
            partial: Vec::new(),
        })
    }

    /// The directory as a source.
    pub fn source(&self) -> DirSource {
        DirSource::new(&self.dir)
    }

    /// Entries taken so far.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Root of the entries taken so far.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Takes the next entry. Full tiles and bundles go to disk at once, unless `known` says that they are there.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn push(&mut self, entry: &[u8], leaf: Hash, known: bool) -> Result<(), MirrorError> {
        let index = self.frontier.size();
        self.frontier.push(leaf);
        push_bundle_entry(&mut self.bundle, entry).expect("entries of a bundle are short enough");
        self.edge[0].push(leaf);
        if (index + 1).is_multiple_of(TILE_WIDTH) {
            let bundle = std::mem::take(&mut self.bundle);
            self.write(&BundleId { index: index / TILE_WIDTH, width: 256 }.path(), &bundle, known)?;
            self.carry(index + 1, known)?;
        }
        Ok(())
    }

    /// Completes the tiles that end at `size`, from level 0 up.
    fn carry(&mut self, size: u64, known: bool) -> Result<(), MirrorError> {
        let (mut level, mut ends) = (0u8, size / TILE_WIDTH);
        while self.edge[usize::from(level)].len() == 256 {
            let hashes = std::mem::take(&mut self.edge[usize::from(level)]);
            self.write(&TileId { level, index: ends - 1, width: 256 }.path(), &encode_tile(&hashes), known)?;
            level += 1;
            if self.edge.len() == usize::from(level) {
                self.edge.push(Vec::new());
            }
            self.edge[usize::from(level)].push(tile_root(&hashes));
            ends /= TILE_WIDTH;
        }
        Ok(())
    }

    fn write(&self, path: &str, bytes: &[u8], known: bool) -> Result<(), MirrorError> {
        if known { Ok(()) } else { write_atomically(&self.dir.join(path), bytes) }
    }

    /// Makes `note` the head: partial tiles first, the checkpoint last.
    ///
    /// # Errors
    /// When a file cannot be written; the old head then stays.
    pub fn commit(&mut self, note: &[u8]) -> Result<(), MirrorError> {
        let mut written = Vec::new();
        for (path, bytes) in self.partial_files() {
            let path = self.dir.join(path);
            write_atomically(&path, &bytes)?;
            written.push(path);
        }
        write_atomically(&self.dir.join("checkpoint"), note)?;
        for old in std::mem::replace(&mut self.partial, written) {
            if !self.partial.contains(&old) {
                // Leftovers do no harm.
                let _ = fs::remove_file(old);
            }
        }
        Ok(())
    }

    /// Says that the entries taken so far are the head's, whose files are on disk.
    pub fn adopt(&mut self) {
        self.partial = self.partial_files().into_iter().map(|(path, _)| self.dir.join(path)).collect();
    }

    /// The incomplete tiles and the incomplete bundle.
    fn partial_files(&self) -> Vec<(String, Vec<u8>)> {
        let size = self.size();
        let mut files = Vec::new();
        for (level, hashes) in (0u8..).zip(&self.edge).filter(|(_, hashes)| !hashes.is_empty()) {
            let id = TileId { level, index: full_tiles(level, size), width: width_of(hashes) };
            files.push((id.path(), encode_tile(hashes)));
        }
        if !self.bundle.is_empty() {
            let id = BundleId { index: size / TILE_WIDTH, width: width_of(&self.edge[0]) };
            files.push((id.path(), self.bundle.clone()));
        }
        files
    }

    /// Writes a file next to the head, for people: evidence, or what does not fit.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, MirrorError> {
        let path = self.dir.join(name);
        write_atomically(&path, bytes)?;
        Ok(path)
    }
}

fn width_of(hashes: &[Hash]) -> u16 {
    u16::try_from(hashes.len()).expect("an incomplete tile has fewer than 256 hashes")
}

/// Writes a file so that it is there whole or not at all, also after a power cut.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), MirrorError> {
    let run = || {
        let parent = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        let part = path.with_added_extension("part");
        let mut file = fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        fs::File::open(parent)?.sync_all()
    };
    run().map_err(|source| MirrorError { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsck::fsck;
    use ledger_format::{Checkpoint, NoteSigner, SignatureType, leaf_hash};

    #[test]
    fn a_mirror_is_a_log_directory() {
        let dir = tempfile::tempdir().unwrap();
        let signer = NoteSigner::new("t.example/log", SignatureType::Ed25519, [1; 32]).unwrap();
        let mut mirror = Mirror::open(dir.path()).unwrap();
        for until in [0u64, 1, 255, 256, 300, 600] {
            while mirror.size() < until {
                let entry = mirror.size().to_be_bytes();
                mirror.push(&entry, leaf_hash(&entry), false).unwrap();
            }
            let text = Checkpoint::new("t.example/log", mirror.size(), mirror.root()).to_string();
            let mut note = ledger_format::Note::new(text.clone());
            note.push(signer.sign(&text));
            mirror.commit(&note.to_bytes()).unwrap();
            let report = fsck(&mirror.source(), None, &mut |_, _| {}).unwrap();
            assert_eq!(report.size, until);
        }
        assert!(!dir.path().join("tile/0/000.p").join("1").exists(), "old partial tiles are removed");
    }
}
