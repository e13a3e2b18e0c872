//! `maip decision`: asked, logged, approved, explained.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::{
    nodes::Cluster,
    support::{Ran, Shelf, World, node::Manner, tenant_key},
};

/// A tenant with its cluster.
struct Desk {
    cluster: Cluster,
    tenant: String,
    agent: String,
    key: String,
}

impl Desk {
    fn new(manner: Manner) -> Self {
        let world = World::new();
        let (tenant, agent) = (world.tenant.to_string(), world.agent.to_string());
        let cluster = Cluster::start(world, &[manner]);
        let key = cluster.seed_file("t.key", &tenant_key());
        Self { cluster, tenant, agent, key }
    }

    fn run(&self, args: &[&str]) -> Ran {
        let signer = ["--tenant", &self.tenant, "--tenant-key", &self.key];
        self.cluster.run(&args.iter().chain(&signer).copied().collect::<Vec<_>>())
    }

    fn ask(&self, action: &str, extra: &[&str]) -> Ran {
        let ask = ["decision", "ask", "--agent", &self.agent, "--action", action];
        self.run(&ask.iter().chain(extra).copied().collect::<Vec<_>>())
    }

    /// Explains a decision from the published files.
    fn explain(&self, id: &str, extra: &[&str]) -> Ran {
        let shelf = Shelf::new(&self.cluster.world.lock().unwrap());
        shelf.run(&["decision", "explain", id, "--tenant", &self.tenant], extra)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn an_answer_is_logged_and_decides_the_exit_code() {
    let desk = Desk::new(Manner::Honest);
    desk.ask("invoice:read", &[]).exits(0).says("allowed: ").says("within_scope").says("maip-rcpt:");
    let no = desk.ask("invoice:pay", &["--json"]).exits(1).json();
    assert_eq!(
        (&no["result"], &no["reason"], &no["index"]),
        (&json!("denied"), &json!("no_scope"), &json!(4))
    );
    assert_eq!(no["proof_verified"], true);
    let size = desk.cluster.world.lock().unwrap().size();
    desk.ask("invoice:read", &["--dry-run"]).exits(0).says(r#""reason":"within_scope""#);
    desk.ask("invoice:pay", &["--dry-run"]).exits(1).says(r#""reason":"no_scope""#);
    assert_eq!(desk.cluster.world.lock().unwrap().size(), size, "a dry run logs nothing");
    desk.ask("invoice:read", &["--amount", "5"]).exits(2).says("--currency");
    desk.ask("invoice:*", &[]).exits(2).says("without a star");
}

#[test]
fn a_moment_that_has_passed_is_asked_about_again() {
    let desk = Desk::new(Manner::Slow(2));
    desk.ask("invoice:read", &[]).exits(0).says("allowed: ");
    assert_eq!(desk.cluster.calls(0).load(Ordering::SeqCst), 6, "three questions, three submissions");
    let desk = Desk::new(Manner::Slow(99));
    desk.ask("invoice:read", &[]).exits(1).says("DECISION_DIFFERS").says("5 times");
}

/// A policy asks for an approval; with one it may be done; both decisions are explained from the log's files.
#[test]
fn an_approval_is_asked_for_given_used_and_explained() {
    let desk = Desk::new(Manner::Honest);
    let policy = json!({
        "name": "four eyes", "policy": "maip-pol:0000000000000000000000000P", "priority": 10,
        "rules": [{ "actions": ["invoice:read"], "effect": "approve" }],
    });
    desk.run(&["record", "log", "--type", "policy.put", "--body", &policy.to_string()]).exits(0);
    let asked = desk.ask("invoice:read", &["--json"]).exits(1).json();
    assert_eq!((text(&asked["result"]), text(&asked["reason"])), ("needs_approval", "approval_needed"));
    let rule = "maip-pol:0000000000000000000000000P#0";
    assert_eq!(asked["rules"], json!([rule]));

    let decision = text(&asked["decision"]);
    let approve = ["decision", "approve", "--agent", &desk.agent, "--action", "invoice:read"];
    let more = ["--uses", "1", "--for", "1h", "--decision", decision, "--json"];
    let approved = desk.run(&[&approve[..], &more].concat()).exits(0).json();
    let approval = text(&approved["approval"]);
    let allowed = desk.ask("invoice:read", &["--approval", approval, "--json"]).exits(0).json();
    desk.ask("invoice:read", &["--approval", approval]).exits(1).says("needs approval");
    let rejected = desk.run(&[&approve[..], &["--reject", "--json"]].concat()).exits(0).json();
    desk.ask("invoice:read", &["--approval", text(&rejected["approval"])]).exits(1);

    let explained = desk.explain(decision, &["--json"]).exits(0).json();
    assert_eq!(
        (text(&explained["result"]), text(&explained["again"]["result"])),
        ("needs_approval", "needs_approval")
    );
    let fired =
        json!([{ "rule": rule, "policy": "four eyes", "effect": "approve", "actions": ["invoice:read"] }]);
    assert_eq!(explained["rules"], fired);
    assert_eq!(explained["question"]["action"], "invoice:read");
    desk.explain(decision, &[])
        .exits(0)
        .says("of \"four eyes\": approve invoice:read")
        .says("the same answer follows");
    desk.explain(text(&allowed["decision"]), &[]).exits(0).says("allowed: within_scope").says(approval);
    desk.explain(decision, &["--to", "4"]).exits(1).says("is not in the log");
    desk.explain(approval, &[]).exits(1).says("is not in the log");
}
