//! What a replay refuses: everything an honest log would never have in it.

mod world;

use ledger_format::record::{Body, Entry, FederationAgree, PublicKey, Record, SigningKey};
use ledger_state::{Command, Points, ReplayError, ReplayFault, Replayer, StepError};
use world::speak::*;
use world::*;

/// A replay of the small world, with its last time.
fn replayed() -> Replayer {
    let mut replayer = Replayer::new();
    let records = [
        genesis(),
        register_tenant(1),
        register_tenant(2),
        register_agent(1, 2, 1, None),
        register_agent(1, 3, 2, Some(1)),
    ];
    for (index, record) in (0..).zip(records) {
        replayer.push(index, &Entry::encode(START_MS, &record.to_bytes())).unwrap();
    }
    replayer
}

fn push(replayer: &mut Replayer, at: u64, record: &Record) -> Result<(), ReplayFault> {
    let index = replayer.size();
    replayer.push(index, &Entry::encode(at, &record.to_bytes())).map(drop).map_err(|error| {
        assert_eq!(error.index, index);
        error.fault
    })
}

/// The same record with somebody else's signature under the right key's name.
fn forged(mut record: Record, key: &SigningKey) -> Record {
    record.sig.value = key.sign(&record.signed_bytes());
    record
}

#[test]
fn an_honest_log_replays_and_can_be_resumed() {
    let mut replayer = replayed();
    push(&mut replayer, START_MS + 1, &receipt(1, 700, 1, "invoice:pay")).unwrap();
    assert_eq!(replayer.size(), 6);
    let mut resumed = Replayer::resume(replayer.clone().into_state());
    assert_eq!((resumed.size(), resumed.root()), (replayer.size(), replayer.root()));
    push(&mut resumed, START_MS + 1, &receipt(1, 701, 2, "invoice:pay")).unwrap();
}

#[test]
fn a_cheating_log_does_not() {
    let before = replayed();
    let receipt = receipt(1, 700, 1, "invoice:pay");
    let refused = |at: u64, record: &Record| {
        let mut replayer = before.clone();
        let fault = push(&mut replayer, at, record).unwrap_err();
        assert_eq!(replayer.state(), before.state(), "a refused entry changes nothing");
        fault
    };
    assert!(matches!(refused(START_MS - 1, &receipt), ReplayFault::TimeRanBack { .. }));
    assert!(matches!(refused(START_MS, &forged(receipt.clone(), &key(2))), ReplayFault::Signature(_)));
    assert!(matches!(refused(START_MS, &genesis()), ReplayFault::Duplicate { first: 0 }));
    assert!(matches!(
        refused(START_MS, &register_agent(1, 3, 2, Some(1))),
        ReplayFault::Duplicate { first: 4 }
    ));
    assert!(matches!(refused(START_MS, &register_agent(1, 9, 1, None)), ReplayFault::Forbidden(_)));
    assert!(matches!(refused(START_MS, &revoke(2, 9, 1, true)), ReplayFault::Forbidden(_)));

    let mut replayer = before.clone();
    let entry = Entry::encode(START_MS, &receipt.to_bytes());
    assert!(matches!(replayer.push(6, &entry).unwrap_err().fault, ReplayFault::Order { expected: 5 }));
    assert!(matches!(replayer.push(4, &entry).unwrap_err().fault, ReplayFault::Order { expected: 5 }));
    let spaced = [&entry[..], b" "].concat();
    assert!(matches!(replayer.push(5, &spaced).unwrap_err().fault, ReplayFault::Entry(_)));
    let text = String::from_utf8(entry).unwrap().replace("\"outcome\"", "\"outcomE\"");
    assert!(matches!(replayer.push(5, text.as_bytes()).unwrap_err().fault, ReplayFault::Record(_)));
    assert!(matches!(Replayer::new().push(0, text.as_bytes()).unwrap_err().fault, ReplayFault::Record(_)));
}

/// An agreement is signed by both sides; whoever leads a log could leave the other one's word out.
#[test]
fn an_agreement_that_the_peer_has_not_signed_does_not_replay() {
    let agreed = |change: &dyn Fn(&mut FederationAgree)| {
        let mut body = agreement(1, 2, 1, &["invoice:*"], START_MS + HOUR);
        change(&mut body);
        push(&mut replayed(), START_MS, &by_tenant(1, 700, Body::FederationAgree(Box::new(body))))
    };
    assert_eq!(agreed(&|_| {}), Ok(()));
    let refused = |fault| matches!(fault, Err(ReplayFault::Signature(_)));
    assert!(refused(agreed(&|body| body.peer_sig.value[5] ^= 1)));
    assert!(refused(agreed(&|body| body.hops = 2)), "signed, then changed");
    assert!(refused(agreed(&|body| body.sign_as_peer(tenant(2).0, &tenant(2).1))), "as the other side");
}

/// Remembers nothing, counts what was asked for.
#[derive(Default)]
struct Counting(std::cell::Cell<u32>);

impl Points for Counting {
    fn get(&self, _: &[u8; 32]) -> Option<ledger_state::Point> {
        self.0.set(self.0.get() + 1);
        None
    }

    fn put(&self, _: PublicKey) {}
}

/// The signature can be verified elsewhere and later: the state is the same, and the forged entry is the one that its job names.
#[test]
fn a_signature_can_be_left_for_later() {
    let (mut whole, mut parts) = (replayed(), replayed());
    let good = receipt(1, 700, 1, "invoice:pay");
    let bad = forged(receipt(1, 701, 1, "invoice:pay"), &key(2));
    let after = receipt(1, 702, 2, "invoice:pay");
    let mut jobs = Vec::new();
    for (index, record) in (5..).zip([&good, &bad, &after]) {
        let entry = Entry::encode(START_MS, &record.to_bytes());
        let step = parts.step_unsigned(index, &entry).unwrap();
        assert_eq!(step.leaf, ledger_format::leaf_hash(&entry));
        jobs.push(step.signature.expect("a record is signed"));
    }
    push(&mut whole, START_MS, &good).unwrap();
    let fault = push(&mut whole, START_MS, &bad).unwrap_err();
    let points = Counting::default();
    let verified: Vec<_> = jobs.iter().map(|job| (job.index(), job.verify(&points))).collect();
    assert_eq!(verified, [(5, Ok(())), (6, Err(ReplayError { index: 6, fault })), (7, Ok(()))]);
    assert_eq!(points.0.get(), 3);

    // What else is wrong is refused at once, and a state.root needs no signature.
    let mut parts = replayed();
    let forbidden = Entry::encode(START_MS, &register_agent(1, 9, 1, None).to_bytes());
    assert!(matches!(
        parts.step_unsigned(5, &forbidden).unwrap_err(),
        StepError::Replay(ReplayError { index: 5, fault: ReplayFault::Forbidden(_) })
    ));
    let sealed = ledger_state::apply(parts.state(), &Command::Seal { log_ms: START_MS });
    let step = parts.step_unsigned(5, &sealed.entries[0].bytes).unwrap();
    assert_eq!((step.leaf, step.signature), (sealed.entries[0].leaf, None));
}
