//! Payloads in a cluster: kept on a majority, fetched by who was away, destroyed everywhere, asked for by their tenant only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ledger_format::{
    payload::{BadRequest, Payload, PayloadAct, PayloadRequest, REQUEST_AGE_MAX_MS},
    record::{Digest, SigningKey, TenantId},
};
use ledger_log::{Ack, ErasureAt, HostedLog, Kind, PayloadFault, SignedRequest};

use crate::harness::{Cluster, LIMIT, Tenant, submit, wait_for};

const SEED: u8 = 7;

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn payload(value: &[u8]) -> Payload {
    Payload { salt: [9; 32], media: "text/plain".into(), value: value.to_vec() }
}

fn subject() -> Digest {
    Digest::sha256(b"ada")
}

/// A request as the tenant signs it.
fn signed(act: PayloadAct, commitment: Digest, at_ms: u64, seed: u8) -> SignedRequest {
    let tenant = Tenant::new(SEED).id;
    let request = PayloadRequest {
        log: "main".into(),
        tenant: TenantId(tenant),
        act,
        commitment,
        subject: subject(),
        at_ms,
    };
    let signature = request.sign(&SigningKey::from_seed([seed; 32])).unwrap();
    SignedRequest { log: "main".into(), tenant, subject: subject(), at_ms, signature }
}

async fn put(log: &HostedLog, value: &[u8]) -> Result<Digest, PayloadFault> {
    let payload = payload(value);
    let act = PayloadAct::Put { media: payload.media.clone() };
    log.put_payload(signed(act, payload.commitment(), now_ms(), SEED), payload).await
}

async fn get(log: &HostedLog, commitment: Digest) -> Result<Payload, PayloadFault> {
    log.get_payload(signed(PayloadAct::Get, commitment, now_ms(), SEED), commitment).await
}

/// Whether there is anything in a node's own files.
fn keeps(cluster: &Cluster, id: u64) -> bool {
    let folder = format!("{}-{}", Tenant::new(SEED).id, &subject().to_string()[7..]);
    cluster.dirs[&id].join("payloads").join(folder).exists()
}

async fn start(nodes: u64) -> (Cluster, Tenant) {
    with_tenant(Cluster::start(nodes).await).await
}

async fn with_tenant(cluster: Cluster) -> (Cluster, Tenant) {
    let mut tenant = Tenant::new(SEED);
    submit(&cluster.node(cluster.leader().await), tenant.register(), Ack::Sequenced).await;
    wait_for("every node to know the tenant", || {
        cluster.nodes().iter().all(|(_, log)| log.status().size >= 2).then_some(())
    })
    .await;
    (cluster, tenant)
}

async fn all_done(log: &HostedLog, tenant: &Tenant, nodes: usize) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let all = log.erasure(tenant.id, subject()).await.unwrap();
        let done = Some(ErasureAt { applied: true, destroyed: true });
        if all.len() == nodes && all.iter().all(|node| node.at == done) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {all:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_kept_given_and_erased_on_every_node() {
    let (cluster, mut tenant) = start(3).await;
    let kept = put(&cluster.node(2), b"well").await.unwrap();
    assert_eq!(put(&cluster.node(1), b"well").await.unwrap(), kept, "again");
    for (_, log) in cluster.nodes() {
        assert!(get(&log, kept).await.unwrap() == payload(b"well"));
    }
    let unknown = get(&cluster.node(1), Digest::sha256(b"x")).await;
    assert!(matches!(unknown, Err(PayloadFault::PayloadUnknown(_))));

    let before = cluster.node(1).erasure(tenant.id, subject()).await.unwrap();
    assert!(before.iter().all(|node| node.at.is_some_and(|at| !at.applied)), "{before:?}");
    submit(&cluster.node(3), tenant.erase(subject()), Ack::Sequenced).await;
    all_done(&cluster.node(1), &tenant, 3).await;
    assert!((1..=3).all(|id| !keeps(&cluster, id)));
    for (_, log) in cluster.nodes() {
        assert!(matches!(get(&log, kept).await, Err(PayloadFault::SubjectErased)));
        assert!(matches!(put(&log, b"more").await, Err(PayloadFault::SubjectErased)));
    }
}

/// Who was away fetches what it missed, by itself and when it is asked; who was away during the erasure destroys when it is back, although
/// it is told by a snapshot only.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_away_catches_up_with_payloads_and_erasures() {
    let (mut cluster, mut tenant) = start(3).await;
    cluster.stop(3).await;
    let kept = put(&cluster.node(1), b"well").await.unwrap();
    cluster.run(3).await;
    cluster.ready().await;
    wait_for("node 3 to fetch the payload", || keeps(&cluster, 3).then_some(())).await;
    assert!(get(&cluster.node(3), kept).await.unwrap() == payload(b"well"));

    cluster.stop(3).await;
    submit(&cluster.node(1), tenant.erase(subject()), Ack::Sequenced).await;
    let leader = cluster.node(cluster.leader().await);
    for _ in 0..80 {
        submit(&leader, tenant.agent(), Ack::Sequenced).await;
    }
    leader.snapshot().await.unwrap();
    let status = leader.erasure(tenant.id, subject()).await.unwrap();
    assert!(status.iter().any(|node| node.at.is_none()), "node 3 is away: {status:?}");
    assert!(keeps(&cluster, 3));
    cluster.run(3).await;
    all_done(&cluster.node(3), &tenant, 3).await;
    assert!((1..=3).all(|id| !keeps(&cluster, id)));
}

/// After its reset a sandbox is another Raft group under the same name, and nodes ask one another for the group.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_generation_of_a_sandbox_has_payloads_too() {
    let mut cluster = Cluster::prepare(3);
    cluster.generation = Some(2);
    let (mut cluster, mut tenant) = with_tenant(cluster.begin().await).await;
    cluster.stop(3).await;
    let kept = put(&cluster.node(1), b"well").await.unwrap();
    assert!(get(&cluster.node(2), kept).await.unwrap() == payload(b"well"));
    cluster.run(3).await;
    cluster.ready().await;
    wait_for("node 3 to fetch the payload", || keeps(&cluster, 3).then_some(())).await;
    submit(&cluster.node(1), tenant.erase(subject()), Ack::Sequenced).await;
    all_done(&cluster.node(2), &tenant, 3).await;
}

/// Without a majority nothing is promised; with one, a cut link does no harm.
#[tokio::test(flavor = "multi_thread")]
async fn a_majority_keeps_it_or_nothing_is_promised() {
    let (cluster, _tenant) = start(3).await;
    cluster.net.cut(1, 2);
    put(&cluster.node(1), b"well").await.unwrap();
    cluster.net.cut(1, 3);
    match put(&cluster.node(1), b"more").await {
        Err(PayloadFault::NoMajority { kept: 1, voters: 3 }) => {}
        other => panic!("{other:?}"),
    }
    cluster.net.heal();
    put(&cluster.node(1), b"more").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_tenant_puts_and_gets() {
    let (cluster, _tenant) = start(1).await;
    let log = cluster.node(1);
    let kept = put(&log, b"well").await.unwrap();
    let ask = async |request: SignedRequest| log.get_payload(request, kept).await.map(drop);
    let good = || signed(PayloadAct::Get, kept, now_ms(), SEED);
    assert!(ask(good()).await.is_ok());
    let refused = [
        signed(PayloadAct::Get, kept, now_ms(), 8),
        signed(PayloadAct::Get, Digest::sha256(b"x"), now_ms(), SEED),
        signed(PayloadAct::Put { media: "text/plain".into() }, kept, now_ms(), SEED),
        SignedRequest { log: "sandbox".into(), ..good() },
        SignedRequest { subject: Digest::sha256(b"bob"), ..good() },
    ];
    for request in refused {
        let answer = ask(request).await;
        assert!(matches!(answer, Err(PayloadFault::Request(BadRequest::Signature))), "{answer:?}");
    }
    let old = signed(PayloadAct::Get, kept, now_ms() - REQUEST_AGE_MAX_MS - 1_000, SEED);
    assert!(matches!(ask(old).await, Err(PayloadFault::Request(BadRequest::Age))));
    let stranger = SignedRequest { tenant: Tenant::new(9).id, ..good() };
    assert!(matches!(ask(stranger).await, Err(PayloadFault::TenantUnknown)));
    // Calls of peers are parsed as if anybody made them.
    for kind in [Kind::PayloadKeep, Kind::PayloadFetch, Kind::Erasure] {
        assert!(log.peer_call(kind as u32, Bytes::from_static(b"?")).await.is_err(), "{kind:?}");
    }
}

/// What a lying peer gives is not passed on.
#[tokio::test(flavor = "multi_thread")]
async fn a_payload_from_a_peer_is_checked() {
    let (cluster, _tenant) = start(2).await;
    // The second node has it alone; the first one must ask.
    cluster.net.lie(2, Kind::PayloadFetch);
    let own = payload(b"well");
    let (tenant, name) = (Tenant::new(SEED).id, subject());
    let mut body = [&tenant.to_bytes()[..], &name.bytes, &own.salt].concat();
    for part in [own.media.as_bytes(), &own.value] {
        body.extend((part.len() as u32).to_be_bytes());
        body.extend(part);
    }
    let answer = cluster.node(2).peer_call(Kind::PayloadKeep as u32, body.into()).await.unwrap();
    assert_eq!(answer[..], [0]);
    let lied = get(&cluster.node(1), own.commitment()).await;
    assert!(matches!(lied, Err(PayloadFault::PayloadUnknown(_))) && cluster.net.has_lied());
    cluster.net.tell_the_truth();
    assert!(get(&cluster.node(1), own.commitment()).await.unwrap() == own);
    assert!(keeps(&cluster, 1), "and keeps it then");
}
