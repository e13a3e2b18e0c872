//! The verifying grade: what it replays before it cosigns, and what it refuses.

mod support;

use support::site::{MaipLog, Site};
use support::{Answer, Witness};

const SETTINGS: &str = "[verify]\nfollow_interval_ms = 20\n";

fn verified(witness: &Witness) -> u64 {
    witness.metric("maip_witness_log_verified_size{origin=\"ledger.example/verified\"}")
}

#[track_caller]
fn check(answer: &Answer, status: u16, want: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(want), "{}", answer.text());
}

/// With the log's unpublished entries at hand nothing is cosigned before it was replayed.
#[test]
fn with_unpublished_entries_everything_is_replayed_first() {
    let mut log = MaipLog::new(300);
    let site = Site::start(log.clone());
    let mut witness = Witness::init_verifying(&log.tree, &site.url, Some(&site.unpublished_url()), SETTINGS);
    witness.start();
    // The log says it has five entries and serves none.
    let answer = witness.add(&log.tree.body(0, 5));
    check(&answer, 503, "not found");
    assert_eq!(answer.header("retry-after"), Some("1"));
    site.show(|shown| shown.applied = 300);
    witness.must_cosign(&log.tree, 0, 5);
    assert_eq!(verified(&witness), 5);
    witness.must_cosign(&log.tree, 5, 299);
    witness.must_cosign(&log.tree, 299, 299);
    witness.must_cosign(&log.tree, 299, 300);
    assert_eq!(verified(&witness), 300);

    // A forged signature: the tree is consistent, the entry is not the tenant's.
    log.push_forged();
    log.grow(302);
    site.show(|shown| (shown.log, shown.applied) = (log.clone(), 302));
    check(&witness.add(&log.tree.body(300, 302)), 422, "entry 300 does not replay");
    // From then on everything is refused, also what would be right without that entry.
    check(&witness.add(&log.tree.body(300, 300)), 422, "entry 300 does not replay");
    assert_eq!(witness.metric("maip_witness_alarms_total"), 1);
    let evidence = std::fs::read_dir(witness.dir().join("state/evidence")).expect("a directory").count();
    assert_eq!(evidence, 1);
    // What was cosigned before stays what monitors see, and a restart comes to the same answer.
    assert_eq!(witness.checkpoint(&log.tree.origin).expect("remembered").text(), log.tree.text(300));
    assert_eq!(witness.stop(), Some(0));
    witness.start();
    check(&witness.add(&log.tree.body(300, 302)), 422, "entry 300 does not replay");
}

/// With published entries only, the replay lags by what cannot be read yet, and catches up.
#[test]
fn with_published_entries_the_replay_lags_and_catches_up() {
    let mut log = MaipLog::new(20);
    log.push_forged();
    log.grow(30);
    let site = Site::start(log.clone());
    let mut witness = Witness::init_verifying(&log.tree, &site.url, None, SETTINGS);
    witness.start();
    // Nothing is published, so nothing can be read.
    witness.must_cosign(&log.tree, 0, 10);
    assert_eq!(verified(&witness), 0);
    site.publish(10);
    witness.must_cosign(&log.tree, 10, 20);
    assert_eq!(verified(&witness), 10);
    site.publish(20);
    // Entry 20 is invalid and cannot be read before it is cosigned.
    witness.must_cosign(&log.tree, 20, 25);
    assert_eq!(verified(&witness), 20);
    site.publish(25);
    // Now it can, whether the follower or the next request comes first.
    check(&witness.add(&log.tree.body(25, 30)), 422, "entry 20 does not replay");
    assert_eq!(witness.metric("maip_witness_alarms_total"), 1);
    assert_eq!(verified(&witness), 20);
}

#[test]
fn no_more_than_the_allowed_number_of_entries_is_cosigned_unread() {
    let log = MaipLog::new(40);
    let site = Site::start(log.clone());
    let settings = "[verify]\nmax_unverified = 8\nfollow_interval_ms = 20\n";
    let mut witness = Witness::init_verifying(&log.tree, &site.url, None, settings);
    witness.start();
    check(&witness.add(&log.tree.body(0, 9)), 503, "0 of 9 entries are replayed");
    witness.must_cosign(&log.tree, 0, 8);
    check(&witness.add(&log.tree.body(8, 12)), 503, "0 of 12 entries are replayed");
    site.publish(8);
    witness.must_cosign(&log.tree, 8, 16);
    // Another witness was enough to publish all of it: then all of it is replayed.
    site.publish(40);
    witness.must_cosign(&log.tree, 16, 40);
    assert_eq!(verified(&witness), 40);
}

/// Bytes that do not lead to the signed root are the server's fault, and nothing is held against the log.
#[test]
fn wrong_bytes_are_not_held_against_the_log() {
    let log = MaipLog::new(30);
    let mut other = MaipLog::new(12);
    other.push_forged();
    other.grow(30);
    let site = Site::start(other.clone());
    site.show(|shown| shown.applied = 30);
    let mut witness = Witness::init_verifying(&log.tree, &site.url, Some(&site.unpublished_url()), SETTINGS);
    witness.start();
    witness.must_cosign(&log.tree, 0, 12);
    check(&witness.add(&log.tree.body(12, 30)), 503, "do not lead to the root");
    assert_eq!(witness.metric("maip_witness_alarms_total"), 0);
    site.show(|shown| shown.log = log.clone());
    witness.must_cosign(&log.tree, 12, 30);
}

/// A log that has one tree cosigned and publishes another.
#[test]
fn a_published_fork_is_caught() {
    let common = MaipLog::new(6);
    let (mut shown_to_us, mut shown_to_all) = (common.clone(), common);
    shown_to_us.push(&shown_to_us.tenant("One"));
    shown_to_all.push(&shown_to_all.tenant("Another"));
    shown_to_us.grow(12);
    shown_to_all.grow(9);
    let site = Site::start(shown_to_all);
    let mut witness = Witness::init_verifying(&shown_to_us.tree, &site.url, None, SETTINGS);
    witness.start();
    witness.must_cosign(&shown_to_us.tree, 0, 8);
    site.publish(9);
    check(&witness.add(&shown_to_us.tree.body(8, 12)), 422, "two roots for size 8");
    assert_eq!(witness.metric("maip_witness_alarms_total"), 1);
}

/// A long log is replayed in the background, from entry 0, at the first contact and after a restart.
#[test]
fn a_long_log_is_replayed_in_the_background() {
    let log = MaipLog::new(700);
    let site = Site::start(log.clone());
    site.publish(690);
    let settings = "[verify]\nmax_unverified = 20\ninline_max = 100\nfollow_interval_ms = 20\n";
    let mut witness = Witness::init_verifying(&log.tree, &site.url, None, settings);
    witness.start();
    check(&witness.add(&log.tree.body(0, 700)), 503, "replaying");
    while witness.add(&log.tree.body(0, 700)).status == 503 {}
    assert_eq!(verified(&witness), 690);
    assert_eq!(witness.checkpoint(&log.tree.origin).expect("remembered").text(), log.tree.text(700));

    witness.kill();
    witness.start();
    while witness.get("/health/ready").status == 503 {}
    witness.must_cosign(&log.tree, 700, 700);
    site.publish(700);
    while verified(&witness) < 700 {}
}

/// A witness that replays a hundred entries in a request, and what is longer beside them.
fn following(log: &MaipLog, site: &Site) -> Witness {
    let settings = "[verify]\ninline_max = 100\nfollow_interval_ms = 20\n";
    let mut witness = Witness::init_verifying(&log.tree, &site.url, Some(&site.unpublished_url()), settings);
    witness.start();
    witness
}

/// In a long replay the bytes are replayed before their root is checked. If it turns out wrong, all is undone.
#[test]
fn a_long_replay_of_wrong_bytes_is_undone() {
    let log = MaipLog::new(700);
    let mut other = MaipLog::new(650);
    other.push(&other.tenant("Another"));
    other.grow(700);
    let site = Site::start(other.clone());
    site.show(|shown| shown.applied = 700);
    let witness = following(&log, &site);
    check(&witness.add(&log.tree.body(0, 700)), 503, "replaying");
    // Let the follower go through the wrong bytes at least once: seven requests are one pass and a bit.
    while site.shown.lock().expect("no panic").requests < 7 {}
    assert_eq!(witness.metric("maip_witness_alarms_total"), 0);
    site.show(|shown| shown.log = log.clone());
    while witness.add(&log.tree.body(0, 700)).status == 503 {}
    assert_eq!(verified(&witness), 700);
    assert_eq!(witness.metric("maip_witness_alarms_total"), 0);
}

/// A long replay that breaks off in the middle goes on where it stood, and nothing is held against the log.
#[test]
fn a_long_replay_that_breaks_off_goes_on() {
    let log = MaipLog::new(700);
    let site = Site::start(log.clone());
    // The first bundle is there and the second one is not.
    site.show(|shown| shown.applied = 300);
    let witness = following(&log, &site);
    check(&witness.add(&log.tree.body(0, 700)), 503, "replaying");
    while !site.shown.lock().expect("no panic").asked.contains(&1) {}
    assert_eq!(witness.metric("maip_witness_entries_replayed_total"), 256);
    site.show(|shown| shown.applied = 700);
    let mut answer = witness.add(&log.tree.body(0, 700));
    while answer.status == 503 {
        answer = witness.add(&log.tree.body(0, 700));
    }
    check(&answer, 200, "w.example/1");
    assert_eq!(verified(&witness), 700);
    assert_eq!(witness.metric("maip_witness_alarms_total"), 0);
    assert_eq!(witness.metric("maip_witness_entries_replayed_total"), 700);
    let asked = &site.shown.lock().expect("no panic").asked;
    assert_eq!(asked.iter().filter(|&&bundle| bundle == 0).count(), 1, "{asked:?}");
}

/// The same with wrong bytes before the break: when the right ones follow, the root tells, and the replay begins again.
#[test]
fn wrong_bytes_before_a_break_are_undone() {
    let log = MaipLog::new(700);
    let mut other = MaipLog::new(100);
    other.push(&other.tenant("Another"));
    other.grow(700);
    let site = Site::start(other);
    site.show(|shown| shown.applied = 300);
    let witness = following(&log, &site);
    check(&witness.add(&log.tree.body(0, 700)), 503, "replaying");
    while !site.shown.lock().expect("no panic").asked.contains(&1) {}
    site.show(|shown| (shown.log, shown.applied) = (log.clone(), 700));
    let mut answer = witness.add(&log.tree.body(0, 700));
    while answer.status == 503 {
        answer = witness.add(&log.tree.body(0, 700));
    }
    check(&answer, 200, "w.example/1");
    assert_eq!(witness.metric("maip_witness_alarms_total"), 0);
}
