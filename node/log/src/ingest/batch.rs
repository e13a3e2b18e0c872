//! The queue of checked records and the batches that leave it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ledger_state::{Command, Note, Outcome};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};

use super::{Ack, Fate, Refused, RefusedKind, Submitted};
use crate::{
    bytes_codec::{Malformed, Reader, Writer},
    hosted::{Core, ProposeError},
    options::{LogLimits, PeerError},
    peer::Kind,
    trace::{self, TraceId},
};

/// Between two looks for a leader.
pub(crate) const LEADER_RETRY: Duration = Duration::from_millis(20);
/// How long one forwarded batch may take before it is sent again. Safe: apply deduplicates.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(3);
/// First byte of forwarded records without notes, and with some.
const FORWARD_PLAIN: u8 = 1;
const FORWARD_NOTED: u8 = 2;
/// Records that one forwarded message may hold.
const FORWARD_RECORDS_MAX: u32 = 65_536;

/// A record on its way, with what nodes keep of it apart from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Canonical bytes.
    pub record: Bytes,
    /// Kept if the record is logged.
    pub note: Option<Note>,
}

impl Noted {
    /// A record alone.
    pub fn plain(record: Bytes) -> Self {
        Self { record, note: None }
    }

    fn bytes(&self) -> usize {
        self.record.len() + self.note.as_ref().map_or(0, |note| note.key().len() + note.value().len())
    }
}

/// Who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A caller of this node, which finds the leader for it.
    Caller,
    /// Another node, which finds the next leader itself. Passed on, its records would come back to it when it leads now, and wait there behind
    /// those that wait for this node.
    Node,
}

/// Records that travel together and are answered together.
pub(crate) struct Group {
    records: Vec<Noted>,
    want_published: bool,
    /// From a caller of this node, or from a node that took this one for the leader.
    asker: Asker,
    deadline: Instant,
    trace: Option<TraceId>,
    answer: oneshot::Sender<Vec<Fate>>,
    /// Room in the queue; given back when the group is answered.
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

/// Checked records waiting to be proposed, bounded in number and bytes.
pub(crate) struct Queue {
    groups: mpsc::UnboundedSender<Group>,
    waiting: Mutex<mpsc::UnboundedReceiver<Group>>,
    records_room: Arc<Semaphore>,
    bytes_room: Arc<Semaphore>,
}

impl Queue {
    pub(crate) fn new(limits: &LogLimits) -> Self {
        let (groups, waiting) = mpsc::unbounded_channel();
        let bytes = limits.queue_bytes.min(Semaphore::MAX_PERMITS);
        Self {
            groups,
            waiting: Mutex::new(waiting),
            records_room: Arc::new(Semaphore::new(limits.queue_records)),
            bytes_room: Arc::new(Semaphore::new(bytes)),
        }
    }

    /// Queues records; the answer comes when all of them have a fate. Fails at once when there is no room.
    pub(crate) fn put(
        &self,
        records: Vec<Noted>,
        want_published: bool,
        asker: Asker,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Vec<Fate>>, Refused> {
        let number = u32::try_from(records.len()).map_err(|_| Refused::busy())?;
        let bytes =
            u32::try_from(records.iter().map(Noted::bytes).sum::<usize>()).map_err(|_| Refused::busy())?;
        let room = (
            self.records_room.clone().try_acquire_many_owned(number).map_err(|_| Refused::busy())?,
            self.bytes_room.clone().try_acquire_many_owned(bytes).map_err(|_| Refused::busy())?,
        );
        let (answer, fate) = oneshot::channel();
        let trace = trace::current();
        let group = Group { records, want_published, asker, deadline, trace, answer, _room: room };
        self.groups.send(group).map_err(|_| Refused::no_leader("this node is shutting down"))?;
        Ok(fate)
    }

    /// Records waiting or under way.
    pub(crate) fn waiting(&self, limits: &LogLimits) -> usize {
        limits.queue_records.saturating_sub(self.records_room.available_permits())
    }
}

/// Forms batches until the node stops.
pub(crate) async fn run(core: Arc<Core>) {
    let under_way = Arc::new(Semaphore::new(core.options.limits.batches_in_flight));
    let mut waiting = core.queue.waiting.lock().await;
    let mut left_over = None;
    loop {
        let first = match left_over.take() {
            Some(group) => group,
            None => match waiting.recv().await {
                Some(group) => group,
                None => return,
            },
        };
        // While all permits are out, records pile up and the next batch is larger: group commit without a timer.
        let Ok(permit) = under_way.clone().acquire_owned().await else { return };
        let mut batch = Batch::default();
        batch.add(first);
        while let Ok(group) = waiting.try_recv() {
            if !batch.has_room_for(&group, &core.options.limits) {
                left_over = Some(group);
                break;
            }
            batch.add(group);
        }
        let core = core.clone();
        let trace = batch.groups.iter().find_map(|group| group.trace);
        tokio::spawn(async move {
            match trace {
                Some(id) => trace::scope(id, batch.send(&core)).await,
                None => batch.send(&core).await,
            }
            drop(permit);
        });
    }
}

#[derive(Default)]
struct Batch {
    groups: Vec<Group>,
    records: usize,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, group: Group) {
        self.records += group.records.len();
        self.bytes += group.records.iter().map(Noted::bytes).sum::<usize>();
        self.groups.push(group);
    }

    fn has_room_for(&self, group: &Group, limits: &LogLimits) -> bool {
        self.records + group.records.len() <= limits.batch_records
            && self.bytes + group.records.iter().map(Noted::bytes).sum::<usize>() <= limits.batch_bytes
    }

    /// Gets every record sequenced or refused, trying again across leader changes until the callers' deadlines.
    async fn send(mut self, core: &Arc<Core>) {
        let deadline = self.groups.iter().map(|group| group.deadline).max().unwrap_or_else(Instant::now);
        let mut records = self.all_records();
        let mut fates = loop {
            let leads = core.is_leader();
            if !leads && self.give_back() {
                records = self.all_records();
            }
            if records.is_empty() {
                return;
            }
            let want_published = self.groups.iter().any(|group| group.want_published);
            match attempt(core, &records, want_published, leads).await {
                Ok(fates) => break fates.into_iter(),
                Err(refused) if Instant::now() >= deadline || refused.kind == RefusedKind::ReadOnly => {
                    break vec![Err(refused); records.len()].into_iter();
                }
                Err(_) => tokio::time::sleep(LEADER_RETRY).await,
            }
        };
        for group in self.groups {
            let fates = fates.by_ref().take(group.records.len()).collect();
            // The caller may have gone; its records are logged all the same.
            let _ = group.answer.send(fates);
        }
    }

    fn all_records(&self) -> Vec<Noted> {
        self.groups.iter().flat_map(|group| group.records.iter().cloned()).collect()
    }

    /// Gives records of other nodes back to them; whether there were any.
    fn give_back(&mut self) -> bool {
        let (own, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.groups).into_iter().partition(|group| group.asker == Asker::Caller);
        self.groups = own;
        let any = !others.is_empty();
        for group in others {
            let refused = Refused::no_leader("this node leads no longer");
            // The other node may have given up.
            let _ = group.answer.send(vec![Err(refused); group.records.len()]);
        }
        any
    }
}

/// One try: as the leader, or through it.
async fn attempt(
    core: &Arc<Core>,
    records: &[Noted],
    want_published: bool,
    leads: bool,
) -> Result<Vec<Fate>, Refused> {
    // R6: a node without room says so whoever leads; its callers go to a node that has room.
    if *core.low_space.borrow()
        && let Some(reason) = core.read_only_reason()
    {
        return Err(Refused::read_only(reason));
    }
    if let Some(reason) = core.stopped.get() {
        // What this node still believes of leaders is old: callers go to another node at once.
        return Err(Refused::read_only(format!("consensus has stopped on this node: {reason}")));
    }
    if leads {
        return propose(core, records, want_published).await;
    }
    let Some(leader) = core.leader() else {
        return Err(Refused::no_leader("no leader is known; an election may be under way"));
    };
    let body = encode_forward(records, want_published);
    let answer =
        core.world.peers.call(&leader, &core.group, Kind::Forward as u32, body, FORWARD_TIMEOUT).await;
    let answer = answer.map_err(|error| {
        Refused::no_leader(format!("the leader, node {}, did not take it: {error}", leader.id))
    })?;
    decode_fates(answer, records.len())
        .map_err(|e| Refused::new(RefusedKind::Internal, "INTERNAL", e.to_string(), "run one version"))?
}

async fn propose(core: &Arc<Core>, records: &[Noted], want_published: bool) -> Result<Vec<Fate>, Refused> {
    if core.fence_pending() {
        return Err(Refused::no_leader(
            "the new leader is still asking the witnesses what they have cosigned",
        ));
    }
    if let Some(reason) = core.read_only_reason() {
        return Err(Refused::read_only(reason));
    }
    let log_ms = core.world.clock.now_ms();
    let noted = records.iter().map(|noted| (&noted.record, noted.note.as_ref()));
    let command = Command::encode_append(log_ms, noted);
    let started = Instant::now();
    let outcomes = core.propose_encoded(command).await.map_err(|error| match error {
        ProposeError::NotLeader => Refused::no_leader("leadership moved on"),
        ProposeError::Stopped(reason) => Refused::no_leader(reason),
    })?;
    core.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
    if outcomes.len() != records.len() {
        return Err(Refused::new(
            RefusedKind::Internal,
            "INTERNAL",
            "apply answered for another number of records",
            "report this",
        ));
    }
    let fates: Vec<Fate> = outcomes.into_iter().map(fate).collect();
    if let Some(id) = trace::current() {
        let first = fates.iter().flatten().map(|submitted| submitted.index).min();
        tracing::debug!(log = %core.name, trace = %id, records = records.len(), first, "sequenced");
    }
    if want_published {
        let size = fates.iter().flatten().map(|submitted| submitted.index + 1).max().unwrap_or(0);
        core.demand.want(size);
    }
    Ok(fates)
}

fn fate(outcome: Outcome) -> Fate {
    match outcome {
        Outcome::Sequenced { index, leaf, log_ms, duplicate } => {
            Ok(Submitted { index, leaf, log_ms, duplicate, ack: Ack::Sequenced, proof: None })
        }
        Outcome::Rejected(rejection) => Err(super::check::refused(&rejection)),
        other => Err(Refused::new(
            RefusedKind::Internal,
            "INTERNAL",
            format!("unexpected outcome {other:?}"),
            "report this",
        )),
    }
}

impl Core {
    /// A follower's records: checked there, proposed here.
    pub(crate) async fn take_forwarded(self: &Arc<Self>, body: Bytes) -> Result<Bytes, PeerError> {
        let (records, want_published) =
            decode_forward(body).map_err(|e| PeerError::Refused(e.to_string()))?;
        if !self.is_leader() {
            return Err(PeerError::Refused("not the leader".into()));
        }
        let count = records.len();
        let deadline = Instant::now() + FORWARD_TIMEOUT;
        let answer = match self.queue.put(records, want_published, Asker::Node, deadline) {
            Ok(fates) => self.fates_while_leading(fates, count, deadline).await,
            Err(refused) => vec![Err(refused); count],
        };
        Ok(encode_fates(&answer))
    }

    /// What became of records of another node; that node finds the next leader when this one leads no longer, wherever the records are then: they may
    /// wait here behind some of this node's own, which wait for the other one.
    async fn fates_while_leading(
        &self,
        mut fates: oneshot::Receiver<Vec<Fate>>,
        count: usize,
        deadline: Instant,
    ) -> Vec<Fate> {
        loop {
            // Not longer than the caller waits: a log that was shut down meanwhile answers nobody, and must be let go of.
            let refused = match tokio::time::timeout(LEADER_RETRY, &mut fates).await {
                Ok(Ok(fates)) => return fates,
                Ok(Err(_)) => Refused::no_leader("this node is shutting down"),
                Err(_) if !self.is_leader() => Refused::no_leader("this node leads no longer"),
                Err(_) if Instant::now() >= deadline => Refused::timeout(),
                Err(_) => continue,
            };
            return vec![Err(refused); count];
        }
    }
}

fn encode_forward(records: &[Noted], want_published: bool) -> Bytes {
    let has_notes = records.iter().any(|noted| noted.note.is_some());
    let mut w = Writer::with_capacity(records.iter().map(|noted| noted.bytes() + 13).sum::<usize>() + 16);
    let version = if has_notes { FORWARD_NOTED } else { FORWARD_PLAIN };
    w.u8(version).u8(u8::from(want_published)).u32(records.len() as u32);
    for Noted { record, note } in records {
        w.bytes(record);
        if has_notes {
            w.u8(u8::from(note.is_some()));
            if let Some(note) = note {
                w.bytes(note.key()).bytes(note.value());
            }
        }
    }
    w.finish()
}

fn decode_forward(body: Bytes) -> Result<(Vec<Noted>, bool), Malformed> {
    let mut r = Reader::new(body, "forwarded records");
    let has_notes = match r.u8()? {
        FORWARD_PLAIN => false,
        FORWARD_NOTED => true,
        version => return Err(Malformed::Version { what: "forwarded records", version }),
    };
    let want_published = r.u8()? != 0;
    let count = r.u32()?;
    if count > FORWARD_RECORDS_MAX {
        return Err(r.fault());
    }
    let mut records = Vec::new();
    for _ in 0..count {
        let record = r.bytes()?;
        let note = if has_notes && r.u8()? != 0 {
            Some(Note::new(r.bytes()?, r.bytes()?).ok_or(r.fault())?)
        } else {
            None
        };
        records.push(Noted { record, note });
    }
    r.end()?;
    Ok((records, want_published))
}

fn encode_fates(fates: &[Fate]) -> Bytes {
    let mut w = Writer::with_capacity(fates.len() * 64 + 8);
    w.u8(1).u32(fates.len() as u32);
    for fate in fates {
        match fate {
            Ok(ok) => {
                w.u8(0).u64(ok.index).raw(&ok.leaf.0).u64(ok.log_ms).u8(u8::from(ok.duplicate));
            }
            Err(no) => {
                w.u8(1).u8(kind_number(no.kind)).u32(no.retry_after_ms);
                for text in [&no.code, &no.field, &no.message, &no.fix] {
                    w.bytes(text.as_bytes());
                }
            }
        }
    }
    w.finish()
}

/// The fates, or the one refusal that all of them share when the leader's state refused the whole batch.
fn decode_fates(body: Bytes, expected: usize) -> Result<Result<Vec<Fate>, Refused>, Malformed> {
    let mut r = Reader::new(body, "fates of forwarded records");
    if r.u8()? != 1 || r.u32()? as usize != expected {
        return Err(r.fault());
    }
    let mut fates = Vec::with_capacity(expected);
    for _ in 0..expected {
        fates.push(match r.u8()? {
            0 => {
                let (index, leaf, log_ms) = (r.u64()?, r.hash()?, r.u64()?);
                Ok(Submitted {
                    index,
                    leaf,
                    log_ms,
                    duplicate: r.u8()? != 0,
                    ack: Ack::Sequenced,
                    proof: None,
                })
            }
            1 => {
                let kind = kind_of(r.u8()?).ok_or(r.fault())?;
                let retry_after_ms = r.u32()?;
                let (code, field, message, fix) = (r.string()?, r.string()?, r.string()?, r.string()?);
                Err(Refused { kind, code, field, message, fix, retry_after_ms })
            }
            _ => return Err(r.fault()),
        });
    }
    r.end()?;
    let whole = |kind| matches!(kind, RefusedKind::NoLeader | RefusedKind::ReadOnly | RefusedKind::Internal);
    match fates.first() {
        Some(Err(refused)) if whole(refused.kind) && fates.iter().all(|fate| fate.is_err()) => {
            Ok(Err(refused.clone()))
        }
        _ => Ok(Ok(fates)),
    }
}

const KINDS: [RefusedKind; 12] = [
    RefusedKind::Invalid,
    RefusedKind::Unauthenticated,
    RefusedKind::Forbidden,
    RefusedKind::Conflict,
    RefusedKind::NotFound,
    RefusedKind::TooLarge,
    RefusedKind::Busy,
    RefusedKind::NoLeader,
    RefusedKind::ReadOnly,
    RefusedKind::Timeout,
    RefusedKind::Internal,
    RefusedKind::Quota,
];

fn kind_number(kind: RefusedKind) -> u8 {
    KINDS.iter().position(|k| *k == kind).expect("every kind is in the table") as u8
}

fn kind_of(number: u8) -> Option<RefusedKind> {
    KINDS.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_read_back_as_written() {
        let ok = Submitted {
            index: 7,
            leaf: ledger_format::leaf_hash(b"x"),
            log_ms: 9,
            duplicate: true,
            ack: Ack::Sequenced,
            proof: None,
        };
        for kind in KINDS {
            let no = Refused { field: "body.x".into(), ..Refused::new(kind, "CODE", "why", "what next") };
            let fates = vec![Ok(ok.clone()), Err(no)];
            assert_eq!(decode_fates(encode_fates(&fates), 2).unwrap().unwrap(), fates);
        }
        assert!(decode_fates(encode_fates(&[]), 1).is_err());
    }

    #[test]
    fn a_refusal_of_the_whole_batch_is_one_refusal() {
        let refused = Refused::read_only("fence");
        let fates = vec![Err(refused.clone()), Err(refused.clone())];
        assert_eq!(decode_fates(encode_fates(&fates), 2).unwrap(), Err(refused));
    }

    #[test]
    fn forwarded_records_read_back_as_written() {
        let mut records = vec![Noted::plain(Bytes::from_static(b"a")), Noted::plain(Bytes::new())];
        let bytes = encode_forward(&records, true);
        assert_eq!((bytes[0], decode_forward(bytes).unwrap()), (FORWARD_PLAIN, (records.clone(), true)));
        records[1].note = Note::new("key", "value");
        let bytes = encode_forward(&records, false);
        assert!(decode_forward(bytes.slice(..bytes.len() - 1)).is_err());
        let newer = [&[3], &bytes[1..]].concat();
        let refused = Malformed::Version { what: "forwarded records", version: 3 };
        assert_eq!(decode_forward(newer.into()).map(drop), Err(refused));
        assert_eq!((bytes[0], decode_forward(bytes).unwrap()), (FORWARD_NOTED, (records, false)));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_an_answered_group_makes_room() {
        let queue = Queue::new(&LogLimits { queue_records: 2, queue_bytes: 10, ..LogLimits::default() });
        let later = Instant::now() + Duration::from_secs(60);
        let put = |bytes: &'static [u8], n: usize| {
            queue.put(vec![Noted::plain(Bytes::from_static(bytes)); n], false, Asker::Caller, later)
        };
        let first = put(b"ab", 2).unwrap();
        assert_eq!(put(b"c", 1).unwrap_err().code, "BUSY");
        let group = queue.waiting.lock().await.recv().await.unwrap();
        group.answer.send(Vec::new()).unwrap();
        first.await.unwrap();
        drop(group._room);
        assert_eq!(put(b"0123456789ab", 1).unwrap_err().code, "BUSY", "too many bytes");
        assert!(put(b"c", 1).is_ok());
    }
}
