//! Machine Agents.

use serde_json::json;

use crate::client::Api;

#[test]
fn an_agent_lives_and_ends() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let made = live
        .post(
            "/v1/agents",
            &json!({
                "display_name": "Billing bot", "agent_type": "llm", "description": "Pays.",
                "scopes": ["invoices:read", "!invoices:delete"], "metadata": {"team": "finance"},
            }),
        )
        .ok(201);
    let id = made["agent_id"].as_str().unwrap();
    assert!(made["private_key"].as_str().is_some_and(|key| key.len() == 43), "{made}");
    assert_eq!((&made["agent_type"], &made["runtime_type"]), (&json!("autonomous"), &json!("llm")));
    assert_eq!(made["scopes"], json!(["invoices:read", "!invoices:delete"]));
    assert_eq!(made["metadata"], json!({"team": "finance"}));

    // Every spelling of the id, and reading what was written.
    let uuid = made["id"].as_str().unwrap();
    let index = made["log_index"].as_u64().unwrap();
    for spelling in [id.to_owned(), id.replace(':', "%3A"), uuid.to_owned()] {
        let read = live.get(&format!("/v1/agents/{spelling}?min_index={index}")).ok(200);
        assert_eq!((&read["agent_id"], &read["status"]), (&json!(id), &json!("active")));
        assert!(read.get("private_key").is_none(), "a private key was kept");
    }
    let renamed =
        live.call("PATCH", &format!("/v1/agents/{id}"), Some(json!({"display_name": "Payer"}).to_string()));
    assert_eq!(renamed.ok(200)["display_name"], "Payer");
    // Two records, of which the log could take one: refused before either.
    let both = json!({"display_name": "Suspect", "status": "suspended"}).to_string();
    live.call("PATCH", &format!("/v1/agents/{id}"), Some(both)).refused(422, "INVALID_INPUT", "status");
    let still = live.get(&format!("/v1/agents/{id}")).ok(200);
    assert_eq!((&still["display_name"], &still["status"]), (&json!("Payer"), &json!("active")));

    // Older clients send no body and no reason.
    assert_eq!(live.call("POST", &format!("/v1/agents/{id}/suspend"), None).ok(200)["status"], "suspended");
    assert_eq!(live.post(&format!("/v1/agents/{id}/reactivate"), &json!({})).ok(200)["status"], "active");
    let again = live.post(&format!("/v1/agents/{id}/reactivate"), &json!({}));
    again.refused(409, "AGENT_NOT_SUSPENDED", "agent");
    let killed = live.post(&format!("/v1/agents/{id}/kill"), &json!({"reason": "key compromise"})).ok(200);
    assert_eq!((&killed["status"], &killed["terminated_agent_count"]), (&json!("revoked"), &json!(1)));
    live.post(&format!("/v1/agents/{id}/reactivate"), &json!({})).refused(403, "AGENT_REVOKED", "agent");
}

#[test]
fn the_older_sdks_find_their_keys() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let sdk = api.nobody().with("authorization", &format!("Bearer {}", acme.live.key));
    let scope = json!({"actions": ["read"], "resources": ["invoices"], "constraints": {}});
    let key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let body = json!({"name": "Bot", "scope": scope, "publicKey": key, "metadata": {"a": 1}});
    let made = sdk.post("/v1/agents", &body).ok(201);
    assert_eq!((&made["name"], &made["scope"], &made["publicKey"]), (&json!("Bot"), &scope, &json!(key)));
    assert_eq!(made["scopes"], json!(["invoices:read"]));
    assert!(
        made["createdAt"].is_string() && made["updatedAt"].is_string() && made.get("private_key").is_none()
    );
    let listed = sdk.get("/v1/agents?status=active&offset=0&limit=10").ok(200);
    for name in ["items", "agents", "data"] {
        assert_eq!(listed[name][0]["id"], made["id"], "{name}");
    }
    assert_eq!((&listed["total"], &listed["limit"], &listed["offset"]), (&json!(1), &json!(10), &json!(0)));
}

#[test]
fn lists_come_in_pages_newest_first() {
    let api = Api::start();
    let acme = api.tenant("Acme", "enterprise");
    let ids: Vec<String> = (0..5)
        .map(|n| {
            let made = acme.live.post("/v1/agents", &json!({"display_name": format!("bot {n}")})).ok(201);
            made["agent_id"].as_str().unwrap().to_owned()
        })
        .collect();
    acme.live.post(&format!("/v1/agents/{}/suspend", ids[1]), &json!({})).ok(200);
    let names = |reply: serde_json::Value| -> Vec<String> {
        let items = reply["items"].as_array().unwrap();
        items.iter().map(|agent| agent["agent_id"].as_str().unwrap().to_owned()).collect()
    };
    let first = acme.live.get("/v1/agents?limit=2").ok(200);
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(first["total"], 5);
    assert_eq!(names(first), [ids[4].clone(), ids[3].clone()]);
    assert_eq!(
        names(acme.live.get(&format!("/v1/agents?limit=2&cursor={cursor}")).ok(200)),
        [ids[2].clone(), ids[1].clone()]
    );
    assert_eq!(names(acme.live.get("/v1/agents?limit=2&offset=4").ok(200)), [ids[0].clone()]);
    assert_eq!(names(acme.live.get("/v1/agents?status=suspended").ok(200)), [ids[1].clone()]);
    acme.live.get("/v1/agents?limit=0").refused(400, "MALFORMED", "limit");
    acme.live.get("/v1/agents?colour=red").refused(400, "MALFORMED", "colour");
}

#[test]
fn bad_input_names_the_field() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let live = &acme.live;
    for (body, status, code, field) in [
        (json!({}), 422, "INVALID_INPUT", "display_name"),
        (json!({"display_name": ""}), 422, "INVALID_INPUT", "display_name"),
        (json!({"display_name": "x", "scopes": ["*:read"]}), 422, "INVALID_INPUT", "scopes[0]"),
        (json!({"display_name": "x", "public_key": "abc"}), 422, "INVALID_INPUT", "public_key"),
        (json!({"display_name": "x", "colour": 1}), 422, "INVALID_INPUT", "colour"),
        (json!({"name": "x", "scope": {"actions": ["R"]}}), 422, "INVALID_INPUT", "scope.actions[0]"),
        (json!([]), 400, "MALFORMED", "body"),
    ] {
        live.post("/v1/agents", &body).refused(status, code, field);
    }
    live.call("POST", "/v1/agents", Some("{".into())).refused(400, "MALFORMED", "body");
    live.get("/v1/agents/nobody").refused(400, "MALFORMED", "agent_id");
    let theirs = other.live.post("/v1/agents", &json!({"display_name": "x"})).ok(201);
    let theirs = theirs["agent_id"].as_str().unwrap();
    live.get(&format!("/v1/agents/{theirs}")).refused(404, "NOT_FOUND", "agent_id");
    live.post(&format!("/v1/agents/{theirs}/kill"), &json!({})).refused(404, "NOT_FOUND", "agent_id");
    let child = json!({"display_name": "x", "parent_agent_id": theirs});
    live.post("/v1/agents", &child).refused(404, "NOT_FOUND", "parent_agent_id");
}

#[test]
fn the_plan_bounds_the_agents() {
    let api = Api::start();
    let small = api.tenant("Small", "developer");
    for _ in 0..2 {
        small.live.post("/v1/agents", &json!({"display_name": "x"})).ok(201);
    }
    let over = small.live.post("/v1/agents", &json!({"display_name": "x"}));
    over.refused(402, "QUOTA_EXCEEDED", "");
    let details = &over.body["details"];
    assert_eq!(
        (&details["metric"], &details["limit"], &details["used"]),
        (&json!("maip.agents"), &json!(2), &json!(2))
    );
}

#[test]
fn changes_of_an_agent_at_the_same_time_are_both_made() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let made = live.post("/v1/agents", &json!({"display_name": "Bot", "scopes": []})).ok(201);
    let path = format!("/v1/agents/{}", made["agent_id"].as_str().unwrap());
    let patch = |body: serde_json::Value| live.call("PATCH", &path, Some(body.to_string())).ok(200);
    for round in 0..20 {
        let described = json!({"description": format!("description {round}")});
        let labelled = json!({"metadata": {"round": round}});
        // Half of the time a record goes along with one of them.
        let name = if round % 2 == 0 { json!({}) } else { json!({"display_name": "n".repeat(100 + round)}) };
        let mut named = described.clone();
        named.as_object_mut().unwrap().extend(name.as_object().unwrap().clone());
        std::thread::scope(|scope| {
            scope.spawn(|| patch(named.clone()));
            scope.spawn(|| patch(labelled.clone()));
        });
        let read = live.get(&path).ok(200);
        assert_eq!(
            (&read["description"], &read["metadata"]),
            (&described["description"], &labelled["metadata"]),
            "round {round}"
        );
    }
}
