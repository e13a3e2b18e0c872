//! Events as a list, live, emitted; figures.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::{
    client::{Api, Caller},
    target::{PATIENCE, wait},
};

/// A live stream of events, read line by line.
struct Live(BufReader<TcpStream>);

/// One event as it came.
#[derive(Debug, PartialEq)]
struct Told {
    id: String,
    event: String,
    data: Value,
}

impl Live {
    fn open(api: &Api, key: &str, query: &str, last: Option<&str>) -> Self {
        Self::at(api, key, &format!("/v1/observability/events/stream{query}"), last)
    }

    fn at(api: &Api, key: &str, path: &str, last: Option<&str>) -> Self {
        wait("a place among the live streams", || Self::try_at(api, key, path, last))
    }

    /// `None` when there are too many: the node has a place again only when it has seen that the client of another stream is gone.
    fn try_at(api: &Api, key: &str, path: &str, last: Option<&str>) -> Option<Self> {
        let mut socket = TcpStream::connect(api.node.http).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nx-api-key: {key}\r\n{last}\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut live = Self(BufReader::new(socket));
        let status = live.line().unwrap();
        if status.starts_with("HTTP/1.1 429") {
            return None;
        }
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        // The stream is open when its first comment is there.
        while live.line().is_some_and(|line| !line.starts_with(": connected")) {}
        Some(live)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap_or(0);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event; `None` when the stream has ended.
    fn next(&mut self) -> Option<Told> {
        let (mut id, mut event) = (String::new(), String::new());
        loop {
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.to_owned();
            } else if let Some(text) = line.strip_prefix("event: ") {
                event = text.to_owned();
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some(Told { id, event, data: serde_json::from_str(text).unwrap() });
            }
        }
    }
}

fn agent(caller: &Caller<'_>) -> String {
    let made =
        caller.post("/v1/agents", &json!({"display_name": "Bot", "scopes": ["invoices:read"]})).ok(201);
    made["agent_id"].as_str().unwrap().to_owned()
}

fn types(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|event| event["event_type"].as_str().unwrap()).collect()
}

#[test]
fn every_record_is_one_event_of_its_tenant() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let id = agent(&acme.live);
    let theirs = agent(&other.live);
    acme.live.post(&format!("/v1/agents/{id}/suspend"), &json!({"reason": "review"})).ok(200);
    acme.live.post(&format!("/v1/agents/{id}/reactivate"), &json!({})).ok(200);
    let receipt = json!({"agent_id": id, "action": "invoices:read"});
    let receipt = acme.live.post("/v1/agent-receipts", &receipt).ok(201);
    let killed = acme.live.post(&format!("/v1/agents/{id}/kill"), &json!({})).ok(200);
    let index = killed["log_index"].as_u64().unwrap();

    let list = acme.live.get(&format!("/v1/observability/events?min_index={index}")).ok(200);
    let expected = [
        "killswitch.activated",
        "receipt.created",
        "agent.restored",
        "agent.suspended",
        "agent.registered",
        "tenant.registered",
    ];
    assert_eq!(types(&list), expected);
    assert_eq!((&list["total"], &list["next_cursor"]), (&json!(6), &Value::Null));
    for name in ["events", "data"] {
        assert_eq!(list[name], list["items"], "{name}");
    }
    let first = &list["items"][0];
    assert_eq!(first["event_types"], json!(["killswitch.activated", "agent.revoked"]));
    assert_eq!((&first["agent_id"], &first["log_index"]), (&json!(id), &json!(index)));
    assert_eq!((&first["source"], &first["environment"]), (&json!("record"), &json!("production")));
    assert_eq!(first["payload"]["cascade"], true);
    assert!(first["event_id"].as_str().unwrap().ends_with(&format!("_{index}")), "{first}");
    assert_eq!(list["items"][1]["receipt_id"], receipt["receipt_id"]);

    // Filters, by every word of an event and by agent; pages.
    let get = |query: &str| acme.live.get(&format!("/v1/observability/events?{query}"));
    assert_eq!(types(&get("event_type=agent.revoked").ok(200)), ["killswitch.activated"]);
    assert_eq!(types(&get("event_type=agent.*&limit=2").ok(200)), ["killswitch.activated", "agent.restored"]);
    assert_eq!(get("event_type=agent.*&limit=1").ok(200)["total"], 4);
    assert_eq!(types(&get(&format!("agent_id={id}&limit=1&offset=1")).ok(200)), ["receipt.created"]);
    let page = get("limit=4").ok(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(page["total"], 6);
    assert_eq!(
        types(&get(&format!("limit=4&cursor={cursor}")).ok(200)),
        ["agent.registered", "tenant.registered"]
    );
    let at = list["items"][2]["timestamp"].as_str().unwrap();
    let before = types(&get(&format!("to={at}")).ok(200)).len();
    let after = types(&get(&format!("from={at}")).ok(200)).len();
    assert_eq!(before + after, 6);

    get("event_type=Agent").refused(400, "MALFORMED", "event_type");
    get("from=2026-01-02&to=2026-01-01").refused(422, "INVALID_INPUT", "to");
    get("from=yesterday").refused(400, "MALFORMED", "from");
    get("agent_id=nobody").refused(400, "MALFORMED", "agent_id");
    get(&format!("agent_id={theirs}")).refused(404, "NOT_FOUND", "agent_id");
    assert_eq!(
        types(&other.live.get("/v1/observability/events").ok(200)),
        ["agent.registered", "tenant.registered"]
    );
}

#[test]
fn callers_emit_events_of_their_own() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let other = api.tenant("Other", "business");
    let id = agent(&acme.live);
    let body = json!({"event_type": "acme.invoice_paid", "agent_id": id, "resource_id": "invoice-1", "metadata": {"amount": 5}});
    let keyed = acme.live.with("idempotency-key", "paid-1");
    let made = keyed.post("/v1/observability/events", &body).ok(201);
    assert_eq!(keyed.post("/v1/observability/events", &body).ok(201), made, "a repetition is another event");
    assert_eq!((&made["event_type"], &made["source"]), (&json!("acme.invoice_paid"), &json!("emitted")));
    assert_eq!(
        (&made["resource_id"], &made["payload"]["metadata"]),
        (&json!("invoice-1"), &json!({"amount": 5}))
    );
    assert_eq!((&made["ack"], made["leaf_hash"].as_str().unwrap().len()), (&json!("sequenced"), 64));
    let list = acme.live.get("/v1/observability/events?event_type=acme.*").ok(200);
    assert_eq!((types(&list), &list["items"][0]["event_id"]), (vec!["acme.invoice_paid"], &made["event_id"]));
    assert_eq!(list["items"][0]["payload"], made["payload"]);

    let emit = |change: (&str, Value)| {
        let mut body = body.clone();
        body[change.0] = change.1;
        acme.live.post("/v1/observability/events", &body)
    };
    emit(("event_type", json!("killswitch.activated"))).refused(422, "INVALID_INPUT", "event_type");
    emit(("event_type", json!("No words"))).refused(422, "INVALID_INPUT", "event_type");
    emit(("agent_id", json!("x"))).refused(422, "INVALID_INPUT", "agent_id");
    emit(("agent_id", Value::Null)).refused(422, "INVALID_INPUT", "agent_id");
    emit(("colour", json!(1))).refused(422, "INVALID_INPUT", "colour");
    other.live.post("/v1/observability/events", &body).refused(404, "NOT_FOUND", "agent_id");
    let reader = json!({"name": "reader", "scopes": ["events:read"]});
    let reader = acme.live.post("/v1/api-keys", &reader).ok(201);
    let reader = api.caller(reader["secret"].as_str().unwrap());
    reader.post("/v1/observability/events", &body).refused(403, "FORBIDDEN", "authorization");
    api.nobody().get("/v1/observability/events").refused(401, "UNAUTHORIZED", "authorization");
}

#[test]
fn a_live_stream_goes_on_where_it_stopped() {
    let mut api = Api::start();
    let (key, id, last) = {
        let acme = api.tenant("Acme", "business");
        let other = api.tenant("Other", "business");
        let mut live = Live::open(&api, &acme.live.key, "", None);
        let mut only = Live::open(&api, &acme.live.key, "?event_type=agent.suspended", None);
        agent(&other.live);
        let id = agent(&acme.live);
        let first = live.next().unwrap();
        assert_eq!((first.event.as_str(), &first.data["agent_id"]), ("agent.registered", &json!(id)));
        assert_eq!(first.data["event_id"], first.id);
        drop(live);
        // What happens while nobody listens is told later, once.
        acme.live.post(&format!("/v1/agents/{id}/suspend"), &json!({})).ok(200);
        acme.live.post(&format!("/v1/agents/{id}/reactivate"), &json!({})).ok(200);
        let mut live = Live::open(&api, &acme.live.key, "", Some(&first.id));
        let (second, third) = (live.next().unwrap(), live.next().unwrap());
        assert_eq!((second.event.as_str(), third.event.as_str()), ("agent.suspended", "agent.restored"));
        assert_eq!(only.next().unwrap(), second, "the filter lets through what it should");
        let again = Live::open(&api, &acme.live.key, &format!("?last_event_id={}", second.id), None).next();
        assert_eq!(again.unwrap(), third);

        // A bounded number for each credential; a place is free again when a client has gone.
        let mut open: Vec<_> = (0..6).map(|_| Live::open(&api, &acme.live.key, "", None)).collect();
        let path = "/v1/observability/events/stream";
        acme.live.get(path).refused(429, "BUSY", "");
        open.clear();
        drop(Live::open(&api, &acme.live.key, "", None));
        acme.live.get(&format!("{path}?last_event_id=nonsense")).refused(400, "MALFORMED", "last_event_id");
        let (key, last) = (acme.live.key.clone(), third.id.clone());
        (key, id, last)
    };
    let mut live = Live::open(&api, &key, "", Some(&last));
    assert_eq!(api.node.stop(), Some(0));
    assert_eq!(live.next(), None, "the stream did not end with the node");
    // The same place after a restart, in the same words.
    api.node.start();
    let mut live = Live::open(&api, &key, "", Some(&last));
    api.caller(&key).post(&format!("/v1/agents/{id}/suspend"), &json!({})).ok(200);
    assert_eq!(live.next().unwrap().event, "agent.suspended");
}

#[test]
fn a_stream_ends_with_its_credential() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let made = acme.live.post("/v1/api-keys", &json!({"name": "listener"})).ok(201);
    let mut live = Live::open(&api, made["secret"].as_str().unwrap(), "", None);
    acme.live.post(&format!("/v1/api-keys/{}/revoke", made["id"].as_str().unwrap()), &json!({})).ok(200);
    agent(&acme.live);
    assert_eq!(live.next(), None, "a revoked key still hears");
}

#[test]
fn figures_are_counted_from_the_log() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let id = agent(&acme.live);
    agent(&acme.live);
    acme.live.post(&format!("/v1/agents/{id}/suspend"), &json!({})).ok(200);
    let get = |query: &str| acme.live.get(&format!("/v1/observability/metrics?{query}"));
    let now = acme.live.get("/v1/observability/events?limit=1").ok(200);
    let day = now["items"][0]["timestamp"].as_str().unwrap()[..10].to_owned();
    let got = get(&format!("from={day}&to=9999-01-01&granularity=week"));
    got.refused(422, "INVALID_INPUT", "granularity");
    let span = "from=2026-01-01&to=2030-01-01";
    get(span).refused(422, "INVALID_INPUT", "granularity");
    // The clock of a test machine says what year it is.
    let year: u64 = day[..4].parse().unwrap();
    let got = get(&format!("from={year}-01-01&to={}-02-01&granularity=day", year + 1)).ok(200);
    assert_eq!(
        got["event_counts"],
        json!({"agent.registered": 2, "agent.suspended": 1, "tenant.registered": 1})
    );
    assert_eq!(
        (&got["active_agents"], &got["orchestrations"], &got["error_rate"]),
        (&json!(2), &json!(0), &Value::Null)
    );
    assert_eq!(got["latencies"]["orchestration_p50"], Value::Null);
    let of_steps: u64 =
        got["time_series"].as_array().unwrap().iter().map(|step| step["events"].as_u64().unwrap()).sum();
    assert_eq!(of_steps, 4);
    let total =
        got["metrics"].as_array().unwrap().iter().find(|series| series["name"] == "events.total").unwrap();
    let of_series: u64 =
        total["values"].as_array().unwrap().iter().map(|value| value["value"].as_u64().unwrap()).sum();
    assert_eq!(of_series, 4);
    let nothing = get("from=1990-01-01&to=1990-01-02").ok(200);
    assert_eq!((&nothing["event_counts"], &nothing["time_series"]), (&json!({}), &json!([])));

    get("to=2030-01-01").refused(400, "MALFORMED", "from");
    get("from=2026-01-02&to=2026-01-02").refused(422, "INVALID_INPUT", "to");
    get("from=2026-01-01&to=2026-01-02&granularity=year").refused(400, "MALFORMED", "granularity");
}

#[test]
fn the_public_log_is_followed() {
    let mut api = Api::start();
    let (index, entry) = {
        let acme = api.tenant("Acme", "business");
        let made = acme.live.post("/v1/agents?ack=published", &json!({"display_name": "Bot"})).ok(201);
        let index = made["log_index"].as_u64().unwrap();
        let record = acme.live.get(&format!("/v1/records/{index}")).ok(200);
        (index, record["entry_base64"].clone())
    };
    let mut live = Live::at(&api, "", "/v1/log/tail?from=0", None);
    for place in 0..=index {
        let told = live.next().unwrap();
        let id = place.to_string();
        assert_eq!(
            (told.event.as_str(), told.id.as_str(), &told.data["index"]),
            ("entry", id.as_str(), &json!(place))
        );
        if place == index {
            assert_eq!(told.data["entry"], entry);
        }
    }
    // Behind the last one that a client has; a checkpoint covers what was sent.
    let mut live = Live::at(&api, "", "/v1/log/tail", Some(&index.saturating_sub(1).to_string()));
    assert_eq!(live.next().unwrap().id, index.to_string());
    let checkpoint = loop {
        let told = live.next().unwrap();
        if told.event == "checkpoint" {
            break told.data;
        }
    };
    assert!(checkpoint["size"].as_u64().unwrap() > index);
    let size = checkpoint["size"].to_string();
    assert_eq!(checkpoint["checkpoint"].as_str().unwrap().lines().nth(1), Some(size.as_str()));
    api.nobody().get("/v1/log/tail?log=other").refused(404, "NOT_FOUND", "log");
    api.nobody().get("/v1/log/tail?from=x").refused(400, "MALFORMED", "query");
    api.nobody().with("last-event-id", "x").get("/v1/log/tail").refused(400, "MALFORMED", "Last-Event-ID");
    assert_eq!(api.node.stop(), Some(0));
    while live.next().is_some() {}
}
