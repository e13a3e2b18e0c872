//! Zero-filled segments, made ready off the write path.
//!
//! A write that grows a file makes `fdatasync` commit the file's metadata too; overwriting zeros does not, and is about
//! a third faster for small groups. One spare is prepared while the current segment fills.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::StoreError;
use crate::disk::{Disk, DiskFile};

/// Written and synced at once.
const FILL_BYTES: usize = 512 << 10;
/// Leftovers with this ending are removed at open.
pub(super) const SUFFIX: &str = ".tmp";

/// A file of zeros that waits for its name.
pub(super) struct Spare {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
}

/// The thread that prepares spares, one at a time.
pub(super) struct Spares {
    orders: Option<Sender<()>>,
    ready: Receiver<Result<Spare, StoreError>>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    ordered: bool,
}

impl Spares {
    pub(super) fn start(disk: Arc<dyn Disk>, dir: PathBuf, bytes: u64) -> Result<Self, StoreError> {
        let (orders, orders_in) = channel();
        let (ready_out, ready) = channel();
        let error_dir = dir.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let work = move || {
            for count in 0.. {
                if orders_in.recv().is_err() {
                    return;
                }
                let path = dir.join(format!("spare-{count}{SUFFIX}"));
                let spare = prepare(&*disk, &path, bytes, &stopped);
                if ready_out.send(spare).is_err() {
                    // The log was closed meanwhile.
                    let _ = disk.remove(&path);
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("raft-log-spare".into()).spawn(work);
        let thread = thread.map_err(|e| StoreError::io("start a thread for", &error_dir, e))?;
        Ok(Spares { orders: Some(orders), ready, thread: Some(thread), stop, ordered: false })
    }

    /// Orders a spare unless one is on its way.
    pub(super) fn order(&mut self) {
        if !self.ordered && self.orders.as_ref().is_some_and(|orders| orders.send(()).is_ok()) {
            self.ordered = true;
        }
    }

    /// The spare if it is ready. An error means that there is none, and says why; it harms nothing.
    pub(super) fn take(&mut self) -> Option<Result<Spare, StoreError>> {
        let spare = self.ready.try_recv().ok()?;
        self.ordered = false;
        Some(spare)
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // A panic there left at most a file that the next open removes.
            let _ = thread.join();
        }
    }
}

fn prepare(disk: &dyn Disk, path: &Path, bytes: u64, stop: &AtomicBool) -> Result<Spare, StoreError> {
    let fill = || {
        let file = disk.create(path)?;
        let zeros = vec![0; FILL_BYTES];
        let mut offset = 0;
        while offset < bytes {
            if stop.load(Ordering::Relaxed) {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            let len = usize::try_from(bytes - offset).map_or(FILL_BYTES, |rest| rest.min(FILL_BYTES));
            file.write_all_at(&zeros[..len], offset)?;
            // Piece by piece: one sync of it all would hold up the syncs of the log.
            file.sync_data()?;
            offset += len as u64;
        }
        Ok(file)
    };
    match fill() {
        Ok(file) => Ok(Spare { path: path.to_owned(), file }),
        Err(e) => {
            // Gives the space back; if even that fails the next open removes it.
            let _ = disk.remove(path);
            Err(StoreError::io("prepare", path, e))
        }
    }
}
