use std::sync::atomic::{AtomicU64, Ordering};

use ledger_format::{Checkpoint, NoteSigner, SignatureType, Vkey};

use super::journal::tests::{Fate, TestDisk};
use super::*;
use crate::clock::Clock;
use crate::decide::{authenticate, decide};
use crate::sign::Signer;
use crate::testlog::TestLog;

const IDENTITY: &str = "w.example/1+key";

/// A clock that stands where it is put.
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed) * 1000
    }
}

struct Bench {
    disk: TestDisk,
    memory: Memory,
    signer: Signer,
    clock: Arc<TestClock>,
    vkey: Vkey,
}

impl Bench {
    fn new() -> Self {
        let disk = TestDisk::default();
        Journal::create(disk.clone(), &codec::encode_opening(IDENTITY, [])).expect("an empty disk");
        Self::on(disk)
    }

    fn on(disk: TestDisk) -> Self {
        let memory = open(&disk).expect("a memory");
        let clock = Arc::new(TestClock(AtomicU64::new(1_000)));
        let key = NoteSigner::new("w.example/1", SignatureType::CosignatureV1, [9; 32]).expect("a name");
        let vkey = key.vkey().clone();
        let last_s = memory.all().iter().map(|log| log.time_s).max().unwrap_or(0);
        Self { disk, memory, signer: Signer::new(key, None, clock.clone(), last_s), clock, vkey }
    }

    /// Decides and cosigns on what is remembered now, without storing.
    fn cosign(&self, log: &TestLog, new: u64) -> Cosigned {
        let latest = self.memory.latest(&log.origin).map(|latest| latest.latest());
        let old = latest.map_or(0, |latest| latest.size);
        let request = log.request(old, new);
        let text = request.note.text();
        let checkpoint = Checkpoint::parse(text).expect("a checkpoint");
        let lines = authenticate(&[log.key().vkey().clone()], &request.note).expect("a signature");
        let advance = decide(latest, old, &checkpoint, &request.proof).expect("an honest request");
        self.signer.cosign(advance, &log.origin, text, lines).expect("a time")
    }

    async fn step(&self, log: &TestLog, new: u64) -> Result<Released, CommitError> {
        self.memory.commit(self.cosign(log, new)).await
    }

    fn size(&self, log: &TestLog) -> Option<u64> {
        self.memory.latest(&log.origin).map(|latest| latest.size)
    }
}

fn open(disk: &TestDisk) -> Result<Memory, MemoryError> {
    Memory::on(disk.clone(), None, Path::new("state"), IDENTITY, Arc::new(Metrics::default()))
}

#[tokio::test]
async fn what_is_released_is_remembered_over_a_restart() {
    let bench = Bench::new();
    let (a, b) = (TestLog::new("a.example", 50), TestLog::new("b.example", 50));
    for size in 1..50 {
        let released = bench.step(&a, size).await.expect("stored").into_lines();
        let line = ledger_format::SignatureLine::parse(released.trim_end()).expect("a line");
        assert_eq!(bench.vkey.verify(&a.text(size), &line), Ok(Some(1_000)));
    }
    bench.step(&b, 7).await.expect("stored");
    let before = bench.memory.all();
    let disk = bench.disk.clone();
    drop(bench);

    let again = Bench::on(disk.power_cut(|_| Fate::Lost));
    let mut after = again.memory.all();
    after.sort_by(|x, y| x.origin.cmp(&y.origin));
    let mut before = before;
    before.sort_by(|x, y| x.origin.cmp(&y.origin));
    assert_eq!(after, before);
    assert_eq!((again.size(&a), again.size(&b)), (Some(49), Some(7)));
    // What monitors get is the log's signature and ours, over the same text.
    let note = Note::parse(&again.memory.latest("a.example").expect("remembered").note).expect("a note");
    assert_eq!(note.text(), a.text(49));
    let verified = |vkey: &Vkey| note.signature_of(vkey).map(|line| vkey.verify(note.text(), line).is_ok());
    assert_eq!(verified(a.key().vkey()), Some(true));
    assert_eq!(verified(&again.vkey), Some(true));
}

/// Requests decided on the same remembered checkpoint: one is stored, and nothing of the others leaves.
#[tokio::test]
async fn of_two_decisions_on_one_memory_only_the_first_counts() {
    let bench = Bench::new();
    let log = TestLog::new("a.example", 20);
    bench.step(&log, 5).await.expect("stored");
    let fork = log.fork(5, "fork");
    let (first, second, further) = (bench.cosign(&log, 9), bench.cosign(&fork, 9), bench.cosign(&log, 12));
    let (first, second, further) =
        tokio::join!(bench.memory.commit(first), bench.memory.commit(second), bench.memory.commit(further));
    assert!(first.is_ok());
    assert_eq!(second.map(|_| ()), Err(CommitError::Conflict));
    assert_eq!(further.map(|_| ()), Err(CommitError::Conflict));
    assert_eq!(bench.memory.latest("a.example").expect("remembered").root, log.root(9));
}

#[tokio::test]
async fn a_refresh_keeps_the_newer_time_and_time_never_goes_back() {
    let bench = Bench::new();
    let log = TestLog::new("a.example", 20);
    bench.step(&log, 5).await.expect("stored");
    let time = |bench: &Bench| bench.memory.latest("a.example").expect("remembered").time_s;
    bench.clock.0.store(2_000, Ordering::Relaxed);
    let early = bench.cosign(&log, 5);
    bench.clock.0.store(3_000, Ordering::Relaxed);
    bench.step(&log, 5).await.expect("stored");
    // Signed earlier, stored later: released, as it is true, but not remembered instead of the newer one.
    assert!(bench.memory.commit(early).await.is_ok());
    assert_eq!(time(&bench), 3_000);
    // The clock is set back: the last time is repeated, also after a restart.
    bench.clock.0.store(500, Ordering::Relaxed);
    bench.step(&log, 6).await.expect("stored");
    assert_eq!(time(&bench), 3_000);
    assert_eq!(bench.signer.clock_behind_s(), 2_500);
    let disk = bench.disk.clone();
    drop(bench);
    let again = Bench::on(disk);
    again.step(&log, 7).await.expect("stored");
    assert_eq!(time(&again), 3_000);
}

#[test]
fn a_clock_without_a_usable_time_signs_nothing() {
    let bench = Bench::new();
    let log = TestLog::new("a.example", 5);
    let cosigned = bench.cosign(&log, 5);
    for now_s in [0, u64::MAX / 1000] {
        bench.clock.0.store(now_s, Ordering::Relaxed);
        let got = bench.signer.cosign(cosigned.advance(), &log.origin, &log.text(5), Vec::new());
        assert_eq!(got.is_err(), now_s == 0, "{now_s}");
    }
}

/// The caller dies between the store and the answer: the memory has moved, and a retry is told so.
#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_remembered() {
    let bench = Bench::new();
    let log = TestLog::new("a.example", 20);
    {
        let mut commit = std::pin::pin!(bench.memory.commit(bench.cosign(&log, 5)));
        // The writer cannot make it visible while this is held, so it has not answered when the one poll ends, however fast it is.
        let _held = bench.memory.shared.latest.read().expect("no writer panics while it holds the lock");
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        // The request is in the queue; then the connection goes away.
        assert!(commit.as_mut().poll(&mut nobody).is_pending());
    }
    // The writer takes requests in order, so after this one the first is decided.
    let other = TestLog::new("b.example", 5);
    bench.step(&other, 5).await.expect("stored");
    assert_eq!(bench.size(&log), Some(5));
}

/// Every call on the disk, failed, or done but reported failed. What was released is there after the
/// restart; what was not is at most one step ahead; and the memory stays out of service until then.
#[tokio::test]
async fn a_failing_disk_ends_the_service_and_forgets_nothing() {
    for happens in [false, true] {
        for calls in 0..40 {
            let bench = Bench::new();
            let log = TestLog::new("a.example", 64);
            bench.disk.fail_after(calls, happens);
            let mut released = None;
            let mut asked = None;
            for size in 1..40 {
                asked = Some(size);
                match bench.step(&log, size).await {
                    Ok(_) => released = Some(size),
                    Err(error) => {
                        assert!(matches!(error, CommitError::Failed(_)), "{error}");
                        break;
                    }
                }
            }
            assert_eq!(bench.size(&log), released, "only what is durable is shown");
            if released == Some(39) {
                continue;
            }
            assert!(bench.memory.failure().await.contains("injected"));
            assert!(!bench.memory.is_in_service());
            assert!(matches!(bench.step(&log, 40).await, Err(CommitError::Failed(_))));
            for fate in [Fate::Lost, Fate::Kept, Fate::Torn] {
                let again = Bench::on(bench.disk.power_cut(|_| fate));
                let size = again.size(&log);
                assert!(size == released || size == asked, "{size:?}, {released:?}, {asked:?}");
                again.step(&log, 50).await.expect("in service again");
            }
        }
    }
}

#[test]
fn a_memory_that_contradicts_itself_is_refused() {
    let log = TestLog::new("a.example", 20);
    let fork = log.fork(3, "fork");
    let remembered = |log: &TestLog, size| {
        let note = log.sign(&log.text(size)).to_bytes();
        Remembered::from_note(&note, 7).expect("a note")
    };
    let load = |records: &[Remembered]| {
        let disk = TestDisk::default();
        Journal::create(disk.clone(), &codec::encode_opening(IDENTITY, records)).expect("an empty disk");
        open(&disk).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(load(&[remembered(&log, 5), remembered(&log, 9)]), Ok(()));
    let two_roots = load(&[remembered(&log, 5), remembered(&fork, 5)]).expect_err("two roots");
    assert!(two_roots.contains("two roots for size 5"), "{two_roots}");
    let back = load(&[remembered(&log, 9), remembered(&log, 5)]).expect_err("back");
    assert!(back.contains("goes back from 9 to 5"), "{back}");
}

#[test]
fn a_memory_is_made_once_and_opened_by_one_process_of_one_witness() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = |identity| Memory::open(dir.path(), identity, Arc::new(Metrics::default()));
    let missing = open(IDENTITY).map(|_| ()).expect_err("nothing is there");
    assert!(matches!(missing, MemoryError::Missing { .. }), "{missing}");
    assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 0, "opening makes nothing");

    create(dir.path(), IDENTITY).expect("made");
    assert!(matches!(create(dir.path(), IDENTITY), Err(MemoryError::Exists { .. })));
    let memory = open(IDENTITY).expect("opened");
    assert!(matches!(open(IDENTITY), Err(MemoryError::Locked { .. })));
    drop(memory);
    assert!(matches!(open("another+key"), Err(MemoryError::OtherWitness { .. })));
    open(IDENTITY).expect("the lock went with its holder");
}

/// Whoever goes back to an older program is told so, and not that the memory is lost.
#[test]
fn a_memory_of_a_newer_program_is_refused() {
    let mut newer = codec::encode_opening(IDENTITY, []);
    newer[0] = 2;
    let disk = TestDisk::default();
    Journal::create(disk.clone(), &newer).expect("an empty disk");
    let refused = open(&disk).map(drop).expect_err("a newer memory").to_string();
    assert!(refused.contains("newer program (version 2, this one reads 1)"), "{refused}");
}

/// Bytes that are not a memory never panic and never open as an empty one.
#[test]
fn a_payload_with_any_bytes_cut_off_is_refused() {
    let log = TestLog::new("a.example", 9);
    let note = log.sign(&log.text(9)).to_bytes();
    let whole = codec::encode_opening(IDENTITY, [&Remembered::from_note(&note, 7).expect("a note")]);
    let empty = codec::encode_opening(IDENTITY, []).len();
    for end in (0..whole.len()).filter(|&end| end != empty) {
        assert_eq!(codec::decode_opening(&whole[..end]), None, "{end}");
    }
    assert_eq!(codec::decode_opening(&whole).map(|(_, records)| records.len()), Some(1));
}
