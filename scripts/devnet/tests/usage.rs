//! What a plan counts is exact through the death of the leader: nothing is lost, and a repeated call counts once.

mod common;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use common::{LIMIT, World};
use devnet::wait_until_async;
use serde_json::{Value, json};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(20);
/// The controls of one framework: a check of each is a check of its own.
const CONTROLS: [&str; 10] =
    ["CC5.2", "CC6.1", "CC6.2", "CC6.3", "CC6.6", "CC6.7", "CC7.1", "CC7.2", "CC7.3", "CC7.4"];

/// One call to the API of a node.
#[derive(Clone)]
struct Call {
    method: &'static str,
    path: String,
    key: String,
    /// The same for every attempt, so that the call happens once.
    idempotency: String,
    body: Value,
}

impl Call {
    fn attempt(&self, http_url: &str) -> Result<(u16, Value)> {
        let host = http_url.strip_prefix("http://").context("plain HTTP")?.trim_end_matches('/');
        let address: SocketAddr = host.parse()?;
        let mut stream = TcpStream::connect_timeout(&address, ATTEMPT)?;
        stream.set_read_timeout(Some(ATTEMPT))?;
        let body = if self.body.is_null() { String::new() } else { self.body.to_string() };
        let idempotency = match self.method {
            "POST" => format!("Idempotency-Key: {}\r\n", self.idempotency),
            _ => String::new(),
        };
        write!(
            stream,
            "{} {} HTTP/1.0\r\nHost: {host}\r\nX-API-Key: {}\r\n{idempotency}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.method,
            self.path,
            self.key,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
        Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    /// Repeats the call on these nodes in turn, until one answers.
    async fn run(&self, world: &World, nodes: &[u64]) -> Result<Value> {
        let mut turn = nodes.iter().cycle();
        wait_until_async("an answer of the API", LIMIT, async || {
            let node = world.devnet.node(*turn.next().context("no nodes")?)?;
            match self.attempt(&node.http_url)? {
                (200 | 201, body) => Ok(body),
                (status, body) => bail!("{} {}: {status} {body}", self.method, self.path),
            }
        })
        .await
    }
}

fn post(key: &str, path: &str, idempotency: &str, body: Value) -> Call {
    let (path, idempotency) = (path.to_owned(), idempotency.to_owned());
    Call { method: "POST", path, key: key.to_owned(), idempotency, body }
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("no {name} in {value}"))?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_survive_the_leaders_death_exactly() -> Result<()> {
    let mut world = World::start(|_| {}).await?;
    let all = [1, 2, 3];
    let admin = world.devnet.manifest().admin_key.clone();
    let tenant = post(&admin, "/v1/tenants", "tenant", json!({"name": "Acme", "plan": "business"}));
    let tenant = tenant.run(&world, &all).await?;
    let keys = tenant["api_keys"].as_array().context("keys")?;
    let key = keys.iter().find(|key| key["environment"] == "production").context("a key of production")?;
    let key = text(key, "secret")?;
    let agent = post(&key, "/v1/agents", "agent", json!({"display_name": "bot"})).run(&world, &all).await?;
    let agent = text(&agent, "agent_id")?;

    let leader = world.leader().await?;
    let others: Vec<u64> = all.into_iter().filter(|id| *id != leader).collect();
    for (number, control) in CONTROLS.iter().enumerate() {
        let body = json!({"agent_id": agent, "framework": "soc2", "scope": control});
        let call = post(&key, "/v1/compliance/check", &format!("check-{number}"), body);
        if number == CONTROLS.len() / 2 {
            // The leader dies with the call in its hands: whether it came into the log, nobody knows.
            let (first, url) = (call.clone(), world.devnet.node(leader)?.http_url.clone());
            let lost = thread::spawn(move || first.attempt(&url));
            world.devnet.kill(leader)?;
            let _ = lost.join();
        }
        let nodes = if number < CONTROLS.len() / 2 { &all[..] } else { &others[..] };
        call.run(&world, nodes).await?;
    }
    ensure!(world.leader().await? != leader, "a dead node leads");
    world.devnet.restart(leader)?;

    let usage = Call { method: "GET", path: "/v1/billing/usage".into(), ..post(&key, "", "", Value::Null) };
    for id in all {
        wait_until_async("the same counters on every node", LIMIT, async || {
            let (status, usage) = usage.attempt(&world.devnet.node(id)?.http_url)?;
            ensure!(status == 200, "node {id}: {status} {usage}");
            let used = |metric: &str| {
                let meters = usage["items"].as_array().into_iter().flatten();
                meters.filter(|meter| meter["metric"] == metric).find_map(|meter| meter["used"].as_u64())
            };
            let counted = (used("maip.agents"), used("maip.compliance_checks"));
            ensure!(counted == (Some(1), Some(CONTROLS.len() as u64)), "node {id} counts {counted:?}");
            Ok(())
        })
        .await?;
    }
    world.check().await
}
