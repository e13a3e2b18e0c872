//! Runs of workflows on a cluster of real processes, done by two programs, a Python one and a Rust one, while leaders are killed.

mod common;

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use common::{LIMIT, World};
use devnet::{Binaries, Devnet, http, wait_until};
use serde_json::{Value, json};

/// Runs that go on while leaders die.
const RUNS: usize = 6;
/// How long one call may take before another node is asked.
const CALL: Duration = Duration::from_secs(15);

/// A program that ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nodes and a credential.
struct Api {
    urls: Vec<String>,
    key: String,
}

impl Api {
    fn once(&self, url: &str, path: &str, body: Option<&Value>, once: &str) -> Result<(u16, Value)> {
        let url = format!("{}{path}", url.trim_end_matches('/'));
        let headers = [
            ("x-api-key", self.key.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", once),
        ];
        let answer = match body {
            Some(body) => http::send("POST", &url, &headers, body.to_string().as_bytes(), CALL)?,
            None => http::send("GET", &url, &headers[..2], b"", CALL)?,
        };
        let text = answer.text();
        Ok((answer.status, serde_json::from_str(&text).with_context(|| text)?))
    }

    /// Asks one node after the other until one gives a good answer.
    fn ask(&self, path: &str, body: Option<&Value>, once: &str) -> Result<Value> {
        let mut turn = 0;
        wait_until(path, LIMIT, || {
            let url = &self.urls[turn % self.urls.len()];
            turn += 1;
            let (status, answer) = self.once(url, path, body, once)?;
            ensure!((200..300).contains(&status), "{url} answered {status}: {answer}");
            Ok(answer)
        })
    }

    fn agent(&self, name: &str, scopes: &[&str]) -> Result<String> {
        let body = json!({"display_name": name, "scopes": scopes});
        let made = self.ask("/v1/agents", Some(&body), name)?;
        Ok(made["agent_id"].as_str().context("an agent")?.to_owned())
    }

    fn program(&self, mut command: Command, agent: &str) -> Result<Program> {
        command.env("MAIP_URLS", self.urls.join(",")).env("MAIP_KEY", &self.key).env("MAIP_AGENT", agent);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn();
        Ok(Program(child.with_context(|| format!("{command:?} did not start"))?))
    }
}

/// A host that notes under which keys it was called.
fn target() -> Result<(String, Arc<Mutex<Vec<String>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/paid", listener.local_addr()?);
    let got = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&got);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            if let Some(key) = called(&socket) {
                shared.lock().unwrap().push(key);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                let _ = (&socket).write_all(answer);
            }
        }
    });
    Ok((url, got))
}

fn called(socket: &TcpStream) -> Option<String> {
    socket.set_read_timeout(Some(CALL)).ok()?;
    let mut reader = BufReader::new(socket);
    let (mut length, mut key) = (0, None);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
        if let Some(text) = line.strip_prefix("idempotency-key:") {
            key = Some(text.trim().to_owned());
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    key
}

/// The steps: a Python program reads, a node decides and checks, a Rust program pays, a node tells another host.
fn steps(python: &str, rust: &str, url: &str) -> Value {
    json!([
        {"name": "read", "type": "llm_inference", "action": "invoices:read", "agent_id": python,
         "config": {"inputs": {"invoice": "input.invoice"}}, "retry": {"max_attempts": 3, "backoff_ms": 10}},
        {"name": "small", "type": "decision", "depends_on": ["read"],
         "config": {"choices": [{"when": "steps.read.output.amount < 1000", "next": ["check"]}], "otherwise": ["escalate"]}},
        {"name": "check", "type": "guardrail_check", "action": "invoices:pay", "agent_id": rust, "depends_on": ["small"], "config": {}},
        {"name": "escalate", "type": "tool_call", "action": "invoices:read", "agent_id": python, "depends_on": ["small"], "config": {}},
        {"name": "pay", "type": "tool_call", "action": "invoices:pay", "agent_id": rust, "depends_on": ["check", "escalate", "read"],
         "config": {"inputs": {"amount": "steps.read.output.amount"}}, "retry": {"max_attempts": 3, "backoff_ms": 10}},
        {"name": "tell", "type": "webhook", "action": "invoices:read", "agent_id": python, "depends_on": ["pay"],
         "config": {"url": url}, "retry": {"max_attempts": 3, "backoff_ms": 10}},
    ])
}

fn python() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    let mut command = Command::new("python3");
    command.arg(root.join("client/examples/workflow_agent.py"));
    command
}

fn rust() -> Result<Command> {
    let program: PathBuf = Binaries::find()?.dir.join("examples/workflow_agent");
    let missing = "build it with `cargo build -p ledger-client --examples`";
    ensure!(program.is_file(), "no {}: {missing}", program.display());
    Ok(Command::new(program))
}

/// Kills the leader, and starts again whoever was killed before.
async fn next_leader(devnet: &mut Devnet, dead: &mut Option<u64>) -> Result<()> {
    if let Some(id) = dead.take() {
        devnet.restart(id)?;
    }
    let leader = devnet.wait_for_leader("main", LIMIT).await?;
    devnet.kill(leader)?;
    *dead = Some(leader);
    Ok(())
}

/// What the log has of a run: how often each step came to which state.
fn told(api: &Api, run: &str, until: u64) -> Result<Vec<(String, String)>> {
    let mut told = Vec::new();
    for index in 0..until {
        let (status, record) = api.once(&api.urls[0], &format!("/v1/records/{index}"), None, "")?;
        let body = &record["record"]["body"];
        if status == 200 && record["record_type"] == "orchestration.step" && body["orchestration"] == run {
            let word = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            told.push((word("step"), word("status")));
        }
    }
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_complete_a_workflow_while_leaders_die() -> Result<()> {
    let mut world = World::start(|options| options.nodes = 3).await?;
    let manifest = world.devnet.manifest();
    let urls: Vec<String> = manifest.nodes.iter().map(|node| node.http_url.clone()).collect();
    let admin = Api { urls: urls.clone(), key: manifest.admin_key.clone() };
    let tenant = admin.ask("/v1/tenants", Some(&json!({"name": "Acme", "plan": "business"})), "tenant")?;
    let keys = tenant["api_keys"].as_array().context("keys")?;
    let live = keys.iter().find(|key| key["environment"] == "production").context("a live key")?;
    let api = Api { urls, key: live["secret"].as_str().context("a secret")?.to_owned() };
    let (reader, payer) = (api.agent("reader", &["invoices:read"])?, api.agent("payer", &["invoices:pay"])?);
    let (url, called) = target()?;
    let body = json!({"name": "Invoices", "steps": steps(&reader, &payer, &url)});
    let workflow = api.ask("/v1/workflows", Some(&body), "workflow")?;
    let workflow = workflow["workflow_id"].as_str().context("a workflow")?.to_owned();
    api.ask(&format!("/v1/workflows/{workflow}/publish"), Some(&json!({})), "publish")?;
    let _python = api.program(python(), &reader)?;
    let _rust = api.program(rust()?, &payer)?;

    let (mut runs, mut dead) = (Vec::new(), None);
    for number in 0..RUNS {
        let body = json!({"workflow_id": workflow, "agent_id": reader, "input": {"invoice": number}, "timeout_seconds": 3600});
        let made = api.ask("/v1/orchestrations", Some(&body), &format!("run-{number}"))?;
        runs.push(made["orchestration_id"].as_str().context("a run")?.to_owned());
        if number % 3 == 1 {
            next_leader(&mut world.devnet, &mut dead).await?;
        }
    }
    if let Some(id) = dead {
        world.devnet.restart(id)?;
    }
    let mut last = 0;
    for (number, run) in runs.iter().enumerate() {
        let path = format!("/v1/orchestrations/{run}");
        let ended = wait_until("the end of a run", LIMIT, || {
            let seen = api.ask(&path, None, "")?;
            ensure!(seen["status"] != "running", "{seen}");
            Ok(seen)
        })?;
        ensure!(ended["status"] == "completed", "{ended}");
        ensure!(ended["results"]["pay"]["paid"] == 100 + number, "{ended}");
        ensure!(ended["receipts"].as_array().is_some_and(|list| list.len() == 3), "{ended}");
        last = last.max(ended["log_index"].as_u64().unwrap_or(0));
    }

    // Whatever was sent twice is in the log once, and every node tells the same.
    let list = api.ask("/v1/observability/events?limit=1", None, "")?;
    let size = list["items"][0]["log_index"].as_u64().context("an index")? + 1;
    for run in &runs {
        let told = told(&api, run, size.max(last))?;
        for step in ["read", "small", "check", "pay", "tell"] {
            let done = told.iter().filter(|(name, status)| name == step && status == "succeeded").count();
            ensure!(done == 1, "{step} of {run} succeeded {done} times: {told:?}");
        }
        ensure!(told.contains(&("escalate".to_owned(), "skipped".to_owned())), "{told:?}");
        let shown: BTreeSet<String> = api
            .urls
            .iter()
            .map(|url| {
                let path = format!("/v1/orchestrations/{run}?min_index={}", size - 1);
                Ok(api.once(url, &path, None, "")?.1.to_string())
            })
            .collect::<Result<_>>()?;
        ensure!(shown.len() == 1, "the nodes show {run} differently: {shown:?}");
    }
    // The other host was told of each run, perhaps again after a leader's death, under a key that says so.
    let keys: BTreeSet<String> = called.lock().unwrap().iter().cloned().collect();
    ensure!(keys.len() >= RUNS, "{keys:?}");
    for run in &runs {
        let id = run.trim_start_matches("maip-orch:").to_ascii_lowercase();
        ensure!(keys.iter().any(|key| key.contains(&id)), "{run} is not in {keys:?}");
    }
    world.check().await
}
