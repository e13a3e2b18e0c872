//! Real processes that die: by `kill -9`, and by a modelled power cut that takes everything that was not synced.
//!
//! A test starts this same program again as a child that runs [`child`] alone. The child prints an acknowledgement for
//! each thing that must survive; the test kills it at some moment, opens the directory and looks.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::UNIX_EPOCH;

use ledger_store::{Batch, Engine, EngineKind, EngineOptions, RaftLog, RaftLogOptions, Space, open};

/// What the child does: "raft-log", or an engine and what it does before it acknowledges: "commit", "sync", or "bulk":
/// sync now and then, with so much data that memtables are written out and journals removed.
const ROLE: &str = "LEDGER_STORE_CHILD_ROLE";
const DIR: &str = "LEDGER_STORE_CHILD_DIR";
/// Acknowledgements after which the child is killed, one run each.
const KILL_AFTER: [u64; 4] = [1, 17, 150, 700];
/// Power cuts for each engine and for the Raft log: close together at first, when files are being made.
const POWER_CUTS: u64 = 50;
/// As [`KILL_AFTER`], in numbers of the bulk load: at 60 kB each, below and above the limits of fjall's journal.
const KILL_BULK_AFTER: [u64; 2] = [6, 26];
const BULK_PER_SYNC: u64 = 64;
const OPTIONS: EngineOptions = EngineOptions { cache_bytes: 1 << 20 };

fn raft_log_options() -> RaftLogOptions {
    RaftLogOptions { segment_bytes: 64 << 10, reserve_bytes: 1 << 20, cache_bytes: 4096 }
}

/// Does nothing unless started by a test of this file.
#[test]
fn child() {
    let (Ok(role), Ok(dir)) = (std::env::var(ROLE), std::env::var(DIR)) else { return };
    match role.split_once(' ') {
        Some((engine, ack)) => engine_child(engine.parse().unwrap(), ack, Path::new(&dir)),
        None => raft_log_child(Path::new(&dir)),
    }
}

fn acknowledge(number: u64) {
    println!("ack {number}");
    std::io::stdout().flush().unwrap();
}

/// One batch a number: an index key, the same state key, a bookkeeping key; now and then a large value.
fn engine_child(kind: EngineKind, ack: &str, dir: &Path) {
    let engine = open(kind, dir, &OPTIONS).unwrap();
    let bulk = ack == "bulk";
    for number in 1u64.. {
        let mut batch = Batch::new();
        batch.put(Space::Index, number.to_be_bytes(), if bulk { bulk_value(number) } else { value(number) });
        batch.put(Space::State, *b"count", number.to_be_bytes());
        batch.delete(Space::Meta, (number - 1).to_be_bytes());
        batch.put(Space::Meta, number.to_be_bytes(), *b"");
        engine.commit(batch).unwrap();
        if bulk && number % BULK_PER_SYNC != 0 {
            continue;
        }
        if ack != "commit" {
            engine.sync().unwrap();
        }
        acknowledge(number);
    }
}

fn value(number: u64) -> Vec<u8> {
    let len = if number % 100 == 99 { 150_000 } else { number % 3000 };
    vec![number as u8; usize::try_from(len).unwrap()]
}

fn bulk_value(number: u64) -> Vec<u8> {
    // Not to be compressed away.
    (0..7500u64).flat_map(|n| (number << 32 | n).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()).collect()
}

/// Finds every acknowledged batch, whole, and of the others whole ones only.
fn check_engine(engine: &dyn Engine, acknowledged: u64, value: fn(u64) -> Vec<u8>) {
    let count = engine.get(Space::State, b"count").unwrap();
    let count = count.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
    assert!(count >= acknowledged, "{acknowledged} were acknowledged, {count} are there");
    for number in 1..=count {
        let there = engine.get(Space::Index, &number.to_be_bytes()).unwrap();
        assert!(there == Some(value(number)), "number {number} of {count}");
    }
    assert_eq!(engine.get(Space::Index, &(count + 1).to_be_bytes()).unwrap(), None, "half a batch");
    let marks: Vec<_> = engine.scan(Space::Meta, b"", None, 9).unwrap();
    let want: Vec<_> = (count > 0).then(|| (count.to_be_bytes().to_vec(), Vec::new())).into_iter().collect();
    assert_eq!(marks, want, "half a batch");
}

/// Appends, some in flight at once; every 50 a vote and a purge.
fn raft_log_child(dir: &Path) {
    let (log, found) = RaftLog::open(dir, &raft_log_options()).unwrap();
    assert_eq!(found.last, None);
    let (done, durable) = channel();
    for first in (1u64..).step_by(2) {
        let done = done.clone();
        let frames = vec![value(first % 90), value((first + 1) % 90)];
        log.append(first, frames, Box::new(move |result| drop(done.send((first + 1, result))))).unwrap();
        if first % 8 == 7 {
            for _ in 0..4 {
                let (last, result) = durable.recv().unwrap();
                result.unwrap();
                acknowledge(last);
            }
        }
        if first % 50 == 49 {
            log.save_meta(1, first.to_be_bytes().to_vec()).unwrap();
            log.purge_to(first / 2).unwrap();
            println!("vote {first}");
        }
    }
}

fn check_raft_log(dir: &Path, acknowledged: u64, vote: u64) {
    let (log, found) = RaftLog::open(dir, &raft_log_options()).unwrap();
    let last = found.last.unwrap_or(0);
    assert!(last >= acknowledged, "{acknowledged} were acknowledged, {last} are there");
    let saved = found.meta.get(&1).map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().unwrap()));
    assert!(saved >= vote && found.purged.unwrap_or(0) >= vote / 2);
    for (index, bytes) in log.read(0..u64::MAX, usize::MAX).unwrap() {
        assert!(bytes == value(index % 90), "index {index}");
    }
    let (done, durable) = channel();
    log.append(last + 1, vec![vec![1]], Box::new(move |result| drop(done.send(result)))).unwrap();
    durable.recv().unwrap().unwrap();
}

/// A running child. Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already dead is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a child until it has acknowledged so many, then kills it. Returns the last acknowledgement and the last vote.
fn run_and_kill(role: &str, dir: &Path, after: u64, shim: Option<(&Path, &Path)>) -> (u64, u64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(ROLE, role).env(DIR, dir);
    if let Some((library, durable)) = shim {
        command.env("LD_PRELOAD", library).env("DURABLE_DIR", durable);
    }
    let mut child = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let (mut acknowledged, mut vote, mut seen) = (0, 0, 0);
    let mut note = |line: &str| {
        // The test runner prints "test child ... " in front of the first line.
        if let Some((_, number)) = line.rsplit_once("ack ") {
            acknowledged = number.parse().unwrap();
            seen += 1;
        } else if let Some((_, number)) = line.rsplit_once("vote ") {
            vote = number.parse().unwrap();
        }
        seen
    };
    while note(&lines.next().expect("the child lives until it is killed").unwrap()) < after {}
    child.0.kill().unwrap();
    // What was printed before the kill was acknowledged too; the last line may be cut.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let whole = rest.len().saturating_sub(1);
    for line in &rest[..whole] {
        note(line);
    }
    (acknowledged, vote)
}

fn engine_survives_kill(kind: EngineKind, ack: &str) {
    for after in KILL_AFTER {
        let dir = tempfile::tempdir().unwrap();
        let (acknowledged, _) = run_and_kill(&format!("{} {ack}", kind.name()), dir.path(), after, None);
        check_engine(&*open(kind, dir.path(), &OPTIONS).unwrap(), acknowledged, value);
    }
}

#[test]
fn fjall_survives_kill() {
    engine_survives_kill(EngineKind::Fjall, "commit");
}

#[test]
fn sled_survives_kill() {
    engine_survives_kill(EngineKind::Sled, "commit");
}

#[test]
fn the_raft_log_survives_kill() {
    for after in KILL_AFTER {
        let dir = tempfile::tempdir().unwrap();
        let (acknowledged, vote) = run_and_kill("raft-log", dir.path(), after, None);
        check_raft_log(dir.path(), acknowledged, vote);
    }
}

/// The library that remembers what was synced, and where it keeps it.
struct Shim {
    dir: tempfile::TempDir,
    library: PathBuf,
}

impl Shim {
    fn compile() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durable_shim/shim.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .status()
            .expect("a C compiler, which linking Rust needs too");
        assert!(compiled.success());
        Shim { dir, library }
    }

    /// Runs a child, kills it, and puts every file back to what it held when it was last synced.
    fn run_and_cut_power(&self, role: &str, data: &Path, after: u64) -> (u64, u64) {
        self.run_and_cut_power_after(role, data, after, |_| ())
    }

    /// The same; `before` sees what the killed child left, before the power takes its part.
    fn run_and_cut_power_after(
        &self,
        role: &str,
        data: &Path,
        after: u64,
        before: impl FnOnce(&Path),
    ) -> (u64, u64) {
        let durable = self.dir.path().join("durable");
        drop(fs::remove_dir_all(&durable));
        fs::create_dir(&durable).unwrap();
        let acknowledged = run_and_kill(role, data, after, Some((&self.library, &durable)));
        before(data);
        roll_back(data, &durable);
        acknowledged
    }
}

fn roll_back(dir: &Path, durable: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            roll_back(&entry.path(), durable);
            continue;
        }
        let birth = meta.created().unwrap().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let copy = durable.join(format!("{}-{birth}", meta.ino()));
        if copy.exists() {
            fs::copy(&copy, entry.path()).unwrap();
        } else {
            fs::write(entry.path(), b"").unwrap();
        }
    }
}

/// Acknowledgements after which the power is cut.
fn cuts() -> impl Iterator<Item = u64> {
    (0..POWER_CUTS).map(|cut| 1 + cut * cut / 8)
}

fn engine_survives_power_cut(kind: EngineKind) {
    let shim = Shim::compile();
    let syncs = cuts().map(|after| (after, "sync", value as fn(u64) -> Vec<u8>));
    let bulk = KILL_BULK_AFTER.map(|after| (after, "bulk", bulk_value as fn(u64) -> Vec<u8>));
    for (after, ack, value) in syncs.chain(bulk) {
        let dir = tempfile::tempdir().unwrap();
        let role = format!("{} {ack}", kind.name());
        let (acknowledged, _) = shim.run_and_cut_power(&role, dir.path(), after);
        check_engine(&*open(kind, dir.path(), &OPTIONS).unwrap(), acknowledged, value);
    }
}

#[test]
fn fjall_survives_power_cut() {
    engine_survives_power_cut(EngineKind::Fjall);
}

#[test]
fn sled_survives_power_cut() {
    engine_survives_power_cut(EngineKind::Sled);
}

#[test]
fn the_raft_log_survives_power_cut() {
    let shim = Shim::compile();
    for after in cuts() {
        let dir = tempfile::tempdir().unwrap();
        let newest = dir.path().join("synced.newest");
        let keep = |data: &Path| drop(fs::copy(data.join("synced"), &newest));
        let data = dir.path().join("log");
        let (acknowledged, vote) = shim.run_and_cut_power_after("raft-log", &data, after, keep);
        for mark in Mark::ALL {
            let copy = dir.path().join("copy");
            copy_files(&data, &copy);
            mark.put(&copy.join("synced"), &newest);
            check_raft_log(&copy, acknowledged, vote);
            fs::remove_dir_all(&copy).unwrap();
        }
    }
}

/// What a power cut may leave of the file that says how far the log was synced, which is written and not synced.
#[derive(Clone, Copy, Debug)]
enum Mark {
    Older,
    Newest,
    Torn,
    Lost,
}

impl Mark {
    const ALL: [Mark; 4] = [Mark::Older, Mark::Newest, Mark::Torn, Mark::Lost];

    fn put(self, file: &Path, newest: &Path) {
        match self {
            // As it was when the log was opened.
            Mark::Older => {}
            Mark::Newest => drop(fs::copy(newest, file).unwrap()),
            Mark::Torn => {
                let mut bytes = fs::read(newest).unwrap();
                // Half of one of the two slots.
                bytes[4096 + 16..4096 + 32].fill(0);
                fs::write(file, bytes).unwrap();
            }
            Mark::Lost => fs::remove_file(file).unwrap(),
        }
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The model takes what was committed and not synced; otherwise it would prove nothing.
#[test]
fn a_power_cut_takes_what_was_not_synced() {
    let shim = Shim::compile();
    let dir = tempfile::tempdir().unwrap();
    let (acknowledged, _) = shim.run_and_cut_power("fjall commit", dir.path(), 50);
    let engine: Arc<dyn Engine> = open(EngineKind::Fjall, dir.path(), &OPTIONS).unwrap();
    assert!(acknowledged >= 50);
    assert_eq!(engine.get(Space::State, b"count").unwrap(), None);
}
