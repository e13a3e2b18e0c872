//! One process of a devnet: start it, signal it, look at its log.

use std::{
    fs,
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::wait_until;

/// How long a process may take to end after SIGTERM before it gets SIGKILL: longer than a node waits for its
/// clients by default.
const TERM_LIMIT: Duration = Duration::from_secs(20);
/// How long the kernel may take to remove a process after SIGKILL.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// How much of a log is shown when its process fails.
const TAIL_BYTES: u64 = 4_096;

/// A program that runs with one configuration file.
#[derive(Debug)]
pub(crate) struct Process {
    /// For people: `node 1`, `witness w2`.
    pub(crate) name: String,
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    env: Vec<(String, String)>,
    detached: bool,
    child: Option<Child>,
}

impl Process {
    /// Describes a process that has not been started.
    pub(crate) fn new(name: impl Into<String>, program: PathBuf, config: PathBuf, log: PathBuf) -> Process {
        Process { name: name.into(), program, config, log, env: Vec::new(), detached: false, child: None }
    }

    /// Another program from the next start on.
    pub(crate) fn set_program(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// Sets environment variables on top of ours.
    pub(crate) fn env(mut self, env: &[(String, String)]) -> Process {
        self.env = env.to_vec();
        self
    }

    /// Gives the process a process group of its own.
    pub(crate) fn detached(mut self, detached: bool) -> Process {
        self.detached = detached;
        self
    }

    /// Starts the process; its output is appended to its log file.
    pub(crate) fn start(&mut self) -> Result<()> {
        if self.is_running() {
            bail!("{} is already running", self.name);
        }
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.config)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if self.detached {
            command.process_group(0);
        }
        let child = command.spawn().with_context(|| format!("{} did not start", self.program.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Process id, or `None` when it does not run.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether the process runs (a stopped one does).
    pub(crate) fn is_running(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => false,
        }
    }

    /// Fails with the end of the log when the process has ended by itself.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        if let Some(child) = &mut self.child
            && let Some(status) = child.try_wait()?
        {
            return Err(anyhow!("{} ended by itself ({status}); {}", self.name, self.log_tail()));
        }
        Ok(())
    }

    /// SIGKILL, then waits until the process is gone. Nothing happens when it does not run.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().with_context(|| format!("cannot kill {}", self.name))?;
            child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        }
        Ok(())
    }

    /// SIGTERM, then waits until the process has ended; SIGKILL when it takes too long, which is an error.
    pub(crate) fn terminate(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        send(child.id(), Signal::TERM)?;
        let ended = wait_until(&format!("{} to end", self.name), TERM_LIMIT, || match child.try_wait()? {
            Some(status) => Ok(status),
            None => bail!("still running"),
        });
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => bail!("{} ended with {status}; {}", self.name, self.log_tail()),
            Err(late) => {
                child.kill()?;
                child.wait()?;
                Err(late.context(format!("SIGTERM was not enough, {} was killed", self.name)))
            }
        }
    }

    /// SIGSTOP: the process keeps its connections and answers nothing.
    pub(crate) fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn cont(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        send(self.pid().with_context(|| format!("{} does not run", self.name))?, signal)
    }

    /// The end of the process's log, for an error message.
    pub(crate) fn log_tail(&self) -> String {
        log_tail(&self.log)
    }

    /// Lets the process outlive us.
    pub(crate) fn leave_running(&mut self) {
        self.child = None;
    }
}

/// The end of a log file, introduced by its path.
pub fn log_tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = fs::File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => format!("the end of {}:\n{}", path.display(), text.trim_end()),
        Err(error) => format!("{} cannot be read: {error}", path.display()),
    }
}

/// How often and how long a process without a command line is looked at again.
const EXEC_LOOKS: u32 = 200;
const EXEC_PAUSE: Duration = Duration::from_millis(1);

/// Whether `pid` runs a program with `config` among its arguments: the check that keeps us from signalling a
/// stranger that got a dead node's pid.
pub fn is_ours(pid: u32, config: &Path) -> bool {
    let config = config.as_os_str().as_encoded_bytes();
    for _ in 0..EXEC_LOOKS {
        let Ok(arguments) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
        // Empty for a zombie, which counts as gone, and for an instant while a program is being loaded.
        if !arguments.is_empty() || is_zombie(pid) {
            return arguments.split(|byte| *byte == 0).any(|argument| argument == config);
        }
        std::thread::sleep(EXEC_PAUSE);
    }
    false
}

/// Whether a process has ended and only waits for its parent to notice.
fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses and may hold any character.
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Ends a process that another run started: SIGTERM, later SIGKILL. `Ok(false)` when it was gone already.
pub fn end_by_pid(pid: u32, config: &Path) -> Result<bool> {
    if !is_ours(pid, config) {
        return Ok(false);
    }
    let gone = || if is_ours(pid, config) { bail!("pid {pid} still runs") } else { Ok(()) };
    // A stopped process does not see SIGTERM before it continues.
    send(pid, Signal::TERM)?;
    send(pid, Signal::CONT)?;
    if wait_until("the process to end", TERM_LIMIT, gone).is_err() {
        send(pid, Signal::KILL)?;
        wait_until("the killed process to go", KILL_LIMIT, gone)?;
    }
    Ok(true)
}

fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).with_context(|| format!("{pid} is no pid"))?;
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal pid {pid:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(dir: &Path) -> Process {
        // `tail -f --config…` would need a real program; a shell script that ignores its arguments does.
        let script = dir.join("sleeper");
        fs::write(&script, "#!/bin/sh\necho started\nexec tail -f /dev/null \"$2\"\n").unwrap();
        let mut permissions = fs::metadata(&script).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        fs::set_permissions(&script, permissions).unwrap();
        let config = dir.join("config");
        fs::write(&config, "").unwrap();
        Process::new("sleeper", script, config, dir.join("log"))
    }

    /// Starts a script that was written a moment ago. A process that another test forked meanwhile may hold it open for
    /// writing until its own exec, and the system refuses to run such a file.
    fn start(process: &mut Process) {
        wait_until("the script to be closed everywhere", Duration::from_secs(20), || process.start())
            .unwrap();
    }

    #[test]
    fn a_process_is_known_by_its_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = sleeper(dir.path());
        start(&mut process);
        let pid = process.pid().unwrap();
        assert!(process.is_running());
        assert!(is_ours(pid, &dir.path().join("config")));
        assert!(!is_ours(pid, &dir.path().join("another")));
        assert!(!end_by_pid(pid, &dir.path().join("another")).unwrap());
        assert!(process.is_running());
        process.kill().unwrap();
        assert!(!process.is_running());
        assert!(!is_ours(pid, &dir.path().join("config")));
    }

    #[test]
    fn a_process_that_ends_by_itself_shows_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = sleeper(dir.path());
        start(&mut process);
        wait_until("the first line", Duration::from_secs(20), || {
            anyhow::ensure!(process.log_tail().contains("started"));
            Ok(())
        })
        .unwrap();
        send(process.pid().unwrap(), Signal::KILL).unwrap();
        let error = wait_until("the end", Duration::from_secs(20), || match process.check_running() {
            Ok(()) => bail!("runs"),
            Err(error) => Ok(error.to_string()),
        })
        .unwrap();
        assert!(error.contains("sleeper ended by itself") && error.contains("started"), "{error}");
    }
}
