//! `maip tenant`, `maip scope` and `maip policy`: a tenant and its rules.

use ledger_format::record::SigningKey;
use serde_json::json;

use crate::{
    nodes::Cluster,
    support::{World, node::Manner, tenant_key, world::operator_key},
};

#[test]
fn a_tenant_is_changed_suspended_and_reactivated() {
    let world = World::new();
    let (tenant, agent) = (world.tenant.to_string(), world.agent.to_string());
    let cluster = Cluster::start(world, &[Manner::Honest]);
    let (key, next) = (
        cluster.seed_file("t.key", &tenant_key()),
        cluster.seed_file("n.key", &SigningKey::from_seed([30; 32])),
    );
    let operator = cluster.seed_file("o.key", &operator_key());
    let run = |args: &[&str], signer: &[&str]| {
        cluster.run(&args.iter().chain(signer).copied().chain(["--tenant", &tenant]).collect::<Vec<_>>())
    };
    let old = ["--tenant-key", &key];
    let by_operator = ["--operator-key", &operator, "--on-behalf-of", "desk"];
    run(&["tenant", "update", "--name", "Y", "--thresholds", "8000,5000,2000"], &old).exits(0);
    run(&["tenant", "update", "--thresholds", "1,2,3"], &old).exits(2).says("7000,5000,3000");
    run(&["tenant", "update"], &old).exits(2).says("at least one of name, plan, thresholds");
    run(&["tenant", "update", "--plan", "business"], &old).exits(2).says("--operator-key");
    run(&["tenant", "key", "--new-key", &next], &old).exits(0).says("from now on");
    run(&["tenant", "update", "--name", "Z"], &old).exits(1).says("KEY_NOT_VALID");

    let new = ["--tenant-key", &next];
    run(&["tenant", "suspend", "--reason", "audit"], &new).exits(0).says("is suspended");
    let ask = ["decision", "ask", "--agent", &agent, "--action", "invoice:read"];
    run(&ask, &new).exits(1).says("agent_not_active");
    let reactivate = ["tenant", "reactivate", "--reason", "audited"];
    run(&reactivate, &new).exits(2).says("only the operator");
    run(&reactivate, &["--operator-key", &operator]).exits(2).says("--on-behalf-of");
    run(&reactivate, &by_operator).exits(0).says("may act again");
    run(&ask, &new).exits(0);
    run(&["tenant", "update", "--plan", "gold"], &by_operator).exits(2).says("developer");
}

#[test]
fn a_policy_is_put_switched_off_and_on_and_a_scope_defined() {
    let world = World::new();
    let (tenant, agent) = (world.tenant.to_string(), world.agent.to_string());
    let cluster = Cluster::start(world, &[Manner::Honest]);
    let key = cluster.seed_file("t.key", &tenant_key());
    let run = |args: &[&str]| {
        let signer = ["--tenant", &tenant, "--tenant-key", &key];
        // `--policy` is of the proofs here, and the policy that is put has no flag.
        cluster.run(&args.iter().chain(&signer).copied().collect::<Vec<_>>())
    };
    let rules = json!([{ "actions": ["invoice:read"], "effect": "deny" }]);
    let policy = json!({ "name": "no reading", "priority": 1, "rules": rules }).to_string();
    let put = run(&["policy", "put", &policy, "--json"]).exits(0).json();
    let id = put["policy"].as_str().unwrap();
    let ask = ["decision", "ask", "--agent", &agent, "--action", "invoice:read"];
    run(&ask).exits(1).says("reason   policy").says(&format!("{id}#0"));
    run(&["policy", "disable", id]).exits(0).says("is disabled");
    run(&ask).exits(0);
    run(&["policy", "enable", id]).exits(0);
    run(&ask).exits(1);
    // A new version of the same policy.
    let rules = json!([{ "actions": ["invoice:pay"], "effect": "deny" }]);
    let second = json!({ "name": "no paying", "priority": 1, "rules": rules }).to_string();
    let again = run(&["policy", "put", &second, "--id", id, "--json"]).exits(0).json();
    assert_eq!(again["policy"], id);
    run(&ask).exits(0);
    run(&["policy", "put", r#"{"name":"x","priority":1,"rules":[]}"#]).exits(1).says("body.rules");
    run(&["policy", "put", "7.json"]).exits(2).says("7.json");
    run(&["policy", "disable", "maip-pol:0000000000000000000000000Z"]).exits(1).says("POLICY_UNKNOWN");

    run(&["scope", "define", "invoice:pay", "--critical", "--description", "money leaves"]).exits(0);
    run(&["scope", "define", "invoice"]).exits(2).says("resource:action");
}
