//! The side that asks: blocking, one connection, every answer checked.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use ledger_format::record::{PublicKey, SigningKey};

use super::{Answer, FRAME_BYTES_MAX, KeyName, Request, base64, from_base64};

/// How long an agent may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why an agent did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Nobody answers at the socket.
    #[error("no key agent answers at {path}: {source}")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The socket is another user's: whoever listens there would learn what is sent.
    #[error("{path} is not a socket of yours that only you may use")]
    NotOurs {
        /// The socket.
        path: PathBuf,
    },
    /// It said no.
    #[error("the key agent refuses: {0}")]
    Refused(String),
    /// Its answer is none, or its signature does not hold.
    #[error("the key agent answered wrongly: {0}")]
    Wrong(String),
}

/// A connection to an agent.
#[derive(Debug)]
pub struct Connection {
    path: PathBuf,
    stream: UnixStream,
}

impl Connection {
    /// Connects to the socket of an agent.
    ///
    /// # Errors
    /// Nobody listens there, or somebody else does.
    pub fn open(path: &Path) -> Result<Self, AgentError> {
        let unreachable = |source| AgentError::Unreachable { path: path.into(), source };
        let meta = std::fs::metadata(path).map_err(unreachable)?;
        let is_ours = meta.file_type().is_socket()
            && meta.uid() == rustix::process::geteuid().as_raw()
            && meta.mode() & 0o077 == 0;
        if !is_ours {
            return Err(AgentError::NotOurs { path: path.into() });
        }
        let stream = UnixStream::connect(path).map_err(unreachable)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(unreachable)?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT)).map_err(unreachable)?;
        Ok(Self { path: path.into(), stream })
    }

    /// The keys that the agent holds, by name.
    ///
    /// # Errors
    /// It does not answer.
    pub fn list(&mut self) -> Result<Vec<KeyName>, AgentError> {
        Ok(self.ask(&Request::List)?.keys)
    }

    /// The key of that name, or with that public half; `None` if the agent does not hold it.
    ///
    /// # Errors
    /// It does not answer, or names a key that is none.
    pub fn find(&mut self, typed: &str) -> Result<Option<PublicKey>, AgentError> {
        let found = self.list()?.into_iter().find(|key| key.name == typed || key.public_key == typed);
        found
            .map(|key| PublicKey::parse(&key.public_key).map_err(|e| AgentError::Wrong(e.to_string())))
            .transpose()
    }

    /// Has a message signed: canonical JSON of an object.
    ///
    /// # Errors
    /// It says no, or gives a signature that does not hold.
    pub fn sign(&mut self, key: &PublicKey, message: &[u8]) -> Result<[u8; 64], AgentError> {
        let request = Request::Sign { public_key: key.to_string(), message: base64(message) };
        let signature = self.ask(&request)?.signature.and_then(|text| from_base64(&text));
        let signature = signature.and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
        let signature = signature.ok_or_else(|| AgentError::Wrong("it gives no signature".into()))?;
        key.verify(message, &signature)
            .map_err(|_| AgentError::Wrong("its signature does not hold".into()))?;
        Ok(signature)
    }

    /// Gives the agent one more key to hold.
    ///
    /// # Errors
    /// It says no: the name is taken, or it holds as many as it may.
    pub fn add(&mut self, name: &str, key: &SigningKey) -> Result<(), AgentError> {
        self.ask(&Request::Add { name: name.into(), seed: key.to_seed_text() }).map(|_| ())
    }

    /// Has the agent forget a key.
    ///
    /// # Errors
    /// It holds no such key.
    pub fn remove(&mut self, name: &str) -> Result<(), AgentError> {
        self.ask(&Request::Remove { name: name.into() }).map(|_| ())
    }

    /// Ends the agent.
    ///
    /// # Errors
    /// It does not answer.
    pub fn stop(&mut self) -> Result<(), AgentError> {
        self.ask(&Request::Stop).map(|_| ())
    }

    fn ask(&mut self, request: &Request) -> Result<Answer, AgentError> {
        let bytes = serde_json::to_vec(request).map_err(|e| AgentError::Wrong(e.to_string()))?;
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(AgentError::Refused(format!("{} bytes are more than it signs", bytes.len())));
        }
        let answer = exchange(&mut self.stream, &bytes)
            .map_err(|source| AgentError::Unreachable { path: self.path.clone(), source })?;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|e| AgentError::Wrong(e.to_string()))?;
        match answer.error {
            Some(why) => Err(AgentError::Refused(why)),
            None => Ok(answer),
        }
    }
}

fn exchange(stream: &mut UnixStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(&(bytes.len() as u32).to_be_bytes())?;
    stream.write_all(bytes)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other(format!("an answer of {length} bytes")));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
