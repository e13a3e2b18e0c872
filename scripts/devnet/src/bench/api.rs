//! The MAIP API under load: receipts, decisions, evaluations, token checks and trust reads on one node's plain listener.
//!
//! Each client has a keep-alive connection of its own to the leader and sends its next request when the last one is answered. What is
//! asked varies over [`AGENTS`] agents of one tenant with an active policy. The operator's key of the log signs what is logged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use devnet::Devnet;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    connection::{Connection, Head},
    load::{Measured, closed_loop},
    machine,
};

/// Calls a minute that the nodes allow one credential during the bench: more than a machine makes.
pub(crate) const CALLS_A_MINUTE: u64 = 100_000_000;
/// Numbers of clients.
const CLIENTS: [usize; 3] = [1, 32, 256];
/// Agents that act.
const AGENTS: usize = 16;

/// What is asked of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    /// `POST /v1/agent-receipts`.
    Receipts,
    /// The same with an `Idempotency-Key`: two more writes to the nodes' private state.
    KeyedReceipts,
    /// `POST /v1/maip/policies/evaluate`; the answer is a record.
    Decisions,
    /// The same with `"log": false`.
    Evaluations,
    /// `POST /v1/sessions/introspect`.
    TokenChecks,
    /// `GET /v1/agents/{agent_id}/trust`.
    TrustReads,
}

impl Load {
    /// Those that only read come first: nodes still build their timelines in the wake of writes.
    const ALL: [Load; 6] = [
        Load::Evaluations,
        Load::TokenChecks,
        Load::TrustReads,
        Load::Receipts,
        Load::KeyedReceipts,
        Load::Decisions,
    ];

    /// As the report names it.
    fn name(self) -> &'static str {
        match self {
            Load::Receipts => "api: receipts",
            Load::KeyedReceipts => "api: keyed receipts",
            Load::Decisions => "api: decisions",
            Load::Evaluations => "api: evaluations",
            Load::TokenChecks => "api: token checks",
            Load::TrustReads => "api: trust reads",
        }
    }

    /// Status of a good answer.
    fn status(self) -> u16 {
        if matches!(self, Load::Receipts | Load::KeyedReceipts) { 201 } else { 200 }
    }

    /// What a good answer holds.
    fn sign(self) -> &'static [u8] {
        match self {
            Load::Receipts | Load::KeyedReceipts => br#""ack":"sequenced""#,
            Load::Decisions => br#""logged":true"#,
            Load::Evaluations => br#""logged":false"#,
            Load::TokenChecks => br#""active":true"#,
            Load::TrustReads => br#""algorithm":"#,
        }
    }
}

/// A devnet with a tenant that has agents, sessions and a policy.
pub(crate) struct Api {
    devnet: Devnet,
    leader: u64,
    key: String,
    agents: Vec<String>,
    /// Of a session of each agent.
    tokens: Vec<String>,
    /// Number of the next request: no receipt is like another, nor an idempotency key.
    next: Arc<AtomicUsize>,
}

impl Api {
    /// Makes the tenant and what it has, through the API.
    pub(crate) async fn prepare(devnet: Devnet) -> Result<Api> {
        let leader = devnet.wait_for_leader("main", Duration::from_secs(30)).await?;
        let admin = devnet.manifest().admin_key.clone();
        let (agents, tokens, next) = (Vec::new(), Vec::new(), Arc::default());
        let mut api = Api { devnet, leader, key: String::new(), agents, tokens, next };
        let mut connection = api.connection().await?;
        let tenant = json!({"name": "bench", "plan": "enterprise"});
        let tenant = make(&mut connection, &admin, "/v1/tenants", &tenant).await?;
        let keys = tenant["api_keys"].as_array().context("a tenant without API keys")?;
        let live = keys.iter().find(|key| key["environment"] == "production");
        api.key = text(&live.context("no key of production")?["secret"])?;
        let policy = json!({"name": "Only trusted agents post", "rules": [
            {"actions": ["ledger:*"], "effect": "deny", "when": {"trust_max_bp": 100}},
            {"actions": ["payments:*"], "effect": "approve"},
        ]});
        make(&mut connection, &api.key, "/v1/maip/policies", &policy).await?;
        for number in 0..AGENTS {
            let agent = json!({"display_name": format!("agent {number}"), "scopes": ["ledger:*"]});
            let agent = text(&make(&mut connection, &api.key, "/v1/agents", &agent).await?["agent_id"])?;
            let session = json!({"agent_id": agent, "ttl_minutes": 600});
            let session = make(&mut connection, &api.key, "/v1/sessions", &session).await?;
            api.tokens.push(text(&session["token"])?);
            api.agents.push(agent);
        }
        Ok(api)
    }

    /// Each load with each number of clients, as far as it is wanted: until `limit` has passed or `work` requests are sent.
    pub(crate) async fn measure(
        &mut self,
        work: usize,
        limit: Duration,
        wanted: &impl Fn(&str) -> bool,
        mut note: impl FnMut(&str, &Measured),
    ) -> Result<()> {
        for load in Load::ALL {
            for clients in CLIENTS {
                let name = format!("{} {}", load.name(), crate::clients_text(clients));
                if wanted(&name) {
                    let measured = self.run(load, clients, work, limit).await.context(name.clone())?;
                    note(&name, &measured);
                }
            }
        }
        Ok(())
    }

    async fn run(&mut self, load: Load, clients: usize, work: usize, limit: Duration) -> Result<Measured> {
        let mut connections = Vec::with_capacity(clients);
        for _ in 0..clients {
            connections.push(Arc::new(Mutex::new(self.connection().await?)));
        }
        let requests = Arc::new(Requests::new(load, self));
        let before = self.cpu();
        let mut measured = closed_loop(clients, work, limit, |number| {
            let (connection, requests) = (Arc::clone(&connections[number]), Arc::clone(&requests));
            move |_| {
                let (connection, requests) = (Arc::clone(&connection), Arc::clone(&requests));
                async move {
                    let request = requests.next();
                    let mut connection = connection.lock().await;
                    let answer = connection.ask(&request, load.status()).await?;
                    let sign = load.sign();
                    let good = answer.windows(sign.len()).any(|part| part == sign);
                    ensure!(good, "an unexpected answer: {}", String::from_utf8_lossy(answer));
                    Ok(())
                }
            }
        })
        .await?;
        measured.cpu_s = machine::since(before, self.cpu());
        Ok(measured)
    }

    async fn connection(&self) -> Result<Connection> {
        let url = &self.devnet.node(self.leader)?.http_url;
        Connection::open(url.trim_start_matches("http://").parse()?).await
    }

    fn cpu(&self) -> [f64; 4] {
        machine::cluster_cpu_seconds(self.devnet.manifest(), self.leader)
    }

    /// Ends the devnet.
    pub(crate) async fn end(self) -> Result<()> {
        let mut devnet = self.devnet;
        tokio::task::spawn_blocking(move || devnet.shut_down()).await?
    }
}

/// The requests of a load.
struct Requests {
    load: Load,
    /// One an agent, whole where they need not differ.
    heads: Vec<Head>,
    bodies: Vec<String>,
    next: Arc<AtomicUsize>,
}

impl Requests {
    fn new(load: Load, api: &Api) -> Requests {
        let post = |path| Head::new("POST", path, Some(&api.key));
        let (heads, bodies) = match load {
            Load::Receipts | Load::KeyedReceipts => {
                (vec![post("/v1/agent-receipts")], api.agents.iter().map(|agent| receipt(agent)).collect())
            }
            Load::Decisions | Load::Evaluations => {
                let asked = |agent| json!({"agent_id": agent, "scope": "ledger:post", "log": load == Load::Decisions});
                let bodies = api.agents.iter().map(|agent| asked(agent).to_string()).collect();
                (vec![post("/v1/maip/policies/evaluate")], bodies)
            }
            Load::TokenChecks => {
                let bodies = api.tokens.iter().map(|token| json!({"token": token}).to_string()).collect();
                (vec![Head::new("POST", "/v1/sessions/introspect", None)], bodies)
            }
            Load::TrustReads => {
                let path = |agent| format!("/v1/agents/{agent}/trust");
                let heads = api.agents.iter().map(|agent| Head::new("GET", &path(agent), Some(&api.key)));
                (heads.collect(), vec![String::new()])
            }
        };
        Requests { load, heads, bodies, next: Arc::clone(&api.next) }
    }

    fn next(&self) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (head, body) = (&self.heads[number % self.heads.len()], &self.bodies[number % self.bodies.len()]);
        match self.load {
            Load::Receipts => head.request(&body.replacen(NUMBER, &number.to_string(), 1)),
            Load::KeyedReceipts => {
                let number = number.to_string();
                head.with("idempotency-key", &number).request(&body.replacen(NUMBER, &number, 1))
            }
            _ => head.request(body),
        }
    }
}

/// Stands where a receipt's number goes.
const NUMBER: &str = "@";

/// What an agent says of a posting: an action body of about 300 bytes in the log.
fn receipt(agent: &str) -> String {
    json!({
        "agent_id": agent, "action": "ledger:post", "outcome": "success", "duration_ms": 12,
        "payload": {"posting": NUMBER, "account": "4711", "minor": 1_250, "currency": "EUR"},
    })
    .to_string()
}

async fn make(connection: &mut Connection, key: &str, path: &str, body: &Value) -> Result<Value> {
    let request = Head::new("POST", path, Some(key)).request(&body.to_string());
    let answer = connection.ask(&request, 201).await.with_context(|| format!("POST {path}"))?;
    Ok(serde_json::from_slice(answer)?)
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("not a text")?.to_owned())
}

#[test]
fn no_two_receipts_are_the_same() {
    let heads = vec![Head::new("POST", "/v1/agent-receipts", None)];
    let bodies = vec![receipt("a"), receipt("b")];
    let requests = Requests { load: Load::KeyedReceipts, heads, bodies, next: Arc::new(7.into()) };
    let texts: Vec<String> = (0..3).map(|_| String::from_utf8(requests.next()).unwrap()).collect();
    for (text, number) in texts.iter().zip(7..) {
        assert!(text.contains(&format!("idempotency-key: {number}\r\n")), "{text}");
        assert!(text.contains(&format!("\"posting\":\"{number}\"")), "{text}");
    }
    assert!(texts[0].contains("\"agent_id\":\"b\"") && texts[1].contains("\"agent_id\":\"a\""), "{texts:?}");
}
