//! Fuzz targets of a node's public endpoints: one node alone in this process, its services called without sockets. Run them with
//! `scripts/fuzz --endpoints`.
//!
//! What is asked for is that of `node/server/tests/it/fuzz.rs`: no panic, no error of the node's own, bounded answers.

mod node;

use std::{sync::OnceLock, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody as _},
    http::{HeaderMap, Request, Version},
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use node::Node;

/// How long one call is looked at: a tail or a wait ends when the caller goes.
const LOOK: Duration = Duration::from_millis(100);
/// Longest answer, bytes: a full bundle, and some.
const ANSWER_MAX: usize = 20 << 20;
/// Methods of `Admin` that are also called with the key: they change nothing.
const SAFE_WITH_KEY: [&str; 2] = ["/maip.ledger.v1.Admin/Status", "/maip.ledger.v1.Admin/Backup"];

/// The services that strangers reach.
const PROTOS: [&str; 2] = [
    include_str!("../../../../proto/proto/maip/ledger/v1/ledger.proto"),
    include_str!("../../../../proto/proto/maip/ledger/v1/payloads.proto"),
];

/// Every method as its path; whoever adds one need not remember this target.
fn methods() -> &'static [String] {
    static METHODS: OnceLock<Vec<String>> = OnceLock::new();
    METHODS.get_or_init(|| {
        let (mut found, mut service) = (Vec::new(), "");
        for line in PROTOS.iter().flat_map(|text| text.lines()) {
            if let Some(rest) = line.strip_prefix("service ") {
                service = rest.trim_end_matches(" {");
            } else if let Some(rest) = line.trim_start().strip_prefix("rpc ") {
                let name = rest.split('(').next().unwrap_or_default();
                found.push(format!("/maip.ledger.v1.{service}/{name}"));
            }
        }
        assert!(found.len() > 20, "{found:?}");
        found
    })
}

/// What came of a call, as far as it was looked at.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// One call; `None` when it goes on. What it has sent until then is bounded by the time.
fn call(node: &Node, app: &Router, request: Request<Body>) -> Option<Answer> {
    let look = async {
        let Ok(answer) = app.clone().oneshot(request).await;
        let (mut parts, mut body) = answer.into_parts();
        let mut bytes = Vec::new();
        // As a connection reads it: what says that it has ended is not asked again.
        while !body.is_end_stream() {
            let Some(frame) = body.frame().await else { break };
            match frame.ok()?.into_data() {
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => parts.headers.extend(frame.into_trailers().unwrap_or_default()),
            }
            assert!(bytes.len() < ANSWER_MAX, "an answer of {} bytes", bytes.len());
        }
        Some(Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes })
    };
    node.runtime.block_on(async { tokio::time::timeout(LOOK, look).await }).ok().flatten()
}

/// A byte that chooses the method, one for the key, and a message.
pub fn grpc(input: &[u8]) {
    let [method, with_key, message @ ..] = input else { return };
    let node = node::node();
    let path = &methods()[usize::from(*method) % methods().len()];
    let mut frame = vec![0];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    // As HTTP/2 brings it: over HTTP/1 only gRPC-web is answered.
    let mut request = Request::post(path)
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if with_key & 1 == 1 && SAFE_WITH_KEY.contains(&path.as_str()) {
        request = request.header("authorization", format!("Bearer {}", node.admin_key));
    }
    let request = request.body(Body::from(frame)).expect("a request");
    let Some(answer) = call(node, &node.grpc, request) else { return };
    assert_eq!(answer.status, 200, "{path}");
    let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (code, said) = (text("grpc-status"), text("grpc-message"));
    // Unknown, internal, unavailable, data loss. A message that does not parse is the sender's; tonic has one code for it.
    let unreadable = code == "13" && said.contains("decode");
    assert!(unreadable || !["2", "13", "14", "15"].contains(&code), "{path}: {code} {said}");
}

/// A line with method, path and whether with the key, as in `GET /checkpoint` or `POST /v1/agents key`, then a body.
pub fn http(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (line, body) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let Ok(line) = std::str::from_utf8(line) else { return };
    let mut words = line.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
    // What a reset begins takes long, and leaves another log.
    if path.contains("reset") {
        return;
    }
    let node = node::node();
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    if words.next() == Some("key") {
        request = request.header("authorization", format!("Bearer {}", node.admin_key));
    }
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
    let Some(answer) = call(node, &node.http, request) else { return };
    // Not sealed yet, not ready: later.
    let text = String::from_utf8_lossy(&answer.body);
    assert!(answer.status < 500 || answer.status == 503, "{line}: {} {text}", answer.status);
}
