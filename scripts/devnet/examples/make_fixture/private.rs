//! What the nodes keep apart from the log: credentials, webhooks, workflows and their runs, payloads.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use devnet::{
    Devnet,
    fixture::{KeptPayload, Question},
    http, wait_until,
};
use ledger_format::record::Digest;
use serde_json::{Value, json};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(20);
/// How long a run of a workflow may take.
const RUN: Duration = Duration::from_secs(60);

/// What was made, and what must be answered later on.
pub(crate) struct Private {
    pub(crate) api_key: String,
    pub(crate) questions: Vec<Question>,
    pub(crate) payloads: Vec<KeptPayload>,
}

struct Api<'a> {
    url: &'a str,
    key: String,
}

impl Api<'_> {
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let once = Digest::sha256(format!("{method} {path} {text}").as_bytes()).to_string();
        let headers = [
            ("x-api-key", self.key.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", &once),
        ];
        let answer = http::send(method, &format!("{}{path}", self.url), &headers, text.as_bytes(), CALL)?;
        let said = answer.text();
        ensure!((200..300).contains(&answer.status), "{method} {path}: {} {said}", answer.status);
        serde_json::from_str(&said).with_context(|| said)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call("POST", path, Some(body))
    }

    /// Asks, and keeps these members of the answer.
    fn keep(&self, path: &str, members: &[&str]) -> Result<Question> {
        let answer = self.call("GET", path, None)?;
        let kept = members.iter().map(|name| {
            let value = answer.get(*name).with_context(|| format!("no {name} in {path}: {answer}"))?;
            Ok(((*name).to_owned(), value.clone()))
        });
        Ok(Question { path: path.into(), answer: Value::Object(kept.collect::<Result<_>>()?) })
    }
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("no {name} in {value}"))?.to_owned())
}

/// Makes some of everything.
pub(crate) fn write(devnet: &Devnet) -> Result<Private> {
    let url = &devnet.node(1)?.http_url;
    let admin = Api { url, key: devnet.manifest().admin_key.clone() };
    let tenant = admin.post("/v1/tenants", &json!({ "name": "Private", "plan": "business" }))?;
    let keys = tenant["api_keys"].as_array().context("no keys")?;
    let live = keys.iter().find(|key| key["environment"] == "production").context("no live key")?;
    let api = Api { url, key: text(live, "secret")? };
    let mut questions = vec![api.keep("/v1/tenants/me", &["tenant_id", "name", "plan"])?];

    api.post("/v1/api-keys", &json!({ "name": "CI", "scopes": ["agents:read"] }))?;
    questions.push(api.keep("/v1/api-keys", &["total"])?);
    let hook = json!({ "url": "http://127.0.0.1:9/", "event_types": ["claim.*"], "description": "ours" });
    let hook = api.post("/v1/webhooks", &hook)?;
    let path = format!("/v1/webhooks/{}", text(&hook, "webhook_id")?);
    questions.push(api.keep(&path, &["webhook_id", "event_types", "description", "version"])?);

    let agent = json!({
        "display_name": "Bot", "description": "what it is for", "metadata": { "team": "finance" },
        "scopes": ["invoices:read", "invoices:pay"],
    });
    let agent = text(&api.post("/v1/agents", &agent)?, "agent_id")?;
    let path = format!("/v1/agents/{agent}");
    questions.push(api.keep(&path, &["agent_id", "display_name", "description", "metadata", "scopes"])?);
    let receipt = json!({
        "agent_id": agent, "action": "invoices:read", "payload": { "invoice": "F-17" }, "metadata": { "model": "m" },
    });
    let receipt = text(&api.post("/v1/agent-receipts", &receipt)?, "receipt_id")?;
    let path = format!("/v1/agent-receipts/{receipt}");
    questions
        .push(api.keep(&path, &["payload", "metadata", "salt", "payload_digest", "log_index", "leaf_hash"])?);
    runs(&api, &agent, &mut questions)?;
    let payloads = payloads(devnet)?;
    Ok(Private { api_key: api.key, questions, payloads })
}

/// A workflow, a run of it that is over, and one whose agent never comes.
fn runs(api: &Api<'_>, agent: &str, questions: &mut Vec<Question>) -> Result<()> {
    let steps = json!([
        { "name": "read", "type": "llm_inference", "action": "invoices:read", "config": { "prompt": "How much?" } },
        { "name": "total", "type": "transform", "depends_on": ["read"], "config": { "expression": "steps.read.output.amount + 3" } },
    ]);
    let workflow = api.post("/v1/workflows", &json!({ "name": "Invoices", "steps": steps }))?;
    let path = format!("/v1/workflows/{}", text(&workflow, "workflow_id")?);
    api.post(&format!("{path}/publish"), &json!({}))?;
    questions.push(api.keep(&path, &["workflow_id", "name", "steps", "status", "digest"])?);
    let start = |number: u32| -> Result<String> {
        let body = json!({
            "workflow_id": text(&workflow, "workflow_id")?, "agent_id": agent, "input": { "invoice": number },
        });
        text(&api.post("/v1/orchestrations", &body)?, "orchestration_id")
    };
    let run = start(1)?;
    let item =
        api.call("GET", &format!("/v1/agents/{agent}/work?wait_seconds=15"), None)?["items"][0].clone();
    let step = format!("/v1/orchestrations/{run}/steps/{}", text(&item, "step_id")?);
    let claimed = api.post(&format!("{step}/claim"), &json!({ "agent_id": agent }))?;
    let done = json!({ "agent_id": agent, "attempt": claimed["attempt"], "output": { "amount": 640 } });
    api.post(&format!("{step}/complete"), &done)?;
    let path = format!("/v1/orchestrations/{run}");
    wait_until("the end of a run", RUN, || {
        let seen = api.call("GET", &path, None)?;
        ensure!(seen["status"] == "completed", "{seen}");
        Ok(())
    })?;
    // What a run keeps is forgotten thirty days after its end; then the log tells of it.
    questions.push(api.keep(&path, &["orchestration_id", "workflow_id", "status"])?);
    let waiting = format!("/v1/orchestrations/{}", start(20)?);
    questions.push(api.keep(&waiting, &["orchestration_id", "workflow_id"])?);
    Ok(())
}

/// A tenant's payloads on the nodes: one that stays, one whose subject is erased.
fn payloads(devnet: &Devnet) -> Result<Vec<KeptPayload>> {
    let desk = devnet.data().join("desk");
    fs::create_dir_all(&desk)?;
    maip(devnet, &desk, &["key", "new", "--out", "tenant.key"])?;
    let registered = maip(devnet, &desk, &["tenant", "register", "--name", "Vault", "--key", "tenant.key"])?;
    let tenant = text(&registered, "tenant")?;
    fs::write(desk.join("tenant.id"), &tenant)?;
    let signed = ["--vault", "vault", "--tenant", &tenant, "--tenant-key", "tenant.key"];
    let mut kept = Vec::new();
    for (subject, value) in [("customer-41", "Dear customer,"), ("customer-42", "Dear other customer,")] {
        fs::write(desk.join("letter.txt"), value)?;
        let put = ["payload", "put", "letter.txt", "--subject", subject, "--store", "nodes"];
        let put = maip(devnet, &desk, &[&put[..], &signed].concat())?;
        let commitment = text(&put, "commitment")?;
        kept.push(KeptPayload { subject: subject.into(), commitment, value: Some(value.into()) });
    }
    fs::remove_file(desk.join("letter.txt"))?;
    maip(devnet, &desk, &[&["erase", "customer-42", "--reason", "asked"][..], &signed].concat())?;
    kept[1].value = None;
    Ok(kept)
}

/// `maip --json ARGS` in a directory; what it answered.
fn maip(devnet: &Devnet, dir: &Path, args: &[&str]) -> Result<Value> {
    let output = Command::new(devnet.binaries().path("maip"))
        .arg("--json")
        .args(args)
        .env("MAIP_DEVNET", devnet.data())
        .current_dir(dir)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "maip {}: {said}{complained}", args.join(" "));
    serde_json::from_str(&said).with_context(|| said)
}
