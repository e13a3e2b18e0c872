//! A MAIP log as a verifying witness sees it: records, a tree over them, and a server that publishes both.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use ledger_format::record::{
    Actor, Body, Draft, Entry, GenesisLimits, LogGenesis, Record, SigningKey, TenantRegister, Ulid,
};
use ledger_format::{BundleId, leaf_hash, push_bundle_entry};

use super::TestLog;

const START_MS: u64 = 1_769_000_000_000;
const ORIGIN: &str = "ledger.example/verified";

/// Entries and the tree over them.
#[derive(Clone)]
pub struct MaipLog {
    pub tree: TestLog,
    pub entries: Vec<Vec<u8>>,
}

impl MaipLog {
    /// A log with its genesis and `size - 1` tenants.
    pub fn new(size: u64) -> Self {
        let mut log = Self { tree: TestLog::new(ORIGIN, 0), entries: Vec::new() };
        let operator = SigningKey::from_seed([200; 32]);
        let body = LogGenesis {
            limits: GenesisLimits::default(),
            log_keys: vec![log.tree.vkey()],
            predecessor: None,
            operator_key: operator.public(),
            origin: ORIGIN.into(),
            policy: format!("log {}\nquorum none\n", log.tree.vkey()),
            trust_algorithm: "maip-trust/1".into(),
        };
        let id = Ulid::from_parts(START_MS, 1);
        let genesis = Draft::new(Ulid::NIL, id, Actor::Operator, START_MS, Body::LogGenesis(Box::new(body)));
        log.push(&genesis.sign(&operator));
        log.grow(size);
        log
    }

    /// More tenants, up to `size` entries.
    pub fn grow(&mut self, size: u64) {
        while (self.entries.len() as u64) < size {
            self.push(&self.tenant("Tenant"));
        }
    }

    /// The next tenant registers itself.
    pub fn tenant(&self, name: &str) -> Record {
        let number = self.entries.len() as u128;
        let mut seed = [1; 32];
        seed[..16].copy_from_slice(&number.to_le_bytes());
        let key = SigningKey::from_seed(seed);
        let body = TenantRegister {
            key: Some(key.public()),
            name: format!("{name} {number}"),
            on_behalf_of: None,
            plan: None,
        };
        let (tenant, id) = (Ulid::from_parts(START_MS, 1_000 + number), Ulid::from_parts(START_MS, 2));
        Draft::new(tenant, id, Actor::Tenant, START_MS, Body::TenantRegister(body)).sign(&key)
    }

    /// Takes a record without asking any rule.
    pub fn push(&mut self, record: &Record) {
        let entry = Entry::encode(START_MS, &record.to_bytes());
        self.tree.push(leaf_hash(&entry));
        self.entries.push(entry);
    }

    /// A tenant whose signature is somebody else's.
    pub fn push_forged(&mut self) {
        let mut record = self.tenant("Forged");
        record.sig.value = SigningKey::from_seed([66; 32]).sign(&record.signed_bytes());
        self.push(&record);
    }
}

/// What the server shows.
pub struct Shown {
    pub log: MaipLog,
    /// Size of the checkpoint, and limit of what is served under `/log`.
    pub published: Option<u64>,
    /// Limit of what is served under `/log/unpublished`.
    pub applied: u64,
    /// Requests so far.
    pub requests: u64,
    /// Bundles of entries asked for, in order.
    pub asked: Vec<u64>,
}

/// A server on a free port.
#[derive(Clone)]
pub struct Site {
    pub shown: Arc<Mutex<Shown>>,
    pub url: String,
}

impl Site {
    pub fn start(log: MaipLog) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/log", listener.local_addr().expect("an address"));
        let shown =
            Arc::new(Mutex::new(Shown { log, published: None, applied: 0, requests: 0, asked: Vec::new() }));
        let serving = shown.clone();
        // Ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shown = serving.clone();
                std::thread::spawn(move || answer(stream, &shown));
            }
        });
        Self { shown, url }
    }

    pub fn unpublished_url(&self) -> String {
        format!("{}/unpublished", self.url)
    }

    pub fn show(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().expect("no panic"));
    }

    pub fn publish(&self, size: u64) {
        self.show(|shown| shown.published = Some(size));
    }
}

fn answer(stream: TcpStream, shown: &Mutex<Shown>) {
    let mut lines = BufReader::new(&stream).lines();
    let Some(Ok(first)) = lines.next() else { return };
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            break;
        }
    }
    let body = first.split(' ').nth(1).and_then(|path| {
        let mut shown = shown.lock().expect("no panic");
        shown.requests += 1;
        file(&mut shown, path.strip_prefix("/log/")?)
    });
    let (status, body) = body.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = (&stream).write_all(&[head.as_bytes(), &body].concat());
}

fn file(shown: &mut Shown, path: &str) -> Option<Vec<u8>> {
    if path == "checkpoint" {
        let tree = &shown.log.tree;
        return Some(tree.sign(&tree.text(shown.published?)).to_bytes());
    }
    let (path, limit) = match path.strip_prefix("unpublished/") {
        Some(path) => (path, shown.applied),
        None => (path, shown.published.unwrap_or(0)),
    };
    let id = BundleId::parse(path).ok()?;
    shown.asked.push(id.index);
    let start = id.index * 256;
    let end = start + u64::from(id.width);
    if end > limit {
        return None;
    }
    let mut bundle = Vec::new();
    for entry in &shown.log.entries[start as usize..end as usize] {
        push_bundle_entry(&mut bundle, entry).expect("an entry fits");
    }
    Some(bundle)
}
