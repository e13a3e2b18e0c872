//! Sandboxes: what this node hosts under a sandbox's name follows what its copy of the main log says.
//!
//! The main log has the number of each sandbox's present generation (see [`ledger_log::Generation`]). A task for each sandbox
//! compares it with what is open and what is on disk, and takes one step at a time: open the generation that is agreed on, in a
//! directory of its own; put it in the place of the old one; let go of that; delete its directory. Each step can be cut off by
//! a crash, and the next start goes on from what it finds.
//!
//! A node never goes back to a generation, not even when a power cut has thrown its copy of the main log behind its own disk:
//! with the old directory it would have lost its votes. So a new directory is durable before an old one goes, and with a newer
//! directory on disk than the main log has, the node waits until it has that, too.

use std::{collections::BTreeSet, fs, io, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use ledger_api::Logs;
use ledger_format::generation_origin;
use ledger_log::{Generation, HostedLog, World};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    config::{self, Config},
    given::Given,
    node,
};

/// Least time between two looks at the main log while it grows.
const LOOK: Duration = Duration::from_millis(20);
/// After a step that failed, or that must wait for requests which still use the old log.
const RETRY: Duration = Duration::from_millis(500);

/// What has to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing, until the main log says something else.
    Rest,
    /// Nothing: the main log here is behind this disk, which has this generation.
    Behind(u32),
    /// Open this generation and let go of the one before.
    Open(u32),
    /// Delete this generation, which is over.
    Delete(u32),
}

/// The next step, from the generation that is agreed on, the one that is open, and those on disk.
fn next(agreed: u32, open: Option<u32>, on_disk: &BTreeSet<u32>) -> Step {
    let newest = on_disk.last().copied().unwrap_or(0);
    match open {
        Some(open) if open >= agreed => match on_disk.first() {
            Some(&old) if old < open => Step::Delete(old),
            _ => Step::Rest,
        },
        _ if newest > agreed => Step::Behind(newest),
        _ => Step::Open(agreed),
    }
}

/// One sandbox of this node.
pub(crate) struct Sandbox {
    config: Arc<Config>,
    given: Arc<Given>,
    log: config::Log,
    world: World,
    main: HostedLog,
    /// Generations that are over, and that some request may still use.
    retired: Vec<HostedLog>,
    /// It has been said that the main log is behind this disk.
    told: bool,
}

impl Sandbox {
    pub(crate) fn new(
        config: Arc<Config>,
        given: &Arc<Given>,
        log: &config::Log,
        world: &World,
        main: &HostedLog,
    ) -> Self {
        Self {
            config,
            given: Arc::clone(given),
            log: log.clone(),
            world: world.clone(),
            main: main.clone(),
            retired: Vec::new(),
            told: false,
        }
    }

    /// Opens what the main log says now, at the start of the node; `None` when that must wait.
    pub(crate) async fn open_first(&self) -> anyhow::Result<Option<HostedLog>> {
        let agreed = self.main.generation_of(&self.log.name)?;
        match next(agreed.number, None, &self.on_disk()?) {
            Step::Open(_) => self.open(&agreed).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Follows the main log until the node stops.
    pub(crate) fn follow(mut self, logs: Logs, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut applied = self.main.watch_applied();
            loop {
                // Asked before the step: what is applied meanwhile is not missed.
                applied.mark_unchanged();
                let pause = match self.step(&logs).await {
                    Ok(Step::Rest | Step::Behind(_)) => {
                        tokio::select! {
                            _ = applied.changed() => LOOK,
                            _ = stop.wait_for(|&stop| stop) => return,
                        }
                    }
                    Ok(_) => Duration::ZERO,
                    Err(error) => {
                        tracing::error!(log = self.log.name, "the sandbox does not follow: {error:#}");
                        RETRY
                    }
                };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stop.wait_for(|&stop| stop) => return,
                }
            }
        })
    }

    /// Finds the next step and takes it.
    async fn step(&mut self, logs: &Logs) -> anyhow::Result<Step> {
        let agreed = self.main.generation_of(&self.log.name)?;
        let open = logs.get(&self.log.name).and_then(|log| log.generation());
        let step = next(agreed.number, open, &self.on_disk()?);
        match step {
            Step::Behind(newest) if !self.told => {
                self.told = true;
                let agreed = agreed.number;
                tracing::warn!(log = self.log.name, newest, agreed, "the main log is behind this disk");
            }
            Step::Rest | Step::Behind(_) => {}
            Step::Open(number) => {
                let opened = self.open(&agreed).await?;
                if let Some(old) = logs.replace(opened) {
                    tracing::warn!(log = self.log.name, generation = number, "the sandbox was reset");
                    old.shutdown().await;
                    self.retired.push(old);
                }
            }
            Step::Delete(number) => self.delete(number).await?,
        }
        Ok(step)
    }

    async fn open(&self, generation: &Generation) -> anyhow::Result<HostedLog> {
        let name = &self.log.name;
        // A generation reads its keys and its policy long after the start: not what has rotted since.
        let files = self.log.files();
        self.given.read_again(|path| files.iter().any(|(_, of_log)| *of_log == path))?;
        let options = node::options(&self.config, &self.log, generation)
            .with_context(|| format!("log {name}, generation {}", generation.number))?;
        let dir = options.dir.clone();
        fs::create_dir_all(&dir)
            .and_then(|()| sync_dir(&self.config.logs_dir()))
            .with_context(|| format!("cannot make {}", dir.display()))?;
        let opened = HostedLog::open(options, self.world.clone())
            .await
            .with_context(|| format!("cannot open log {name}, generation {}", generation.number))?;
        let origin = generation_origin(&self.log.origin, generation.number);
        tracing::info!(log = name, origin, size = opened.status().size, "opened");
        Ok(opened)
    }

    /// Deletes a generation that is over, as soon as no request uses it any more.
    async fn delete(&mut self, number: u32) -> anyhow::Result<()> {
        self.retired.retain(|log| log.generation() == Some(number) || !log.is_released());
        let of_it = |log: &HostedLog| log.generation() == Some(number);
        if let Some(place) = self.retired.iter().position(of_it) {
            if !self.retired[place].is_released() {
                tokio::time::sleep(RETRY).await;
                return Ok(());
            }
            self.retired.remove(place);
        }
        let dir = self.config.generation_dir(&self.log.name, number);
        let gone = dir.clone();
        tokio::task::spawn_blocking(move || fs::remove_dir_all(gone))
            .await?
            .with_context(|| format!("cannot delete {}", dir.display()))?;
        tracing::info!(log = self.log.name, generation = number, "deleted the generation that is over");
        Ok(())
    }

    /// The generations that have a directory here, whole or not.
    fn on_disk(&self) -> anyhow::Result<BTreeSet<u32>> {
        let dir = self.config.logs_dir();
        generations_in(&dir, &self.log.name).with_context(|| format!("cannot look into {}", dir.display()))
    }
}

/// Which directories in `dir` are generations of the sandbox `name`.
fn generations_in(dir: &Path, name: &str) -> io::Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?.file_name();
        let Some(rest) = entry.to_str().and_then(|entry| entry.strip_prefix(name)) else { continue };
        // The spelling that `generation_dir` gives, no other.
        let number = match rest.strip_prefix('.') {
            Some(digits) => digits.parse().ok().filter(|n: &u32| *n > 1 && n.to_string() == digits),
            None => rest.is_empty().then_some(1),
        };
        found.extend(number);
    }
    Ok(found)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_follows_from_what_is_agreed_on_and_what_is_here() {
        use Step::*;
        let table: &[(u32, Option<u32>, &[u32], Step)] = &[
            // The first start, and every quiet day after it.
            (1, None, &[], Open(1)),
            (1, None, &[1], Open(1)),
            (1, Some(1), &[1], Rest),
            // A reset, step by step.
            (2, Some(1), &[1], Open(2)),
            (2, Some(2), &[1, 2], Delete(1)),
            (2, Some(2), &[2], Rest),
            // Cut off by a crash after each of these steps.
            (2, None, &[1], Open(2)),
            (2, None, &[1, 2], Open(2)),
            (2, None, &[2], Open(2)),
            // Away for several resets; and one that came while the last was under way.
            (5, None, &[2], Open(5)),
            (5, Some(5), &[2, 5], Delete(2)),
            (3, Some(2), &[1, 2], Open(3)),
            (3, Some(3), &[1, 2, 3], Delete(1)),
            // A new node that has never had an earlier one.
            (4, Some(1), &[1], Open(4)),
            // A power cut threw the main log behind this disk: nothing older is opened, nothing is deleted.
            (1, None, &[1, 2], Behind(2)),
            (1, None, &[2], Behind(2)),
            (2, Some(1), &[1, 3], Behind(3)),
        ];
        for (agreed, open, on_disk, step) in table {
            let on_disk = on_disk.iter().copied().collect();
            assert_eq!(next(*agreed, *open, &on_disk), *step, "{agreed} {open:?} {on_disk:?}");
        }
    }

    /// Whatever a crash leaves, following ends with exactly the generation that is agreed on, and never opens an older one
    /// than was on disk.
    #[test]
    fn every_beginning_ends_with_the_generation_that_is_agreed_on() {
        for mask in 0_u32..16 {
            for agreed in 1..=4 {
                let mut on_disk: BTreeSet<u32> = (1..=4).filter(|n| mask & (1 << (n - 1)) != 0).collect();
                let newest = on_disk.last().copied().unwrap_or(0);
                let mut open = None;
                for _ in 0..10 {
                    match next(agreed, open, &on_disk) {
                        Step::Rest | Step::Behind(_) => break,
                        Step::Open(number) => {
                            assert!(number >= newest && open.is_none_or(|open| number > open));
                            on_disk.insert(number);
                            open = Some(number);
                        }
                        Step::Delete(number) => {
                            assert!(open.is_some_and(|open| number < open));
                            on_disk.remove(&number);
                        }
                    }
                }
                if newest <= agreed {
                    assert_eq!(
                        (open, on_disk),
                        (Some(agreed), BTreeSet::from([agreed])),
                        "{mask:b} {agreed}"
                    );
                } else {
                    assert_eq!(open, None);
                }
            }
        }
    }

    #[test]
    fn a_directory_names_its_generation_in_one_way() {
        let dir = tempfile::tempdir().unwrap();
        assert!(generations_in(&dir.path().join("none"), "sandbox").unwrap().is_empty());
        for name in [
            "sandbox",
            "sandbox.2",
            "sandbox.10",
            "sandbox.03",
            "sandbox.1",
            "sandbox.x",
            "sandbox-eu",
            "main",
        ] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert_eq!(generations_in(dir.path(), "sandbox").unwrap(), BTreeSet::from([1, 2, 10]));
    }
}
