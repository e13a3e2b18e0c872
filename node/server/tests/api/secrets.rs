//! Keys and tokens stand in no log line, no metric and no file, whatever is done with them.

use std::{fs, path::Path};

use serde_json::json;

use crate::client::Api;

/// What stands in the files below `dir`, as far as it is text.
fn read_all(dir: &Path, into: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, into);
        } else {
            // A file may go away while the node runs.
            into.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()));
        }
    }
}

#[test]
fn no_secret_is_told() {
    let api = Api::start_with("\n[telemetry]\nlog = \"debug\"\n");
    let acme = api.tenant("Acme", "business");
    let mut secrets = vec![api.admin.clone(), acme.live.key.clone()];
    let once = acme.live.with("idempotency-key", "5e6f-1");
    let agent = json!({"display_name": "Bot", "scopes": ["agents:read", "sessions:write"]});
    let agent = once.post("/v1/agents", &agent).ok(201);
    secrets.push(agent["private_key"].as_str().unwrap().to_owned());
    let key = acme.live.with("idempotency-key", "5e6f-2").post("/v1/api-keys", &json!({"name": "x"})).ok(201);
    secrets.push(key["secret"].as_str().unwrap().to_owned());
    let session = json!({"agent_id": agent["agent_id"]});
    let opened = acme.live.with("idempotency-key", "5e6f-3").post("/v1/sessions", &session).ok(201);
    let path = format!("/v1/sessions/{}", opened["session_id"].as_str().unwrap());
    let body = json!({"refresh_token": opened["refresh_token"]});
    let refreshed = api.nobody().post(&format!("{path}/refresh"), &body).ok(200);
    for answer in [&opened, &refreshed] {
        for name in ["token", "refresh_token"] {
            secrets.push(answer[name].as_str().unwrap().to_owned());
        }
    }

    // Good uses, wrong places, wrong ends, broken bodies.
    for secret in &secrets {
        api.caller(secret).get("/v1/agents");
        api.nobody().with("authorization", &format!("Bearer {secret}")).get("/v1/agents");
        api.nobody().with("authorization", &format!("Bearer {secret}x")).get("/v1/agents");
        api.nobody().with("authorization", &format!("Basic {secret}")).get("/v1/agents");
        acme.live.with("x-tenant-id", secret).get("/v1/agents");
        acme.live.get(&format!("{path}?token={secret}"));
        acme.live.post("/v1/sessions", &json!({"agent_id": secret}));
        acme.live.call("POST", "/v1/sessions", Some(format!("{{\"token\": \"{secret}\"")));
        api.nobody().post("/v1/sessions/introspect", &json!({"token": secret}));
        api.nobody().post(&format!("{path}/refresh"), &json!({"refresh_token": secret}));
    }
    let metrics = api.nobody().get("/metrics");
    let said = api.node.said();
    let mut files = String::new();
    read_all(&api.node.file("data"), &mut files);
    assert!(said.contains("DEBUG") && said.contains("a refresh token was shown twice"), "{said}");
    for secret in &secrets {
        // The end of it: an API key's beginning names it, and a token's first parts are claims.
        let end = &secret[secret.len() - 24..];
        assert!(!said.contains(end), "the log tells …{end}");
        assert!(!metrics.text.contains(end), "the metrics tell …{end}");
        assert!(!files.contains(end), "a file tells …{end}");
    }
}
