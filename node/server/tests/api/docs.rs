//! The OpenAPI document, the pages of `/docs` and the guides, compared with a real node.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    client::{Api, Caller},
    node::run,
};

/// A path with the examples of its parameters in the braces.
fn filled(path: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    parameters.iter().filter(|parameter| parameter["in"] == "path").fold(
        path.to_owned(),
        |path, parameter| {
            let name = parameter["name"].as_str().unwrap();
            let example = parameter["schema"]["examples"][0].as_str().unwrap_or("unknown");
            path.replace(&format!("{{{name}}}"), example)
        },
    )
}

fn document(caller: &Caller) -> Value {
    caller.get("/v1/openapi.json").ok(200)
}

#[test]
fn every_operation_of_the_document_is_mounted_and_no_other_method() {
    let api = Api::start();
    let document = document(&api.nobody());
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let item = item.as_object().unwrap();
        let place = filled(path, item.values().next().unwrap());
        // A method that no operation has: the answer names those that are mounted.
        let reply = api.nobody().call("TRACE", &place, None);
        reply.refused(405, "METHOD_NOT_ALLOWED", "");
        let allowed: BTreeSet<String> = reply
            .header("allow")
            .unwrap_or("")
            .split(',')
            .map(|method| method.trim().to_lowercase())
            .collect();
        let mut told: BTreeSet<String> = item.keys().cloned().collect();
        if told.contains("get") {
            told.insert("head".into());
        }
        assert_eq!(allowed, told, "{path}");
        operations += item.len();
    }
    assert!(operations > 30, "{operations}");
}

#[test]
fn every_answer_without_a_credential_is_documented() {
    let api = Api::start();
    let document = document(&api.nobody());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["operationId"] == "tail_log" {
                // Has no end.
                continue;
            }
            let public = operation["security"]
                .as_array()
                .is_none_or(|needs| needs.iter().all(|need| need == &serde_json::json!({})));
            if public && operation["responses"]["200"]["content"]["text/event-stream"].is_object() {
                // It would go on for ever; tests of its own read it.
                continue;
            }
            let body = operation["requestBody"]["content"]["application/json"]["example"].clone();
            let body = (!body.is_null()).then(|| body.to_string());
            let reply = api.nobody().call(&method.to_uppercase(), &filled(path, operation), body);
            let answer = &operation["responses"][reply.status.to_string()];
            assert!(answer.is_object(), "{method} {path} answers {}: {}", reply.status, reply.text);
            // A refresh token is a credential of its own, in the body.
            let own = reply.body["details"]["field"] == "refresh_token";
            assert_eq!(reply.status == 401 && !own, !public, "{method} {path}: {}", reply.text);
            let kind = reply.header("content-type").unwrap_or("").split(';').next().unwrap().to_owned();
            assert!(answer["content"][&kind].is_object(), "{method} {path} answers {kind}");
        }
    }
}

#[test]
fn the_program_prints_the_document_that_a_node_serves() {
    let api = Api::start();
    let output = run(&["openapi"]);
    assert!(output.status.success());
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, document(&api.nobody()));
    let groups: Vec<&str> =
        printed["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    assert_eq!(groups[0], "Machine Agents");
    assert_eq!(groups[groups.len() - 2..], ["Transparency", "Health"]);
}

#[test]
fn the_pages_are_served_under_a_strict_policy() {
    let api = Api::start();
    for path in
        ["/docs", "/docs/style.css", "/docs/app.js", "/docs/guides/quick-start", "/docs/guides/verification"]
    {
        let page = api.nobody().get(path);
        assert_eq!(page.status, 200, "{path}");
        let policy = page.header("content-security-policy").unwrap_or("");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
    }
    api.nobody().get("/docs/nothing").refused(404, "NOT_FOUND", "path");
}

/// Every endpoint that a guide names exists: a guide is part of the contract.
#[test]
fn the_guides_name_only_what_there_is() {
    let api = Api::start();
    let document = document(&api.nobody());
    let known: Vec<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let fits = |named: &str, known: &str| {
        let (named, known): (Vec<_>, Vec<_>) = (named.split('/').collect(), known.split('/').collect());
        named.len() == known.len()
            && named.iter().zip(&known).all(|(a, b)| a == b || b.contains('{') || *b == *a)
    };
    for (name, text) in guides() {
        for (at, _) in text.match_indices("$API/") {
            let rest = &text[at + 4..];
            let end = rest.find(|c: char| "?\"'` \n".contains(c)).unwrap_or(rest.len());
            let path = &rest[..end];
            assert!(known.iter().any(|known| fits(path, known)), "{name} names {path}");
        }
    }
}

fn guides() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides");
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

/// The `sh` blocks of a guide, as one script.
fn script(name: &str) -> String {
    let text = guides().into_iter().find(|(path, _)| path.ends_with(name)).unwrap().1;
    text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

/// Every line of the quick start does what it says, and so do the later guides with its tenant and agent.
#[test]
fn the_quick_start_runs() {
    let api = Api::start_in_both_environments();
    let later = ["authorization.md", "policies.md", "trust-scores.md", "claims.md", "verification.md"];
    let later = later.map(script).concat();
    let script = format!("set -eu\n{}\n{later}", script("quick-start.md"));
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("API", format!("http://{}", api.node.http))
        .current_dir(api.node.home())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for expected in
        [r#""status":"suspended""#, r#""terminated_agent_count":1"#, "/sandbox\n", r#""prefix":"maip_test_"#]
    {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    assert!(!said.contains(r#""code":"#), "a refusal:\n{said}");
    let proof: Value =
        serde_json::from_str(&fs::read_to_string(api.node.file("proof.json")).unwrap()).unwrap();
    assert_eq!(proof["log"], "sandbox");
}

/// Requests that no generator of well-formed ones makes: each is refused in the one shape.
#[test]
fn unreadable_requests_are_refused_in_the_one_shape() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    for (path, status, field) in [
        ("/v1/agents/%FF", 400, "path"),
        ("/%FF/checkpoint", 400, "path"),
        ("/tile/%C3", 400, "path"),
        ("/v1/agents/%00", 400, "agent_id"),
        ("/v1/agents/a%2Fb", 400, "agent_id"),
        ("/v1/agents?limit=1&%6cimit=2", 400, "limit"),
        ("/v1/agents?min_index=1&min_index=1", 400, "min_index"),
        ("/v1/agents?limit=%FF", 400, "limit"),
        ("/v1/agents?limit=99999999999999999999999999", 400, "limit"),
        ("/v1/agents?min_index=9007199254740993", 400, "min_index"),
        ("/v1/agents?trust_level=", 400, "trust_level"),
        ("/v1/agents?cursor=AAAAAAAAAAB", 400, "cursor"),
    ] {
        let code = "MALFORMED";
        acme.live.get(path).refused(status, code, field);
    }
    acme.live.get("/v1/agents/").refused(404, "NOT_FOUND", "path");
    acme.live.with("x-environment", "moon").get("/v1/agents").refused(400, "MALFORMED", "X-Environment");
    let nobody = api.nobody().get("/v1/agents");
    nobody.refused(401, "UNAUTHORIZED", "authorization");
    assert!(nobody.header("www-authenticate").is_some_and(|schemes| schemes.starts_with("Bearer")));
    let html = acme.live.with("content-type", "text/html");
    html.call("DELETE", "/v1/api-keys/0000000000000000", None).refused(404, "NOT_FOUND", "key_id");
}
