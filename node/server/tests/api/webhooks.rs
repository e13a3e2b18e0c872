//! Webhooks, against a real server.

use serde_json::{Value, json};

use crate::{
    client::{Api, Caller},
    target::{Target, wait},
};

fn webhook(caller: &Caller<'_>, target: &Target, more: Value) -> Value {
    let mut body = json!({"url": target.url(), "event_types": ["agent.*"]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    caller.post("/v1/webhooks", &body).ok(201)
}

fn path(hook: &Value, rest: &str) -> String {
    format!("/v1/webhooks/{}{rest}", hook["webhook_id"].as_str().unwrap())
}

fn agent(caller: &Caller<'_>, name: &str) -> String {
    let made = caller.post("/v1/agents", &json!({"display_name": name})).ok(201);
    made["agent_id"].as_str().unwrap().to_owned()
}

fn items(reply: &Value) -> &Vec<Value> {
    reply["items"].as_array().unwrap()
}

#[test]
fn events_arrive_signed_and_in_order() {
    let (api, target) = (Api::start(), Target::start());
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    agent(&acme.live, "before");
    let hook = webhook(&acme.live, &target, json!({"description": "ours"}));
    let secret = hook["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 49, "{secret}");
    assert_eq!(
        (&hook["status"], &hook["version"], &hook["max_attempts"]),
        (&json!("active"), &json!(1), &json!(8))
    );
    let read = acme.live.get(&path(&hook, "")).ok(200);
    assert!(read.get("secret").is_none(), "a secret is shown twice");

    // A ping says whether the target takes events.
    let pinged = acme.live.post(&path(&hook, "/test"), &json!({})).ok(200);
    assert_eq!((&pinged["delivered"], &pinged["response_status"]), (&json!(true), &json!(200)));
    let ping = &target.wait(1)[0];
    assert_eq!((ping.word(), ping.signed_with(&secret)), ("webhook.ping", 1));

    agent(&other.live, "theirs");
    let ids: Vec<String> = (0..5).map(|n| agent(&acme.live, &format!("bot {n}"))).collect();
    acme.live.post(&format!("/v1/agents/{}/kill", ids[0]), &json!({})).ok(200);
    let got = &target.wait(7)[1..];
    let agents: Vec<&str> = got.iter().map(|one| one.body["agent_id"].as_str().unwrap()).collect();
    assert_eq!(agents[..5], ids.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((got[5].word(), agents[5]), ("killswitch.activated", ids[0].as_str()));
    for one in got {
        assert_eq!(one.signed_with(&secret), 1, "{one:?}");
        assert_eq!(one.header("x-maip-delivery"), one.body["delivery_id"].as_str().unwrap());
        assert_eq!((one.header("x-maip-event"), one.header("x-maip-attempt")), (one.word(), "1"));
        assert_eq!(one.body["webhook_id"], hook["webhook_id"]);
    }
    // The same events as the list has.
    let list = acme.live.get("/v1/observability/events?event_type=agent.*").ok(200);
    let listed: Vec<&Value> = items(&list).iter().rev().skip(1).map(|event| &event["event_id"]).collect();
    assert_eq!(got.iter().map(|one| &one.body["event_id"]).collect::<Vec<_>>(), listed);
    let sent = wait("the deliveries to be written down", || {
        let sent = acme.live.get(&path(&hook, "/deliveries?status=delivered")).ok(200);
        (sent["total"] == 6).then_some(sent)
    });
    assert_eq!(items(&sent)[0]["attempts"], 1);
    let second = acme.live.get(&path(&hook, "/deliveries?limit=2&offset=4")).ok(200);
    assert_eq!(
        (items(&second).len(), &second["total"], &second["next_cursor"]),
        (2, &json!(6), &Value::Null)
    );
}

#[test]
fn what_is_refused_is_tried_again_and_then_a_dead_letter() {
    let (api, target) = (Api::start(), Target::start());
    let acme = api.tenant("Acme", "business");
    let hook = webhook(&acme.live, &target, json!({"max_attempts": 3}));
    // Twice refused, then taken; what comes behind waits for it.
    target.answers(&[500, 503]);
    let (first, second) = (agent(&acme.live, "first"), agent(&acme.live, "second"));
    let got = target.wait(4);
    let agents: Vec<&str> = got.iter().map(|one| one.body["agent_id"].as_str().unwrap()).collect();
    assert_eq!(agents, [&first, &first, &first, &second]);
    let attempts: Vec<&str> = got.iter().map(|one| one.header("x-maip-attempt")).collect();
    assert_eq!(attempts, ["1", "2", "3", "1"]);
    assert!(got[..3].iter().all(|one| one.header("x-maip-delivery") == got[0].header("x-maip-delivery")));

    // Refused each time.
    target.answers(&[500, 500, 500]);
    let third = agent(&acme.live, "third");
    agent(&acme.live, "fourth");
    let got = target.wait(8);
    assert_eq!(got[7].header("x-maip-attempt"), "1", "an event behind a dead letter");
    let dead = wait("a dead letter", || {
        let dead = acme.live.get(&path(&hook, "/dead-letters")).ok(200);
        (dead["total"] == 1).then_some(dead)
    });
    let letter = &items(&dead)[0];
    assert_eq!((&letter["attempts"], &letter["response_status"]), (&json!(3), &json!(500)));
    assert!(letter["error"].as_str().unwrap().contains("500"), "{letter}");
    let id = letter["delivery_id"].as_str().unwrap();
    let again = acme.live.post(&path(&hook, &format!("/deliveries/{id}/replay")), &json!({})).ok(202);
    assert_eq!((&again["status"], &again["replayed"]), (&json!("pending"), &json!(true)));
    let got = target.wait(9);
    assert_eq!((got[8].header("x-maip-delivery"), &got[8].body["agent_id"]), (id, &json!(third)));
    wait("the dead letter to be delivered", || {
        let dead = acme.live.get(&path(&hook, "/dead-letters")).ok(200);
        (dead["total"] == 0).then_some(())
    });
    // The event behind the dead letter was delivered at the same time.
    let view = wait("the last delivery to be counted", || {
        let view = acme.live.get(&path(&hook, "")).ok(200);
        (view["delivered"] == 4).then_some(view)
    });
    assert_eq!(view["dead_letters"], 1);
    let unknown = path(&hook, "/deliveries/whd_x_evt_00000000_1/replay");
    acme.live.post(&unknown, &json!({})).refused(404, "NOT_FOUND", "delivery_id");
}

#[test]
fn what_is_asked_for_again_meanwhile_is_not_lost() {
    let (api, target) = (Api::start(), Target::start());
    let acme = api.tenant("Acme", "business");
    let hook = webhook(&acme.live, &target, json!({"max_attempts": 1}));
    target.answers(&[500, 500]);
    agent(&acme.live, "bot");
    let dead = wait("a dead letter", || {
        let dead = acme.live.get(&path(&hook, "/dead-letters")).ok(200);
        (dead["total"] == 1).then_some(dead)
    });
    let id = items(&dead)[0]["delivery_id"].as_str().unwrap();
    let replay = || acme.live.post(&path(&hook, &format!("/deliveries/{id}/replay")), &json!({})).ok(202);
    target.hold(true);
    replay();
    target.wait(2);
    // The attempt that is under way fails; the owner has mended the target and asks once more.
    replay();
    target.hold(false);
    assert_eq!(target.wait(3)[2].header("x-maip-delivery"), id);
    wait("the delivery", || {
        let dead = acme.live.get(&path(&hook, "/dead-letters")).ok(200);
        (dead["total"] == 0).then_some(())
    });
    let queued = || acme.live.get(&path(&hook, "/deliveries?status=pending")).ok(200)["total"] == 0;
    wait("the queue to be empty", || queued().then_some(()));
}

#[test]
fn a_webhook_is_changed_paused_and_its_secret_replaced() {
    let (api, target) = (Api::start(), Target::start());
    let acme = api.tenant("Acme", "business");
    let hook = webhook(&acme.live, &target, json!({}));
    let change =
        |caller: &Caller<'_>, body: Value| caller.call("PATCH", &path(&hook, ""), Some(body.to_string()));
    // Deliveries are under way before anything changes.
    agent(&acme.live, "before");
    wait("the delivery to be written down", || {
        (acme.live.get(&path(&hook, "")).ok(200)["delivered"] == 1).then_some(())
    });
    let read = acme.live.get(&path(&hook, ""));
    let version = read.header("etag").unwrap().to_owned();
    let paused = change(&acme.live.with("if-match", &version), json!({"status": "paused"})).ok(200);
    assert_eq!((&paused["status"], &paused["version"]), (&json!("paused"), &json!(2)));
    let stale = change(&acme.live.with("if-match", &version), json!({"status": "active"}));
    stale.refused(412, "PRECONDITION_FAILED", "If-Match");
    // What happens meanwhile waits.
    let id = agent(&acme.live, "meanwhile");
    let old = hook["secret"].as_str().unwrap();
    let rotated = acme.live.post(&path(&hook, "/rotate-secret"), &json!({})).ok(200);
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(old, new);
    change(&acme.live, json!({"status": "active", "event_types": ["agent.registered"]})).ok(200);
    let got = target.wait(2);
    assert_eq!(got[1].body["agent_id"], json!(id));
    assert_eq!((got[1].signed_with(new), got[1].signed_with(old)), (1, 1), "a day of both secrets");
    // Only what is wanted now.
    acme.live.post(&format!("/v1/agents/{id}/suspend"), &json!({})).ok(200);
    agent(&acme.live, "after");
    assert_eq!(target.wait(3)[2].word(), "agent.registered");

    acme.live.call("DELETE", &path(&hook, ""), None).ok(200);
    acme.live.get(&path(&hook, "")).refused(404, "NOT_FOUND", "webhook_id");
    assert_eq!(acme.live.get("/v1/webhooks").ok(200)["total"], 0);
}

#[test]
fn the_platforms_paths_lead_to_the_same_webhooks() {
    let (api, target) = (Api::start(), Target::start());
    let acme = api.tenant("Acme", "developer");
    let body = json!({"name": "CI", "url": target.url(), "event_filters": ["agent.*"]});
    let made = acme.live.post("/v1/webhooks/endpoints", &body);
    assert_eq!(made.header("deprecation"), Some("true"));
    let made = made.ok(201);
    assert_eq!((&made["description"], &made["event_types"]), (&json!("CI"), &json!(["agent.*"])), "{made}");
    assert_eq!(acme.live.get("/v1/webhooks/endpoints").ok(200), acme.live.get("/v1/webhooks").ok(200));
    let id = made["id"].as_str().unwrap();
    let rotated = acme.live.post(&format!("/v1/webhooks/endpoints/{id}/rotate"), &json!({})).ok(200);
    assert_ne!(rotated["secret"], made["secret"]);
    assert_eq!(rotated["id"], made["id"]);
}

#[test]
fn what_a_webhook_may_be_and_whose_it_is() {
    let (api, target) = (Api::start(), Target::start());
    let acme = api.tenant("Acme", "developer");
    let other = api.tenant("Other", "developer");
    let hook = webhook(&acme.live, &target, json!({}));
    for (body, field) in [
        (json!({}), "url"),
        (json!({"url": "ftp://example.com/"}), "url"),
        (json!({"url": "https://user@example.com/"}), "url"),
        (json!({"url": "https:///x"}), "url"),
        (json!({"url": "https://example.com/", "event_types": ["Agent"]}), "event_types[0]"),
        (json!({"url": "https://example.com/", "event_types": []}), "event_types"),
        (json!({"url": "https://example.com/", "max_attempts": 17}), "max_attempts"),
        (json!({"url": "https://example.com/", "colour": 1}), "colour"),
    ] {
        acme.live.post("/v1/webhooks", &body).refused(422, "INVALID_INPUT", field);
    }
    let delivery = format!("/deliveries/whd_{}_evt_00000000_1/replay", "0".repeat(26));
    for (method, rest) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate-secret"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("GET", "/dead-letters"),
        ("POST", delivery.as_str()),
    ] {
        let body = || (method == "PATCH").then(|| "{}".to_owned());
        let theirs = other.live.call(method, &path(&hook, rest), body());
        theirs.refused(404, "NOT_FOUND", "webhook_id");
        let malformed = acme.live.call(method, &format!("/v1/webhooks/nonsense{rest}"), body());
        malformed.refused(400, "MALFORMED", "webhook_id");
    }
    assert_eq!(other.live.get("/v1/webhooks").ok(200)["total"], 0);
    acme.live.get(&path(&hook, "/deliveries?status=lost")).refused(400, "MALFORMED", "status");
    // Every spelling of the id.
    acme.live.get(&format!("/v1/webhooks/{}", hook["id"].as_str().unwrap())).ok(200);

    // The plan bounds them.
    for _ in 0..2 {
        webhook(&acme.live, &target, json!({}));
    }
    let over = acme.live.post("/v1/webhooks", &json!({"url": target.url()}));
    over.refused(402, "QUOTA_EXCEEDED", "");
    assert_eq!(over.body["details"]["metric"], "webhook_endpoints");
    // A repetition is the same webhook.
    let keyed = other.live.with("idempotency-key", "hook-1");
    let body = json!({"url": target.url()});
    assert_eq!(keyed.post("/v1/webhooks", &body).ok(201), keyed.post("/v1/webhooks", &body).ok(201));
    assert_eq!(other.live.get("/v1/webhooks").ok(200)["total"], 1);
}

#[test]
fn a_node_does_not_look_around_for_a_tenant() {
    let api = Api::start_guarded();
    let acme = api.tenant("Acme", "business");
    for url in ["http://127.0.0.1:9/", "http://[::1]/", "http://169.254.169.254/latest", "http://10.0.0.1/"] {
        acme.live.post("/v1/webhooks", &json!({"url": url})).refused(422, "INVALID_INPUT", "url");
    }
    // A name that leads there is found out when it is called: a dead letter at once.
    let hook =
        acme.live.post("/v1/webhooks", &json!({"url": "http://localhost:9/", "event_types": ["agent.*"]}));
    let hook = hook.ok(201);
    agent(&acme.live, "bot");
    let dead = wait("a dead letter", || {
        let dead = acme.live.get(&path(&hook, "/dead-letters")).ok(200);
        (dead["total"] == 1).then_some(dead)
    });
    assert_eq!(
        (&items(&dead)[0]["attempts"], &items(&dead)[0]["response_status"]),
        (&json!(1), &Value::Null)
    );
    let pinged = acme.live.post(&path(&hook, "/test"), &json!({})).ok(200);
    assert_eq!(pinged["delivered"], false);
}

#[test]
fn a_meter_that_fills_up_is_told_once() {
    let (api, target) = (Api::start(), Target::start());
    let small = api.tenant("Small", "developer");
    webhook(&small.live, &target, json!({"event_types": ["billing.usage.threshold"]}));
    agent(&small.live, "one");
    agent(&small.live, "two");
    let got = target.wait(2);
    let mut shares: Vec<u64> =
        got.iter().map(|one| one.body["payload"]["percent"].as_u64().unwrap()).collect();
    shares.sort_unstable();
    assert_eq!(shares, [80, 100]);
    let payload = &got[0].body["payload"];
    assert_eq!(
        (&payload["metric"], &payload["limit"], &payload["used"]),
        (&json!("maip.agents"), &json!(2), &json!(2))
    );
    // Another webhook of the same words is not told of what was told before, nor is this one again.
    let second = Target::start();
    webhook(&small.live, &second, json!({"event_types": ["billing.*", "agent.*"]}));
    small.live.post("/v1/agents", &json!({"display_name": "x"})).refused(402, "QUOTA_EXCEEDED", "");
    let id = items(&small.live.get("/v1/agents").ok(200))[0]["agent_id"].as_str().unwrap().to_owned();
    small.live.post(&format!("/v1/agents/{id}/suspend"), &json!({})).ok(200);
    assert_eq!(second.wait(1)[0].word(), "agent.suspended");
    assert_eq!(target.got().len(), 2);
}
