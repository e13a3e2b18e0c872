//! Logs that are not ours: extension lines, strangers' signatures, several keys, an origin that is not the
//! name of the key.

mod support;

use ledger_format::{AddCheckpoint, NoteSigner, SignatureType};
use support::{TestLog, Witness};

#[test]
fn a_foreign_log_with_extensions_and_many_signatures() {
    // The origin has spaces and is not the key's name.
    let foreign = TestLog::new("go.sum database tree 7", 300).with_key("sum.example.org", 5);
    let mut witness = Witness::init(&[], "");
    let config = witness.config();
    let text = std::fs::read_to_string(&config).expect("readable");
    let entry = format!("\n[[logs]]\nvkey = \"{}\"\norigin = \"{}\"\n", foreign.vkey(), foreign.origin);
    std::fs::write(&config, text.replace("\n[limits]", &format!("{entry}\n[limits]"))).expect("writable");
    witness.start();

    let text = format!("{}Timestamp: 1769000000\nanother extension\n", foreign.text(300));
    let mut note = foreign.sign(&text);
    // Fifteen strangers, among them one that cannot be a signature at all.
    for seed in 1..16 {
        let stranger =
            NoteSigner::new("other.example/w", SignatureType::CosignatureV1, [seed; 32]).expect("a name");
        note.push(stranger.cosign(&text, 1_769_000_000));
    }
    note.push(ledger_format::SignatureLine::parse("— odd.example AAAAAQ==").unwrap_or_else(|_| {
        ledger_format::SignatureLine::parse("— odd.example AAAAAQE=").expect("a line with one byte")
    }));
    let answer = witness.add(&AddCheckpoint { old: 0, proof: Vec::new(), note }.to_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    // The cosignature covers the extension lines.
    witness.check_lines(&text, &answer);
    // What is kept is the text as signed, the log's line and ours; strangers' lines are not carried on.
    let kept = witness.checkpoint(&foreign.origin).expect("remembered");
    assert_eq!(kept.text(), text);
    let names: Vec<&str> = kept.signatures().iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["sum.example.org", "w.example/1"]);
}

#[test]
fn a_log_rotates_its_key_and_keeps_its_origin() {
    let old = TestLog::new("log.example/rotating", 40);
    let new = old.clone().with_key("log.example/rotating", 8);
    let witness = Witness::of(&[&old, &new]);
    witness.must_cosign(&old, 0, 10);
    // Signed with both while the change is under way.
    let mut both = old.request(10, 20);
    both.note.push(new.key().sign(&new.text(20)));
    assert_eq!(witness.add(&both.to_bytes()).status, 200);
    assert_eq!(witness.checkpoint(&old.origin).expect("remembered").signatures().len(), 3);
    witness.must_cosign(&new, 20, 40);
    // The old key still counts, and for the same memory.
    assert_eq!(witness.add(&old.body(20, 40)).text(), "40\n");
}

#[test]
fn many_logs_do_not_disturb_each_other() {
    let logs: Vec<TestLog> = (0..40).map(|nth| TestLog::new(&format!("log.example/{nth}"), 30)).collect();
    let witness = Witness::of(&logs.iter().collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for log in &logs {
            let witness = &witness;
            scope.spawn(move || {
                let mut connection = witness.connect();
                for size in 1..=30 {
                    let answer =
                        connection.post("/add-checkpoint", &log.body(size - 1, size)).expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
    for log in &logs {
        assert_eq!(witness.checkpoint(&log.origin).expect("remembered").text(), log.text(30));
    }
    // Requests that came together shared flushes; each was stored all the same.
    assert_eq!(witness.metric("maip_witness_answers_total{outcome=\"cosigned\"}"), 40 * 30);
}
