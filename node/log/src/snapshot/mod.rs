//! Raft snapshots as files: a manifest and the small state, never the log itself (rule R1).
//!
//! ```text
//! "maip-snapshot/1\n"  u32 length, manifest  (u32 length, key, u32 length, value)*  u32 0xffffffff  BLAKE3 of all before
//! ```

mod durable;
mod own;
mod write;

use std::{
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use ledger_format::{Hash, TILE_WIDTH};
use ledger_state::{MemoryState, keys};
use ledger_store::Pair;

pub(crate) use durable::{keep, make_durable, remove};
pub(crate) use own::{Look, check_to_send, own};
pub(crate) use write::{SnapshotWriter, SnapshotWriters, Written, blocking};

use crate::{
    bytes_codec::{Malformed, Reader, Writer},
    ledger::LedgerError,
    raft::{codec, types::SnapshotMeta},
};

const MAGIC: &[u8] = b"maip-snapshot/1\n";
/// What snapshots of every version begin with.
const FAMILY: &[u8] = b"maip-snapshot/";
const END: u32 = u32::MAX;
/// One key or value; far above what the state machine writes.
const VALUE_BYTES_MAX: u32 = 64 << 20;
/// BLAKE3, at the end.
const CHECKSUM_BYTES: usize = 32;
/// What a snapshot that is being written is called at the end.
const UNFINISHED: &str = "tmp";

/// What a snapshot says of the log it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifest {
    /// Raft's part: last applied raft_entry and membership.
    pub(crate) meta: SnapshotMeta,
    /// Entries in the log.
    pub(crate) size: u64,
    /// Root at `size`.
    pub(crate) root: Hash,
    /// The entries behind the last full bundle, in bundle encoding.
    pub(crate) edge: Bytes,
}

impl Manifest {
    /// Index behind the last full bundle.
    pub(crate) fn full_until(&self) -> u64 {
        self.size / TILE_WIDTH * TILE_WIDTH
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut w = Writer::default();
        w.bytes(&codec::encode_snapshot_meta(&self.meta)).u64(self.size).raw(&self.root.0).bytes(&self.edge);
        w.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "snapshot manifest");
        let meta = codec::decode_snapshot_meta(r.bytes()?)?;
        let manifest = Self { meta, size: r.u64()?, root: r.hash()?, edge: r.bytes()? };
        r.end()?;
        Ok(manifest)
    }
}

/// Where the snapshot at `raft_index` is kept.
pub(crate) fn snapshot_path(dir: &Path, raft_index: u64) -> PathBuf {
    dir.join("snapshots").join(format!("{raft_index:020}.snapshot"))
}

/// The newest complete snapshot under `dir`.
pub(crate) fn newest(dir: &Path) -> Result<Option<PathBuf>, LedgerError> {
    Ok(list(dir)?.pop())
}

/// Complete snapshots under `dir`, the oldest first.
fn list(dir: &Path) -> Result<Vec<PathBuf>, LedgerError> {
    Ok(files(dir)?.into_iter().filter(|path| path.extension().is_some_and(|x| x == "snapshot")).collect())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, LedgerError> {
    let folder = dir.join("snapshots");
    let listing = match fs::read_dir(&folder) {
        Ok(listing) => listing,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(LedgerError::io("list", &folder, e)),
    };
    let mut paths: Vec<PathBuf> = listing.filter_map(Result::ok).map(|e| e.path()).collect();
    paths.sort();
    Ok(paths)
}

/// Removes all snapshots but the newest.
pub(crate) fn prune(dir: &Path) -> Result<(), LedgerError> {
    let mut paths = list(dir)?;
    paths.pop();
    for path in paths {
        match fs::remove_file(&path) {
            // Two snapshots that are finished at once remove the same ones.
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(LedgerError::io("remove", &path, e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes what was being written when the process ended. Nobody may be writing.
pub(crate) fn remove_unfinished(dir: &Path) -> Result<(), LedgerError> {
    for path in files(dir)?.into_iter().filter(|path| path.extension().is_some_and(|x| x == UNFINISHED)) {
        fs::remove_file(&path).map_err(|e| LedgerError::io("remove", &path, e))?;
    }
    Ok(())
}

/// A snapshot file being read. Its hash has been checked before the first pair is handed out, unless it was [`SnapshotFile::glance`]d at.
pub(crate) struct SnapshotFile {
    path: PathBuf,
    reader: BufReader<File>,
    manifest: Manifest,
}

impl SnapshotFile {
    /// Opens and verifies a snapshot.
    pub(crate) fn read(path: &Path) -> Result<Self, LedgerError> {
        Self::open(path, check_hash)
    }

    /// Opens a snapshot without a look at its hash, which takes long for a large one: nothing of it may be relied upon.
    fn glance(path: &Path) -> Result<Self, LedgerError> {
        Self::open(path, |_| Ok(()))
    }

    fn open(path: &Path, check: impl FnOnce(&Path) -> Result<(), LedgerError>) -> Result<Self, LedgerError> {
        let corrupt = |text: String| LedgerError::corrupt(path.display().to_string(), text);
        let file = File::open(path).map_err(|e| LedgerError::io("read", path, e))?;
        let mut reader = BufReader::new(file);
        let mut magic = [0; MAGIC.len()];
        read_exact(&mut reader, &mut magic, path)?;
        // Before the checksum: another version may have another one.
        if magic != MAGIC && magic.starts_with(FAMILY) {
            let (what, found) = (path.display().to_string(), String::from_utf8_lossy(&magic));
            return Err(LedgerError::Newer { what, reason: format!("it begins with {}", found.trim_end()) });
        }
        check(path)?;
        if magic != MAGIC {
            return Err(corrupt("it is no snapshot".into()));
        }
        let manifest = read_value(&mut reader, path)?.ok_or_else(|| corrupt("it has no manifest".into()))?;
        let manifest = Manifest::decode(manifest.into())
            .map_err(|e| LedgerError::malformed(path.display().to_string(), &e))?;
        Ok(Self { path: path.to_owned(), reader, manifest })
    }

    /// As [`SnapshotFile::read`], for a file that comes from elsewhere: every pair is read, and the state must be that of the manifest's
    /// log. What is wrong with a snapshot is found before anything of this node's own makes way for it.
    pub(crate) fn verify(path: &Path) -> Result<Manifest, LedgerError> {
        let corrupt = |text: &str| LedgerError::corrupt(path.display().to_string(), text);
        let mut file = Self::read(path)?;
        let (mut last, mut tree): (Option<Vec<u8>>, Option<Pair>) = (None, None);
        while let Some((key, value)) = file.next_pair()? {
            if last.is_some_and(|last| last >= key) {
                return Err(corrupt("its keys are out of order"));
            }
            if key == keys::TREE {
                tree = Some((key.clone(), value));
            }
            last = Some(key);
        }
        let mut checksum = Vec::new();
        let rest = file.reader.read_to_end(&mut checksum).map_err(|e| LedgerError::io("read", path, e))?;
        if rest != CHECKSUM_BYTES {
            return Err(corrupt("something follows its end"));
        }
        let status = ledger_state::status(&MemoryState::from_parts(tree, []));
        let Manifest { size, root, .. } = file.manifest;
        if status.size != size || size > 0 && status.root != root {
            return Err(corrupt("its state is of another log than its manifest"));
        }
        Ok(file.manifest)
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The next key and value of the state; `None` at the end.
    pub(crate) fn next_pair(&mut self) -> Result<Option<Pair>, LedgerError> {
        let Some(key) = read_value(&mut self.reader, &self.path)? else { return Ok(None) };
        let value = read_value(&mut self.reader, &self.path)?;
        let value = value
            .ok_or_else(|| LedgerError::corrupt(self.path.display().to_string(), "a key has no value"))?;
        Ok(Some((key, value)))
    }
}

fn read_value(reader: &mut impl Read, path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    let mut len = [0; 4];
    read_exact(reader, &mut len, path)?;
    let len = u32::from_be_bytes(len);
    if len == END {
        return Ok(None);
    }
    if len > VALUE_BYTES_MAX {
        return Err(LedgerError::corrupt(path.display().to_string(), "a value is too long"));
    }
    let mut value = vec![0; len as usize];
    read_exact(reader, &mut value, path)?;
    Ok(Some(value))
}

/// A file that ends too early is damaged; the system has refused nothing.
fn read_exact(reader: &mut impl Read, buffer: &mut [u8], path: &Path) -> Result<(), LedgerError> {
    reader.read_exact(buffer).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            LedgerError::corrupt(path.display().to_string(), "it is cut off")
        }
        _ => LedgerError::io("read", path, error),
    })
}

fn check_hash(path: &Path) -> Result<(), LedgerError> {
    let io = |e| LedgerError::io("read", path, e);
    let corrupt = |text: &str| LedgerError::corrupt(path.display().to_string(), text);
    let file = File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    let body = len.checked_sub(CHECKSUM_BYTES as u64).ok_or_else(|| corrupt("it is cut off"))?;
    let mut reader = BufReader::new(file);
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut (&mut reader).take(body), &mut hasher).map_err(io)?;
    let mut digest = [0; CHECKSUM_BYTES];
    reader.read_exact(&mut digest).map_err(io)?;
    if hasher.finalize() != blake3::Hash::from_bytes(digest) {
        return Err(corrupt("its checksum is wrong; take it again from another node"));
    }
    Ok(())
}

#[cfg(test)]
mod power_cuts;
#[cfg(test)]
mod tests;
