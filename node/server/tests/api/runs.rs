//! Runs of workflows: many steps and many runs at once, and calls that are made again.

use std::{
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    client::{Api, Caller},
    orchestrations::{agent, named, published, run_in, step, text, until, work},
    target::{Got, read},
};

/// How long calls that wait for each other wait: a bound for a node that does not make them together.
const TOGETHER: Duration = Duration::from_secs(10);

/// A server that answers its calls when so many of them wait, or when some wait for too long.
struct Gate {
    url: String,
    address: std::net::SocketAddr,
    got: Arc<(Mutex<Vec<Got>>, Condvar)>,
    ends: Arc<AtomicBool>,
}

impl Gate {
    fn start(opens_at: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (got, ends) = (Arc::<(Mutex<Vec<Got>>, Condvar)>::default(), Arc::<AtomicBool>::default());
        let gate = Self {
            url: format!("http://{address}/hook"),
            address,
            got: Arc::clone(&got),
            ends: Arc::clone(&ends),
        };
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let got = Arc::clone(&got);
                thread::spawn(move || answer(&socket, &got, opens_at));
            }
        });
        gate
    }

    fn got(&self) -> Vec<Got> {
        self.got.0.lock().unwrap().clone()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(mut socket: &TcpStream, got: &(Mutex<Vec<Got>>, Condvar), opens_at: usize) {
    let Some(one) = read(socket) else { return };
    let (calls, more) = got;
    calls.lock().unwrap().push(one);
    more.notify_all();
    let waits = |calls: &mut Vec<Got>| calls.len() < opens_at;
    drop(more.wait_timeout_while(calls.lock().unwrap(), TOGETHER, waits).unwrap());
    let answer = "HTTP/1.1 200 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    let _ = std::io::Write::write_all(&mut socket, answer.as_bytes());
}

/// A server that takes calls and never answers them.
struct Hole {
    url: String,
    calls: Arc<Mutex<Vec<TcpStream>>>,
}

impl Hole {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let calls = Arc::<Mutex<Vec<TcpStream>>>::default();
        let taken = Arc::clone(&calls);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                taken.lock().unwrap().push(socket);
            }
        });
        Self { url, calls }
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

fn start(caller: &Caller<'_>, workflow: &str, agent: &str) -> String {
    let body = json!({"workflow_id": workflow, "agent_id": agent});
    let started = caller.post("/v1/orchestrations", &body).ok(201);
    text(&started, "orchestration_id").to_owned()
}

/// Steps that wait for nothing.
fn many(count: usize, kind: &str, config: &Value) -> Value {
    let step = |n| json!({"name": format!("s{n}"), "type": kind, "config": config});
    Value::Array((0..count).map(step).collect())
}

/// How many steps stand so.
fn standing(run: &Value, status: &str) -> usize {
    run["steps"].as_array().unwrap().iter().filter(|step| step["status"] == status).count()
}

#[test]
fn a_run_with_many_open_steps_can_be_stopped() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "bot", &["orchestrations:execute"]);
    let workflow = published(live, &many(70, "tool_call", &json!({})));
    let id = start(live, &workflow, &bot);
    let path = format!("/v1/orchestrations/{id}");
    until("seventy steps for the agent", || {
        let run = live.get(&path).ok(200);
        if standing(&run, "ready") == 70 { Ok(()) } else { Err(run.to_string()) }
    });
    let cancelled = live.post(&format!("{path}/cancel"), &json!({"reason": "too many"})).ok(200);
    assert_eq!((text(&cancelled, "status"), standing(&cancelled, "cancelled")), ("cancelled", 70));
    assert_eq!(live.get(&format!("/v1/agents/{bot}/work")).ok(200)["items"], json!([]));
}

#[test]
fn steps_that_end_together_are_done_once() {
    const STEPS: usize = 40;
    let (api, gate) = (Api::start(), Gate::start(STEPS));
    let acme = api.tenant("Acme", "business");
    let bot = agent(&acme.live, "bot", &["orchestrations:execute"]);
    let workflow = published(&acme.live, &many(STEPS, "webhook", &json!({"url": gate.url})));
    let id = start(&acme.live, &workflow, &bot);
    let run = run_in(&acme.live, &id, "completed");
    assert_eq!(standing(&run, "succeeded"), STEPS);
    assert_eq!(gate.got().len(), STEPS, "each step is one call");
}

#[test]
fn a_tenant_whose_targets_never_answer_holds_up_no_other() {
    let (api, hole) = (Api::start(), Hole::start());
    let (slow, other) = (api.tenant("Slow", "business"), api.tenant("Other", "business"));
    let bot = agent(&slow.live, "bot", &["orchestrations:execute"]);
    let calls = published(&slow.live, &many(1, "webhook", &json!({"url": hole.url})));
    let runs: Vec<String> = (0..70).map(|_| start(&slow.live, &calls, &bot)).collect();
    until("calls that are not answered", || if hole.calls() >= 8 { Ok(()) } else { Err(String::new()) });

    let clerk = agent(&other.live, "clerk", &["orchestrations:execute"]);
    let sums = published(&other.live, &many(1, "transform", &json!({"expression": "1 + 1"})));
    let id = start(&other.live, &sums, &clerk);
    run_in(&other.live, &id, "completed");
    let first = slow.live.get(&format!("/v1/orchestrations/{}", runs[0])).ok(200);
    assert_eq!(
        (text(named(&first, "s0"), "status"), &named(&first, "s0")["attempt"]),
        ("ready", &json!(1)),
        "its turn has not ended yet"
    );
}

/// An input with which a run's view is longer than an answer that is kept under an idempotency key: a repetition of the call is worked
/// out again, as it is when the first answer was lost with its node.
fn long_input() -> Value {
    json!({"text": "x".repeat(40_000)})
}

/// A run of one step of an agent, with a long view.
fn long_run(live: &Caller<'_>, bot: &str, retry: &Value) -> String {
    let steps = json!([{"name": "do", "type": "tool_call", "config": {}, "retry": retry}]);
    let workflow = published(live, &steps);
    let body = json!({"workflow_id": workflow, "agent_id": bot, "input": long_input()});
    let started = live.post("/v1/orchestrations", &body).ok(201);
    text(&started, "orchestration_id").to_owned()
}

#[test]
fn a_run_that_is_cancelled_again_under_the_same_key_answers_alike() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "bot", &["orchestrations:execute"]);
    let id = long_run(live, &bot, &json!({"max_attempts": 1}));
    let path = format!("/v1/orchestrations/{id}/cancel");
    let (once, body) = (live.with("idempotency-key", "cancel-1"), json!({"reason": "entered twice"}));
    let one = once.post(&path, &body);
    let two = once.post(&path, &body);
    assert_eq!(one.header("x-log-index"), two.header("x-log-index"));
    let (one, two) = (one.ok(200), two.ok(200));
    assert_eq!((text(&one, "status"), text(&two, "status")), ("cancelled", "cancelled"));
    assert!(one["log_index"].is_u64() && one["log_index"] == two["log_index"], "{one} {two}");
    live.post(&path, &body).refused(409, "RUN_OVER", "orchestration_id");
}

#[test]
fn a_step_that_is_given_up_again_under_the_same_key_answers_alike() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let bot = agent(live, "bot", &["orchestrations:execute"]);
    for (key, retry) in [
        ("fail-1", json!({"max_attempts": 1})),
        ("fail-2", json!({"max_attempts": 2, "backoff_ms": 3_600_000})),
    ] {
        long_run(live, &bot, &retry);
        let item = work(live, &bot);
        step(live, &item, "claim", json!({})).ok(200);
        let once = live.with("idempotency-key", key);
        let error = json!({"error": {"code": "NO_MODEL", "message": "the model is not there"}});
        let one = step(&once, &item, "fail", error.clone()).ok(200);
        let two = step(&once, &item, "fail", error).ok(200);
        assert_eq!((&one["status"], &one["steps"]), (&two["status"], &two["steps"]));
        let other = json!({"error": {"code": "NO_BANK"}});
        assert_eq!(step(live, &item, "fail", other).status, 409);
    }
}
