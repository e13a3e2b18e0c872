//! What strangers may cost: sizes, times, numbers.

mod support;

use std::io::ErrorKind;

use proptest::prelude::*;
use support::{TestLog, Witness};

const DAY_S: u64 = 86_400;

#[test]
fn a_body_over_the_limit_is_refused_and_the_next_request_works() {
    let log = TestLog::new("log.example/limits", 9);
    let witness = Witness::with(&[&log], "[limits]\nbody_bytes_max = 4096\n");
    assert_eq!(witness.add(&vec![b'x'; 5000]).status, 413);
    // Without a length: chunks that never end.
    let mut connection = witness.connect();
    connection
        .send(b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    let chunk = [b"400\r\n".as_slice(), &[b'x'; 0x400], b"\r\n"].concat();
    for _ in 0..8 {
        if connection.send(&chunk).is_err() {
            break;
        }
    }
    assert_eq!(connection.receive().map(|answer| answer.status).ok(), Some(413));
    witness.must_cosign(&log, 0, 9);
}

/// That a witness whose limit of time is short works as ever. On a slow machine the limit may hit this call too, and then it is made again.
fn still_cosigns(witness: &Witness, log: &TestLog) {
    let call = |_| witness.connect().post("/add-checkpoint", &log.body(0, 9)).ok();
    let answer = (0..20).filter_map(call).find(|answer| answer.status != 408).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    witness.check_lines(&log.text(9), &answer);
}

#[test]
fn a_body_that_never_comes_is_a_408() {
    let log = TestLog::new("log.example/half", 9);
    let witness = Witness::with(&[&log], "[limits]\nbody_ms_max = 300\n");
    let mut half = witness.connect();
    half.send(b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: 500\r\n\r\nold 0\n").unwrap();
    assert_eq!(half.receive().map(|answer| answer.status).ok(), Some(408));
    still_cosigns(&witness, &log);
}

#[test]
fn slow_and_half_open_connections_are_closed() {
    let log = TestLog::new("log.example/slow", 9);
    let witness = Witness::with(&[&log], "[limits]\nheader_ms_max = 300\n");
    // A head that never ends, and nothing at all.
    let mut slow = witness.connect();
    slow.send(b"POST /add-checkpoint HTTP/1.1\r\nhost:").unwrap();
    let mut silent = witness.connect();
    for connection in [&mut slow, &mut silent] {
        // Closed, with or without a word before.
        let mut ended = false;
        for _ in 0..2 {
            ended = connection.receive().is_err_and(|error| {
                [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind())
            });
            if ended {
                break;
            }
        }
        assert!(ended);
    }
    still_cosigns(&witness, &log);
}

#[test]
fn too_many_connections_and_requests_are_turned_away() {
    let log = TestLog::new("log.example/many", 9);
    let settings =
        "[limits]\nconnections_max = 3\nrequests_max = 1\nheader_ms_max = 60000\nbody_ms_max = 60000\n";
    let witness = Witness::with(&[&log], settings);
    let head =
        b"POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: 500\r\nexpect: 100-continue\r\n\r\n";
    let mut holding = witness.connect();
    holding.send(head).unwrap();
    // "Continue" says that the request is being read, so it holds its place.
    assert_eq!(holding.receive().expect("an interim answer").status, 100);
    let mut second = witness.connect();
    let answer = second.post("/add-checkpoint", &log.body(0, 3)).expect("an answer");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    // Health and metrics are still answered.
    assert_eq!(second.get("/health/live").expect("an answer").status, 200);
    let mut third = witness.connect();
    assert_eq!(third.get("/health/live").expect("an answer").status, 200);
    let mut fourth = witness.connect();
    assert!(fourth.get("/health/live").is_err(), "the fourth connection is closed");
    drop(holding);
    // The place is free again as soon as the peer is seen to be gone.
    while second.post("/add-checkpoint", &log.body(0, 3)).expect("an answer").status == 503 {}
    witness_size_is(&mut second, &log, 3);
}

fn witness_size_is(connection: &mut support::Connection, log: &TestLog, size: u64) {
    let answer = connection.post("/add-checkpoint", &log.body(8, 9)).expect("an answer");
    assert_eq!((answer.status, answer.text()), (409, format!("{size}\n")));
}

#[test]
fn a_daily_budget_is_kept() {
    // Days turn at midnight UTC, and with them the budget; not twice within seconds.
    assert!((0..2).any(|_| a_budget_is_used_up_within_a_day()), "six requests of a day were taken");
}

/// `false` when the sixth request is taken, since a new day has begun meanwhile.
fn a_budget_is_used_up_within_a_day() -> bool {
    let log = TestLog::new("log.example/budget", 40);
    let mut witness = Witness::init(&[&log], "");
    let text = std::fs::read_to_string(witness.config()).expect("readable");
    let line = format!("vkey = \"{}\"", log.vkey());
    std::fs::write(witness.config(), text.replace(&line, &format!("{line}\nqpd = 5"))).expect("writable");
    witness.start();
    // Refusals are free.
    for _ in 0..10 {
        assert_eq!(witness.add(&log.body(3, 7)).status, 409);
    }
    for size in 1..=5 {
        witness.must_cosign(&log, size - 1, size);
    }
    let answer = witness.add(&log.body(5, 6));
    if answer.status == 200 {
        return false;
    }
    assert_eq!(answer.status, 429);
    let seconds: u64 = answer.header("retry-after").expect("a hint").parse().expect("seconds");
    assert!((1..=DAY_S).contains(&seconds));
    assert_eq!(witness.add(&log.body(3, 7)).text(), "5\n");
    // The checkpoint cosigned last can still be refreshed.
    witness.must_cosign(&log, 5, 5);
    true
}

/// Whoever knows a checkpoint can post it again, and costs its log nothing.
#[test]
fn a_stranger_cannot_use_up_the_daily_budget() {
    let log = TestLog::new("log.example/replayed", 40);
    let mut witness = Witness::init(&[&log], "");
    let text = std::fs::read_to_string(witness.config()).expect("readable");
    let line = format!("vkey = \"{}\"", log.vkey());
    std::fs::write(witness.config(), text.replace(&line, &format!("{line}\nqpd = 5"))).expect("writable");
    witness.start();
    witness.must_cosign(&log, 0, 1);
    for _ in 0..10 {
        witness.must_cosign(&log, 1, 1);
    }
    for size in 2..=5 {
        witness.must_cosign(&log, size - 1, size);
    }
    assert_eq!(witness.add(&log.body(5, 6)).status, 429);
}

/// Requests that are nearly right: mutations of a good one. Any answer of the table will do; what may not
/// happen is a cosignature on anything but the genuine trees, or a witness that stops answering.
#[test]
fn mangled_requests_never_move_the_memory() {
    let log = TestLog::new("log.example/mangled", 70);
    let witness = Witness::of(&[&log]);
    witness.must_cosign(&log, 0, 33);
    let good = log.body(33, 70);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4);
    let connection = std::cell::RefCell::new(witness.connect());
    runner
        .run(&edits, |edits| {
            let mut body = good.clone();
            for (at, byte, kind) in edits {
                // Cut down to one byte, and that removed: nothing is left to change.
                if body.is_empty() {
                    break;
                }
                let at = at.index(body.len());
                match kind {
                    0 => body[at] = byte,
                    1 => drop(body.remove(at)),
                    2 => body.insert(at, byte),
                    _ => body.truncate(at.max(1)),
                }
            }
            if body == good {
                return Ok(());
            }
            let answer = connection.borrow_mut().post("/add-checkpoint", &body).expect("an answer");
            // A mutation may hit nothing that counts only by restoring the original.
            prop_assert!([400, 403, 404, 409, 422].contains(&answer.status), "{}", answer.status);
            Ok(())
        })
        .expect("every mutation is refused");
    let note = witness.checkpoint(&log.origin).expect("remembered");
    assert_eq!(note.text(), log.text(33));
    assert_eq!(witness.add(&good).status, 200);
}
