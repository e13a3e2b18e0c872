//! The command line of `maip-devnet`, and the file that others attach by.

use std::{
    path::Path,
    process::{Command, Output},
};

use devnet::Manifest;

fn maip_devnet(args: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_maip-devnet")).args(args).arg("--data").arg(data).output().unwrap()
}

/// Stops the devnet when a test ends early.
struct Stop<'a>(&'a Path);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        maip_devnet(&["down"], self.0);
    }
}

fn code(output: &Output) -> i32 {
    let code = output.status.code().unwrap();
    println!(
        "exit {code}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    code
}

#[test]
fn up_status_down_and_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("devnet");
    let stop = Stop(&data);
    assert_eq!(code(&maip_devnet(&["up", "--nodes", "1", "--witnesses", "1"], &data)), 0);
    assert_eq!(code(&maip_devnet(&["status"], &data)), 0);

    let text = std::fs::read_to_string(Manifest::path(&data)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for path in [
        "/nodes/0/id",
        "/nodes/0/url",
        "/nodes/0/grpc_url",
        "/nodes/0/pid",
        "/witnesses/0/name",
        "/witnesses/0/url",
        "/witnesses/0/vkey",
        "/witnesses/0/pid",
        "/logs/0/name",
        "/logs/0/origin",
        "/logs/0/vkey",
        "/logs/0/url",
        "/logs/1/name",
        "/policy",
        "/admin_key",
        "/ca",
    ] {
        assert!(
            json.pointer(path).is_some_and(|value| !value.is_null()),
            "devnet.json has no {path}: {text}"
        );
    }
    for path in ["/policy", "/ca"] {
        assert!(Path::new(json.pointer(path).unwrap().as_str().unwrap()).is_file(), "{path}");
    }
    let url = format!("{}/checkpoint", json["logs"][0]["url"].as_str().unwrap());
    devnet::wait_until("the first checkpoint at the log's own URL", LIMIT, || {
        let text = devnet::http::get(&url, LIMIT)?.text();
        anyhow::ensure!(text.starts_with("maip.devnet/main\n"), "{text}");
        Ok(())
    })
    .unwrap();

    assert_eq!(code(&maip_devnet(&["down"], &data)), 0);
    assert_eq!(code(&maip_devnet(&["status"], &data)), 1);
    // Another shape is refused, the same one goes on where it stopped.
    assert_eq!(code(&maip_devnet(&["up", "--nodes", "3", "--witnesses", "1"], &data)), 2);
    assert_eq!(code(&maip_devnet(&["up", "--nodes", "1", "--witnesses", "1"], &data)), 0);
    assert_eq!(code(&maip_devnet(&["status", "--json"], &data)), 0);
    drop(stop);
    assert_eq!(code(&maip_devnet(&["status"], &data)), 1);
}

#[test]
fn nothing_there_is_an_error_of_usage() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["status", "down"] {
        assert_eq!(code(&maip_devnet(&[command], dir.path())), 2);
    }
}

const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);
