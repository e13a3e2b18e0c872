//! Every row of the status table of C2SP tlog-witness, over HTTP against the program.

mod support;

use ledger_format::{Checkpoint, Evidence, EvidenceKind, NoteSigner, Policy, SignatureType, origin_path};
use support::{TestLog, Witness};

const SIZE: &str = "text/x.tlog.size";
const TEXT: &str = "text/plain; charset=utf-8";

/// Sends a body and compares status, content type and, for a conflict, the whole body.
#[track_caller]
fn check(witness: &Witness, name: &str, body: &[u8], status: u16, want: &str) {
    let answer = witness.add(body);
    assert_eq!(answer.status, status, "{name}: {}", answer.text());
    let content_type = if status == 409 { SIZE } else { TEXT };
    assert_eq!(answer.header("content-type"), Some(content_type), "{name}");
    match status {
        409 => assert_eq!(answer.text(), want, "{name}"),
        _ => assert!(answer.text().contains(want), "{name}: {}", answer.text()),
    }
}

#[test]
fn every_row() {
    let log = TestLog::new("log.example/rows", 40);
    let fork = log.fork(5, "fork");
    let stranger = TestLog::new("log.example/stranger", 9);
    let witness = Witness::of(&[&log]);
    let row = |name: &str, body: &[u8], status: u16, want: &str| check(&witness, name, body, status, want);
    let text_of = |body: Vec<u8>| String::from_utf8(body).expect("text");

    // 404: nothing cosigned yet.
    assert_eq!(witness.get(&format!("/{}/checkpoint", origin_path(&log.origin))).status, 404);

    // 400, before anything else is looked at.
    for (name, body) in [
        ("empty", ""),
        ("no old line", "\n"),
        ("a number with a zero in front", "old 01\n\n"),
        ("a negative number", "old -1\n\n"),
        ("no checkpoint", "old 0\n\n"),
        ("no signature", "old 0\n\no\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"),
        ("not a hash", "old 0\nAAAA\n\no\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"),
    ] {
        row(name, body.as_bytes(), 400, "malformed");
    }
    let good = text_of(log.body(0, 7));
    row("carriage returns", good.replace('\n', "\r\n").as_bytes(), 400, "malformed");
    row("a byte that is not UTF-8", &[good.as_bytes(), &[0xff]].concat(), 400, "malformed");
    row(
        "64 hashes",
        good.replace("old 0\n", &format!("old 0\n{}", "A".repeat(43).add_lines(64))).as_bytes(),
        400,
        "",
    );
    row("signed text that is no checkpoint", &not_a_checkpoint(&log), 400, "malformed");

    // 404: an unknown origin, even with a good signature.
    row("unknown origin", &stranger.body(0, 7), 404, "does not know");
    // 403: no trusted key has signed, or one that should have did not.
    let posing = stranger.clone().with_origin(&log.origin);
    row("another log's key", &posing.body(0, 7), 403, "no signature by a key trusted");
    let other_id = log.clone().with_key(&log.origin, 5);
    row("the right name with another key", &other_id.body(0, 7), 403, "no signature by a key trusted");
    let mut forged = log.request(0, 7);
    forged.note = {
        let mut note = ledger_format::Note::new(log.text(8));
        note.push(forged.note.signatures()[0].clone());
        note
    };
    row("a signature of another text", &forged.to_bytes(), 403, "does not verify");
    // 400: old above new. Signed, so it is the request that is wrong and not the sender unknown.
    row("old above new", &text_of(log.body(0, 7)).replace("old 0", "old 8").into_bytes(), 400, "larger than");
    // 409: never cosigned is size 0.
    row("old of a log never cosigned", &log.body(3, 7), 409, "0\n");
    // 422: an impossible empty tree; a proof where none belongs.
    let empty = Checkpoint::new(log.origin.clone(), 0, log.root(3)).to_string();
    let empty = ledger_format::AddCheckpoint { old: 0, proof: Vec::new(), note: log.sign(&empty) };
    row("a root of no tree", &empty.to_bytes(), 422, "SHA-256");
    let mut proved = log.request(0, 7);
    proved.proof = log.proof(3, 7);
    row("a proof from nothing", &proved.to_bytes(), 422, "proof");

    // 200: from nothing; the same again with a fresh time; on.
    witness.must_cosign(&log, 0, 7);
    witness.must_cosign(&log, 7, 7);
    witness.must_cosign(&log, 7, 20);
    let answer = witness.add(&log.body(20, 30));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(TEXT)));

    // 409 with the size last cosigned.
    row("old below", &log.body(20, 35), 409, "30\n");
    row("old above the last one", &log.body(31, 35), 409, "30\n");
    row("nothing known", &log.body(0, 35), 409, "30\n");
    row("a smaller tree", &log.body(7, 20), 409, "30\n");
    // 422: a fork at the size; a proof that is missing, of another tree, or too long.
    row("another root for the size", &fork.body(30, 30), 422, "fork");
    row("a proof of another tree", &fork.body(30, 35), 422, "proof");
    let mut unproved = log.request(30, 35);
    unproved.proof.clear();
    row("no proof", &unproved.to_bytes(), 422, "proof");
    let mut longer = log.request(30, 35);
    longer.proof.push(log.root(1));
    row("a proof with a hash too many", &longer.to_bytes(), 422, "proof");
    let mut refreshed = log.request(30, 30);
    refreshed.proof.push(log.root(1));
    row("a proof from a tree to itself", &refreshed.to_bytes(), 422, "proof");

    // None of the refusals has moved anything.
    witness.must_cosign(&log, 30, 35);
    let note = witness.checkpoint(&log.origin).expect("cosigned");
    assert_eq!(note.text(), log.text(35));
    assert_eq!(witness.metric("maip_witness_log_size{origin=\"log.example/rows\"}"), 35);
    assert_eq!(witness.metric("maip_witness_answers_total{outcome=\"fork\"}"), 1);
    assert!(witness.metric("maip_witness_alarms_total") >= 1);
    // The fork is kept in the published form, and convicts the log by itself.
    let evidence: Vec<Vec<u8>> = std::fs::read_dir(witness.dir().join("state/evidence"))
        .expect("a directory")
        .map(|file| std::fs::read(file.expect("a file").path()).expect("readable"))
        .collect();
    let policy = Policy::parse(&format!("log {}\nquorum none\n", log.vkey())).expect("a policy");
    let verdicts: Vec<_> = evidence
        .iter()
        .filter_map(|file| Evidence::parse(file).ok())
        .map(|evidence| evidence.judge(&policy).expect("convicts"))
        .collect();
    assert_eq!(verdicts.len(), 1);
    assert_eq!((verdicts[0].kind, verdicts[0].log), (EvidenceKind::LogForkSameSize, true));
    // The bad proofs are kept as hints.
    assert!(evidence.iter().any(|file| String::from_utf8_lossy(file).contains("proof does not hold")));
}

trait AddLines {
    fn add_lines(&self, count: usize) -> String;
}

impl AddLines for String {
    fn add_lines(&self, count: usize) -> String {
        format!("{self}=\n").repeat(count)
    }
}

fn not_a_checkpoint(log: &TestLog) -> Vec<u8> {
    let note = log.sign(&format!("{}\nseven\nroot\n", log.origin));
    ledger_format::AddCheckpoint { old: 0, proof: Vec::new(), note }.to_bytes()
}

#[test]
fn other_paths_and_methods() {
    let log = TestLog::new("log.example/paths", 9);
    let witness = Witness::of(&[&log]);
    assert_eq!(witness.get("/add-checkpoint").status, 405);
    assert_eq!(witness.post("/metrics", b"").status, 405);
    assert_eq!(witness.get("/").status, 404);
    assert_eq!(witness.get("/nothing/checkpoint").status, 404);
    assert_eq!(witness.get("/health/live").status, 200);
    assert_eq!(witness.get("/health/ready").status, 200);
    // Upper-case hex is another spelling of the path, so it is not the path.
    witness.must_cosign(&log, 0, 3);
    assert_eq!(witness.get(&format!("/{}/checkpoint", origin_path(&log.origin).to_uppercase())).status, 404);
    let answer = witness.get(&format!("/{}/checkpoint", origin_path(&log.origin)));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(TEXT)));
    // An answer per request over one connection.
    let mut connection = witness.connect();
    for size in 4..9 {
        let answer = connection.post("/add-checkpoint", &log.body(size - 1, size)).expect("an answer");
        assert_eq!(answer.status, 200);
    }
}

/// Without an ML-DSA-44 key there is nothing that could sign a subtree.
#[test]
fn sign_subtree_refuses_row_by_row() {
    let log = TestLog::new("log.example/subtree", 20);
    let witness = Witness::of(&[&log]);
    let answer = witness.add(&log.body(0, 20));
    let mut note = log.request(0, 20).note;
    let unsigned = note.clone();
    note.push(ledger_format::SignatureLine::parse(answer.text().trim_end()).expect("a line"));
    let subtree = |start, end, note: &ledger_format::Note, at| {
        let Ok(proof) = ledger_format::prove_subtree(&log, start, end, 20);
        ledger_format::SignSubtree { start, end, hash: hash(&log, at), proof, note: note.clone() }.to_bytes()
    };
    let check = |name: &str, body: &[u8], status: u16| {
        let answer = witness.post("/sign-subtree", body);
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    };
    check("no request", b"subtree 0\n", 400);
    let good = String::from_utf8(subtree(4, 8, &note, 1)).expect("text");
    check("not aligned", good.replace("subtree 4 8", "subtree 5 8").as_bytes(), 400);
    check("not cosigned by us", &subtree(4, 8, &unsigned, 1), 403);
    check("another hash", &subtree(4, 8, &note, 2), 422);
    check("right, but not offered", good.as_bytes(), 404);
    let stranger = TestLog::new("log.example/stranger", 20);
    check("unknown origin", &subtree(4, 8, &stranger.request(0, 20).note, 1), 404);
}

/// Hash of the `nth` subtree of four entries.
fn hash(log: &TestLog, nth: u64) -> ledger_format::Hash {
    let Ok(hash) = ledger_format::HashReader::subtree(log, 2, nth);
    hash
}

#[test]
fn a_witness_key_is_not_trusted_as_a_log() {
    let log = TestLog::new("log.example/keys", 9);
    let witness = Witness::of(&[&log]);
    let text = log.text(3);
    let mut note = ledger_format::Note::new(text.clone());
    let other = NoteSigner::new(&log.origin, SignatureType::CosignatureV1, [3; 32]).expect("a name");
    note.push(other.cosign(&text, 5));
    let body = ledger_format::AddCheckpoint { old: 0, proof: Vec::new(), note }.to_bytes();
    assert_eq!(witness.add(&body).status, 403);
}
