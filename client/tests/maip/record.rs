//! `maip record log`: any type of record, by any actor.

use std::fs;

use serde_json::json;

use crate::{
    nodes::Cluster,
    support::{World, agent_key, node::Manner, tenant_key, world::operator_key},
};

#[test]
fn every_actor_logs_records_of_its_types() {
    let world = World::new();
    let (tenant, agent) = (world.tenant.to_string(), world.agent.to_string());
    let cluster = Cluster::start(world, &[Manner::Honest]);
    let (t, a, o) = (
        cluster.seed_file("t.key", &tenant_key()),
        cluster.seed_file("a.key", &agent_key()),
        cluster.seed_file("o.key", &operator_key()),
    );
    let log = |type_name: &str, body: &str, signer: &[&str]| {
        let args = ["record", "log", "--type", type_name, "--body", body, "--json"];
        cluster.run(&args.iter().chain(signer).copied().collect::<Vec<_>>())
    };
    // Members in any order, white space, from a file.
    let path = cluster.path("body.json");
    fs::write(&path, "{ \"scope\": \"invoice:pay\",\n  \"critical\": true }").unwrap();
    let by_tenant = ["--tenant", &tenant, "--tenant-key", &t];
    let logged = log("scope.define", &path, &by_tenant).exits(0).json();
    assert_eq!((&logged["index"], &logged["proof_verified"]), (&json!(3), &json!(true)));
    assert_eq!(logged["type"], "scope.define");
    let claim = json!({ "agent": agent, "claim": "maip-tc:0000000000000000000000000C", "internal": true, "statement": format!("sha256:{}", "0".repeat(64)) });
    let by_agent = ["--tenant", &tenant, "--agent", &agent, "--key", &a];
    log("claim.create", &claim.to_string(), &by_agent).exits(0);
    // The operator on behalf of a tenant, and in its own name.
    let suspend = json!({ "reason": "unpaid", "on_behalf_of": "desk" }).to_string();
    log("tenant.suspend", &suspend, &["--tenant", &tenant, "--operator-key", &o]).exits(0);
    let unknown = json!({ "action": "add", "vkey": "not one" }).to_string();
    log("log.key", &unknown, &["--operator-key", &o]).exits(1).says("body.vkey");
}

#[test]
fn what_is_wrong_with_a_body_is_named() {
    let world = World::new();
    let tenant = world.tenant.to_string();
    let cluster = Cluster::start(world, &[Manner::Honest]);
    let key = cluster.seed_file("t.key", &tenant_key());
    let log = |type_name: &str, body: &str, signer: &[&str]| {
        let args = ["record", "log", "--type", type_name, "--body", body];
        cluster.run(&args.iter().chain(signer).copied().collect::<Vec<_>>())
    };
    let by_tenant = ["--tenant", &tenant, "--tenant-key", &key];
    log("scope.define", r#"{"critical":true}"#, &by_tenant).exits(1).says("body.scope").says("next:");
    log("scope.define", "{", &by_tenant).exits(2).says("not JSON");
    log("scope.define", "nowhere.json", &by_tenant).exits(2).says("nowhere.json");
    log("scope.defin", "{}", &by_tenant).exits(2).says("scope.define");
    log("scope.define", "{}", &["--tenant", &tenant]).exits(2).says("--tenant-key");
    log("scope.define", "{}", &["--tenant-key", &key]).exits(2).says("give --tenant");
    // The wrong actor, and a record about the log in a tenant.
    let by_agent = ["--tenant", &tenant, "--agent", "maip-agent:0000000000000000000000000A", "--key", &key];
    let body = r#"{"critical":true,"scope":"a:b"}"#;
    log("scope.define", body, &by_agent).exits(1).says("signed by tenant or operator");
    let body = r#"{"critical":true,"on_behalf_of":"desk","scope":"a:b"}"#;
    log("scope.define", body, &["--operator-key", &key]).exits(1).says("give --tenant");
}
