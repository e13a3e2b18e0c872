//! An agent that does steps of workflows: the Rust of the guide on orchestration.
//!
//! ```text
//! MAIP_URLS=http://127.0.0.1:8080,http://127.0.0.1:8081 MAIP_KEY=maip_live_... MAIP_AGENT=maip-agent:... \
//!     cargo run -p ledger-client --example workflow_agent
//! ```
//!
//! It asks for work, claims a step, does it, and says what came out; then it asks again, until it is told to end. A node that does
//! not answer costs it one call: the next one knows as much. What it does with a step is [`work`]: put yours there.

#![forbid(unsafe_code)]

use std::{
    env,
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use serde_json::{Value, json};

/// Longer than a node lets a call for work wait.
const TIMEOUT: Duration = Duration::from_secs(15);
const WAIT_S: u64 = 5;
/// Rounds through all nodes before the agent gives up.
const ROUNDS: usize = 30;

/// Why a call has no answer.
enum Failure {
    /// A node's no: asking another node is no use.
    Refused(String),
    /// No node answers.
    Nobody,
}

struct Agent {
    http: reqwest::Client,
    urls: Vec<String>,
    key: String,
    id: String,
    /// A claim whose answer was lost is made again under the same name.
    claim: String,
}

impl Agent {
    /// Asks one node after the other until one answers.
    async fn call(&self, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        for url in self.urls.iter().cycle().take(ROUNDS * self.urls.len()) {
            let url = format!("{}{path}", url.trim_end_matches('/'));
            let request = match body {
                Some(body) => {
                    self.http.post(url).header("content-type", "application/json").body(body.to_string())
                }
                None => self.http.get(url),
            };
            if let Ok(answer) = request.header("x-api-key", &self.key).timeout(TIMEOUT).send().await {
                let status = answer.status();
                let text = answer.text().await.unwrap_or_default();
                if status.is_success()
                    && let Ok(value) = serde_json::from_str(&text)
                {
                    return Ok(value);
                }
                if status.is_client_error() && status.as_u16() != 429 {
                    return Err(Failure::Refused(format!("{status} {text}")));
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Failure::Nobody)
    }

    /// Claims a step, does it, and says what came out.
    async fn take(&self, step: &Value) -> Result<(), Failure> {
        let word = |key: &str| step[key].as_str().unwrap_or_default();
        let path = format!("/v1/orchestrations/{}/steps/{}", word("orchestration_id"), word("step_id"));
        let claimed = self
            .call(&format!("{path}/claim"), Some(&json!({"agent_id": self.id, "claim_id": self.claim})))
            .await?;
        let mut said = json!({"agent_id": self.id, "attempt": claimed["attempt"]});
        match work(&claimed) {
            Ok(output) => {
                said["output"] = output;
                self.call(&format!("{path}/complete"), Some(&said)).await?;
                println!("done {} {}", word("orchestration_id"), word("step_id"));
            }
            Err(message) => {
                said["error"] = json!({"code": "BAD_INPUT", "message": message});
                said["retryable"] = json!(false);
                self.call(&format!("{path}/fail"), Some(&said)).await?;
            }
        }
        Ok(())
    }
}

/// Pays what the step before has found, as a bank's interface might.
fn work(step: &Value) -> Result<Value, String> {
    let amount = step["inputs"]["amount"].as_u64().ok_or("the input has no amount")?;
    Ok(json!({"paid": amount, "reference": format!("{}-{}", step["orchestration_id"], step["attempt"])}))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "two providers of cryptography")?;
    let setting = |name: &str| env::var(name).map_err(|_| format!("set {name}"));
    let agent = Agent {
        http: reqwest::Client::new(),
        urls: setting("MAIP_URLS")?.split(',').map(str::to_owned).collect(),
        key: setting("MAIP_KEY")?,
        id: setting("MAIP_AGENT")?,
        claim: format!("{:016x}", RandomState::new().hash_one(std::process::id())),
    };
    let path = format!("/v1/agents/{}/work?wait_seconds={WAIT_S}", agent.id);
    loop {
        let found = match agent.call(&path, None).await {
            Ok(found) => found,
            Err(Failure::Refused(no)) => return Err(no),
            Err(Failure::Nobody) => return Err("no node answers".into()),
        };
        for step in found["items"].as_array().into_iter().flatten() {
            match agent.take(step).await {
                Ok(()) => {}
                // Another program of this agent has it, or the run is over.
                Err(Failure::Refused(no)) => eprintln!("left {}: {no}", step["step_id"]),
                Err(Failure::Nobody) => return Err("no node answers".into()),
            }
        }
    }
}
