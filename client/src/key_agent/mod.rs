//! A process that holds keys and signs with them for its owner's other programs, over a Unix socket.
//!
//! A frame is a length (four bytes, big-endian) and that much JSON; a question is answered by one frame, and one connection may ask
//! many. No answer ever holds a private key. The agent signs JSON objects only, as records and agreements are: no question makes it
//! sign a checkpoint or anything else that begins otherwise.

mod client;
mod listen;
mod serve;

pub use client::{AgentError, Connection};
pub use listen::{Listening, SocketError};
pub use serve::{Held, serve};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// Longest frame: the longest record in base64, and room for what is around it.
const FRAME_BYTES_MAX: usize = 128 << 10;

/// Most keys that an agent holds.
pub const KEYS_MAX: usize = 256;

/// A question to an agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    /// Which keys there are.
    List,
    /// Sign these bytes, in base64url, with the key of that public half.
    Sign { public_key: String, message: String },
    /// Hold one more key: the text of its key file.
    Add { name: String, seed: String },
    /// Let go of a key.
    Remove { name: String },
    /// End.
    Stop,
}

/// An answer of an agent.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<KeyName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

/// A key that an agent holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyName {
    /// By which it is asked for.
    pub name: String,
    /// Its public half.
    pub public_key: String,
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
