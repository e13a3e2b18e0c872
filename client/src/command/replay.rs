//! `maip replay`: the state of a log from its entries alone, and answers from it.

use clap::Args;
use ledger_client::replay::Question;
use serde_json::{Value, json};

use super::{
    Done, Exit, Failure, Global, Out,
    copy::{Between, LogCopy},
};

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    copy: LogCopy,
    #[command(flatten)]
    between: Between,
    /// Replay the first N entries only, and answer as of then.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Answer 1 when there is no `state.root` to compare with. Those that are there are always computed again and compared, every
    /// status and score in them included; without one the log has committed to no score.
    #[arg(long)]
    check: bool,
    /// A question to the state: "agent ID", "session ID", "trust ID", "computed ID", "flags INDEX" or "usage TENANT_ID [YYYY-MM]". May be repeated.
    #[arg(long = "query", value_name = "QUESTION", value_parser = question)]
    questions: Vec<Question>,
}

fn question(text: &str) -> Result<Question, String> {
    Question::parse(text)
        .ok_or_else(|| {
        "a question is \"agent ID\", \"session ID\", \"trust ID\", \"computed ID\", \"flags INDEX\" or \"usage TENANT_ID [YYYY-MM]\"".into()
    })
}

impl Replay {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let replayed = self.between.replay(&self.copy, global, out, self.to)?;
        if self.check && replayed.state_roots() == 0 {
            return Err(Failure::no("there is no state.root to compare with")
                .why(format!(
                    "the first {} entries of {} seal no status",
                    replayed.size(),
                    replayed.checkpoint().origin
                ))
                .next("the entries are in order; for what follows from them ask without --check"));
        }
        let answers: Vec<_> = self.questions.iter().map(|question| replayed.ask(*question)).collect();
        let (size, signed) = (replayed.size(), replayed.checkpoint().size);
        let mut text = format!(
            "{} {size} entries of {} give the tree that the log signed (size {signed})\n",
            out.good("in order:"),
            replayed.checkpoint().origin
        );
        if replayed.state_roots() > 0 {
            let (roots, sealed) = (replayed.state_roots(), replayed.sealed_size());
            text.push_str(&format!(
                "  {roots} state.root entries are equal; the last has every status as of size {sealed}\n"
            ));
        }
        for answer in &answers {
            text.push_str(&answer.as_ref().map_or_else(|| "not in the log\n".into(), lines));
        }
        let missing = answers.contains(&None);
        out.answer(
            &text,
            &json!({
                "ok": !missing, "size": size, "signed_size": signed, "state_roots": replayed.state_roots(),
                "sealed_size": replayed.sealed_size(), "answers": answers,
            }),
        );
        Ok(if missing { Exit::No } else { Exit::Ok })
    }
}

/// One line a member.
fn lines(answer: &Value) -> String {
    let Value::Object(members) = answer else { return format!("{answer}\n") };
    let line = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("  {name:<12} {text}\n"),
        other => format!("  {name:<12} {other}\n"),
    };
    members.iter().map(line).collect()
}
