//! Both endpoints of a witness against bodies and paths that nobody meant well.
//!
//! From a seed: `MAIP_FUZZ_SEED`, and `MAIP_FUZZ_CALLS` for longer runs. What is asked for: an answer of the status table, never an error of
//! the witness's own, never a signature under anything but the checkpoint of the log, and a witness that goes on.

mod support;

use support::{TestLog, Witness};

/// What the table of tlog-witness and the limits allow, and 405 and 408 of HTTP.
const ALLOWED: [u16; 10] = [200, 400, 403, 404, 405, 408, 409, 413, 422, 431];

/// Numbers that follow from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 1).unwrap() % end.max(1)
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// One to three changes: a byte, a cut, a piece said twice, two lines in each other's place, a line from somewhere else.
fn spoil(dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(2) {
        let (at, to) = (dice.below(bytes.len()), dice.below(bytes.len()));
        match dice.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..at, bytes[at.min(to)..at.max(to)].to_vec())),
            3 => {
                let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
                let (a, b) = (dice.below(lines.len()), dice.below(lines.len()));
                lines.swap(a, b);
                bytes = lines.join(&b'\n');
            }
            4 => {
                let odd: [&[u8]; 6] =
                    [b"old -1\n", b"old 18446744073709551616\n", b"\n\n", b"\xff\xfe", b"AAAA\n", b"\0"];
                drop(bytes.splice(at..at, odd[dice.below(odd.len())].to_vec()));
            }
            _ => drop(bytes.splice(at..at, (0..dice.below(40)).map(|_| b' ').collect::<Vec<_>>())),
        }
    }
    bytes
}

#[test]
fn whatever_is_posted_gets_an_answer_of_the_table() {
    let log = TestLog::new("log.example/fuzz", 40);
    let witness = Witness::of(&[&log]);
    witness.must_cosign(&log, 0, 9);
    let bases = [log.body(9, 9), log.body(9, 40), log.body(0, 9)];
    let mut dice = Dice(setting("MAIP_FUZZ_SEED", 20_261_127) as u64);
    let mut seen = std::collections::BTreeMap::new();
    for number in 0..setting("MAIP_FUZZ_CALLS", 2_000) {
        let base = &bases[dice.below(bases.len())];
        let body = spoil(&mut dice, base);
        let answer = witness.add(&body);
        *seen.entry(answer.status).or_insert(0) += 1;
        let shown = String::from_utf8_lossy(&body);
        assert!(ALLOWED.contains(&answer.status), "call {number}: {} for {shown}", answer.status);
        if answer.status == 200 {
            // Only what the log has signed: at 9, or led on to 40.
            let size = if shown.contains("\n40\n") { 40 } else { 9 };
            witness.check_lines(&log.text(size), &answer);
        }
    }
    assert!(seen.len() >= 4, "the changes are too dull or too wild: {seen:?}");
    // Led on already, or now.
    witness.add(&log.body(9, 40));
    witness.must_cosign(&log, 40, 40);
}

#[test]
fn whatever_is_asked_for_gets_an_answer() {
    let log = TestLog::new("log.example/fuzz", 9);
    let witness = Witness::of(&[&log]);
    witness.must_cosign(&log, 0, 9);
    let known = [
        "/",
        "/add-checkpoint",
        "/metrics",
        "/health/live",
        "/health/ready",
        "/checkpoint",
        "/log.example%2Ffuzz/checkpoint",
    ];
    let mut dice = Dice(setting("MAIP_FUZZ_SEED", 20_261_127) as u64);
    for number in 0..setting("MAIP_FUZZ_CALLS", 2_000) / 4 {
        let base = known[dice.below(known.len())];
        let spoiled = spoil(&mut dice, base.as_bytes());
        let path: String =
            spoiled.iter().filter(|byte| byte.is_ascii_graphic()).map(|&byte| char::from(byte)).collect();
        let answer = witness.get(&format!("/{path}"));
        assert!(answer.status < 500, "call {number}: {} for {path}", answer.status);
    }
    witness.must_cosign(&log, 9, 9);
}
