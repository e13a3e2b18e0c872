//! Events on a cluster of real processes whose leader is killed while they flow: a webhook's target and a listener see every event,
//! under the same ids, and none is missing.

mod common;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use common::{LIMIT, World};
use devnet::{http, wait_until, wait_until_async};
use serde_json::{Value, json};

/// Receipts that are logged while leaders die.
const RECEIPTS: usize = 60;
/// Before these receipts, the leader is killed.
const KILLS: [usize; 2] = [15, 40];
/// How long one call may take before another node is asked.
const CALL: Duration = Duration::from_secs(10);

/// Sends a request to a node; status and body.
fn call(
    url: &str,
    key: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
    more: &str,
) -> Result<(u16, Value)> {
    let host = url.strip_prefix("http://").context("a plain URL")?.trim_end_matches('/');
    let mut socket = TcpStream::connect_timeout(&host.parse()?, CALL)?;
    socket.set_read_timeout(Some(CALL))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    write!(
        socket,
        "{method} {path} HTTP/1.0\r\nhost: {host}\r\nx-api-key: {key}\r\n{more}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// Asks one node after the other until one gives a good answer.
fn ask(
    urls: &[String],
    key: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
    more: &str,
) -> Result<Value> {
    let mut turn = 0;
    wait_until(&format!("{method} {path}"), LIMIT, || {
        let url = &urls[turn % urls.len()];
        turn += 1;
        let (status, answer) = call(url, key, method, path, body, more)?;
        ensure!((200..300).contains(&status), "{url} answered {status}: {answer}");
        Ok(answer)
    })
}

/// A target: what it was sent, in order.
fn target() -> Result<(String, Arc<Mutex<Vec<Value>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let got = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&got);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // A node that dies in the middle leaves half a request.
            if let Some(body) = delivery(&socket) {
                shared.lock().unwrap().push(body);
                let _ =
                    (&socket).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        }
    });
    Ok((url, got))
}

fn delivery(socket: &TcpStream) -> Option<Value> {
    socket.set_read_timeout(Some(CALL)).ok()?;
    let mut reader = BufReader::new(socket);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// Listens at one node after the other, each time behind the last event that it has.
fn listen(urls: Vec<String>, key: String, first: String, ends: Arc<AtomicBool>) -> Arc<Mutex<Vec<String>>> {
    let heard = Arc::new(Mutex::new(vec![first]));
    let shared = Arc::clone(&heard);
    std::thread::spawn(move || {
        for url in urls.iter().cycle() {
            if ends.load(Ordering::Relaxed) {
                return;
            }
            let last = shared.lock().unwrap().last().cloned().unwrap_or_default();
            // A node that is gone is the next one's turn.
            if listen_at(url, &key, &last, &shared).is_err() {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    });
    heard
}

fn listen_at(url: &str, key: &str, last: &str, heard: &Mutex<Vec<String>>) -> Result<()> {
    let host = url.strip_prefix("http://").context("a plain URL")?;
    let mut socket = TcpStream::connect_timeout(&host.parse()?, CALL)?;
    // A silent node is left for another: half of its heartbeat is too soon, twice is not.
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let path = "/v1/observability/events/stream?event_type=receipt.created";
    write!(
        socket,
        "GET {path} HTTP/1.0\r\nhost: {host}\r\nx-api-key: {key}\r\nlast-event-id: {last}\r\n\r\n"
    )?;
    for line in BufReader::new(socket).lines() {
        if let Some(id) = line?.strip_prefix("id: ") {
            heard.lock().unwrap().push(id.to_owned());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_lost_when_leaders_die() -> Result<()> {
    let mut world = World::start(|options| options.nodes = 3).await?;
    let urls: Vec<String> = world.devnet.manifest().nodes.iter().map(|node| node.http_url.clone()).collect();
    let admin = world.devnet.manifest().admin_key.clone();
    let tenant =
        ask(&urls, &admin, "POST", "/v1/tenants", Some(&json!({"name": "Acme", "plan": "business"})), "")?;
    let keys = tenant["api_keys"].as_array().context("keys")?;
    let live = keys.iter().find(|key| key["environment"] == "production").context("a live key")?;
    let key = live["secret"].as_str().context("a secret")?.to_owned();
    let agent = json!({"display_name": "Bot", "scopes": ["ledger:post"]});
    let agent = ask(&urls, &key, "POST", "/v1/agents", Some(&agent), "idempotency-key: agent\r\n")?;
    let (url, got) = target()?;
    let hook = json!({"url": url, "event_types": ["receipt.created"]});
    ask(&urls, &key, "POST", "/v1/webhooks", Some(&hook), "idempotency-key: hook\r\n")?;
    let list = ask(&urls, &key, "GET", "/v1/observability/events?limit=1", None, "")?;
    let first = list["items"][0]["event_id"].as_str().context("an event")?.to_owned();
    let ends = Arc::new(AtomicBool::new(false));
    let heard = listen(urls.clone(), key.clone(), first.clone(), Arc::clone(&ends));

    let mut expected = Vec::new();
    let mut dead = None;
    for number in 0..RECEIPTS {
        if KILLS.contains(&number) {
            if let Some(id) = dead.take() {
                world.devnet.restart(id)?;
            }
            let leader = world.devnet.wait_for_leader("main", LIMIT).await?;
            world.devnet.kill(leader)?;
            dead = Some(leader);
        }
        let body =
            json!({"agent_id": agent["agent_id"], "action": "ledger:post", "metadata": {"number": number}});
        let once = format!("idempotency-key: receipt-{number}\r\n");
        let made = ask(&urls, &key, "POST", "/v1/agent-receipts", Some(&body), &once)?;
        expected.push(made["log_index"].as_u64().context("an index")?);
    }
    if let Some(id) = dead {
        world.devnet.restart(id)?;
    }
    expected.sort_unstable();
    expected.dedup();
    ensure!(expected.len() == RECEIPTS, "{} receipts have {} places", RECEIPTS, expected.len());

    // Every node lists the same events under the same ids.
    let mut lists = Vec::new();
    for url in &urls {
        let size = expected[RECEIPTS - 1];
        let path = format!("/v1/observability/events?event_type=receipt.created&limit=200&min_index={size}");
        let list = ask(std::slice::from_ref(url), &key, "GET", &path, None, "")?;
        lists.push(list["items"].clone());
    }
    ensure!(lists[0] == lists[1] && lists[1] == lists[2], "the nodes tell different events");
    let mut ids: Vec<String> = lists[0]
        .as_array()
        .context("items")?
        .iter()
        .map(|event| event["event_id"].as_str().unwrap().to_owned())
        .collect();
    ids.reverse();
    let indices: Vec<u64> = ids.iter().map(|id| id.rsplit('_').next().unwrap().parse().unwrap()).collect();
    ensure!(indices == expected, "the events are not those of the acknowledged receipts");

    wait_until_async("every event at the target and at the listener", LIMIT, async || {
        let bodies = got.lock().unwrap().clone();
        let mut seen: Vec<&str> = bodies.iter().filter_map(|body| body["event_id"].as_str()).collect();
        seen.sort();
        seen.dedup();
        ensure!(seen.len() == ids.len(), "the target has {} of {} events", seen.len(), ids.len());
        let heard = heard.lock().unwrap().len() - 1;
        ensure!(heard >= ids.len(), "the listener has {heard} of {} events", ids.len());
        Ok(())
    })
    .await?;
    ends.store(true, Ordering::Relaxed);
    // The listener has each once and in order.
    ensure!(heard.lock().unwrap()[1..] == ids, "the listener missed an event or heard one twice");
    // The target has each at least once: always under one id and in the same words, first seen in the order of the log.
    let mut by_id: BTreeMap<String, Value> = BTreeMap::new();
    let mut order = Vec::new();
    for body in got.lock().unwrap().iter() {
        let id = body["delivery_id"].as_str().context("a delivery id")?.to_owned();
        match by_id.get(&id) {
            Some(before) => ensure!(before == body, "{id} was delivered in other words"),
            None => order.push(body["event_id"].as_str().context("an event id")?.to_owned()),
        }
        by_id.insert(id, body.clone());
    }
    ensure!(order == ids, "the target saw events out of order");
    println!("{} deliveries of {} events", got.lock().unwrap().len(), ids.len());
    let ready = http::get(&format!("{}/health/ready", urls[0]), LIMIT)?;
    ensure!(ready.status == 200, "{}", ready.text());
    Ok(())
}
