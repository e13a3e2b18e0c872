//! From the first start to the last upgrade: installing, growing, shrinking, moving leadership.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use devnet::{Submitter, wait_until, wait_until_async};
use ledger_format::{NoteSigner, SignatureType};
use ledger_proto::v1::Ack;

use crate::site::{LIMIT, Site, text, words};

/// The units start what is installed, with files where `init` and the manual put them.
#[tokio::test(flavor = "multi_thread")]
async fn installing_with_systemd() -> Result<()> {
    let site = Site::start(1, 1).await?;
    for (unit, program, home, config) in [
        ("maip-node.service", "maip-node", site.home(1), "/etc/maip-node/maip-node.toml"),
        (
            "maip-witness.service",
            "maip-witness",
            site.dir().join("witness-1"),
            "/etc/maip-witness/witness.toml",
        ),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/systemd").join(unit);
        let unit = fs::read_to_string(&path)?;
        let installed = format!("/usr/local/bin/{program} ");
        let starts = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).context("no ExecStart")?;
        ensure!(starts == format!("{installed}--config {config}"), "{starts}");
        let file = home.join(Path::new(config).file_name().context("no file")?);
        ensure!(file.is_file(), "{} is not where the unit looks for it", file.display());
        for line in unit.lines().filter_map(|line| line.strip_prefix("ExecStartPre=")) {
            let args =
                line.strip_prefix(&installed).context("another program")?.replace(config, &text(&file));
            site.programs.run(program, &words(&args))?;
        }
        for needed in ["Restart=on-failure", "StartLimitBurst=", "UMask=0077", "StateDirectoryMode=0700"] {
            ensure!(unit.contains(needed), "{} lacks {needed}", path.display());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_cluster_from_configuration_files() -> Result<()> {
    let mut site = Site::start(3, 3).await?;
    let answer = site.receipts(&[1, 2, 3], 4).await?;
    let proof = site.dir().join("r.tlog-proof");
    fs::write(&proof, &answer.proof)?;
    site.maip(&format!("verify {} {}", text(&proof), site.policy()))?;
    site.maip("status")?;
    site.maip(&format!("checkpoint --verify {}", site.policy()))?;
    // Everybody who may read a key is its owner.
    for id in site.ids() {
        for key in ["keys/main.log.key", "keys/main.operator.key", "keys/admin.key", "tls/node.key"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(site.home(id).join(key))?.permissions().mode();
            ensure!(mode & 0o077 == 0, "{key} of node {id} has mode {mode:o}");
        }
    }
    site.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_by_a_node() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    site.receipts(&[1, 2, 3], 20).await?;
    add_node(&mut site, 4).await?;
    site.receipts(&[1, 2, 3, 4], 8).await?;
    let members = site.status(1).await?.members;
    ensure!(members.len() == 4 && members.iter().all(|member| member.voter), "{members:?}");
    site.check().await
}

/// The manual's "growing": directory, process, learner, and a vote when it has caught up.
async fn add_node(site: &mut Site, id: u64) -> Result<()> {
    site.start_joining(id)?;
    let seat = site.seats[&id].clone();
    site.maip(&format!("admin add-learner {id} --peer {} --api https://{}", seat.peer, seat.listen))?;
    caught_up(site, id).await?;
    site.maip(&format!("admin promote {id}"))?;
    site.ready(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_a_dead_machine() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    site.receipts(&[1, 2, 3], 20).await?;
    let leader = site.leader().await?;
    let dead = if leader == 3 { 2 } else { 3 };
    site.kill_node(dead)?;
    fs::remove_dir_all(site.home(dead))?;
    let gone = site.seats[&dead].clone();
    site.forget(dead);

    add_node(&mut site, 4).await?;
    site.maip(&format!("admin remove {dead}"))?;
    // L3: nobody may take the dead node's id, from whatever address.
    let again = site
        .maip_output(&format!("admin add-learner {dead} --peer 127.0.0.1:1 --api https://{}", gone.listen))?;
    ensure!(!again.status.success(), "the id of a dead node was given to another machine");
    site.receipts(&site.ids(), 8).await?;
    site.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_node() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    // The harder case: it leads.
    let leaving = site.leader().await?;
    let heir = site.others(leaving)[0];
    site.maip(&format!("admin transfer {heir}"))?;
    site.maip(&format!("admin remove {leaving}"))?;
    site.stop_node(leaving)?;
    site.forget(leaving);
    site.receipts(&site.ids(), 6).await?;
    let members = site.status(heir).await?.members;
    ensure!(members.iter().all(|member| member.id != leaving), "{members:?}");
    site.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn transferring_leadership() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    for _ in 0..2 {
        let heir = site.others(site.leader().await?)[0];
        site.maip(&format!("admin transfer {heir}"))?;
        let leader = site.leader().await?;
        ensure!(leader == heir, "node {leader} leads instead of node {heir}");
        site.receipts(&[1, 2, 3], 3).await?;
    }
    site.check().await
}

/// A rolling upgrade under load: each node stops in good order, is replaced by another copy of the program, and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn upgrading_one_node_at_a_time() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    let load = Load::start(&mut site)?;
    // The new version lies in a directory of its own.
    let new = site.dir().join("new");
    fs::create_dir(&new)?;
    for program in ["maip-node", "maip-witness", "maip"] {
        fs::hard_link(site.programs.path(program), new.join(program))
            .or_else(|_| fs::copy(site.programs.path(program), new.join(program)).map(drop))?;
    }
    let mut ids = site.others(site.leader().await?);
    ids.push(site.leader().await?);
    site.programs.dir = new;
    for id in ids {
        site.stop_node(id)?;
        site.check_config(id)?;
        site.start_node(id)?;
        caught_up(&site, id).await?;
    }
    ensure!(load.end()? > 0, "nothing was logged meanwhile");
    site.receipts(&[1, 2, 3], 3).await?;
    site.check().await
}

/// Somebody who logs one record after the other, on a thread of its own, and minds every refusal.
struct Load {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<usize>>,
}

impl Load {
    /// More records than an upgrade takes time for.
    const RECORDS_MAX: usize = 2_000;

    fn start(site: &mut Site) -> Result<Load> {
        let record = |n| site.agent.receipt("ledger:post", &format!("during the upgrade {n}"));
        let records = (0..Self::RECORDS_MAX).map(record).collect::<Result<Vec<_>>>()?;
        let (stop, manifest) = (Arc::new(AtomicBool::new(false)), site.manifest.clone());
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut submitter = Submitter::connect(&manifest, "main")?;
                let mut logged = 0;
                for record in records {
                    if stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    submitter.submit(record, Ack::Sequenced).await?;
                    logged += 1;
                }
                Ok(logged)
            })
        });
        Ok(Load { stop, thread })
    }

    /// How many records were acknowledged.
    fn end(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the load panicked"))?
    }
}

/// The next node is taken only when this one has everything.
async fn caught_up(site: &Site, id: u64) -> Result<()> {
    let leader = site.leader().await?;
    let goal = site.status(leader).await?.raft_applied_index;
    wait_until_async("the node to catch up", LIMIT, async || {
        let applied = site.status(id).await?.raft_applied_index;
        ensure!(applied >= goal, "at {applied} of {goal}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_witnesses() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    site.receipts(&[1, 2, 3], 3).await?;
    // Two more witnesses join; then a checkpoint needs two of three.
    site.add_witness(2)?;
    site.add_witness(3)?;
    site.write_policy()?;
    site.restart_one_by_one()?;
    let answer = site.receipts(&[1, 2, 3], 3).await?;
    let proof = site.dir().join("r.tlog-proof");
    fs::write(&proof, &answer.proof)?;
    site.maip(&format!("verify {} {}", text(&proof), site.policy()))?;
    site.check().await
}

/// A witness takes on a log without a restart: a file in `logs.d`, then SIGHUP.
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_takes_on_another_log() -> Result<()> {
    let site = Site::start(1, 1).await?;
    let home = site.dir().join("witness-1");
    let other = NoteSigner::new("other.example/log", SignatureType::Ed25519, [7; 32])?;
    fs::write(home.join("logs.d/other.toml"), format!("[[logs]]\nvkey = \"{}\"\n", other.vkey()))?;
    site.signal_named("w1", rustix::process::Signal::HUP)?;
    wait_until("the witness to read its logs again", LIMIT, || {
        let said = fs::read_to_string(home.join("witness.out"))?;
        ensure!(said.contains("the logs were read again"), "{said}");
        Ok(())
    })
}
