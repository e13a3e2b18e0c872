use std::sync::atomic::{AtomicU64, Ordering};

use ledger_format::{NoteSigner, SignatureType};

use super::*;
use crate::testlog::TestLog;

/// A clock that stands where it is put, in seconds.
#[derive(Default)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed) * 1000
    }
}

struct Bench {
    witness: Witness,
    clock: Arc<TestClock>,
    vkey: ledger_format::Vkey,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(logs: impl IntoIterator<Item = Log>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(TestClock(AtomicU64::new(1_000)));
        let key = NoteSigner::new("w.example/1", SignatureType::CosignatureV1, [9; 32]).expect("a name");
        let vkey = key.vkey().clone();
        crate::persist::create(dir.path(), &vkey.to_string()).expect("an empty directory");
        let metrics = Arc::new(Metrics::default());
        let memory = Memory::open(dir.path(), &vkey.to_string(), metrics.clone()).expect("a memory");
        let signer = Signer::new(key, None, clock.clone(), 0);
        let logs = LogSet::new(logs).expect("logs");
        let witness = Witness::new(logs, memory, signer, clock.clone(), dir.path(), None, metrics);
        Self { witness: witness.expect("a directory of its own"), clock, vkey, _dir: dir }
    }

    /// Posts a note as a refresh of its own size; the time of the cosignature.
    async fn refresh(&self, size: u64, note: &Note) -> Result<u64, Denial> {
        let request = AddCheckpoint { old: size, proof: Vec::new(), note: note.clone() };
        let lines = self.witness.add_checkpoint(&request.to_bytes()).await?;
        let line = ledger_format::SignatureLine::parse(lines.trim_end()).expect("a line");
        Ok(self.vkey.verify(note.text(), &line).expect("our signature").expect("with a time"))
    }

    fn remembered(&self, log: &TestLog) -> Arc<Remembered> {
        self.witness.memory().latest(&log.origin).expect("cosigned")
    }
}

fn known(log: &TestLog) -> Log {
    Log::new(&log.vkey(), Some(&log.origin)).expect("a log")
}

/// Within a second the cosignature is the remembered one, and the memory's writer is not asked; then it is a new one.
#[tokio::test]
async fn a_checkpoint_is_refreshed_once_a_second() {
    let log = TestLog::new("log.example/refreshed", 9);
    let bench = Bench::new([known(&log)]);
    bench.witness.add_checkpoint(&log.body(0, 9)).await.expect("cosigned");
    let first = bench.remembered(&log);
    let note = log.sign(&log.text(9));
    for _ in 0..100 {
        assert_eq!(bench.refresh(9, &note).await, Ok(1_000));
    }
    assert!(Arc::ptr_eq(&first, &bench.remembered(&log)));
    assert!(bench.witness.render_metrics().contains("\nmaip_witness_persist_group_sum 1\n"));
    bench.clock.0.store(1_001, Ordering::Relaxed);
    assert_eq!(bench.refresh(9, &note).await, Ok(1_001));
    assert_eq!(bench.remembered(&log).time_s, 1_001);
    // A clock without a time signs nothing, not even again.
    bench.clock.0.store(0, Ordering::Relaxed);
    assert!(matches!(bench.refresh(9, &note).await, Err(Denial::Failed(_))));
}

/// Other notes of the same tree are cosigned themselves, and written once a second however often they come by turns.
#[tokio::test]
async fn another_note_of_the_same_tree_is_cosigned_itself() {
    let log = TestLog::new("log.example/rotated", 9);
    let rotated = log.clone().with_key("log.example/rotated", 77);
    let bench = Bench::new([known(&log), known(&rotated)]);
    bench.witness.add_checkpoint(&log.body(0, 9)).await.expect("cosigned");
    let first = bench.remembered(&log);
    let notes = [rotated.sign(&log.text(9)), log.sign(&format!("{}extended\n", log.text(9)))];
    for note in notes.iter().cycle().take(10) {
        assert_eq!(bench.refresh(9, note).await, Ok(1_000));
    }
    assert!(Arc::ptr_eq(&first, &bench.remembered(&log)));
    for (note, now_s) in notes.iter().zip(1_001..) {
        bench.clock.0.store(now_s, Ordering::Relaxed);
        assert_eq!(bench.refresh(9, note).await, Ok(now_s));
        let remembered = Note::parse(&bench.remembered(&log).note).expect("a note");
        assert_eq!(remembered.text(), note.text());
        assert_eq!(remembered.signatures().first(), note.signatures().first());
    }
}
