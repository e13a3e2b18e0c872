//! `maip decision explain`: why a decision was what it was, from the log's entries alone.

use std::fmt::Write as _;

use clap::Args;
use ledger_client::replay::{DecisionWatch, Explained};
use ledger_format::record::{DecisionKind, ReceiptId, Ulid};
use ledger_state::Question;
use serde_json::{Value, json};

use super::{Done, Exit, Failure, Global, Out, copy::LogCopy, ids::receipt_id, tenant::tenant_id, time::utc};

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The decision: the id of its record.
    #[arg(value_parser = receipt_id)]
    decision: ReceiptId,
    /// The tenant that decided.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    tenant: Ulid,
    #[command(flatten)]
    copy: LogCopy,
    /// Replay the first N entries only.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
}

impl Explain {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let mut watch = DecisionWatch::new(self.tenant, self.decision);
        let replayed = self.copy.replay(global, out, self.to, &mut watch)?;
        let explained = watch.into_found().ok_or_else(|| {
            Failure::no(format!("the decision {} is not in the log", self.decision))
                .why(format!(
                    "none of its first {} entries is a decision of this tenant with this id",
                    replayed.size()
                ))
                .next("check the id, the tenant and which log you ask")
        })?;
        out.answer(&self.text(out, &explained), &self.json(&explained));
        Ok(if explained.holds() { Exit::Ok } else { Exit::No })
    }

    fn question(&self, explained: &Explained) -> Value {
        let question = Question::from_record(self.tenant, &explained.logged);
        serde_json::from_slice(&question.canonical()).unwrap_or_default()
    }

    fn json(&self, explained: &Explained) -> Value {
        let logged = &explained.logged;
        let again = explained.again.as_ref().map(|again| {
            json!({
                "result": again.result.as_str(), "reason": again.reason.as_str(),
                "rules": again.rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "policies": again.policies.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        });
        let fired: Vec<_> = explained
            .fired
            .iter()
            .map(|rule| {
                json!({
                    "rule": rule.place.to_string(), "policy": rule.policy, "effect": rule.effect.as_str(),
                    "actions": rule.actions.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "ok": explained.holds(), "decision": self.decision.to_string(), "index": explained.index,
            "log_ms": explained.log_ms, "question": self.question(explained),
            "result": logged.result.as_str(), "reason": logged.reason.as_str(),
            "policies": logged.policies.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "rules": fired, "score_bp": explained.trust.as_ref().and_then(|trust| trust.score), "again": again,
        })
    }

    fn text(&self, out: &Out, explained: &Explained) -> String {
        let logged = &explained.logged;
        let mut text = format!("{}: {}\n", logged.result.as_str(), logged.reason.as_str());
        let _ = writeln!(text, "  decision {} at index {}", self.decision, explained.index);
        let _ = writeln!(text, "  time     {}", utc(explained.log_ms / 1_000));
        if let Value::Object(members) = self.question(explained) {
            for (name, value) in members {
                let _ = match value {
                    Value::String(value) => writeln!(text, "  {name:<8} {value}"),
                    other => writeln!(text, "  {name:<8} {other}"),
                };
            }
        }
        let score = explained.trust.as_ref().and_then(|trust| trust.score);
        let score = score.map_or("none".into(), |bp| format!("{}.{:02}", bp / 100, bp % 100));
        let _ = writeln!(text, "  score    {score}");
        let _ = writeln!(text, "  policies {} looked at", logged.policies.len());
        for rule in &explained.fired {
            let actions: Vec<_> = rule.actions.iter().map(|scope| scope.as_str()).collect();
            let (policy, effect) = (&rule.policy, rule.effect.as_str());
            let _ = writeln!(text, "  rule     {} of {policy:?}: {effect} {}", rule.place, actions.join(" "));
        }
        let verdict = match (&explained.again, explained.holds()) {
            (None, _) if logged.kind == DecisionKind::Guardrail => {
                out.doubtful("the guardrail's word: it does not follow from the log")
            }
            (_, true) => out.good("the same answer follows from the entries before it"),
            (Some(again), false) => out.bad(&format!(
                "another answer follows from the entries before it: {} ({})",
                again.result.as_str(),
                again.reason.as_str()
            )),
            (None, false) => out.bad("no answer follows from the entries before it"),
        };
        let _ = writeln!(text, "{verdict}");
        text
    }
}
