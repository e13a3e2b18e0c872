//! R5, R4: the log's key changes and its origin stays; what has lost entries ends, and another log says which one it follows.

use bytes::Bytes;
use ledger_format::{
    Checkpoint, Note, NoteSigner, SignatureType, TlogProof, Vkey,
    record::{Actor, Body, Draft, Entry, LogKey, LogKeyAction, Record, SigningKey, Ulid},
};
use ledger_log::{Ack, Credential, RefusedKind};

use crate::harness::{
    Cluster, FIRST_LOG_KEY, LIMIT, OPERATOR_SEED, Tenant, check_proof, log_signer, submit, wait_for,
};

/// Seed of the key that takes over.
const NEXT_LOG_KEY: u8 = 2;

/// R5: another key takes over under the same origin. Both sign while both are in force; the last checkpoint before is never
/// contradicted, and witnesses that know both keys go on.
#[tokio::test(flavor = "multi_thread")]
async fn r5_a_log_key_takes_over_from_another() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(leader), tenant.register(), Ack::Witnessed).await;
    let (old, new) = (log_signer(FIRST_LOG_KEY), log_signer(NEXT_LOG_KEY));
    // First the policies, then the nodes, one at a time.
    cluster.policy_text = format!("log {}\n{}", new.vkey(), cluster.policy_text);
    cluster.log_seeds = vec![FIRST_LOG_KEY, NEXT_LOG_KEY];
    for id in 1..=3 {
        cluster.stop(id).await;
        cluster.run(id).await;
        cluster.ready().await;
    }
    assert_eq!(signers_of_next(&cluster, tenant.agent()).await, [old.vkey().clone()], "not added yet");
    assert_eq!(cluster.node(1).vkey(), *old.vkey());

    let leader = cluster.leader().await;
    submit(&cluster.node(leader), log_key(1, LogKeyAction::Add, &new), Ack::Witnessed).await;
    assert_eq!(signers_of_next(&cluster, tenant.agent()).await, [old.vkey().clone(), new.vkey().clone()]);
    submit(&cluster.node(leader), log_key(2, LogKeyAction::Retire, &old), Ack::Witnessed).await;
    assert_eq!(signers_of_next(&cluster, tenant.agent()).await, [new.vkey().clone()]);
    assert_eq!(cluster.node(leader).vkey(), *new.vkey(), "what a node tells is what signs");
    let stolen = vec![log_key(3, LogKeyAction::Retire, &new)];
    let anonymous = cluster.node(leader).submit(stolen, Ack::Sequenced, LIMIT, Credential::Anonymous).await;
    assert_eq!(anonymous[0].as_ref().unwrap_err().kind, RefusedKind::Unauthenticated);

    // The fence of nodes that hold the new key alone takes what witnesses cosigned before.
    cluster.log_seeds = vec![NEXT_LOG_KEY];
    for id in 1..=3 {
        cluster.stop(id).await;
        cluster.run(id).await;
        cluster.ready().await;
    }
    assert_eq!(signers_of_next(&cluster, tenant.agent()).await, [new.vkey().clone()]);
    for witness in cluster.witnesses.by_url.lock().unwrap().values() {
        assert!(witness.signed.is_sorted_by_key(|(size, _)| *size), "a witness was led back");
    }
}

/// R5: who holds retired keys only signs nothing; entries stay sequenced.
#[tokio::test(flavor = "multi_thread")]
async fn r5_a_retired_key_signs_nothing() {
    let cluster = Cluster::start(1).await;
    let mut tenant = Tenant::new(7);
    submit(&cluster.node(1), tenant.register(), Ack::Witnessed).await;
    submit(&cluster.node(1), log_key(1, LogKeyAction::Add, &log_signer(NEXT_LOG_KEY)), Ack::Witnessed).await;
    submit(&cluster.node(1), log_key(2, LogKeyAction::Retire, &log_signer(FIRST_LOG_KEY)), Ack::Sequenced)
        .await;
    let served = cluster.node(1).reader().checkpoint().unwrap();
    let failures = failures_of(&cluster);
    let answer = submit(&cluster.node(1), tenant.agent(), Ack::Sequenced).await;
    wait_for("failed rounds", || (failures_of(&cluster) > failures + 1).then_some(())).await;
    assert_eq!(cluster.node(1).reader().checkpoint().unwrap().note, served.note);
    assert!(cluster.node(1).reader().entry(answer.index).unwrap().is_none());
}

/// R4: what has lost entries ends; another log names its last good checkpoint in its first entry, and never takes its origin.
#[tokio::test(flavor = "multi_thread")]
async fn r4_a_new_log_names_the_one_it_follows() {
    let lost = Cluster::start(1).await;
    submit(&lost.node(1), Tenant::new(7).register(), Ack::Witnessed).await;
    let last = String::from_utf8(lost.node(1).reader().checkpoint().unwrap().note.to_vec()).unwrap();

    let mut own = Cluster::prepare(1);
    own.predecessor = Some(last);
    let refused = own.try_run(1).await.unwrap_err();
    assert!(refused.contains("never goes on under its origin"), "{refused}");

    let other = NoteSigner::new("log.example/lost", SignatureType::Ed25519, [5; 32]).unwrap();
    let text = Checkpoint::new("log.example/lost", 41, ledger_format::leaf_hash(b"lost")).to_string();
    let mut note = Note::new(text.clone());
    note.push(other.sign(&text));
    let mut next = Cluster::prepare(1);
    next.predecessor = Some(note.to_string());
    let next = next.begin().await;
    next.all_published(1).await;
    let entry = next.node(1).reader().entry(0).unwrap().unwrap();
    let record = Record::parse(Entry::parse(&entry).unwrap().record).unwrap();
    let Body::LogGenesis(genesis) = record.body else { panic!("entry 0 is {}", record.type_name()) };
    assert_eq!(genesis.predecessor, Some(note.to_string()));
}

/// A change of the log's keys, signed by the operator.
fn log_key(number: u128, action: LogKeyAction, key: &NoteSigner) -> Bytes {
    let body = Body::LogKey(LogKey { action, vkey: key.vkey().to_string() });
    let id = Ulid::from_parts(9, number);
    let draft = Draft::new(Ulid::NIL, id, Actor::Operator, 1_700_000_000_000, body);
    draft.sign(&SigningKey::from_seed(OPERATOR_SEED)).to_bytes().into()
}

/// Logs a record and says which keys of the log signed the checkpoint that covers it.
async fn signers_of_next(cluster: &Cluster, record: Bytes) -> Vec<Vkey> {
    let leader = cluster.leader().await;
    let answer = submit(&cluster.node(leader), record.clone(), Ack::Witnessed).await;
    let proof = answer.proof.unwrap();
    check_proof(&cluster.policy(), &proof, &record);
    let note = TlogProof::parse(&proof).unwrap().note;
    let keys = [log_signer(FIRST_LOG_KEY), log_signer(NEXT_LOG_KEY)].map(|key| key.vkey().clone());
    keys.into_iter().filter(|key| note.signature_of(key).is_some()).collect()
}

fn failures_of(cluster: &Cluster) -> u64 {
    let text = cluster.node(1).metrics_text();
    let line = text.lines().find(|line| line.starts_with("maip_publish_failures_total"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap()
}
