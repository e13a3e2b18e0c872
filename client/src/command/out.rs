//! Talking to the person or program in front: text or JSON, colour and progress only on a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ledger_client::{ClientError, SourceError};
use ledger_format::record::Ulid;
use serde_json::{Value, json};

use super::Exit;

/// Where answers go.
#[derive(Debug)]
pub(crate) struct Out {
    json: bool,
    colour: bool,
}

impl Out {
    /// JSON if asked for, else text.
    pub(crate) fn new(json: bool) -> Self {
        let colour = !json && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colour }
    }

    /// The caller wants JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// One answer in both forms; `text` may have several lines.
    pub(crate) fn answer(&self, text: &str, json: &Value) {
        if self.json { self.line(&json.to_string()) } else { self.line(text.trim_end_matches('\n')) }
    }

    /// One line of a stream of answers (JSON: one object a line).
    pub(crate) fn line(&self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(b"\n");
    }

    /// Bytes as they are. A reader that went away (`maip tail | head`) ends the program quietly.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        if stdout.write_all(bytes).and_then(|()| stdout.flush()).is_err() {
            std::process::exit(Exit::Ok as i32);
        }
    }

    /// A remark that is no part of the answer.
    pub(crate) fn remark(&self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }

    /// Green on a terminal.
    pub(crate) fn good(&self, text: &str) -> String {
        self.paint("32;1", text)
    }

    /// Red on a terminal.
    pub(crate) fn bad(&self, text: &str) -> String {
        self.paint("31;1", text)
    }

    /// Yellow on a terminal.
    pub(crate) fn doubtful(&self, text: &str) -> String {
        self.paint("33;1", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A progress bar on standard error; invisible when that is no terminal, or with `--json`.
    pub(crate) fn progress(&self, what: &str, total: u64) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if self.json || !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = "{msg} [{bar:32}] {human_pos}/{human_len} ({per_sec}, {eta} left)";
        bar.set_style(
            ProgressStyle::with_template(style).expect("a constant template").progress_chars("=> "),
        );
        bar.set_message(what.to_owned());
        bar
    }

    /// Says why a command gave no answer.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let mut error = json!({ "what": failure.what, "why": failure.why, "next": failure.next });
            if let Some(id) = &failure.record {
                error["record"] = json!(id.to_string());
            }
            self.line(&json!({ "ok": false, "exit": failure.exit as u8, "error": error }).to_string());
            return;
        }
        let red = |text: &str| {
            if io::stderr().is_terminal() { format!("\x1b[31;1m{text}\x1b[0m") } else { text.to_owned() }
        };
        eprintln!("{} {}", red("maip:"), failure.what);
        if let Some(why) = &failure.why {
            eprintln!("  why:  {why}");
        }
        if let Some(id) = &failure.record {
            eprintln!("  record: {id}");
        }
        if let Some(next) = failure.next.as_ref().filter(|n| !n.is_empty()) {
            eprintln!("  next: {next}");
        }
    }
}

/// Why a command has no answer: what failed, why, what to do next.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) what: String,
    pub(crate) why: Option<String>,
    pub(crate) next: Option<String>,
    /// The ledger's word for its refusal, e.g. `DECISION_DIFFERS`.
    pub(crate) code: Option<String>,
    /// Id of the record that was signed before it failed. In a box, to keep results small.
    pub(crate) record: Option<Box<Ulid>>,
}

impl Failure {
    /// Nothing could be judged: usage, environment, network.
    pub(crate) fn cannot(what: impl Into<String>) -> Self {
        Self { exit: Exit::CannotJudge, what: what.into(), why: None, next: None, code: None, record: None }
    }

    /// The answer is no.
    pub(crate) fn no(what: impl Into<String>) -> Self {
        Self { exit: Exit::No, ..Self::cannot(what) }
    }

    /// The cause.
    pub(crate) fn why(self, why: impl ToString) -> Self {
        Self { why: Some(why.to_string()), ..self }
    }

    /// What to try.
    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// The record that was signed before.
    pub(crate) fn record(self, id: Ulid) -> Self {
        Self { record: Some(Box::new(id)), ..self }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { reasons, next } => {
                Self::cannot("no node could be reached").why(reasons.join("; ")).next(next)
            }
            ClientError::Refused(r) if r.is_transient() => {
                let next = if r.fix.is_empty() { "try again in a moment".into() } else { r.fix.clone() };
                Self::cannot("the ledger cannot answer now").why(&r).next(next)
            }
            ClientError::Refused(r) if r.code == "UNAUTHENTICATED" => Self::no("the ledger refused")
                .why(&r)
                .next("give the operator's key with --admin-key FILE, MAIP_ADMIN_KEY or --devnet DIR"),
            ClientError::Refused(r) => Self {
                code: Some(r.code.clone()),
                ..Self::no("the ledger refused").why(&r).next(r.fix.clone())
            },
            ClientError::Dishonest { .. } => Self::no("a node's answer does not hold")
                .why(error)
                .next("ask another node; if it repeats, tell the log's operator and a witness"),
            ClientError::BadUrl { .. } => Self::cannot("no usable URL")
                .why(error)
                .next("give --url https://host:port (or MAIP_URL), or --devnet DIR"),
            ClientError::NotARecord(why) => Self::no("this is not a record").why(why),
            other => Self::cannot(other.to_string()),
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Unreachable { why, next } => {
                Self::cannot("the log's files cannot be read").why(why).next(next)
            }
            SourceError::Missing { .. } => Self::cannot(error.to_string())
                .next("give the log's monitoring prefix, the one that serves `checkpoint` and `tile/`"),
            other => Self::no(other.to_string()),
        }
    }
}

impl From<ledger_client::key_agent::AgentError> for Failure {
    fn from(error: ledger_client::key_agent::AgentError) -> Self {
        use ledger_client::key_agent::AgentError;
        let next = match &error {
            AgentError::Unreachable { path, .. } => {
                format!("maip key agent serve --socket {}", path.display())
            }
            AgentError::NotOurs { .. } => "give the --key-socket of an agent that you started".into(),
            _ => "`maip key agent list` shows what it holds".into(),
        };
        Failure::cannot("the key agent did not do it").why(error).next(next)
    }
}

impl From<ledger_client::keys::KeyError> for Failure {
    fn from(error: ledger_client::keys::KeyError) -> Self {
        use ledger_client::keys::KeyError;
        let next = match &error {
            KeyError::TooOpen { path, .. } => format!("chmod 600 {}", path.display()),
            KeyError::Io { .. } => "check the path; `maip key new --out FILE` makes a key".into(),
            _ => "`maip key new --out FILE` makes a key, `maip key show FILE` prints its public half".into(),
        };
        Self::cannot("a key cannot be used").why(error).next(next)
    }
}
