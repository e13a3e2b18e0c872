//! `maip decision`: may an agent do something? The answer is logged. Approvals. Why an answer was what it was: `explain`.

use std::{fmt::Write as _, time::Duration};

use clap::{Args, Subcommand};
use ledger_client::transport::Evaluated;
use ledger_format::record::{
    self, AgentId, Amount, Approval, ApprovalVerdict, Body, DecisionKind, DecisionResult, DelegationId,
    ReceiptId, Scope, SessionId, ToolId,
};
use ledger_state::Question;
use serde_json::{Value, json};

use super::{
    Done, Exit, Failure, Global, Out,
    agent::{TenantSigner, agent_id, by_tenant},
    explain::Explain,
    global::block_on,
    ids::{grant_id, receipt_id, tool_id},
    receipt::exact,
    send::Send,
    session::session_id,
    time::{duration, now_ms},
};

/// How often a question is asked again when its moment has passed before the answer was in the log.
const ASKS_MAX: u32 = 5;
/// The first pause before that, which doubles: the node that is asked may be a moment behind the leader.
const PAUSE_FIRST: Duration = Duration::from_millis(20);

#[derive(Debug, Subcommand)]
pub(crate) enum Decision {
    /// Ask the log whether an agent may do something, and log the answer.
    Ask(Box<Ask>),
    /// Say yes, or no, to an action of an agent that needs an approval.
    Approve(Approve),
    /// Replay the log up to a decision, work it out again, and say what it came from.
    Explain(Explain),
}

impl Decision {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Self::Ask(ask) => ask.run(global, out),
            Self::Approve(approve) => approve.run(global, out),
            Self::Explain(explain) => explain.run(global, out),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    signer: TenantSigner,
    /// Who wants to do it.
    #[arg(long, value_parser = agent_id)]
    agent: AgentId,
    /// What it wants to do, resource:action.
    #[arg(long, value_parser = exact)]
    action: Scope,
    /// What it costs, in the currency's smallest unit.
    #[arg(long, value_name = "MINOR", requires = "currency")]
    amount: Option<u64>,
    /// The currency, three capital letters.
    #[arg(long, requires = "amount")]
    currency: Option<String>,
    /// The grant that it acts under.
    #[arg(long, value_parser = grant_id)]
    grant: Option<DelegationId>,
    /// The session in which it would happen.
    #[arg(long, value_parser = session_id)]
    session: Option<SessionId>,
    /// The approval that it has: the id of its record.
    #[arg(long, value_parser = receipt_id)]
    approval: Option<ReceiptId>,
    /// The tool that would be used.
    #[arg(long, value_parser = tool_id)]
    tool: Option<ToolId>,
    /// Ask a node that has applied the entry at this index: what you have logged counts.
    #[arg(long, value_name = "INDEX")]
    min_index: Option<u64>,
    #[command(flatten)]
    send: Send,
}

impl Ask {
    fn run(&self, global: &Global, out: &Out) -> Done {
        let (question, key) = (self.question(), self.signer.key(global)?);
        for asked in 1.. {
            let evaluated = block_on(async {
                let nodes = global.nodes()?;
                Ok(nodes.evaluate(&global.log, &question, self.min_index, global.timeout).await?)
            })?;
            let stated = by_tenant(self.signer.tenant, Body::Decision(Box::new(body(&question, &evaluated))));
            match self.send.send(global, out, stated, &key) {
                Ok(None) => return Ok(exit(&evaluated)),
                Ok(Some(sent)) => {
                    let id = ReceiptId(sent.record.id);
                    let words = words(&question, &evaluated);
                    self.send.answer(out, &sent, &words, &more(id, &evaluated), to_json(id, &evaluated));
                    return Ok(exit(&evaluated));
                }
                // Something came in between: a revocation, a new policy, a budget that was used.
                Err(failure) if is_too_late(&failure) && asked < ASKS_MAX => {
                    std::thread::sleep(PAUSE_FIRST * 2u32.pow(asked - 1));
                }
                Err(failure) if is_too_late(&failure) => {
                    let next =
                        format!("the state changed {ASKS_MAX} times between question and answer: try again");
                    return Err(failure.next(next));
                }
                Err(failure) => return Err(failure),
            }
        }
        unreachable!("the loop ends with an answer or an error")
    }

    fn question(&self) -> Question {
        let amount = self.amount.zip(self.currency.clone());
        Question {
            tenant: self.signer.tenant,
            agent: self.agent,
            action: self.action.clone(),
            kind: if self.tool.is_some() { DecisionKind::Tool } else { DecisionKind::Policy },
            amount: amount.map(|(minor, currency)| Amount { currency, minor }),
            approval: self.approval,
            grant: self.grant,
            session: self.session,
            tool: self.tool,
        }
    }
}

fn is_too_late(failure: &Failure) -> bool {
    failure.code.as_deref().is_some_and(|code| code.eq_ignore_ascii_case("decision_differs"))
}

fn body(question: &Question, evaluated: &Evaluated) -> record::Decision {
    let (asked, answer) = (question.clone(), evaluated.answer.clone());
    record::Decision {
        action: asked.action,
        agent: asked.agent,
        amount: asked.amount,
        approval: asked.approval,
        grant: asked.grant,
        inputs: question.digest(),
        kind: asked.kind,
        on_behalf_of: None,
        policies: answer.policies,
        reason: answer.reason,
        result: answer.result,
        rules: answer.rules,
        session: asked.session,
        tool: asked.tool,
    }
}

fn exit(evaluated: &Evaluated) -> Exit {
    match evaluated.answer.result {
        DecisionResult::Allowed => Exit::Ok,
        DecisionResult::Denied | DecisionResult::NeedsApproval => Exit::No,
    }
}

fn words(question: &Question, evaluated: &Evaluated) -> String {
    let (agent, action) = (question.agent, question.action.as_str());
    match evaluated.answer.result {
        DecisionResult::Allowed => format!("allowed: {agent} may do {action}"),
        DecisionResult::Denied => format!("denied: {agent} must not do {action}"),
        DecisionResult::NeedsApproval => format!("needs approval: {agent} may do {action} with one only"),
    }
}

fn more(id: ReceiptId, evaluated: &Evaluated) -> String {
    let answer = &evaluated.answer;
    let mut text = format!("  decision {id}\n  reason   {}\n", answer.reason.as_str());
    for rule in &answer.rules {
        let _ = writeln!(text, "  rule     {rule}");
    }
    text
}

fn to_json(id: ReceiptId, evaluated: &Evaluated) -> Value {
    let answer = &evaluated.answer;
    let texts = |list: Vec<String>| json!(list);
    json!({
        "decision": id.to_string(), "result": answer.result.as_str(), "reason": answer.reason.as_str(),
        "rules": texts(answer.rules.iter().map(ToString::to_string).collect()),
        "policies": texts(answer.policies.iter().map(ToString::to_string).collect()),
    })
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    signer: TenantSigner,
    /// The agent.
    #[arg(long, value_parser = agent_id)]
    agent: AgentId,
    /// The action, resource:action.
    #[arg(long, value_parser = exact)]
    action: Scope,
    /// How often it is good, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 1)]
    uses: u64,
    /// How long it is good, e.g. 1h.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = duration)]
    lasts: Duration,
    /// The decision that asked for it.
    #[arg(long, value_parser = receipt_id)]
    decision: Option<ReceiptId>,
    /// Say no.
    #[arg(long)]
    reject: bool,
    #[command(flatten)]
    send: Send,
}

impl Approve {
    fn run(&self, global: &Global, out: &Out) -> Done {
        let verdict = if self.reject { ApprovalVerdict::Rejected } else { ApprovalVerdict::Approved };
        let body = Approval {
            action: self.action.clone(),
            agent: self.agent,
            decision: self.decision,
            expires_at: later(self.lasts),
            on_behalf_of: None,
            uses: self.uses,
            verdict,
        };
        let stated = by_tenant(self.signer.tenant, Body::Approval(Box::new(body)));
        let Some(sent) = self.send.send(global, out, stated, &self.signer.key(global)?)? else {
            return Ok(Exit::Ok);
        };
        let id = ReceiptId(sent.record.id);
        let words = format!("{} is {} for {}", self.action.as_str(), verdict.as_str(), self.agent);
        let json = json!({ "approval": id.to_string(), "verdict": verdict.as_str() });
        self.send.answer(out, &sent, &words, &format!("  approval {id}\n"), json);
        Ok(Exit::Ok)
    }
}

/// The moment so long from now, ms since 1970.
pub(crate) fn later(lasts: Duration) -> u64 {
    now_ms().saturating_add(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX))
}
