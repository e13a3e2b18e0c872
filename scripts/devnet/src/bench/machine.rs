//! Where the figures come from: processor, kernel, disk.

use std::{fs, io::Write as _, path::Path, time::Instant};

use anyhow::{Context as _, Result};
use devnet::Manifest;
use serde::Serialize;

use crate::load::percentile;

/// Writes with an fsync each, to measure the disk.
const FSYNCS: usize = 200;
/// Bytes of each of them.
const FSYNC_BYTES: usize = 4_096;

/// The unit of processor time in `/proc`, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The machine a bench ran on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    /// Filesystem type of the data directory.
    filesystem: String,
    /// A 4 KiB append with fdatasync.
    fsync_p50_us: u64,
    fsync_p99_us: u64,
}

impl Machine {
    /// Describes this machine; measures the disk that holds `data`.
    pub(crate) fn describe(data: &Path) -> Result<Machine> {
        let fsyncs = measure_fsync(data)?;
        Ok(Machine {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            cores: std::thread::available_parallelism()?.get(),
            memory_mib: field("/proc/meminfo", "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
                .map_or(0, |kib| kib / 1024),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            filesystem: filesystem(data).unwrap_or_else(|| "unknown".into()),
            fsync_p50_us: percentile(&fsyncs, 50),
            fsync_p99_us: percentile(&fsyncs, 99),
        })
    }

    /// One line.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} x{}, {} MiB, Linux {}, {}, fdatasync of 4 KiB p50 {} us p99 {} us",
            self.cpu,
            self.cores,
            self.memory_mib,
            self.kernel,
            self.filesystem,
            self.fsync_p50_us,
            self.fsync_p99_us
        )
    }
}

/// Resident memory of a process in KiB.
pub(crate) fn resident_kib(pid: u32) -> Option<u64> {
    field(&format!("/proc/{pid}/status"), "VmRSS")?.split(' ').next()?.parse().ok()
}

/// Processor time that a process has used so far, in seconds; 0 when it is gone.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field, the program's name in parentheses, may hold spaces: count from behind it.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// Processor time used so far, in seconds: the leader, the other nodes, the witnesses, this program.
pub(crate) fn cluster_cpu_seconds(manifest: &Manifest, leader: u64) -> [f64; 4] {
    let sum = |pids: &mut dyn Iterator<Item = u32>| pids.map(cpu_seconds).sum();
    let nodes = || manifest.nodes.iter();
    [
        sum(&mut nodes().filter(|node| node.id == leader).map(|node| node.pid)),
        sum(&mut nodes().filter(|node| node.id != leader).map(|node| node.pid)),
        sum(&mut manifest.witnesses.iter().map(|witness| witness.pid)),
        cpu_seconds(std::process::id()),
    ]
}

/// What was used in between.
pub(crate) fn since(before: [f64; 4], now: [f64; 4]) -> [f64; 4] {
    std::array::from_fn(|place| now[place] - before[place])
}

/// The value after `name` and a colon in a file of `/proc`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// Type of the filesystem with the longest mount point above `path`.
fn filesystem(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

fn measure_fsync(data: &Path) -> Result<Vec<u64>> {
    let path = data.join("fsync-probe");
    let mut file = fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut times = Vec::with_capacity(FSYNCS);
    for _ in 0..FSYNCS {
        let start = Instant::now();
        file.write_all(&[0x5a; FSYNC_BYTES])?;
        file.sync_data()?;
        times.push(u64::try_from(start.elapsed().as_micros())?);
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times)
}
