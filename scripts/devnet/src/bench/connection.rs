//! A keep-alive connection to a node's API: HTTP/1.1 on loopback, one request at a time, as cheap as it can be.
//!
//! The load generator shares the machine with the nodes, so what it takes they do not have: a request is one write, an answer is one
//! read most of the time, and nothing is copied or parsed but status and length.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Bytes asked of the socket at once: an answer fits.
const READ_BYTES: usize = 16 << 10;
/// Largest answer that is taken.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A request without its body, ready to be sent often.
#[derive(Clone, Debug)]
pub(crate) struct Head(String);

impl Head {
    /// `POST path` with JSON, or `GET path`; with the credential, if there is one.
    pub(crate) fn new(method: &str, path: &str, api_key: Option<&str>) -> Head {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: node\r\n");
        if let Some(key) = api_key {
            text += &format!("x-api-key: {key}\r\n");
        }
        if method != "GET" {
            text += "content-type: application/json\r\n";
        }
        Head(text)
    }

    /// With one more header field.
    pub(crate) fn with(&self, name: &str, value: &str) -> Head {
        Head(format!("{}{name}: {value}\r\n", self.0))
    }

    /// The whole request.
    pub(crate) fn request(&self, body: &str) -> Vec<u8> {
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        [self.0.as_bytes(), length.as_bytes(), b"\r\n", body.as_bytes()].concat()
    }
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("{address}: no connection"))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends a request and gives the body of its answer, which must have this status.
    pub(crate) async fn ask(&mut self, request: &[u8], status: u16) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let answer = loop {
            if let Some(answer) = Answer::parse(&self.buffer)? {
                break answer;
            }
            self.read().await?;
        };
        while self.buffer.len() < answer.end {
            self.read().await?;
        }
        let body = &self.buffer[answer.body..answer.end];
        ensure!(answer.status == status, "{}: {}", answer.status, String::from_utf8_lossy(body));
        Ok(body)
    }

    async fn read(&mut self) -> Result<()> {
        self.buffer.reserve(READ_BYTES);
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the node closed the connection");
        ensure!(self.buffer.len() <= ANSWER_BYTES_MAX, "an answer without end");
        Ok(())
    }
}

/// Where an answer's body is in the bytes that were read.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: usize,
    end: usize,
}

impl Answer {
    /// `None` while the header is not complete.
    fn parse(bytes: &[u8]) -> Result<Option<Answer>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&bytes[..end])?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("not an answer")?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let Some(length) = length else { bail!("an answer without a length: {head}") };
        ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
        Ok(Some(Answer { status, body: end + 4, end: end + 4 + length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_in_what_was_read() {
        let bytes = b"HTTP/1.1 201 Created\r\ncontent-type: a/b\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..bytes.len() - 2 {
            assert_eq!(Answer::parse(&bytes[..cut]).unwrap(), None, "{cut}");
        }
        let answer = Answer::parse(bytes).unwrap().unwrap();
        assert_eq!((answer.status, &bytes[answer.body..answer.end]), (201, &b"{}"[..]));
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Answer::parse(b"hello\r\n\r\n").is_err());
    }

    #[test]
    fn a_request_says_how_long_its_body_is() {
        let head = Head::new("POST", "/p", Some("k")).with("a", "b");
        let want = "POST /p HTTP/1.1\r\nhost: node\r\nx-api-key: k\r\ncontent-type: application/json\r\na: b\r\n\
                    content-length: 2\r\n\r\n{}";
        assert_eq!(head.request("{}"), want.as_bytes());
        assert_eq!(Head::new("GET", "/p", None).request(""), b"GET /p HTTP/1.1\r\nhost: node\r\n\r\n");
    }
}
