//! `maip delegate` and `maip attest`: grants inside a tenant, between two, and from another log.

use std::fs;

use ledger_format::record::SigningKey;
use serde_json::Value;

use crate::{
    nodes::Cluster,
    support::{NOW_S, Ran, World, agent_key, maip, node::Manner, tenant_key},
};

/// Half an hour of log time from the beginning.
const END_MS: u64 = (NOW_S + 1_800) * 1_000;

/// A tenant with an agent and two below it.
struct Desk {
    cluster: Cluster,
    tenant: String,
    tenant_key: String,
    /// Id and key file.
    agents: Vec<(String, String)>,
}

impl Desk {
    fn new() -> Self {
        let mut world = World::new();
        let below = world.agents_below(2);
        world.other_tenant();
        let (tenant, top) = (world.tenant.to_string(), world.agent);
        let cluster = Cluster::start(world, &[Manner::Honest]);
        let key = |name: &str, key: &SigningKey| cluster.seed_file(name, key);
        let mut agents = vec![(top.to_string(), key("a.key", &agent_key()))];
        for (number, agent) in (100u8..).zip(below) {
            agents.push((
                agent.to_string(),
                key(&format!("{number}.key"), &SigningKey::from_seed([number; 32])),
            ));
        }
        let tenant_key = key("t.key", &tenant_key());
        Self { cluster, tenant, tenant_key, agents }
    }

    fn run(&self, line: &str) -> Ran {
        self.cluster.run(&line.split_whitespace().collect::<Vec<_>>())
    }

    fn by_tenant(&self, line: &str) -> Ran {
        self.run(&format!("{line} --tenant {} --tenant-key {}", self.tenant, self.tenant_key))
    }

    fn by_agent(&self, number: usize, line: &str) -> Ran {
        let (agent, key) = &self.agents[number];
        self.run(&format!("{line} --tenant {} --agent {agent} --key {key}", self.tenant))
    }

    fn ask(&self, number: usize, grant: &str) -> Ran {
        let agent = &self.agents[number].0;
        self.by_tenant(&format!("decision ask --agent {agent} --action invoice:read --grant {grant}"))
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[test]
fn a_grant_is_offered_accepted_handed_on_used_and_revoked() {
    let desk = Desk::new();
    let (first, second) = (&desk.agents[1], &desk.agents[2]);
    let offer = format!(
        "delegate offer --to {} --scope invoice:read --deny invoice:void --hops 1 --expires-at {END_MS} --json",
        first.0
    );
    let root = desk.by_tenant(&offer).exits(0).json();
    let grant = text(&root, "grant");
    assert_eq!(text(&root, "offer"), text(&root, "record_hash"));
    desk.by_agent(1, &format!("delegate accept {grant}")).exits(0).says("is accepted");
    desk.by_agent(1, &format!("delegate accept {grant}")).exits(1).says("GRANT_ACCEPTED");

    let on = format!(
        "delegate offer --tenant {} --from {} --key {} --parent {grant} --to {} --scope invoice:read \
         --deny invoice:void --expires-at {END_MS} --calls 2 --window 1m --purpose audit --env prod --json",
        desk.tenant, first.0, first.1, second.0
    );
    let child = desk.run(&on).exits(0).json();
    let child_grant = text(&child, "grant");
    desk.ask(2, child_grant).exits(0).says("within_scope");
    desk.ask(2, child_grant).exits(0);
    desk.ask(2, child_grant).exits(1).says("grant_exceeded");
    let receipt = format!("receipt log --action invoice:read --grant {child_grant}");
    desk.by_agent(2, &receipt).exits(0);

    let attest = format!("attest {} --by {} --key {} --tenant {}", second.0, first.0, first.1, desk.tenant);
    let about = format!("{attest} --interaction {} --verdict", child["index"]);
    desk.run(&format!("{about} good")).exits(0).says("did well");
    desk.run(&format!("{about} fair")).exits(2).says("one of good, bad");
    desk.run(&format!("{attest} --interaction 1 --verdict bad")).exits(1).says("INTERACTION");

    desk.by_tenant(&format!("delegate revoke {grant} --reason finished")).exits(0).says("have ended");
    desk.ask(2, child_grant).exits(1).says("grant_ended");
    let unwanted = text(&desk.by_tenant(&offer).exits(0).json(), "grant").to_owned();
    desk.by_agent(1, &format!("delegate reject {unwanted} --reason busy")).exits(0).says("is rejected");
    desk.by_agent(1, &format!("delegate revoke {unwanted} --reason busy")).exits(1);
    let nobody = "maip-deleg:0000000000000000000000000Z";
    desk.by_agent(1, &format!("delegate accept {nobody}")).exits(1).says("the log knows no").says("next:");
}

#[test]
fn what_does_not_go_together_is_refused_before_anything_is_sent() {
    let desk = Desk::new();
    let to = &desk.agents[1].0;
    let offer = format!("delegate offer --to {to} --scope invoice:read");
    desk.by_tenant(&format!("{offer} --calls 5")).exits(2).says("--window");
    desk.by_tenant(&format!("{offer} --spend 5 --window 1m")).exits(2).says("--currency");
    desk.by_tenant(&format!("{offer} --hops 9")).exits(2).says("body.hops").says("0 to 8");
    desk.by_tenant(&format!("{offer} --to-origin other.example")).exits(2).says("--to-kid");
    desk.run(&format!("{offer} --tenant {}", desk.tenant)).exits(2).says("--tenant-key");
    desk.by_tenant(&format!("{offer} --parent maip-deleg:0000000000000000000000000Z")).exits(2).says("--key");
}

/// Two tenants of one log: the agreement needs both signatures, over the same terms.
#[test]
fn an_agreement_is_signed_by_both_and_lets_a_grant_pass() {
    let desk = Desk::new();
    // The other tenant's root key is the agent's.
    let (peer, peer_key) = ("0000000000000000000000003R", &desk.agents[0].1);
    let terms = format!("--peer {peer} --scope invoice:* --ttl 60 --expires-at {END_MS}");
    let sign = format!("delegate sign-agreement --tenant {} {terms} --key {peer_key}", desk.tenant);
    let signed = maip(sign.split_whitespace().chain(["--json"])).exits(0).json();
    assert_eq!(maip(sign.split_whitespace()).exits(0).stdout.trim(), text(&signed, "peer_signature"));
    let with = format!(
        "--peer-key {} --peer-signature={}",
        text(&signed, "peer_key"),
        text(&signed, "peer_signature")
    );
    desk.by_tenant(&format!("delegate agree {terms} --hops 1 {with}")).exits(1).says("must give the same");
    desk.by_tenant(&format!("delegate agree {terms} {with}x")).exits(2).says("not a signature");
    let agreed = desk.by_tenant(&format!("delegate agree {terms} {with} --json")).exits(0).json();
    let agreement = text(&agreed, "agreement");

    let bot = desk.cluster.seed_file("bot.key", &SigningKey::from_seed([50; 32]));
    let register = "agent register --name theirs --scope invoice:read --json";
    let theirs = format!("{register} --tenant {peer} --tenant-key {peer_key} --key {bot}");
    let theirs = desk.run(&theirs).exits(0).json();
    let theirs = text(&theirs, "agent");
    let offer = format!("delegate offer --to {theirs} --scope invoice:read --expires-at {END_MS}");
    desk.by_tenant(&offer).exits(1).says("AGREEMENT_UNKNOWN");
    let offered = desk.by_tenant(&format!("{offer} --agreement {agreement} --json")).exits(0).json();
    let accept =
        format!("delegate accept {} --tenant {peer} --agent {theirs} --key {bot}", text(&offered, "grant"));
    desk.run(&accept).exits(0);
    let end = format!("delegate end --agreement {agreement} --reason over");
    desk.by_tenant(&end).exits(0).says("has ended");
    desk.by_tenant(&end).exits(1).says("AGREEMENT_ENDED");
}

#[test]
fn a_grant_of_another_log_comes_as_a_record() {
    let desk = Desk::new();
    let foreign_key = desk.cluster.seed_file("f.key", &SigningKey::from_seed([40; 32]));
    let (foreign, origin) = ("0000000000000000000000000F", "other.example/log");
    let terms = format!("--peer {foreign} --origin {origin} --scope invoice:read --expires-at {END_MS}");
    let sign = format!("delegate sign-agreement --tenant {} {terms} --key {foreign_key}", desk.tenant);
    let signature = maip(sign.split_whitespace()).exits(0).stdout;
    let agree =
        format!("delegate agree {terms} --peer-key {foreign_key} --peer-signature={}", signature.trim());
    let agreed = desk.by_tenant(&format!("{agree} --json")).exits(0).json();

    let (agent, key) = &desk.agents[0];
    let kid = agent_key().kid();
    let offer = format!(
        "delegate offer --tenant {foreign} --tenant-key {foreign_key} --to {agent} --to-kid={kid} --to-tenant {} \
         --to-origin ledger.example/test --scope invoice:read --expires-at {END_MS} --agreement {} \
         --id 0000000000000000000000000G --dry-run",
        desk.tenant,
        text(&agreed, "agreement")
    );
    let path = desk.cluster.path("offer.json");
    fs::write(&path, desk.run(&offer).exits(0).stdout).unwrap();
    let accept = format!(
        "delegate accept 0000000000000000000000000G --tenant {} --agent {agent} --key {key} --foreign {path} \
         --foreign-origin {origin}",
        desk.tenant
    );
    desk.run(&accept).exits(2).says("--agreement");
    desk.run(&format!("{accept} --agreement {}", text(&agreed, "agreement"))).exits(0).says("is accepted");
    desk.ask(0, "0000000000000000000000000G").exits(0);
}
