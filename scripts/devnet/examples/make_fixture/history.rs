//! A history with records of every type.

use anyhow::Result;
use ledger_format::{NoteSigner, SignatureType, record::Digest};
use serde_json::{Value, json};

use crate::cast::{By, Cast, Said, key};
use By::{Agent, Operator, Tenant};

/// Of the constants of `maip-trust/1`; a log refuses every other.
const TRUST_ALGORITHM_ID: &str = "sha256:ed2eaf180e7072d929dc48250883d36b2d7dd61b5450daac7b7ca4cf8a7dc3ba";

fn digest(of: &str) -> String {
    Digest::sha256(of.as_bytes()).to_string()
}

/// Everything, in an order in which each may build on what is before it.
pub(crate) async fn write(cast: &mut Cast, origin: &str) -> Result<()> {
    people(cast).await?;
    standing(cast).await?;
    sessions(cast).await?;
    let first = receipts(cast).await?;
    decisions(cast).await?;
    grants(cast).await?;
    claims(cast).await?;
    books(cast, first.index).await?;
    workflows(cast).await?;
    of_the_log(cast, origin).await?;
    rotations(cast).await
}

async fn people(cast: &mut Cast) -> Result<()> {
    for (number, name) in [(1, "Upgrade tests"), (2, "Their partner")] {
        let body = json!({ "key": cast.key(Tenant(number)).public().to_string(), "name": name });
        cast.say(Tenant(number), "tenant.register", body).await?;
    }
    let thresholds = json!({ "approval": 2000, "monitor": 3000, "suspend": 1000 });
    cast.say(Tenant(1), "tenant.update", json!({ "name": "Upgrade tests", "thresholds": thresholds }))
        .await?;
    for (number, name, parent) in
        [(1, "first", None), (2, "second", Some(1)), (3, "third", None), (4, "fourth", None)]
    {
        register(cast, Tenant(1), number, name, parent).await?;
    }
    register(cast, Tenant(2), Cast::FOREIGN, "theirs", None).await
}

async fn register(cast: &mut Cast, by: By, number: u8, name: &str, parent: Option<u8>) -> Result<()> {
    let mut body = json!({
        "agent": cast.agent(number).to_string(), "denies": [], "key": cast.key(Agent(number)).public().to_string(),
        "name": name, "scopes": ["invoice:*", "order:read"], "type": "autonomous",
    });
    if let Some(parent) = parent {
        body["parent"] = json!(cast.agent(parent).to_string());
    }
    cast.say(by, "agent.register", body).await.map(drop)
}

async fn standing(cast: &mut Cast) -> Result<()> {
    let agent = |cast: &Cast, number, more: Value| {
        let mut body = more;
        body["agent"] = json!(cast.agent(number).to_string());
        body
    };
    let body = agent(cast, 1, json!({ "critical": ["invoice:pay"], "name": "renamed" }));
    cast.say(Tenant(1), "agent.update", body).await?;
    let body = agent(cast, 3, json!({ "reason": "leave" }));
    cast.say(Tenant(1), "agent.suspend", body.clone()).await?;
    cast.say(Tenant(1), "agent.reactivate", body).await?;
    let body = agent(cast, 3, json!({ "cascade": true, "reason": "retired" }));
    cast.say(Tenant(1), "agent.revoke", body).await?;
    let body = agent(cast, 4, json!({ "cascade": true, "reason": "stolen" }));
    cast.say(Tenant(1), "agent.kill", body).await?;
    let scope = json!({ "critical": true, "description": "money leaves", "scope": "invoice:pay" });
    cast.say(Tenant(1), "scope.define", scope).await?;
    let tool = format!("maip-tool:{}", cast.id(1));
    let body = json!({ "name": "ERP", "scopes": ["invoice:*"], "tool": tool });
    cast.say(Tenant(1), "tool.register", body).await.map(drop)
}

async fn sessions(cast: &mut Cast) -> Result<()> {
    let (first, second) = (cast.agent(1).to_string(), cast.agent(2).to_string());
    for number in [2, 3] {
        let session = format!("maip-sess:{}", cast.id(number));
        let open = json!({ "agent": first, "scopes": ["invoice:read"], "session": session, "ttl_min": 1440 });
        cast.say(Tenant(1), "session.open", open).await?;
    }
    let session = format!("maip-sess:{}", cast.id(2));
    let body = json!({ "agent": first, "session": session, "ttl_min": 60 });
    cast.say(Agent(1), "session.refresh", body).await?;
    let body = json!({ "agent": first, "session": session, "to": second });
    cast.say(Agent(1), "session.handoff", body).await?;
    let body = json!({ "agent": second, "outcome": "clean", "session": session });
    cast.say(Agent(2), "session.close", body).await.map(drop)
}

async fn act(cast: &mut Cast, by: By, more: Value) -> Result<Said> {
    let mut body = json!({
        "action": "invoice:read", "agent": cast.agent(1).to_string(), "input": digest("in"), "output": digest("out"),
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    cast.say(by, "receipt.action", body).await
}

async fn receipts(cast: &mut Cast) -> Result<Said> {
    let first = act(cast, Agent(1), json!({ "outcome": "success" })).await?;
    let second = act(cast, Agent(1), json!({})).await?;
    let third = act(cast, Tenant(1), json!({ "verdict": "ok" })).await?;
    let agent = cast.agent(1).to_string();
    for kind in ["genesis", "delegation", "revocation", "dataset", "model", "compliance", "claim", "approval"]
    {
        let body = json!({ "agent": agent, "subject": "what it is about" });
        cast.say(Agent(1), &format!("receipt.{kind}"), body).await?;
    }
    let (earlier, later) = (format!("maip-rcpt:{}", first.id), format!("maip-rcpt:{}", second.id));
    let body = json!({ "agent": agent, "reason": "corrected", "receipt": earlier, "replacement": later });
    cast.say(Agent(1), "receipt.supersede", body).await?;
    let wrong = format!("maip-rcpt:{}", third.id);
    let body = json!({ "agent": agent, "reason": "wrong", "receipt": wrong });
    cast.say(Agent(1), "receipt.revoke", body).await?;
    Ok(first)
}

async fn decisions(cast: &mut Cast) -> Result<()> {
    let agent = cast.agent(2).to_string();
    let body = json!({
        "action": "invoice:read", "agent": agent, "inputs": digest("looked at"), "kind": "policy", "policies": [],
        "reason": "within_scope", "result": "allowed", "rules": [],
    });
    cast.say(Tenant(1), "decision", body).await?;
    let until = cast.in_hours(24);
    let body = json!({
        "action": "invoice:pay", "agent": agent, "expires_at": until, "uses": 1, "verdict": "approved",
    });
    cast.say(Tenant(1), "approval", body).await?;
    let policy = format!("maip-pol:{}", cast.id(4));
    let rules = json!([{ "actions": ["invoice:pay"], "effect": "approve" }]);
    let body = json!({ "name": "four eyes", "policy": policy, "priority": 5, "rules": rules });
    cast.say(Tenant(1), "policy.put", body).await?;
    cast.say(Tenant(1), "policy.status", json!({ "policy": policy, "status": "disabled" })).await?;
    let body = json!({
        "action": "invoice:*", "cooldown_s": 60, "guardrail": "burst", "threshold": 5, "window_s": 300,
    });
    cast.say(Tenant(1), "guardrail.define", body).await?;
    let body = json!({ "guardrail": "burst", "state": "half_open" });
    cast.say(Tenant(1), "guardrail.status", body).await?;
    cast.say(Tenant(1), "trust.compute", json!({ "agent": agent })).await.map(drop)
}

/// A grant from one agent to another; its id and what became of it.
async fn offer(cast: &mut Cast, number: u64, to: u8, under: Option<Said>) -> Result<(String, Said)> {
    let grant = format!("maip-deleg:{}", cast.id(number));
    let foreign = u8::from(to >= Cast::FOREIGN);
    let mut body = json!({
        "deny": [], "from": cast.agent(1).to_string(), "grant": grant, "hops": 0,
        "limits": { "calls": 100, "expires_at": cast.in_hours(12), "window_s": 3600 }, "scopes": ["invoice:read"],
        "to": {
            "agent": cast.agent(to).to_string(), "kid": cast.key(Agent(to)).kid().to_string(),
            "tenant": cast.tenant(1 + foreign).to_string(),
        },
    });
    if let Some(agreement) = under {
        body["agreement"] = json!(agreement.hash.to_string());
    }
    let said = cast.say(Agent(1), "delegation.offer", body).await?;
    Ok((grant, said))
}

async fn grants(cast: &mut Cast) -> Result<()> {
    let (within, offered) = offer(cast, 5, 2, None).await?;
    let body = json!({ "action": "invoice:read", "agent": cast.agent(2).to_string(), "grant": within });
    act(cast, Agent(2), body).await?;
    let (second, first) = (cast.agent(2).to_string(), cast.agent(1).to_string());
    let body = json!({ "agent": second, "interaction": offered.index, "subject": first, "verdict": "good" });
    cast.say(Agent(2), "attest.peer", body).await?;
    let agreement = cast.agree(&["invoice:*"]).await?;
    let theirs = cast.agent(Cast::FOREIGN).to_string();
    let answers = [("accept", json!({})), ("reject", json!({ "reason": "busy" })), ("accept", json!({}))];
    let mut last = String::new();
    for (number, (answer, mut body)) in (6..).zip(answers) {
        let (grant, offered) = offer(cast, number, Cast::FOREIGN, Some(agreement)).await?;
        (body["agent"], body["grant"]) = (json!(theirs), json!(grant));
        body["offer"] = json!(offered.hash.to_string());
        cast.say(Agent(Cast::FOREIGN), &format!("delegation.{answer}"), body).await?;
        last = grant;
    }
    cast.say(Agent(1), "delegation.revoke", json!({ "grant": last, "reason": "done" })).await?;
    let over = cast.agree(&["order:read"]).await?;
    let body = json!({ "agreement": over.hash.to_string(), "reason": "over" });
    cast.say(Tenant(1), "federation.end", body).await.map(drop)
}

async fn claims(cast: &mut Cast) -> Result<()> {
    let (agent, voter) = (cast.agent(1).to_string(), cast.agent(2).to_string());
    let claim = format!("maip-tc:{}", cast.id(9));
    let body = json!({ "agent": agent, "claim": claim, "internal": true, "statement": digest("so it is") });
    cast.say(Agent(1), "claim.create", body).await?;
    let body = json!({ "agent": agent, "claim": claim, "deadline": cast.in_hours(12), "quorum": 1 });
    cast.say(Agent(1), "witness.request", body).await?;
    let vote = format!("maip-wit:{}", cast.id(10));
    let body = json!({ "agent": voter, "attestation": vote, "claim": claim, "vote": "confirm" });
    cast.say(Agent(2), "witness.attest", body).await?;
    cast.say(Tenant(1), "claim.resolve", json!({ "claim": claim, "result": "confirmed" })).await?;
    let document = format!("maip-doc:{}", cast.id(11));
    let body = json!({ "agent": agent, "digest": digest("letter"), "document": document });
    cast.say(Agent(1), "document.attest", body).await?;
    let body = json!({ "document": document, "method": "human", "verdict": "valid" });
    cast.say(Tenant(1), "document.verdict", body).await.map(drop)
}

async fn books(cast: &mut Cast, evidence: u64) -> Result<()> {
    let agent = cast.agent(1).to_string();
    let findings = json!([{ "control": "cc6.1", "evidence": [evidence], "status": "pass" }]);
    let check = format!("maip-cc:{}", cast.id(12));
    let body = json!({ "agent": agent, "check": check, "findings": findings, "framework": "soc2" });
    cast.say(Tenant(1), "compliance.check", body).await?;
    let report = format!("maip-report:{}", cast.id(13));
    let body = json!({
        "digest": digest("report"), "framework": "soc2", "from": 0, "report": report, "to": cast.in_hours(0),
    });
    cast.say(Tenant(1), "compliance.report", body).await?;
    let anomaly = format!("maip-anom:{}", cast.id(14));
    let body = json!({ "agent": agent, "anomaly": anomaly, "kind": "burst", "severity": "medium" });
    cast.say(Tenant(1), "anomaly.report", body).await?;
    let body = json!({ "anomaly": anomaly, "resolution": "false_positive" });
    cast.say(Tenant(1), "anomaly.resolve", body).await?;
    let dataset = format!("maip-ds:{}", cast.id(15));
    let body = json!({ "agent": agent, "dataset": dataset, "digest": digest("rows"), "name": "orders" });
    cast.say(Agent(1), "dataset.attest", body).await?;
    let model = format!("maip-model:{}", cast.id(16));
    let body = json!({
        "agent": agent, "datasets": [dataset], "digest": digest("weights"), "model": model, "name": "scorer",
    });
    cast.say(Agent(1), "model.attest", body).await?;
    let body = json!({ "reason": "asked", "subject": digest("somebody") });
    cast.say(Tenant(1), "erasure", body).await.map(drop)
}

async fn workflows(cast: &mut Cast) -> Result<()> {
    let (workflow, run) = (format!("maip-wf:{}", cast.id(17)), format!("maip-orch:{}", cast.id(18)));
    let steps = json!([{ "kind": "tool_call", "scope": "invoice:read", "step": "fetch" }]);
    let body = json!({
        "digest": digest("definition"), "name": "Close", "steps": steps, "version": 1, "workflow": workflow,
    });
    cast.say(Tenant(1), "workflow.define", body).await?;
    cast.say(Tenant(1), "workflow.publish", json!({ "version": 1, "workflow": workflow })).await?;
    let agent = cast.agent(1).to_string();
    let body = json!({ "agent": agent, "orchestration": run, "version": 1, "workflow": workflow });
    cast.say(Agent(1), "orchestration.start", body).await?;
    let body = json!({ "agent": agent, "orchestration": run, "status": "succeeded", "step": "fetch" });
    cast.say(Agent(1), "orchestration.step", body).await?;
    let body = json!({ "orchestration": run, "result": "succeeded" });
    cast.say(Tenant(1), "orchestration.finish", body).await.map(drop)
}

async fn of_the_log(cast: &mut Cast, origin: &str) -> Result<()> {
    let algorithm = json!({ "algorithm": "maip-trust/1", "id": TRUST_ALGORITHM_ID });
    cast.say(Operator(0), "trust.algorithm", algorithm).await?;
    let seeds = json!({ "seeds": [cast.tenant(1).to_string()] });
    cast.say(Operator(0), "log.policy", seeds).await?;
    // Let in and taken out again: nobody holds it, so nothing is published in between.
    let next = NoteSigner::new(origin, SignatureType::Ed25519, [7; 32])?.vkey().to_string();
    for action in ["add", "retire"] {
        cast.say(Operator(0), "log.key", json!({ "action": action, "vkey": next })).await?;
    }
    Ok(())
}

async fn rotations(cast: &mut Cast) -> Result<()> {
    let body = json!({
        "agent": cast.agent(1).to_string(), "key": key(51).public().to_string(),
        "previous": cast.key(Agent(1)).kid().to_string(), "reason": "scheduled",
    });
    cast.say(Agent(1), "agent.key", body).await?;
    cast.rotate(Agent(1), 51);
    let body = json!({
        "key": key(251).public().to_string(), "previous": cast.key(Tenant(1)).kid().to_string(), "reason": "rotation",
    });
    cast.say(Tenant(1), "tenant.key", body).await?;
    cast.rotate(Tenant(1), 251);
    act(cast, Agent(1), json!({ "outcome": "success" })).await?;
    cast.say(Tenant(2), "tenant.suspend", json!({ "reason": "holidays" })).await?;
    let body = json!({ "on_behalf_of": "desk", "reason": "back" });
    cast.say(Operator(2), "tenant.reactivate", body).await.map(drop)
}

/// One more record, for whoever needs the log to grow; its index.
pub(crate) async fn one_more(cast: &mut Cast) -> Result<u64> {
    Ok(act(cast, Agent(1), json!({ "outcome": "success" })).await?.index)
}
