//! Reading again what an engine keeps at rest: file by file, piece by piece, past all caches of the engine.
//!
//! Reads through an engine do not find rot where a cache still has what was there: a small database is never read from
//! disk again. So whoever looks for rot reads the files themselves.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3Default;

use crate::StoreError;
use crate::disk::{Disk, DiskFile, RealDisk};

/// Bytes that one [`Verify::step`] reads at most.
pub const VERIFY_STEP_BYTES: usize = 256 << 10;

/// One file on its way to be verified.
pub struct Verify {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    offset: u64,
    hasher: Xxh3Default,
    /// What the engine noted when it wrote the file.
    written: u128,
    buffer: Vec<u8>,
    /// Keeps the engine from removing the file meanwhile.
    _held: Box<dyn Any + Send>,
}

impl Verify {
    pub(super) fn begin(path: &Path, written: u128, held: impl Any + Send) -> Result<Self, StoreError> {
        let file = RealDisk.open_read(path).map_err(|e| StoreError::io("open", path, e))?;
        Ok(Verify {
            path: path.to_owned(),
            file,
            offset: 0,
            hasher: Xxh3Default::new(),
            written,
            buffer: vec![0; VERIFY_STEP_BYTES],
            _held: Box::new(held),
        })
    }

    /// Reads one piece. False when there was none left and the file is what was written.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not; what the operating system says when it cannot be read.
    pub fn step(&mut self) -> Result<bool, StoreError> {
        let read = self.file.read_full_at(&mut self.buffer, self.offset);
        let read = read.map_err(|e| StoreError::io("read", &self.path, e))?;
        self.hasher.update(&self.buffer[..read]);
        self.offset += read as u64;
        if read > 0 {
            return Ok(true);
        }
        if self.hasher.digest128() == self.written {
            return Ok(false);
        }
        let reason = format!("its {} bytes are not those that were written", self.offset);
        Err(StoreError::corrupt(&self.path, 0, reason))
    }
}
