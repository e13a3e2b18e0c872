//! What `maip trust` prints.

use std::fmt::Write as _;

use ledger_client::replay::{Claim, ClosingScore, Compared, Contribution, Replayed, Standing};
use ledger_format::record::AgentId;
use ledger_state::TENANT_CAP_DAYS;
use ledger_state::trust::{ActionOutcome, DAY_MS, Input, Reading, What};
use serde_json::{Value, json};

use crate::command::{Out, time::utc};

/// `52.50`; `unscored` without data.
fn score(bp: Option<u64>) -> String {
    bp.map_or_else(|| "unscored".into(), points)
}

fn points(bp: u64) -> String {
    format!("{}.{:02}", bp / 100, bp % 100)
}

/// `2026-07-01`
fn date(day: u64) -> String {
    utc(day * (DAY_MS / 1_000)).split(' ').next().unwrap_or_default().to_owned()
}

/// The change from one score to another; the new one alone where there is nothing to compare.
fn change(before: Option<u64>, after: Option<u64>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if after < before => format!("-{}", points(before - after)),
        (Some(before), Some(after)) if after > before => format!("+{}", points(after - before)),
        (before, after) if before == after => "=".into(),
        (_, after) => format!("now {}", score(after)),
    }
}

pub(super) fn standing(out: &Out, agent: AgentId, replayed: &Replayed, standing: &Standing) -> String {
    let reading = &standing.reading;
    let trend = reading.trend.map_or(String::new(), |trend| format!(", {}", trend.as_str()));
    let head = format!("{}{trend}", score(reading.score));
    let head = if reading.score.is_some() { out.good(&head) } else { out.doubtful(&head) };
    let mut text = format!("{head}  {agent} ({})\n", reading.status.as_str());
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<10} {value}\n"));
    let (size, origin) = (replayed.size(), &replayed.checkpoint().origin);
    line("as of", &format!("{} entries of {origin}, {}", size, utc(standing.as_of_ms / 1_000)));
    line("tenant", &standing.tenant.to_string());
    line("", &format!("lowest severity cap of {TENANT_CAP_DAYS} days: {}", points(standing.tenant_cap_bp)));
    for (name, cap) in reading.caps.named() {
        let hit = if reading.caps_hit.contains(&name) { "  (limits the score)" } else { "" };
        line("cap", &format!("{name:<11} {:>6}{hit}", points(cap)));
    }
    if let Some(combined) = reading.combined {
        line("factors", &format!("{} together, before caps", points(combined)));
    }
    for (name, weight, factor) in reading.factors.named() {
        let value = factor.map_or_else(
            || "no data".into(),
            |factor| format!("{:>6}  {}/{}", points(factor.bp), factor.numerator, factor.denominator),
        );
        line("factor", &format!("{name:<11} {weight:>2} %  {value}"));
    }
    text
}

pub(super) fn contributions(standing: &Standing, rows: &[&Contribution], count: u64) -> String {
    let mut text = format!("{} from {count} entries, the newest first\n", score(standing.reading.score));
    let mut line = |cells: [&str; 8]| {
        let [index, time, record, score, change, combined, its_change, meaning] = cells;
        let _ = writeln!(
            text,
            "  {index:>9}  {time:<23}  {record:<16}  {score:>8} {change:>8}  {combined:>11} {its_change:>8}  {meaning}"
        );
    };
    line(["entry", "time", "record", "score", "change", "before caps", "change", "meaning"]);
    for row in rows {
        let before = |of: fn(&Reading) -> Option<u64>| row.before.as_ref().and_then(of);
        let meanings: Vec<_> = row.inputs.iter().map(meaning).collect();
        line([
            &row.index.to_string(),
            &utc(row.log_ms / 1_000),
            &row.record_type,
            &score(row.after.score),
            &change(before(|reading| reading.score), row.after.score),
            &score(row.after.combined),
            &change(before(|reading| reading.combined), row.after.combined),
            &meanings.join("; "),
        ]);
    }
    if count > rows.len() as u64 {
        let _ = writeln!(text, "  {} older ones are left out; --limit shows more", count - rows.len() as u64);
    }
    text
}

/// What an input says, in words.
fn meaning(input: &Input) -> String {
    match &input.what {
        What::Register { .. } => "registered".into(),
        What::TenantWeight { weight_q12, .. } => format!("its tenant's word weighs {weight_q12}/4096"),
        What::Action { outcome: ActionOutcome::Ok, .. } => "an action as it should be".into(),
        What::Action { outcome, .. } => format!("a {} violation", outcome.as_str()),
        What::Denial { .. } => "an attempt that was denied".into(),
        What::Session { outcome, .. } => format!("a session: {}", outcome.as_str().replace('_', " ")),
        What::Attest(attestation) => format!("a {} word of {}", attestation.verdict.as_str(), attestation.by),
        What::Delegate { ceiling_bp, cross_tenant, .. } => {
            let across = if *cross_tenant { " across tenants" } else { "" };
            format!("delegated to{across} by one with {}", points(*ceiling_bp))
        }
        What::Status { change, .. } => format!("status: {}", change.as_str()),
    }
}

/// Inputs in the form of docs/trust-score.md, readings as `{score_bp, caps, factors}`.
pub(super) fn contribution_json(row: &Contribution) -> Value {
    let inputs: Vec<Value> = row.inputs.iter().map(|input| parsed(&input.to_value().to_bytes())).collect();
    let reading = |reading: &Reading| parsed(&reading.to_json());
    json!({
        "index": row.index, "log_ms": row.log_ms, "record": row.record_type, "inputs": inputs,
        "meaning": row.inputs.iter().map(meaning).collect::<Vec<_>>(),
        "before": row.before.as_ref().map(reading), "after": reading(&row.after),
    })
}

/// Our own canonical JSON always reads.
fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

pub(super) fn history(standing: &Standing, days: &[ClosingScore]) -> String {
    let mut text = format!("  {:<10}  {:>9}  {:>8}\n", "log day", "score", "change");
    let mut previous = None;
    let mut row = |name: &str, bp: Option<u64>| {
        let changed = previous.map_or(String::new(), |previous| change(previous, bp));
        let _ = writeln!(text, "  {name:<10}  {:>9}  {changed:>8}", score(bp));
        previous = Some(bp);
    };
    days.iter().for_each(|day| row(&date(day.day), day.score_bp));
    row("now", standing.reading.score);
    text
}

pub(super) fn day_json(day: &ClosingScore) -> Value {
    json!({ "day": date(day.day), "score_bp": day.score_bp })
}

pub(super) fn compared(out: &Out, claim: &Claim, compared: &Compared) -> String {
    let what = format!("{} after {} entries", claim.agent, claim.as_of_size);
    let mut text = if compared.different.is_empty() {
        format!("{} {what}: the entries give the same\n", out.good("equal:"))
    } else {
        format!("{} {what}\n", out.bad("not equal:"))
    };
    for (name, claimed, computed) in &compared.different {
        let _ = writeln!(text, "  {name:<14} claimed {claimed}, the entries give {computed}");
    }
    let _ = writeln!(text, "  compared       {}", compared.equal.join(", "));
    if !compared.not_compared.is_empty() {
        let _ = writeln!(text, "  not compared   {}", compared.not_compared.join(", "));
    }
    text
}
