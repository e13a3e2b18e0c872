//! A log that shows different trees to the same witness at the same time, and a witness that is killed.

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

use ledger_format::{Checkpoint, Hash};
use support::{TestLog, Witness};

/// Of conflicting forks sent at once exactly one is cosigned; the others are told the new size.
#[test]
fn one_of_many_forks_wins() {
    const FORKS: usize = 8;
    let log = TestLog::new("log.example/race", 400);
    let forks: Vec<TestLog> = (0..FORKS).map(|nth| log.fork(1, &format!("fork {nth}"))).collect();
    let witness = Witness::of(&[&log]);
    witness.must_cosign(&log, 0, 1);
    let mut old = 1;
    let mut current = log;
    for _ in 0..20 {
        let new = old + 7;
        // Every fork agrees with what was cosigned and goes its own way from there.
        let bodies: Vec<(TestLog, Vec<u8>)> = forks
            .iter()
            .enumerate()
            .map(|(nth, _)| {
                let fork = current.fork(old, &format!("fork {nth} at {old}"));
                let body = fork.body(old, new);
                (fork, body)
            })
            .collect();
        let start = Barrier::new(FORKS);
        let answers: Vec<u16> = std::thread::scope(|scope| {
            let (witness, start) = (&witness, &start);
            let threads: Vec<_> = bodies
                .iter()
                .map(|(_, body)| {
                    scope.spawn(move || {
                        let mut connection = witness.connect();
                        start.wait();
                        connection.post("/add-checkpoint", body).expect("an answer").status
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let winners: Vec<usize> = (0..FORKS).filter(|&nth| answers[nth] == 200).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|status| [200, 409].contains(status)), "{answers:?}");
        current = bodies.into_iter().nth(winners[0]).expect("the winner").0;
        assert_eq!(witness.checkpoint(&current.origin).expect("remembered").text(), current.text(new));
        old = new;
    }
}

/// One log that lies: what it has signed, and the branch that was cosigned last.
struct Liar {
    current: Mutex<(TestLog, u64)>,
    /// Every branch ever sent, by its root. The witness may have stored one that nobody got an answer for.
    sent: Mutex<HashMap<Hash, (TestLog, u64)>>,
    /// Every size ever cosigned.
    seen: Mutex<HashMap<u64, Hash>>,
}

/// A log that lies: under load it signs two branches at once, and the witness is killed again and again.
/// Whatever was answered with 200, at any time, is one chain: one root for each size, and never back.
#[test]
fn killed_under_load_it_never_signs_two_roots_and_never_goes_back() {
    const KILLS: usize = 8;
    const ANSWERS_PER_LIFE: usize = 60;
    let logs: Vec<TestLog> =
        ["a", "b", "c"].map(|name| TestLog::new(&format!("log.example/kill/{name}"), 0)).into();
    let mut witness = Witness::init(&logs.iter().collect::<Vec<_>>(), "");
    let liars: Vec<Liar> = logs
        .iter()
        .map(|log| Liar {
            current: Mutex::new((log.clone(), 0)),
            sent: Mutex::default(),
            seen: Mutex::default(),
        })
        .collect();

    for life in 0..KILLS {
        witness.start();
        liars.iter().for_each(|liar| liar.compare(&witness, life));
        let answered = AtomicUsize::new(0);
        let dead = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for liar in &liars {
                // Each caller sends a branch of its own from what was cosigned last.
                for caller in 0..3 {
                    let (witness, answered, dead) = (&witness, &answered, &dead);
                    scope.spawn(move || {
                        let mut connection = witness.connect();
                        for step in 0.. {
                            let branch = format!("life {life} caller {caller} step {step}");
                            let Ok(won) = liar.lie(&mut connection, &branch) else {
                                assert!(dead.load(Ordering::Relaxed), "the witness went away by itself");
                                break;
                            };
                            answered.fetch_add(usize::from(won), Ordering::Relaxed);
                        }
                    });
                }
            }
            while answered.load(Ordering::Relaxed) < ANSWERS_PER_LIFE {
                std::thread::yield_now();
            }
            // In the middle of the work.
            dead.store(true, Ordering::Relaxed);
            witness.signal("KILL");
        });
        witness.kill();
    }
    witness.start();
    liars.iter().for_each(|liar| liar.compare(&witness, KILLS));
    let answers: usize = liars.iter().map(|liar| liar.seen.lock().expect("no panic").len()).sum();
    assert!(answers >= KILLS * ANSWERS_PER_LIFE, "{answers}");
}

impl Liar {
    /// Sends a branch of its own; whether it was cosigned. An error if the witness is gone.
    fn lie(&self, connection: &mut support::Connection, branch: &str) -> std::io::Result<bool> {
        let (mut log, old) = self.current.lock().expect("no panic").clone();
        let new = old + 1;
        log.grow(new, branch);
        self.sent.lock().expect("no panic").insert(log.root(new), (log.clone(), new));
        let answer = connection.post("/add-checkpoint", &log.body(old, new))?;
        match answer.status {
            200 => {}
            // Another caller was faster.
            409 => return Ok(false),
            other => panic!("{other}: {}", answer.text()),
        }
        let root = log.root(new);
        let before = self.seen.lock().expect("no panic").insert(new, root);
        assert!(before.is_none_or(|before| before == root), "two roots for size {new}");
        let mut current = self.current.lock().expect("no panic");
        if current.1 < new {
            *current = (log, new);
        }
        Ok(true)
    }

    /// After a restart: what is remembered is not behind anything answered, has the root that was answered for
    /// its size, and is something that was really sent.
    fn compare(&self, witness: &Witness, life: usize) {
        let mut current = self.current.lock().expect("no panic");
        let Some(note) = witness.checkpoint(&current.0.origin) else {
            assert_eq!(current.1, 0, "life {life}: an answer was forgotten");
            return;
        };
        let remembered = Checkpoint::parse(note.text()).expect("a checkpoint");
        let seen = self.seen.lock().expect("no panic");
        let largest = seen.keys().max().copied().unwrap_or(0);
        assert!(remembered.size >= largest, "life {life}: {} after {largest}", remembered.size);
        if let Some(root) = seen.get(&remembered.size) {
            assert_eq!(*root, remembered.root, "life {life}: two roots for size {largest}");
        }
        *current = self.sent.lock().expect("no panic")[&remembered.root].clone();
        assert_eq!(current.1, remembered.size);
    }
}
