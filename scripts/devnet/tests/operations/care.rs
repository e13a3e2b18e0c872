//! Everyday care: exporting, watching, a full disk, damaged files.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use devnet::{wait_until, wait_until_async};
use ledger_proto::v1::Ack;

use crate::site::{LIMIT, Site, edit, text};

#[tokio::test(flavor = "multi_thread")]
async fn exporting_to_a_directory() -> Result<()> {
    let mut site = Site::start(3, 3).await?;
    let to = site.dir().join("public");
    for _ in 0..2 {
        site.receipts(&[1, 2, 3], 5).await?;
        let (code, said) = site.maip_node(1, &format!("export --log main --to {}", text(&to)))?;
        ensure!(code == 0, "{said}");
        site.maip(&format!("log fsck {} {}", text(&to), site.policy()))?;
    }
    let exported = fs::read_to_string(to.join("checkpoint"))?;
    ensure!(exported.starts_with(crate::site::ORIGIN), "{exported}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn watching() -> Result<()> {
    let mut site = Site::start(1, 1).await?;
    site.receipts(&[1], 3).await?;
    site.get(1, "/health/live")?;
    site.get(1, "/health/ready")?;
    let mut served = site.get(1, "/metrics")?;
    let witness = devnet::http::get(&format!("{}/metrics", site.manifest.witnesses[0].url), LIMIT)?;
    served += &witness.text();
    for name in crate::manual::metrics_to_watch()? {
        // An alarm has no line while it is silent; a consistency witness verifies nothing; nothing is pushed without a collector.
        let silent = ["maip_alarm", "maip_witness_log_verified_size"].contains(&name.as_str())
            || name.starts_with("maip_otlp_");
        let has = |line: &str| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with([' ', '{', '_']));
        ensure!(silent || served.lines().any(has), "nothing serves the metric {name}");
    }
    site.maip("status")?;
    Ok(())
}

/// R6: below the reserve records are refused, reads and the process go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() -> Result<()> {
    let mut site = Site::start(1, 1).await?;
    let before = site.receipts(&[1], 3).await?;
    site.stop_node(1)?;
    // No test fills a disk that others use: instead the reserve becomes larger than any disk.
    edit(&site.config(1), "#[limits]", "[limits]")?;
    let line = fs::read_to_string(site.config(1))?;
    let line =
        line.lines().find(|line| line.starts_with("#reserve_bytes")).context("no reserve_bytes")?.to_owned();
    edit(&site.config(1), &line, "reserve_bytes = 4611686018427387904")?;
    site.run_node(1)?;
    let status = site.alarm(1, "disk_full").await?;
    ensure!(status.read_only && status.read_only_reason.contains("disk"), "{status:?}");
    let record = site.agent.receipt("ledger:post", "no room")?;
    let refused = site.submitter(&[1])?.submit_once(record.clone(), Ack::Sequenced).await;
    ensure!(refused.is_err(), "a record was taken without room for it");
    site.submitter(&[1])?.entry(before.index, LIMIT).await?;
    site.get(1, "/main/checkpoint")?;

    site.stop_node(1)?;
    edit(&site.config(1), "reserve_bytes = 4611686018427387904", "reserve_bytes = 1048576")?;
    site.start_node(1)?;
    site.submitter(&[1])?.submit(record, Ack::Witnessed).await?;
    site.receipts(&[1], 1).await?;
    site.check().await
}

/// R3: a bundle that rots is found by fsck and by the scrub, and comes back from another node. A file that the node was given and that
/// rots keeps it from starting.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_files() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    fill_a_bundle(&mut site).await?;
    let victim = site.others(site.leader().await?)[0];
    let tiles = site.log_dir(victim).join("tiles");
    let bundle = tiles.join("tile/entries/000");
    site.stop_node(victim)?;
    site.maip(&format!("log fsck {}", text(&tiles)))?;
    flip(&bundle, 5_000)?;
    let found = site.maip_output(&format!("log fsck {}", text(&tiles)))?;
    ensure!(found.status.code() == Some(1), "fsck found nothing");
    let said = String::from_utf8_lossy(&[found.stdout, found.stderr].concat()).into_owned();
    ensure!(said.contains("tile/entries/000"), "fsck does not name the file: {said}");

    let admin_key = site.home(victim).join("keys/admin.key");
    rot(&mut site, victim, &admin_key, "maip_live_", "admin.key")?;
    let config = site.config(victim);
    rot(&mut site, victim, &config, "republish_s = ", "republish_s`: ")?;
    site.start_node(victim)?;
    wait_until_async("the repair", LIMIT, async || {
        let metrics = site.get(victim, "/metrics")?;
        let repaired =
            metrics.lines().any(|l| l.starts_with("maip_repaired_files_total") && !l.ends_with(" 0"));
        ensure!(repaired, "nothing is repaired yet");
        Ok(())
    })
    .await?;
    site.maip(&format!("log fsck {}", text(&tiles)))?;
    site.check().await
}

/// A level-0 tile is damaged: the node does not open. Full tiles are the same bytes on every node, so another's copy is put back.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_open() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    fill_a_bundle(&mut site).await?;
    let leader = site.leader().await?;
    let victim = site.others(leader)[0];
    let tile = "tiles/tile/0/000";
    site.stop_node(victim)?;
    flip(&site.log_dir(victim).join(tile), 100)?;
    let said = site.start_in_vain(victim)?;
    ensure!(said.contains("damaged"), "{said}");
    let said = site.maip_output(&format!("log fsck {}", text(&site.log_dir(victim).join("tiles"))))?;
    ensure!(said.status.code() == Some(1), "fsck found nothing");

    fs::copy(site.log_dir(leader).join(tile), site.log_dir(victim).join(tile))?;
    site.maip(&format!("log fsck {}", text(&site.log_dir(victim).join("tiles"))))?;
    site.start_node(victim)?;
    site.receipts(&[victim], 3).await?;
    site.check().await
}

/// More than 256 entries, and their bundle in a file on every node.
async fn fill_a_bundle(site: &mut Site) -> Result<()> {
    let lines: Vec<String> = (0..300)
        .map(|n| Ok(String::from_utf8(site.agent.receipt("ledger:post", &format!("posting {n}"))?)?))
        .collect::<Result<_>>()?;
    let dir = site.dir().join("records");
    fs::create_dir(&dir)?;
    let mut command = String::from("submit --ack published");
    for (n, line) in lines.iter().enumerate() {
        let path = dir.join(n.to_string());
        fs::write(&path, line)?;
        command += &format!(" {}", text(&path));
    }
    site.maip(&command)?;
    for id in site.ids() {
        let bundle = site.log_dir(id).join("tiles/tile/entries/000");
        wait_until("a full bundle on disk", LIMIT, || fs::metadata(&bundle).map(drop).context("not yet"))?;
    }
    Ok(())
}

/// Flips a bit of the byte after `before` in a file of a stopped node, as a disk does: the file keeps its time. The node does not start, and
/// names what is damaged; then the file is put back.
fn rot(site: &mut Site, id: u64, path: &Path, before: &str, named: &str) -> Result<()> {
    let good = fs::read(path)?;
    let time = fs::metadata(path)?.modified()?;
    let write = |bytes: &[u8]| -> Result<()> {
        fs::write(path, bytes)?;
        Ok(fs::File::options().append(true).open(path)?.set_modified(time)?)
    };
    let mut bad = good.clone();
    let place = good.windows(before.len()).position(|window| window == before.as_bytes());
    let place = place.with_context(|| format!("no {before:?}"))? + before.len();
    *bad.get_mut(place).context("nothing follows")? ^= 1;
    write(&bad)?;
    let said = site.start_in_vain(id)?;
    ensure!(said.contains("is not what this node was started with") && said.contains(named), "{said}");
    write(&good)
}

fn flip(path: &Path, at: usize) -> Result<()> {
    let mut bytes = fs::read(path)?;
    *bytes.get_mut(at).context("the file is too short")? ^= 0x10;
    Ok(fs::write(path, bytes)?)
}
