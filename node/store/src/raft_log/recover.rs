//! Reading a log back: replay every group in order, cut a torn tail, refuse anything else, and make sure that what was
//! found is durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{HEADER_BYTES, Header, Kind};
use super::segment::{self, Found, PREAMBLE_BYTES, Scanner, Start, Step};
use super::synced::{self, Mark};
use super::view::{Location, View};
use crate::StoreError;
use crate::disk::{Disk, DiskFile};

/// Zeros are written in pieces of this size.
const ZERO_BYTES: usize = 1 << 20;

/// A segment after replay.
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) file: Arc<dyn DiskFile>,
    /// Where its frames end.
    pub(super) end: u64,
    /// Highest index of any entry in it, live or not.
    pub(super) highest: Option<u64>,
}

/// What replay found.
pub(super) struct Replayed {
    pub(super) view: View,
    /// Oldest first; empty for a new log.
    pub(super) segments: Vec<Segment>,
    /// Number of the last group.
    pub(super) group: u64,
    /// Bytes of a torn last group that were cut.
    pub(super) cut_bytes: u64,
}

impl Replayed {
    /// The last group, all of which is durable; `None` in an empty log.
    pub(super) fn mark(&self) -> Option<Mark> {
        let last = self.segments.last()?;
        Some(Mark { group: self.group, segment: last.number, end: last.end })
    }
}

/// Replays the log in `dir`. All of it is durable on return.
pub(super) fn replay(disk: &dyn Disk, dir: &Path, cache_bytes: usize) -> Result<Replayed, StoreError> {
    let paths = segments_in(disk, dir)?;
    let mark = synced::read(disk, dir);
    let mut last_group_at = 0;
    if let (Some(mark), true) = (mark, paths.is_empty()) {
        return Err(mark.lost_with_its_segment(dir));
    }
    let mut replayed =
        Replayed { view: View::new(cache_bytes), segments: Vec::new(), group: 0, cut_bytes: 0 };
    for (at, (number, path)) in paths.iter().enumerate() {
        let last = at + 1 == paths.len();
        let file = disk.open(path).map_err(|e| StoreError::io("open", path, e))?;
        let mut replay = Replay {
            scanner: Scanner::new(file.clone(), path, *number)?,
            path,
            number: *number,
            group: if at == 0 && *number > 1 { None } else { Some(replayed.group) },
            previous_end: replayed.segments.last().map(|s| s.end),
            highest: None,
            last_group_at,
        };
        let (end, damage) = replay.run(&mut replayed.view)?;
        if let (Some(damage), false) = (&damage, last) {
            return Err(StoreError::corrupt(path, damage.offset, damage.reason.as_str()));
        }
        if last {
            replay.check_synced(mark, end, damage.as_ref(), dir)?;
            damage.as_ref().map_or(Ok(()), |damage| replay.check_torn(damage))?;
        }
        let highest = replay.highest;
        (replayed.group, last_group_at) = (replay.group.unwrap_or(0), replay.last_group_at);
        if last {
            replayed.cut_bytes = cut(disk, &*file, path, &mut replay.scanner, end)?;
        }
        if end > 0 {
            replayed.view.segments.insert(*number, file.clone());
            replayed.segments.push(Segment { number: *number, file, end, highest });
        }
    }
    if let Some(segment) = replayed.segments.last()
        && mark.is_none_or(|mark| mark.group < replayed.group)
    {
        settle(segment, last_group_at, &segment::path(dir, segment.number))?;
    }
    Ok(replayed)
}

/// Makes the last group durable, of which that is not known: a process that died between write and sync leaves it in
/// memory only, and from now on Raft counts on it. After a sync that failed the kernel may hold the bytes for clean and
/// never write them; so they are written once more.
fn settle(segment: &Segment, from: u64, path: &Path) -> Result<(), StoreError> {
    let failed = |e| StoreError::io("sync the last group of", path, e);
    let len = usize::try_from(segment.end - from).expect("a group fits into memory: it was just read");
    let mut group = vec![0; len];
    let read = segment.file.read_full_at(&mut group, from).map_err(failed)?;
    segment.file.write_all_at(&group[..read], from).map_err(failed)?;
    segment.file.sync_data().map_err(failed)
}

/// The segment files, oldest first, without a hole between them.
fn segments_in(disk: &dyn Disk, dir: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let names = disk.list(dir).map_err(|e| StoreError::io("list", dir, e))?;
    let mut paths: Vec<_> =
        names.into_iter().filter_map(|path| Some((segment::number(&path)?, path))).collect();
    paths.sort();
    for pair in paths.windows(2) {
        if pair[1].0 != pair[0].0 + 1 {
            let reason =
                format!("the segment before it is missing ({:016x} follows {:016x})", pair[1].0, pair[0].0);
            return Err(StoreError::corrupt(&pair[1].1, 0, reason));
        }
    }
    Ok(paths)
}

/// Bytes that are no frame.
struct Damage {
    offset: u64,
    reason: String,
}

/// The replay of one segment.
struct Replay<'a> {
    scanner: Scanner,
    path: &'a Path,
    number: u64,
    /// The last whole group; `None` before the first group of the oldest segment that is left.
    group: Option<u64>,
    previous_end: Option<u64>,
    highest: Option<u64>,
    /// Where the last whole group begins; of the segment before this one while this one has none.
    last_group_at: u64,
}

impl Replay<'_> {
    /// Applies group after group. Returns where the last whole one ends (0 when there is none) and what follows it, if
    /// that is not the end.
    fn run(&mut self, view: &mut View) -> Result<(u64, Option<Damage>), StoreError> {
        if let Some(reason) = self.scanner.check_preamble()? {
            return Ok((0, Some(Damage { offset: 0, reason })));
        }
        let mut end = 0;
        let (mut offset, mut begun) = (PREAMBLE_BYTES as u64, 0);
        let mut group: Vec<Found> = Vec::new();
        loop {
            let damage = |reason: String| Some(Damage { offset, reason });
            let found = match self.scanner.at(offset)? {
                Step::Frame(found) => found,
                Step::End if group.is_empty() && end > 0 => return Ok((end, None)),
                Step::End => return Ok((end, damage("the last group is not whole".into()))),
                Step::Bad(reason) => return Ok((end, damage(reason))),
            };
            let Header { group: number, ends_group, .. } = found.header;
            if self.group.is_some_and(|last| number != last + 1) {
                return Ok((end, damage(format!("a frame of group {number} out of order"))));
            }
            offset += found.header.frame_len() as u64;
            if self.group.is_none() {
                self.group = Some(number.saturating_sub(1));
            }
            group.push(found);
            if ends_group {
                for frame in group.drain(..) {
                    self.apply(view, &frame)?;
                }
                self.group = Some(number);
                self.last_group_at = begun;
                (begun, end) = (offset, offset);
            }
        }
    }

    fn apply(&mut self, view: &mut View, frame: &Found) -> Result<(), StoreError> {
        let corrupt = |reason: String| StoreError::corrupt(self.path, frame.offset, reason);
        let number = frame.header.number;
        match frame.header.kind {
            Kind::Start => {
                let start =
                    Start::decode(&frame.payload).ok_or_else(|| corrupt("not a start frame".into()))?;
                if number != self.number {
                    return Err(corrupt(format!("this is segment {number:016x} under another name")));
                }
                match self.previous_end {
                    None => {
                        view.bounds.next = start.next;
                        view.bounds.purged = start.purged;
                    }
                    Some(end) if end != start.previous_end => {
                        let reason =
                            format!("the segment before it ends at byte {end}, not {}", start.previous_end);
                        return Err(corrupt(reason));
                    }
                    Some(_) => {}
                }
            }
            Kind::Entry => {
                let payload_len = u32::try_from(frame.payload.len()).expect("payloads are bounded");
                let location = Location { segment: self.number, offset: frame.offset, payload_len };
                view.push_durable(number, location).map_err(|e| corrupt(e.to_string()))?;
                self.highest = self.highest.max(Some(number));
            }
            Kind::TruncateFrom => view.truncate_from(number),
            Kind::PurgeTo => view.purge_to(number),
            Kind::Meta => {
                let key = u8::try_from(number).map_err(|_| corrupt(format!("no meta key: {number}")))?;
                view.meta.insert(key, frame.payload.clone());
            }
        }
        Ok(())
    }

    /// What is known to have been durable must be there, whatever else the damage looks like.
    fn check_synced(
        &self,
        mark: Option<Mark>,
        end: u64,
        damage: Option<&Damage>,
        dir: &Path,
    ) -> Result<(), StoreError> {
        let Some(mark) = mark.filter(|mark| self.group.is_none_or(|group| group < mark.group)) else {
            return Ok(());
        };
        if mark.segment > self.number {
            return Err(mark.lost_with_its_segment(dir));
        }
        let (offset, what) = damage.map_or((end, "the log ends here"), |d| (d.offset, d.reason.as_str()));
        let reason = format!("{what}, but it was durable up to byte {} (group {})", mark.end, mark.group);
        Err(StoreError::corrupt(self.path, offset, reason))
    }

    /// Damage at the end of the log is a torn group when nothing later than that group is there: it was never durable,
    /// so it was never acknowledged. Otherwise durable bytes are damaged.
    fn check_torn(&mut self, damage: &Damage) -> Result<(), StoreError> {
        let corrupt = |reason| Err(StoreError::corrupt(self.path, damage.offset, reason));
        let Some(group) = self.group else { return corrupt(damage.reason.clone()) };
        match self.scanner.highest_group_from(damage.offset)? {
            Some((later, at)) if later > group + 1 => {
                let reason =
                    format!("{}, but group {later} at byte {at} was written after it", damage.reason);
                corrupt(reason)
            }
            _ => Ok(()),
        }
    }
}

/// Makes everything after `end` zero, durably, or removes a segment without a whole group. Returns the bytes cut.
fn cut(
    disk: &dyn Disk,
    file: &dyn DiskFile,
    path: &Path,
    scanner: &mut Scanner,
    end: u64,
) -> Result<u64, StoreError> {
    let failed = |e| StoreError::io("cut the torn end of", path, e);
    if scanner.zero_from(end)? && end > 0 {
        return Ok(0);
    }
    if end == 0 {
        let cut = if scanner.zero_from(0)? { 0 } else { scanner.len };
        disk.remove(path).map_err(failed)?;
        disk.sync_dir(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        return Ok(cut);
    }
    let zeros = vec![0; ZERO_BYTES];
    let mut offset = end;
    while offset < scanner.len {
        let len = usize::try_from(scanner.len - offset).map_or(ZERO_BYTES, |rest| rest.min(ZERO_BYTES));
        file.write_all_at(&zeros[..len], offset).map_err(failed)?;
        offset += len as u64;
    }
    file.sync_data().map_err(failed)?;
    Ok(scanner.len - end)
}

/// Reads one entry back from its place.
pub(super) fn read_entry(
    dir: &Path,
    file: &dyn DiskFile,
    index: u64,
    at: Location,
) -> Result<bytes::Bytes, StoreError> {
    let path = segment::path(dir, at.segment);
    let mut frame = vec![0; HEADER_BYTES + at.payload_len as usize];
    let read = file.read_full_at(&mut frame, at.offset).map_err(|e| StoreError::io("read", &path, e))?;
    let valid = read == frame.len() && {
        let header: &[u8; HEADER_BYTES] = frame[..HEADER_BYTES].try_into().expect("longer than a header");
        Header::decode(header).is_some_and(|decoded| {
            decoded.number == index
                && decoded.kind == Kind::Entry
                && decoded.matches(at.segment, header, &frame[HEADER_BYTES..])
        })
    };
    if !valid {
        return Err(StoreError::corrupt(&path, at.offset, format!("index {index} does not read back")));
    }
    Ok(bytes::Bytes::from(frame).slice(HEADER_BYTES..))
}
