//! Starting, stopping, refusing to start, and reading the logs again.

mod support;

use support::{TestLog, Witness, program};

/// Runs the program and expects a refusal with exit code 2; what it said.
fn refused(witness: &Witness) -> String {
    let output = program().arg("--config").arg(witness.config()).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn what_was_cosigned_is_remembered_over_a_restart() {
    let log = TestLog::new("log.example/restart", 40);
    let mut witness = Witness::of(&[&log]);
    let first = witness.must_cosign(&log, 0, 10);
    assert_eq!(witness.stop(), Some(0));
    witness.start();
    assert_eq!(witness.checkpoint(&log.origin).expect("remembered").text(), log.text(10));
    assert_eq!(witness.add(&log.body(0, 20)).text(), "10\n");
    assert!(witness.must_cosign(&log, 10, 20) >= first);
}

#[test]
fn it_does_not_start_without_its_memory() {
    let log = TestLog::new("log.example/memory", 40);
    let mut witness = Witness::of(&[&log]);
    witness.must_cosign(&log, 0, 10);
    // A second process on the same memory.
    assert!(refused(&witness).contains("another maip-witness is running"));
    witness.kill();

    let state = witness.dir().join("state");
    let moved = witness.dir().join("moved");
    std::fs::rename(&state, &moved).expect("renamed");
    assert!(refused(&witness).contains("holds no witness memory"));
    // An empty directory is no memory either, and none is made in it.
    std::fs::create_dir(&state).expect("made");
    assert!(refused(&witness).contains("holds no witness memory"));
    assert_eq!(std::fs::read_dir(&state).expect("readable").count(), 0);
    std::fs::remove_dir(&state).expect("removed");

    // Zeros where the memory was.
    std::fs::rename(&moved, &state).expect("renamed");
    let file = state.join("memory.a");
    let bytes = std::fs::read(&file).expect("readable");
    std::fs::write(&file, vec![0; bytes.len()]).expect("writable");
    let other = std::fs::read(state.join("memory.b")).expect("readable");
    std::fs::write(state.join("memory.b"), vec![0; other.len()]).expect("writable");
    assert!(refused(&witness).contains("the memory is corrupt"));
    std::fs::write(&file, bytes).expect("writable");
    std::fs::write(state.join("memory.b"), other).expect("writable");
    witness.start();
    assert_eq!(witness.add(&log.body(0, 20)).text(), "10\n");
}

#[test]
fn a_memory_of_another_key_is_refused() {
    let log = TestLog::new("log.example/swap", 9);
    let (one, two) = (Witness::init(&[&log], ""), Witness::init(&[&log], ""));
    std::fs::copy(two.dir().join("witness.key"), one.dir().join("witness.key")).expect("copied");
    assert!(refused(&one).contains("belongs to"));
}

#[test]
fn init_does_not_overwrite_and_check_reads_everything() {
    let log = TestLog::new("log.example/init", 9);
    let witness = Witness::init(&[&log], "");
    let output = program()
        .args(["init", "--name", "w.example/2", "--dir"])
        .arg(witness.dir())
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let ask = |command: &str| {
        let output = program().arg(command).arg("--config").arg(witness.config()).output().expect("runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(ask("vkey").trim(), witness.vkey.to_string());
    assert!(ask("check").contains("1 logs"));
    std::fs::write(witness.config(), "listen = 5").expect("writable");
    let output = program().arg("check").arg("--config").arg(witness.config()).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn sighup_reads_the_logs_again() {
    let first = TestLog::new("log.example/first", 9);
    let (second, third) = (TestLog::new("log.example/second", 9), TestLog::new("log.example/third", 9));
    let mut witness = Witness::init(&[&first], "");
    let text = std::fs::read_to_string(witness.config()).expect("readable");
    let list = witness.dir().join("list");
    std::fs::write(&list, "logs/v0\n").expect("writable");
    std::fs::write(
        witness.config(),
        text.replace("# log_lists = [\"log-list.1\"]", "log_lists = [\"list\"]"),
    )
    .expect("writable");
    witness.start();
    assert_eq!(witness.add(&second.body(0, 5)).status, 404);
    assert_eq!(witness.add(&third.body(0, 5)).status, 404);

    std::fs::write(&list, format!("logs/v0\nvkey {}\nqpd 100\n", third.vkey())).expect("writable");
    let file = witness.dir().join("logs.d/second.toml");
    std::fs::write(&file, format!("[[logs]]\nvkey = \"{}\"\n", second.vkey())).expect("writable");
    witness.signal("HUP");
    while witness.add(&second.body(0, 5)).status == 404 {}
    assert_eq!(witness.add(&second.body(0, 5)).text(), "5\n");
    witness.must_cosign(&third, 0, 5);
    // A file that is wrong changes nothing.
    std::fs::write(&list, "nonsense\n").expect("writable");
    witness.signal("HUP");
    witness.must_cosign(&third, 5, 9);
    // A log that is gone is not forgotten: it comes back to where it was.
    std::fs::write(&list, "logs/v0\n").expect("writable");
    witness.signal("HUP");
    while witness.add(&third.body(9, 9)).status != 404 {}
    assert_eq!(witness.checkpoint(&third.origin).expect("remembered").text(), third.text(9));
}
