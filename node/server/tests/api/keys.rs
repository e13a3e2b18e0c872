//! API keys: who may rotate and end them, what an ended one still is, and long lists of them.

use serde_json::{Value, json};

use crate::client::{Api, Caller};

/// A new key of the caller's tenant: its id and its secret.
fn key(caller: &Caller<'_>, body: &Value) -> (String, String) {
    let made = caller.post("/v1/api-keys", body).ok(201);
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

fn act(caller: &Caller<'_>, id: &str, verb: &str) -> crate::client::Reply {
    caller.post(&format!("/v1/api-keys/{id}/{verb}"), &json!({}))
}

#[test]
fn a_key_is_rotated_by_who_may_have_it() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let (live_id, live) = key(&acme.live, &json!({"name": "live"}));
    let (_, narrow) =
        key(&acme.live, &json!({"name": "narrow", "scopes": ["api-keys:write", "api-keys:read"]}));
    let (test_id, test) = key(&acme.live, &json!({"name": "test", "environment": "sandbox"}));

    // The sandbox reaches nothing of production.
    for verb in ["rotate", "revoke"] {
        act(&api.caller(&test), &live_id, verb).refused(403, "FORBIDDEN", "key_id");
    }
    let delete = api.caller(&test).call("DELETE", &format!("/v1/api-keys/{live_id}"), None);
    delete.refused(403, "FORBIDDEN", "key_id");
    // Nobody gets more than the credential that asks has.
    for id in [&live_id, &test_id] {
        act(&api.caller(&narrow), id, "rotate").refused(403, "FORBIDDEN", "key_id");
    }
    api.caller(&live).get("/v1/agents").ok(200);
    api.caller(&test).get("/v1/agents").ok(200);

    // A key rotates itself, and whoever may end keys ends wider ones, too.
    let rotated = act(&api.caller(&test), &test_id, "rotate").ok(201);
    assert_eq!((&rotated["environment"], &rotated["scopes"]), (&json!("sandbox"), &json!(["*:*"])));
    act(&api.caller(&narrow), &live_id, "revoke").ok(200);
    api.caller(&live).get("/v1/agents").refused(401, "UNAUTHORIZED", "authorization");
}

#[test]
fn a_key_that_has_ended_stays_ended() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let (id, _) = key(&acme.live, &json!({"name": "CI"}));
    let once = acme.live.with("idempotency-key", "rotation-1");
    let first = act(&once, &id, "rotate");
    let again = act(&once, &id, "rotate");
    assert_eq!(first.ok(201), again.ok(201));
    let (revoked, _) = key(&acme.live, &json!({"name": "revoked"}));
    let end = act(&acme.live, &revoked, "revoke").ok(200);
    for (at, ended) in [id, revoked.clone()].iter().enumerate() {
        act(&acme.live, ended, "rotate").refused(409, "KEY_ENDED", "key_id");
        let fresh = acme.live.with("idempotency-key", &format!("fresh-{at}"));
        act(&fresh, ended, "rotate").refused(409, "KEY_ENDED", "key_id");
    }
    assert_eq!(act(&acme.live, &revoked, "revoke").ok(200), end, "its end was moved");
}

#[test]
fn of_all_who_rotate_a_key_at_once_one_does() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let (id, _) = key(&acme.live, &json!({"name": "CI"}));
    let made: Vec<Value> = std::thread::scope(|threads| {
        let calls: Vec<_> = (0..8).map(|_| threads.spawn(|| act(&acme.live, &id, "rotate"))).collect();
        let replies = calls.into_iter().map(|call| call.join().unwrap());
        replies
            .filter_map(|reply| match reply.status {
                409 => None,
                _ => Some(reply.ok(201)),
            })
            .collect()
    });
    assert_eq!(made.len(), 1);
    let keys = acme.live.get("/v1/api-keys?limit=200").ok(200);
    let active: Vec<&Value> = keys["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["name"] == "CI" && key["status"] == "active")
        .map(|key| &key["id"])
        .collect();
    assert_eq!(active, [&made[0]["id"]], "a key is active whose secret nobody has");
}

#[test]
fn keys_that_have_ended_do_not_count_and_a_list_has_them_all() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    // The operator's calls are not counted by the minute.
    let operator = api.admin().with("x-tenant-id", &acme.id);
    for at in 0..201 {
        let (id, _) = key(&operator, &json!({"name": format!("key {at}")}));
        act(&operator, &id, "revoke").ok(200);
    }
    key(&operator, &json!({"name": "one more"}));

    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = operator.get(&format!("/v1/api-keys?limit=60{cursor}")).ok(200);
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        assert_eq!(page["total"], 204, "the two first keys, and those above");
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 204);
}
