//! Disks that fail real processes: flipped bits in tiles, bundles and state, a full disk; and a follower that dies under load.
//! Nothing wrong is ever served, no acknowledged record is lost, the cluster goes on.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result, bail, ensure};
use common::{LIMIT, World, files_below, fsck, get, log_dir, metric, repaired, tiles};
use devnet::{grpc, wait_until, wait_until_async};
use ledger_proto::v1::{Ack, LogStatus, NodeRequest};

/// The first full bundle and the first full level-0 tile, as files below the tile directory and as paths of the log.
const BUNDLE: &str = "tile/entries/000";
const TILE: &str = "tile/0/000";
/// Records that fill the first bundle.
const MORE_THAN_A_BUNDLE: usize = 270;
/// The reserve of the nodes in the test of a full disk.
const RESERVE_BYTES: u64 = 8 << 20;
/// The disk of the node that runs full. What is not written costs no memory.
const SMALL_DISK: &str = "320m";

/// R3: at rest and under a running node, in an entry and in a length, a flipped bit in a bundle is never served.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_a_bundle_is_never_served() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    let (victim, others) = fill_a_bundle(&mut world).await?;
    let good = get(&world, others[0], BUNDLE)?.context("no bundle to compare with")?;
    let file = tiles(&world, victim).join(BUNDLE);
    // Byte 0 is the length of an entry, byte 5,000 lies inside of one.
    for (at, at_rest) in [(5_000, true), (5_000, false), (0, false)] {
        let before = if at_rest { 0 } else { repaired(&world, victim)? };
        if at_rest {
            world.devnet.kill(victim)?;
        }
        flip(&file, at)?;
        if at_rest {
            world.devnet.restart(victim)?;
        }
        // An answer with other bytes ends the waiting; a refusal does not.
        wait_until("the repair", LIMIT, || {
            if let Some(served) = get(&world, victim, BUNDLE)?
                && served != good
            {
                return Ok(Err(anyhow::anyhow!("a damaged bundle was served (bit at {at})")));
            }
            ensure!(repaired(&world, victim)? > before, "nothing is repaired yet");
            Ok(Ok(()))
        })??;
        let said = fs::read_to_string(&world.devnet.node(victim)?.log)?;
        ensure!(said.contains("corruption"), "node {victim} raised no alarm");
        ensure!(fs::read(&file)? == good, "the repaired file is not the bundle");
        let (fine, said) = fsck(&world, victim)?;
        ensure!(fine, "after the repair: {said}");
    }
    world.receipts(&others, 3).await?;
    world.receipts(&[victim], 3).await?;
    world.check().await
}

/// R3: a node with a damaged tile serves it never and opens on it never; it names the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_a_tile_keeps_the_node_from_opening() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    let (victim, others) = fill_a_bundle(&mut world).await?;
    let good = get(&world, others[0], TILE)?.context("no tile to compare with")?;
    let file = tiles(&world, victim).join(TILE);
    flip(&file, 100)?;
    for path in [TILE, BUNDLE] {
        let served = get(&world, victim, path)?;
        let right = get(&world, others[0], path)?;
        ensure!(served.is_none() || served == right, "node {victim} served {path} with other bytes");
    }
    world.devnet.kill(victim)?;
    // A scrub between the two steps may have repaired it: it is damaged when the node starts.
    fs::write(&file, &good)?;
    flip(&file, 100)?;
    world.devnet.restart_without_waiting(victim)?;
    let said = world.devnet.wait_ended(victim, LIMIT)?;
    ensure!(said.contains(&format!("{TILE} is damaged")), "the file is not named; {said}");
    let (fine, said) = fsck(&world, victim)?;
    ensure!(!fine && said.contains(TILE), "fsck: {said}");
    world.receipts(&others, 5).await?;

    // A full tile is the same bytes on every node, so another's copy is as good.
    fs::write(&file, &good)?;
    world.devnet.restart(victim)?;
    let (fine, said) = fsck(&world, victim)?;
    ensure!(fine, "after the repair: {said}");
    world.receipts(&[victim], 3).await?;
    world.check().await
}

/// S3, R3: what the engine's files have lost is found by their checksums. The node refuses to open, or opens on an earlier state
/// and replays the Raft log; it is never wrong. On a Raft log whose very end has rotted it refuses: it may have promised what was
/// there. Where it refuses, a node with a new id takes its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_state_is_found() -> Result<()> {
    // A Raft log that is purged early, so that not everything can be replayed from it.
    let extra = "[raft]\nsnapshot_after = 40\nkeep_entries = 5";
    let mut world = World::start(|options| options.node_config_extra = extra.into()).await?;
    world.receipts(&[1, 2, 3], 100).await?;
    world.check().await?;
    let leader = world.leader().await?;
    let victim = if leader == 3 { 2 } else { 3 };
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != victim).collect();
    let dir = log_dir(&world, victim);
    let journal: fn(&Path) -> bool = |file| file.extension().is_some_and(|e| e == "jnl");
    let table: fn(&Path) -> bool = |file| file.parent().is_some_and(|dir| dir.ends_with("tables"));
    let raft_log: fn(&Path) -> bool = |file| file.extension().is_some_and(|e| e == "seg");
    let mut flipped = 0;
    for (kind, spot) in [(journal, middle as Spot), (journal, batch_end), (table, middle), (raft_log, middle)]
    {
        world.devnet.kill(victim)?;
        let Some(file) = files_below(&dir)?.into_iter().rfind(|file| kind(file)) else {
            world.devnet.restart(victim)?;
            continue;
        };
        let before = fs::read(&file)?;
        flip(&file, spot(&before))?;
        flipped += 1;
        world.devnet.restart_without_waiting(victim)?;
        match world.devnet.wait_ready(victim) {
            Ok(()) => {
                println!("{}: the node opened and replayed", file.display());
                world.receipts(&[1, 2, 3], 3).await?;
                world.check().await?;
            }
            Err(error) => {
                let said = format!("{error:#}");
                println!("{}: the node refused to open", file.display());
                ensure!(said.contains("ended by itself"), "neither refused nor served: {said}");
                let last = said.lines().last().unwrap_or_default();
                ensure!(last.starts_with("maip-node: cannot open log main: "), "no clear message: {said}");
                world.receipts(&others, 3).await?;
                fs::write(&file, &before)?;
                world.devnet.restart(victim)?;
            }
        }
    }
    ensure!(flipped > 0, "there is no state in {}", dir.display());
    world.devnet.terminate(victim)?;
    let file = files_below(&dir)?.into_iter().rfind(|file| raft_log(file)).context("no Raft log")?;
    let end = fs::read(&file)?.iter().rposition(|byte| *byte != 0).context("an empty Raft log")?;
    flip(&file, end)?;
    world.devnet.restart_without_waiting(victim)?;
    let said = world.devnet.wait_ended(victim, LIMIT)?;
    let named = said.contains(&file.display().to_string()) && said.contains("but it was durable up to byte");
    ensure!(named, "what is lost at the end is not named: {said}");
    world.receipts(&others, 3).await?;

    world.devnet.wipe(victim)?;
    let fresh = world.devnet.add_node().await?;
    ensure!(fresh == 4, "node ids are never reused, this one got {fresh}");
    world.devnet.remove_node(victim).await?;
    world.receipts(&world.devnet.node_ids(), 4).await?;
    world.check().await
}

/// L2: a follower is killed while it takes and stores records, and comes back while they go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_dies_under_load_and_comes_back() -> Result<()> {
    const RECORDS: usize = 60;
    let mut world = World::start(|_| {}).await?;
    let leader = world.leader().await?;
    let victim = if leader == 3 { 2 } else { 3 };
    let mut submitter = world.submitter(&[1, 2, 3])?;
    let answered = AtomicUsize::new(0);
    let World { devnet, agent, acknowledged, .. } = &mut world;
    let reach = async |count: usize| {
        wait_until_async("answers", LIMIT, async || {
            let seen = answered.load(Ordering::Relaxed);
            ensure!(seen >= count, "{seen} answers");
            Ok(())
        })
        .await
    };
    let load = async {
        for number in 0..RECORDS {
            let record = agent.receipt("ledger:post", &format!("posting {number}"))?;
            let answer = submitter.submit(record, Ack::Sequenced).await?;
            let index = answer.index;
            ensure!(acknowledged.insert(index, answer).is_none(), "index {index} was given twice");
            answered.fetch_add(1, Ordering::Relaxed);
            submitter.turn();
        }
        Ok(())
    };
    let fate = async {
        reach(RECORDS / 3).await?;
        devnet.kill(victim)?;
        reach(RECORDS * 2 / 3).await?;
        devnet.restart_without_waiting(victim)
    };
    let (loaded, died) = tokio::join!(load, fate);
    loaded?;
    died?;
    world.devnet.wait_ready(victim)?;
    world.receipts(&[victim], 3).await?;
    world.check().await
}

/// R6: the leader's disk runs full under load. It hands leadership over, refuses records and says so, and serves what it has; the
/// others go on. With room again it takes part again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_load() -> Result<()> {
    let extra = format!("[limits]\nreserve_bytes = {RESERVE_BYTES}");
    let world = World::start(|options| options.node_config_extra = extra).await?;
    let mut small = SmallDisk::under(world, 2)?;
    let (full, others) = (small.node, [1, 3]);
    small.world.receipts(&[1, 2, 3], 10).await?;
    small.world.check().await?;
    let before = small.world.acknowledged.keys().next_back().copied().context("nothing is acknowledged")?;
    lead(&small.world, full).await?;

    small.leave_free(RESERVE_BYTES / 2)?;
    small.world.receipts(&others, 10).await?;
    let status = wait_until_async("another leader", LIMIT, async || {
        let status = status_of(&small.world, full).await?;
        ensure!(status.read_only && status.alarms.iter().any(|a| a.starts_with("disk_full")), "{status:?}");
        ensure!(status.raft_state != "leader", "the full node leads");
        Ok(status)
    })
    .await?;
    ensure!(status.read_only_reason.contains("disk"), "{status:?}");
    let record = small.world.agent.receipt("ledger:post", "no room")?;
    let refused = small.world.submitter(&[full])?.submit_once(record, Ack::Sequenced).await;
    let said = format!("{:#}", refused.err().context("a record was taken without room for it")?);
    ensure!(said.contains("disk"), "no reason and no hint: {said}");
    served(&small.world, full, before).await?;

    // And now there is nothing left at all: writes fail, whatever was held back.
    // What the node then lets go of is taken as well.
    for _ in 0..3 {
        small.leave_free(0)?;
        small.world.receipts(&others, 20).await?;
        served(&small.world, full, before).await?;
    }

    small.make_room()?;
    // Where a write failed, consensus has stopped for good (L2): a restart is due.
    wait_until_async("the node that was full to take part", LIMIT, async || {
        let status = status_of(&small.world, full).await?;
        if status.raft_state == "stopped" {
            small.world.devnet.kill(full)?;
            small.world.devnet.restart(full)?;
            bail!("it was restarted: {:?}", status.alarms);
        }
        ensure!(!status.read_only && status.alarms.is_empty(), "{status:?}");
        Ok(())
    })
    .await?;
    small.world.receipts(&[full], 5).await?;
    small.world.check().await
}

/// A cluster of which one node has its data on a disk of its own; without the right to mount, one that believes so.
struct SmallDisk {
    // First: the processes end before their disk goes.
    world: World,
    disk: Option<Mount>,
    node: u64,
}

/// A mounted tmpfs, unmounted when dropped.
struct Mount {
    point: tempfile::TempDir,
}

impl Mount {
    fn new(size: &str) -> Result<Mount> {
        let point = tempfile::tempdir()?;
        let options = format!("size={size},mode=0700");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(point.path()))?;
        Ok(Mount { point })
    }

    fn filler(&self) -> PathBuf {
        self.point.path().join("filler")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg(self.point.path())) {
            eprintln!("{error:#}");
        }
    }
}

impl SmallDisk {
    /// Moves the data of a node to a small disk.
    fn under(mut world: World, node: u64) -> Result<SmallDisk> {
        let disk = match Mount::new(SMALL_DISK) {
            Ok(disk) => Some(disk),
            Err(error) => {
                println!("nothing can be mounted here ({error:#}); a reserve above all free space stands in");
                None
            }
        };
        if let Some(disk) = &disk {
            world.devnet.terminate(node)?;
            let data = world.devnet.data().join(format!("node-{node}/data"));
            let moved = disk.point.path().join("data");
            run(Command::new("cp").arg("-a").arg(&data).arg(&moved))?;
            fs::remove_dir_all(&data)?;
            std::os::unix::fs::symlink(&moved, &data)?;
            world.devnet.restart(node)?;
        }
        Ok(SmallDisk { world, disk, node })
    }

    /// Leaves this many bytes; 0 writes until the disk refuses.
    fn leave_free(&mut self, bytes: u64) -> Result<()> {
        let Some(disk) = &self.disk else { return self.set_reserve(RESERVE_BYTES, u64::MAX >> 2) };
        let free = metric(&self.world, self.node, "maip_disk_free_bytes")?;
        let mut filler = fs::OpenOptions::new().create(true).append(true).open(disk.filler())?;
        let mut left = if bytes == 0 { u64::MAX } else { free.saturating_sub(bytes) };
        let zeros = vec![0; 64 << 10];
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
            match std::io::Write::write(&mut filler, &zeros[..part]) {
                Ok(written) => left -= written as u64,
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull && bytes == 0 => return Ok(()),
                Err(error) => bail!("the disk could not be filled: {error}"),
            }
        }
        Ok(())
    }

    fn make_room(&mut self) -> Result<()> {
        match &self.disk {
            Some(disk) => Ok(fs::remove_file(disk.filler())?),
            None => self.set_reserve(u64::MAX >> 2, RESERVE_BYTES),
        }
    }

    /// The injected form: the node starts again with another reserve.
    fn set_reserve(&mut self, from: u64, to: u64) -> Result<()> {
        let config = self.world.devnet.node(self.node)?.config.clone();
        let text = fs::read_to_string(&config)?;
        let changed = text.replace(&format!("reserve_bytes = {from}\n"), &format!("reserve_bytes = {to}\n"));
        if changed == text {
            return Ok(());
        }
        fs::write(&config, changed)?;
        self.world.devnet.kill(self.node)?;
        self.world.devnet.restart(self.node)
    }
}

/// A follower, the other nodes, and a log whose first bundle and tile are published and in files on every node.
async fn fill_a_bundle(world: &mut World) -> Result<(u64, Vec<u64>)> {
    world.receipts(&[1, 2, 3], MORE_THAN_A_BUNDLE).await?;
    world.check().await?;
    for id in [1, 2, 3] {
        wait_until("the files of the first bundle", LIMIT, || {
            ensure!(metric(world, id, "maip_log_filed_size")? >= 256, "node {id} has not written them");
            Ok(())
        })?;
    }
    let leader = world.leader().await?;
    let victim = if leader == 3 { 2 } else { 3 };
    Ok((victim, [1, 2, 3].into_iter().filter(|id| *id != victim).collect()))
}

async fn status_of(world: &World, node: u64) -> Result<LogStatus> {
    let manifest = world.devnet.manifest();
    grpc::log_status(manifest, manifest.node(node)?, "main").await
}

/// Gives leadership of the main log to a node.
async fn lead(world: &World, node: u64) -> Result<()> {
    wait_until_async("leadership", LIMIT, async || {
        let leader = world.devnet.leader("main").await?;
        if leader != node {
            let channel = world.devnet.channel(leader).await?;
            let mut admin = grpc::admin(channel, &world.devnet.manifest().admin_key)?;
            admin.transfer_leadership(NodeRequest { id: node }).await?;
            bail!("node {leader} led");
        }
        Ok(())
    })
    .await
}

/// A node serves its checkpoint, a tile and an entry.
async fn served(world: &World, node: u64, index: u64) -> Result<()> {
    ensure!(get(world, node, "checkpoint")?.is_some(), "node {node} serves no checkpoint");
    let tile = get(world, node, "tile/0/000.p/1")?;
    ensure!(tile.is_some() && tile == get(world, 1, "tile/0/000.p/1")?, "node {node} serves no tile");
    world.submitter(&[node])?.entry(index, LIMIT).await.map(drop)
}

fn flip(path: &Path, at: usize) -> Result<()> {
    let mut bytes = fs::read(path)?;
    *bytes.get_mut(at).with_context(|| format!("{} is too short", path.display()))? ^= 0x10;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Where a bit is flipped, given the bytes of the file.
type Spot = fn(&[u8]) -> usize;

/// The middle of what is written; files are made larger, with zeros, in advance.
fn middle(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) / 2
}

/// The end of a batch of the engine's journal: it looks like one that a crash has cut off.
fn batch_end(journal: &[u8]) -> usize {
    let from = middle(journal);
    journal[from..].windows(4).position(|bytes| bytes == b"FJL\x03").map_or(from, |at| from + at)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} did not start"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim_end());
    Ok(())
}
