//! A node with a sandbox: what is served before and after a reset, and what a damaged order of things leads to.

use std::fs;

use ledger_proto::v1::{
    ResetLogRequest, TailRequest, admin_client::AdminClient, ledger_client::LedgerClient,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    ledger::{admin, connect},
    node::{Answer, Node, request, run},
    target::Target,
};

fn sandbox_is_published(node: &Node) {
    node.wait("the sandbox's checkpoint", |node| {
        node.get("/sandbox/checkpoint").is_some_and(|a| a.status == 200)
    });
}

fn get(node: &Node, path: &str) -> Answer {
    node.get(path).unwrap_or_else(|| panic!("no answer to {path}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_ends_the_tails_of_the_old_log_and_nothing_of_it_is_kept_in_caches() {
    let mut node = Node::init("");
    node.start();
    sandbox_is_published(&node);
    let cached = |path: &str| get(&node, path).header("cache-control").unwrap_or_default().to_owned();
    assert!(cached("/main/tile/0/000.p/1").contains("immutable"));
    for path in ["/sandbox/tile/0/000.p/1", "/sandbox/tile/entries/000.p/1", "/v1/log/vkey?log=sandbox"] {
        assert_eq!(cached(path), "public, max-age=1", "{path}: the next generation answers otherwise");
    }
    let channel = connect(&node).await;
    let mut ledger = LedgerClient::new(channel.clone());
    let follow = TailRequest { log: "sandbox".into(), follow: true, ..Default::default() };
    let mut tail = ledger.tail(follow).await.unwrap().into_inner();
    tail.message().await.unwrap().unwrap();
    let old_genesis = get(&node, "/sandbox/tile/entries/000.p/1").body;

    let request = admin(&node, ResetLogRequest { log: "sandbox".into(), generation: 1 });
    let begun = AdminClient::new(channel).reset_log(request).await.unwrap().into_inner();
    assert_eq!((begun.generation, begun.origin.as_str()), (2, "maip.localhost/sandbox/2"));
    let end = loop {
        match tail.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a tail ends with a reason"),
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::Aborted, "{end}");

    sandbox_is_published(&node);
    assert!(get(&node, "/sandbox/checkpoint").text().starts_with("maip.localhost/sandbox/2\n"));
    assert_ne!(get(&node, "/sandbox/tile/entries/000.p/1").body, old_genesis);
    node.wait("the old log's files to go", |node| !node.file("data/logs/sandbox").exists());
    assert!(node.file("data/logs/sandbox.2").exists());
    // And it is there after a restart.
    assert_eq!(tokio::task::block_in_place(|| node.stop()), Some(0));
    tokio::task::block_in_place(|| node.start());
    assert!(get(&node, "/sandbox/checkpoint").text().starts_with("maip.localhost/sandbox/2\n"));
}

/// As after a power cut that the main log's last entries did not survive on this disk.
#[test]
fn a_node_waits_rather_than_open_an_older_generation_than_it_had() {
    let mut node = Node::init("");
    node.start();
    assert_eq!(node.stop(), Some(0));
    fs::create_dir(node.file("data/logs/sandbox.3")).unwrap();
    node.start();
    let refused = get(&node, "/sandbox/checkpoint");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("OPENING") && refused.header("retry-after").is_some());
    let health = get(&node, "/health/ready");
    assert_eq!(health.status, 200, "production goes on");
    assert!(health.text().contains("not opened yet"), "{}", health.text());
    assert!(node.file("data/logs/sandbox").exists(), "nothing is deleted before its successor is open");
}

#[test]
fn a_sandbox_is_not_restored() {
    let node = Node::init("");
    let config = node.config();
    let arguments =
        ["restore", "--config", config.to_str().unwrap(), "--log", "sandbox", "--from", "any.backup"];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("maip admin reset-log sandbox"), "{said}");
}

/// The answer of the API, which is as it should be.
fn call(node: &Node, key: &str, method: &str, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let length = body.len();
    let key = if key.is_empty() { String::new() } else { format!("x-api-key: {key}\r\n") };
    let head = format!("{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n{key}");
    let text = format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    let answer = request(node.http, &text).unwrap_or_else(|| panic!("no answer to {path}"));
    assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
    serde_json::from_str(&answer.text()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_goes_on_in_the_sandbox_after_a_reset() {
    let mut node = Node::init("[api]\nplain = true\nopen_registration = true\nprivate_targets = true\n");
    node.start();
    sandbox_is_published(&node);
    let target = Target::start();
    let developer = json!({"email": "dev@example.com"});
    let key = call(&node, "", "POST", "/v1/developers/register", &developer);
    let key = key["api_key"].as_str().unwrap();
    let hook = json!({"url": target.url(), "event_types": ["agent.registered"]});
    call(&node, key, "POST", "/v1/webhooks", &hook);
    call(&node, key, "POST", "/v1/agents", &json!({"display_name": "before"}));
    target.wait(1);

    let reset = admin(&node, ResetLogRequest { log: "sandbox".into(), generation: 1 });
    AdminClient::new(connect(&node).await).reset_log(reset).await.unwrap();
    node.wait("the new sandbox", |node| {
        node.get("/sandbox/checkpoint").is_some_and(|a| a.text().starts_with("maip.localhost/sandbox/2\n"))
    });
    // The new log learns of the tenant with its first record there.
    let own = call(&node, key, "GET", "/v1/tenants/me", &json!({}));
    assert_eq!((&own["plan"], &own["environment"]), (&json!("developer"), &json!("sandbox")));
    let after = call(&node, key, "POST", "/v1/agents", &json!({"display_name": "after"}));
    assert_eq!(target.wait(2)[1].body["agent_id"], after["agent_id"]);
    // Nothing of it holds the old one.
    node.wait("the old log's files to go", |node| !node.file("data/logs/sandbox").exists());
}
