//! Sessions on a cluster: a token of one node is good on all, and bad on all from the entry on that kills its agent.

mod common;

use anyhow::{Context as _, Result, ensure};
use common::{LIMIT, World};
use devnet::{Devnet, http};
use serde_json::{Value, json};

/// A call of a node's API with a credential: the status, the answer, and the entry that it speaks of.
fn call(
    devnet: &Devnet,
    node: u64,
    credential: (&str, &str),
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Value)> {
    let url = format!("{}{path}", devnet.node(node)?.http_url.trim_end_matches('/'));
    let headers = [credential, ("content-type", "application/json")];
    let answer = match body {
        Some(body) => http::send("POST", &url, &headers, body.to_string().as_bytes(), LIMIT)?,
        None => http::send("GET", &url, &headers, b"", LIMIT)?,
    };
    let text = answer.text();
    Ok((answer.status, serde_json::from_str(&text).with_context(|| text)?))
}

fn made(answer: (u16, Value)) -> Result<Value> {
    ensure!(matches!(answer.0, 200 | 201), "{}: {}", answer.0, answer.1);
    Ok(answer.1)
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is no text"))
}

/// Whether a node takes a token; else, why not.
fn refusal(devnet: &Devnet, node: u64, token: &str) -> Result<Option<String>> {
    let bearer = format!("Bearer {token}");
    let (status, answer) = call(devnet, node, ("authorization", &bearer), "/v1/agents", None)?;
    if status == 200 {
        return Ok(None);
    }
    ensure!(status == 401 && answer["code"] == "UNAUTHORIZED", "{status}: {answer}");
    Ok(Some(text(&answer["message"])?.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agents_tokens_fail_on_every_node() -> Result<()> {
    let mut world = World::start(|options| options.witnesses = 1).await?;
    let admin = world.devnet.manifest().admin_key.clone();
    let tenant =
        made(call(&world.devnet, 1, ("x-api-key", &admin), "/v1/tenants", Some(&json!({"name": "T"})))?)?;
    let keys = tenant["api_keys"].as_array().context("api keys")?;
    let live = keys.iter().find(|key| key["environment"] == "production").context("a live key")?;
    let key = text(&live["secret"])?.to_owned();
    let at = |node: u64, path: &str, body: Option<&Value>| {
        call(&world.devnet, node, ("x-api-key", &key), path, body)
    };
    let after = |made: &Value| format!("min_index={}", made["log_index"]);
    let start = after(&tenant);
    let agent = json!({"display_name": "bot", "scopes": ["agents:read"]});
    let agent = made(at(2, &format!("/v1/agents?{start}"), Some(&agent))?)?;
    let opened = json!({"agent_id": agent["agent_id"]});
    let opened = made(at(3, &format!("/v1/sessions?{}", after(&agent)), Some(&opened))?)?;
    let session = text(&opened["session_id"])?.to_owned();

    // A token of one node is good on each at once: who has not heard of its session asks the leader.
    let mut tokens = vec![text(&opened["token"])?.to_owned()];
    for node in [1, 2, 3] {
        ensure!(refusal(&world.devnet, node, &tokens[0])?.is_none(), "node {node} takes no token of another");
    }
    // Each node refreshes with what the one before it gave, and nobody takes that for a second use.
    let mut refresh = text(&opened["refresh_token"])?.to_owned();
    for node in [1, 2, 3, 1] {
        let body = json!({"refresh_token": refresh});
        let path = format!("/v1/sessions/{session}/refresh");
        let next = made(call(&world.devnet, node, ("accept", "application/json"), &path, Some(&body))?)?;
        tokens.push(text(&next["token"])?.to_owned());
        refresh = text(&next["refresh_token"])?.to_owned();
    }

    let id = text(&agent["agent_id"])?;
    let killed = made(at(2, &format!("/v1/agents/{id}/kill"), Some(&json!({"reason": "test"})))?)?;
    ensure!(killed["terminated_sessions"] == 1, "{killed}");
    let index = killed["log_index"].as_u64().context("an index")?;
    let refused_everywhere = |nodes: &[u64]| -> Result<()> {
        for node in nodes {
            made(at(*node, &format!("/v1/agents/{id}?min_index={index}"), None)?)?;
            for token in &tokens {
                let why = refusal(&world.devnet, *node, token)?;
                let why = why.with_context(|| format!("node {node} takes a token of a killed agent"))?;
                ensure!(why.starts_with("agent_ended"), "node {node}: {why}");
            }
            let body = json!({"refresh_token": refresh});
            let path = format!("/v1/sessions/{session}/refresh");
            let (status, answer) = call(&world.devnet, *node, ("accept", "*/*"), &path, Some(&body))?;
            ensure!(status == 401, "node {node} refreshes a session of a killed agent: {answer}");
        }
        Ok(())
    };
    refused_everywhere(&[1, 2, 3])?;

    // Nor does another leader forget it.
    let leader = world.leader().await?;
    world.devnet.kill(leader)?;
    world.leader().await?;
    let others: Vec<u64> = [1, 2, 3].into_iter().filter(|node| *node != leader).collect();
    for node in others {
        for token in &tokens {
            let why = refusal(&world.devnet, node, token)?.context("a killed agent's token came back")?;
            ensure!(why.starts_with("agent_ended"), "node {node}: {why}");
        }
    }
    Ok(())
}
