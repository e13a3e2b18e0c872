//! Every gRPC method and every reading path against bytes that nobody meant well.
//!
//! From a seed: `MAIP_FUZZ_SEED`, and `MAIP_FUZZ_CALLS` for longer runs. What is asked for: no error of the node's own, no panic, bounded answers,
//! nothing logged by what is refused, and a node that goes on. The API's own operations are fuzzed from their document by
//! `scripts/schemathesis`.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use ledger_proto::v1::{
    Ack, GetCheckpointRequest, GetEntryRequest, get_entry_request, ledger_client::LedgerClient,
};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

use crate::{
    ledger::{admin, connect, submission, tenant},
    node::{Node, request},
};

/// How long one call is looked at: a tail or a wait ends when the caller goes.
const LOOK: Duration = Duration::from_millis(300);
/// Longest answer over plain HTTP, bytes: a full bundle, and some.
const ANSWER_MAX: usize = 20 << 20;
/// Methods of `Admin` that are also called with the key: they change no membership.
const SAFE_WITH_KEY: [&str; 3] = ["Status", "Snapshot", "Backup"];

/// Messages as they are on the wire.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

/// Numbers that follow from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() >> 1).unwrap() % end.max(1)
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Every method of the services in our files, as its path; whoever adds one need not remember this test.
fn methods() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for text in [
        include_str!("../../../../proto/proto/maip/ledger/v1/ledger.proto"),
        include_str!("../../../../proto/proto/maip/ledger/v1/payloads.proto"),
    ] {
        let mut service = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("service ") {
                service = rest.trim_end_matches(" {");
            } else if let Some(rest) = line.trim_start().strip_prefix("rpc ") {
                let name = rest.split('(').next().unwrap_or_default();
                found.push((format!("/maip.ledger.v1.{service}/{name}"), name.to_owned()));
            }
        }
    }
    found
}

fn varint(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// A message of the form that protobuf has: fields of low numbers, with words that mean something here, and now and then a fault.
fn message(dice: &mut Dice, words: &[Vec<u8>], depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..dice.below(6) {
        let field = 1 + dice.below(8) as u64;
        match dice.below(8) {
            0..=2 => {
                varint(field << 3, &mut bytes);
                let numbers = [0, 1, 2, 3, 255, 65_536, u64::from(u32::MAX), u64::MAX, dice.number()];
                varint(numbers[dice.below(numbers.len())], &mut bytes);
            }
            3 => {
                varint(field << 3 | 1, &mut bytes);
                bytes.extend(dice.number().to_le_bytes());
            }
            kind => {
                varint(field << 3 | 2, &mut bytes);
                let inner = match kind {
                    4 if depth > 0 => message(dice, words, depth - 1),
                    5 => (0..dice.below(60)).map(|_| dice.number() as u8).collect(),
                    _ => words[dice.below(words.len())].clone(),
                };
                // Now and then a length that is not there.
                let length =
                    if dice.below(12) == 0 { dice.number() >> dice.below(64) } else { inner.len() as u64 };
                varint(length, &mut bytes);
                bytes.extend(inner);
            }
        }
    }
    match (dice.below(6), bytes.len()) {
        (0, 1..) => {
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
        }
        (1, _) => bytes.truncate(dice.below(bytes.len() + 1)),
        _ => {}
    }
    bytes
}

/// One call, as far as it can be looked at; `None` when it goes on.
async fn call(channel: Channel, path: &str, request: Request<Vec<u8>>) -> Option<Result<(), Status>> {
    let look = async {
        let mut grpc = Grpc::new(channel);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let request = request.map(|message| tokio_stream::iter([message]));
        let mut answers = grpc.streaming(request, path.parse().unwrap(), Raw).await?.into_inner();
        while answers.message().await?.is_some() {}
        Ok(())
    };
    tokio::time::timeout(LOOK, look).await.ok()
}

async fn size(node: &Node) -> u64 {
    let mut ledger = LedgerClient::new(connect(node).await);
    let answer = ledger.get_checkpoint(GetCheckpointRequest::default()).await.unwrap().into_inner();
    let text = String::from_utf8(answer.checkpoint.to_vec()).unwrap();
    text.lines().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_to_a_method_gets_an_answer_that_is_its_senders_fault() {
    let mut node = Node::init("");
    node.start();
    let mut ledger = LedgerClient::new(connect(&node).await);
    let record = tenant(&node, "acme");
    ledger.submit(admin(&node, submission(&record, Ack::Witnessed))).await.unwrap();
    let before = size(&node).await;

    let mut spoiled = record.clone();
    spoiled[40] ^= 1;
    let words: Vec<Vec<u8>> = [
        b"main".as_slice(),
        b"",
        b"nowhere",
        &record,
        &spoiled,
        b"maip-agent:01J00000000000000000000000",
        b"maip-tenant:01J00000000000000000000000",
        b"\xff\xfe",
        "\u{fb01}".as_bytes(),
        &[b'a'; 300],
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    let mut dice = Dice(setting("MAIP_FUZZ_SEED", 20_261_127) as u64);
    let (methods, channel) = (methods(), connect(&node).await);
    assert!(methods.len() > 20, "{methods:?}");
    let mut answered = 0;
    for number in 0..setting("MAIP_FUZZ_CALLS", 1_500) {
        let (path, name) = &methods[dice.below(methods.len())];
        let mut wanted = Request::new(message(&mut dice, &words, 2));
        if SAFE_WITH_KEY.contains(&name.as_str()) && dice.below(2) == 0 {
            wanted = admin(&node, wanted.into_inner());
        }
        let shown = format!("call {number}: {path} with {:02x?}", wanted.get_ref());
        match call(channel.clone(), path, wanted).await {
            Some(Err(status)) => {
                let ours = [Code::Internal, Code::Unknown, Code::DataLoss, Code::Unavailable];
                // A message that does not parse is the sender's; tonic has one code for it.
                let unreadable = status.code() == Code::Internal && status.message().contains("decode");
                assert!(unreadable || !ours.contains(&status.code()), "{shown}: {status:?}");
                answered += 1;
            }
            Some(Ok(())) => answered += 1,
            None => {}
        }
    }
    assert!(answered > 100, "nothing was answered");
    assert!(!node.said().contains("panicked"), "{}", node.said());

    // Nothing that was refused is in the log; what the log says of itself may be.
    ledger.submit(admin(&node, submission(&tenant(&node, "afterwards"), Ack::Witnessed))).await.unwrap();
    let mut others = 0;
    for index in before..size(&node).await {
        let asked =
            GetEntryRequest { which: Some(get_entry_request::Which::Index(index)), ..Default::default() };
        let entry = ledger.get_entry(asked).await.unwrap().into_inner().entry;
        let text = String::from_utf8(entry.to_vec()).unwrap();
        others += usize::from(!text.contains(r#""type":"state.root""#));
    }
    assert_eq!(others, 1, "the record that was sent at the end");
}

#[test]
fn whatever_is_asked_for_over_plain_http_gets_an_answer() {
    let mut node = Node::init("");
    node.start();
    let paths = [
        "/checkpoint",
        "/main/checkpoint",
        "/tile/0/000",
        "/tile/0/000.p/1",
        "/main/tile/entries/000.p/1",
        "/tile/1/x001/234",
        "/main/status/maip-agent:01J00000000000000000000000",
        "/health/ready",
        "/metrics",
        "/.well-known/jwks.json",
        "/v1/agents?limit=1&cursor=abc",
    ];
    let odd = [
        "%00",
        "%2e%2e/",
        "%ff",
        "//",
        "..",
        "?",
        "#",
        "%",
        "x",
        ".p/",
        "256",
        "-1",
        "18446744073709551616",
        ";",
        "\t",
        "\u{e9}",
    ];
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"];
    let mut dice = Dice(setting("MAIP_FUZZ_SEED", 20_261_127) as u64);
    for number in 0..setting("MAIP_FUZZ_CALLS", 1_500) / 3 {
        let mut path = paths[dice.below(paths.len())].to_owned();
        for _ in 0..dice.below(3) {
            let at = dice.below(path.len());
            match (dice.below(3), path.is_char_boundary(at)) {
                (0, true) => path.insert_str(at, odd[dice.below(odd.len())]),
                (1, true) => path.truncate(at),
                _ => path.push_str(odd[dice.below(odd.len())]),
            }
        }
        let method = if dice.below(3) == 0 { methods[dice.below(methods.len())] } else { "GET" };
        let text = format!("{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
        // A request that is none may end the connection without a word.
        if let Some(answer) = request(node.http, &text) {
            // Not sealed yet, not ready: later.
            assert!(
                answer.status < 500 || answer.status == 503,
                "request {number}: {} for {method} {path}: {}",
                answer.status,
                answer.text()
            );
            assert!(answer.body.len() < ANSWER_MAX);
        }
    }
    assert!(!node.said().contains("panicked"), "{}", node.said());
    assert_eq!(node.get("/checkpoint").map(|answer| answer.status), Some(200));
}
