//! `maip trust compute` and `maip tenant usage`: scores that are asked for, and what a plan includes.

use ledger_format::record::{ActionVerdict, Actor, Body, TrustCompute};

use crate::{
    nodes::Cluster,
    support::{Shelf, World, node::Manner, tenant_key, world::operator_key},
};

#[test]
fn a_score_is_asked_for_counted_and_refused_beyond_the_plan() {
    let mut world = World::new();
    world.judged(0, ActionVerdict::Ok);
    let (tenant, agent) = (world.tenant.to_string(), world.agent.to_string());
    let cluster = Cluster::start(world, &[Manner::Honest]);
    let key = cluster.seed_file("t.key", &tenant_key());
    let operator = cluster.seed_file("o.key", &operator_key());
    let compute = |extra: &[&str]| {
        let args = ["trust", "compute", &agent, "--tenant", &tenant, "--tenant-key", &key];
        cluster.run(&args.iter().chain(extra).copied().collect::<Vec<_>>())
    };
    let asked = compute(&["--ack", "sequenced", "--json"]).exits(0).json();
    compute(&["--ack", "sequenced"]).exits(0).says("not published yet").says("maip trust show");
    // These nodes serve no files: the record is logged, and the score is read somewhere else.
    compute(&[]).exits(2).says("the record is logged at index");
    let computed = |query: &str| {
        let shelf = Shelf::new(&cluster.world.lock().unwrap());
        shelf.replay(&["--query", query, "--json"]).exits(0).json()["answers"][0].clone()
    };
    let kept = computed(&format!("computed {agent}"));
    assert_eq!(kept["index"], asked["index"].as_u64().unwrap() + 2, "the newest of three");
    assert_eq!(kept["explanation"]["score"], kept["score_bp"]);

    let usage = |extra: &[&str]| {
        let shelf = Shelf::new(&cluster.world.lock().unwrap());
        shelf.run(&["tenant", "usage", "--tenant", &tenant], extra)
    };
    let used = usage(&["--json"]).exits(0).json();
    assert_eq!((&used["used"]["trust_computes"], &used["limits"]["trust_computes"]), (&3.into(), &50.into()));
    assert_eq!((&used["quotas"], &used["plan"]), (&"counted".into(), &"developer".into()));
    usage(&[]).exits(0).says("trust computes").says("counted, not refused");
    let earlier = usage(&["--month", "2025-12", "--json"]).exits(0).json();
    assert_eq!((&earlier["used"]["trust_computes"], &earlier["used"]["agents"]), (&0.into(), &1.into()));
    usage(&["--month", "2026-13"]).exits(2).says("YYYY-MM");

    let rule = ["--type", "log.policy", "--body", r#"{"quotas":"enforced"}"#, "--operator-key", &operator];
    cluster.run(&["record", "log"].iter().chain(&rule).copied().collect::<Vec<_>>()).exits(0);
    {
        let mut world = cluster.world.lock().unwrap();
        for _ in 3..50 {
            let (id, body) = (world.tenant, TrustCompute { agent: world.agent, on_behalf_of: None });
            let draft = world.draft(id, Actor::Tenant, Body::TrustCompute(Box::new(body)));
            world.submit(&draft.sign(&tenant_key()).to_bytes());
        }
    }
    let refused = compute(&["--ack", "sequenced"]).exits(1).says("QUOTA_EXCEEDED");
    refused.says("plan developer includes 50 trust_computes a month, and 50 are used").says("2026-02");
    usage(&[]).exits(0).says("what is above it is refused");
}
