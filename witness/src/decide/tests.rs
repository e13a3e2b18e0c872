use super::*;
use crate::testlog::TestLog;
use ledger_format::{NoteSigner, SignatureType};

fn log() -> TestLog {
    TestLog::new("log.example/decide", 20)
}

/// `latest` is a size of the honest log that was cosigned.
#[track_caller]
fn check(latest: Option<u64>, old: u64, new: &Checkpoint, proof: &[Hash], want: Result<(), Refusal>) {
    let latest = latest.map(|size| Latest { size, root: log().root(size) });
    let got = decide(latest, old, new, proof);
    if let Ok(advance) = got {
        assert_eq!(advance, Advance { from: latest, to: Latest { size: new.size, root: new.root } });
    }
    assert_eq!(got.map(|_| ()), want);
}

fn honest(size: u64) -> Checkpoint {
    Checkpoint::new("log.example/decide", size, log().root(size))
}

#[test]
fn every_row_of_the_table() {
    let log = log();
    let fork = log.fork(5, "fork");
    let forked = |size| Checkpoint::new("log.example/decide", size, fork.root(size));
    let proof = |old, new| log.proof(old, new);
    let conflict = |latest| Err(Refusal::Conflict { latest });
    let bad = |error| Err(Refusal::Proof(error));
    let bad_length = |old, new, got: Vec<Hash>| {
        let error = verify_consistency(old, new, &got, log.root(old), log.root(new)).unwrap_err();
        bad(error)
    };

    // Fine.
    check(None, 0, &honest(7), &[], Ok(()));
    check(None, 0, &honest(0), &[], Ok(()));
    check(Some(0), 0, &honest(7), &[], Ok(()));
    check(Some(7), 7, &honest(20), &proof(7, 20), Ok(()));
    check(Some(7), 7, &honest(7), &[], Ok(()));
    // Old size above the checkpoint's, also when another row would fit.
    check(Some(7), 9, &honest(8), &[], Err(Refusal::OldSizeTooLarge { old: 9, size: 8 }));
    check(None, u64::MAX, &honest(8), &[], Err(Refusal::OldSizeTooLarge { old: u64::MAX, size: 8 }));
    // Old size is not the one cosigned last: smaller, larger, never cosigned.
    check(Some(7), 5, &honest(9), &proof(5, 9), conflict(7));
    check(Some(7), 8, &honest(9), &proof(8, 9), conflict(7));
    check(Some(7), 0, &honest(9), &[], conflict(7));
    check(None, 3, &honest(9), &proof(3, 9), conflict(0));
    // A rollback is a conflict as well: its old size cannot be the last one.
    check(Some(7), 3, &honest(5), &proof(3, 5), conflict(7));
    // Size 0 has one root.
    let odd = Checkpoint::new("log.example/decide", 0, log.root(3));
    check(None, 0, &odd, &[], Err(Refusal::EmptyTreeRoot));
    check(Some(0), 0, &odd, &[], Err(Refusal::EmptyTreeRoot));
    // Same size, another root.
    check(Some(7), 7, &forked(7), &[], Err(Refusal::Fork { size: 7 }));
    check(Some(7), 7, &forked(7), &proof(6, 7), Err(Refusal::Fork { size: 7 }));
    // A proof that should be empty, is missing, too long, of another tree, or has a flipped bit.
    check(None, 0, &honest(7), &proof(3, 7), bad_length(0, 7, proof(3, 7)));
    check(Some(7), 7, &honest(7), &proof(3, 7), bad_length(7, 7, proof(3, 7)));
    check(Some(7), 7, &honest(9), &[], bad_length(7, 9, Vec::new()));
    let mut longer = proof(7, 9);
    longer.push(log.root(1));
    check(Some(7), 7, &honest(9), &longer, bad_length(7, 9, longer.clone()));
    check(Some(7), 7, &forked(9), &fork.proof(7, 9), bad(ProofError::OldRootMismatch));
    let mut flipped = proof(7, 9);
    flipped[0].0[31] ^= 1;
    assert!(decide(Some(Latest { size: 7, root: log.root(7) }), 7, &honest(9), &flipped).is_err());
}

#[test]
fn a_signature_by_a_trusted_key_is_needed_and_every_one_must_hold() {
    let log = log();
    let next = log.clone().with_key("log.example/decide", 9);
    let other = log.clone().with_key("log.example/other", 3);
    let trusted = [log.key().vkey().clone(), next.key().vkey().clone()];
    let (text, wrong) = (log.text(7), log.text(8));
    let note = |lines: Vec<SignatureLine>| {
        let mut note = Note::new(text.clone());
        lines.into_iter().for_each(|line| note.push(line));
        note
    };
    let signs = |log: &TestLog| log.key().sign(&text);
    let witness = NoteSigner::new("w.example/1", SignatureType::CosignatureV1, [1; 32]).expect("a name");

    // Strangers' lines are dropped and a line is kept once.
    let lines = vec![signs(&other), signs(&log), witness.cosign(&text, 5), signs(&next), signs(&log)];
    assert_eq!(authenticate(&trusted, &note(lines)), Ok(vec![signs(&log), signs(&next)]));
    assert_eq!(authenticate(&trusted, &note(vec![signs(&other)])), Err(Refusal::NoTrustedSignature));
    assert_eq!(authenticate(&[], &note(vec![signs(&log)])), Err(Refusal::NoTrustedSignature));
    // One that names a trusted key and fails spoils the note, wherever it stands.
    let forged = log.key().sign(&wrong);
    let spoiled = Err(Refusal::BadTrustedSignature("log.example/decide".into()));
    assert_eq!(authenticate(&trusted, &note(vec![forged.clone()])), spoiled);
    assert_eq!(authenticate(&trusted, &note(vec![signs(&next), forged.clone()])), spoiled);
    assert_eq!(authenticate(&trusted, &note(vec![signs(&log), forged])), spoiled);
    // A right name with an unknown id is a stranger.
    let mut renamed = signs(&other);
    renamed.name = "log.example/decide".into();
    assert_eq!(authenticate(&trusted, &note(vec![renamed])), Err(Refusal::NoTrustedSignature));
}
