use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::testlog::TestLog;

fn init_in(dir: &Path, grade: Grade, logs: Vec<(String, Vec<String>)>) -> Result<String, ConfigError> {
    let sandboxes =
        vec![(TestLog::new("log.example/sandbox", 0).vkey(), vec!["http://127.0.0.1:1/s".to_owned()])];
    let listen = "127.0.0.1:0".parse().expect("an address");
    init(&Init { dir: dir.join("w"), name: "w.example/1".into(), listen, grade, logs, sandboxes })
}

#[test]
fn init_writes_what_load_reads_and_changes_nothing_later() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = TestLog::new("log.example/a", 0);
    let one = vec!["http://127.0.0.1:1/a".to_owned()];
    let more = vec!["http://127.0.0.1:1/b".to_owned(), "https://b.example".to_owned()];
    let other = TestLog::new("log.example/b", 0);
    let logs = vec![(log.vkey(), one.clone()), (other.vkey(), more.clone())];
    let vkey = init_in(dir.path(), Grade::Verifying, logs).expect("made");

    let file = dir.path().join("w/witness.toml");
    let loaded = load(&file).expect("readable");
    let Config { limits, verify, grade, key, state_dir, .. } = loaded.config;
    assert_eq!((limits, verify, grade), (Limits::default(), VerifyConfig::default(), Grade::Verifying));
    assert_eq!(state_dir, dir.path().join("w/state"));
    let known = loaded.logs.get("log.example/a").expect("the log");
    assert_eq!((known.keys[0].to_string(), &known.urls), (log.vkey(), &one));
    assert_eq!(loaded.logs.get("log.example/b").expect("the other log").urls, more);
    let generation = loaded.logs.get("log.example/sandbox/2").expect("a later generation");
    assert_eq!(generation.urls, ["http://127.0.0.1:1/s"]);
    assert!(loaded.logs.get("log.example/a/2").is_none(), "no sandbox");
    assert_eq!(read_key(&key, SignatureType::CosignatureV1).expect("a key").vkey().to_string(), vkey);
    assert!(read_key(&key, SignatureType::Ed25519).is_err(), "a witness key is no log key");
    let mode = fs::metadata(&key).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let before = fs::read(&file).expect("readable");
    let again = init_in(dir.path(), Grade::Consistency, Vec::new()).map(|_| ()).expect_err("exists");
    assert!(matches!(again, ConfigError::Exists { .. }), "{again}");
    assert_eq!(fs::read(&file).expect("readable"), before);
    // Without its configuration the memory still is not made again.
    fs::remove_file(&file).expect("removed");
    fs::remove_file(&key).expect("removed");
    let again = init_in(dir.path(), Grade::Consistency, Vec::new()).map(|_| ()).expect_err("exists");
    assert!(matches!(again, ConfigError::Memory(MemoryError::Exists { .. })), "{again}");
}

#[test]
fn a_bound_that_bounds_nothing_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    init_in(dir.path(), Grade::Consistency, Vec::new()).expect("made");
    let file = dir.path().join("w/witness.toml");
    let good = fs::read_to_string(&file).expect("readable");
    for (field, number) in
        [("requests_max", u64::MAX >> 1), ("connections_max", 1 << 40), ("requests_max", 0)]
    {
        let text = format!("{}\n[limits]\n{field} = {number}\n", without_limits(&good));
        fs::write(&file, text).expect("written");
        let refused = load(&file).map(|_| ()).expect_err("no bound");
        assert!(refused.to_string().contains(field), "{refused}");
    }
}

/// The file without its table of limits and what follows.
fn without_limits(text: &str) -> &str {
    text.split_once("[limits]").map_or(text, |(before, _)| before.trim_end_matches(['#', ' ']))
}

/// Every commented setting of the file is a real one with its default.
#[test]
fn the_comments_of_the_file_are_true() {
    let dir = tempfile::tempdir().expect("a directory");
    init_in(dir.path(), Grade::Consistency, Vec::new()).expect("made");
    let file = dir.path().join("w/witness.toml");
    let text = fs::read_to_string(&file).expect("readable");
    let (_, limits) = text.split_once("[limits]").expect("a table of limits");
    let uncommented: String = limits
        .lines()
        .map(|line| line.trim_start_matches("# "))
        .filter(|line| !line.starts_with("ca = "))
        .map(|line| format!("{line}\n"))
        .collect();
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Tables {
        limits: Limits,
        verify: VerifyConfig,
    }
    let tables: Tables = toml::from_str(&format!("[limits]{uncommented}")).expect("settings");
    assert_eq!((tables.limits, tables.verify), (Limits::default(), VerifyConfig::default()));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    init_in(dir.path(), Grade::Consistency, Vec::new()).expect("made");
    let file = dir.path().join("w/witness.toml");
    let good = fs::read_to_string(&file).expect("readable");
    let log = TestLog::new("log.example/a", 0).vkey();
    let check = |text: String, want: &str| {
        fs::write(&file, text).expect("writable");
        let error = load(&file).map(|_| ()).expect_err(want).to_string();
        assert!(error.contains(want), "{error}");
    };
    check(good.replace("state_dir", "statedir"), "statedir");
    check(good.replace("grade = \"consistency\"", ""), "grade");
    check(good.replace("[limits]", "[limits]\nbody_max = 5"), "body_max");
    check(good.replace("[limits]", "[limits]\nrequests_max = 0"), "at least 1");
    check(good.replace("[limits]", "[[logs]]\nvkey = \"x\"\n[limits]"), "not a verifier key");
    let verifying = good.replace("\"consistency\"\n\n", "\"verifying\"\n\n");
    check(verifying.replace("[limits]", &format!("[[logs]]\nvkey = \"{log}\"\n[limits]")), "needs a `url`");
    check(good.replace("\"logs.d\"", "\"nowhere\""), "nowhere");
    check(good.replace("# log_lists = [\"log-list.1\"]", "log_lists = [\"absent\"]"), "absent");
}
