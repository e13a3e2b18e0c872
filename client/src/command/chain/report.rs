//! A judgement of a chain, in words and for programs.

use std::{fmt::Write as _, path::Path};

use ledger_client::offline::ChainJudgement;
use ledger_format::{ChainVerdict, record::Scope};
use serde_json::{Value, json};

use super::super::{
    Exit, Out,
    time::{duration_text, utc},
};

/// Prints it; gives the exit code.
pub(crate) fn report(out: &Out, path: &Path, judgement: &ChainJudgement, now_s: u64) -> Exit {
    let (exit, word, head) = match judgement {
        ChainJudgement::Valid(_) => (Exit::Ok, "valid", out.good("VALID")),
        ChainJudgement::Stale(_) => (Exit::Stale, "stale", out.doubtful("VALID BUT OLD")),
        ChainJudgement::Invalid { .. } => (Exit::No, "invalid", out.bad("INVALID")),
        ChainJudgement::CannotJudge { .. } => {
            (Exit::CannotJudge, "cannot_judge", out.doubtful("CANNOT JUDGE"))
        }
    };
    let mut text = format!("{head}  {}\n", path.display());
    let mut json = json!({ "file": path, "verdict": word, "exit": exit as u8, "ok": exit == Exit::Ok });
    match judgement {
        ChainJudgement::Valid(verdict) | ChainJudgement::Stale(verdict) => {
            in_words(verdict, now_s, &mut text);
            json["code"] = json!(verdict.reason());
            json["chain"] = in_json(verdict);
        }
        ChainJudgement::Invalid { code, why } | ChainJudgement::CannotJudge { code, why } => {
            let _ = writeln!(text, "  {why} ({code})");
            json["code"] = json!(code);
            json["reason"] = json!(why);
        }
    }
    out.answer(&text, &json);
    exit
}

fn in_words(v: &ChainVerdict, now_s: u64, text: &mut String) {
    let r = &v.receipt;
    let _ = writeln!(text, "  action       {} by {}", r.action, r.agent);
    let _ = writeln!(
        text,
        "  logged       as entry {} of {} at {} (the log's time)",
        r.index,
        r.origin,
        utc(r.at_ms / 1_000)
    );
    for (number, link) in (1..).zip(&v.links) {
        let from =
            link.from.map_or_else(|| format!("{} from its root", link.tenant), |agent| agent.to_string());
        let _ = writeln!(
            text,
            "  grant {number}      {from}\n               to {} with key {}",
            link.to, link.to_kid
        );
        let _ = writeln!(
            text,
            "               entry {} of {}, until {}",
            link.index,
            link.origin,
            utc(link.expires_at / 1_000)
        );
    }
    let _ = writeln!(text, "  allows       {}", list(&v.effective_scopes));
    let _ = writeln!(text, "  denies       {}", list(&v.denied));
    if v.ended.is_empty() {
        text.push_str("  taken back   nothing on the way\n");
    }
    for end in &v.ended {
        let _ = writeln!(
            text,
            "  taken back   {} is {} since index {} of {}, after the receipt: it stood then, and stands no more",
            end.subject, end.status, end.since, end.origin
        );
    }
    for log in &v.logs {
        let age = log.known_s.map_or_else(
            || "at an unknown time".to_owned(),
            |known| format!("{} ago, at {}", duration_text(now_s.saturating_sub(known)), utc(known)),
        );
        let _ =
            writeln!(text, "  as of        the first {} entries of {}; {age}", log.as_of_size, log.origin);
    }
    if !v.operator_vouches.is_empty() {
        let _ = writeln!(text, "  only an operator vouches for {}", v.operator_vouches.join(", "));
    }
}

fn list(scopes: &[Scope]) -> String {
    if scopes.is_empty() {
        return "nothing".into();
    }
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(", ")
}

fn in_json(v: &ChainVerdict) -> Value {
    let texts = |scopes: &[Scope]| scopes.iter().map(|scope| scope.as_str().to_owned()).collect::<Vec<_>>();
    json!({
        "valid": v.is_valid(), "reason": v.reason(), "freshness": v.freshness.as_str(),
        "effective_scopes": texts(&v.effective_scopes), "denied": texts(&v.denied),
        "operator_vouches": v.operator_vouches,
        "ended": v.ended.iter().map(|end| json!({
            "origin": end.origin, "subject": end.subject, "status": end.status, "since": end.since,
        })).collect::<Vec<_>>(),
        "receipt": {
            "origin": v.receipt.origin, "index": v.receipt.index, "log_ms": v.receipt.at_ms,
            "agent": v.receipt.agent.to_string(), "action": v.receipt.action.as_str(),
        },
        "logs": v.logs.iter().map(|log| json!({
            "origin": log.origin, "as_of_size": log.as_of_size, "witnessed_s": log.witnessed_s, "known_s": log.known_s,
        })).collect::<Vec<_>>(),
        "links": v.links.iter().map(|link| json!({
            "grant": link.grant.to_string(), "origin": link.origin, "index": link.index,
            "tenant": link.tenant.to_string(), "from": link.from.map(|agent| agent.to_string()),
            "to": link.to.to_string(), "to_tenant": link.to_tenant.to_string(), "to_origin": link.to_origin,
            "to_kid": link.to_kid.to_string(), "expires_at": link.expires_at,
        })).collect::<Vec<_>>(),
    })
}
