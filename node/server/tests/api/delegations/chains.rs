//! Grants handed on, and the chain files that prove them.

use ledger_format::{Chain, ChainMoment, ChainQuestion, Policy, record::Scope, verify_chain};
use serde_json::{Value, json};

use super::{act, agent, hand_on, offer, text};
use crate::{
    client::{Api, ms_of},
    federation::agree,
};

#[test]
fn a_chain_is_as_long_as_the_agents_sign_it() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let (top, middle, leaf) = (agent(&acme, &["invoices:*"]), agent(&acme, &[]), agent(&acme, &[]));
    let mut body = offer(&top, &middle, &["invoices:*"]);
    body["max_depth"] = json!(2);
    let root = live.post("/v1/delegations/offer", &body).ok(201);
    let (grant, _) = hand_on(&acme, &middle, &root, &leaf, |_| {});
    let made = live.get(&format!("/v1/delegations/{grant}")).ok(200);
    assert_eq!(
        (&made["depth"], &made["holds"], &made["signed_by"]),
        (&json!(1), &json!(true), &json!("agent"))
    );
    assert_eq!(made["parent_delegation_id"], root["delegation_id"]);
    let tree = live.get(&format!("/v1/agents/{}/delegation-tree", leaf.id)).ok(200);
    assert_eq!(
        (&tree["chain_depth"], &tree["effective_scopes"]),
        (&json!(2), &json!(["invoices:read"])),
        "{tree}"
    );
    assert_eq!(tree["chain"][0]["delegation_id"], root["delegation_id"]);
    let check = |question: Value| live.post("/v1/delegations/check", &question).ok(200);
    let yes = check(json!({"delegation_id": grant, "action": "invoices:read", "agent_id": leaf.id}));
    assert_eq!(
        (&yes["valid"], &yes["reason"], &yes["judged_by"]),
        (&json!(true), &json!("holds"), &json!("state"))
    );
    let effects: Vec<&str> =
        yes["determining_rules"].as_array().unwrap().iter().map(|rule| text(rule, "effect")).collect();
    assert_eq!(effects, ["allows", "allows"], "{yes}");
    let no = check(json!({"delegation_id": grant, "action": "invoices:pay"}));
    assert_eq!(
        (&no["valid"], &no["reason"], &no["verdict"]),
        (&json!(false), &json!("out_of_scope"), &json!("SCOPE_VIOLATION"))
    );
    assert_eq!(no["determining_rules"][1]["effect"], "does_not_cover", "{no}");
    let other = check(json!({"delegation_id": grant, "agent_id": top.id}));
    assert_eq!((&other["valid"], &other["reason"]), (&json!(false), &json!("not_its_grantor")), "{other}");
    assert_eq!(act(live, &leaf, "invoices:read", &grant)["flags"], json!([]));

    // What the middle may not hand on, it does not: the log flags it, and it grants nothing.
    let (void, _) = hand_on(&acme, &middle, &root, &leaf, |offer| {
        offer.scopes = vec![Scope::parse("orders:read").unwrap()]
    });
    let void = live.get(&format!("/v1/delegations/{void}")).ok(200);
    assert_eq!(
        (&void["status"], &void["holds"], &void["fault"]),
        (&json!("void"), &json!(false), &json!("not_live"))
    );

    // Who takes back the root takes back all below it.
    live.post(
        &format!("/v1/delegations/{}/revoke", text(&root, "delegation_id")),
        &json!({"reason": "over"}),
    )
    .ok(200);
    let after = live.get(&format!("/v1/delegations/{grant}")).ok(200);
    assert_eq!((&after["status"], &after["holds"]), (&json!("offered"), &json!(false)), "{after}");
    let status = live.get(&format!("/v1/revocation/status/{grant}")).ok(200);
    assert_eq!(
        (&status["revoked"], &status["revoked_delegation_id"]),
        (&json!(true), &root["delegation_id"])
    );
    let tree = live.get(&format!("/v1/agents/{}/delegation-tree?delegation_id={grant}", leaf.id)).ok(200);
    assert_eq!(
        (&tree["valid"], &tree["verdict"], &tree["reason"]),
        (&json!(false), &json!("REVOKED"), &json!("not_live"))
    );
    assert_eq!(check(json!({"delegation_id": grant}))["effective_scopes"], json!([]));
}

#[test]
fn a_chain_file_is_judged_without_the_node() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let live = &acme.live;
    let (top, middle, leaf) = (agent(&acme, &["invoices:*"]), agent(&acme, &[]), agent(&acme, &[]));
    let mut body = offer(&top, &middle, &["invoices:*"]);
    body["max_depth"] = json!(2);
    let root = live.post("/v1/delegations/offer", &body).ok(201);
    let (grant, _) = hand_on(&acme, &middle, &root, &leaf, |_| {});
    let receipt = act(live, &leaf, "invoices:read", &grant);
    let path = format!("/v1/receipts/{}/chain", text(&receipt, "receipt_id"));
    let file = live.get(&path);
    assert_eq!(
        (file.status, file.header("content-type")),
        (200, Some("text/plain; charset=utf-8")),
        "{}",
        file.text
    );

    // As `maip verify` judges it: by the file and a policy.
    let policy = Policy::parse(&live.get("/v1/log/policy").text).unwrap();
    let chain = Chain::parse(file.text.as_bytes()).unwrap();
    let question = ChainQuestion {
        now_s: ms_of(text(&receipt, "created_at")) / 1_000,
        max_age_s: None,
        tenant_roots: &[],
        moment: ChainMoment::Now,
    };
    let verdict = verify_chain(&chain, &policy, &question).unwrap();
    assert_eq!((verdict.links.len(), verdict.receipt.action.as_str()), (2, "invoices:read"));
    assert!(!verdict.operator_vouches.is_empty(), "the operator signed the root");

    // The node says the same of the file, and why a changed one does not hold.
    let check = |body: Value| live.post("/v1/delegations/check", &body).ok(200);
    let good = check(json!({"chain": file.text, "action": "invoices:read"}));
    assert_eq!(
        (&good["valid"], &good["reason"], &good["judged_by"]),
        (&json!(true), &json!("holds"), &json!("chain_file"))
    );
    assert_eq!(
        (&good["delegation_id"], good["chain"].as_array().unwrap().len()),
        (&json!(grant), 2),
        "{good}"
    );
    assert!(good["as_of_size"].as_u64() > receipt["log_index"].as_u64(), "{good}");
    let other_action = check(json!({"chain": file.text, "action": "invoices:pay"}));
    assert_eq!((&other_action["valid"], &other_action["reason"]), (&json!(false), &json!("other_receipt")));
    let mut gap = chain.clone();
    gap.offers.remove(0);
    let gap = check(json!({"chain": gap.to_string()}));
    assert_eq!(
        (&gap["valid"], &gap["reason"], &gap["verdict"]),
        (&json!(false), &json!("gap"), &json!("CHAIN_BROKEN"))
    );
    let root_of = |key: &str| json!({"chain": file.text, "tenant_roots": [{"origin": verdict.receipt.origin, "tenant_id": acme.id, "key_id": key}]});
    let unpinned = check(root_of(&"0a".repeat(16)));
    assert_eq!(
        (&unpinned["reason"], &unpinned["verdict"]),
        (&json!("root_not_pinned"), &json!("UNTRUSTED_ROOT"))
    );

    // After the revocation the authority no longer stands, but it stood.
    live.post(&format!("/v1/delegations/{}/revoke", text(&root, "delegation_id")), &json!({})).ok(200);
    let later = live.get(&path);
    let now = check(json!({"chain": later.text}));
    assert_eq!((&now["valid"], &now["reason"]), (&json!(false), &json!("not_live")), "{now}");
    let then = check(json!({"chain": later.text, "moment": "receipt"}));
    assert_eq!((&then["valid"], &then["reason"]), (&json!(true), &json!("held")), "{then}");
    assert_eq!(then["ended"][0]["subject"], root["delegation_id"], "{then}");

    // No chain where nobody granted anything, and none for strangers.
    let own = json!({"agent_id": top.id, "action": "invoices:read"});
    let own = live.post("/v1/agent-receipts", &own).ok(201);
    live.get(&format!("/v1/receipts/{}/chain", text(&own, "receipt_id"))).refused(
        409,
        "NO_CHAIN",
        "receipt_id",
    );
    other.live.get(&path).refused(404, "NOT_FOUND", "receipt_id");
    live.get("/v1/receipts/nobody/chain").refused(400, "MALFORMED", "receipt_id");
}

#[test]
fn a_chain_file_across_tenants_holds_both_signatures() {
    let api = Api::start();
    let (acme, harbour) = (api.tenant("Acme", "business"), api.tenant("Harbour", "business"));
    let (giver, getter) = (agent(&acme, &["crates:*"]), agent(&harbour, &[]));
    agree(&acme, &harbour, &["crates:*"]);
    let made = acme.live.post("/v1/delegations", &offer(&giver, &getter, &["crates:inspect"])).ok(201);
    let id = text(&made, "delegation_id");
    harbour.live.post(&format!("/v1/delegations/{id}/accept"), &json!({})).ok(200);
    let receipt = act(&harbour.live, &getter, "crates:inspect", id);
    let path = format!("/v1/receipts/{}/chain", text(&receipt, "receipt_id"));
    let file = harbour.live.get(&path);
    assert_eq!(file.status, 200, "{}", file.text);
    let chain = Chain::parse(file.text.as_bytes()).unwrap();
    assert_eq!((chain.offers.len(), chain.accepts.len(), chain.agreements.len()), (1, 1, 1));
    let good = acme.live.post("/v1/delegations/check", &json!({"chain": file.text})).ok(200);
    assert_eq!((&good["valid"], &good["reason"]), (&json!(true), &json!("holds")), "{good}");
    acme.live.get(&path).refused(404, "NOT_FOUND", "receipt_id");
}
