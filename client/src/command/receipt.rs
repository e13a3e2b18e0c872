//! `maip receipt`: what agents did.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand, ValueHint};
use ledger_format::record::{
    ActionOutcome, ActionVerdict, Actor, AgentId, Body, DelegationId, DetailValue, Digest, ReceiptAction,
    ReceiptId, RecordHash, Scope, SessionId, Ulid,
};
use serde_json::json;

use super::{
    Done, Failure, Global, Out,
    agent::agent_id,
    ids::{grant_id, receipt_id, record_hash, ulid},
    send::{Send, Stated, new_id},
    session::session_id,
    tenant::tenant_id,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Receipt {
    /// Log one action, signed by the agent that did it, or by its tenant.
    Log(Box<Log>),
}

#[derive(Debug, Args)]
pub(crate) struct Log {
    /// The agent.
    #[arg(long, value_parser = agent_id)]
    agent: AgentId,
    /// Its tenant.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    tenant: Ulid,
    /// The agent's key: a key file, or a name in the key directory.
    #[arg(long, value_name = "FILE", required_unless_present = "tenant_key")]
    key: Option<String>,
    /// Sign as the tenant instead, with this key.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    tenant_key: Option<String>,
    /// How it went, ok, minor, major or critical: the tenant's judgement, from which trust follows.
    #[arg(long, value_parser = verdict, requires = "tenant_key")]
    verdict: Option<ActionVerdict>,
    /// What was done, resource:action.
    #[arg(long, value_parser = exact)]
    action: Scope,
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    output: Output,
    /// How it ended: success, failure, partial or denied.
    #[arg(long, value_parser = outcome)]
    outcome: Option<ActionOutcome>,
    /// A small fact that is not personal, key=value. May be repeated.
    #[arg(long = "detail", value_name = "KEY=VALUE", value_parser = detail)]
    details: Vec<(String, DetailValue)>,
    /// The tool that was used.
    #[arg(long)]
    tool: Option<String>,
    /// The session in which it happened.
    #[arg(long, value_parser = session_id)]
    session: Option<SessionId>,
    /// The grant that it was done under.
    #[arg(long, value_parser = grant_id)]
    grant: Option<DelegationId>,
    /// The decision that allowed it.
    #[arg(long, value_parser = receipt_id)]
    decision: Option<ReceiptId>,
    /// The approval that it had.
    #[arg(long, value_parser = receipt_id)]
    approval: Option<ReceiptId>,
    /// Hash of the agent's previous record, as `record_hash` of its answer.
    #[arg(long, value_name = "HEX", value_parser = record_hash)]
    prev: Option<RecordHash>,
    /// Id of the receipt. Default: a new one. The same command with the same id logs the same record, once; its `at` is the id's time.
    #[arg(long, value_parser = ulid)]
    id: Option<Ulid>,
    #[command(flatten)]
    send: Send,
}

/// What went in; its digest is logged, never the value.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Input {
    /// What went in: its BLAKE3 digest is logged. Default: nothing went in.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    input: Option<PathBuf>,
    /// Its digest, sha256:<hex> or blake3:<hex>; of salt and value for anything guessable.
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    input_digest: Option<Digest>,
}

/// What came out; its digest is logged, never the value.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Output {
    /// What came out: its BLAKE3 digest is logged. Default: nothing came out.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Its digest, sha256:<hex> or blake3:<hex>; of salt and value for anything guessable.
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    output_digest: Option<Digest>,
}

impl Receipt {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let Self::Log(log) = self;
        let (actor, name) = match (&log.tenant_key, &log.key) {
            (Some(name), _) => (Actor::Tenant, name),
            (None, Some(name)) => (Actor::Agent(log.agent), name),
            (None, None) => {
                return Err(Failure::cannot("no key to sign with").next("give --key or --tenant-key"));
            }
        };
        let key = global.signer(name)?;
        let mut detail = log.details.clone();
        detail.sort_by(|a, b| a.0.cmp(&b.0));
        let body = ReceiptAction {
            approval: log.approval,
            decision: log.decision,
            grant: log.grant,
            action: log.action.clone(),
            agent: log.agent,
            detail,
            input: digest_of(log.input.input.as_ref(), log.input.input_digest)?,
            on_behalf_of: None,
            outcome: log.outcome,
            output: digest_of(log.output.output.as_ref(), log.output.output_digest)?,
            session: log.session,
            tool: log.tool.clone(),
            verdict: log.verdict,
        };
        let stated = Stated {
            operator: None,
            id: Some(log.id.map_or_else(new_id, Ok)?),
            tenant: log.tenant,
            actor,
            prev: log.prev,
            body: Body::ReceiptAction(body),
        };
        let words = format!("{} did {}", log.agent, log.action.as_str());
        log.send.log(global, out, stated, &key, &words, json!({ "agent": log.agent.to_string() }))
    }
}

fn digest_of(file: Option<&PathBuf>, given: Option<Digest>) -> Result<Digest, Failure> {
    match (file, given) {
        (_, Some(digest)) => Ok(digest),
        (Some(path), None) => fs::read(path)
            .map(|bytes| Digest::blake3(&bytes))
            .map_err(|e| Failure::cannot(format!("{} cannot be read", path.display())).why(e)),
        (None, None) => Ok(Digest::blake3(b"")),
    }
}

pub(crate) fn exact(text: &str) -> Result<Scope, String> {
    Scope::parse(text)
        .filter(Scope::is_exact)
        .ok_or_else(|| "an action is resource:action in a-z 0-9 . _ -, without a star".into())
}

fn outcome(text: &str) -> Result<ActionOutcome, String> {
    ActionOutcome::parse(text).ok_or_else(|| "one of success, failure, partial, denied".into())
}

fn verdict(text: &str) -> Result<ActionVerdict, String> {
    ActionVerdict::parse(text).ok_or_else(|| "one of ok, minor, major, critical".into())
}

pub(crate) fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text).ok_or_else(|| "a digest is sha256: or blake3: and 64 lower-case hex digits".into())
}

fn detail(text: &str) -> Result<(String, DetailValue), String> {
    let (key, value) = text.split_once('=').ok_or("needs the form key=value")?;
    let value = match value.parse() {
        Ok(number) => DetailValue::Integer(number),
        Err(_) => DetailValue::Text(value.to_owned()),
    };
    Ok((key.to_owned(), value))
}
