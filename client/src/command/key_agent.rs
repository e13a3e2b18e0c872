//! `maip key agent`: keys in a process instead of files, for as long as one works.

use std::{fs, path::PathBuf, time::Duration};

use clap::{Subcommand, ValueHint};
use ledger_client::{
    key_agent::{Connection, Held, Listening, serve},
    keys,
};
use serde_json::json;

use super::{Done, Exit, Failure, Global, Out, global::block_on, time::duration};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyAgent {
    /// Hold keys in memory and sign for your other `maip` commands, until `stop`, `--idle` or Ctrl-C.
    Serve {
        /// Where they reach it: a path that only you can use. An agent that was killed there is replaced, a living one is not.
        #[arg(long, env = "MAIP_KEY_SOCKET", value_name = "PATH", value_hint = ValueHint::FilePath)]
        socket: PathBuf,
        /// Hold this key: a file, or a name in the key directory. May be repeated. Default: all of the key directory.
        #[arg(long = "key", value_name = "FILE")]
        only: Vec<String>,
        /// Begin without keys.
        #[arg(long, conflicts_with = "only")]
        empty: bool,
        /// End when nothing was asked for so long, e.g. 30m. Default: never.
        #[arg(long, value_name = "TIME", value_parser = duration)]
        idle: Option<Duration>,
    },
    /// The keys that the agent holds.
    List,
    /// Give the agent one more key.
    Add {
        /// A key file, or a name in the key directory.
        key: String,
        /// The name by which it is asked for. Default: that of the file.
        #[arg(long)]
        name: Option<String>,
    },
    /// Have the agent forget a key.
    Remove {
        /// Its name.
        name: String,
    },
    /// End the agent.
    Stop,
}

impl KeyAgent {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Self::Serve { socket, only, empty, idle } => {
                let held = if *empty { Held::default() } else { load(global, only)? };
                let (_listening, listener) = Listening::at(socket).map_err(|e| {
                    Failure::cannot("no socket for a key agent").why(e).next("choose another --socket")
                })?;
                let count = held.count();
                let json = json!({ "ok": true, "socket": socket, "keys": count });
                out.answer(&format!("{count} keys at {}", socket.display()), &json);
                block_on(async {
                    let end = serve(listener, held, *idle).await;
                    end.map_err(|e| Failure::cannot("the key agent has ended").why(e))
                })?;
            }
            Self::List => {
                let keys = connect(global)?.list()?;
                let mut text = format!("{} keys", keys.len());
                for key in &keys {
                    text.push_str(&format!("\n  {}  {}", key.public_key, key.name));
                }
                out.answer(&text, &json!({ "ok": true, "keys": keys }));
            }
            Self::Add { key, name } => {
                let path = keys::locate(&global.key_directory(), key);
                let name = name.clone().unwrap_or_else(|| stem(&path));
                connect(global)?.add(&name, &keys::read_seed(&path)?)?;
                out.answer(&format!("the agent holds {name}"), &json!({ "ok": true, "name": name }));
            }
            Self::Remove { name } => {
                connect(global)?.remove(name)?;
                out.answer(&format!("the agent has forgotten {name}"), &json!({ "ok": true, "name": name }));
            }
            Self::Stop => {
                connect(global)?.stop()?;
                out.answer("the agent ends", &json!({ "ok": true }));
            }
        }
        Ok(Exit::Ok)
    }
}

fn connect(global: &Global) -> Result<Connection, Failure> {
    let socket = global.key_socket.as_ref().ok_or_else(|| {
        Failure::cannot("no key agent to talk to").next("give --key-socket PATH (or MAIP_KEY_SOCKET)")
    })?;
    Ok(Connection::open(socket)?)
}

fn load(global: &Global, names: &[String]) -> Result<Held, Failure> {
    let directory = global.key_directory();
    let mut paths: Vec<PathBuf> = names.iter().map(|name| keys::locate(&directory, name)).collect();
    if names.is_empty() {
        let unread = |e| Failure::cannot(format!("{} cannot be read", directory.display())).why(e);
        for file in
            fs::read_dir(&directory).map_err(|e| unread(e).next("give --keys DIR, --key FILE or --empty"))?
        {
            let path = file.map_err(unread)?.path();
            if path.extension().is_some_and(|ending| ending == keys::KEY_EXTENSION) {
                paths.push(path);
            }
        }
        paths.sort();
    }
    let mut held = Held::default();
    for path in paths {
        let key = keys::read_seed(&path)?;
        held.add(&stem(&path), key)
            .map_err(|why| Failure::cannot(format!("{} cannot be held", path.display())).why(why))?;
    }
    Ok(held)
}

/// `agent` of `keys/agent.key`
fn stem(path: &std::path::Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
