//! The Raft log on disk: a segmented write-ahead log with one writing thread and one `fdatasync` for all who wait.
//!
//! ```text
//! LOCK FORMAT reserve synced
//! 0000000000000001.seg   preamble | Start Meta.. Entry Entry .. Entry*  | Entry* | TruncateFrom* | Entry .. Meta* | 0 0 0
//! 0000000000000002.seg   preamble | Start Meta.. Entry* | ...                       (* ends a group)
//! ```
//!
//! An entry is acknowledged only after the group it was written in is durable and `synced` says so. Group n+1 is written
//! after group n is durable; so at open a last group that is not whole, and that `synced` does not know, was never
//! acknowledged and is cut; damage anywhere else is an error. What cannot be told from a torn last group is one that rotted
//! where a power cut has taken the newest marks of `synced`, which are written and not synced: the majority covers that.
//!
//! Every segment begins with the bounds of the log and all metadata, so a purge removes whole segments from the front.
//! After the first failed write or `fsync` every call fails with that failure: the process must stop.

mod frame;
mod options;
mod recover;
mod request;
mod segment;
mod spare;
mod synced;
mod view;
mod writer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;

pub use self::options::{RaftLogOptions, Recovered};
use self::request::{Done, Request};
use self::spare::Spares;
use self::synced::Synced;
use self::view::{Hit, View};
use self::writer::Writer;
use crate::StoreError;
use crate::dir::OwnedDir;
use crate::disk::{Disk, RealDisk};
use crate::space::Reserve;

const FORMAT: &str = "raft log";

/// Largest entry and largest metadata value, in bytes.
pub const RAFT_ENTRY_BYTES_MAX: usize = frame::PAYLOAD_BYTES_MAX;

/// Called once, on the writing thread, when an append is durable or can never be. Must not block.
pub type OnDurable = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What the log and its writer share.
struct Shared {
    view: Mutex<View>,
    low_on_space: AtomicBool,
}

impl Shared {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open Raft log. Every method may be called from any thread. Dropping it writes what waits, then closes.
pub struct RaftLog {
    dir: PathBuf,
    shared: Arc<Shared>,
    /// `None` only while dropping. Locked together with the view, so that requests are in the order of the view.
    requests: Option<Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    // Unlocked last.
    _owned: OwnedDir,
}

impl RaftLog {
    /// Opens the log in `dir` on the real disk; creates it if it is missing.
    pub fn open(dir: &Path, options: &RaftLogOptions) -> Result<(Self, Recovered), StoreError> {
        Self::open_on(dir, options, Arc::new(RealDisk))
    }

    /// Opens the log on any disk. The lock, the format file and the reserve are on the real one.
    pub fn open_on(
        dir: &Path,
        options: &RaftLogOptions,
        disk: Arc<dyn Disk>,
    ) -> Result<(Self, Recovered), StoreError> {
        let owned = OwnedDir::claim(dir, FORMAT, segment::VERSION)?;
        remove_leftovers(&*disk, dir)?;
        let replayed = recover::replay(&*disk, dir, options.cache_bytes)?;
        let reserve = Reserve::open(dir, options.reserve_bytes)?;
        let synced = Synced::open(&*disk, dir, replayed.mark())?;
        let view = replayed.view;
        let indexes = view.indexes();
        let recovered = Recovered {
            first: indexes.map(|(first, _)| first),
            last: indexes.map(|(_, last)| last),
            purged: view.bounds.purged,
            meta: view.meta.iter().map(|(key, value)| (*key, value.to_vec())).collect(),
            cut_bytes: replayed.cut_bytes,
        };
        let (written, meta) = (view.bounds, view.meta.clone());
        let low_on_space = AtomicBool::new(!reserve.held());
        let shared = Arc::new(Shared { view: Mutex::new(view), low_on_space });
        let spares = Spares::start(disk.clone(), dir.to_owned(), options.segment_bytes)?;
        let writer = Writer {
            dir: dir.to_owned(),
            disk,
            shared: shared.clone(),
            segment_bytes: options.segment_bytes,
            reserve,
            spares,
            synced,
            segments: replayed.segments,
            group: replayed.group,
            written,
            meta,
            riding: BTreeMap::new(),
            buffer: Vec::new(),
        };
        let (requests, receiver) = channel();
        let run = move || writer.run(&receiver);
        let writer = std::thread::Builder::new().name("raft-log-writer".into()).spawn(run);
        let writer = Some(writer.map_err(|e| StoreError::io("start a thread for", dir, e))?);
        let log = RaftLog { dir: dir.to_owned(), shared, requests: Some(requests), writer, _owned: owned };
        Ok((log, recovered))
    }

    /// Appends entries from `first_index` on. Returns at once; the entries can be read at once; `on_durable` is called
    /// once they are durable, in the order of the appends. After an error here it is dropped without a call.
    ///
    /// `first_index` must continue the log ([`StoreError::Gap`]); in a log that never held anything it may be any.
    pub fn append(
        &self,
        first_index: u64,
        frames: Vec<impl Into<Bytes>>,
        on_durable: OnDurable,
    ) -> Result<(), StoreError> {
        let frames: Vec<Bytes> = frames.into_iter().map(Into::into).collect();
        frames.iter().try_for_each(|frame| request::check_payload(frame.len()))?;
        let mut view = self.usable_view()?;
        view.bounds.check(first_index)?;
        let append = view.next_append();
        view.push_pending(first_index, append, &frames);
        self.send(Request::Append { first: first_index, append, frames, on_durable })
    }

    /// The entries of `range` that the log holds, in order and without a gap, up to `max_bytes` but at least one.
    pub fn read(&self, range: Range<u64>, max_bytes: usize) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let mut hits = Vec::new();
        let view = self.usable_view()?;
        if let Some((first, last)) = view.indexes() {
            let mut bytes = 0;
            for index in range.start.max(first)..range.end.min(last + 1) {
                let Some((hit, len)) = view.find(index) else { break };
                if bytes + len > max_bytes && !hits.is_empty() {
                    break;
                }
                bytes += len;
                hits.push((index, hit));
            }
        }
        drop(view);
        let load = |(index, hit)| match hit {
            Hit::Cached(bytes) => Ok((index, bytes)),
            Hit::OnDisk(at, file) => Ok((index, recover::read_entry(&self.dir, &*file, index, at)?)),
        };
        hits.into_iter().map(load).collect()
    }

    /// First and last index that can be read, or `None` when there is no entry.
    pub fn indexes(&self) -> Result<Option<(u64, u64)>, StoreError> {
        Ok(self.usable_view()?.indexes())
    }

    /// Highest purged index.
    pub fn purged(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.usable_view()?.bounds.purged)
    }

    /// Removes every entry after `index`. Durable on return.
    pub fn truncate_after(&self, index: u64) -> Result<(), StoreError> {
        self.truncate_from(index.saturating_add(1))
    }

    /// Removes `index` and every entry after it. Durable on return. Purged indexes stay purged.
    pub fn truncate_from(&self, index: u64) -> Result<(), StoreError> {
        let mut view = self.usable_view()?;
        view.truncate_from(index);
        self.send_and_wait(view, |done| Request::TruncateFrom { index, done })
    }

    /// Removes every entry up to and with `index`, also when the log does not reach that far: the next append is then
    /// at `index + 1`. Durable on return; frees the segments that hold nothing else.
    pub fn purge_to(&self, index: u64) -> Result<(), StoreError> {
        let mut view = self.usable_view()?;
        view.purge_to(index);
        self.send_and_wait(view, |done| Request::PurgeTo { index, done })
    }

    /// Sets a metadata value (the vote). Durable on return, together with everything asked for before.
    pub fn save_meta(&self, key: u8, value: impl Into<Bytes>) -> Result<(), StoreError> {
        let value = value.into();
        request::check_payload(value.len())?;
        let mut view = self.usable_view()?;
        view.meta.insert(key, value.clone());
        self.send_and_wait(view, |done| Request::Meta { key, value, done: Some(done) })
    }

    /// Sets a metadata value that may be lost (the committed index): it rides with the next change that is waited for,
    /// and is written when the log is closed.
    pub fn save_meta_lazy(&self, key: u8, value: impl Into<Bytes>) -> Result<(), StoreError> {
        let value = value.into();
        request::check_payload(value.len())?;
        let mut view = self.usable_view()?;
        view.meta.insert(key, value.clone());
        self.send(Request::Meta { key, value, done: None })
    }

    /// A metadata value.
    pub fn read_meta(&self, key: u8) -> Result<Option<Bytes>, StoreError> {
        Ok(self.usable_view()?.meta.get(&key).cloned())
    }

    /// Makes everything asked for before durable, lazy metadata too.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.send_and_wait(self.usable_view()?, |done| Request::Flush { done })
    }

    /// True once the disk was found full: the reserve is in use or could not be taken. Refuse new records; what is
    /// decided already still fits. False again when there is room.
    pub fn low_on_space(&self) -> bool {
        self.shared.low_on_space.load(Ordering::Relaxed)
    }

    /// Bytes the log occupies on disk, with its reserve and its spare.
    pub fn disk_bytes(&self) -> u64 {
        crate::dir::disk_bytes(&self.dir)
    }

    /// The view, unless something failed before.
    fn usable_view(&self) -> Result<MutexGuard<'_, View>, StoreError> {
        let view = self.shared.view();
        match &view.poison {
            Some(first) => Err(first.poison()),
            None => Ok(view),
        }
    }

    /// Hands a request to the writer. Called with the view locked.
    fn send(&self, request: Request) -> Result<(), StoreError> {
        let requests = self.requests.as_ref().expect("taken only while dropping");
        requests.send(request).map_err(|_| self.writer_gone())
    }

    fn send_and_wait(
        &self,
        view: MutexGuard<'_, View>,
        request: impl FnOnce(Done) -> Request,
    ) -> Result<(), StoreError> {
        let (done, answer): (Done, Receiver<_>) = sync_channel(1);
        self.send(request(done))?;
        drop(view);
        answer.recv().unwrap_or_else(|_| Err(self.writer_gone()))
    }

    /// The writing thread ended, which only a panic in a callback does.
    fn writer_gone(&self) -> StoreError {
        StoreError::io("write", &self.dir, std::io::Error::other("the writing thread has ended"))
    }
}

impl Drop for RaftLog {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(writer) = self.writer.take() {
            // A panic there has been answered to everyone who waited.
            let _ = writer.join();
        }
    }
}

/// Removes what a crash left half made.
fn remove_leftovers(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    for path in disk.list(dir).map_err(|e| StoreError::io("list", dir, e))? {
        if path.extension().is_some_and(|ext| ext == spare::SUFFIX.trim_start_matches('.')) {
            disk.remove(&path).map_err(|e| StoreError::io("remove", &path, e))?;
        }
    }
    Ok(())
}
