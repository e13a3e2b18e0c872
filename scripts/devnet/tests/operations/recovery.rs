//! Backups, what a restored cluster may and may not do, and a log that ends because entries are lost.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use ledger_proto::v1::Ack;

use crate::site::{Site, text, words};

#[tokio::test(flavor = "multi_thread")]
async fn backing_up() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    site.receipts(&[1, 2, 3], 10).await?;
    let file = site.dir().join("main.backup");
    let (code, said) = site.maip_node(1, &format!("backup --log main --to {}", text(&file)))?;
    ensure!(code == 0, "{said}");
    // The same from afar, with the operator's key.
    let second = site.dir().join("main.tar");
    site.maip(&format!("admin backup --log main --out {}", text(&second)))?;
    for file in [&file, &second] {
        ensure!(fs::metadata(file)?.len() > 1_000, "{} is too small to be a backup", file.display());
    }
    let (code, _) = site.maip_node(1, &format!("backup --log main --to {}", text(&file)))?;
    ensure!(code == 2, "a backup was written over another");
    site.check().await
}

/// All machines are lost; the newest backup holds everything that witnesses have seen.
#[tokio::test(flavor = "multi_thread")]
async fn restoring_the_newest_backup() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    site.receipts(&[1, 2, 3], 10).await?;
    site.check().await?;
    let file = back_up(&site, "newest")?;
    lose_everything(&mut site)?;
    restore(&site, &file)?;
    for id in site.ids() {
        site.run_node(id)?;
    }
    for id in site.ids() {
        site.ready(id)?;
    }
    // What was acknowledged is there, and the log goes on under its origin.
    site.receipts(&[1, 2, 3], 6).await?;
    site.check().await
}

/// R2: the backup is older than what witnesses have cosigned. The cluster says so, serves reads, and signs nothing.
#[tokio::test(flavor = "multi_thread")]
async fn restoring_an_old_backup_raises_the_fork_alarm() -> Result<()> {
    let mut site = Site::start(3, 1).await?;
    site.receipts(&[1, 2, 3], 4).await?;
    let file = back_up(&site, "old")?;
    site.receipts(&[1, 2, 3], 4).await?;
    lose_everything(&mut site)?;
    restore(&site, &file)?;
    for id in site.ids() {
        site.run_node(id)?;
    }
    let leader = site.leader().await?;
    let status = site.alarm(leader, "fork").await?;
    ensure!(status.read_only, "it takes records: {status:?}");
    let shown = site.maip_output("status")?;
    ensure!(shown.status.code() == Some(1), "an alarm is answered with 1");
    let record = site.agent.receipt("ledger:post", "after the loss")?;
    let refused = site.submitter(&[leader])?.submit_once(record, Ack::Sequenced).await;
    ensure!(refused.is_err(), "a log that has lost entries took a record");
    site.get(leader, "/main/checkpoint")?;
    let ready = site.get(leader, "/health/ready");
    ensure!(ready.is_err(), "it says that it is ready");
    Ok(())
}

/// R4: what was lost is lost. The old log stays readable as it was last published; a new one, under another origin, says in its
/// first entry which one it follows.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_log_after_entries_were_lost() -> Result<()> {
    let mut site = Site::start(1, 1).await?;
    let last_words = site.receipts(&[1], 3).await?;
    let kept = site.dir().join("old-log");
    let (code, said) = site.maip_node(1, &format!("export --log main --to {}", text(&kept)))?;
    ensure!(code == 0, "{said}");
    let old_policy = fs::read_to_string(&site.manifest.policy)?;
    site.kill_node(1)?;

    let predecessor = kept.join("checkpoint");
    let refused =
        site.programs.run("maip-node", &init_after(&site, "never", crate::site::ORIGIN, &predecessor));
    let complaint = format!("{:#}", refused.map(drop).err().context("the same origin was accepted")?);
    ensure!(complaint.contains("never goes on under its origin"), "{complaint}");

    site.begin_again("log.example/main-2", &init_after(&site, "node-2", "log.example/main-2", &predecessor))?;
    site.register().await?;
    let answer = site.receipts(&[2], 2).await?;
    ensure!(answer.index == 4, "genesis, tenant, agent, two receipts: {}", answer.index);
    let first = site.maip("entry 0")?;
    ensure!(first.contains("log.example/main-2") && first.contains("predecessor"), "{first}");
    ensure!(first.contains(crate::site::ORIGIN), "it does not name the log that it follows: {first}");
    // Proofs of the old log hold as long as anybody trusts its witnesses; so does its export.
    let (proof, policy) = (site.dir().join("old.tlog-proof"), site.dir().join("old-policy.txt"));
    fs::write(&proof, &last_words.proof)?;
    fs::write(&policy, old_policy)?;
    site.maip(&format!("verify {} --policy {}", text(&proof), text(&policy)))?;
    site.maip(&format!("log fsck {} --policy {}", text(&kept), text(&policy)))?;
    site.check().await
}

/// The arguments of `init` for a node whose log follows another one.
fn init_after(site: &Site, dir: &str, origin: &str, predecessor: &std::path::Path) -> Vec<String> {
    let mut args = words("init --node-id 2");
    for (flag, value) in [
        ("--dir", text(&site.dir().join(dir))),
        ("--origin", format!("main={origin}")),
        ("--predecessor", format!("main={}", text(predecessor))),
    ] {
        args.extend([flag.to_owned(), value]);
    }
    args
}

fn back_up(site: &Site, name: &str) -> Result<std::path::PathBuf> {
    let file = site.dir().join(format!("{name}.backup"));
    let (code, said) = site.maip_node(1, &format!("backup --log main --to {}", text(&file)))?;
    ensure!(code == 0, "{said}");
    Ok(file)
}

fn lose_everything(site: &mut Site) -> Result<()> {
    for id in site.ids() {
        site.kill_node(id)?;
        fs::remove_dir_all(site.home(id).join("data"))?;
    }
    Ok(())
}

fn restore(site: &Site, file: &std::path::Path) -> Result<()> {
    for id in site.ids() {
        let (code, said) = site.maip_node(id, &format!("restore --log main --from {}", text(file)))?;
        ensure!(code == 0, "node {id}: {said}");
    }
    Ok(())
}
