//! Trees in memory, ours and the oracles'.

use std::convert::Infallible;

use ledger_format::{Hash, HashReader, leaf_hash, node_hash};

pub(crate) fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// Every complete subtree of a growing tree, by level.
#[derive(Default)]
pub(crate) struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    pub(crate) fn of(size: u64) -> Self {
        let mut tree = Self::default();
        (0..size).for_each(|index| tree.push(leaf_hash(&entry(index))));
        tree
    }

    pub(crate) fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(hash);
            if row.len() % 2 == 1 {
                return;
            }
            hash = node_hash(row[row.len() - 2], row[row.len() - 1]);
        }
    }

    pub(crate) fn leaves(&self) -> &[Hash] {
        &self.levels[0]
    }

    pub(crate) fn row(&self, level: usize) -> &[Hash] {
        self.levels.get(level).map_or(&[], Vec::as_slice)
    }
}

impl HashReader for Tree {
    type Error = Infallible;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(self.levels[usize::from(level)][index as usize])
    }
}

impl tlog_tiles::HashReader for Tree {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        read_stored(self, indexes)
    }
}

/// A tree whose leaves are all the same, so that it can have any size.
pub(crate) struct Uniform(Vec<Hash>);

impl Uniform {
    pub(crate) fn new() -> Self {
        let mut levels = vec![leaf_hash(b"the same")];
        (0..64).for_each(|level| levels.push(node_hash(levels[level], levels[level])));
        Self(levels)
    }
}

impl HashReader for Uniform {
    type Error = Infallible;

    fn subtree(&self, level: u8, _: u64) -> Result<Hash, Infallible> {
        Ok(self.0[usize::from(level)])
    }
}

impl tlog_tiles::HashReader for Uniform {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        read_stored(self, indexes)
    }
}

/// The oracle numbers all hashes of the tree in the order in which they become known.
fn read_stored(
    tree: &impl HashReader<Error = Infallible>,
    indexes: &[u64],
) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
    let read = |&index: &u64| {
        let (level, index) = tlog_tiles::split_stored_hash_index(index);
        let Ok(hash) = tree.subtree(level, index);
        tlog_tiles::Hash(hash.0)
    };
    Ok(indexes.iter().map(read).collect())
}

pub(crate) fn ours(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

pub(crate) fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
