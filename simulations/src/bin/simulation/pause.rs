//! A run in a process that is stopped and continued several times: simulated time must not notice.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use ledger_simulations::cluster::Plan;

/// Between two pauses, and how long each is: of this machine's clock, which must not matter.
const RUNS: Duration = Duration::from_millis(120);
const PAUSED: Duration = Duration::from_millis(400);
/// Most pauses of a run: afterwards it goes on undisturbed.
const PAUSES_MAX: u32 = 5;

/// The hash of the history that a paused process tells, as it is printed.
///
/// # Errors
/// The process cannot be started or stopped, or tells nothing.
pub(super) fn history(plan: Plan) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(program);
    command.args(["--seed", &plan.seed.to_string()]).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(off) = plan.off {
        command.args(["--ablate", &off.to_string()]);
    }
    if let Some(luck) = plan.luck {
        command.args(["--luck", &luck.to_string()]);
    }
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    if let Err(error) = disturb(&mut child) {
        // It may be standing still.
        let ended = child.kill().and_then(|()| child.wait().map(drop));
        return Err(ended.err().map_or(error, |e| e.to_string()));
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let told = text.split(", history ").nth(1).and_then(|rest| rest.get(..16));
    told.map(str::to_owned).ok_or_else(|| "the paused process told no story".to_owned())
}

fn disturb(child: &mut Child) -> Result<(), String> {
    for pause in 0..PAUSES_MAX {
        thread::sleep(RUNS);
        if child.try_wait().map_err(|e| e.to_string())?.is_some() {
            // Too short a story to be paused even once shows nothing.
            return if pause > 0 { Ok(()) } else { Err("it ended before it could be paused".into()) };
        }
        signal(child, "-STOP")?;
        thread::sleep(PAUSED);
        signal(child, "-CONT")?;
    }
    Ok(())
}

fn signal(child: &Child, signal: &str) -> Result<(), String> {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    match sent {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("kill {signal}: {status}")),
        Err(error) => Err(format!("kill {signal}: {error}")),
    }
}
