//! `export`, `backup` and `restore` against a real node.

use std::{fs, path::Path};

use ledger_format::{Checkpoint, Note};

use crate::{
    node::{Node, run},
    static_log::{self, Files},
};

fn published_size(node: &Node) -> u64 {
    let note = Note::parse(&node.get("/checkpoint").unwrap().body).unwrap();
    Checkpoint::parse(note.text()).unwrap().size
}

#[test]
fn an_export_is_a_log_that_any_web_server_can_serve() {
    let mut node = Node::init("");
    node.start();
    let to = node.dir.path().join("export");
    let (config, to_text) = (node.config(), to.to_str().unwrap().to_owned());
    let export = |further: &[&str]| {
        let mut arguments = vec!["export", "--config", config.to_str().unwrap(), "--to", &to_text];
        arguments.extend(further);
        run(&arguments)
    };
    let first = export(&[]);
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(published_size(&node), 1);
    for file in ["checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"] {
        assert_eq!(fs::read(to.join(file)).unwrap(), node.get(&format!("/{file}")).unwrap().body, "{file}");
    }
    // Again, to the same place and by URL: the same log.
    let url = format!("http://{}", node.http);
    let again = run(&["export", "--url", &url, "--log", "main", "--to", &to_text]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));

    // A destination that holds another log is not touched.
    let mut other = Node::init("");
    other.start();
    let policy = other.file("policy-main.txt");
    let other_url = format!("http://{}", other.http);
    let mixed = run(&["export", "--url", &other_url, "--policy", policy.to_str().unwrap(), "--to", &to_text]);
    assert_ne!(mixed.status.code(), Some(0));
    assert_eq!(fs::read(to.join("checkpoint")).unwrap(), node.get("/checkpoint").unwrap().body);

    // A key that did not sign is not believed.
    let stranger = other.get("/v1/log/vkey").unwrap().text();
    let fresh = node.dir.path().join("fresh");
    let unbelieved =
        run(&["export", "--url", &url, "--vkey", stranger.trim_end(), "--to", fresh.to_str().unwrap()]);
    assert_eq!(unbelieved.status.code(), Some(2));
    assert!(!fresh.join("checkpoint").exists());
}

#[test]
fn a_backup_restores_to_the_same_log() {
    let mut node = Node::init("");
    node.start();
    let before = node.get("/tile/entries/000.p/1").unwrap().body;
    let file = node.dir.path().join("main.backup");
    let config = node.config();
    let (config, file) = (config.to_str().unwrap(), file.to_str().unwrap());
    let backed_up = run(&["backup", "--config", config, "--to", file]);
    assert_eq!(backed_up.status.code(), Some(0), "{}", String::from_utf8_lossy(&backed_up.stderr));
    assert_eq!(
        run(&["backup", "--config", config, "--to", file]).status.code(),
        Some(2),
        "never over another backup"
    );
    assert_eq!(node.stop(), Some(0));

    let occupied = run(&["restore", "--config", config, "--from", file]);
    assert_eq!(occupied.status.code(), Some(2), "never over data");
    fs::remove_dir_all(node.file("data")).unwrap();
    let restored = run(&["restore", "--config", config, "--from", file]);
    assert_eq!(restored.status.code(), Some(0), "{}", String::from_utf8_lossy(&restored.stderr));
    node.start();
    assert_eq!(node.get("/tile/entries/000.p/1").unwrap().body, before);
}

/// Exports what `files` serve into `to`; the exit code, and what was said.
async fn export_static(files: Files, to: &Path) -> (Option<i32>, String) {
    let url = format!("http://{}", static_log::serve(files).await);
    let vkey = static_log::signer().vkey().to_string();
    let to = to.to_str().unwrap().to_owned();
    let output =
        tokio::task::spawn_blocking(move || run(&["export", "--url", &url, "--vkey", &vkey, "--to", &to]));
    let output = output.await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// What a directory holds of the files that its checkpoint promises.
fn missing(files: &Files, dir: &Path) -> Vec<String> {
    let differs =
        |(path, bytes): &(&String, &Vec<u8>)| fs::read(dir.join(path)).ok().as_ref() != Some(*bytes);
    files.iter().filter(differs).map(|(path, _)| path.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_grows_with_its_log_and_goes_on_after_an_interruption() {
    let dir = tempfile::tempdir().unwrap();
    for size in [1, 255, 256, 300, 65_536, 66_000] {
        let files = static_log::files(size, "one");
        let (code, said) = export_static(files.clone(), dir.path()).await;
        assert_eq!(code, Some(0), "size {size}: {said}");
        assert_eq!(missing(&files, dir.path()), Vec::<String>::new(), "size {size}");
        if size == 300 {
            // As if the next export had been cut off: some of its files are there, its checkpoint is not.
            let next = static_log::files(66_000, "one");
            for path in ["tile/0/005", "tile/entries/005", "tile/entries/007"] {
                let file = dir.path().join(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, &next[path]).unwrap();
            }
        }
    }
    let (code, said) = export_static(static_log::files(300, "one"), dir.path()).await;
    assert_eq!(code, Some(1), "a log never goes back: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_source_is_not_copied() {
    for path in [
        "tile/1/000.p/3",
        "tile/0/001",
        "tile/entries/002",
        "tile/0/003.p/132",
        "tile/entries/003.p/132",
        "checkpoint",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut files = static_log::files(900, "one");
        let bytes = files.get_mut(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let (code, said) = export_static(files, dir.path()).await;
        assert_eq!(code, Some(2), "{path}: {said}");
        assert!(!dir.path().join("checkpoint").exists(), "{path}: no checkpoint over damaged files");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_histories_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let first = static_log::files(300, "one");
    assert_eq!(export_static(first.clone(), dir.path()).await.0, Some(0));
    let (code, said) = export_static(static_log::files(900, "another"), dir.path()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("two histories"), "{said}");
    assert_eq!(
        fs::read(dir.path().join("checkpoint")).unwrap(),
        first["checkpoint"],
        "the old log is left standing"
    );
}
