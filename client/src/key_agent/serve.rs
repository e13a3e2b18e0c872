//! The side that holds the keys.

use std::{
    collections::BTreeMap,
    io,
    os::unix::net::UnixListener,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ledger_format::record::{SigningKey, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::{Notify, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use super::{Answer, FRAME_BYTES_MAX, KEYS_MAX, KeyName, Request, base64, from_base64};

/// Connections at once; more wait.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection may be silent, and a frame may take.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// The keys of an agent, by name.
#[derive(Debug, Default)]
pub struct Held(BTreeMap<String, SigningKey>);

impl Held {
    /// Holds one more key.
    ///
    /// # Errors
    /// In words: the name is taken or is none, or there are [`KEYS_MAX`] already.
    pub fn add(&mut self, name: &str, key: SigningKey) -> Result<(), String> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err("a key's name has 1 to 128 bytes and no control characters".into());
        }
        if self.0.contains_key(name) {
            return Err(format!("it holds a key {name:?} already"));
        }
        if self.0.len() >= KEYS_MAX {
            return Err(format!("it holds {KEYS_MAX} keys already"));
        }
        self.0.insert(name.to_owned(), key);
        Ok(())
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    fn answer(&mut self, request: Request) -> Result<Answer, String> {
        match request {
            Request::List => {
                let name = |(name, key): (&String, &SigningKey)| KeyName {
                    name: name.clone(),
                    public_key: key.public().to_string(),
                };
                Ok(Answer { keys: self.0.iter().map(name).collect(), ..Answer::default() })
            }
            Request::Sign { public_key, message } => {
                let key = self.0.values().find(|key| key.public().to_string() == public_key);
                let key = key.ok_or_else(|| format!("it does not hold the key {public_key}"))?;
                let message = from_base64(&message).ok_or("the message is not base64url")?;
                match json::parse(&message) {
                    Ok(json::Value::Object(_)) => {}
                    _ => return Err("it signs canonical JSON objects only".into()),
                }
                Ok(Answer { signature: Some(base64(&key.sign(&message))), ..Answer::default() })
            }
            Request::Add { name, seed } => {
                let key = SigningKey::parse_seed_text(&seed).map_err(|_| "that is no key")?;
                self.add(&name, key).map(|()| Answer::default())
            }
            Request::Remove { name } => match self.0.remove(&name) {
                Some(_) => Ok(Answer::default()),
                None => Err(format!("it holds no key {name:?}")),
            },
            Request::Stop => Ok(Answer::default()),
        }
    }
}

/// What connections share.
struct Agent {
    keys: Mutex<Held>,
    stop: Notify,
    /// When somebody last asked something.
    asked: Mutex<Instant>,
    uid: u32,
}

/// Signs until somebody of the same user says stop, or nobody has asked anything for the time in `idle`. Must be called inside a Tokio
/// runtime.
///
/// # Errors
/// The socket fails.
pub async fn serve(listener: UnixListener, keys: Held, idle: Option<Duration>) -> io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let agent = Arc::new(Agent {
        keys: Mutex::new(keys),
        stop: Notify::new(),
        asked: Mutex::new(Instant::now()),
        uid: rustix::process::geteuid().as_raw(),
    });
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let accept = async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
            let (stream, _) = listener.accept().await?;
            let agent = agent.clone();
            tokio::spawn(async move {
                let _place = place;
                // Whoever breaks off, or sends what is no frame, is not spoken to any more.
                let _ = agent.talk(stream).await;
            });
        }
    };
    tokio::select! {
        failed = accept => failed,
        () = agent.stop.notified() => Ok(()),
        () = agent.unused_for(idle) => Ok(()),
    }
}

impl Agent {
    async fn unused_for(&self, idle: Option<Duration>) {
        let Some(idle) = idle else { return std::future::pending().await };
        loop {
            let end = *self.asked.lock().unwrap_or_else(PoisonError::into_inner) + idle;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }

    async fn talk(&self, mut stream: UnixStream) -> io::Result<()> {
        // The file's mode says the same; this holds where a system does not look at it.
        if stream.peer_cred()?.uid() != self.uid {
            return Ok(());
        }
        loop {
            let Some(frame) = read(&mut stream).await? else { return Ok(()) };
            let request = serde_json::from_slice::<Request>(&frame);
            let stops = matches!(request, Ok(Request::Stop));
            let answer = match request {
                Ok(request) => {
                    *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                    self.keys.lock().unwrap_or_else(PoisonError::into_inner).answer(request)
                }
                // Not repeated: it may hold a key.
                Err(_) => Err("that is no question to a key agent".into()),
            };
            let answer = answer.unwrap_or_else(|why| Answer { error: Some(why), ..Answer::default() });
            write(&mut stream, &answer).await?;
            if stops {
                self.stop.notify_one();
                return Ok(());
            }
        }
    }
}

/// The next frame; `None` when the other side is done.
async fn read(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + SILENCE_MAX;
    let mut length = [0; 4];
    match timeout_at(deadline, stream.read_exact(&mut length)).await? {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        let error = format!("a question has at most {FRAME_BYTES_MAX} bytes");
        write(stream, &Answer { error: Some(error), ..Answer::default() }).await?;
        return Ok(None);
    }
    let mut frame = vec![0; length];
    timeout_at(deadline, stream.read_exact(&mut frame)).await??;
    Ok(Some(frame))
}

async fn write(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let bytes = serde_json::to_vec(answer)?;
    let mut frame = (bytes.len() as u32).to_be_bytes().to_vec();
    frame.extend(bytes);
    timeout(SILENCE_MAX, stream.write_all(&frame)).await?
}
