//! Prints what a receipt costs: parsing, hashing, applying alone and in a batch of 256, verifying.
//!
//! `cargo run --release -p ledger-state --example cost`

#[path = "../tests/world/mod.rs"]
mod world;

use std::hint::black_box;
use std::time::{Duration, Instant};

use ledger_format::record::{PreparedKey, PublicKey, Record, SigningKey, Verify as _, record_hash};
use ledger_state::{Command, apply, check_signature};

const RECEIPTS: u64 = 256;
const ROUNDS: u32 = 200;
/// Keys that sign in turn, so that their tables are not all in the processor's nearest cache.
const SIGNERS: u8 = 16;

fn main() {
    let mut state = world::populated();
    let receipts: Vec<Vec<u8>> =
        (0..RECEIPTS).map(|i| world::receipt(1, 1_000 + i, 1, "invoice:approve").to_bytes()).collect();
    let records: Vec<Record> = receipts.iter().map(|bytes| Record::parse(bytes).expect("a record")).collect();
    println!("record of {} bytes", receipts[0].len());

    per_record("parse", || receipts.iter().for_each(|bytes| drop(black_box(Record::parse(bytes)))));
    per_record("print", || records.iter().for_each(|record| drop(black_box(record.to_bytes()))));
    per_record("hash", || {
        receipts.iter().for_each(|bytes| {
            black_box(record_hash(bytes));
        })
    });
    let batch = Command::Append { log_ms: world::START_MS, records: receipts.clone() };
    per_record("apply, batch of 256, parse included", || drop(black_box(apply(&state, &batch))));
    let bytes = batch.encode();
    per_record("decode command", || drop(black_box(Command::decode(&bytes))));
    let single: Vec<_> = receipts
        .iter()
        .map(|bytes| Command::Append { log_ms: world::START_MS, records: vec![bytes.clone()] })
        .collect();
    per_record("apply, one by one, parse included", || {
        single.iter().for_each(|c| drop(black_box(apply(&state, c))))
    });
    let start = Instant::now();
    records.iter().for_each(|record| check_signature(&state, record).expect("a good signature"));
    line("check signature, the key decoded for each", start.elapsed());
    signatures(&receipts);
    state.apply(&batch);
}

/// What a signature costs under a key that was decoded before, and under one with a table.
fn signatures(messages: &[Vec<u8>]) {
    let signers: Vec<SigningKey> = (1..=SIGNERS).map(|seed| SigningKey::from_seed([seed; 32])).collect();
    let decoded: Vec<PublicKey> = signers.iter().map(SigningKey::public).collect();
    let start = Instant::now();
    let prepared: Vec<PreparedKey> = decoded.iter().map(PreparedKey::new).collect();
    println!("{:8.2} µs  table of a key", start.elapsed().as_nanos() as f64 / 1_000.0 / f64::from(SIGNERS));
    let signed: Vec<(usize, &[u8], [u8; 64])> = (0..signers.len())
        .cycle()
        .zip(messages)
        .map(|(at, message)| (at, message.as_slice(), signers[at].sign(message)))
        .collect();
    per_record("verify signature, key decoded", || {
        signed.iter().for_each(|(at, m, s)| decoded[*at].verify(m, s).expect("a good signature"))
    });
    per_record("verify signature, key with a table", || {
        signed.iter().for_each(|(at, m, s)| prepared[*at].verify(m, s).expect("a good signature"))
    });
}

fn per_record(what: &str, run: impl Fn()) {
    run();
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| run());
    line(what, start.elapsed() / ROUNDS);
}

fn line(what: &str, time: Duration) {
    println!("{:8.2} µs  {what}", time.as_nanos() as f64 / 1_000.0 / RECEIPTS as f64);
}
