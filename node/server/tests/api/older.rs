//! The calls of the published plug-ins, as their shipped builds make them: prefix, headers and bodies are theirs.
//!
//! Endpoints of groups that this node does not have yet are passed over; `/v1/openapi.json` says which it has.

use serde_json::{Value, json};

use crate::client::{Api, Caller, Tenant};

/// What the shipped builds of the VS Code extension and of the GitHub Action put before a path, and what an older JetBrains plug-in does.
const PREFIXES: [&str; 2] = ["/v1/machine-identity", "/maip/v1"];

/// A plug-in of a tenant: it always names the tenant in a header.
fn plug_in<'a>(tenant: &Tenant<'a>) -> Caller<'a> {
    tenant.live.with("x-tenant-id", &tenant.id)
}

fn has(api: &Api, path: &str, method: &str) -> bool {
    !api.nobody().get("/v1/openapi.json").ok(200)["paths"][path][method].is_null()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {value}"))
}

/// A list as the plug-ins look for it.
fn listed<'a>(answer: &'a Value, names: &[&str]) -> &'a Vec<Value> {
    let found = names.iter().find_map(|name| answer[*name].as_array()).or_else(|| answer.as_array());
    found.unwrap_or_else(|| panic!("no list in {answer}"))
}

/// The VS Code extension, dist: agents.
#[test]
fn the_shipped_vs_code_extension_manages_agents() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let code = plug_in(&acme);
    for prefix in PREFIXES {
        let body = json!({"name": "editor", "type": "tool", "capabilities": ["file_edit"], "metadata": {"editor": "code"}});
        let made = code.post(&format!("{prefix}/agents"), &body).ok(201);
        assert_eq!((text(&made, "name"), text(&made, "status")), ("editor", "active"));
        assert_eq!(made["metadata"], json!({"editor": "code"}));
        let agents = code.get(&format!("{prefix}/agents")).ok(200);
        assert!(listed(&agents, &["agents", "data", "items"]).iter().any(|agent| agent["id"] == made["id"]));
        let path = format!("{prefix}/agents/{}", text(&made, "id"));
        assert_eq!(code.get(&path).ok(200)["agent_id"], made["agent_id"]);
        // No body at all, with the content type of JSON.
        let bare = code.with("content-type", "application/json");
        assert_eq!(bare.call("POST", &format!("{path}/suspend"), None).ok(200)["status"], "suspended");
        assert_eq!(bare.call("POST", &format!("{path}/revoke"), None).ok(200)["status"], "revoked");
    }
}

/// The VS Code extension, dist: receipts on the paths of the platform, told apart by their bodies.
#[test]
fn the_shipped_vs_code_extension_makes_and_verifies_receipts() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let code = plug_in(&acme);
    for prefix in PREFIXES {
        let agent =
            code.post(&format!("{prefix}/agents"), &json!({"name": "editor", "type": "tool"})).ok(201);
        let body = json!({
            "action": "file.save", "agent_id": agent["agent_id"], "payload": {"file": format!("{prefix}/main.rs")}, "receipt_type": "action",
        });
        let made = code.post(&format!("{prefix}/receipts"), &body).ok(201);
        assert!(
            !text(&made, "id").is_empty() && !text(&made, "receipt_id").is_empty(),
            "the commit hook reads both"
        );
        assert_eq!((text(&made, "status"), text(&made, "action")), ("valid", "file.save"));
        // The verify command takes only a UUID.
        let read = code.get(&format!("{prefix}/receipts/{}", text(&made, "id"))).ok(200);
        assert_eq!((text(&read, "status"), &read["receipt_id"]), ("valid", &made["receipt_id"]));
        let verified = code.get(&format!("{prefix}/receipts/{}/verify", text(&made, "id"))).ok(200);
        assert_eq!((&verified["valid"], text(&verified, "verdict")), (&json!(true), "VALID"));
        let list = code.get(&format!("{prefix}/receipts?agent_id={}&limit=10", text(&agent, "id"))).ok(200);
        assert_eq!(listed(&list, &["receipts", "data", "items"]).len(), 1, "{list}");
    }
}

/// The VS Code extension, dist: trust.
#[test]
fn the_shipped_vs_code_extension_shows_trust() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let code = plug_in(&acme);
    let agent = code
        .post("/v1/agents", &json!({"name": "editor", "type": "tool", "capabilities": ["file:edit"]}))
        .ok(201);
    for number in 0..10 {
        let body = json!({"agent_id": agent["id"], "action": "file:edit", "verdict": "ok", "payload": {"number": number}});
        code.post("/v1/agent-receipts", &body).ok(201);
    }
    for prefix in PREFIXES {
        let score = code.get(&format!("{prefix}/trust/{}/score", text(&agent, "id"))).ok(200);
        let trust = score["trust_score"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&trust) && !text(&score, "trust_level").is_empty(), "{score}");
        assert!(score["score_components"]["reputation"].is_number() && score["trust_ceiling"].is_number());
        assert!(
            score["delegation_depth"].is_u64() && text(&score, "valid_until") > text(&score, "computed_at")
        );
        let history = code.get(&format!("{prefix}/trust/{}/history?limit=5", text(&agent, "id"))).ok(200);
        let point = &history.as_array().expect("a bare list")[0];
        assert!(point["trust_score"].is_number() && point["score_components"].is_object(), "{point}");
        assert!(!text(point, "computed_at").is_empty() && !text(point, "event_type").is_empty());
        assert!(point["event_detail"].is_string(), "{point}");
    }
}

/// The VS Code extension, dist: delegations and the audit report.
#[test]
fn the_shipped_vs_code_extension_delegates_and_audits() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let code = plug_in(&acme);
    let agents: Vec<Value> = (0..2)
        .map(|number| {
            let body =
                json!({"name": format!("editor {number}"), "type": "tool", "capabilities": ["file:edit"]});
            code.post("/v1/agents", &body).ok(201)
        })
        .collect();
    let (parent, child) = (text(&agents[0], "id"), text(&agents[1], "id"));
    // Soon enough for a grant, whatever the date.
    let (year, month) = text(&agents[0], "created_at").split_at(4);
    let expires = match month.starts_with("-01") {
        true => format!("{year}-06-01T00:00:00Z"),
        false => format!("{}-01-01T00:00:00Z", year.parse::<u32>().unwrap() + 1),
    };
    for prefix in PREFIXES {
        if has(&api, "/v1/delegations", "post") {
            let body = json!({
                "parent_agent_id": parent, "child_agent_id": child, "scopes": ["file:edit"], "max_depth": 1, "expires_at": expires,
            });
            let made = code.post(&format!("{prefix}/delegations"), &body).ok(201);
            assert!(!text(&made, "id").is_empty() && !text(&made, "status").is_empty(), "{made}");
            assert_eq!(
                (&made["parent_agent_id"], &made["child_agent_id"]),
                (&agents[0]["agent_id"], &agents[1]["agent_id"])
            );
            assert_eq!((&made["scopes"], &made["max_depth"]), (&json!(["file:edit"]), &json!(1)));
            let list = code.get(&format!("{prefix}/delegations?parent_agent_id={parent}")).ok(200);
            assert!(!listed(&list, &["delegations", "data", "items"]).is_empty(), "{list}");
            let tree = code.get(&format!("{prefix}/delegations/{child}/chain/verify")).ok(200);
            assert!(
                tree["valid"].is_boolean() && tree["chain"].is_array() && tree["verdict"].is_string(),
                "{tree}"
            );
        }
        if has(&api, "/v1/audit/report", "get") {
            let report = code.get(&format!("{prefix}/audit/report?from=2026-01-01&to=2099-01-01")).ok(200);
            assert!(report.is_object(), "{report}");
        }
    }
}

/// The GitHub Action, dist.
#[test]
fn the_shipped_github_action_makes_a_receipt_for_a_commit() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let action = plug_in(&acme);
    let agent = action
        .post("/v1/agents", &json!({"display_name": "github-acme-shop", "scopes": ["legacy:*"]}))
        .ok(201);
    for prefix in PREFIXES {
        let body = json!({
            "action": "github.commit.0a1b2c3d", "agent_id": agent["agent_id"], "receipt_type": "action",
            "payload": {
                "receipt_type": "github_commit_receipt", "repository": "acme/shop", "sha": format!("0a1b2c3d{}", prefix.len()),
                "payload_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "timestamp": "2026-11-26T18:00:00Z",
            },
        });
        let made = action.post(&format!("{prefix}/receipts"), &body).ok(201);
        // Both are cut to their first characters.
        assert!(!text(&made, "receipt_id").is_empty() && text(&made, "delegation_chain_hash").len() >= 8);
        assert_eq!(made["payload"], body["payload"]);
        let verified = action.get(&format!("{prefix}/receipts/{}/verify", text(&made, "receipt_id"))).ok(200);
        assert_eq!(verified["valid"], json!(true));
        assert_eq!(
            action.get(&format!("{prefix}/receipts/{}", text(&made, "receipt_id"))).ok(200)["status"],
            "valid"
        );
        let trust = action.get(&format!("{prefix}/agents/{}/trust", text(&agent, "agent_id"))).ok(200);
        assert!(trust.as_object().unwrap().contains_key("trust_score"), "{trust}");
        // Its source makes the same of the newer paths.
        let newer = action.post(&format!("{prefix}/agent-receipts"), &body);
        assert!(matches!(newer.status, 200 | 201), "{}", newer.text);
        assert_eq!(
            newer.body["receipt_id"], made["receipt_id"],
            "an equal receipt of the last minute is the same"
        );
        let newer = action.get(&format!("{prefix}/agents/{}/trust-score", text(&agent, "agent_id"))).ok(200);
        assert_eq!(newer["trust_score"], trust["trust_score"]);
    }
}

/// Neovim, and JetBrains.
#[test]
fn the_neovim_and_jetbrains_plug_ins_find_what_they_read() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let nvim = acme.live.clone();
    let body = json!({
        "display_name": "nvim", "agent_type": "editor", "scopes": ["file_edit", "git_commit", "code_review"], "metadata": {"editor": "nvim"},
    });
    let agent = nvim.post("/v1/agents", &body).ok(201);
    let edit = json!({
        "agent_id": agent["agent_id"], "action_type": "file_edit", "input_hash": "0".repeat(64), "output_hash": "1".repeat(64),
        "metadata": {"file": "init.lua"},
    });
    let made = nvim.post("/v1/agent-receipts", &edit).ok(201);
    assert_eq!((text(&made, "inputs_hash"), text(&made, "status")), (&*"0".repeat(64), "valid"));
    assert_eq!(made["flags"], json!([]), "a word without a colon is a scope of its own: {made}");
    // It sends again what was not answered, without a key.
    assert_eq!(nvim.post("/v1/agent-receipts", &edit).body["receipt_id"], made["receipt_id"]);
    let filter =
        nvim.get(&format!("/v1/agent-receipts/filter?agent_id={}", text(&agent, "agent_id"))).ok(200);
    assert_eq!(listed(&filter, &["receipts", "items"]).len(), 1);
    assert_eq!(nvim.get(&format!("/v1/agent-receipts/{}", text(&made, "id"))).ok(200)["id"], made["id"]);
    for path in ["trust-score", "trust"] {
        let score = nvim.get(&format!("/v1/agents/{}/{path}", text(&agent, "id"))).ok(200);
        assert!(score.as_object().unwrap().contains_key("trust_score"), "{score}");
    }

    let brains = plug_in(&acme);
    let agent =
        brains.post("/maip/v1/agents", &json!({"display_name": "idea", "agent_type": "tool"})).ok(201);
    let path = format!("/maip/v1/agents/{}", text(&agent, "id"));
    assert_eq!(
        brains.post(&format!("{path}/suspend"), &json!({"reason": "review"})).ok(200)["status"],
        "suspended"
    );
    assert_eq!(
        brains.post(&format!("{path}/revoke"), &json!({"reason": "done"})).ok(200)["status"],
        "revoked"
    );
    let agents = brains.get("/maip/v1/agents").ok(200);
    assert!(agents.is_object(), "it cannot read a bare list");
    assert_eq!(listed(&agents, &["agents", "data", "items"]).len(), 2);
    if has(&api, "/v1/compliance/reports", "get") {
        let reports =
            brains.get("/maip/v1/compliance/reports?start=2026-01-01&end=2026-12-31&format=json").ok(200);
        assert!(reports.is_object(), "{reports}");
    }
}

/// A tenant that is not the credential's gets nowhere, under any prefix.
#[test]
fn the_tenant_in_the_header_must_be_the_credentials() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    for prefix in PREFIXES {
        let wrong = acme.live.with("x-tenant-id", &other.id);
        wrong.get(&format!("{prefix}/agents")).refused(403, "FORBIDDEN", "X-Tenant-ID");
    }
}
