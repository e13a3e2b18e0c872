//! A `maip-witness` process on a free port, and a plain way to talk to it.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ledger_format::{Note, SignatureLine, Vkey, origin_path, witness_wire::parse_cosignature_lines};

pub mod log;
pub mod site;
pub use log::TestLog;

/// How long any answer may take before a test gives up. Far above what is ever needed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maip-witness"));
    command.env("RUST_LOG", "info").env_remove("MAIP_WITNESS_CONFIG");
    command
}

/// A witness in a directory of its own, running or not.
pub struct Witness {
    dir: tempfile::TempDir,
    pub vkey: Vkey,
    child: Option<Child>,
    address: Option<SocketAddr>,
}

impl Witness {
    /// Makes a witness of these logs, without starting it. `settings` go to the end of its configuration.
    pub fn init(logs: &[&TestLog], settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = program();
        command.args(["init", "--name", "w.example/1", "--listen", "127.0.0.1:0", "--dir"]).arg(dir.path());
        for log in logs {
            command.arg("--log").arg(log.vkey());
        }
        let output = command.output().expect("the program runs");
        assert!(output.status.success(), "{output:?}");
        let vkey = Vkey::parse(String::from_utf8(output.stdout).expect("text").trim()).expect("a vkey");
        let witness = Self { dir, vkey, child: None, address: None };
        if !settings.is_empty() {
            let text = std::fs::read_to_string(witness.config()).expect("readable");
            // Everything from the first table of limits on is commented out.
            let (head, _) = text.split_once("[limits]").expect("a table of limits");
            std::fs::write(witness.config(), format!("{head}\n{settings}")).expect("writable");
        }
        witness
    }

    /// A verifying witness of a log that is read at `url`, without starting it.
    /// Before each prefix stands one where nobody answers.
    pub fn init_verifying(log: &TestLog, url: &str, entries_url: Option<&str>, settings: &str) -> Self {
        let witness = Self::init(&[log], settings);
        let text = std::fs::read_to_string(witness.config()).expect("readable");
        let (grade, vkey) = ("grade = \"consistency\"", format!("vkey = \"{}\"", log.vkey()));
        assert!(text.contains(grade) && text.contains(&vkey));
        let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let entries_url = entries_url
            .map(|url| format!("\nentries_url = [\"http://{nobody}/log\", \"{url}\"]"))
            .unwrap_or_default();
        let text = text
            .replace(grade, "grade = \"verifying\"")
            .replace(&vkey, &format!("{vkey}\nurl = [\"http://{nobody}/log\", \"{url}\"]{entries_url}"));
        std::fs::write(witness.config(), text).expect("writable");
        witness
    }

    /// A running witness of these logs.
    pub fn of(logs: &[&TestLog]) -> Self {
        Self::with(logs, "")
    }

    /// A running witness with settings.
    pub fn with(logs: &[&TestLog], settings: &str) -> Self {
        let mut witness = Self::init(logs, settings);
        witness.start();
        witness
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("witness.toml")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts the process and waits until it listens.
    pub fn start(&mut self) {
        let mut child = program()
            .arg("--config")
            .arg(self.config())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
        let address =
            line.trim().rsplit_once("http://").map(|(_, address)| address.parse().expect("an address"));
        self.address = Some(address.unwrap_or_else(|| panic!("no address: {line:?}")));
        self.child = Some(child);
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("running");
        // It may be gone already, if the test has sent the signal itself.
        let _ = child.kill();
        child.wait().expect("gone");
    }

    /// SIGTERM, and its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("running");
        self.signal_to(child.id(), "TERM");
        child.wait().expect("gone").code()
    }

    pub fn signal(&self, signal: &str) {
        self.signal_to(self.child.as_ref().expect("running").id(), signal);
    }

    fn signal_to(&self, pid: u32, signal: &str) {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status();
        assert!(status.expect("kill runs").success());
    }

    pub fn address(&self) -> SocketAddr {
        self.address.expect("started once")
    }

    /// A connection that stays open.
    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address()).expect("the witness listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("a socket");
        Connection(BufReader::new(stream))
    }

    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.connect().post(path, body).expect("an answer")
    }

    pub fn get(&self, path: &str) -> Answer {
        self.connect().get(path).expect("an answer")
    }

    pub fn add(&self, body: &[u8]) -> Answer {
        self.post("/add-checkpoint", body)
    }

    /// Asks for a cosignature and checks the answer; the time it carries.
    pub fn must_cosign(&self, log: &TestLog, old: u64, new: u64) -> u64 {
        let answer = self.add(&log.body(old, new));
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.check_lines(&log.text(new), &answer)
    }

    /// Checks the lines of an answer over a text; the time they carry.
    pub fn check_lines(&self, text: &str, answer: &Answer) -> u64 {
        let lines: Vec<SignatureLine> = parse_cosignature_lines(&answer.body).expect("signature lines");
        assert_eq!(lines.len(), 1);
        self.vkey.verify(text, &lines[0]).expect("our cosignature").expect("with a time")
    }

    /// What monitors see.
    pub fn checkpoint(&self, origin: &str) -> Option<Note> {
        let answer = self.get(&format!("/{}/checkpoint", origin_path(origin)));
        (answer.status == 200).then(|| Note::parse(&answer.body).expect("a note"))
    }

    /// One number from `/metrics`.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().expect("a number")
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// An HTTP/1.1 connection, byte by byte, so that a test can also send half a request.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn post(&mut self, path: &str, body: &[u8]) -> std::io::Result<Answer> {
        let head = format!("POST {path} HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\n\r\n", body.len());
        self.send(&[head.as_bytes(), body].concat())?;
        self.receive()
    }

    pub fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: w\r\n\r\n").as_bytes())?;
        self.receive()
    }

    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Reads an answer; end of file if the peer closed.
    pub fn receive(&mut self) -> std::io::Result<Answer> {
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                line => headers.push(line.to_owned()),
            }
        }
        let status = headers[0].split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        answer.body.resize(length, 0);
        self.0.read_exact(&mut answer.body)?;
        Ok(answer)
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers[1..].iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
