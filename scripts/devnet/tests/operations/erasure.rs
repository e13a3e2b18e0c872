//! Erasing what nodes keep for a tenant: on every node, also one that was away, until nothing is left in any file.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use devnet::wait_until;
use ledger_format::record::Digest;

use crate::site::{LIMIT, Site, edit, text};

const PLAIN: &str = "the patient is well, says doctor grey";
const SUBJECT: &str = "customer-41";

#[tokio::test(flavor = "multi_thread")]
async fn erasing_payloads_leaves_nothing_on_any_node() -> Result<()> {
    erase(Site::start(3, 1).await?).await
}

/// The engine makes no difference: payloads are in none.
#[tokio::test(flavor = "multi_thread")]
async fn erasing_payloads_leaves_nothing_on_any_node_with_sled() -> Result<()> {
    erase(
        Site::start_with(3, 1, |site, id| edit(&site.config(id), "engine = \"fjall\"", "engine = \"sled\""))
            .await?,
    )
    .await
}

async fn erase(mut site: Site) -> Result<()> {
    let person = Person::register(&site)?;
    let kept = person.put(&site, PLAIN, SUBJECT)?;
    let other = person.put(&site, "of somebody else", "customer-42")?;
    let proof = site.dir().join("receipt.tlog-proof");
    site.maip(&format!(
        "receipt log --action letter:read --input-digest {} --tenant {} --agent {} --key {} {} --out {}",
        kept.commitment,
        person.tenant,
        person.agent,
        text(&person.agent_key),
        site.policy(),
        text(&proof)
    ))?;
    // Each node gives it, whichever was asked to keep it.
    for id in site.ids() {
        let given = person.get(&site, id, &kept)?;
        ensure!(given["value"] == STANDARD_PLAIN && given["media"] == "text/plain", "node {id}: {given}");
    }
    let secrets = secrets(&site, &person, &kept)?;
    for id in site.ids() {
        wait_until("the payload on every node", LIMIT, || {
            ensure!(
                folder(&site, id, &person, &kept).join(hex(&kept.commitment)).exists(),
                "node {id} has none"
            );
            Ok(())
        })?;
    }
    // Before: the search finds what it looks for.
    let found = search(&site, &secrets)?;
    ensure!(found.iter().any(|f| f.contains("/key")), "the search does not find keys: {found:?}");

    site.kill_node(3)?;
    let said = person.maip(
        &site,
        &[1, 2],
        &format!(
            "erase {SUBJECT} --vault {} --reason requested --json {}",
            text(&person.vault),
            site.policy()
        ),
    )?;
    ensure!(said["nodes"][0]["destroyed"] == true && said["nodes"][1]["destroyed"] == true, "{said}");
    ensure!(said["nodes"][2]["answered"] == false, "{said}");
    let (code, status) = person.status(&site)?;
    ensure!(code == 1 && status["ok"] == false, "done without node 3: {status}");

    site.start_node(3)?;
    wait_until("all nodes to be done", LIMIT, || {
        let (code, status) = person.status(&site)?;
        ensure!(code == 0 && status["ok"] == true, "{status}");
        Ok(())
    })?;
    let found = search(&site, &secrets)?;
    ensure!(found.is_empty(), "left after the erasure: {found:?}");

    // Also after every node was killed and started, and after a snapshot and a backup.
    let backup = site.dir().join("main.tar");
    site.maip(&format!("admin backup --log main --out {}", text(&backup)))?;
    for id in site.ids() {
        site.kill_node(id)?;
        site.run_node(id)?;
    }
    for id in site.ids() {
        site.ready(id)?;
    }
    let found = search(&site, &secrets)?;
    ensure!(found.is_empty(), "left after a restart: {found:?}");

    // Nothing more is kept for the subject, or given; the other subject is whole; the proof still verifies.
    let again = person.output(&site, &site.ids(), &kept.get())?;
    ensure!(again.0 == 1, "an erased payload was given: {again:?}");
    ensure!(person.get(&site, 1, &other)?["value"] != "", "the other subject's payload is gone");
    site.maip(&format!("verify {} {}", text(&proof), site.policy()))?;
    site.check().await
}

/// R3: a payload that rots on one node, or the key of its subject there, is not handed out. It comes from another node and is kept
/// anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_payload_comes_back() -> Result<()> {
    let site = Site::start(3, 1).await?;
    let person = Person::register(&site)?;
    let kept = person.put(&site, PLAIN, SUBJECT)?;
    let folder = folder(&site, 3, &person, &kept);
    let sealed = folder.join(hex(&kept.commitment));
    wait_until("the payload on node 3", LIMIT, || {
        ensure!(sealed.exists(), "node 3 has none");
        Ok(())
    })?;
    for rotten in [&sealed, &folder.join("key")] {
        let mut bytes = fs::read(rotten)?;
        let middle = bytes.len() / 2;
        *bytes.get_mut(middle).context("an empty file")? ^= 0x10;
        fs::write(rotten, bytes)?;
        let damaged = fs::read(&sealed)?;
        let given = person.get(&site, 3, &kept)?;
        ensure!(given["value"] == STANDARD_PLAIN, "{}: {given}", rotten.display());
        wait_until("a whole copy in its place", LIMIT, || {
            ensure!(fs::read(&sealed)? != damaged, "{} is as it was", sealed.display());
            Ok(())
        })?;
    }
    site.check().await
}

/// `PLAIN` as JSON answers carry it.
const STANDARD_PLAIN: &str = "dGhlIHBhdGllbnQgaXMgd2VsbCwgc2F5cyBkb2N0b3IgZ3JleQ==";

/// A tenant with its keys, its vault and an agent.
struct Person {
    tenant: String,
    key: PathBuf,
    agent: String,
    agent_key: PathBuf,
    vault: PathBuf,
}

/// A payload on the nodes.
struct Kept {
    name: String,
    commitment: String,
    subject: String,
    vault: PathBuf,
}

impl Kept {
    fn get(&self) -> String {
        let (commitment, name, vault) = (&self.commitment, &self.name, text(&self.vault));
        format!("payload get {commitment} --subject {name} --store nodes --with-salt --json --vault {vault}")
    }
}

impl Person {
    fn register(site: &Site) -> Result<Person> {
        let (key, agent_key) = (site.dir().join("tenant.key"), site.dir().join("agent.key"));
        for key in [&key, &agent_key] {
            site.maip(&format!("key new --out {}", text(key)))?;
        }
        let json = |said: String| -> Result<serde_json::Value> { Ok(serde_json::from_str(&said)?) };
        let said = json(
            site.maip(&format!("tenant register --name Clinic --key {} --json --ack sequenced", text(&key)))?,
        )?;
        let tenant = said["tenant"].as_str().context("no tenant")?.to_owned();
        let said = json(site.maip(&format!(
            "agent register --name scribe --scope letter:read --type autonomous --key {} --tenant {tenant} --tenant-key {} --json --ack sequenced",
            text(&agent_key),
            text(&key)
        ))?)?;
        let agent = said["agent"].as_str().context("no agent")?.to_owned();
        Ok(Person { tenant, key, agent, agent_key, vault: site.dir().join("vault") })
    }

    /// `maip ARGS` as this tenant, asking these nodes only; exit code and answer.
    fn output(&self, site: &Site, nodes: &[u64], args: &str) -> Result<(i32, serde_json::Value)> {
        let urls: Vec<_> = nodes
            .iter()
            .map(|id| site.manifest.node(*id).map(|n| n.grpc_url.clone()))
            .collect::<Result<_>>()?;
        let args = format!(
            "{args} --tenant {} --tenant-key {} --url {}",
            self.tenant,
            text(&self.key),
            urls.join(",")
        );
        let output = site.maip_output(&args)?;
        let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok((output.status.code().context("killed")?, answer))
    }

    fn maip(&self, site: &Site, nodes: &[u64], args: &str) -> Result<serde_json::Value> {
        let (code, answer) = self.output(site, nodes, args)?;
        ensure!(code == 0, "maip {args}: {code}, {answer}");
        Ok(answer)
    }

    fn put(&self, site: &Site, plain: &str, subject: &str) -> Result<Kept> {
        let file = site.dir().join("plain.txt");
        fs::write(&file, plain)?;
        let args = format!(
            "payload put {} --subject {subject} --media text/plain --store nodes --json --vault {}",
            text(&file),
            text(&self.vault)
        );
        let said = self.maip(site, &site.ids(), &args)?;
        fs::remove_file(file)?;
        let word = |name: &str| said[name].as_str().map(str::to_owned).context("no digest");
        let (commitment, named) = (word("commitment")?, word("subject")?);
        Ok(Kept { name: subject.into(), commitment, subject: named, vault: self.vault.clone() })
    }

    fn get(&self, site: &Site, node: u64, kept: &Kept) -> Result<serde_json::Value> {
        self.maip(site, &[node], &kept.get())
    }

    fn status(&self, site: &Site) -> Result<(i32, serde_json::Value)> {
        let args = format!("erase {SUBJECT} --status --vault {} --json", text(&self.vault));
        self.output(site, &[1, 2], &args)
    }
}

fn hex(commitment: &str) -> String {
    commitment.split_once(':').map_or(commitment, |(_, hex)| hex).to_owned()
}

/// Where a node keeps a subject's payloads.
fn folder(site: &Site, id: u64, person: &Person, kept: &Kept) -> PathBuf {
    let tenant = person.tenant.split_once(':').map_or(person.tenant.as_str(), |(_, ulid)| ulid);
    site.log_dir(id).join("payloads").join(format!("{tenant}-{}", hex(&kept.subject)))
}

/// Everything that must be gone: plaintext, salt, each node's key, and pieces of each node's ciphertext; read before.
fn secrets(site: &Site, person: &Person, kept: &Kept) -> Result<Vec<Vec<u8>>> {
    let given = person.get(site, 1, kept)?;
    let salt = given["salt"].as_str().context("no salt")?;
    let salt: Vec<u8> = (0..salt.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&salt[at..at + 2], 16))
        .collect::<Result<_, _>>()?;
    ensure!(
        Digest::sha256(&[&salt, PLAIN.as_bytes()].concat()).to_string() == kept.commitment,
        "another salt"
    );
    let mut secrets = vec![PLAIN.as_bytes().to_vec(), salt];
    for id in site.ids() {
        let folder = folder(site, id, person, kept);
        wait_until("the payload on every node", LIMIT, || {
            ensure!(folder.join(hex(&kept.commitment)).exists(), "node {id} has none");
            Ok(())
        })?;
        let key = fs::read(folder.join("key"))?;
        ensure!(key.len() == 32, "node {id} has a key of {} bytes", key.len());
        let sealed = fs::read(folder.join(hex(&kept.commitment)))?;
        secrets.extend([key, sealed[sealed.len() - 32..].to_vec()]);
    }
    Ok(secrets)
}

/// Files under every node's directory, and backups, in which any of the secrets stands, raw or in hex.
fn search(site: &Site, secrets: &[Vec<u8>]) -> Result<Vec<String>> {
    let mut needles = secrets.to_vec();
    needles.extend(
        secrets.iter().map(|s| s.iter().map(|b| format!("{b:02x}")).collect::<String>().into_bytes()),
    );
    let mut found = Vec::new();
    let (mut waiting, mut files) = (vec![site.dir().to_path_buf()], 0);
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            // A file may go while it is looked for: then it holds nothing.
            let Ok(bytes) = fs::read(&path) else { continue };
            files += 1;
            let hits = needles.iter().filter(|needle| holds(&bytes, needle)).count();
            if hits > 0 {
                found.push(format!("{} ({hits})", path.display()));
            }
        }
    }
    ensure!(files > 50, "only {files} files were searched");
    Ok(found)
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

#[test]
fn the_search_finds_a_needle_anywhere() {
    assert!(holds(b"aab", b"ab") && holds(b"ab", b"ab") && !holds(b"a", b"ab") && !holds(b"ba", b"ab"));
}
