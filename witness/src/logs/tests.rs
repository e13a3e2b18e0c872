use super::*;
use crate::testlog::TestLog;

fn list(lines: &str) -> Result<Vec<Log>, LogsError> {
    let vkey = |name| TestLog::new(name, 0).vkey();
    parse_list(&lines.replace("KEY-A", &vkey("a.example")).replace("KEY-B", &vkey("b.example")))
}

#[test]
fn a_list_of_the_witness_network() {
    let logs = list(
        "# comment\n\nlogs/v0\n\nvkey KEY-A\norigin none\nqpd 86400\ncontact ops (at) a.example\n\n\
         # second\nvkey KEY-B\norigin b.example/tree 7\nqpd 24\nbastion none\n",
    )
    .expect("a list");
    let facts: Vec<_> = logs.iter().map(|log| (log.origin.as_str(), log.qpd)).collect();
    assert_eq!(facts, [("a.example", Some(86_400)), ("b.example/tree 7", Some(24))]);
    assert_eq!(list("logs/v0\n"), Ok(Vec::new()));
}

#[test]
fn a_wrong_list_names_the_line() {
    let line = |lines: &str| match list(lines) {
        Err(LogsError::List { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line(""), 1);
    assert_eq!(line("vkey KEY-A\n"), 1);
    assert_eq!(line("logs/v1\n"), 1);
    assert_eq!(line("logs/v0\n\nqpd 5\n"), 3);
    assert_eq!(line("logs/v0\nvkey KEY-A\nqpd 0\n"), 3);
    assert_eq!(line("logs/v0\nvkey KEY-A\nqpd 2147483648\n"), 3);
    assert_eq!(line("logs/v0\nvkey a.example+00000000+AAAA\n"), 2);
    assert_eq!(line("logs/v0\nvkey\n"), 2);
}

#[test]
fn places_add_up_and_may_not_contradict() {
    let log = TestLog::new("a.example", 0);
    let first = Log { qpd: Some(5), ..Log::new(&log.vkey(), None).unwrap() };
    let rotated = Log::new(&log.clone().with_key("a.example", 9).vkey(), None).unwrap();
    let set = LogSet::new([first.clone(), rotated.clone(), first.clone()]).unwrap();
    let known = set.get("a.example").unwrap();
    assert_eq!((set.len(), known.keys.len(), known.qpd), (1, 2, Some(5)));

    let other = Log { qpd: Some(6), ..rotated };
    let contradiction = LogsError::Contradiction { origin: "a.example".into(), field: "qpd" };
    assert_eq!(LogSet::new([first, other]), Err(contradiction));
}

#[test]
fn a_witness_key_is_not_a_log_key() {
    let key = ledger_format::NoteSigner::new("w", SignatureType::CosignatureV1, [1; 32]).unwrap();
    assert!(matches!(Log::new(&key.vkey().to_string(), None), Err(LogsError::KeyType(_))));
}

#[test]
fn the_generations_of_a_sandbox_are_known_and_nothing_beside_them() {
    let sandbox = Log {
        sandbox: true,
        qpd: Some(9),
        ..Log::new(&TestLog::new("a.example/s", 0).vkey(), None).unwrap()
    };
    let other = Log::new(&TestLog::new("a.example/main", 0).vkey(), None).unwrap();
    let set = LogSet::new([sandbox.clone(), other]).unwrap();
    let first = set.get("a.example/s").unwrap();
    let third = set.get("a.example/s/3").unwrap();
    assert_eq!((third.origin.as_str(), third.first_origin.as_str()), ("a.example/s/3", "a.example/s"));
    assert_eq!(third.keys, [first.keys[0].of_generation(3).unwrap()]);
    assert_eq!((third.qpd, third.generation_of(&third.origin)), (Some(9), Some(3)));
    for unknown in
        ["a.example/s/1", "a.example/s/03", "a.example/s/10000", "a.example/s/3/3", "a.example/main/2"]
    {
        assert!(set.get(unknown).is_none(), "{unknown}");
    }
    // A log that is listed by itself is that log, whatever its name looks like.
    let listed = Log { qpd: Some(1), ..Log::new(&TestLog::new("a.example/s/2", 0).vkey(), None).unwrap() };
    assert_eq!(LogSet::new([sandbox, listed]).unwrap().get("a.example/s/2").unwrap().qpd, Some(1));
}
