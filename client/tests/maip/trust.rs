//! `maip trust`: scores, where they come from, and claims, from entries alone.

use std::fs;

use ledger_format::record::ActionVerdict;
use serde_json::{Value, json};

use crate::support::{NOW_S, Shelf, World};

/// Ten good days, a critical violation, five days of nothing. The index of the violation.
fn eventful() -> (World, u64) {
    let mut world = World::new();
    for day in 0..10 {
        for _ in 0..3 {
            world.judged(day, ActionVerdict::Ok);
        }
    }
    let bad = world.judged(10, ActionVerdict::Critical);
    world.judged(15, ActionVerdict::Ok);
    (world, bad)
}

fn agent(world: &World) -> String {
    world.agent.to_string()
}

#[test]
fn a_score_is_shown_with_all_that_it_comes_from() {
    let (world, bad) = eventful();
    let shelf = Shelf::new(&world);
    let show = |extra: &[&str]| shelf.run(&["trust", "show", &agent(&world)], extra);
    let shown = show(&["--json"]).exits(0).json();
    let claim = &shown["claim"];
    // 29.00 on the day of the violation, five days ago.
    assert_eq!(
        (claim["score_bp"].as_u64(), claim["cap_bp"]["severity"].as_u64()),
        (Some(3_400), Some(3_400))
    );
    assert_eq!(claim["tenant_cap_bp"], 2_900);
    assert_eq!(claim["caps_hit"], json!(["severity"]));
    assert_eq!(
        (&claim["as_of_size"], &claim["origin"]),
        (&json!(world.size()), &json!("ledger.example/test"))
    );
    assert_eq!(claim["as_of"], json!((NOW_S + 15 * 86_400) * 1_000));
    assert_eq!(shown["trend"], "falling");
    // The same as the other way to ask.
    let query = format!("trust {}", world.agent);
    let asked = shelf.replay(&["--json", "--query", &query]).exits(0).json();
    assert_eq!(asked["answers"][0]["score"], claim["score_bp"]);
    show(&[]).exits(0).says("34.00, falling").says("limits the score").says("2026-02-05");
    // Before the violation.
    let to = bad.to_string();
    assert_eq!(show(&["--to", &to, "--json"]).exits(0).json()["claim"]["tenant_cap_bp"], 10_000);
    shelf.run(&["trust", "show", "01KC2G2V3T3XJ6W1B0D9QH8Y7N"], &[]).exits(1).says("is not in the log");
}

#[test]
fn what_contributed_is_told_newest_first() {
    let (world, bad) = eventful();
    let shelf = Shelf::new(&world);
    let explain = |extra: &[&str]| shelf.run(&["trust", "explain", &agent(&world)], extra);
    let told = explain(&["--json", "--limit", "100"]).exits(0).json();
    let entries = told["entries"].as_array().unwrap();
    // A registration and 32 verdicts; the agent's own receipts say nothing, and there are none.
    assert_eq!((told["count"].as_u64(), entries.len()), (Some(33), 33));
    let indexes: Vec<_> = entries.iter().map(|entry| entry["index"].as_u64().unwrap()).collect();
    assert!(indexes.windows(2).all(|pair| pair[0] > pair[1]), "{indexes:?}");
    let violation = &entries[1];
    assert_eq!((violation["index"].as_u64(), &violation["record"]), (Some(bad), &json!("receipt.action")));
    assert_eq!(violation["inputs"][0]["outcome"], "critical");
    assert_eq!(
        (&violation["after"]["score"], &violation["after"]["caps"]["severity"]),
        (&json!(2_900), &json!(2_900))
    );
    assert!(violation["before"]["score"].as_u64() > Some(5_000));
    assert_eq!(violation["log_ms"], json!((NOW_S + 10 * 86_400) * 1_000));
    let first = &entries[32];
    assert_eq!((&first["before"], &first["inputs"][0]["kind"]), (&Value::Null, &json!("register")));
    // Entry by entry the effects lead from one score to the next, but for what time does in between.
    for pair in entries.windows(2).filter(|pair| pair[0]["log_ms"] == pair[1]["log_ms"]) {
        assert_eq!(pair[0]["before"], pair[1]["after"]);
    }
    let few = explain(&["--limit", "2"]).exits(0);
    few.says("a critical violation").says("31 older ones are left out").says("receipt.action");
    explain(&["--limit", "0"]).exits(2);
    explain(&["--limit", "10001"]).exits(2);
}

#[test]
fn the_days_are_told_also_those_on_which_nothing_happened() {
    let (world, _) = eventful();
    let shelf = Shelf::new(&world);
    let history = |extra: &[&str]| shelf.run(&["trust", "history", &agent(&world)], extra);
    let told = history(&["--json"]).exits(0).json();
    let days = told["days"].as_array().unwrap();
    assert_eq!(
        (days.len(), &days[0]["day"], &days[14]["day"]),
        (15, &json!("2026-01-21"), &json!("2026-02-04"))
    );
    let scores: Vec<_> = days.iter().map(|day| day["score_bp"].as_u64().unwrap()).collect();
    assert!(scores[..10].is_sorted() && scores[0] < scores[9], "{scores:?}");
    assert_eq!(scores[10..], [2_900, 3_000, 3_100, 3_200, 3_300]);
    assert_eq!(told["now"]["score_bp"], 3_400);
    // Each is what the trend looks back to: seven days ago.
    let few = history(&["--json", "--limit", "7"]).exits(0).json();
    assert_eq!(few["days"].as_array().unwrap()[..], days[8..]);
    history(&[]).exits(0).says("2026-01-31").says("29.00").says("now");
}

#[test]
fn a_claim_is_equal_or_not() {
    let (mut world, bad) = eventful();
    world.seal();
    let shelf = Shelf::new(&world);
    let file = tempfile::NamedTempFile::new().unwrap();
    let check = |claim: &Value| {
        fs::write(file.path(), claim.to_string()).unwrap();
        shelf.run(&["trust", "check", file.path().to_str().unwrap()], &["--json"])
    };
    // As `show` prints it, as of any size.
    for to in [bad, bad + 1, world.size()] {
        let shown =
            shelf.run(&["trust", "show", &agent(&world)], &["--json", "--to", &to.to_string()]).exits(0);
        let answer = check(&shown.json()).exits(0).json();
        assert_eq!((&answer["ok"], &answer["not_compared"]), (&json!(true), &json!([])));
    }
    // The least that one must say, in another spelling, with a factor that has no data.
    let shown = shelf.run(&["trust", "show", &agent(&world)], &["--json"]).exits(0).json();
    let whole = shown["claim"].clone();
    let mut claim = json!({});
    for name in ["alg", "as_of_size", "factors", "origin", "score_bp"] {
        claim[name] = whole[name].clone();
    }
    claim["agent"] = json!(world.agent.0.to_string());
    claim["factors"]["peers"] = Value::Null;
    check(&claim).exits(0);
    // A later time, at which nothing else has happened: the cap has risen.
    let mut later = claim.clone();
    later["as_of"] = json!((NOW_S + 17 * 86_400) * 1_000);
    check(&later).exits(1);
    later["score_bp"] = json!(3_600);
    let answer = check(&later).json();
    assert_eq!(
        answer["different"].as_array().unwrap().iter().map(|d| &d["name"]).collect::<Vec<_>>(),
        ["factors"]
    );
    later["as_of"] = json!(NOW_S * 1_000);
    check(&later).exits(2);

    // Anything else is not equal.
    let changes: [(&str, Value); 5] = [
        ("score_bp", json!(9_385)),
        ("score_bp", Value::Null),
        ("alg", json!("maip-trust/2")),
        ("origin", json!("ledger.example/other")),
        ("as_of_size", json!(bad)),
    ];
    for (name, value) in changes {
        let mut wrong = claim.clone();
        wrong[name] = value;
        assert_eq!(check(&wrong).exits(1).json()["ok"], json!(false), "{name}");
    }
    let mut wrong = claim.clone();
    wrong["factors"]["behaviour"]["numerator"] = json!(1);
    let answer = check(&wrong).exits(1).json();
    assert_eq!(answer["different"][0]["name"], "factors");
    let mut wrong = claim.clone();
    wrong["factors"].as_object_mut().unwrap().remove("scope");
    check(&wrong).exits(1);

    // What cannot be judged: no claim, more entries than there are; and what is said beside it is not vouched for.
    check(&json!({ "agent": agent(&world) })).exits(2);
    let mut far = claim.clone();
    far["as_of_size"] = json!(5_000);
    check(&far).exits(2);
    let mut more = claim.clone();
    more["grade"] = json!("A");
    assert_eq!(check(&more).exits(0).json()["not_compared"], json!(["grade"]));
}

/// The trust in a sealed status is a claim, too.
#[test]
fn the_trust_in_a_sealed_status_is_a_claim() {
    let (mut world, _) = eventful();
    let sealed = world.seal();
    let mut claim = world.sealed_status(world.agent)["trust"].clone();
    claim["agent"] = json!(agent(&world));
    claim["origin"] = json!("ledger.example/test");
    claim["as_of_size"] = json!(sealed + 1);
    let shelf = Shelf::new(&world);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), claim.to_string()).unwrap();
    let answer = shelf.run(&["trust", "check", file.path().to_str().unwrap()], &["--json"]).exits(0).json();
    let equal: Vec<_> =
        answer["equal"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(
        ["as_of", "cap_bp", "factors", "score_bp", "tenant_cap_bp"].iter().all(|name| equal.contains(name))
    );
}
