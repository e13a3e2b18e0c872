//! `maip key`: signing keys in files.

use std::path::PathBuf;

use clap::Subcommand;
use ledger_client::keys;
use ledger_format::record::SigningKey;
use serde_json::json;

use super::{Done, Exit, Failure, Global, Out, key_agent::KeyAgent};

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key; its file can be read by you only and is never overwritten.
    New {
        /// Where to write it.
        #[arg(long, value_name = "FILE", required_unless_present = "name")]
        out: Option<PathBuf>,
        /// Write it as NAME.key into the key directory.
        #[arg(long, conflicts_with = "out")]
        name: Option<String>,
    },
    /// Hold keys in a process, as ssh-agent does, and sign with them for your other commands.
    #[command(subcommand)]
    Agent(KeyAgent),
    /// Print the public half of a key and its id.
    Show {
        /// A key file, a name in the key directory, or a public key.
        // One public key in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        key: String,
    },
}

impl Key {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Self::New { out: file, name } => {
                let path = match (file, name) {
                    (Some(file), _) => file.clone(),
                    (None, Some(name)) => {
                        global.key_directory().join(format!("{name}.{}", keys::KEY_EXTENSION))
                    }
                    (None, None) => return Err(Failure::cannot("give --out FILE or --name NAME")),
                };
                let seed = keys::new_seed().map_err(|e| Failure::cannot("no key").why(e))?;
                keys::write_seed(&path, &seed)?;
                let public = SigningKey::from_seed(seed).public();
                let text =
                    format!("wrote {}\npublic key  {public}\nkey id      {}", path.display(), public.kid());
                let json = json!({
                    "ok": true, "file": path, "public_key": public.to_string(), "kid": public.kid().to_string(),
                });
                out.answer(&text, &json);
            }
            Self::Agent(agent) => return agent.run(global, out),
            Self::Show { key } => {
                let public = global.public_key(key)?;
                let text = format!("public key  {public}\nkey id      {}", public.kid());
                let json =
                    json!({ "ok": true, "public_key": public.to_string(), "kid": public.kid().to_string() });
                out.answer(&text, &json);
            }
        }
        Ok(Exit::Ok)
    }
}
