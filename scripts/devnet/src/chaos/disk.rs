//! A small disk for one node, which can be filled: a tmpfs, where this process may mount one.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::Devnet;

/// Size of the disk. What is not written costs no memory.
const SIZE: &str = "512m";
/// Bytes written at once when the disk is filled.
const PART_BYTES: usize = 64 << 10;

/// A mounted tmpfs; unmounted when dropped.
#[derive(Debug)]
pub(super) struct SmallDisk {
    point: PathBuf,
    /// The node whose data lies here.
    pub(super) node: u64,
}

impl SmallDisk {
    /// Mounts the disk at `point`, which is created.
    pub(super) fn mount(point: &Path, node: u64) -> Result<SmallDisk> {
        fs::create_dir_all(point).with_context(|| format!("cannot create {}", point.display()))?;
        let options = format!("size={SIZE},mode=0700");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(point))?;
        Ok(SmallDisk { point: point.to_owned(), node })
    }

    /// Moves the node's data to the disk. The node is stopped for it.
    pub(super) fn take_over(&self, devnet: &mut Devnet) -> Result<()> {
        devnet.terminate(self.node)?;
        let data = devnet.data().join(format!("node-{}/data", self.node));
        let moved = self.point.join("data");
        run(Command::new("cp").arg("-a").arg(&data).arg(&moved))?;
        fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
        std::os::unix::fs::symlink(&moved, &data)?;
        devnet.restart(self.node)
    }

    /// Copies the node's data back to where it was. The node must not run.
    pub(super) fn give_back(&self, devnet: &Path) -> Result<()> {
        let data = devnet.join(format!("node-{}/data", self.node));
        fs::remove_file(&data).with_context(|| format!("cannot remove {}", data.display()))?;
        run(Command::new("cp").arg("-a").arg(self.point.join("data")).arg(&data))
    }

    /// Writes until the disk refuses.
    pub(super) fn fill(&self) -> Result<()> {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.filler())?;
        let zeros = vec![0; PART_BYTES];
        loop {
            match file.write_all(&zeros) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("the disk could not be filled"),
            }
        }
    }

    /// Gives the room back.
    pub(super) fn make_room(&self) -> Result<()> {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("no room was made"),
            _ => Ok(()),
        }
    }

    fn filler(&self) -> PathBuf {
        self.point.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("umount").arg(&self.point)) {
            eprintln!("{error:#}");
        }
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{command:?} did not start"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim_end());
    Ok(())
}
