//! What the log holds, in memory: where each index is, the newest entries themselves, the metadata.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::StoreError;
use crate::disk::DiskFile;

/// Where the frame of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) payload_len: u32,
}

/// One index.
#[derive(Clone, Copy, Debug)]
enum Slot {
    /// In the cache only; the number of the append, so that a later append of the same index is not taken for it.
    Pending(u64),
    Durable(Location),
}

/// The bounds of the log, without its content. Also what the writer keeps of what it has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The only index an append may have; `None` in a log that never held anything.
    pub(super) next: Option<u64>,
    /// Highest purged index.
    pub(super) purged: Option<u64>,
}

impl Bounds {
    /// Checks that `first` continues the log.
    pub(super) fn check(&self, first: u64) -> Result<(), StoreError> {
        match self.next {
            Some(expected) if expected != first => Err(StoreError::Gap { expected, got: first }),
            _ => Ok(()),
        }
    }

    /// Takes every index from `index` on away. What is purged stays purged.
    pub(super) fn truncate_from(&mut self, index: u64) {
        let lowest = self.purged.map_or(0, |purged| purged + 1);
        self.next = self.next.map(|next| next.min(index).max(lowest));
    }

    /// Takes every index up to and with `index` away.
    pub(super) fn purge_to(&mut self, index: u64) {
        self.purged = self.purged.max(Some(index));
        self.next = self.next.max(Some(index + 1));
    }
}

/// A read that is answered from the cache, or must go to the disk.
pub(super) enum Hit {
    Cached(Bytes),
    OnDisk(Location, Arc<dyn DiskFile>),
}

/// See the module.
pub(super) struct View {
    pub(super) bounds: Bounds,
    /// One slot for each of the last `slots.len()` indexes below `bounds.next`.
    slots: VecDeque<Slot>,
    /// The newest entries; never longer than `slots`, covers every pending one.
    cache: VecDeque<Bytes>,
    cache_bytes: usize,
    cache_bytes_max: usize,
    pub(super) meta: BTreeMap<u8, Bytes>,
    pub(super) segments: BTreeMap<u64, Arc<dyn DiskFile>>,
    pub(super) poison: Option<StoreError>,
    appends: u64,
}

impl View {
    pub(super) fn new(cache_bytes_max: usize) -> Self {
        View {
            bounds: Bounds::default(),
            slots: VecDeque::new(),
            cache: VecDeque::new(),
            cache_bytes: 0,
            cache_bytes_max,
            meta: BTreeMap::new(),
            segments: BTreeMap::new(),
            poison: None,
            appends: 0,
        }
    }

    /// The first and last index, or `None` when there is no entry.
    pub(super) fn indexes(&self) -> Option<(u64, u64)> {
        let next = self.bounds.next?;
        (!self.slots.is_empty()).then(|| (next - self.slots.len() as u64, next - 1))
    }

    /// Adds an entry that is durable already: recovery.
    pub(super) fn push_durable(&mut self, index: u64, location: Location) -> Result<(), StoreError> {
        self.bounds.check(index)?;
        self.slots.push_back(Slot::Durable(location));
        self.bounds.next = Some(index + 1);
        Ok(())
    }

    /// A number for an append, unlike all before.
    pub(super) fn next_append(&mut self) -> u64 {
        self.appends += 1;
        self.appends
    }

    /// Adds entries that are on their way to the disk, readable from now on.
    pub(super) fn push_pending(&mut self, first: u64, append: u64, frames: &[Bytes]) {
        for frame in frames {
            self.slots.push_back(Slot::Pending(append));
            self.cache_bytes += frame.len();
            self.cache.push_back(frame.clone());
        }
        self.bounds.next = Some(first + frames.len() as u64);
    }

    /// Notes that an entry of an append is durable, unless it was truncated or purged meanwhile.
    pub(super) fn set_durable(&mut self, index: u64, append: u64, location: Location) {
        let Some((first, last)) = self.indexes() else { return };
        if index < first || index > last {
            return;
        }
        let slot = usize::try_from(index - first).ok().and_then(|at| self.slots.get_mut(at));
        if let Some(slot) = slot.filter(|slot| matches!(slot, Slot::Pending(a) if *a == append)) {
            *slot = Slot::Durable(location);
        }
    }

    pub(super) fn truncate_from(&mut self, index: u64) {
        let Some(next) = self.bounds.next else { return };
        self.bounds.truncate_from(index);
        let dropped = next - self.bounds.next.unwrap_or(next);
        for _ in 0..dropped.min(self.slots.len() as u64) {
            self.slots.pop_back();
            if let Some(frame) = self.cache.pop_back() {
                self.cache_bytes -= frame.len();
            }
        }
    }

    pub(super) fn purge_to(&mut self, index: u64) {
        while self.indexes().is_some_and(|(first, _)| first <= index) {
            if self.cache.len() == self.slots.len() {
                self.evict_one();
            }
            self.slots.pop_front();
        }
        self.bounds.purge_to(index);
    }

    /// Forgets the oldest cached entries that the disk has, down to the budget.
    pub(super) fn evict(&mut self) {
        while self.cache_bytes > self.cache_bytes_max {
            match self.slots.get(self.slots.len() - self.cache.len()) {
                Some(Slot::Durable(_)) => self.evict_one(),
                _ => return,
            }
        }
    }

    fn evict_one(&mut self) {
        if let Some(frame) = self.cache.pop_front() {
            self.cache_bytes -= frame.len();
        }
    }

    /// Where the entry of an index is, and how long it is; `None` when the log does not hold it.
    pub(super) fn find(&self, index: u64) -> Option<(Hit, usize)> {
        let (first, last) = self.indexes()?;
        if index < first || index > last {
            return None;
        }
        let from_back = usize::try_from(last - index).ok()?;
        if from_back < self.cache.len() {
            let frame = self.cache[self.cache.len() - 1 - from_back].clone();
            let len = frame.len();
            return Some((Hit::Cached(frame), len));
        }
        match self.slots[self.slots.len() - 1 - from_back] {
            Slot::Durable(at) => {
                let file = self.segments.get(&at.segment)?.clone();
                Some((Hit::OnDisk(at, file), at.payload_len as usize))
            }
            Slot::Pending(_) => unreachable!("a pending entry is in the cache"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Location = Location { segment: 1, offset: 16, payload_len: 1 };

    fn cached(view: &View, index: u64) -> Option<Bytes> {
        match view.find(index) {
            Some((Hit::Cached(bytes), _)) => Some(bytes),
            _ => None,
        }
    }

    #[test]
    fn an_entry_is_not_durable_because_its_predecessor_was() {
        let mut view = View::new(0);
        let (first, second) = (view.next_append(), view.next_append());
        view.push_pending(5, first, &[Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
        view.truncate_from(6);
        view.push_pending(6, second, &[Bytes::from_static(b"c")]);
        // The first append becomes durable after it was truncated in part.
        view.set_durable(5, first, AT);
        view.set_durable(6, first, AT);
        view.evict();
        assert_eq!((cached(&view, 5), cached(&view, 6)), (None, Some(Bytes::from_static(b"c"))));
        view.set_durable(6, second, AT);
        view.evict();
        assert_eq!(cached(&view, 6), None, "the disk has it and the budget is nothing");
        assert_eq!(view.indexes(), Some((5, 6)));
    }

    #[test]
    fn bounds() {
        let mut bounds = Bounds::default();
        assert!(bounds.check(7).is_ok(), "a new log begins anywhere");
        bounds.next = Some(10);
        bounds.purge_to(4);
        for (from, next) in [(12, 10), (8, 8), (3, 5), (5, 5)] {
            bounds.truncate_from(from);
            assert_eq!(bounds.next, Some(next), "truncated from {from}");
        }
        assert!(matches!(bounds.check(6), Err(StoreError::Gap { expected: 5, got: 6 })));
        bounds.purge_to(9);
        assert_eq!(bounds, Bounds { next: Some(10), purged: Some(9) });
    }
}
