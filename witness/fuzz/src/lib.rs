//! A fuzz target of a witness's endpoints: one witness in this process, called without sockets. Run it with
//! `scripts/fuzz --endpoints`.
//!
//! What is asked for is that of `witness/tests/fuzz.rs`: an answer of the status table, and no signature under anything that the
//! log has not signed.

#[path = "../../tests/support/log.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "the integration tests use the same file")]
mod log;

use std::sync::{Arc, OnceLock};

use axum::{Router, body::Body, http::Request};
use ledger_format::{NoteSigner, SignatureType, Vkey, parse_cosignature_lines};
use ledger_witness::{
    Clock, Memory, Signer, SystemClock, Witness,
    config::Limits,
    logs::{Log, LogSet},
    metrics::Metrics,
    persist, serve,
};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use log::TestLog;

/// What the table of tlog-witness and the limits allow, and 405 of HTTP.
const ALLOWED: [u16; 10] = [200, 400, 403, 404, 405, 408, 409, 413, 422, 429];
/// Longest answer, bytes.
const ANSWER_MAX: usize = 1 << 20;
/// Entries of the log; the seeds say so, too.
const SIZE: u64 = 40;

struct Under {
    runtime: Runtime,
    app: Router,
    vkey: Vkey,
    log: TestLog,
    /// Every text that the log has signed, or would.
    texts: Vec<String>,
}

fn under() -> &'static Under {
    static UNDER: OnceLock<Under> = OnceLock::new();
    UNDER.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let dir = tempfile::tempdir().expect("a directory").keep();
        let test_log = TestLog::new("log.example/fuzz", SIZE);
        let key = NoteSigner::new("w.example", SignatureType::CosignatureV1, [9; 32]).expect("a name");
        let (vkey, metrics) = (key.vkey().clone(), Arc::new(Metrics::default()));
        persist::create(&dir, &vkey.to_string()).expect("a memory");
        let memory = Memory::open(&dir, &vkey.to_string(), metrics.clone()).expect("a memory");
        let logs = LogSet::new([Log::new(&test_log.vkey(), None).expect("a log")]).expect("one log");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let signer = Signer::new(key, None, clock.clone(), 0);
        let witness = Witness::new(logs, memory, signer, clock, &dir, None, metrics).expect("a witness");
        let app = serve::app(Arc::new(witness), Limits::default());
        let texts = (0..=SIZE).map(|size| test_log.text(size)).collect();
        let under = Under { runtime, app, vkey, log: test_log, texts };
        let (status, _) = under.call(post("/add-checkpoint", under.log.body(0, 9)));
        assert_eq!(status, 200, "the first checkpoint");
        under
    })
}

fn post(path: &str, body: Vec<u8>) -> Request<Body> {
    Request::post(path).body(Body::from(body)).expect("a request")
}

impl Under {
    /// Posts to `add-checkpoint`; only what the log has signed may be cosigned.
    fn add(&self, body: Vec<u8>) {
        let (status, answer) = self.call(post("/add-checkpoint", body));
        assert!(ALLOWED.contains(&status), "{status}: {}", String::from_utf8_lossy(&answer));
        if status == 200 {
            let lines = parse_cosignature_lines(&answer).expect("lines");
            let good = |text: &String| lines.iter().any(|line| self.vkey.verify(text, line).is_ok());
            assert!(self.texts.iter().any(good), "a signature under what the log has not signed");
        }
    }

    fn call(&self, request: Request<Body>) -> (u16, Vec<u8>) {
        self.runtime.block_on(async {
            let Ok(answer) = self.app.clone().oneshot(request).await;
            let status = answer.status().as_u16();
            let body = axum::body::to_bytes(answer.into_body(), ANSWER_MAX).await.expect("a bounded answer");
            (status, body.to_vec())
        })
    }
}

/// The body that the log sends for two sizes, with some bytes replaced, put in or taken out: three bytes of the input for each.
fn spoiled(log: &TestLog, input: &[u8]) -> Vec<u8> {
    let [old, new, edits @ ..] = input else { return Vec::new() };
    let (old, new) = (u64::from(*old) % (SIZE + 1), u64::from(*new) % (SIZE + 1));
    let mut body = log.body(old.min(new), old.max(new));
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0] & 3, edit[1]])) % body.len().max(1);
        match edit[0] >> 6 {
            _ if body.is_empty() => break,
            0 => body[at] = edit[2],
            1 => body.insert(at, edit[2]),
            2 => drop(body.remove(at)),
            _ => body.truncate(at),
        }
    }
    body
}

/// A byte that chooses the endpoint, then a body or a path.
pub fn witness(input: &[u8]) {
    let [endpoint, rest @ ..] = input else { return };
    let under = under();
    match endpoint % 4 {
        0 => under.add(rest.to_vec()),
        3 => under.add(spoiled(&under.log, rest)),
        1 => {
            let (status, answer) = under.call(post("/sign-subtree", rest.to_vec()));
            assert!(ALLOWED.contains(&status), "{status}: {}", String::from_utf8_lossy(&answer));
        }
        _ => {
            let Ok(path) = std::str::from_utf8(rest) else { return };
            let Ok(request) = Request::get(format!("/{path}")).body(Body::empty()) else { return };
            let (status, _) = under.call(request);
            assert!(ALLOWED.contains(&status), "{status} for {path}");
        }
    }
}
