//! A node with the API on plain HTTP, a tenant, and calls that assert what comes back.

use std::fs;

use serde_json::{Value, json};

use crate::node::{Answer, Node, request};

/// What a test node adds to its configuration: both environments, and the API on the plain listener.
const EXTRA: &str = "[api]\nplain = true\nopen_registration = true\nprivate_targets = true\n";

/// A running node and its admin key.
pub(crate) struct Api {
    pub(crate) node: Node,
    pub(crate) admin: String,
}

/// Who calls.
#[derive(Clone)]
pub(crate) struct Caller<'a> {
    api: &'a Api,
    pub(crate) key: String,
    headers: Vec<(String, String)>,
}

/// A tenant that was registered for a test.
pub(crate) struct Tenant<'a> {
    pub(crate) id: String,
    pub(crate) live: Caller<'a>,
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Api {
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// With further lines in the configuration.
    pub(crate) fn start_with(extra: &str) -> Self {
        Self::of(Node::init(&format!("{EXTRA}{extra}")))
    }

    /// As an operator on the internet starts it: nodes reach public addresses only.
    pub(crate) fn start_guarded() -> Self {
        Self::of(Node::init(&EXTRA.replace("private_targets = true", "private_targets = false")))
    }

    /// With a production log and a sandbox.
    pub(crate) fn start_in_both_environments() -> Self {
        let logs = ["--origin", "main=maip.localhost/main", "--origin", "sandbox=maip.localhost/sandbox"];
        Self::of(Node::init_with(&logs, EXTRA))
    }

    fn of(mut node: Node) -> Self {
        node.start();
        node.wait("a sandbox that has begun", |node| {
            node.get("/sandbox/checkpoint").is_some_and(|answer| answer.status == 200)
        });
        let admin = fs::read_to_string(node.file("keys/admin.key")).unwrap().trim().to_owned();
        Self { node, admin }
    }

    pub(crate) fn admin(&self) -> Caller<'_> {
        Caller { api: self, key: self.admin.clone(), headers: Vec::new() }
    }

    pub(crate) fn nobody(&self) -> Caller<'_> {
        Caller { api: self, key: String::new(), headers: Vec::new() }
    }

    pub(crate) fn caller(&self, key: &str) -> Caller<'_> {
        Caller { api: self, key: key.to_owned(), headers: Vec::new() }
    }

    /// A new tenant of a plan, with its first key of production.
    pub(crate) fn tenant(&self, name: &str, plan: &str) -> Tenant<'_> {
        let made = self.admin().post("/v1/tenants", &json!({"name": name, "plan": plan})).ok(201);
        let live = made["api_keys"].as_array().unwrap().iter().find(|key| key["environment"] == "production");
        let live = self.caller(live.unwrap()["secret"].as_str().unwrap());
        Tenant { id: made["tenant_id"].as_str().unwrap().to_owned(), live }
    }
}

impl Caller<'_> {
    /// With one more header.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut caller = self.clone();
        caller.headers.push((name.to_owned(), value.to_owned()));
        caller
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, Some(body.to_string()))
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: Option<String>) -> Reply {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n");
        if !self.key.is_empty() {
            text += &format!("x-api-key: {}\r\n", self.key);
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &body {
            text += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        }
        text += "\r\n";
        text += &body.unwrap_or_default();
        let answer = request(self.api.node.http, &text).expect("the node answers");
        let text = text_of(&answer);
        Reply {
            status: answer.status,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
            head: answer.head,
        }
    }
}

/// The body, put together again if it came in chunks.
fn text_of(answer: &Answer) -> String {
    if answer.header("transfer-encoding") != Some("chunked") {
        return answer.text();
    }
    let (mut rest, mut out) = (answer.body.as_slice(), Vec::new());
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..end]), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        out.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Reply {
    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// A refusal in its published shape, with this status, code and field at fault.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, field: &str) {
        let got = (self.status, &self.body["code"], self.body["details"]["field"].as_str().unwrap_or(""));
        assert_eq!(got, (status, &json!(code), field), "{}", self.text);
        assert_eq!(self.body["http_status"], status, "{}", self.text);
        assert!(self.body["message"].as_str().is_some_and(|text| !text.is_empty()), "{}", self.text);
        assert!(self.body["trace_id"].as_str().is_some_and(|text| text.len() == 32), "{}", self.text);
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Milliseconds since 1970 of an RFC 3339 time in UTC with milliseconds.
pub(crate) fn ms_of(text: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    // Days from the civil calendar; years begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60_000 + number(17..19) * 1_000 + number(20..23)
}
