//! Plain HTTP on loopback: enough for health, metrics, checkpoints and the API, and no dependency.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

/// Largest answer that is read: the document of the API fits twice.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// Body bytes, as sent.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks `http://host:port/path` and waits at most `limit` for each step.
pub fn get(url: &str, limit: Duration) -> Result<Answer> {
    send("GET", url, &[], b"", limit)
}

/// As [`get`], with a method, header fields and a body.
pub fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    limit: Duration,
) -> Result<Answer> {
    let Some((host, path)) =
        url.strip_prefix("http://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))
    else {
        bail!("{url}: only http:// URLs are asked here")
    };
    let address: SocketAddr = host.parse().with_context(|| format!("{url}: not an IP address and port"))?;
    let mut stream =
        TcpStream::connect_timeout(&address, limit).with_context(|| format!("{url}: no connection"))?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    // HTTP/1.0, so that the answer ends with the connection and is never chunked.
    let mut head = format!("{method} /{path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).with_context(|| format!("{url}: no answer"))?;
    parse(&bytes).with_context(|| format!("{url}: not an HTTP answer"))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: bytes[end + 4..].to_vec() })
}

#[test]
fn an_answer_is_status_and_body() {
    let answer = parse(b"HTTP/1.1 503 Service Unavailable\r\nx: y\r\n\r\nnot yet\n").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (503, "not yet\n"));
    assert!(parse(b"hello").is_none());
}
