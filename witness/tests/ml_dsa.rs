//! With the feature `ml-dsa` and a second key: two cosignatures an answer, and signed subtrees.
#![cfg(feature = "ml-dsa")]

mod support;

use ledger_format::witness_wire::parse_cosignature_lines;
use ledger_format::{HashReader, Note, NoteSigner, SignSubtree, SignatureType, prove_subtree};
use support::{TestLog, Witness};

#[test]
fn a_second_key_cosigns_and_signs_subtrees() {
    let log = TestLog::new("log.example/subtree", 20);
    let mut witness = Witness::init(&[&log], "");
    let key = NoteSigner::new("w.example/1", SignatureType::MlDsa44, [4; 32]).expect("a name");
    std::fs::write(witness.dir().join("second.key"), key.to_private_text() + "\n").expect("writable");
    let text = std::fs::read_to_string(witness.config()).expect("readable");
    let text = text.replace("# ml_dsa_key = \"witness.ml-dsa.key\"", "ml_dsa_key = \"second.key\"");
    std::fs::write(witness.config(), text).expect("writable");
    witness.start();

    let answer = witness.add(&log.body(0, 20));
    let lines = parse_cosignature_lines(&answer.body).expect("lines");
    let text = log.text(20);
    assert_eq!(lines.len(), 2);
    let time = witness.vkey.verify(&text, &lines[0]).expect("Ed25519");
    assert_eq!(key.vkey().verify(&text, &lines[1]), Ok(time));

    // The checkpoint needs one of our cosignatures; the other key's will do.
    let mut note = log.sign(&text);
    note.push(lines[0].clone());
    let request = |start, end, at: (u8, u64), note: &Note| {
        let Ok(proof) = prove_subtree(&log, start, end, 20);
        let Ok(hash) = log.subtree(at.0, at.1);
        SignSubtree { start, end, hash, proof, note: note.clone() }
    };
    for (start, end, at) in [(0, 16, (4, 0)), (16, 20, (2, 4)), (4, 6, (1, 2)), (7, 8, (0, 7))] {
        let request = request(start, end, at, &note);
        let answer = witness.post("/sign-subtree", &request.to_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let lines = parse_cosignature_lines(&answer.body).expect("lines");
        // SPEC: the time of a subtree's cosignature is zero.
        assert_eq!(key.vkey().verify_subtree(&log.origin, (start, end), request.hash, &lines[0]), Ok(0));
    }
    assert_eq!(witness.metric("maip_witness_subtrees_total"), 4);
    let unsigned = request(4, 6, (1, 2), &log.sign(&text));
    assert_eq!(witness.post("/sign-subtree", &unsigned.to_bytes()).status, 403);
    let beyond = SignSubtree { start: 16, end: 24, ..request(16, 20, (2, 4), &note) };
    assert_eq!(witness.post("/sign-subtree", &beyond.to_bytes()).status, 400);
}
