//! `maip replay`: answers from entries alone, and the first wrong entry named.

use std::{fs, path::Path};

use ledger_format::BundleId;

use crate::support::{Ran, World, maip};

/// A published log with its policy, in a directory.
struct Shelf(tempfile::TempDir);

impl Shelf {
    fn new(world: &World) -> Self {
        let shelf = Self(tempfile::tempdir().unwrap());
        fs::create_dir(shelf.log()).unwrap();
        fs::write(shelf.0.path().join("policy.txt"), world.policy_text()).unwrap();
        world.publish(&shelf.log(), world.size());
        shelf
    }

    fn log(&self) -> std::path::PathBuf {
        self.0.path().join("log")
    }

    fn replay(&self, extra: &[&str]) -> Ran {
        let (log, policy) = (self.log(), self.0.path().join("policy.txt"));
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let mut args =
            vec!["replay".to_owned(), "--dir".into(), path(&log), "--policy".into(), path(&policy)];
        args.extend(extra.iter().map(|&arg| arg.to_owned()));
        maip(args)
    }
}

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
