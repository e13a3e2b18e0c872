//! `maip proof status`, and how a status is put into words.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, ValueHint};
use ledger_client::{
    offline::{Bindings, Finding, Question, StatusFinding, Verdict, verify_file},
    transport::check_staple,
};
use ledger_format::{Policy, Staple, is_subject, status_proof::STAPLE_BYTES_MAX};
use serde_json::{Value, json};

use super::{
    Done, Exit, Failure, Global, Out,
    checkpoint::cosigners,
    global::block_on,
    proof::write_file,
    time::{duration_text, now_s, utc},
};

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Whose status: maip-agent:…, maip-tenant:…, maip-sess:…, maip-deleg:… or agreement:….
    #[arg(value_parser = subject)]
    subject: String,
    /// Where to write the staple. Default: standard output.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Wait for a staple that holds every change by an entry up to this one, at most --timeout.
    #[arg(long, value_name = "INDEX")]
    min_index: Option<u64>,
    /// Verify against this policy before writing. Default: the devnet's.
    #[arg(long, env = "MAIP_POLICY", value_name = "FILE", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
}

impl Status {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let policy = global.policy(self.policy.as_ref())?;
        let staple = self.fetch(global)?;
        let finding = policy.as_ref().map(|policy| judge(&staple, policy)).transpose()?;
        let bytes = staple.to_bytes();
        let Some(path) = &self.out else {
            out.bytes(&bytes);
            return Ok(Exit::Ok);
        };
        write_file(path, &bytes)?;
        let verified = match &finding {
            Some(finding) => format!("verified: {} witnesses", finding.cosigners.len()),
            None => "its paths are verified; no policy was given for the signatures".into(),
        };
        let mut text = format!("wrote {} ({verified})\n", path.display());
        let mut json = json!({
            "ok": true, "file": path, "verified": finding.is_some(),
            "subject": staple.subject, "status": value_json(staple.value()),
        });
        match &finding {
            Some(Finding { status: Some(status), cosigners: names, .. }) => {
                in_words(status, &mut text);
                json["as_of_size"] = json!(status.as_of_size);
                json["cosigners"] = cosigners(names);
            }
            _ => {
                let _ = writeln!(text, "  status       {}", value_in_words(staple.value()));
            }
        }
        out.answer(&text, &json);
        Ok(Exit::Ok)
    }

    fn fetch(&self, global: &Global) -> Result<Staple, Failure> {
        if !global.is_prefix() {
            let min_size = self.min_index.map_or(0, |index| index.saturating_add(1));
            return block_on(async {
                Ok(global.nodes()?.staple(&global.log, &self.subject, min_size, global.timeout).await?)
            });
        }
        if self.min_index.is_some() {
            return Err(Failure::cannot("a monitoring prefix does not wait")
                .next("leave --min-index out, or give the gRPC address of a node"));
        }
        let bad = |why: String| {
            Failure::no("the log's staple does not hold").why(why).next("ask a node, or another one")
        };
        let bytes = global.source(None)?.fetch(&format!("status/{}", self.subject), STAPLE_BYTES_MAX)?;
        let staple = Staple::parse(&bytes).map_err(|e| bad(e.to_string()))?;
        check_staple(&staple, &self.subject).map_err(bad)?;
        Ok(staple)
    }
}

/// What the staple proves under the policy, whatever its age.
pub(crate) fn judge(staple: &Staple, policy: &Policy) -> Result<Finding, Failure> {
    let question = Question {
        policy,
        bindings: &Bindings::default(),
        entry: None,
        subject: Some(&staple.subject),
        // Where the policy trusts several logs, the node is asked about the one it names.
        origin: Some(&staple.origin),
        max_age_s: None,
        now_s: now_s(),
    };
    match verify_file(&staple.to_bytes(), &question) {
        Verdict::Valid(finding) | Verdict::Stale(finding) => Ok(finding),
        Verdict::Invalid(why) | Verdict::CannotJudge(why) => {
            Err(Failure::no("the node's staple does not hold").why(why).next("ask another node"))
        }
    }
}

/// The subject, its status, as of when.
pub(crate) fn in_words(s: &StatusFinding, text: &mut String) {
    let chosen = if s.asked { "" } else { " (the file says so: --subject asks about one)" };
    let _ = writeln!(text, "  subject      {}{chosen}", s.subject);
    let _ = writeln!(text, "  status       {}", value_in_words(s.value.as_deref()));
    let _ = writeln!(
        text,
        "  as of        the first {} entries, sealed by entry {} at {} (the log's time)",
        s.as_of_size,
        s.index,
        utc(s.log_ms / 1_000)
    );
    if !s.is_complete() {
        let _ = writeln!(
            text,
            "               changes by later entries may be missing: more waited than one step takes"
        );
    }
}

/// A status for people: what it is, since when, and what goes with it.
pub(crate) fn value_in_words(value: Option<&[u8]>) -> String {
    let Some(json) = value else {
        return "none: the log knows no such subject".into();
    };
    let fields: Value = serde_json::from_slice(json).unwrap_or_default();
    let word = |name: &str| fields[name].as_str().map(str::to_owned);
    let mut text = word("status").unwrap_or_else(|| String::from_utf8_lossy(json).into_owned());
    if let Some(since) = fields["since"].as_u64() {
        let _ = write!(text, ", since entry {since}");
    }
    for name in ["type", "plan", "agent", "tenant", "key"] {
        if let Some(value) = word(name) {
            let _ = write!(text, "\n               {name} {value}");
        }
    }
    if let Some(count) = fields["receipts"]["count"].as_u64() {
        let flagged = fields["receipts"]["flagged"].as_u64().unwrap_or(0);
        let _ = write!(text, "\n               {count} receipts, {flagged} of them flagged");
    }
    if let Some(ms) = fields["expires_at"].as_u64() {
        let _ = write!(text, "\n               expires at {}; it also ends with its agent", utc(ms / 1_000));
    }
    text
}

/// For programs: the status, or null where the log knows no such subject.
pub(crate) fn value_json(value: Option<&[u8]>) -> Value {
    value.map_or(Value::Null, |json| serde_json::from_slice(json).unwrap_or_default())
}

/// The status part of a verdict.
pub(crate) fn in_json(s: &StatusFinding) -> Value {
    json!({
        "subject": s.subject, "asked": s.asked, "known": s.value.is_some(), "value": value_json(s.value.as_deref()),
        "as_of_size": s.as_of_size, "complete": s.is_complete(), "index": s.index, "log_ms": s.log_ms,
        "witnessed_s": s.witnessed_s,
    })
}

/// How old the knowledge is.
pub(crate) fn age_in_words(f: &Finding, text: &mut String) {
    match (f.as_of_s, f.age_s) {
        (Some(known), Some(age)) => {
            let _ =
                writeln!(text, "  age          {}: known to hold until {}", duration_text(age), utc(known));
        }
        _ => text.push_str("  age          unknown: no witness states a time, or changes waited\n"),
    }
}

/// A subject's name in its one spelling; colons may be percent-encoded, as in a URL.
pub(crate) fn subject(text: &str) -> Result<String, String> {
    let name = text.replace("%3A", ":").replace("%3a", ":");
    if is_subject(&name) {
        return Ok(name);
    }
    Err("not a subject: maip-agent:, maip-tenant:, maip-sess: or maip-deleg: with 26 characters, or agreement: \
         with 64 hex digits"
        .into())
}
