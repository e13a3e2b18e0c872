//! `maip kill`, and what it says that it ended.

use crate::{
    nodes::Cluster,
    support::{World, node::Manner, tenant_key},
};

/// Every agent with its sessions, over as many pages as it takes; the short form and the long one are the same.
#[test]
fn a_kill_says_what_it_ended() {
    for long in [false, true] {
        let mut world = World::new();
        let below = world.agents_below(4);
        let (tenant, agent) = (world.tenant.to_string(), world.agent);
        for owner in [agent, below[0], below[0], below[3]] {
            world.session(owner);
        }
        let cluster = Cluster::start(world, &[Manner::Honest]);
        let key = cluster.seed_file("t.key", &tenant_key());
        let name = agent.to_string();
        let kill = if long { vec!["agent", "kill", "--agent", &name] } else { vec!["kill", &name] };
        let by_tenant = ["--tenant", &tenant, "--tenant-key", &key, "--reason", "stolen"];
        let args: Vec<&str> = kill.into_iter().chain(by_tenant).collect();
        let ran = cluster.run(&[&args[..], &["--json"]].concat()).exits(0);
        let ended = &ran.json()["ended"];
        let want: Vec<String> = [agent].iter().chain(&below).map(ToString::to_string).collect();
        assert_eq!(ended["agents"], serde_json::json!(want));
        assert_eq!((&ended["agents_total"], &ended["sessions"]), (&5.into(), &4.into()));
    }
}

#[test]
fn a_kill_without_cascade_ends_one() {
    let mut world = World::new();
    let below = world.agents_below(1);
    world.session(below[0]);
    let (tenant, agent) = (world.tenant.to_string(), world.agent.to_string());
    let cluster = Cluster::start(world, &[Manner::Honest]);
    let key = cluster.seed_file("t.key", &tenant_key());
    let kill =
        ["kill", &agent, "--no-cascade", "--tenant", &tenant, "--tenant-key", &key, "--reason", "stolen"];
    cluster.run(&kill).exits(0).says(&format!("{agent} is killed\n")).says("ended    1 agent and 0 sessions");
}

/// The kill stands although nobody can say what it ended.
#[test]
fn a_kill_is_a_kill_at_a_node_that_cannot_list() {
    let world = World::new();
    let (tenant, agent) = (world.tenant.to_string(), world.agent.to_string());
    let cluster = Cluster::start(world, &[Manner::Forgetful]);
    let key = cluster.seed_file("t.key", &tenant_key());
    let kill = ["kill", &agent, "--tenant", &tenant, "--tenant-key", &key, "--reason", "stolen"];
    cluster.run(&kill).exits(0).says("is killed").says("could not be asked");
}
