//! A flipped bit in each kind of file, and what people do to files.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::*;
use crate::config::{self, Overrides, tests::GOOD};

/// A configuration with every field that names a file.
fn configuration() -> String {
    let named = GOOD
        .replace(
            "ca = \"tls/ca.pem\"\ncert = \"tls/node.pem\"\nkey = \"tls/node.key\"",
            "ca = \"tls/ca.pem\"\ncert = \"tls/node.pem\"\nkey = \"tls/peer.key\"",
        )
        .replace(
            "log_key = ",
            "next_log_key = \"keys/main.next.key\"\npredecessor = \"last-checkpoint\"\nlog_key = ",
        );
    format!(
        "{named}[limits]\nconnections = 5\n[api]\nclient_ca = \"tls/clients.pem\"\n[outbound]\nca = \"tls/witnesses.pem\"\n"
    )
}

/// A directory as a node is given it.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("maip-node.toml"), configuration()).unwrap();
        let place = Self { dir };
        for (field, path) in place.load().files() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("what {field} names\n")).unwrap();
        }
        place
    }

    fn configuration(&self) -> PathBuf {
        self.dir.path().join("maip-node.toml")
    }

    fn load(&self) -> Config {
        config::load(&self.configuration(), &Overrides::default()).unwrap()
    }

    fn compare(&self) -> Result<Given, GivenError> {
        Given::compare(&self.configuration(), &self.load())
    }

    /// A start that goes well.
    fn start(&self) -> Given {
        let given = self.compare().unwrap();
        given.keep();
        given
    }

    /// The configuration and every file that it names.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = self.load().files().into_iter().map(|(_, path)| path.to_owned()).collect();
        files.push(self.configuration());
        files.sort();
        files.dedup();
        files
    }
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

fn set_modified(path: &Path, time: SystemTime) {
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Other bytes, and the time that was there: what a disk does.
fn rot(path: &Path, bytes: &[u8]) {
    let time = modified(path);
    fs::write(path, bytes).unwrap();
    set_modified(path, time);
}

/// One bit of the last character but the line's end, which in the configuration is in a comment that is added for it.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let place = bytes.len() - 2;
    bytes[place] ^= 1;
    rot(path, &bytes);
}

/// Sets the time to now, or where the clock is too coarse to tell, to later.
fn touch(path: &Path) {
    let later = modified(path) + Duration::from_millis(5);
    set_modified(path, SystemTime::now().max(later));
}

fn edit(path: &Path, from: &str, to: &str) -> String {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "no {from:?}");
    text.replacen(from, to, 1)
}

#[test]
fn the_same_files_are_fine_at_every_start() {
    let place = Place::new();
    for start in 0..3 {
        let given = place.start();
        assert!(given.changes().is_empty() && given.damaged_record().is_none(), "start {start}");
        assert_eq!(given.differences(), Vec::<String>::new());
    }
    // A file that is new, and one that is no longer named.
    let text = edit(&place.configuration(), "keys/main.next.key", "keys/main.newer.key");
    fs::write(place.dir.path().join("keys/main.newer.key"), "new\n").unwrap();
    fs::write(place.configuration(), text).unwrap();
    touch(&place.configuration());
    let changed: Vec<_> = place.start().changes().iter().map(|change| change.path.clone()).collect();
    assert_eq!(changed, [place.configuration()]);
}

#[test]
fn a_flipped_bit_in_any_file_is_refused_until_it_is_put_back_or_touched() {
    let place = Place::new();
    fs::write(place.configuration(), configuration() + "# a comment\n").unwrap();
    place.start();
    let files = place.files();
    assert_eq!(files.len(), 13, "{files:?}");
    for path in files {
        let before = fs::read(&path).unwrap();
        flip(&path);
        for _ in 0..2 {
            let error = place.compare().map(drop).expect_err("a flipped bit");
            let said = error.to_string();
            assert!(said.starts_with(&format!("{} is not what", path.display())), "{said}");
            assert!(said.contains(&format!("`touch {}`", path.display())), "{said}");
            assert_eq!(error.rotten.len(), 1, "{said}");
        }
        // Copied back over it, with its time, as by `cp -p`.
        rot(&path, &before);
        assert!(place.compare().unwrap().changes().is_empty());
        // Or somebody says that it is meant.
        flip(&path);
        touch(&path);
        let given = place.start();
        let changed: Vec<_> = given.changes().iter().map(|change| &change.path).collect();
        assert_eq!(changed, [&path]);
        assert!(place.start().changes().is_empty());
    }
}

#[test]
fn several_damaged_files_are_all_named() {
    let place = Place::new();
    place.start();
    let (admin, policy) = (place.dir.path().join("keys/admin.key"), place.dir.path().join("policy-main.txt"));
    flip(&admin);
    flip(&policy);
    let said = place.compare().map(drop).expect_err("two flipped bits").to_string();
    assert!(said.contains(admin.to_str().unwrap()) && said.contains(policy.to_str().unwrap()), "{said}");
}

#[test]
fn a_number_that_becomes_another_one_is_refused_by_name_or_known() {
    let place = Place::new();
    place.start();
    let path = place.configuration();
    let other = edit(&path, "connections = 5", "connections = 4");
    rot(&path, other.as_bytes());
    let said = place.compare().map(drop).expect_err("nobody wrote it").to_string();
    assert!(said.contains("(`limits.connections`: 5, now 4)"), "{said}");
    assert!(said.contains("a disk has damaged it"), "{said}");
    // The same bytes under a new time.
    fs::write(&path, &other).unwrap();
    touch(&path);
    let given = place.start();
    let [change] = given.changes() else { panic!("{:?}", given.changes()) };
    let expected = FieldChange {
        field: "limits.connections".to_owned(),
        before: Some("5".to_owned()),
        now: Some("4".to_owned()),
    };
    assert_eq!(change.fields, [expected]);
    assert!(change.to_string().contains("has changed since the last start (`limits.connections`: 5, now 4)"));
    assert!(place.start().changes().is_empty());
}

#[test]
fn a_length_that_is_another_one_was_written() {
    let place = Place::new();
    place.start();
    let path = place.dir.path().join("keys/admin.key");
    rot(&path, b"longer than it was, by a program that keeps the time\n");
    assert_eq!(place.start().changes().len(), 1);
}

/// As where every file of an image has the same time.
#[test]
fn another_file_under_the_same_time_was_put_there() {
    let place = Place::new();
    place.start();
    let (path, beside) = (place.dir.path().join("policy-main.txt"), place.dir.path().join("beside"));
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    fs::write(&beside, bytes).unwrap();
    set_modified(&beside, modified(&path));
    fs::rename(&beside, &path).unwrap();
    assert_eq!(place.start().changes().len(), 1);
}

/// The directory that it names then has no record.
#[test]
fn a_bit_that_flips_in_data_dir_is_found_by_the_record_that_is_left_behind() {
    let place = Place::new();
    place.start();
    let path = place.configuration();
    let good = fs::read_to_string(&path).unwrap();
    for (bad, name) in [("data_dir = \"dat`\"", "dat`"), ("data_dir = \"eata\"", "eata")] {
        let other = good.replace("data_dir = \"data\"", bad);
        rot(&path, other.as_bytes());
        let said = place.compare().map(drop).expect_err("another directory").to_string();
        assert!(said.contains(&format!("(`data_dir`: \"data\", now \"{name}\")")), "{said}");
    }
    // The same where another node's record is there.
    let mut other = Record::read(&place.dir.path().join("data")).unwrap().unwrap();
    let stamp = other.files.remove(&other.configuration).unwrap();
    other.configuration = PathBuf::from("/etc/maip-other/maip-node.toml");
    other.files.insert(other.configuration.clone(), stamp);
    other.write(&place.dir.path().join("eata")).unwrap();
    assert!(place.compare().is_err());
    // Somebody moves to another directory: as many bits as one likes, under a new time.
    fs::write(&path, good.replace("data_dir = \"data\"", "data_dir = \"eata\"")).unwrap();
    touch(&path);
    assert!(place.start().changes().is_empty());
}

#[test]
fn a_damaged_record_is_reported_and_made_anew() {
    let place = Place::new();
    place.start();
    let record = place.dir.path().join("data/given");
    flip(&record);
    flip(&place.dir.path().join("keys/admin.key"));
    let given = place.compare().unwrap();
    assert!(given.damaged_record().is_some() && given.changes().is_empty());
    given.keep();
    assert!(place.compare().unwrap().damaged_record().is_none());
    flip(&place.dir.path().join("keys/admin.key"));
    assert!(place.compare().is_err(), "it compares again");
}

#[test]
fn a_running_node_sees_what_is_no_longer_what_it_runs_with() {
    let place = Place::new();
    let given = place.start();
    let (admin, configuration) = (place.dir.path().join("keys/admin.key"), place.configuration());
    let good = fs::read(&admin).unwrap();
    // Whoever wrote it, under whatever time.
    for change in [flip, |path: &Path| fs::write(path, "another key").unwrap()] {
        change(&admin);
        let [said] = &given.differences()[..] else { panic!("one file") };
        assert!(said.contains("keys/admin.key is no longer what this node runs with"), "{said}");
        rot(&admin, &good);
        assert!(given.differences().is_empty());
    }
    fs::remove_file(&admin).unwrap();
    assert!(given.differences()[0].contains("keys/admin.key cannot be read"));
    fs::write(&admin, &good).unwrap();
    assert!(given.differences().is_empty());

    let toml = fs::read(&configuration).unwrap();
    fs::write(&configuration, edit(&configuration, "connections = 5", "connections = 7")).unwrap();
    assert!(given.differences()[0].ends_with("runs with (`limits.connections`: 5, now 7)"));
    fs::write(&configuration, "node_id = ").unwrap();
    assert!(given.differences()[0].ends_with("it is not TOML"));
    fs::write(&configuration, toml).unwrap();
    assert!(given.differences().is_empty());
}

/// Else a damage after it would pass for a change by somebody.
#[test]
fn the_time_of_a_file_that_was_only_touched_is_kept() {
    let place = Place::new();
    let given = place.start();
    let admin = place.dir.path().join("keys/admin.key");
    touch(&admin);
    assert!(given.differences().is_empty());
    flip(&admin);
    assert!(place.compare().is_err());
}

#[test]
fn files_that_are_read_again_are_expected_from_then_on() {
    let place = Place::new();
    let given = place.start();
    let (cert, key) = (place.dir.path().join("tls/node.pem"), place.dir.path().join("tls/node.key"));
    fs::write(&cert, "another certificate").unwrap();
    assert_eq!(given.differences().len(), 1);
    let read = given.read_again(|path| path == cert || path == key).unwrap();
    assert_eq!(read.len(), 2);
    given.take(read);
    assert!(given.differences().is_empty());
    assert!(place.compare().unwrap().changes().is_empty(), "the record knows it, too");
    flip(&key);
    assert!(given.read_again(|path| path == key).is_err(), "nobody wrote it");
    assert!(given.read_again(|path| path == cert).is_ok());
}

/// Of a file that is longer than what is read, the first part and the length.
#[test]
fn a_long_file_is_read_in_part() {
    let place = Place::new();
    let long = place.dir.path().join("tls/witnesses.pem");
    let mut bytes = vec![b'x'; usize::try_from(stamp::GIVEN_BYTES_MAX).unwrap() + 10];
    fs::write(&long, &bytes).unwrap();
    let given = place.start();
    assert!(given.differences().is_empty());
    bytes.push(b'x');
    fs::write(&long, &bytes).unwrap();
    assert_eq!(given.differences().len(), 1);
}
