//! What is another tenant's does not exist, and nothing opens without a credential of its own: asked of every operation of the document.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    client::{Api, Caller},
    operations::{PUBLIC, document, made},
};

#[test]
fn another_tenants_things_do_not_exist() {
    let api = Api::start();
    let operations = document(&api);
    let (acme, other) = (api.tenant("Acme", "enterprise"), api.tenant("Other", "enterprise"));
    let (own, theirs) = (made(&operations, &acme), made(&operations, &other));
    let mut faults = Vec::new();
    let with_ids = operations.iter().filter(|operation| !operation.ids().is_empty());
    let mut asked = 0;
    for operation in with_ids {
        let path = operation.path(&theirs);
        let admin = api.admin().with("x-tenant-id", &acme.id);
        let caller = if operation.access() == "adminKey" { &admin } else { &acme.live };
        let answer = caller.call(&operation.method, &path, operation.body(&own));
        asked += 1;
        let absent = answer.status == 404 && answer.body["code"] == "NOT_FOUND";
        let shown = operation.access() == PUBLIC && answer.status < 500;
        if !absent && !shown {
            faults.push(format!("{}: {} {}", operation.name(), answer.status, answer.text));
        }
        // Its owner sees it: so it is the tenant that was refused, not the call.
        let whole = operation.parameters().iter().all(|name| own.contains_key(*name));
        if operation.method == "GET" && whole {
            let mine = acme.live.get(&operation.path(&own));
            if matches!(mine.status, 400 | 403 | 404) || mine.status >= 500 {
                faults.push(format!("{}, by its owner: {} {}", operation.name(), mine.status, mine.text));
            }
        }
    }
    assert!(asked > 20, "only {asked} operations have an id");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn nothing_opens_without_a_credential_of_its_own() {
    let api = Api::start();
    let operations = document(&api);
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let powerless = acme.live.post("/v1/api-keys", &json!({"name": "x", "scopes": ["nothing:read"]})).ok(201);
    let powerless = api.caller(powerless["secret"].as_str().unwrap());
    let foreign = acme.live.with("x-tenant-id", &other.id);
    let mut faults = Vec::new();
    for operation in operations.iter().filter(|operation| operation.access() != PUBLIC) {
        let nobodys = BTreeMap::new();
        let mut ask = |who: &str, caller: &Caller<'_>, status: u16, field: &str| {
            let answer = caller.call(&operation.method, &operation.path(&nobodys), operation.body(&nobodys));
            let named = answer.body["details"]["field"].as_str().unwrap_or("") == field;
            if answer.status != status || !named {
                faults.push(format!("{}, {who}: {} {}", operation.name(), answer.status, answer.text));
            }
        };
        ask("without a credential", &api.nobody(), 401, "authorization");
        ask("with another's header", &foreign, 403, "X-Tenant-ID");
        match operation.access() {
            "adminKey" => ask("with a tenant's key", &acme.live, 403, ""),
            _ => ask("with a key without the scope", &powerless, 403, "authorization"),
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
