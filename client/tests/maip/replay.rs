//! `maip replay`: answers from entries alone, and the first wrong entry named.

use std::fs;

use ledger_format::{BundleId, record::Entry};
use serde_json::{Value, json};

use crate::support::{Shelf, World};

#[test]
fn questions_are_answered_as_of_the_checkpoint_or_of_a_size() {
    let world = World::with_receipts(300);
    let shelf = Shelf::new(&world);
    let agent = format!("agent {}", world.agent);
    let all = shelf.replay(&["--json", "--query", &agent, "--query", "flags 4"]).exits(0).json();
    assert_eq!((all["size"].as_u64(), all["ok"].as_bool()), (Some(world.size()), Some(true)));
    assert_eq!(all["answers"][0]["receipts"]["count"], 300);
    assert_eq!(all["answers"][0]["status"]["word"], "active");
    assert_eq!(all["answers"][1]["flags"].as_array().map(Vec::len), Some(0));

    // The first receipts only; that they begin the signed tree is shown by its tiles.
    let before = world.size() - 290;
    let early = shelf.replay(&["--json", "--to", &before.to_string(), "--query", &agent]).exits(0).json();
    assert_eq!((early["size"].as_u64(), early["signed_size"].as_u64()), (Some(before), Some(world.size())));
    assert_eq!(early["answers"][0]["receipts"]["count"], 10);
    // What an agent says of itself scores nothing.
    let trust = format!("trust {}", world.agent);
    assert!(shelf.replay(&["--json", "--query", &trust]).exits(0).json()["answers"][0]["score"].is_null());
}

#[test]
fn what_is_not_there_is_said() {
    let world = World::with_receipts(3);
    let shelf = Shelf::new(&world);
    shelf.replay(&["--query", "agent 01KC2G2V3T3XJ6W1B0D9QH8Y7N"]).exits(1).says("not in the log");
    shelf.replay(&["--query", "weather tomorrow"]).exits(2).says("a question is");
    shelf.replay(&["--to", "5000"]).exits(2).says("covers");
}

#[test]
fn a_tampered_copy_is_caught_at_the_first_wrong_entry() {
    let world = World::with_receipts(300);
    let shelf = Shelf::new(&world);
    let path = shelf.log().join(BundleId { index: 0, width: 256 }.path());
    let mut bytes = fs::read(&path).unwrap();
    // A digit inside the last whole entry of the bundle: the record still reads well, its signature does not.
    let place = bytes.windows(9).rposition(|window| window == b"\"outcome\"").unwrap();
    let digit = bytes[..place].iter().rposition(u8::is_ascii_hexdigit).unwrap();
    bytes[digit] = if bytes[digit] == b'0' { b'1' } else { b'0' };
    fs::write(&path, bytes).unwrap();
    shelf.replay(&[]).exits(1).says("entry 255 does not replay").says("signature");
    // What lies before it is still good.
    shelf.replay(&["--to", "255"]).exits(0).says("255 entries");
}

/// A log with sealed statuses replays, and a state.root that does not follow from it is the first wrong entry.
#[test]
fn sealed_statuses_are_computed_again() {
    let mut world = World::with_receipts(5);
    world.seal();
    world.receipt();
    let sealed = world.seal();
    let agent = format!("agent {}", world.agent);
    let all = Shelf::new(&world).replay(&["--json", "--query", &agent]).exits(0).json();
    assert_eq!(all["size"].as_u64(), Some(sealed + 1));
    assert_eq!(all["answers"][0]["receipts"]["count"], 6);

    let entry = &mut world.entries[usize::try_from(sealed).unwrap()];
    let text = String::from_utf8(entry.clone()).unwrap();
    *entry = text.replace(r#""version":2"#, r#""version":3"#).into_bytes();
    let ran = Shelf::new(&world).replay(&[]).exits(1);
    ran.says(&format!("entry {sealed} does not replay")).says("other statuses");
}

/// The first wrong entry, however the copy was changed; what lies before it is still good.
#[test]
fn every_kind_of_tampering_is_caught_where_it_begins() {
    let mut world = World::with_receipts(400);
    let sealed = world.seal();
    (0..30).for_each(|_| {
        world.receipt();
    });
    let honest = Shelf::new(&world);
    let all = honest.replay(&["--json", "--check"]).exits(0).json();
    assert_eq!((all["state_roots"].as_u64(), all["sealed_size"].as_u64()), (Some(1), Some(sealed)));

    // A flipped signature: of the entry that the log signed, and of one that everything was built upon anew.
    let flipped = |world: &World, index: usize| {
        let text = String::from_utf8(world.entries[index].clone()).unwrap();
        let at = text.rfind("\"value\":\"").unwrap() + 9;
        let other = if text.as_bytes()[at + 10] == b'A' { "B" } else { "A" };
        [&text[..at + 10], other, &text[at + 11..]].concat().into_bytes()
    };
    // With later entries that are wrong too: the first is named.
    let forge = |indexes: &[usize]| {
        let mut forged = world.copy();
        for &index in indexes {
            forged.entries[index] = flipped(&world, index);
        }
        forged
    };
    for indexes in [&[3][..], &[255], &[256], &[390, 300, 257], &[200, 100, 7]] {
        let first = indexes.iter().min().unwrap();
        // Tiles and checkpoint are of the forged entries: the log itself cheats.
        let shelf = Shelf::new(&forge(indexes));
        shelf.replay(&[]).exits(1).says(&format!("entry {first} does not replay")).says("signature");
        shelf.replay(&["--to", &first.to_string()]).exits(0);
    }

    // A flipped byte of a body, its leaf in the tile made to fit.
    let mut forged = world.copy();
    let text = String::from_utf8(world.entries[77].clone()).unwrap();
    forged.entries[77] = text.replace("success", "failure").into_bytes();
    assert_ne!(forged.entries[77], world.entries[77]);
    Shelf::new(&forged).replay(&[]).exits(1).says("entry 77 does not replay").says("signature");
    honest.give_bundles(&forged, &[0]);
    honest.replay(&[]).exits(1).says("entry 77 does not replay");
    honest.give_bundles(&world, &[0]);

    // A wrong state.root.
    let mut forged = world.copy();
    let index = usize::try_from(sealed).unwrap();
    let entry = Entry::parse(&world.entries[index]).unwrap();
    let mut root = entry.state_root().unwrap().unwrap();
    root.map_root.0[5] ^= 1;
    forged.entries[index] = Entry::encode(entry.at, &root.to_bytes());
    let shelf = Shelf::new(&forged);
    shelf.replay(&[]).exits(1).says(&format!("entry {sealed} does not replay")).says("other statuses");
    let early = shelf.replay(&["--to", &sealed.to_string(), "--check"]).exits(1);
    early.says("no state.root to compare with");
}

/// A dropped entry leaves good signatures behind: the signed tree shows where it was.
#[test]
fn a_dropped_entry_is_caught_where_it_was() {
    let mut world = World::with_receipts(300);
    world.seal();
    let mut dropped = world.copy();
    dropped.entries.remove(20);
    // Everything else moved up: each entry reads well, and state.root would be the first that does not replay.
    let honest = Shelf::new(&world);
    honest.give_bundles(&dropped, &[0]);
    honest.replay(&[]).exits(1).says("entry 20 at").says("not the one that the log signed");
    honest.replay(&["--to", "20"]).exits(0);
    honest.replay(&["--to", "21"]).exits(1).says("entry 20 at");
    honest.replay(&["--to", "250"]).exits(1).says("entry 20 at");
    // With every file of the shorter log it is another log's tree; the log's own state.root shows it.
    let sealed = dropped.size() - 1;
    Shelf::new(&dropped).replay(&[]).exits(1).says(&format!("entry {sealed} does not replay"));
    // A swap of two: the same.
    let mut swapped = world.copy();
    swapped.entries.swap(100, 200);
    honest.give_bundles(&swapped, &[0]);
    honest.replay(&[]).exits(1).says("entry 100 at");
}

/// What a tenant has used is asked by month; the numbers of the plan stand beside it.
#[test]
fn use_is_told_by_month() {
    let mut world = World::with_receipts(2);
    world.open_session(0);
    world.open_session(1);
    world.open_session(40);
    let shelf = Shelf::new(&world);
    let ask = |extra: &[&str]| {
        shelf.replay(&[&["--json", "--query"], extra].concat()).exits(0).json()["answers"][0].clone()
    };
    let (id, uuid) = (format!("maip-tenant:{}", world.tenant), world.tenant.to_string());
    let march = ask(&[&format!("usage {uuid}")]);
    // The last entry is of 2 March 2026.
    assert_eq!(
        (&march["month"], &march["tenant"], &march["plan"]),
        (&json!("2026-03"), &json!(id), &json!("developer"))
    );
    let used = |answer: &Value| answer["used"].clone();
    let want =
        |sessions| json!({ "agents": 1, "compliance_checks": 0, "sessions": sessions, "trust_computes": 0 });
    assert_eq!(used(&march), want(1));
    assert_eq!(
        march["limits"],
        json!({ "agents": 2, "compliance_checks": 10, "sessions": 100, "trust_computes": 50 })
    );
    assert_eq!(used(&ask(&[&format!("usage {id} 2026-01")])), want(2));
    assert_eq!(used(&ask(&[&format!("usage {id} 2026-02")])), want(0));
    let before = world.size() - 1;
    assert_eq!(ask(&[&format!("usage {id}"), "--to", &before.to_string()])["month"], "2026-01");
    shelf.replay(&["--query", "usage 01KC2G2V3T3XJ6W1B0D9QH8Y7N"]).exits(1).says("not in the log");
    for bad in [
        "usage",
        "usage me",
        "usage 01KC2G2V3T3XJ6W1B0D9QH8Y7N 2026-7",
        "usage 01KC2G2V3T3XJ6W1B0D9QH8Y7N 2026-07 x",
    ] {
        shelf.replay(&["--query", bad]).exits(2).says("a question is");
    }
}

/// Between two checkpoints: only what is new is read, and it comes to the same as a replay of everything.
#[test]
fn a_replay_goes_on_where_the_last_one_ended() {
    let mut world = World::with_receipts(300);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    Shelf::new(&world).replay(&["--keep", &path("first")]).exits(0);
    let known = world.size();
    for _ in 0..300 {
        world.receipt();
    }
    world.seal();

    let agent = format!("agent {}", world.agent);
    let query = ["--json", "--check", "--query", &agent, "--keep"];
    let (first, second, whole) = (path("first"), path("second"), path("all"));
    let all = Shelf::new(&world).replay(&[&query[..], &[&whole]].concat()).exits(0).json();
    // Nobody needs what was replayed before.
    let shelf = Shelf::new(&world);
    fs::remove_file(shelf.log().join(BundleId { index: 0, width: 256 }.path())).unwrap();
    let resumed = [&query[..], &[&second, "--resume", &first]].concat();
    assert_eq!(shelf.replay(&resumed).exits(0).json(), all);
    assert_eq!(fs::read(&second).unwrap(), fs::read(&whole).unwrap(), "the whole state");
    // Nothing new is an answer, too, and a file may be replaced by its successor.
    shelf.replay(&["--resume", &second, "--keep", &second]).exits(0);
    assert_eq!(fs::read(&second).unwrap(), fs::read(&whole).unwrap());

    // A claim is checked by what lies between the two checkpoints.
    let shown = Shelf::new(&world).run(&["trust", "show", &world.agent.to_string()], &["--json"]);
    let mut claim = shown.exits(0).json()["claim"].clone();
    let check = |claim: &Value| {
        fs::write(path("claim.json"), claim.to_string()).unwrap();
        shelf.run(&["trust", "check", &path("claim.json")], &["--resume", &first])
    };
    check(&claim).exits(0).says("equal");
    claim["score_bp"] = json!(9_999);
    check(&claim).exits(1);
    claim["as_of_size"] = json!(known - 1);
    check(&claim).exits(2).says("no more entries");
}

#[test]
fn what_was_kept_is_not_believed_blindly() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let mut world = World::with_receipts(5);
    let mut other = world.copy();
    world.receipt();
    other.receipt_on_behalf_of("desk");
    Shelf::new(&world).replay(&["--keep", &path("kept")]).exits(0);
    // The log signs another history now.
    for _ in 0..3 {
        other.receipt();
    }
    let ran = Shelf::new(&other).replay(&["--resume", &path("kept")]).exits(1);
    ran.says("does not begin with the").says("monitor");

    let shelf = Shelf::new(&world);
    shelf.replay(&["--resume", &path("kept"), "--to", "3"]).exits(2).says("no more entries");
    let mut bytes = fs::read(path("kept")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path("damaged"), &bytes).unwrap();
    shelf.replay(&["--resume", &path("damaged")]).exits(2).says("damaged");
    fs::write(path("damaged"), &bytes[..middle]).unwrap();
    shelf.replay(&["--resume", &path("damaged")]).exits(2).says("damaged");
    fs::write(path("damaged"), "something else").unwrap();
    shelf.replay(&["--resume", &path("damaged")]).exits(2).says("keeps of a replay");
    shelf.replay(&["--resume", &path("missing")]).exits(2).says("next:");
}
