//! What every earlier release has left on disk opens with today's programs, and nothing in it is lost or moved; and what a newer program has
//! written is refused, with a word on what to do.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use devnet::{
    Binaries, Devnet, Manifest, Options, Submitter,
    fixture::{Fixture, LIST},
    grpc, http, wait_until, wait_until_async,
    workload::{Agent, Tenant},
};
use ledger_format::{
    Checkpoint, Frontier, Hash, Note, Policy, TlogProof, leaf_hash, record::TYPES, verify, verify_consistency,
};
use ledger_proto::v1::{
    Ack, GetConsistencyRequest, GetProofRequest, get_proof_request::Which, ledger_client::LedgerClient,
};
use serde_json::Value;

/// How long anything may take on a loaded machine.
const LIMIT: Duration = Duration::from_secs(90);
/// How long one HTTP question may take.
const ASK: Duration = Duration::from_secs(10);
/// Records that the old log takes from today's programs.
const MORE: usize = 8;

/// A fixture laid out, and the right to its nodes' addresses, which Raft remembers.
struct Old {
    fixture: Fixture,
    data: PathBuf,
    // Last: the directory goes after everything that is in it.
    _turn: TcpListener,
    _dir: tempfile::TempDir,
}

impl Old {
    fn unpack(from: &Path) -> Result<Old> {
        let fixture = Fixture::read(from)?;
        let mut address = *fixture.peers.first().context("no nodes")?;
        address.set_port(address.port() - 1);
        let turn =
            wait_until("another run of this test to end", LIMIT * 3, || Ok(TcpListener::bind(address)?))?;
        let dir = tempfile::tempdir()?;
        let data = dir.path().join("devnet");
        fixture.unpack(from, &data)?;
        let data = data.canonicalize()?;
        Ok(Old { fixture, data, _turn: turn, _dir: dir })
    }

    fn manifest(&self) -> Result<Manifest> {
        Manifest::read(&self.data)
    }

    /// The checkpoint that its witnesses had cosigned.
    fn checkpoint(&self) -> Result<Checkpoint> {
        let policy = Policy::parse(&fs::read_to_string(&self.manifest()?.policy)?)?;
        Ok(policy.check(&Note::parse(self.fixture.checkpoint.as_bytes())?)?.checkpoint)
    }

    /// `maip --json ARGS` at the desk of the payloads' tenant.
    fn maip(&self, args: &[&str]) -> Result<(bool, String)> {
        let output = Command::new(Binaries::find()?.path("maip"))
            .arg("--json")
            .args(args)
            .env("MAIP_DEVNET", &self.data)
            .current_dir(self.data.join("desk"))
            .stdin(Stdio::null())
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    fn good(&self, args: &[&str]) -> Result<String> {
        let (good, said) = self.maip(args)?;
        ensure!(good, "maip {}: {said}", args.join(" "));
        Ok(said)
    }
}

/// Every release that has a fixture.
fn releases() -> Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found: Vec<PathBuf> =
        fs::read_dir(&root)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    found.retain(|dir| dir.join(LIST).is_file());
    found.sort();
    ensure!(!found.is_empty(), "no release has a fixture in {}", root.display());
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_earlier_releases_wrote_opens_with_todays_programs() -> Result<()> {
    for release in releases()? {
        let old = Old::unpack(&release)?;
        witnesses_remember(&old)?;
        opens(&old).await.with_context(|| format!("release {}", old.fixture.release))?;
    }
    Ok(())
}

async fn opens(old: &Old) -> Result<()> {
    let checkpoint = old.checkpoint()?;
    let mut options = Options::new(&old.data)?;
    options.ready_limit = LIMIT;
    let mut devnet = Devnet::resume(options)?;
    same_everywhere(&devnet, checkpoint.size).await?;
    for id in devnet.node_ids() {
        entries_stand(&devnet, id, old, &checkpoint).await?;
        private_state_answers(&devnet, id, old)?;
    }
    payloads_stand(old)?;
    more_records(&devnet, old).await?;
    let size = same_everywhere(&devnet, checkpoint.size + MORE as u64).await?;
    grows_from(&devnet, &checkpoint, size).await?;
    proofs_verify(&devnet, old, &checkpoint).await?;
    tools_agree(&devnet, old)?;
    devnet.shut_down()
}

/// A witness begins with what it has cosigned before, and nobody has to tell it.
fn witnesses_remember(old: &Old) -> Result<()> {
    let (size, manifest) = (old.checkpoint()?.size, old.manifest()?);
    let mut up_to_date = 0;
    let origin = &manifest.log("main")?.origin;
    for witness in &manifest.witnesses {
        let mut program = Command::new(Binaries::find()?.path("maip-witness"))
            .arg("--config")
            .arg(&witness.config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let seen = wait_until(&witness.name, LIMIT, || {
            let metrics = http::get(&format!("{}/metrics", witness.url), ASK)?.text();
            let of_log = |line: &&str| {
                line.starts_with("maip_witness_log_size{") && line.contains(&format!("\"{origin}\""))
            };
            let line = metrics.lines().find(of_log).context("it says nothing of the log")?;
            Ok(line.rsplit(' ').next().context("no number")?.parse::<u64>()?)
        });
        program.kill()?;
        program.wait()?;
        let seen = seen?;
        ensure!(seen > 0, "{} remembers nothing", witness.name);
        up_to_date += usize::from(seen >= size);
    }
    // A quorum has cosigned the last checkpoint; others may have missed it.
    ensure!(up_to_date > manifest.witnesses.len() / 2, "{up_to_date} witnesses remember size {size}");
    Ok(())
}

/// Waits until all nodes stand at one root of at least this size, everything published; the size.
async fn same_everywhere(devnet: &Devnet, at_least: u64) -> Result<u64> {
    let manifest = devnet.manifest();
    wait_until_async("equal logs", LIMIT, async || {
        let mut seen = Vec::new();
        for node in &manifest.nodes {
            let status = grpc::log_status(manifest, node, "main").await?;
            ensure!(status.alarms.is_empty(), "node {} is alarmed: {:?}", node.id, status.alarms);
            ensure!(status.published_size == status.size, "node {} has unpublished entries", node.id);
            seen.push((status.size, status.root));
        }
        seen.dedup();
        ensure!(seen.len() == 1 && seen[0].0 >= at_least, "{seen:?}");
        Ok(seen[0].0)
    })
    .await
}

/// Only this node.
fn alone(devnet: &Devnet, id: u64) -> Result<Submitter> {
    let mut manifest = devnet.manifest().clone();
    manifest.nodes.retain(|node| node.id == id);
    Submitter::connect(&manifest, "main")
}

/// Each entry has its index, and all of them are the tree that the witnesses had cosigned.
async fn entries_stand(devnet: &Devnet, id: u64, old: &Old, checkpoint: &Checkpoint) -> Result<()> {
    let (mut node, mut tree) = (alone(devnet, id)?, Frontier::default());
    for (index, listed) in (0..).zip(&old.fixture.entries) {
        let leaf = leaf_hash(&node.entry(index, LIMIT).await?);
        ensure!(leaf.to_hex() == listed.leaf, "node {id}: entry {index}, a {}, is another one", listed.kind);
        tree.push(leaf);
    }
    ensure!(tree.size() == checkpoint.size, "{} entries are listed of {}", tree.size(), checkpoint.size);
    ensure!(tree.root() == checkpoint.root, "node {id}: the entries are not the tree that was cosigned");
    Ok(())
}

/// What was said of private state is said still.
fn private_state_answers(devnet: &Devnet, id: u64, old: &Old) -> Result<()> {
    let url = &devnet.node(id)?.http_url;
    for question in &old.fixture.questions {
        let headers = [("x-api-key", old.fixture.api_key.as_str())];
        let answer = http::send("GET", &format!("{url}{}", question.path), &headers, b"", ASK)?;
        ensure!(answer.status == 200, "node {id}: {}: {} {}", question.path, answer.status, answer.text());
        let answer: Value = serde_json::from_slice(&answer.body)?;
        for (name, kept) in question.answer.as_object().context("members")? {
            let now = &answer[name];
            ensure!(now == kept, "node {id}: {}: {name} was {kept} and is {now}", question.path);
        }
    }
    Ok(())
}

fn payloads_stand(old: &Old) -> Result<()> {
    let tenant = fs::read_to_string(old.data.join("desk/tenant.id"))?;
    for payload in &old.fixture.payloads {
        let get = ["payload", "get", &payload.commitment, "--subject", &payload.subject, "--out", "copy.txt"];
        let signed =
            ["--vault", "vault", "--store", "nodes", "--tenant", &tenant, "--tenant-key", "tenant.key"];
        let (good, said) = old.maip(&[&get[..], &signed].concat())?;
        let copy = old.data.join("desk/copy.txt");
        match &payload.value {
            Some(value) => {
                ensure!(good, "{said}");
                ensure!(fs::read(&copy)? == value.as_bytes(), "another value: {said}");
                fs::remove_file(copy)?;
            }
            None => ensure!(!good && !copy.exists(), "a payload that was erased is there: {said}"),
        }
    }
    Ok(())
}

/// Old keys sign, new people come, and each record has a proof.
async fn more_records(devnet: &Devnet, old: &Old) -> Result<()> {
    let tenant = fs::read_to_string(old.data.join("desk/tenant.id"))?;
    old.good(&["key", "new", "--out", "agent.key"])?;
    let register = ["agent", "register", "--name", "new", "--key", "agent.key", "--scope", "invoice:read"];
    old.good(&[&register[..], &["--tenant", &tenant, "--tenant-key", "tenant.key"]].concat())?;

    let policy = Policy::parse(&fs::read_to_string(&devnet.manifest().policy)?)?;
    let (tenant, mut submitter) = (Tenant::new("new")?, Submitter::connect(devnet.manifest(), "main")?);
    let mut agent = Agent::new(&tenant, "agent")?;
    submitter.submit_as_operator(tenant.register()?, Ack::Sequenced).await?;
    submitter.submit(tenant.register_agent(&agent)?, Ack::Sequenced).await?;
    for number in 0..MORE {
        let record = agent.receipt("ledger:post", &format!("posting {number}"))?;
        let answer = submitter.submit(record, Ack::Witnessed).await?;
        let (proof, entry) = (TlogProof::parse(&answer.proof)?, submitter.entry(answer.index, LIMIT).await?);
        ensure!(verify(&entry, &proof, &policy)?.index == answer.index, "a proof of another index");
        submitter.turn();
    }
    Ok(())
}

/// The tree of today holds the one that was cosigned then.
async fn grows_from(devnet: &Devnet, old: &Checkpoint, size: u64) -> Result<()> {
    for id in devnet.node_ids() {
        let mut client = LedgerClient::new(devnet.channel(id).await?);
        let request = GetConsistencyRequest { log: "main".into(), old_size: old.size, new_size: size };
        let answer = client.get_consistency(request).await?.into_inner();
        let hashes =
            answer.hashes.iter().map(|hash| Ok(Hash(hash[..].try_into()?))).collect::<Result<Vec<_>>>()?;
        let mut tree = Frontier::default();
        let mut node = alone(devnet, id)?;
        for index in 0..size {
            tree.push(leaf_hash(&node.entry(index, LIMIT).await?));
        }
        verify_consistency(old.size, size, &hashes, old.root, tree.root())?;
    }
    Ok(())
}

/// Each old record has a proof under a checkpoint of today.
async fn proofs_verify(devnet: &Devnet, old: &Old, checkpoint: &Checkpoint) -> Result<()> {
    let policy = Policy::parse(&fs::read_to_string(&devnet.manifest().policy)?)?;
    for (index, listed) in (0..).zip(&old.fixture.entries) {
        let id = 1 + index % 3;
        let mut client = LedgerClient::new(devnet.channel(id).await?);
        let which = Some(Which::Index(index));
        let request = GetProofRequest { log: "main".into(), which, wait: true, ..GetProofRequest::default() };
        let proof = TlogProof::parse(&client.get_proof(request).await?.into_inner().proof)?;
        let entry = proof.extra.clone().context("a proof without its entry")?;
        ensure!(leaf_hash(&entry).to_hex() == listed.leaf, "entry {index} is another one");
        let proven = verify(&entry, &proof, &policy)?;
        ensure!(proven.checkpoint.size > checkpoint.size, "a proof under an old checkpoint");
    }
    Ok(())
}

fn tools_agree(devnet: &Devnet, old: &Old) -> Result<()> {
    old.good(&["replay", "--check"])?;
    for node in &devnet.manifest().nodes {
        let tiles = old.data.join(format!("node-{}/data/logs/main/tiles", node.id));
        old.good(&["log", "fsck", &tiles.to_string_lossy()])?;
    }
    Ok(())
}

/// What to change in a data directory so that it looks as a newer program would leave it: a file below the log's directory, what it says
/// now, and what it would say.
const NEWER: &[(&str, &str, &str)] = &[
    ("engine/FORMAT", "maip fjall 1", "maip fjall 2"),
    ("raft/FORMAT", "maip raft log 1", "maip raft log 2"),
    ("payloads/FORMAT", "maip erasable 1", "maip erasable 2"),
    ("sign-guard", "maip-sign-guard/1", "maip-sign-guard/3"),
    ("snapshots/*.snapshot", "maip-snapshot/1", "maip-snapshot/2"),
];

/// Whoever goes back to an older program is told which one to run, and the node does not start.
#[test]
fn what_a_newer_program_wrote_is_refused() -> Result<()> {
    let newest = releases()?.pop().context("no release")?;
    let old = Old::unpack(&newest)?;
    let node = old.manifest()?.node(1)?.clone();
    let log = old.data.join("node-1/data/logs/main");
    for (name, known, newer) in NEWER {
        let path = match name.strip_suffix("*.snapshot") {
            Some(folder) => {
                let mut files = fs::read_dir(log.join(folder))?;
                files.next().context("no snapshot in the fixture")??.path()
            }
            None => log.join(name),
        };
        let before = fs::read(&path).with_context(|| path.display().to_string())?;
        ensure!(before.starts_with(known.as_bytes()), "{} does not begin with {known}", path.display());
        let mut after = newer.as_bytes().to_vec();
        after.extend_from_slice(&before[known.len()..]);
        fs::write(&path, &after)?;
        let said = start_in_vain(&node.config)?;
        ensure!(said.contains("newer program"), "{name}: {said}");
        ensure!(fs::read(&path)? == after, "{name} was changed");
        fs::write(&path, before)?;
    }
    Ok(())
}

/// Starts a node that must refuse; what it says.
fn start_in_vain(config: &Path) -> Result<String> {
    let said = config.with_file_name("refused.txt");
    let file = fs::File::create(&said)?;
    let mut node = Command::new(Binaries::find()?.path("maip-node"))
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    let ended = wait_until("the node to refuse", LIMIT, || node.try_wait()?.context("it runs"));
    if ended.is_err() {
        node.kill()?;
        node.wait()?;
    }
    let text = fs::read_to_string(&said)?;
    ensure!(!ended.with_context(|| text.clone())?.success(), "it ended as if all were well: {text}");
    Ok(text)
}

/// In a cluster of two releases the older node would refuse a record of a new type and the newer one would take it: such a type is switched on
/// by a record when all nodes know it, as the manual tells ("What may change between two releases").
#[test]
fn every_type_of_record_is_known_to_the_last_release() -> Result<()> {
    let newest = releases()?.pop().context("no release")?;
    let fixture = Fixture::read(&newest)?;
    let known: BTreeSet<&str> = fixture.entries.iter().map(|entry| entry.kind.as_str()).collect();
    let unknown: Vec<&str> =
        TYPES.iter().map(|info| info.name).filter(|name| !known.contains(name)).collect();
    ensure!(
        unknown.is_empty(),
        "release {} does not know {unknown:?}: who switches them on?",
        fixture.release
    );
    Ok(())
}
