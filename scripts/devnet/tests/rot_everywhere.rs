//! R3: one flipped bit, drawn from a seed, in every kind of file that a node or a witness keeps. It is found, or lies where nothing
//! is; what is wrong is never served; the node repairs it or refuses, and says so; the cluster goes on.
//!
//! `docs/operating.md` has the table that this test follows.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use common::{LIMIT, World, files_below, fsck, get, log_dir, metric, repaired, tiles};
use devnet::{grpc, wait_until, wait_until_async};

/// Another seed, other bits.
const SEED: u64 = 5;
/// Records that fill the first bundle.
const MORE_THAN_A_BUNDLE: usize = 262;
const BUNDLE: &str = "tile/entries/000";
/// What is read from the damaged node and compared: whole and partial, tiles and bundles.
const SERVED: [&str; 4] = ["tile/0/000", BUNDLE, "tile/0/000.p/5", "tile/entries/000.p/200"];

/// What a node does about a flipped bit in a kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It does not open, and says why.
    Refused,
    /// It opens, and puts a peer's copy in place.
    Repaired,
    /// It opens with the alarm `corruption`, and does without the file.
    SetAside,
    /// It does not open; or opens without what was lost, and fetches or replays it; or the bit lies where nothing is.
    NeverWrong,
}

/// A kind of file at rest.
struct Kind {
    name: &'static str,
    fate: Fate,
    /// Bits that are flipped, one after the other.
    flips: usize,
    /// Whether a file of the node's directory is one.
    is: fn(&Path) -> bool,
}

const KINDS: [Kind; 12] = [
    Kind { name: "bundle", fate: Fate::Repaired, flips: 2, is: |path| path.ends_with(BUNDLE) },
    Kind { name: "tile", fate: Fate::Refused, flips: 1, is: |path| path.ends_with("tile/0/000") },
    Kind { name: "engine journal", fate: Fate::NeverWrong, flips: 2, is: |path| has_extension(path, "jnl") },
    Kind { name: "engine table", fate: Fate::NeverWrong, flips: 2, is: |path| in_folder(path, "tables") },
    Kind { name: "engine bookkeeping", fate: Fate::NeverWrong, flips: 3, is: is_bookkeeping },
    Kind { name: "Raft log", fate: Fate::NeverWrong, flips: 3, is: |path| has_extension(path, "seg") },
    Kind {
        name: "Raft log's mark",
        fate: Fate::NeverWrong,
        flips: 2,
        is: |path| path.ends_with("raft/synced"),
    },
    Kind { name: "format", fate: Fate::NeverWrong, flips: 2, is: |path| path.ends_with("FORMAT") },
    Kind { name: "snapshot", fate: Fate::SetAside, flips: 1, is: |path| has_extension(path, "snapshot") },
    Kind { name: "sign guard", fate: Fate::Refused, flips: 2, is: |path| path.ends_with("sign-guard") },
    Kind { name: "log key", fate: Fate::Refused, flips: 1, is: |path| path.ends_with("main.log.key") },
    Kind {
        name: "operator key",
        fate: Fate::Refused,
        flips: 1,
        is: |path| path.ends_with("main.operator.key"),
    },
];

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e == extension)
}

fn in_folder(path: &Path, folder: &str) -> bool {
    path.parent().is_some_and(|dir| dir.ends_with(folder))
}

/// Files of the engine that say which tables there are.
fn is_bookkeeping(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let engine = path.ancestors().any(|dir| dir.ends_with("engine/data"));
    engine && (name == "current" || name == "version" || name.starts_with('v'))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_any_file_of_a_node_is_never_served() -> Result<()> {
    // A Raft log that is purged early, so that there are snapshots and tables, and not everything can be replayed.
    let extra = "[raft]\nsnapshot_after = 60\nkeep_entries = 10";
    let mut world = World::start(|options| options.node_config_extra = extra.into()).await?;
    world.receipts(&[1, 2, 3], MORE_THAN_A_BUNDLE).await?;
    world.check().await?;
    // Who leads has signed, and so has a sign guard.
    let mut victim = world.leader().await?;
    wait_until("the files of the first bundle", LIMIT, || {
        ensure!(metric(&world, victim, "maip_log_filed_size")? >= 256, "they are not written");
        Ok(())
    })?;
    let mut dice = Dice(SEED);
    for kind in &KINDS {
        let mut flipped = 0;
        for _ in 0..kind.flips {
            world.devnet.kill(victim)?;
            let Some(rot) = flip_one(&world, victim, kind, &mut dice)? else {
                world.devnet.restart(victim)?;
                break;
            };
            flipped += 1;
            victim = judge(&mut world, victim, kind, &rot).await.with_context(|| rot.says.clone())?;
        }
        ensure!(flipped > 0, "there is no {} on node {victim}", kind.name);
    }
    let others: Vec<u64> = world.devnet.node_ids().into_iter().filter(|id| *id != victim).collect();
    under_a_running_node(&world, victim, &others, &mut dice)?;
    world.receipts(&world.devnet.node_ids(), 6).await?;
    world.check().await?;
    for id in world.devnet.node_ids() {
        let (fine, said) = fsck(&world, id)?;
        ensure!(fine, "node {id}: {said}");
    }
    Ok(())
}

/// A witness's memory: one damaged copy is repaired or refused, and two of three witnesses carry the log meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_memory_of_a_witness_is_found() -> Result<()> {
    let mut world = World::start(|options| options.nodes = 1).await?;
    world.receipts(&[1], 5).await?;
    world.check().await?;
    let mut dice = Dice(SEED);
    for name in ["memory.a", "memory.b", "memory.a", "memory.b"] {
        world.devnet.kill_witness(3)?;
        let file = world.devnet.data().join("witness-3/state").join(name);
        let before = fs::read(&file)?;
        let Some((at, rotten)) = flipped(&before, &mut dice) else {
            world.devnet.restart_witness(3)?;
            continue;
        };
        fs::write(&file, rotten)?;
        if let Err(error) = world.devnet.restart_witness(3) {
            let said = format!("{error:#}");
            println!("{name}, bit {at}: refused");
            ensure!(said.contains("ended by itself") && said.contains("maip-witness: "), "{said}");
            fs::write(&file, before)?;
            world.receipts(&[1], 2).await?;
            world.check().await?;
            world.devnet.restart_witness(3)?;
        } else {
            println!("{name}, bit {at}: it goes on");
        }
        // Whatever it did, it never contradicts what it has signed: the log would be alarmed.
        world.receipts(&[1], 2).await?;
        world.check().await?;
    }
    Ok(())
}

/// A bit that was flipped.
struct Rot {
    file: PathBuf,
    before: Vec<u8>,
    says: String,
}

/// Flips a bit in one of the victim's files of a kind; `None` when it has none.
fn flip_one(world: &World, victim: u64, kind: &Kind, dice: &mut Dice) -> Result<Option<Rot>> {
    let mut files = files_below(&log_dir(world, victim))?;
    files.extend(files_below(&world.devnet.data().join(format!("node-{victim}/keys")))?);
    files.retain(|path| (kind.is)(path) && fs::metadata(path).is_ok_and(|m| m.len() > 0));
    let Some(last) = files.len().checked_sub(1) else { return Ok(None) };
    let file = files.swap_remove(usize::try_from(dice.below(last as u64 + 1))?);
    let before = fs::read(&file)?;
    let Some((bit, rotten)) = flipped(&before, dice) else { return Ok(None) };
    fs::write(&file, rotten)?;
    let says = format!("{}: bit {bit} of {}", kind.name, file.display());
    Ok(Some(Rot { file, before, says }))
}

/// The bytes with one bit flipped, within what is written: files are made larger, with zeros, in advance. `None` where nothing is written.
fn flipped(bytes: &[u8], dice: &mut Dice) -> Option<(u64, Vec<u8>)> {
    let written = bytes.iter().rposition(|byte| *byte != 0)? as u64 + 1;
    let bit = dice.below(written * 8);
    let mut bytes = bytes.to_vec();
    bytes[usize::try_from(bit / 8).ok()?] ^= 1 << (bit % 8);
    Some((bit, bytes))
}

/// Starts the victim and holds it to the fate of its kind. Gives the victim of the next flip: another node, when this one had to be replaced.
async fn judge(world: &mut World, victim: u64, kind: &Kind, rot: &Rot) -> Result<u64> {
    let others: Vec<u64> = world.devnet.node_ids().into_iter().filter(|id| *id != victim).collect();
    world.devnet.restart_without_waiting(victim)?;
    if let Err(error) = world.devnet.wait_ready(victim) {
        let said = format!("{error:#}");
        println!("{}: refused", rot.says);
        ensure!(said.contains("ended by itself"), "neither refused nor served: {said}");
        let last = said.lines().last().unwrap_or_default();
        ensure!(last.starts_with("maip-node: "), "no clear message: {said}");
        ensure!(matches!(kind.fate, Fate::Refused | Fate::NeverWrong), "refused: {said}");
        world.receipts(&others, 3).await?;
        // It has promised nothing since: the bit is flipped back, and nothing else.
        fs::write(&rot.file, &rot.before)?;
        world.devnet.restart(victim)?;
        return Ok(victim);
    }
    ensure!(kind.fate != Fate::Refused, "the node opened");
    served_right(world, victim, &others)?;
    match kind.fate {
        Fate::Repaired => wait_until("the repair", LIMIT, || {
            ensure!(repaired(world, victim)? > 0, "nothing is repaired yet");
            ensure!(fs::read(&rot.file)? == rot.before, "the file is not the one before");
            Ok(())
        })?,
        Fate::SetAside => {
            // Another one of the same name may be there already.
            ensure!(rot.file.with_extension("damaged").exists(), "the damaged file is taken for a snapshot");
            wait_until_async("the alarm", LIMIT, async || {
                let alarms = alarms(world, victim).await?;
                ensure!(alarms.iter().any(|alarm| alarm.starts_with("corruption")), "{alarms:?}");
                Ok(())
            })
            .await?;
            world.devnet.kill(victim)?;
            world.devnet.restart(victim)?;
        }
        Fate::NeverWrong | Fate::Refused => {}
    }
    println!("{}: it goes on", rot.says);
    world.receipts(&world.devnet.node_ids(), 3).await?;
    let found = settled(world, victim).await?;
    served_right(world, victim, &others)?;
    if found.is_empty() {
        world.check().await?;
        return Ok(victim);
    }
    println!("{}: found later, {found:?}", rot.says);
    replace(world, victim).await
}

/// Waits until the victim has the log of the others, or an alarm, which is given.
async fn settled(world: &World, victim: u64) -> Result<Vec<String>> {
    wait_until_async("the log of the others, or an alarm", LIMIT, async || {
        let manifest = world.devnet.manifest();
        let own = grpc::log_status(manifest, manifest.node(victim)?, "main").await?;
        // A fence that is not passed yet says nothing about a file.
        let alarms: Vec<_> = own.alarms.into_iter().filter(|alarm| !alarm.starts_with("fence")).collect();
        if !alarms.is_empty() {
            return Ok(alarms);
        }
        let leader = world.devnet.leader("main").await?;
        let leads = grpc::log_status(manifest, manifest.node(leader)?, "main").await?;
        ensure!((own.size, &own.root) == (leads.size, &leads.root), "{} of {} entries", own.size, leads.size);
        Ok(Vec::new())
    })
    .await
}

/// What the manual says to do: a new machine with a new id first, then the damaged one goes.
async fn replace(world: &mut World, victim: u64) -> Result<u64> {
    world.devnet.wipe(victim)?;
    let fresh = world.devnet.add_node().await?;
    world.devnet.remove_node(victim).await?;
    world.check().await?;
    Ok(fresh)
}

/// Two bits flip in a bundle under a running node: found by whoever reads it, or by the scrub.
fn under_a_running_node(world: &World, victim: u64, others: &[u64], dice: &mut Dice) -> Result<()> {
    let file = tiles(world, victim).join(BUNDLE);
    let good = fs::read(&file)?;
    for _ in 0..2 {
        let before = repaired(world, victim)?;
        let (bit, rotten) = flipped(&good, dice).context("an empty bundle")?;
        fs::write(&file, rotten)?;
        wait_until("the repair", LIMIT, || {
            // An answer with other bytes ends the waiting; a refusal does not.
            if let Err(error) = served_right(world, victim, others) {
                return Ok(Err(error));
            }
            ensure!(repaired(world, victim)? > before, "nothing is repaired yet");
            Ok(Ok(()))
        })?
        .with_context(|| format!("bit {bit} under a running node"))?;
        ensure!(fs::read(&file)? == good, "the repaired file is not the bundle");
    }
    Ok(())
}

/// What the node serves is what another one serves, or nothing.
fn served_right(world: &World, victim: u64, others: &[u64]) -> Result<()> {
    let other = *others.first().context("no other node")?;
    for path in SERVED {
        let served = get(world, victim, path)?;
        let right = get(world, other, path)?;
        if right.is_none() {
            bail!("node {other} does not serve {path}");
        }
        ensure!(served.is_none() || served == right, "node {victim} served {path} with other bytes");
    }
    Ok(())
}

async fn alarms(world: &World, node: u64) -> Result<Vec<String>> {
    let manifest = world.devnet.manifest();
    Ok(grpc::log_status(manifest, manifest.node(node)?, "main").await?.alarms)
}

/// SplitMix64: the same bits for the same seed on every machine.
struct Dice(u64);

impl Dice {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        u64::try_from((u128::from(z) * u128::from(end)) >> 64).unwrap_or(0)
    }
}
