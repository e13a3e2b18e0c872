//! The one thread that writes. It takes everything that waits, writes it as one group, syncs once, then answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::Shared;
use super::frame::{self, Kind};
use super::recover::Segment;
use super::request::Request;
use super::segment::{self, Start};
use super::spare::Spares;
use super::synced::{Mark, Synced};
use super::view::{Bounds, Location};
use crate::StoreError;
use crate::disk::Disk;
use crate::space::Reserve;

/// A group is closed once it has this many bytes, even if more is waiting.
const GROUP_BYTES: usize = 4 << 20;

/// The state of the writing thread.
pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) shared: Arc<Shared>,
    pub(super) segment_bytes: u64,
    pub(super) reserve: Reserve,
    pub(super) spares: Spares,
    pub(super) synced: Synced,
    /// Oldest first; the last is written to.
    pub(super) segments: Vec<Segment>,
    /// Number of the last group written.
    pub(super) group: u64,
    /// The log as written, which the shared view runs ahead of.
    pub(super) written: Bounds,
    pub(super) meta: BTreeMap<u8, Bytes>,
    /// Metadata that rides with the next group.
    pub(super) riding: BTreeMap<u8, Bytes>,
    pub(super) buffer: Vec<u8>,
}

impl Writer {
    /// Serves requests until every sender is gone.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let mut bytes = first.bytes();
            let mut group = vec![first];
            while bytes < GROUP_BYTES {
                let Ok(next) = requests.try_recv() else { break };
                bytes += next.bytes();
                group.push(next);
            }
            self.serve(group);
        }
        if !self.riding.is_empty() && self.poisoned().is_none() {
            self.serve(Vec::new());
        }
        if self.poisoned().is_none() {
            // An older mark is as true.
            let _ = self.synced.sync();
        }
    }

    fn serve(&mut self, group: Vec<Request>) {
        let result = match self.poisoned() {
            Some(first) => Err(first.poison()),
            None => self.write_group(&group),
        };
        if let Err(e) = &result {
            let mut view = self.shared.view.lock().unwrap_or_else(PoisonError::into_inner);
            view.poison.get_or_insert_with(|| e.clone());
        }
        for request in group {
            request.answer(result.clone());
        }
    }

    fn poisoned(&self) -> Option<StoreError> {
        self.shared.view.lock().unwrap_or_else(PoisonError::into_inner).poison.clone()
    }

    fn write_group(&mut self, group: &[Request]) -> Result<(), StoreError> {
        let mut frames = Vec::new();
        let mut appends = Vec::new();
        let mut purge = None;
        let mut waited_for = group.is_empty();
        for request in group {
            waited_for |= !matches!(request, Request::Meta { done: None, .. });
            match request {
                Request::Append { first, append, frames: entries, .. } => {
                    for (index, entry) in (*first..).zip(entries) {
                        appends.push((frames.len(), index, *append));
                        frames.push((Kind::Entry, index, entry.clone()));
                    }
                }
                Request::TruncateFrom { index, .. } => {
                    frames.push((Kind::TruncateFrom, *index, Bytes::new()))
                }
                Request::PurgeTo { index, .. } => {
                    purge = purge.max(Some(*index));
                    frames.push((Kind::PurgeTo, *index, Bytes::new()));
                }
                Request::Meta { key, value, .. } => {
                    self.riding.insert(*key, value.clone());
                }
                Request::Flush { .. } => {}
            }
        }
        if !waited_for {
            return Ok(());
        }
        let riding = std::mem::take(&mut self.riding);
        frames.extend(riding.into_iter().map(|(key, value)| (Kind::Meta, u64::from(key), value)));
        if frames.is_empty() {
            return Ok(());
        }
        let locations = self.write_frames(frames)?;
        self.publish(&appends, &locations);
        if purge.is_some() {
            self.remove_purged_segments()?;
        }
        Ok(())
    }

    /// Writes one group and syncs it. Returns where each frame is.
    fn write_frames(&mut self, mut frames: Vec<(Kind, u64, Bytes)>) -> Result<Vec<Location>, StoreError> {
        let bytes: usize = frames.iter().map(|(_, _, payload)| frame::frame_len(payload.len())).sum();
        let full = self.segments.last().is_none_or(|s| s.end + bytes as u64 > self.segment_bytes);
        let head = if full { self.roll()? } else { Vec::new() };
        let skip = head.len();
        frames.splice(0..0, head);

        let mut locations = self.encode_group(&frames);
        self.write_buffer()?;
        self.note_synced()?;
        if self.reserve.held() && self.segments.last().is_some_and(|s| s.end > self.segment_bytes / 2) {
            self.spares.order();
        }
        for (kind, number, payload) in frames.drain(skip..) {
            self.note_written(kind, number, payload);
        }
        locations.drain(..skip);
        Ok(locations)
    }

    /// Fills the buffer with the next group; returns where each of its frames will be.
    fn encode_group(&mut self, frames: &[(Kind, u64, Bytes)]) -> Vec<Location> {
        self.group += 1;
        let segment = self.segments.last_mut().expect("a log that writes has a segment");
        self.buffer.clear();
        self.buffer.shrink_to(2 * GROUP_BYTES);
        if segment.end == 0 {
            self.buffer.extend_from_slice(&segment::preamble());
        }
        let mut locations = Vec::with_capacity(frames.len());
        for (at, (kind, number, payload)) in frames.iter().enumerate() {
            let offset = segment.end + self.buffer.len() as u64;
            let payload_len = u32::try_from(payload.len()).expect("payloads are checked against the limit");
            locations.push(Location { segment: segment.number, offset, payload_len });
            let ends_group = at + 1 == frames.len();
            let frame = (*kind, *number, payload.as_ref());
            frame::encode(&mut self.buffer, segment.number, self.group, ends_group, frame);
            if *kind == Kind::Entry {
                segment.highest = segment.highest.max(Some(*number));
            }
        }
        locations
    }

    /// Writes the buffer at the end of the current segment and syncs it.
    fn write_buffer(&mut self) -> Result<(), StoreError> {
        let segment = self.segments.last_mut().expect("a log that writes has a segment");
        let (file, end, path) = (segment.file.clone(), segment.end, segment::path(&self.dir, segment.number));
        segment.end += self.buffer.len() as u64;
        if let Err(e) = file.write_all_at(&self.buffer, end) {
            // Nothing was synced and nobody was answered, so writing the same bytes again is safe; a failed sync is not.
            if !crate::error::is_no_space(&e) || !self.release_reserve()? {
                return Err(StoreError::io("write", &path, e));
            }
            file.write_all_at(&self.buffer, end).map_err(|e| StoreError::io("write", &path, e))?;
        }
        file.sync_data().map_err(|e| StoreError::io("sync", &path, e))
    }

    /// Notes that all that is written is durable. Before anybody is told so: what was acknowledged is never cut.
    fn note_synced(&self) -> Result<(), StoreError> {
        let segment = self.segments.last().expect("a log that writes has a segment");
        self.synced.note(Mark { group: self.group, segment: segment.number, end: segment.end })
    }

    fn note_written(&mut self, kind: Kind, number: u64, payload: Bytes) {
        match kind {
            Kind::Start => {}
            Kind::Entry => self.written.next = Some(number + 1),
            Kind::TruncateFrom => self.written.truncate_from(number),
            Kind::PurgeTo => self.written.purge_to(number),
            Kind::Meta => {
                let key = u8::try_from(number).expect("meta keys are bytes");
                self.meta.insert(key, payload);
            }
        }
    }

    /// Begins a new segment. Returns the frames it must begin with, so that all older segments can be removed one day.
    fn roll(&mut self) -> Result<Vec<(Kind, u64, Bytes)>, StoreError> {
        let (previous, previous_end) = self.segments.last().map_or((0, 0), |s| (s.number, s.end));
        let number = previous + 1;
        let path = segment::path(&self.dir, number);
        let mut no_spare_space = false;
        let file = match self.spares.take() {
            Some(Ok(spare)) => {
                self.disk.rename(&spare.path, &path).map_err(|e| StoreError::io("rename to", &path, e))?;
                spare.file
            }
            // Without a spare the segment grows as it is written: slower, no less safe.
            Some(Err(e)) => {
                no_spare_space = e.is_no_space();
                self.create(&path)?
            }
            None => self.create(&path)?,
        };
        self.disk.sync_dir(&self.dir).map_err(|e| StoreError::io("sync directory", &self.dir, e))?;
        self.reserve.retake_if_room()?;
        self.shared.low_on_space.store(no_spare_space || !self.reserve.held(), Ordering::Relaxed);
        let mut view = self.shared.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.segments.insert(number, file.clone());
        drop(view);
        self.segments.push(Segment { number, file, end: 0, highest: None });
        let start = Start { previous_end, next: self.written.next, purged: self.written.purged };
        let mut head = vec![(Kind::Start, number, Bytes::copy_from_slice(&start.encode()))];
        head.extend(self.meta.iter().map(|(key, value)| (Kind::Meta, u64::from(*key), value.clone())));
        Ok(head)
    }

    fn create(&mut self, path: &std::path::Path) -> Result<Arc<dyn crate::disk::DiskFile>, StoreError> {
        match self.disk.create(path) {
            Err(e) if crate::error::is_no_space(&e) && self.release_reserve()? => self.disk.create(path),
            created => created,
        }
        .map_err(|e| StoreError::io("create", path, e))
    }

    fn release_reserve(&mut self) -> Result<bool, StoreError> {
        self.shared.low_on_space.store(true, Ordering::Relaxed);
        self.reserve.release()
    }

    /// Tells readers where the appended entries are now.
    fn publish(&self, appends: &[(usize, u64, u64)], locations: &[Location]) {
        let mut view = self.shared.view.lock().unwrap_or_else(PoisonError::into_inner);
        for (frame, index, append) in appends {
            view.set_durable(*index, *append, locations[*frame]);
        }
        view.evict();
    }

    /// Removes old segments whose every entry is purged, oldest first, so that a crash leaves no hole. The purge itself
    /// is durable already.
    fn remove_purged_segments(&mut self) -> Result<(), StoreError> {
        let purged = self.written.purged;
        while self.segments.len() > 1 && self.segments[0].highest <= purged {
            let path = segment::path(&self.dir, self.segments[0].number);
            self.disk.remove(&path).map_err(|e| StoreError::io("remove", &path, e))?;
            self.disk.sync_dir(&self.dir).map_err(|e| StoreError::io("sync directory", &self.dir, e))?;
            let mut view = self.shared.view.lock().unwrap_or_else(PoisonError::into_inner);
            view.segments.remove(&self.segments[0].number);
            drop(view);
            self.segments.remove(0);
        }
        Ok(())
    }
}
