//! A single node on ports of its own, run as the real program and stopped by its pid.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long to wait for what must happen. A bound for a broken build, never a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Node {
    pub(crate) dir: TempDir,
    pub(crate) client: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) http: SocketAddr,
    process: Option<Child>,
    /// What it has said so far.
    said: Arc<Mutex<String>>,
}

/// The program under test.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maip-node"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

impl Node {
    /// `init` in a fresh directory, with free ports and further lines for the configuration.
    pub(crate) fn init(extra: &str) -> Self {
        Self::init_with(&[], extra)
    }

    /// As [`Node::init`], with further options.
    pub(crate) fn init_with(options: &[&str], extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [client, peer, http] = free_addresses();
        let home = dir.path().join("node");
        let output = run(&[
            &[
                "init",
                "--dir",
                home.to_str().unwrap(),
                "--node-id",
                "1",
                "--listen",
                &client.to_string(),
                "--peer-listen",
                &peer.to_string(),
                "--http-listen",
                &http.to_string(),
            ],
            options,
        ]
        .concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let node = Self { dir, client, peer, http, process: None, said: Arc::default() };
        let config = fs::read_to_string(node.config()).unwrap();
        fs::write(node.config(), format!("{config}\n{extra}")).unwrap();
        node
    }

    /// Starts the node and waits until it takes writes and has published.
    pub(crate) fn start(&mut self) {
        let mut child = program().arg("--config").arg(self.config()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        // Kept drained, so that the node never waits for a reader of its log; shown when the test fails.
        let said = Arc::clone(&self.said);
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                eprint!("{line}");
                said.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        self.process = Some(child);
        self.wait("a published checkpoint", |node| {
            node.get("/health/ready").is_some_and(|answer| answer.status == 200)
                && node.get("/checkpoint").is_some_and(|answer| answer.status == 200)
        });
    }

    /// Waits until `done`.
    pub(crate) fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its log so far.
    #[allow(dead_code, reason = "the tests of the API read it")]
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Asks the node to stop and returns its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.process.take().unwrap();
        signal(&child, "TERM");
        child.wait().unwrap().code()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.process.as_ref().unwrap(), name);
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("node")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.home().join("maip-node.toml")
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.home().join(path)
    }

    /// A plain HTTP GET; `None` when nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        request(self.http, &format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            // Already gone when this fails.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal(child: &Child, name: &str) {
    let pid = rustix::process::Pid::from_child(child);
    let signal = match name {
        "TERM" => rustix::process::Signal::TERM,
        "HUP" => rustix::process::Signal::HUP,
        other => panic!("no such signal here: {other}"),
    };
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Where the ports of nodes are taken from: below what systems give to outgoing connections and to whoever binds port 0, of which
/// there are many beside a test. Devnets take theirs from 18,000 on.
const PORTS: std::ops::Range<u16> = 10_000..18_000;

/// Addresses that nobody listens at. A port is given once in this process: until its node runs, and while it is down, it looks free.
fn free_addresses() -> [SocketAddr; 3] {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let width = PORTS.end - PORTS.start;
    // Another place for each process: several may run at once.
    let start = std::process::id().wrapping_mul(97) % u32::from(width);
    [(); 3].map(|()| {
        loop {
            let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
            assert!(taken < width, "no free port is left between {} and {}", PORTS.start, PORTS.end);
            let port = (start + u32::from(taken)) % u32::from(width);
            let port = PORTS.start + u16::try_from(port).unwrap();
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            if TcpListener::bind(address).is_ok() {
                return address;
            }
        }
    })
}

/// An answer over plain HTTP.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends bytes and reads until the other side closes.
pub(crate) fn request(to: SocketAddr, text: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: bytes[split + 4..].to_vec() })
}

/// Replaces text in a file.
pub(crate) fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} lacks {from:?}", path.display());
    fs::write(path, text.replace(from, to)).unwrap();
}
