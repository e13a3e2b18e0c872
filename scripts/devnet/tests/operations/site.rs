//! An installation made by hand, as the manual tells it: directories from `init`, policies written by a person,
//! processes started with nothing but `--config`.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use devnet::{
    Binaries, LogInfo, Manifest, NodeInfo, Ports, Submitter, WitnessInfo, grpc, http, wait_until,
    wait_until_async,
    workload::{Agent, Tenant},
};
use ledger_proto::v1::{Ack, LogStatus, SubmitResponse};
use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take on a loaded machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
/// The one log of the installation.
pub(crate) const ORIGIN: &str = "log.example/main";
/// How long one HTTP question may take.
const ASK: Duration = Duration::from_secs(3);

/// Ports and directory of one node.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) id: u64,
    pub(crate) listen: String,
    pub(crate) peer: String,
    pub(crate) http: String,
}

/// Nodes and witnesses of one installation, and what was logged in it. Ends its processes when dropped.
pub(crate) struct Site {
    pub(crate) programs: Binaries,
    pub(crate) manifest: Manifest,
    pub(crate) seats: BTreeMap<u64, Seat>,
    pub(crate) agent: Agent,
    tenant: Tenant,
    running: BTreeMap<String, Child>,
    acknowledged: BTreeMap<u64, SubmitResponse>,
    // Last: the directory goes after the processes that write to it.
    dir: tempfile::TempDir,
}

impl Site {
    /// "A first cluster": nodes 1 to `nodes`, `witnesses` witnesses of which a majority must cosign, one tenant, one agent.
    pub(crate) async fn start(nodes: u64, witnesses: u32) -> Result<Site> {
        Site::start_with(nodes, witnesses, |_, _| Ok(())).await
    }

    /// The same, with each node's configuration changed before its start.
    pub(crate) async fn start_with(
        nodes: u64,
        witnesses: u32,
        change: impl Fn(&Site, u64) -> Result<()>,
    ) -> Result<Site> {
        let mut site = Site::prepare(nodes)?;
        for id in site.ids() {
            change(&site, id)?;
        }
        for number in 1..=witnesses {
            site.add_witness(number)?;
        }
        site.write_policy()?;
        for id in site.ids() {
            site.check_config(id)?;
            site.run_node(id)?;
        }
        for id in site.ids() {
            site.ready(id)?;
        }
        site.register().await?;
        Ok(site)
    }

    fn prepare(nodes: u64) -> Result<Site> {
        let dir = tempfile::tempdir()?;
        let mut seats = BTreeMap::new();
        for id in 1..=nodes {
            seats.insert(id, seat(id)?);
        }
        let tenant = Tenant::new("Example")?;
        let manifest = Manifest {
            nodes: Vec::new(),
            witnesses: Vec::new(),
            logs: Vec::new(),
            policy: dir.path().join("policy.txt"),
            policy_sandbox: PathBuf::new(),
            admin_key: String::new(),
            ca: dir.path().join("node-1/tls/ca.pem"),
        };
        let mut site = Site {
            programs: Binaries::find()?,
            manifest,
            agent: Agent::new(&tenant, "agent")?,
            tenant,
            running: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            seats,
            dir,
        };
        let members: Vec<String> = site
            .seats
            .values()
            .flat_map(|s| ["--member".into(), format!("{}={},{}", s.id, s.peer, s.listen)])
            .collect();
        for id in site.ids() {
            site.init_node(id, &members)?;
        }
        let log = site.log_info(&site.seats[&1], ORIGIN)?;
        site.manifest.logs.push(log);
        site.manifest.admin_key =
            fs::read_to_string(site.home(1).join("keys/admin.key"))?.trim_end().to_owned();
        Ok(site)
    }

    /// `maip-node init`; every node after the first takes over authority and keys.
    fn init_node(&mut self, id: u64, further: &[String]) -> Result<()> {
        let seat = self.seats[&id].clone();
        let mut args = words("init --node-id");
        args.push(id.to_string());
        for (flag, value) in [
            ("--dir", text(&self.home(id))),
            ("--origin", format!("main={ORIGIN}")),
            ("--listen", seat.listen.clone()),
            ("--peer-listen", seat.peer.clone()),
            ("--http-listen", seat.http.clone()),
        ] {
            args.extend([flag.to_owned(), value]);
        }
        if id != 1 {
            let first = self.home(1);
            for (flag, value) in [
                ("--ca", text(&first.join("tls"))),
                ("--admin-key", text(&first.join("keys/admin.key"))),
                ("--log-key", format!("main={}", text(&first.join("keys/main.log.key")))),
                ("--operator-key", format!("main={}", text(&first.join("keys/main.operator.key")))),
            ] {
                args.extend([flag.to_owned(), value]);
            }
        }
        args.extend_from_slice(further);
        self.programs.run("maip-node", &args)?;
        self.manifest.nodes.push(self.node_info(&seat));
        Ok(())
    }

    fn node_info(&self, seat: &Seat) -> NodeInfo {
        NodeInfo {
            id: seat.id,
            url: format!("https://{}", seat.listen),
            grpc_url: format!("https://{}", seat.listen),
            pid: 0,
            http_url: format!("http://{}", seat.http),
            peer: seat.peer.clone(),
            config: self.config(seat.id),
            log: self.home(seat.id).join("node.out"),
        }
    }

    fn log_info(&self, seat: &Seat, origin: &str) -> Result<LogInfo> {
        let key = fs::read_to_string(self.home(seat.id).join("keys/main.log.key"))?;
        let vkey = ledger_format::NoteSigner::parse(key.trim_end())?.vkey().to_string();
        let url = format!("http://{}/main", seat.http);
        Ok(LogInfo { name: "main".into(), origin: origin.into(), vkey, url })
    }

    /// "Growing", first half: the directory of a node that joins, and its process. It has no vote yet.
    pub(crate) fn start_joining(&mut self, id: u64) -> Result<()> {
        let seat = seat(id)?;
        self.seats.insert(id, seat);
        self.init_node(id, &words("--join"))?;
        self.write_policy()?;
        self.check_config(id)?;
        self.run_node(id)
    }

    /// `maip-witness init`, and its process.
    pub(crate) fn add_witness(&mut self, number: u32) -> Result<()> {
        let home = self.dir.path().join(format!("witness-{number}"));
        let listen = port()?;
        let log = self.manifest.log("main")?;
        let args = [
            "init".to_owned(),
            "--dir".into(),
            text(&home),
            "--name".into(),
            format!("witness.example/w{number}"),
            "--listen".into(),
            listen.to_string(),
            "--log".into(),
            format!("{}={}", log.vkey, log.url),
        ];
        let vkey = self.programs.run("maip-witness", &args)?.trim_end().to_owned();
        let (config, out) = (home.join("witness.toml"), home.join("witness.out"));
        self.programs.run("maip-witness", &["check".into(), "--config".into(), text(&config)])?;
        let url = format!("http://{listen}");
        self.run(&format!("w{number}"), "maip-witness", &config, &out)?;
        wait_until("the witness", LIMIT, || answers(&format!("{url}/health/ready")))?;
        let name = format!("w{number}");
        self.manifest.witnesses.push(WitnessInfo { name, url, vkey, pid: 0, config, log: out });
        Ok(())
    }

    /// Writes the policy file of every node: every key of the log, every witness, a majority of them.
    pub(crate) fn write_policy(&self) -> Result<()> {
        let mut policy = String::new();
        for log in &self.manifest.logs {
            policy += &format!("log {} {}\n", log.vkey, log.url);
        }
        for w in &self.manifest.witnesses {
            policy += &format!("witness {} {} {}\n", w.name, w.vkey, w.url);
        }
        let names: Vec<&str> = self.manifest.witnesses.iter().map(|w| w.name.as_str()).collect();
        policy += &format!("group all {} {}\nquorum all\n", names.len() / 2 + 1, names.join(" "));
        fs::write(&self.manifest.policy, &policy)?;
        for id in self.ids() {
            fs::write(self.home(id).join("policy-main.txt"), &policy)?;
        }
        Ok(())
    }

    /// "A new log": one node, in the directory `node-2`, with `init`'s own authority and keys; the witness takes the log on.
    pub(crate) fn begin_again(&mut self, origin: &str, init: &[String]) -> Result<()> {
        let seat = seat(2)?;
        let mut args = init.to_vec();
        for (flag, value) in
            [("--listen", &seat.listen), ("--peer-listen", &seat.peer), ("--http-listen", &seat.http)]
        {
            args.extend([flag.to_owned(), value.clone()]);
        }
        self.programs.run("maip-node", &args)?;
        self.acknowledged.clear();
        self.forget(1);
        self.seats.insert(2, seat.clone());
        self.manifest.ca = self.home(2).join("tls/ca.pem");
        self.manifest.admin_key =
            fs::read_to_string(self.home(2).join("keys/admin.key"))?.trim_end().to_owned();
        self.manifest.nodes.push(self.node_info(&seat));
        self.manifest.logs = vec![self.log_info(&seat, origin)?];
        let vkey = &self.manifest.logs[0].vkey;
        let taken = self.dir.path().join("witness-1/logs.d/main-2.toml");
        fs::write(taken, format!("[[logs]]\nvkey = \"{vkey}\"\n"))?;
        self.signal_named("w1", Signal::HUP)?;
        self.write_policy()?;
        self.check_config(2)?;
        self.start_node(2)
    }

    /// `maip-node check`.
    pub(crate) fn check_config(&self, id: u64) -> Result<()> {
        self.programs.run("maip-node", &["check".into(), "--config".into(), text(&self.config(id))]).map(drop)
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        self.seats.keys().copied().collect()
    }

    /// The ids but one.
    pub(crate) fn others(&self, id: u64) -> Vec<u64> {
        self.ids().into_iter().filter(|other| *other != id).collect()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The directory that `init` made for a node.
    pub(crate) fn home(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("node-{id}"))
    }

    pub(crate) fn config(&self, id: u64) -> PathBuf {
        self.home(id).join("maip-node.toml")
    }

    /// Where a node keeps the log.
    pub(crate) fn log_dir(&self, id: u64) -> PathBuf {
        self.home(id).join("data/logs/main")
    }

    fn run(&mut self, name: &str, program: &str, config: &Path, out: &Path) -> Result<()> {
        let out = fs::OpenOptions::new().create(true).append(true).open(out)?;
        let mut command = Command::new(self.programs.path(program));
        command.arg("--config").arg(config).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("{program} did not start"))?;
        self.running.insert(name.to_owned(), child);
        Ok(())
    }

    /// Starts a node and does not wait.
    pub(crate) fn run_node(&mut self, id: u64) -> Result<()> {
        let (config, out) = (self.config(id), self.home(id).join("node.out"));
        self.run(&id.to_string(), "maip-node", &config, &out)
    }

    /// Starts a node and waits until it is ready.
    pub(crate) fn start_node(&mut self, id: u64) -> Result<()> {
        self.run_node(id)?;
        self.ready(id)
    }

    /// Waits for `/health/ready`, or for the node's last words when it ends instead.
    pub(crate) fn ready(&mut self, id: u64) -> Result<()> {
        let url = format!("http://{}/health/ready", self.seats[&id].http);
        let out = self.home(id).join("node.out");
        let child = self.running.get_mut(&id.to_string()).context("it does not run")?;
        let mut ended = None;
        let ready = wait_until(&format!("node {id} to be ready"), LIMIT, || {
            ended = child.try_wait()?;
            if ended.is_some() { Ok(()) } else { answers(&url) }
        });
        ensure!(ended.is_none(), "node {id} ended: {}", devnet::log_tail(&out));
        ready.with_context(|| devnet::log_tail(&out))
    }

    /// Starts a node that is expected to refuse; what it says.
    pub(crate) fn start_in_vain(&mut self, id: u64) -> Result<String> {
        self.run_node(id)?;
        let mut child = self.running.remove(&id.to_string()).context("it does not run")?;
        let status = wait_until("the node to give up", LIMIT, || child.try_wait()?.context("it runs"))?;
        ensure!(!status.success(), "it ended as if all were well");
        Ok(devnet::log_tail(&self.home(id).join("node.out")))
    }

    /// SIGTERM, as systemd sends it; the process must end well.
    pub(crate) fn stop_node(&mut self, id: u64) -> Result<()> {
        self.signal(id, Signal::TERM)?;
        let mut child = self.running.remove(&id.to_string()).context("it does not run")?;
        let status = wait_until("the node to end", LIMIT, || child.try_wait()?.context("it runs"))?;
        ensure!(status.success(), "node {id} ended with {status}");
        Ok(())
    }

    /// SIGKILL: the machine is gone.
    pub(crate) fn kill_node(&mut self, id: u64) -> Result<()> {
        let mut child = self.running.remove(&id.to_string()).context("it does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    pub(crate) fn signal(&self, id: u64, signal: Signal) -> Result<()> {
        self.signal_named(&id.to_string(), signal)
    }

    pub(crate) fn signal_named(&self, name: &str, signal: Signal) -> Result<()> {
        let child = self.running.get(name).context("it does not run")?;
        let pid = Pid::from_raw(i32::try_from(child.id())?).context("no pid")?;
        Ok(kill_process(pid, signal)?)
    }

    /// What a node has printed so far.
    pub(crate) fn said(&self, id: u64) -> Result<String> {
        Ok(fs::read_to_string(self.home(id).join("node.out"))?)
    }

    /// Forgets a node that is gone for good.
    pub(crate) fn forget(&mut self, id: u64) {
        self.seats.remove(&id);
        self.manifest.nodes.retain(|node| node.id != id);
    }

    /// Restarts all nodes one after the other, as after a change of their configuration.
    pub(crate) fn restart_one_by_one(&mut self) -> Result<()> {
        for id in self.ids() {
            self.stop_node(id)?;
            self.start_node(id)?;
        }
        Ok(())
    }

    /// `maip ARGS` with the environment that the manual sets; its output whatever the exit code.
    pub(crate) fn maip_output(&self, args: &str) -> Result<Output> {
        let urls: Vec<&str> = self.manifest.nodes.iter().map(|node| node.grpc_url.as_str()).collect();
        let output = Command::new(self.programs.path("maip"))
            .args(words(args))
            .env("MAIP_URL", urls.join(","))
            .env("MAIP_CA", &self.manifest.ca)
            .env("MAIP_ADMIN_KEY", &self.manifest.admin_key)
            .stdin(Stdio::null())
            .output()?;
        Ok(output)
    }

    /// `maip ARGS`, which must succeed; what it printed.
    pub(crate) fn maip(&self, args: &str) -> Result<String> {
        let output = self.maip_output(args)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "maip {args}: {}\n{said}{complained}", output.status);
        Ok(said)
    }

    /// `--policy FILE`, for commands that judge.
    pub(crate) fn policy(&self) -> String {
        format!("--policy {}", text(&self.manifest.policy))
    }

    /// `maip-node ARGS --config FILE`; exit code and everything said.
    pub(crate) fn maip_node(&self, id: u64, args: &str) -> Result<(i32, String)> {
        let mut command = Command::new(self.programs.path("maip-node"));
        let output = command.args(words(args)).arg("--config").arg(self.config(id)).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code().context("killed")?, String::from_utf8_lossy(&said).into_owned()))
    }

    pub(crate) async fn status(&self, id: u64) -> Result<LogStatus> {
        grpc::log_status(&self.manifest, self.manifest.node(id)?, "main").await
    }

    pub(crate) async fn leader(&self) -> Result<u64> {
        wait_until_async("a leader", LIMIT, async || grpc::leader(&self.manifest, "main").await).await
    }

    pub(crate) fn get(&self, id: u64, path: &str) -> Result<String> {
        let answer = http::get(&format!("http://{}{path}", self.seats[&id].http), ASK)?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
        Ok(answer.text())
    }

    /// A submitter that knows these nodes only.
    pub(crate) fn submitter(&self, nodes: &[u64]) -> Result<Submitter> {
        let mut manifest = self.manifest.clone();
        manifest.nodes.retain(|node| nodes.contains(&node.id));
        Submitter::connect(&manifest, "main")
    }

    pub(crate) async fn register(&mut self) -> Result<()> {
        let mut submitter = self.submitter(&self.ids())?;
        let tenant = submitter.submit_as_operator(self.tenant.register()?, Ack::Sequenced).await?;
        let agent = submitter.submit(self.tenant.register_agent(&self.agent)?, Ack::Sequenced).await?;
        for answer in [tenant, agent] {
            self.acknowledged.insert(answer.index, answer);
        }
        Ok(())
    }

    /// Logs receipts through these nodes in turn; the last one is waited for until it is witnessed.
    pub(crate) async fn receipts(&mut self, nodes: &[u64], count: usize) -> Result<SubmitResponse> {
        let mut submitter = self.submitter(nodes)?;
        let mut last = None;
        for number in 1..=count {
            let record = self.agent.receipt("ledger:post", &format!("posting {number}"))?;
            let ack = if number == count { Ack::Witnessed } else { Ack::Sequenced };
            let answer = submitter.submit(record, ack).await?;
            let index = answer.index;
            ensure!(
                self.acknowledged.insert(index, answer.clone()).is_none(),
                "index {index} was given twice"
            );
            last = Some(answer);
            submitter.turn();
        }
        last.context("no receipt was asked for")
    }

    /// Every node stands at the same published root without alarms and serves every acknowledged entry.
    pub(crate) async fn check(&self) -> Result<()> {
        let ids = self.ids();
        wait_until_async("equal logs", LIMIT, async || {
            let mut seen = Vec::new();
            for id in &ids {
                let status = self.status(*id).await?;
                ensure!(status.alarms.is_empty(), "node {id} is alarmed: {:?}", status.alarms);
                ensure!(status.published_size == status.size, "node {id} has unpublished entries");
                seen.push((status.size, status.root));
            }
            seen.dedup();
            ensure!(seen.len() == 1, "the nodes differ: {seen:?}");
            Ok(())
        })
        .await?;
        for id in ids {
            let mut submitter = self.submitter(&[id])?;
            for (index, promised) in &self.acknowledged {
                let entry = submitter.entry(*index, LIMIT).await?;
                let leaf = ledger_format::leaf_hash(&entry);
                ensure!(leaf.0[..] == promised.leaf_hash[..], "node {id} lost entry {index}");
            }
        }
        Ok(())
    }

    /// Waits until a node shows an alarm whose text begins with `name`.
    pub(crate) async fn alarm(&self, id: u64, name: &str) -> Result<LogStatus> {
        wait_until_async(&format!("alarm {name}"), LIMIT, async || {
            let status = self.status(id).await?;
            if status.alarms.iter().any(|alarm| alarm.starts_with(name)) {
                return Ok(status);
            }
            bail!("only {:?}, read-only because of {:?}", status.alarms, status.read_only_reason)
        })
        .await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            // Nothing can be done about a failure here.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Replaces a piece of a file, which must be there.
pub(crate) fn edit(path: &Path, from: &str, to: &str) -> Result<()> {
    let text = fs::read_to_string(path)?;
    ensure!(text.contains(from), "{} does not hold {from:?}", path.display());
    Ok(fs::write(path, text.replace(from, to))?)
}

pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn seat(id: u64) -> Result<Seat> {
    Ok(Seat { id, listen: port()?.to_string(), peer: port()?.to_string(), http: port()?.to_string() })
}

/// A free port that no other test of this process gets.
fn port() -> Result<SocketAddr> {
    static PORTS: LazyLock<Mutex<Ports>> = LazyLock::new(Mutex::default);
    PORTS.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn answers(url: &str) -> Result<()> {
    let answer = http::get(url, ASK)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text().trim_end());
    Ok(())
}
