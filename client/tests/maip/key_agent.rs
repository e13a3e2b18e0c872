//! `maip key agent`: real processes, a real socket.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::support::{Ran, maip};

/// A directory with two keys, a draft, and room for a socket; and the agents that serve it.
struct Desk {
    dir: tempfile::TempDir,
}

/// An agent in a process of its own, ended with the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const DRAFT: &str = r#"{"type":"scope.define","v":1,"id":"01KFG9VPG00100000000000001","tenant":"01KFG9VPG00000000000000001","actor":"tenant","at":1769000000000,"body":{"scope":"invoice:pay","critical":true}}"#;

impl Desk {
    fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        for name in ["first", "second"] {
            maip(["key", "new", "--name", name, "--keys", &desk.path("keys")]).exits(0);
        }
        fs::write(desk.path("draft.json"), DRAFT).unwrap();
        desk
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("agent.sock")
    }

    /// Starts an agent, and waits until it says that it serves.
    fn serve(&self, extra: &[&str]) -> Agent {
        let mut child = Command::new(env!("CARGO_BIN_EXE_maip"))
            .args([
                "key",
                "agent",
                "serve",
                "--socket",
                &self.path("agent.sock"),
                "--keys",
                &self.path("keys"),
            ])
            .args(extra)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("agent.sock"), "{line:?}");
        Agent(child)
    }

    fn run(&self, args: &[&str]) -> Ran {
        // No key directory: whatever signs is in the agent.
        let socket = self.path("agent.sock");
        maip(args.iter().copied().chain(["--key-socket", &socket, "--keys", &self.path("none")]))
    }

    fn sign(&self, key: &str) -> Ran {
        self.run(&[
            "record",
            "sign",
            &self.path("draft.json"),
            "--key",
            key,
            "--out",
            &self.path("signed.json"),
        ])
    }

    /// Says something to the agent that no `maip` would say; the answer.
    fn say(&self, length: u32, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.write_all(&length.to_be_bytes()).unwrap();
        stream.write_all(bytes).unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn ask(&self, request: &str) -> String {
        self.say(request.len() as u32, request.as_bytes())
    }

    fn public(&self, name: &str) -> String {
        let shown = maip(["key", "show", name, "--keys", &self.path("keys"), "--json"]).exits(0).json();
        shown["public_key"].as_str().unwrap().to_owned()
    }
}

#[test]
fn an_agent_signs_for_other_commands_and_never_gives_a_key_away() {
    let desk = Desk::new();
    let seeds =
        ["first", "second"].map(|name| fs::read_to_string(desk.path(&format!("keys/{name}.key"))).unwrap());
    let public = desk.public("first");
    let mut agent = desk.serve(&[]);
    assert_eq!(fs::metadata(desk.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    desk.sign("first").exits(0);
    maip(["record", "show", &desk.path("signed.json"), "--key", &public]).exits(0);
    desk.sign("third").exits(2).says("third");
    // By its public half, too; and where only the public half is needed.
    desk.sign(&public).exits(0);
    desk.run(&["key", "show", "first"]).exits(0).says(&public);

    let listed = desk.run(&["key", "agent", "list", "--json"]).exits(0).json();
    assert_eq!(
        (&listed["keys"][0]["name"], &listed["keys"][0]["public_key"]),
        (&"first".into(), &public.clone().into())
    );
    let told =
        [listed.to_string(), desk.ask(r#"{"op":"list"}"#), desk.ask(r#"{"op":"remove","name":"nobody"}"#)];
    for seed in &seeds {
        let secret = seed.trim().rsplit(':').next().unwrap();
        assert!(told.iter().all(|text| !text.contains(secret)));
    }

    desk.run(&["key", "agent", "remove", "first"]).exits(0);
    desk.sign("first").exits(2);
    desk.run(&["key", "agent", "add", &desk.path("keys/first.key"), "--name", "again"]).exits(0);
    desk.run(&["key", "agent", "add", &desk.path("keys/second.key"), "--name", "again"])
        .exits(2)
        .says("already");
    desk.sign("again").exits(0);
    desk.run(&["key", "agent", "stop"]).exits(0);
    assert!(agent.0.wait().unwrap().success());
    assert!(!desk.socket().exists());
    desk.sign("again").exits(2).says("maip key agent serve");
}

#[test]
fn wrong_questions_are_refused_and_the_agent_lives_on() {
    let desk = Desk::new();
    let (public, _agent) = (desk.public("first"), desk.serve(&[]));
    let sign = |key: &str, message: &str| {
        desk.ask(&format!(r#"{{"op":"sign","public_key":"{key}","message":"{message}"}}"#))
    };
    // `ledger.example/test\n5\n...`, as a checkpoint begins; `{"b":1,"a":2}`, which is not canonical; nothing; no base64url.
    for message in ["bGVkZ2VyLmV4YW1wbGUvdGVzdAo1Cg", "eyJiIjoxLCJhIjoyfQ", "", "%"] {
        assert!(sign(&public, message).contains("error"), "{message}");
    }
    assert!(sign(&public, "eyJhIjoyfQ").contains("signature"), "an object in its one spelling");
    assert!(sign("AAAA", "eyJhIjoyfQ").contains("does not hold the key"));
    for bad in ["", "x", "{}", r#"{"op":"export"}"#, r#"{"op":"remove"}"#] {
        assert!(desk.ask(bad).contains("no question"), "{bad}");
    }
    let secret = "maip-ed25519-seed:AQEB";
    assert!(!desk.ask(&format!(r#"{{"op":"add","name":"x","seed":"{secret}"}}"#)).contains("AQEB"));
    assert!(desk.say(u32::MAX, b"").contains("at most"), "more than a frame");
    // Breaks off in the middle; the agent does not mind.
    UnixStream::connect(desk.socket()).unwrap().write_all(&[0, 0]).unwrap();
    desk.sign("second").exits(0);
    // What others could have put there is not trusted with anything.
    fs::set_permissions(desk.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    desk.sign("second").exits(2).says("not a socket of yours");
}

#[test]
fn a_dead_agent_is_replaced_and_a_living_one_is_not() {
    let desk = Desk::new();
    let serve = ["key", "agent", "serve", "--socket", &desk.path("agent.sock"), "--keys", &desk.path("keys")];
    let mut first = desk.serve(&["--key", "first"]);
    maip(serve).exits(2).says("serves").says("already");
    desk.sign("first").exits(0);
    desk.sign("second").exits(2);
    // As `kill -9`: it cleans nothing up.
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    assert!(desk.socket().exists());
    desk.sign("first").exits(2).says("no key agent answers");
    let _second = desk.serve(&[]);
    desk.sign("second").exits(0);
    // What is no socket is never taken away.
    fs::write(desk.path("agent.file"), "mine").unwrap();
    maip(["key", "agent", "serve", "--socket", &desk.path("agent.file"), "--empty"])
        .exits(2)
        .says("no socket");
    assert_eq!(fs::read_to_string(desk.path("agent.file")).unwrap(), "mine");
}

#[test]
fn an_agent_that_nobody_asks_ends_by_itself() {
    let desk = Desk::new();
    let mut agent = desk.serve(&["--empty", "--idle", "1s"]);
    assert!(agent.0.wait().unwrap().success());
    assert!(!desk.socket().exists());
}
