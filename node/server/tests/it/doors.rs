//! The three listeners: what they serve, and whom they turn away.

use std::{
    cell::Cell,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use axum::{
    body::{Body, to_bytes},
    http,
};
use ledger_node::tls;
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use tonic::transport::Channel;
use tower::{Service as _, ServiceExt as _};

use crate::{
    ledger::connect,
    node::{Node, request},
};

/// One HTTPS GET without a client certificate.
fn https(node: &Node, to: SocketAddr, name: &str, path: &str) -> std::io::Result<String> {
    tls_request(node, to, name, &format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n"))
}

/// Sends bytes over TLS, without a client certificate, and reads until the other side closes.
fn tls_request(node: &Node, to: SocketAddr, name: &str, text: &str) -> std::io::Result<String> {
    let roots = tls::read_roots(&node.file("tls/ca.pem")).unwrap();
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(to)?);
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn each_listener_has_its_rules() {
    let mut node = Node::init("");
    node.start();

    // Plain: reads, with exact caching headers.
    let checkpoint = node.get("/main/checkpoint").unwrap();
    assert_eq!(checkpoint.status, 200);
    assert_eq!(checkpoint.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(checkpoint.header("cache-control"), Some("public, max-age=1"));
    assert_eq!(checkpoint.header("access-control-allow-origin"), Some("*"));
    assert!(checkpoint.text().starts_with("maip.localhost/main\n1\n"), "{}", checkpoint.text());
    let tile = node.get("/tile/0/000.p/1").unwrap();
    assert_eq!((tile.status, tile.body.len()), (200, 32));
    assert_eq!(tile.header("content-type"), Some("application/octet-stream"));
    assert_eq!(tile.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let head = request(
        node.http,
        "HEAD /main/tile/entries/000.p/1 HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n",
    );
    let head = head.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));

    // What is not there is not remembered as missing.
    for path in
        ["/tile/0/000", "/tile/0/000.p/2", "/tile/0/0", "/nolog/checkpoint", "/unpublished/tile/0/000.p/1"]
    {
        let answer = node.get(path).unwrap();
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let body = answer.text();
        assert!(body.contains("\"http_status\":404") && body.contains("\"trace_id\""), "{path}: {body}");
    }
    let proof = node.get("/v1/log/proof/inclusion?index=0&size=2").unwrap();
    assert_eq!(proof.status, 404);
    assert!(proof.text().contains("\"field\":\"size\""), "{}", proof.text());
    let bad = node.get("/v1/log/proof/consistency?from=one").unwrap();
    assert_eq!(bad.status, 400);
    assert!(bad.text().contains("\"code\":\"MALFORMED\""), "{}", bad.text());
    assert_eq!(node.get("/v1/log/proof/inclusion?index=0").unwrap().status, 200);
    let post = request(
        node.http,
        "POST /checkpoint HTTP/1.1\r\nhost: n\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    assert_eq!(post.unwrap().status, 405);

    // The trace id of the caller comes back.
    let id = "0af7651916cd43dd8448eb211c80319c";
    let traced = format!(
        "GET /nowhere HTTP/1.1\r\nhost: n\r\ntraceparent: 00-{id}-b7ad6b7169203331-01\r\nconnection: close\r\n\r\n"
    );
    let traced = request(node.http, &traced).unwrap();
    assert_eq!(traced.header("x-trace-id"), Some(id));
    assert!(traced.text().contains(id));

    // TLS for clients: the same content.
    let answer = https(&node, node.client, "localhost", "/health/live").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(node.get("/metrics").unwrap().text().contains("maip_node_info{version="));

    // Plain text on the TLS port gets nowhere.
    assert!(
        request(node.client, "GET /checkpoint HTTP/1.1\r\nhost: n\r\n\r\n")
            .is_none_or(|answer| answer.status >= 400)
    );
    // Mutual TLS between nodes: without a certificate of the cluster no request is heard.
    let refused = https(&node, node.peer, "maip-node-1", "/checkpoint").map(|answer| answer.len());
    assert!(refused.is_err(), "{refused:?}");

    // Certificates are read again; the node goes on.
    node.signal("HUP");
    assert!(https(&node, node.client, "localhost", "/health/live").unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn entries_above_the_checkpoint_only_where_switched_on() {
    let mut node = Node::init("");
    crate::node::edit(&node.config(), "serve_unpublished = false", "serve_unpublished = true");
    node.start();
    let answer = node.get("/main/unpublished/tile/0/000.p/1").unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 32));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let public = https(&node, node.client, "localhost", "/unpublished/tile/0/000.p/1").unwrap();
    assert!(public.starts_with("HTTP/1.1 404"), "never for strangers: {public}");
}

#[test]
fn a_flood_of_connections_costs_only_its_slots() {
    let mut node = Node::init("[limits]\nconnections = 4\nheader_read_ms = 300\nidle_ms = 1000\n");
    node.start();
    // Half-open connections hold the slots; further ones are closed.
    let held: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(node.http).unwrap()).collect();
    let mut closed_at_once = 0;
    for mut stream in held {
        // Every one ends without an answer being waited for: refused at once, or timed out.
        let mut rest = Vec::new();
        if stream.read_to_end(&mut rest).is_ok() && rest.is_empty() {
            closed_at_once += 1;
        }
    }
    assert!(closed_at_once >= 4, "{closed_at_once}");
    // And the node serves again.
    node.wait("a free slot", |node| node.get("/health/live").is_some_and(|answer| answer.status == 200));
    let metrics = node.get("/metrics").unwrap().text();
    let refused =
        metrics.lines().find(|line| line.starts_with("maip_node_connections_refused_total ")).unwrap();
    assert_ne!(refused, "maip_node_connections_refused_total 0");
}

/// A node that keeps its clients no longer than this in one respect: what is short there must not hit the good calls of the test.
fn node_with(limit: &str) -> Node {
    let mut node = Node::init(&format!("[limits]\n{limit}\n"));
    node.start();
    node
}

/// Asked again where the short limit has hit the question.
fn counter(node: &Node, name: &str) -> u64 {
    let value = Cell::new(0);
    node.wait(name, |node| {
        let metrics = node.get("/metrics").map(|answer| answer.text()).unwrap_or_default();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|text| value.set(text.parse().unwrap())).is_some()
    });
    value.get()
}

#[test]
fn who_says_nothing_in_the_handshake_is_let_go() {
    let node = node_with("handshake_ms = 200");
    let before = counter(&node, "maip_node_handshakes_failed_total");
    let mut silent = TcpStream::connect(node.client).unwrap();
    let mut rest = Vec::new();
    assert!(silent.read_to_end(&mut rest).is_err() || rest.is_empty());
    node.wait("the handshake to be counted", |node| {
        counter(node, "maip_node_handshakes_failed_total") == before + 1
    });
}

#[test]
fn who_never_ends_its_header_is_let_go() {
    let node = node_with("header_read_ms = 200");
    let mut endless = TcpStream::connect(node.http).unwrap();
    endless.write_all(b"GET /checkpoint HTTP/1.1\r\nx: ").unwrap();
    let mut rest = Vec::new();
    assert!(endless.read_to_end(&mut rest).is_err() || !rest.starts_with(b"HTTP/1.1 200"));
}

/// Told so, in gRPC's own words (4 is DEADLINE_EXCEEDED).
#[test]
fn who_promises_a_body_and_never_sends_it_is_told() {
    let node = node_with("request_ms = 400");
    let before = counter(&node, "maip_node_requests_timed_out_total");
    let promise = "POST /maip.ledger.v1.Ledger/Submit HTTP/1.1\r\nhost: n\r\ncontent-type: application/grpc-web+proto\r\n\
                   content-length: 1000\r\nconnection: close\r\n\r\n";
    let answer = tls_request(&node, node.client, "localhost", promise).unwrap();
    assert!(answer.to_lowercase().contains("grpc-status: 4"), "{answer}");
    assert!(counter(&node, "maip_node_requests_timed_out_total") > before);
}

#[test]
fn grpc_web_is_spoken_to_browsers() {
    let mut node = Node::init("");
    node.start();
    // An empty GetCheckpointRequest: five bytes of frame.
    let call = "POST /maip.ledger.v1.Ledger/GetCheckpoint HTTP/1.1\r\nhost: n\r\ncontent-type: application/grpc-web+proto\r\n\
                content-length: 5\r\nconnection: close\r\n\r\n\0\0\0\0\0";
    let answer = tls_request(&node, node.client, "localhost", call).unwrap();
    assert!(answer.contains("maip.localhost/main"), "{answer}");
    assert!(answer.contains("grpc-status:0"), "the trailer is in the body: {answer}");
}

/// What a path is answered with over HTTP/2: the code of gRPC if it is in the header, and the body.
async fn call(channel: &mut Channel, path: &str, kind: &str) -> (Option<String>, String) {
    // An empty message: five bytes of frame.
    let body = tonic::body::Body::new(Body::from(vec![0; 5]));
    let request = http::Request::post(path).version(http::Version::HTTP_2);
    let request = request.header("content-type", kind).header("te", "trailers").body(body).unwrap();
    let (head, body) = channel.ready().await.unwrap().call(request).await.unwrap().into_parts();
    assert_eq!(head.status, 200, "{path}");
    let body = to_bytes(Body::new(body), 1 << 20).await.unwrap();
    let code = head.headers.get("grpc-status").map(|code| code.to_str().unwrap().to_owned());
    (code, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_finds_its_service_and_no_other_one() {
    let mut node = Node::init("");
    node.start();
    let mut channel = connect(&node).await;
    const GRPC: &str = "application/grpc";
    const WEB: &str = "application/grpc-web+proto";
    let unimplemented = Some("12".to_owned());
    for kind in [GRPC, WEB] {
        for path in ["Ledger/Nothing", "Ledger/", "LedgerX/Submit", "Nothing/Submit", "Admin/Nothing"] {
            let (code, _) = call(&mut channel, &format!("/maip.ledger.v1.{path}"), kind).await;
            assert_eq!(code, unimplemented, "{path} as {kind}");
        }
        let (code, _) = call(&mut channel, "/maip.ledger.v1.Admin/Status", kind).await;
        assert_eq!(code.as_deref(), Some("16"), "not without the key");
        let (code, body) = call(&mut channel, "/maip.ledger.v1.Ledger/GetCheckpoint", kind).await;
        assert!(code.is_none() && body.contains("maip.localhost/main"), "{code:?} {body}");
        assert_eq!(
            body.contains("grpc-status:0"),
            kind == WEB,
            "browsers get the trailer in the body: {body}"
        );
    }
}
