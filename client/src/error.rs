//! What can go wrong between this side and a node, and how it is said to a person.
//!
//! Errors of the transport arrive as chains of library errors ("transport error", "tcp connect error", …).
//! [`explain`] reads such a chain once and names the cause and the next step in plain words.

use std::{error::Error, fmt};

use ledger_proto::v1;

/// Why a call to the log gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No URL was given, or one that is not a URL. The caller's fault.
    #[error("{url:?} is not a URL of a node: {reason}")]
    BadUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No node could be asked; each attempt's reason is in `reasons`. A later retry may work.
    #[error("no node could be reached: {}", reasons.join("; "))]
    Unreachable {
        /// One sentence a node, in the order of the attempts.
        reasons: Vec<String>,
        /// What to try.
        next: String,
    },
    /// The node understood and said no. The caller's fault unless `retry_after_ms` is set.
    #[error("{0}")]
    Refused(Refused),
    /// The node answered with something that does not follow from what was sent: the node's fault.
    #[error("{url} answered wrongly: {reason}")]
    Dishonest {
        /// Who answered.
        url: String,
        /// What does not fit.
        reason: String,
    },
    /// The record that was handed in is not a record. The caller's fault; nothing was sent.
    #[error("not a record: {0}")]
    NotARecord(String),
}

/// A refusal with everything the node said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// E.g. `SIGNATURE`; empty when the node gave only a gRPC code.
    pub code: String,
    /// Path of the field at fault, or empty.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do next, or empty.
    pub fix: String,
    /// 0: a retry does not help.
    pub retry_after_ms: u32,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.code.is_empty() {
            write!(f, "{}: ", self.code)?;
        }
        f.write_str(&self.message)?;
        if !self.field.is_empty() {
            write!(f, " (field {})", self.field)?;
        }
        Ok(())
    }
}

impl From<v1::Refusal> for Refused {
    fn from(r: v1::Refusal) -> Self {
        Self {
            code: r.code,
            field: r.field,
            message: r.message,
            fix: r.fix,
            retry_after_ms: r.retry_after_ms,
        }
    }
}

impl Refused {
    /// Another node, or the same one a moment later, may accept what this one refused.
    pub fn is_transient(&self) -> bool {
        self.retry_after_ms > 0 || matches!(self.code.as_str(), "NO_LEADER" | "BUSY" | "UNAVAILABLE")
    }

    /// The node has judged what was sent, and nothing of it is logged. Else it may be: the answer was lost or late.
    pub fn is_settled(&self) -> bool {
        !self.is_transient() && !matches!(self.code.as_str(), "" | "DEADLINE" | "TIMEOUT" | "INTERNAL")
    }

    /// From a failed call: the typed details if the node sent them, else its code and message.
    pub fn from_status(status: &tonic::Status) -> Self {
        let typed = <v1::Refusal as prost::Message>::decode(status.details())
            .ok()
            .filter(|r| !r.code.is_empty() && r.code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
        if let Some(refusal) = typed {
            return refusal.into();
        }
        let code =
            if status.message().contains("NO_LEADER") { "NO_LEADER" } else { grpc_code(status.code()) };
        let message = match status.message() {
            "" => format!("the node answered {}", status.code()),
            text => text.to_owned(),
        };
        Self {
            code: code.into(),
            field: String::new(),
            message,
            fix: fix_for(status.code()).into(),
            retry_after_ms: 0,
        }
    }
}

fn grpc_code(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Unavailable => "UNAVAILABLE",
        Code::ResourceExhausted => "BUSY",
        Code::NotFound => "NOT_FOUND",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::DeadlineExceeded => "DEADLINE",
        Code::Unimplemented => "UNIMPLEMENTED",
        _ => "",
    }
}

fn fix_for(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Unauthenticated => {
            "give the operator's key with --admin-key FILE, MAIP_ADMIN_KEY or --devnet DIR"
        }
        Code::PermissionDenied => "this key may not do that; use one that may",
        Code::NotFound => "check --log, the id and the tenant; `maip status` lists the logs of a node",
        Code::DeadlineExceeded => "give more time with --timeout, or ask for a weaker acknowledgement",
        Code::Unimplemented => {
            "the server at this URL does not offer the call: is it the gRPC address of a maip-node?"
        }
        Code::ResourceExhausted => "slow down and try again",
        _ => "",
    }
}

/// A failure of the transport in plain words: what happened and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// What happened, a clause without a full stop.
    pub why: String,
    /// What to try.
    pub next: String,
}

/// What the deepest known cause in an error chain means, for the server at `url`.
///
/// Matches on texts because the causes are wrapped by up to five crates, some of which erase the type.
pub fn explain(url: &str, error: &(dyn Error + 'static)) -> Plain {
    let mut chain = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        chain.push(inner.to_string());
        cause = inner.source();
    }
    let text = chain.join(": ");
    let lower = text.to_ascii_lowercase();
    for (marks, why, next) in CAUSES {
        if marks.iter().any(|m| lower.contains(m)) {
            return Plain { why: why.replace("{url}", url), next: (*next).into() };
        }
    }
    let deepest = chain.last().cloned().unwrap_or_default();
    Plain {
        why: format!("{url} could not be asked: {deepest}"),
        next: "check the URL and that the node runs".into(),
    }
}

/// Marks in a lower-cased error chain, what they mean, what to do. The first row that matches wins.
const CAUSES: &[(&[&str], &str, &str)] = &[
    (
        &["dns error", "failed to lookup", "name or service not known", "no such host"],
        "the host of {url} is unknown",
        "check the spelling of the host name, or give an address",
    ),
    (
        &["unknownissuer", "unknown issuer"],
        "the certificate of {url} is not signed by a CA this side trusts",
        "give the CA's certificate with --ca FILE or MAIP_CA",
    ),
    (
        &["notvalidforname", "not valid for name"],
        "the certificate of {url} belongs to another host",
        "use the host name the certificate was made for",
    ),
    (
        &["certificate expired", "expired"],
        "the certificate of {url} has expired (or this machine's clock is wrong)",
        "renew the server's certificate; check the clock",
    ),
    (
        &["invalidcontenttype", "corrupt message", "wrong version number", "received corrupt"],
        "{url} does not speak TLS",
        "the address may be the plain HTTP one: use http://, or the node's TLS port",
    ),
    (&["connection refused"], "nothing listens at {url}", "start the node, or check the port"),
    (
        &["network is unreachable", "no route to host", "host is unreachable"],
        "there is no route to {url}",
        "check the network",
    ),
    (
        &["connection reset", "broken pipe", "connection closed", "unexpected eof", "incompletemessage"],
        "{url} closed the connection",
        "the node may be stopping, or http:// and https:// are mixed up",
    ),
    (
        &["deadline has elapsed", "timed out", "timeout"],
        "{url} did not answer in time",
        "try again, or give more time with --timeout",
    ),
    (
        &["http2 error", "frame with invalid size", "http/2"],
        "{url} does not speak gRPC",
        "give the node's gRPC address (TLS), not the plain HTTP one",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("transport error")]
    struct Outer(#[source] std::io::Error);

    fn explained(text: &str) -> String {
        explain("https://n1:7443", &Outer(std::io::Error::other(text.to_owned()))).why
    }

    #[test]
    fn causes_have_plain_words() {
        for (text, want) in [
            ("Connection refused (os error 111)", "nothing listens at https://n1:7443"),
            ("failed to lookup address information", "the host of https://n1:7443 is unknown"),
            (
                "invalid peer certificate: UnknownIssuer",
                "the certificate of https://n1:7443 is not signed by a CA this side trusts",
            ),
            ("received corrupt message of type InvalidContentType", "https://n1:7443 does not speak TLS"),
            ("strange", "https://n1:7443 could not be asked: strange"),
        ] {
            assert_eq!(explained(text), want, "{text}");
        }
    }

    #[test]
    fn typed_details_are_read_and_garbage_is_not() {
        let refusal = v1::Refusal {
            code: "SIGNATURE".into(),
            field: "sig.value".into(),
            message: "does not verify".into(),
            fix: "sign again".into(),
            retry_after_ms: 0,
        };
        let details = prost::Message::encode_to_vec(&refusal);
        let status =
            tonic::Status::with_details(tonic::Code::InvalidArgument, "bad", bytes::Bytes::from(details));
        let got = Refused::from_status(&status);
        assert_eq!((got.code.as_str(), got.field.as_str()), ("SIGNATURE", "sig.value"));
        assert!(!got.is_transient());

        let status =
            tonic::Status::with_details(tonic::Code::Unavailable, "", bytes::Bytes::from_static(b"\xff"));
        let got = Refused::from_status(&status);
        assert_eq!(got.code, "UNAVAILABLE");
        assert!(got.is_transient());
    }
}
