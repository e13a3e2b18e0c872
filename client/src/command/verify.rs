//! `maip verify`: proof files, staples and chains, offline.
//!
//! The judging is `ledger_client::offline`; here are files, words and exit codes.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum, ValueHint};
use ledger_client::{
    keys,
    offline::{
        Bindings, Finding, Kind, Question, RecordFacts, SignatureFinding, Stated, Verdict, judge_chain,
        sniff, verify_file,
    },
};
use ledger_format::{
    ChainMoment, ChainQuestion, Policy, TenantRoot, TlogProof,
    record::{Entry, Record},
};
use serde_json::{Value, json};

use super::{
    Done, Exit, Failure, Global, Out,
    chain::{self, tenant_root},
    checkpoint::cosigners,
    staple::{self, subject},
    time::{duration, duration_text, now_s, utc},
};

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Proof files: .tlog-proof, multi-proof, COSE receipt, staple or chain.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Whom to trust. Default: the devnet's policy.
    #[arg(long, env = "MAIP_POLICY", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
    /// Whose status a staple must prove. Without it, a staple is judged about the subject it names itself.
    #[arg(long, value_parser = subject)]
    subject: Option<String>,
    /// The log in which the subject lives. Default: the policy's, if it trusts one only.
    #[arg(long, requires = "subject")]
    origin: Option<String>,
    /// Answer 3 if no quorum of witnesses vouches for the checkpoint within this time, e.g. 10m; of a staple, if the
    /// status is not known to have held within it.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_age: Option<Duration>,
    /// As of when the authority of a chain is judged: now, or when the receipt was logged. What ended since is named.
    #[arg(long, value_name = "MOMENT", value_enum, default_value = "now")]
    at: At,
    /// A root key that the root grant of a chain must come from: ORIGIN,TENANT,KID. May be repeated.
    #[arg(long = "tenant-root", value_name = "ORIGIN,TENANT,KID", value_parser = tenant_root)]
    tenant_roots: Vec<TenantRoot>,
    /// A public key (or its file) that must have signed the record. Trusts you for whose it is.
    #[arg(long = "key", value_name = "PUBLICKEY")]
    keys_given: Vec<String>,
    /// Proof of the registration that binds the signing key to its actor. May be repeated: tenant before agent.
    #[arg(long = "registration", value_name = "PROOF", value_hint = ValueHint::FilePath)]
    registrations: Vec<PathBuf>,
    /// The entry's exact bytes, for a proof that does not hold them.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    entry: Option<PathBuf>,
}

/// As of when a chain is judged.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum At {
    /// Whether the authority stands.
    Now,
    /// Whether it stood at the receipt's own index.
    Receipt,
}

impl Verify {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let policy = global.policy_needed(self.policy.as_ref())?;
        let bindings = self.bindings(global, &policy)?;
        let entry = self.entry.as_ref().map(|p| read(p)).transpose()?;
        let question = Question {
            policy: &policy,
            bindings: &bindings,
            entry: entry.as_deref(),
            subject: self.subject.as_deref(),
            origin: self.origin.as_deref(),
            max_age_s: self.max_age.map(|d| d.as_secs()),
            now_s: now_s(),
        };
        let mut worst = Exit::Ok;
        for path in &self.files {
            let verdict = match fs::read(path) {
                Ok(bytes) if self.subject.is_none() && sniff(&bytes) == Some(Kind::Chain) => {
                    worst = worse(worst, self.chain(&policy, path, &bytes, out));
                    continue;
                }
                Ok(bytes) => verify_file(&bytes, &question),
                Err(e) => Verdict::CannotJudge(format!("it cannot be read: {e}")),
            };
            report(out, path, &verdict);
            worst = worse(worst, exit_of(&verdict));
        }
        Ok(worst)
    }

    fn chain(&self, policy: &Policy, path: &Path, bytes: &[u8], out: &Out) -> Exit {
        let question = ChainQuestion {
            now_s: now_s(),
            max_age_s: self.max_age.map(|d| d.as_secs()),
            tenant_roots: &self.tenant_roots,
            moment: match self.at {
                At::Now => ChainMoment::Now,
                At::Receipt => ChainMoment::Receipt,
            },
        };
        chain::report(out, path, &judge_chain(bytes, policy, &question), question.now_s)
    }

    fn bindings(&self, global: &Global, policy: &Policy) -> Result<Bindings, Failure> {
        let mut bindings = Bindings::default();
        for typed in &self.keys_given {
            bindings.give(keys::public(&global.key_directory(), typed)?);
        }
        let mut records = Vec::new();
        for path in &self.registrations {
            let unusable = |why: String| {
                Failure::no(format!("the registration {} proves nothing", path.display())).why(why)
            };
            let proof = TlogProof::parse(&read(path)?).map_err(|e| unusable(e.to_string()))?;
            let entry =
                proof.extra.as_deref().ok_or_else(|| unusable("it does not hold its entry".into()))?;
            let proven = ledger_format::verify(entry, &proof, policy).map_err(|e| unusable(e.to_string()))?;
            let parsed = Entry::parse(entry).map_err(|e| unusable(e.to_string()))?;
            let record = Record::parse(parsed.record).map_err(|e| unusable(e.to_string()))?;
            records.push((proven.checkpoint.origin, proven.index, record, path));
        }
        records.sort_by_key(|(_, index, ..)| *index);
        for (origin, index, record, path) in records {
            bindings.learn(&origin, index, &record).map_err(|why| {
                Failure::no(format!("the registration {} binds no key", path.display())).why(why)
            })?;
        }
        Ok(bindings)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|e| Failure::cannot(format!("{} cannot be read", path.display())).why(e))
}

fn exit_of(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Valid(_) => Exit::Ok,
        Verdict::Stale(_) => Exit::Stale,
        Verdict::Invalid(_) => Exit::No,
        Verdict::CannotJudge(_) => Exit::CannotJudge,
    }
}

/// Invalid outweighs unjudged, which outweighs old.
fn worse(a: Exit, b: Exit) -> Exit {
    let rank = |e: Exit| match e {
        Exit::Ok => 0,
        Exit::Stale => 1,
        Exit::CannotJudge => 2,
        Exit::No => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}

fn report(out: &Out, path: &Path, verdict: &Verdict) {
    let file = path.display();
    let (word, finding, why) = match verdict {
        Verdict::Valid(f) => ("valid", Some(f), None),
        Verdict::Stale(f) => ("stale", Some(f), None),
        Verdict::Invalid(why) => ("invalid", None, Some(why)),
        Verdict::CannotJudge(why) => ("cannot judge", None, Some(why)),
    };
    let mut json = json!({
        "file": path, "verdict": word.replace(' ', "_"), "exit": exit_of(verdict) as u8, "reason": why,
        "ok": matches!(verdict, Verdict::Valid(_)),
    });
    let head = match verdict {
        Verdict::Valid(_) => out.good("VALID"),
        Verdict::Stale(_) => out.doubtful("VALID BUT OLD"),
        Verdict::Invalid(_) => out.bad("INVALID"),
        Verdict::CannotJudge(_) => out.doubtful("CANNOT JUDGE"),
    };
    let mut text = match why {
        Some(why) => format!("{head}  {file}\n  {why}\n"),
        None => format!("{head}  {file}\n"),
    };
    if let Some(finding) = finding {
        in_words(finding, &mut text);
        json["finding"] = in_json(finding);
    }
    out.answer(&text, &json);
}

fn in_words(f: &Finding, text: &mut String) {
    if let Some(status) = &f.status {
        staple::in_words(status, text);
        log_in_words(f, text);
        return staple::age_in_words(f, text);
    }
    for stated in &f.entries {
        entry_in_words(stated, text);
    }
    log_in_words(f, text);
    match f.age_s {
        Some(age) => {
            let _ =
                writeln!(text, "  age          {} (when a whole quorum had cosigned)", duration_text(age));
        }
        None => text.push_str("  age          unknown: no witness states a time\n"),
    }
}

fn log_in_words(f: &Finding, text: &mut String) {
    let _ = writeln!(text, "  in the log   {}, as of size {}", f.log, f.checkpoint.size);
    for (name, time) in &f.cosigners {
        let _ = writeln!(text, "  witnessed by {name} at {}", utc(*time));
    }
}

fn entry_in_words(s: &Stated, text: &mut String) {
    if let Some(root) = &s.state_root {
        let _ = writeln!(text, "  entry        {} (leaf {})", s.index, s.leaf);
        let _ = writeln!(
            text,
            "  states       state.root: version {} of the status map, complete up to size {}, root {}",
            root.version, root.as_of_size, root.map_root
        );
        text.push_str("  signed by    nobody: it is the log's own, and follows from the entries before it\n");
        return;
    }
    let Some(r) = &s.record else {
        let _ =
            writeln!(text, "  entry        {} (leaf {}); it holds no record of this format", s.index, s.leaf);
        return;
    };
    let _ = writeln!(text, "  entry        {} (leaf {})", s.index, s.leaf);
    let _ = writeln!(text, "  states       {} {} of tenant {}", r.type_name, r.id, r.tenant);
    let _ = writeln!(text, "  logged at    {} (the log's time)", utc(r.log_ms / 1_000));
    let _ = writeln!(text, "  signed by    {}", signer_in_words(r));
}

/// Who vouches for the record, and how much of that is proven.
fn signer_in_words(r: &RecordFacts) -> String {
    let who = match (&r.on_behalf_of, r.actor.as_str()) {
        (Some(for_whom), _) => format!("only the operator, on behalf of {for_whom}"),
        (None, "operator") => "the log's operator".into(),
        (None, "tenant") => "the tenant".into(),
        (None, agent) => format!("the agent {agent}"),
    };
    let how = match &r.signature {
        SignatureFinding::Bound { index, vouched: true } => {
            format!("signature valid, the key is theirs by entry {index}, whose signature holds too")
        }
        SignatureFinding::Bound { index, vouched: false } => format!(
            "signature valid, the key is theirs by entry {index}; who signed that entry was not checked"
        ),
        SignatureFinding::SelfSigned => {
            "signature valid under the key this record introduces: possession, not identity".into()
        }
        SignatureFinding::GivenKey => {
            "signature valid under the key you gave; whose it is, is your word".into()
        }
        SignatureFinding::Unchecked => "signature not checked here: give --key or --registration".into(),
    };
    format!("{who}\n               key {}: {how}", r.kid)
}

fn in_json(f: &Finding) -> Value {
    json!({
        "format": f.kind.name(),
        "origin": f.checkpoint.origin, "size": f.checkpoint.size, "root": f.checkpoint.root.to_string(),
        "cosigners": cosigners(&f.cosigners), "as_of_s": f.as_of_s, "age_s": f.age_s,
        "entries": f.entries.iter().map(entry_in_json).collect::<Vec<_>>(),
        "status": f.status.as_ref().map(staple::in_json),
    })
}

fn entry_in_json(s: &Stated) -> Value {
    let record = s.record.as_ref().map(|r| {
        let bound_by = match r.signature {
            SignatureFinding::Bound { index, .. } => Some(index),
            _ => None,
        };
        let vouched = matches!(r.signature, SignatureFinding::Bound { vouched: true, .. });
        json!({
            "type": r.type_name, "id": r.id, "tenant": r.tenant, "actor": r.actor,
            "on_behalf_of": r.on_behalf_of, "kid": r.kid, "log_ms": r.log_ms, "actor_ms": r.actor_ms,
            "signature": {
                "checked": r.signature.is_checked(), "how": r.signature.name(),
                "bound_by_index": bound_by, "binding_vouched": vouched,
            },
        })
    });
    let state_root = s.state_root.as_ref().map(|root| {
        json!({
            "version": root.version, "as_of_size": root.as_of_size, "map_root": root.map_root.to_string(),
            "trust_alg": root.trust_alg,
        })
    });
    json!({ "index": s.index, "leaf": s.leaf.to_string(), "record": record, "state_root": state_root })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_decides() {
        use Exit::{CannotJudge, No, Ok, Stale};
        for (a, b, want) in
            [(Ok, Stale, Stale), (Stale, CannotJudge, CannotJudge), (CannotJudge, No, No), (No, Ok, No)]
        {
            assert_eq!(worse(a, b), want);
        }
    }
}
