//! A server that notes what nodes send it.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long to wait for what must happen: a bound for a broken build.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A delivery as the target got it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    headers: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn word(&self) -> &str {
        self.body["event_type"].as_str().unwrap()
    }

    /// How many of the signatures are made with this secret.
    pub(crate) fn signed_with(&self, secret: &str) -> usize {
        let signature = self.header("x-maip-signature");
        assert_eq!(self.header("x-truthlocks-signature"), signature);
        let time = signature.split(',').find_map(|part| part.strip_prefix("t=")).unwrap();
        let code = ledger_format::hmac_sha256(secret.as_bytes(), format!("{time}.{}", self.text).as_bytes());
        let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
        signature.split(',').filter(|part| part.strip_prefix("v1=") == Some(&code)).count()
    }
}

/// A server that notes what it is sent, and answers as it is told.
pub(crate) struct Target {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
    /// Whether answers are held back.
    held: Arc<(Mutex<bool>, Condvar)>,
    ends: Arc<AtomicBool>,
}

impl Target {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Self {
            address: listener.local_addr().unwrap(),
            got: Arc::default(),
            answers: Arc::default(),
            held: Arc::default(),
            ends: Arc::default(),
        };
        let (got, answers, ends) = (target.got.clone(), target.answers.clone(), target.ends.clone());
        let held = target.held.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let Some(socket) = socket.ok() else { continue };
                if let Some(one) = read(&socket) {
                    // Noted before it is answered: a test may look as soon as the node knows.
                    got.lock().unwrap().push(one);
                    let until = held.0.lock().unwrap();
                    drop(held.1.wait_while(until, |held| *held).unwrap());
                    let status = answers.lock().unwrap().pop_front().unwrap_or(200);
                    let answer =
                        format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
                    let _ = (&socket).write_all(answer.as_bytes());
                }
            }
        });
        target
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The next answers; 200 after them.
    pub(crate) fn answers(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// Holds answers back from now on, or gives them.
    pub(crate) fn hold(&self, held: bool) {
        *self.held.0.lock().unwrap() = held;
        self.held.1.notify_all();
    }

    /// What it was sent so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Waits for so many deliveries.
    pub(crate) fn wait(&self, count: usize) -> Vec<Got> {
        wait("the deliveries", || {
            let got = self.got.lock().unwrap();
            (got.len() >= count).then(|| got.clone())
        })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.hold(false);
        self.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

pub(crate) fn read(socket: &TcpStream) -> Option<Got> {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(socket);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let split =
        |line: &String| line.split_once(':').map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned()));
    let headers: Vec<(String, String)> = lines.iter().skip(1).filter_map(split).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let text = String::from_utf8(body).ok()?;
    Some(Got { headers, body: serde_json::from_str(&text).ok()?, text })
}

pub(crate) fn wait<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
