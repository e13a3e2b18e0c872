//! Calls between nodes with bodies that no node would send: refused with a word, and nothing of the log moves.
//!
//! Raft's own calls are not made: their messages are tested where they are read, and what a node with a certificate does to consensus
//! by well-formed ones is not a question of parsing.

#[path = "../../../../ledger-format/fuzz/src/damage.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "public in the fuzz crate, whose file it is; this crate uses its part"
)]
mod damage;

use std::time::Duration;

use bytes::Bytes;
use ledger_log::{Ack, HostedLog, Kind, PeerError};
use ledger_state::{Command, Private, Transaction};

use crate::harness::{Cluster, LIMIT, Tenant, submit};
use damage::Dice;

/// Calls under way at once: a root vote for a size that is not here waits for it.
const AT_ONCE: usize = 250;
const SNAPSHOT: &[u8] = b"00000000000000000009.snapshot";

fn put(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend((value.len() as u32).to_be_bytes());
    bytes.extend(value);
}

/// A snapshot's name and a number, and what follows.
fn named(number: u64, rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, SNAPSHOT);
    bytes.extend(number.to_be_bytes());
    put(&mut bytes, rest);
    bytes
}

/// Bodies that a node could send, or nearly.
fn bodies() -> Vec<(Kind, Vec<u8>)> {
    let vote = [&[1][..], &9u64.to_be_bytes(), &1u64.to_be_bytes(), &[1]].concat();
    let part = b"maip-snapshot/1\n, or not".repeat(4);
    let mut forwarded = vec![1, 1];
    forwarded.extend(2u32.to_be_bytes());
    put(&mut forwarded, b"no record");
    put(&mut forwarded, b"{}");
    let transaction = Transaction { good_until_ms: u64::MAX, ..Transaction::default() };
    let subject = [7; 48];
    let mut payload = [&subject[..], &[3; 32]].concat();
    put(&mut payload, b"text/plain");
    put(&mut payload, b"well");
    vec![
        (Kind::SnapshotPart, named(0, &part)),
        (Kind::SnapshotPart, named(part.len() as u64, &part)),
        (Kind::SnapshotPart, named(u64::MAX, &part)),
        (Kind::SnapshotInstall, named(2 * part.len() as u64, &vote)),
        (Kind::Forward, forwarded),
        (Kind::Transact, Command::Private(Private::Transact { log_ms: 1, transaction }).encode()),
        (Kind::Transact, Command::Seal { log_ms: 1 }.encode()),
        (Kind::RootVote, 2u64.to_be_bytes().to_vec()),
        (Kind::FetchBundle, [0u64.to_be_bytes(), 256u64.to_be_bytes()].concat()),
        (Kind::WantPublished, 3u64.to_be_bytes().to_vec()),
        (Kind::ReadIndex, Vec::new()),
        (Kind::PayloadKeep, payload),
        (Kind::PayloadFetch, [&subject[..], &[5; 32]].concat()),
        (Kind::PayloadList, [&subject[..], &[5; 32]].concat()),
        (Kind::Erasure, subject.to_vec()),
    ]
}

async fn call(log: &HostedLog, kind: u32, body: Vec<u8>) -> bool {
    match tokio::time::timeout(LIMIT, log.peer_call(kind, Bytes::from(body))).await {
        Ok(Ok(_)) => true,
        Ok(Err(PeerError::Refused(text))) => {
            assert!(!text.is_empty(), "call {kind} is refused without a word");
            false
        }
        Ok(Err(other)) => panic!("call {kind}: {other}"),
        Err(_) => panic!("call {kind} has no answer"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_node_sends_is_answered_or_refused_and_moves_nothing() {
    let cluster = Cluster::start(1).await;
    let log = cluster.node(1);
    let mut tenant = Tenant::new(7);
    submit(&log, tenant.register(), Ack::Witnessed).await;
    let (size, bodies) = (log.status().size, bodies());
    let (mut dice, mut done, mut refused) = (Dice::seeded(), 0, 0);
    let calls: Vec<_> = (0..damage::cases(1_500))
        .map(|_| {
            let (kind, good) = &bodies[dice.below(bodies.len())];
            let body = if dice.below(5) == 0 { good.clone() } else { dice.damage(good) };
            // Now and then to a call that there is not.
            let kind = if dice.below(40) == 0 { 17 + dice.below(1 << 20) as u32 } else { *kind as u32 };
            (kind, body)
        })
        .collect();
    for some in calls.chunks(AT_ONCE) {
        let some = some.iter().map(|(kind, body)| call(&log, *kind, body.clone()));
        for answered in futures::future::join_all(some).await {
            *(if answered { &mut done } else { &mut refused }) += 1;
        }
    }
    assert!(done > 100 && refused > 100, "{done} answered, {refused} refused");

    // What was begun ends, and not with an installation.
    let part = b"maip-snapshot/1\n, or not".repeat(8);
    assert!(call(&log, Kind::SnapshotPart as u32, named(0, &part)).await);
    let install =
        named(part.len() as u64, &[&[1][..], &9u64.to_be_bytes(), &1u64.to_be_bytes(), &[1]].concat());
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let answer = log.peer_call(Kind::SnapshotInstall as u32, install.clone().into()).await.unwrap();
        match answer[0] {
            0 => tokio::time::sleep(Duration::from_millis(5)).await,
            2 => break,
            other => panic!("the answer {other} to a snapshot that is none"),
        }
        assert!(tokio::time::Instant::now() < deadline, "an installation that never ends");
    }
    assert_eq!(log.status().size, size, "something was logged");
    assert!(log.ready().is_ok());
    submit(&log, tenant.agent(), Ack::Witnessed).await;
}
