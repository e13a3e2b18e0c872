//! While the node runs: are its files still what it runs with?

use std::{path::Path, sync::Arc};

use ledger_api::Logs;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    Given, NAMED_MAX,
    fields::{self, Fields},
    in_brackets, stamp,
};

/// What an operator does about the alarm.
const ADVICE: &str = "If that is meant, restart the node (for certificates a SIGHUP is enough); if not, copy the file back from a backup \
                      or another node";

impl Given {
    /// Looks at once, then after each pause and whenever files were read again, until the node stops. What differs is an alarm of every
    /// log: it is the node's, and a log is where alarms are looked for.
    pub(crate) fn watch(self: Arc<Self>, logs: Logs, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                let given = Arc::clone(&self);
                match tokio::task::spawn_blocking(move || given.differences()).await {
                    Ok(differences) => {
                        let text = alarm_text(&differences);
                        logs.iter().for_each(|log| log.set_given_alarm(text.clone()));
                    }
                    Err(error) => {
                        tracing::error!(%error, "the files that the node was given were not looked at")
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(self.look) => {}
                    () = self.look_now.notified() => {}
                    _ = stop.wait_for(|&stop| stop) => return,
                }
            }
        })
    }

    /// What is wrong with each file that is not what the node runs with. Where only the time of a file has changed, that is kept for
    /// the next start, so that a damage after it is told from a change.
    pub(super) fn differences(&self) -> Vec<String> {
        let expected = self.expected().clone();
        let (mut differences, mut touched) = (Vec::new(), Vec::new());
        for (path, before) in &expected.files {
            match stamp::read(path) {
                Err(error) => differences.push(format!("{} cannot be read: {error}", path.display())),
                Ok((now, _)) if now == *before => {}
                Ok((now, _)) if now.is_same_content(before) => touched.push((path.clone(), *before, now)),
                Ok((_, bytes)) => {
                    let configuration = (*path == expected.configuration).then_some(&expected.fields);
                    differences.push(difference(path, configuration, &bytes));
                }
            }
        }
        if !touched.is_empty() {
            for (path, before, now) in touched {
                // Unless it was read again meanwhile.
                if let Some(stamp) = self.expected().files.get_mut(&path).filter(|stamp| **stamp == before) {
                    *stamp = now;
                }
            }
            self.keep();
        }
        differences
    }
}

fn difference(path: &Path, configuration: Option<&Fields>, bytes: &[u8]) -> String {
    let is_not = format!("{} is no longer what this node runs with", path.display());
    let Some(before) = configuration else { return is_not };
    match fields::flatten(bytes) {
        None => format!("{is_not}: it is not TOML"),
        Some(now) => is_not + &in_brackets(&fields::changes(before, &now)),
    }
}

/// The text of the alarm; `None` where there is nothing to say.
fn alarm_text(differences: &[String]) -> Option<String> {
    if differences.is_empty() {
        return None;
    }
    let mut text = differences.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    if let Some(more) = differences.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        text += &format!("; and {more} more files");
    }
    Some(format!("{text}. {ADVICE}"))
}
