//! What the examples of a group find: files, variables, and a past in the log.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use devnet::Manifest;
use ledger_format::{Checkpoint, Evidence, Note, NoteSigner, leaf_hash};
use serde_json::{Value, json};

use crate::shell::Shell;

/// What a reader takes from an answer: the beginning of the example, the variable, and the words before it in text and JSON. Words
/// that end with a colon are part of it.
const ANSWERS: &[(&str, &str, &[&str])] = &[
    ("maip tenant register", "T", &["maip-tenant:"]),
    ("maip agent register", "A", &["maip-agent:"]),
    ("maip session open", "S", &["maip-sess:"]),
    ("maip decision ask", "R", &["maip-rcpt:"]),
    ("maip decision approve", "P", &["maip-rcpt:"]),
    ("maip delegate offer --tenant $T --tenant-key", "G", &["maip-deleg:"]),
    ("maip delegate offer --tenant $T --from", "H", &["maip-deleg:"]),
    ("maip delegate offer --tenant $T --from", "I", &["\"index\":", "index    "]),
    ("maip delegate agree", "HASH", &["\"agreement\":\"", "hash     "]),
    ("maip payload put", "COMMITMENT", &["\"commitment\":\"", "payload  "]),
    ("maip payload get", "SALT", &["\"salt\":\"", "salt     "]),
    ("maip policy put", "P", &["maip-pol:"]),
];

/// A shell and what lies around it.
pub(crate) struct Desk {
    pub(crate) shell: Shell,
    /// The devnet's directory.
    data: std::path::PathBuf,
    origin: String,
}

impl Desk {
    /// A desk with the files that an operator hands out.
    pub(crate) fn new(shell: Shell, manifest: &Manifest, data: &Path) -> Result<Desk> {
        let (log, node) = (manifest.log("main")?, manifest.node(1)?);
        let data = data.canonicalize()?;
        shell.set("MAIP_DEVNET", &data.to_string_lossy());
        shell.set("LOG", &log.url);
        shell.set("NODE", &node.grpc_url);
        let keys = data.join("node-1/keys");
        for (from, name) in [
            (manifest.policy.clone(), "policy.txt"),
            (manifest.ca.clone(), "ca.pem"),
            (keys.join("admin.key"), "admin.key"),
            (keys.join("main.operator.key"), "main.operator.key"),
        ] {
            fs::copy(&from, shell.dir().join(name)).with_context(|| format!("{}", from.display()))?;
        }
        for (name, text) in [("in.json", "{\"invoice\":7}"), ("letter.txt", "Dear customer,\n")] {
            fs::write(shell.dir().join(name), text)?;
        }
        Ok(Desk { shell, data, origin: log.origin.clone() })
    }

    /// Takes from an answer what the next examples need.
    pub(crate) fn remember(&self, example: &str, said: &str) {
        for (_, name, marks) in ANSWERS.iter().filter(|(begins, _, _)| example.starts_with(begins)) {
            if let Some(found) = marks.iter().find_map(|mark| after(said, mark)) {
                self.shell.set(name, &found);
            }
        }
    }

    /// Everything that must have happened before the first example of a group.
    pub(crate) fn prepare(&mut self, group: &str) -> Result<()> {
        for key in ["tenant", "next", "peer", "b"] {
            self.shell.ask(&format!("key new --out {key}.key"))?;
        }
        match group {
            "tenant" => return Ok(()),
            "completions" => {
                return Ok(fs::create_dir_all(
                    self.shell.dir().join(".local/share/bash-completion/completions"),
                )?);
            }
            "admin" => return self.new_log_key(),
            _ => {}
        }
        self.take("T", "tenant register --name Desk --key tenant.key --out tenant.tlog-proof", "tenant")?;
        if group == "key" {
            return Ok(());
        }
        self.shell.ask("key new --out agent.key")?;
        if group == "agent" {
            return Ok(());
        }
        let tenant = "--tenant $T --tenant-key tenant.key";
        let agent = format!("agent register {tenant} --scope 'invoice:*'");
        self.take(
            "A",
            &format!("{agent} --scope letter:read --name a --key agent.key --out agent.tlog-proof"),
            "agent",
        )?;
        self.take("B", &format!("{agent} --name b --key b.key"), "agent")?;
        // A past: an action under a grant, which has been handed on.
        let offer = format!("delegate offer {tenant} --to $A --scope invoice:read --hops 1");
        self.take("G", &offer, "grant")?;
        let act = "receipt log --tenant $T --agent $A --key agent.key --action invoice:read --grant $G";
        self.take("R", &format!("{act} --out r.tlog-proof"), "id")?;
        match group {
            "attest" => {
                let on = "delegate offer --tenant $T --from $A --key agent.key --parent $G --to $B --scope invoice:read";
                self.take("I", on, "index")?;
            }
            _ => self.take("I", act, "index")?,
        }
        self.of_group(group, tenant)
    }

    /// What only one group needs.
    fn of_group(&mut self, group: &str, tenant: &str) -> Result<()> {
        match group {
            "delegate" => {
                self.take("U", "tenant register --name Peer --key peer.key", "tenant")?;
                self.take("PUB", "key show peer.key", "public_key")?;
            }
            "erase" => drop(self.shell.ask("payload put letter.txt --subject customer-41 --vault vault")?),
            "submit" | "record" => {
                fs::write(self.shell.dir().join("records.ndjson"), self.unsent()? + &self.unsent()?)?;
                self.drafts()?;
            }
            "policy" => {
                let rule = json!({ "actions": ["invoice:pay"], "effect": "approve" });
                let policy = json!({ "name": "four eyes", "priority": 5, "rules": [rule] });
                fs::write(self.shell.dir().join("four-eyes.json"), policy.to_string())?;
            }
            "verify" => {
                self.shell.ask("chain --receipt $I --out act.chain")?;
                self.shell.ask("proof status $A --min-index $I --out agent.staple")?;
            }
            "history" => drop(self.shell.ask("proof status $A --min-index $I --out agent.staple")?),
            "consistency" | "log" | "monitor" | "replay" | "trust" => self.mirror()?,
            "evidence" => {
                self.mirror()?;
                self.fork()?;
                self.take("I", &format!("kill $A {tenant} --reason stolen --out kill.tlog-proof"), "index")?;
                self.shell.ask("proof status $A --min-index $I --out later.staple")?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A copy of the log, and its size.
    fn mirror(&self) -> Result<()> {
        let said = self.shell.ask("monitor --state mirror --once")?;
        let size = said["size"].as_u64().context("no size")?;
        self.shell.set("N", &size.to_string());
        Ok(())
    }

    /// Runs `maip ARGS` and takes a member of its answer.
    fn take(&self, name: &str, args: &str, member: &str) -> Result<()> {
        let said = self.shell.ask(args)?;
        let value = match &said[member] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => anyhow::bail!("`maip {args}` says no {member}: {said}"),
        };
        self.shell.set(name, &value);
        Ok(())
    }

    /// A signed record that was not sent, and a newline.
    fn unsent(&self) -> Result<String> {
        let ran = self
            .shell
            .run("maip receipt log --tenant $T --agent $A --key agent.key --action invoice:read --dry-run")?;
        anyhow::ensure!(ran.code == 0, "{}", ran.err);
        Ok(ran.out)
    }

    /// A record as somebody writes it, and a body.
    fn drafts(&self) -> Result<()> {
        let mut record: Value = serde_json::from_str(&self.unsent()?)?;
        let (agent, id) = (record["body"]["agent"].clone(), record["id"].clone());
        record.as_object_mut().context("no record")?.remove("sig");
        fs::write(self.shell.dir().join("draft.json"), serde_json::to_string_pretty(&record)?)?;
        let claim = json!({
            "agent": agent, "claim": format!("maip-tc:{}", id.as_str().context("no id")?), "internal": true,
            "statement": format!("sha256:{}", "ab".repeat(32)),
        });
        Ok(fs::write(self.shell.dir().join("claim.json"), claim.to_string())?)
    }

    /// The log's own key, with which a test can make it cheat.
    fn log_signer(&self) -> Result<NoteSigner> {
        let key = fs::read_to_string(self.data.join("node-1/keys/main.log.key"))?;
        Ok(NoteSigner::parse(key.trim_end())?)
    }

    /// What a monitor writes that was shown two trees of one size.
    fn fork(&self) -> Result<()> {
        let signer = self.log_signer()?;
        let tree = |entry: &[u8]| {
            let text = Checkpoint::new(&self.origin, 7, leaf_hash(entry)).to_string();
            let mut note = Note::new(&text);
            note.push(signer.sign(&text));
            note
        };
        let fork = Evidence::LogForkSameSize { first: tree(b"one"), second: tree(b"another") };
        fs::create_dir_all(self.shell.dir().join("monitor"))?;
        Ok(fs::write(self.shell.dir().join("monitor/evidence-7.txt"), fork.to_bytes())?)
    }

    /// A key that is let in and taken out again: the cluster must be able to sign with the other one. How one takes over from the other
    /// is in the tests of the manual.
    fn new_log_key(&self) -> Result<()> {
        let signer = NoteSigner::new(&self.origin, ledger_format::SignatureType::Ed25519, [7; 32])?;
        let vkey = signer.vkey().to_string();
        self.shell.set("NEXT_VKEY", &vkey);
        self.shell.set("OLD_VKEY", &vkey);
        Ok(())
    }
}

/// The word behind a mark; with the mark itself if that is the beginning of an id.
fn after(said: &str, mark: &str) -> Option<String> {
    let (_, rest) = said.split_once(mark)?;
    let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == ':').collect();
    Some(if mark.ends_with(':') { format!("{mark}{word}") } else { word })
}
