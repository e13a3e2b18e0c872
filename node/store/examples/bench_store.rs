//! Measures the engines and the Raft log on this machine, so that figures pick the defaults.
//!
//! ```text
//! cargo run --release -p ledger-store --example bench_store -- DIR engine fjall 10000000
//! cargo run --release -p ledger-store --example bench_store -- DIR engine sled   1000000
//! cargo run --release -p ledger-store --example bench_store -- DIR raft-log
//! ```
//!
//! `engine` loads random keys as a log of that many records would: batches of 256 index keys (33 bytes, 72-byte values)
//! with 16 writes of small state and one of bookkeeping, synced every 256 batches; then reads keys that are there and
//! keys that are not; then opens the directory again. The load stops after five minutes and reports how far it came.
//! `raft-log` appends 512-byte entries in groups, each group durable before the next.

use std::error::Error;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use ledger_store::{Batch, Engine, EngineKind, EngineOptions, RaftLog, RaftLogOptions, Space, open};

const KEYS_PER_BATCH: u64 = 256;
const STATE_WRITES_PER_BATCH: u64 = 16;
const STATE_KEYS: u64 = 50_000;
const BATCHES_PER_SYNC: u64 = 256;
const READS: u64 = 200_000;
const LOAD_TIME_MAX: Duration = Duration::from_secs(300);
const READ_TIME_MAX: Duration = Duration::from_secs(30);
const APPEND_TIME: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [dir, "engine", kind, keys] => bench_engine(Path::new(dir), kind.parse()?, keys.parse()?),
        [dir, "raft-log"] => bench_raft_log(Path::new(dir)),
        _ => Err("usage: bench_store DIR engine fjall|sled|memory KEYS | bench_store DIR raft-log".into()),
    }
}

fn bench_engine(dir: &Path, kind: EngineKind, keys: u64) -> Result<(), Box<dyn Error>> {
    let options = EngineOptions::default();
    let engine = open(kind, dir, &options)?;
    let (loaded, load_time) = load(&*engine, keys)?;
    let peak_after_load = memory_kib("VmHWM:");
    let hits = read(&*engine, loaded, |n| n % loaded)?;
    let misses = read(&*engine, loaded, |n| u64::MAX - n)?;
    let disk = engine.disk_bytes();
    drop(engine);
    let start = Instant::now();
    let engine = open(kind, dir, &options)?;
    engine.get(Space::Index, &key(0))?.ok_or("the first key is gone after reopening")?;
    println!(
        "{:6} | keys {loaded} | load/s {:.0} | get/s hit {hits:.0} miss {misses:.0} | RSS {} MiB, peak in load {} MiB, \
         peak {} MiB | disk {} MiB of {} MiB data | reopen {:.2} s",
        engine.name(),
        loaded as f64 / load_time.as_secs_f64(),
        memory_kib("VmRSS:") / 1024,
        peak_after_load / 1024,
        memory_kib("VmHWM:") / 1024,
        disk >> 20,
        (loaded * (33 + 72)) >> 20,
        start.elapsed().as_secs_f64(),
    );
    Ok(())
}

/// Loads until done or out of time; returns how many keys and how long.
fn load(engine: &dyn Engine, keys: u64) -> Result<(u64, Duration), Box<dyn Error>> {
    let start = Instant::now();
    let mut loaded = 0;
    let mut batches = 0;
    while loaded < keys && start.elapsed() < LOAD_TIME_MAX {
        let mut batch = Batch::new();
        for n in loaded..keys.min(loaded + KEYS_PER_BATCH) {
            batch.put(Space::Index, key(n), value(n));
        }
        for n in 0..STATE_WRITES_PER_BATCH {
            let agent = mix(batches * STATE_WRITES_PER_BATCH + n) % STATE_KEYS;
            batch.put(Space::State, agent.to_be_bytes(), [n as u8; 200]);
        }
        batch.put(Space::Meta, *b"applied", batches.to_be_bytes());
        engine.commit(batch)?;
        loaded = keys.min(loaded + KEYS_PER_BATCH);
        batches += 1;
        if batches % BATCHES_PER_SYNC == 0 {
            engine.sync()?;
        }
        if batches % 4096 == 0 {
            let rate = loaded as f64 / start.elapsed().as_secs_f64();
            eprintln!("{loaded} keys, {rate:.0}/s, {} MiB", memory_kib("VmRSS:") / 1024);
        }
    }
    engine.sync()?;
    Ok((loaded, start.elapsed()))
}

/// Reads keys, present when `number` maps below `loaded`; returns reads a second.
fn read(engine: &dyn Engine, loaded: u64, number: impl Fn(u64) -> u64) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let mut reads = 0;
    while reads < READS && start.elapsed() < READ_TIME_MAX {
        let n = number(mix(reads) >> 1);
        if engine.get(Space::Index, &key(n))?.is_some() != (n < loaded) {
            return Err(format!("key {n} is wrong").into());
        }
        reads += 1;
    }
    Ok(reads as f64 / start.elapsed().as_secs_f64())
}

fn bench_raft_log(dir: &Path) -> Result<(), Box<dyn Error>> {
    for group in [1u64, 16, 256] {
        let dir = dir.join(format!("group-{group}"));
        let (log, _) = RaftLog::open(&dir, &RaftLogOptions::default())?;
        let mut times = Vec::new();
        let (done, durable) = channel();
        let start = Instant::now();
        let mut next = 0;
        while start.elapsed() < APPEND_TIME {
            let begun = Instant::now();
            let done = done.clone();
            let frames: Vec<Vec<u8>> = (next..next + group).map(|n| vec![n as u8; 512]).collect();
            log.append(next, frames, Box::new(move |result| drop(done.send(result))))?;
            durable.recv()??;
            next += group;
            times.push(begun.elapsed());
        }
        let rate = next as f64 / start.elapsed().as_secs_f64();
        drop(log);
        let begun = Instant::now();
        let (_, found) = RaftLog::open(&dir, &RaftLogOptions::default())?;
        let reopen = begun.elapsed();
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100].as_micros();
        println!(
            "raft log | group {group:3} | {rate:.0} entries/s | p50 {} us, p99 {} us | reopen of {} entries {:.2} s",
            at(50),
            at(99),
            found.last.map_or(0, |last| last + 1),
            reopen.as_secs_f64(),
        );
    }
    Ok(())
}

/// A random-looking key: a tenant of sixteen, then the record.
fn key(n: u64) -> [u8; 33] {
    let mut key = [b'r'; 33];
    key[1..9].copy_from_slice(&mix(n % 16).to_be_bytes());
    key[9..17].copy_from_slice(&mix(n % 16 + 16).to_be_bytes());
    key[17..25].copy_from_slice(&mix(n).to_be_bytes());
    key[25..].copy_from_slice(&mix(n ^ 0x5555).to_be_bytes());
    key
}

/// Eight bytes of index and two hashes: nothing to compress.
fn value(n: u64) -> [u8; 72] {
    let mut value = [0; 72];
    for (at, word) in value.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&mix(n.wrapping_mul(9) + at as u64).to_be_bytes());
    }
    value
}

/// SplitMix64's finisher: spreads numbers without a random source.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// A line of `/proc/self/status`, in KiB; 0 where there is none.
fn memory_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}
