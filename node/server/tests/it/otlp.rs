//! OTLP: a receiver of the protocol gets the node's requests as spans and its counters as metrics.
//!
//! The receiver reads protobuf by itself, with the field numbers of opentelemetry-proto: what the node calls its fields proves nothing.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::node::{Node, request};

/// A request to the receiver: path, content type, body.
type Got = (String, String, Vec<u8>);

/// A value on the wire.
#[derive(Clone, Debug, PartialEq)]
enum Wire {
    Number(u64),
    Bytes(Vec<u8>),
}

/// The fields of a message, in order.
struct Message(Vec<(u64, Wire)>);

impl Message {
    fn read(mut bytes: &[u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = match key & 7 {
                0 => Wire::Number(varint(&mut bytes)),
                1 => Wire::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    Wire::Bytes(take(&mut bytes, length).to_vec())
                }
                other => panic!("wire type {other}"),
            };
            fields.push((key >> 3, value));
        }
        Self(fields)
    }

    fn bytes(&self, field: u64) -> Vec<u8> {
        self.all(field).next().unwrap_or_default()
    }

    fn text(&self, field: u64) -> String {
        String::from_utf8(self.bytes(field)).unwrap()
    }

    fn number(&self, field: u64) -> u64 {
        self.0
            .iter()
            .find_map(|(f, v)| if let (true, Wire::Number(n)) = (*f == field, v) { Some(*n) } else { None })
            .unwrap_or(0)
    }

    fn all(&self, field: u64) -> impl Iterator<Item = Vec<u8>> {
        self.0.iter().filter_map(move |(f, v)| match v {
            Wire::Bytes(bytes) if *f == field => Some(bytes.clone()),
            _ => None,
        })
    }

    /// The messages below a path of fields.
    fn below(&self, path: &[u64]) -> Vec<Message> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let found = self.all(*first).map(|bytes| Message::read(&bytes));
        match rest {
            [] => found.collect(),
            rest => found.flat_map(|message| message.below(rest)).collect(),
        }
    }

    /// The text of an attribute: `KeyValue { key = 1, value = 2 }`, `AnyValue { string = 1, int = 3 }`.
    fn attribute(&self, field: u64, key: &str) -> Option<String> {
        let pair = self.below(&[field]).into_iter().find(|pair| pair.text(1) == key)?;
        let value = Message::read(&pair.bytes(2));
        let text = value.text(1);
        Some(if text.is_empty() { value.number(3).to_string() } else { text })
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (some, rest) = bytes.split_at(count);
    *bytes = rest;
    some
}

/// Notes every request, and refuses the first `refused` ones.
fn receiver(refused: usize) -> (SocketAddr, Arc<Mutex<Vec<Got>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let got = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&got);
    std::thread::spawn(move || {
        for (number, socket) in listener.incoming().flatten().enumerate() {
            let status = if number < refused { 503 } else { 200 };
            if let Some(one) = read(&socket) {
                if status == 200 {
                    shared.lock().unwrap().push(one);
                }
                let _ = (&socket).write_all(
                    format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                        .as_bytes(),
                );
            }
        }
    });
    (address, got)
}

fn read(socket: &TcpStream) -> Option<Got> {
    socket.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut reader = BufReader::new(socket);
    let (mut path, mut kind, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1)?.to_owned();
        } else if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-type" => kind = value.trim().to_owned(),
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, kind, body))
}

/// Spans with the attributes of their resource.
fn spans(got: &[Got]) -> Vec<(Message, Message)> {
    let traces = got.iter().filter(|(path, ..)| path == "/v1/traces");
    let of_request = |(.., body): &Got| {
        let mut all = Vec::new();
        for resource in Message::read(body).below(&[1]) {
            for span in resource.below(&[2, 2]) {
                all.push((Message::read(&resource.bytes(1)), span));
            }
        }
        all
    };
    traces.flat_map(of_request).collect()
}

#[test]
fn a_receiver_gets_spans_and_metrics() {
    // Not ready at first, as after a restart of a collector.
    let (address, got) = receiver(1);
    let mut node = Node::init(&format!("[telemetry]\notlp = \"http://{address}\"\notlp_metrics_ms = 200\n"));
    node.start();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let call = format!(
        "GET /v1/log/vkey HTTP/1.1\r\nhost: node\r\ntraceparent: 00-{trace}-b7ad6b7169203331-01\r\nconnection: close\r\n\r\n"
    );
    let answer = request(node.http, &call).unwrap();
    assert_eq!((answer.status, answer.header("x-trace-id")), (200, Some(trace)));
    let id: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&trace[2 * at..2 * at + 2], 16).unwrap()).collect();
    node.wait("the span of the request", |_| {
        spans(&got.lock().unwrap()).iter().any(|(_, span)| span.bytes(1) == id)
    });
    let all = spans(&got.lock().unwrap());
    let (resource, span) = all.iter().find(|(_, span)| span.bytes(1) == id).unwrap();
    assert_eq!(span.bytes(2).len(), 8);
    assert_eq!(span.bytes(4), [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    assert_eq!((span.text(5).as_str(), span.number(6)), ("GET /v1/log/vkey", 2));
    assert!(span.number(7) > 0 && span.number(8) >= span.number(7));
    assert_eq!(span.attribute(9, "url.path").as_deref(), Some("/v1/log/vkey"));
    assert_eq!(span.attribute(9, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(resource.attribute(1, "service.name").as_deref(), Some("maip-node"));

    // A counter, a gauge and a histogram of those that /metrics has.
    let metric = |name: &str| {
        let got = got.lock().unwrap();
        let requests = got.iter().rev().filter(|(path, ..)| path == "/v1/metrics");
        requests
            .flat_map(|(.., body)| Message::read(body).below(&[1, 2, 2]))
            .find(|metric| metric.text(1) == name)
    };
    node.wait("metrics", |_| metric("maip_commit_seconds").is_some());
    let counter = metric("maip_node_requests_total").unwrap().below(&[7]).pop().unwrap();
    assert_eq!((counter.number(2), counter.number(3)), (2, 1), "cumulative and monotonic");
    let point = counter.below(&[1]).pop().unwrap();
    assert!(f64::from_bits(point.number(4)) >= 1.0 && point.number(3) > point.number(2));
    let gauge = metric("maip_node_info").unwrap().below(&[5, 1]).pop().unwrap();
    assert_eq!(gauge.attribute(7, "version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    let histograms = metric("maip_commit_seconds").unwrap().below(&[9, 1]);
    let of_main = |point: &Message| point.attribute(9, "log").as_deref() == Some("main");
    let histogram = histograms.into_iter().find(of_main).unwrap();
    let counts = histogram.bytes(6);
    let counts: Vec<u64> =
        counts.chunks(8).map(|eight| u64::from_le_bytes(eight.try_into().unwrap())).collect();
    assert_eq!(counts.len() * 8, histogram.bytes(7).len() + 8, "one bucket more than bounds");
    assert_eq!(counts.iter().sum::<u64>(), histogram.number(4));
    assert!(got.lock().unwrap().iter().all(|(_, kind, _)| kind == "application/x-protobuf"));
    let text = node.get("/metrics").unwrap().text();
    assert!(text.contains("maip_otlp_spans_dropped_total 0"), "{text}");
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn a_collector_that_is_away_stops_nothing() {
    // Bound and closed: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut node = Node::init(&format!("[telemetry]\notlp = \"http://{nobody}\"\notlp_metrics_ms = 200\n"));
    node.start();
    node.wait("spans to be dropped", |node| {
        let text = node.get("/metrics").unwrap().text();
        text.lines()
            .any(|line| line.strip_prefix("maip_otlp_spans_dropped_total ").is_some_and(|count| count != "0"))
    });
    assert_eq!(node.stop(), Some(0));
}
