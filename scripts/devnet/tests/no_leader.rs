//! A node without a majority: every call that would write is refused in the one shape and in time, and none of it is done later.

mod common;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use common::World;
use devnet::http;
use serde_json::{Value, json};

/// How long each call is told to wait for a leader, in ms: some are asked, and none comes.
const TIMEOUT_MS: u64 = 300;
/// How long an answer may take before the endpoint counts as one that hangs. A bound for a broken build, never a measurement.
const ANSWER: Duration = Duration::from_secs(60);
/// At least so many endpoints write.
const WRITERS_MIN: usize = 30;

/// A call of a node's API: the status and the answer.
fn call(url: &str, key: &str, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
    let url = format!("{}{path}", url.trim_end_matches('/'));
    let body = body.map(Value::to_string).unwrap_or_default();
    let headers = [("x-api-key", key), ("content-type", "application/json")];
    let answer = http::send(method, &url, &headers, body.as_bytes(), ANSWER)?;
    Ok((answer.status, serde_json::from_str(&answer.text()).unwrap_or(Value::Null)))
}

/// An example of the document with the ids of its agents replaced by one that there is.
fn with_agent(example: &Value, agent: &str) -> Value {
    match example {
        Value::String(text) if text.starts_with("maip-agent:") => agent.into(),
        Value::Array(items) => items.iter().map(|item| with_agent(item, agent)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), with_agent(value, agent))).collect()
        }
        other => other.clone(),
    }
}

/// The path of an operation with the document's examples in it.
fn filled(path: &str, about: &Value, agent: &str) -> String {
    let parameters = about["parameters"].as_array().into_iter().flatten();
    parameters.filter(|parameter| parameter["in"] == "path").fold(path.to_owned(), |path, parameter| {
        let name = parameter["name"].as_str().unwrap_or_default();
        let example = parameter["schema"]["examples"][0].as_str().unwrap_or("0");
        path.replace(&format!("{{{name}}}"), if name == "agent_id" { agent } else { example })
    })
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("{value} is no text"))?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_nothing_is_written_and_every_call_says_so() -> Result<()> {
    let mut world = World::start(|options| options.witnesses = 1).await?;
    let admin = world.devnet.manifest().admin_key.clone();
    let leader = world.leader().await?;
    let first = world.devnet.node(leader)?.http_url.clone();
    let made = |(status, answer): (u16, Value)| {
        ensure!(matches!(status, 200 | 201), "{status}: {answer}");
        Ok(answer)
    };
    let tenant = made(call(
        &first,
        &admin,
        "POST",
        "/v1/tenants",
        Some(&json!({"name": "Acme", "plan": "enterprise"})),
    )?)?;
    let keys = tenant["api_keys"].as_array().context("keys")?;
    let key = keys.iter().find(|key| key["environment"] == "production").context("a key of production")?;
    let key = text(&key["secret"])?;
    let agent = made(call(&first, &key, "POST", "/v1/agents", Some(&json!({"display_name": "bot"})))?)?;
    let (agent, index) = (text(&agent["agent_id"])?, agent["log_index"].clone());

    // The one that stays has never led, so nothing waits in it to be done when the others come back.
    let stays = world.devnet.node_ids().into_iter().find(|id| *id != leader).context("a follower")?;
    let url = world.devnet.node(stays)?.http_url.clone();
    let audit = format!("/v1/audit?min_index={index}&limit=1");
    let before = made(call(&url, &key, "GET", &audit, None)?)?["total"].clone();
    let document = made(call(&url, &key, "GET", "/v1/openapi.json", None)?)?;
    let gone: Vec<u64> = world.devnet.node_ids().into_iter().filter(|id| *id != stays).collect();
    for id in &gone {
        world.devnet.kill(*id)?;
    }

    let (mut refused, mut faults) = (0, Vec::new());
    for (path, item) in document["paths"].as_object().context("paths")? {
        for (method, about) in item.as_object().context("operations")? {
            let method = method.to_uppercase();
            let credential = if about["security"][0].get("adminKey").is_some() { &admin } else { &key };
            if method == "GET" {
                continue;
            }
            let body = about.pointer("/requestBody/content/application~1json/example");
            let body = body.map(|example| with_agent(example, &agent));
            let path = format!("{}?timeout_ms={TIMEOUT_MS}", filled(path, about, &agent));
            let (status, answer) = call(&url, credential, &method, &path, body.as_ref())?;
            let shaped = answer["http_status"] == status
                && answer["code"].is_string()
                && answer["trace_id"].is_string();
            match status {
                503 | 504 if shaped => refused += 1,
                // It asks, and logs nothing; or what it is about is not there.
                200 => {}
                400..500 if shaped => {}
                _ => faults.push(format!("{method} {path}: {status} {answer}")),
            }
        }
    }
    ensure!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    ensure!(refused >= WRITERS_MIN, "only {refused} endpoints write");

    for id in gone {
        world.devnet.restart(id)?;
    }
    world.leader().await?;
    let after = made(call(&url, &key, "GET", &audit, None)?)?["total"].clone();
    ensure!(after == before, "{before} records before, {after} after");
    world.check().await
}
