//! What readers see of policies, approvals, guardrails, tools and scopes.

mod world;

use ledger_format::record::{
    Approval, ApprovalVerdict, Body, BreakerState, Decision, DecisionKind, Digest, GuardrailDefine,
    PolicyEffect, PolicyId, PolicyPut, PolicyRule, PolicyState, PolicyStatus, ReceiptId, ScopeDefine, ToolId,
    ToolRegister,
};
use ledger_state::{
    Question, approval_of, asked_before, asked_count, evaluate, guardrails, policies, policy, scope_defined,
    tool, tool_named, verdict,
};
use world::speak::*;
use world::*;

fn put(number: u64, priority: u64, effect: PolicyEffect) -> Body {
    let rule =
        PolicyRule { actions: scopes(&["invoice:pay"]), agent_types: None, agents: None, effect, when: None };
    Body::PolicyPut(Box::new(PolicyPut {
        name: format!("Policy {number}"),
        on_behalf_of: None,
        policy: PolicyId(id(number)),
        priority,
        rules: vec![rule],
    }))
}

/// Asks whether agent 1 may pay, and logs the answer.
fn ask(log: &mut Log) -> Said {
    let question = Question {
        tenant: tenant(1).0,
        agent: agent(1),
        action: scope("invoice:pay"),
        kind: DecisionKind::Policy,
        amount: None,
        approval: None,
        grant: None,
        session: None,
        tool: None,
    };
    let answer = evaluate(&log.state, &question, log.ms).expect("an answer");
    let body = Decision {
        action: question.action.clone(),
        agent: question.agent,
        amount: None,
        approval: None,
        grant: None,
        inputs: Digest::sha256(b"inputs"),
        kind: question.kind,
        on_behalf_of: None,
        policies: answer.policies,
        reason: answer.reason,
        result: answer.result,
        rules: answer.rules,
        session: None,
        tool: None,
    };
    log.must(By::Tenant(1), Body::Decision(Box::new(body)))
}

#[test]
fn policies_stand_in_the_order_of_evaluation() {
    let mut log = Log::new();
    let late = log.must(By::Tenant(1), put(41, 20, PolicyEffect::Deny));
    let early = log.must(By::Tenant(1), put(42, 10, PolicyEffect::Deny));
    let again = log.must(By::Tenant(1), put(41, 20, PolicyEffect::Approve));
    let status = PolicyStatus { on_behalf_of: None, policy: PolicyId(id(42)), status: PolicyState::Disabled };
    let off = log.must(By::Tenant(1), Body::PolicyStatus(Box::new(status)));
    let all = policies(&log.state, tenant(1).0).unwrap();
    assert_eq!(all.iter().map(|at| at.policy).collect::<Vec<_>>(), [PolicyId(id(42)), PolicyId(id(41))]);
    let (first, second) = (&all[0], &all[1]);
    assert_eq!((first.state, first.created, first.changed), (PolicyState::Disabled, early.index, off.index));
    assert_eq!((first.put, first.put_at), (early.hash, early.index));
    assert_eq!((second.created, second.changed), (late.index, again.index));
    assert_eq!((second.put, second.put_at), (again.hash, again.index));
    assert_eq!(policy(&log.state, tenant(1).0, second.policy).unwrap().as_ref(), Some(second));
    assert_eq!(policy(&log.state, tenant(2).0, second.policy), Ok(None), "another tenant's");
    assert_eq!(policies(&log.state, tenant(2).0), Ok(Vec::new()));
}

#[test]
fn what_waits_for_an_approval_is_listed_newest_first_with_what_was_said() {
    let mut log = Log::new();
    assert_eq!(asked_before(&log.state, tenant(1).0, u64::MAX), None);
    log.must(By::Tenant(1), put(41, 1, PolicyEffect::Approve));
    let (first, second) = (ask(&mut log), ask(&mut log));
    assert_eq!(asked_count(&log.state, tenant(1).0), 2);
    let seen = |before| asked_before(&log.state, tenant(1).0, before);
    assert_eq!(seen(u64::MAX), Some((second.index, ReceiptId(second.id))));
    assert_eq!(seen(second.index), Some((first.index, ReceiptId(first.id))));
    assert_eq!(seen(first.index), None);
    assert_eq!((seen(0), asked_count(&log.state, tenant(2).0)), (None, 0));
    let body = Approval {
        action: scope("invoice:pay"),
        agent: agent(1),
        decision: Some(ReceiptId(first.id)),
        expires_at: log.ms + HOUR,
        on_behalf_of: None,
        uses: 3,
        verdict: ApprovalVerdict::Approved,
    };
    let said = log.must(By::Tenant(1), Body::Approval(Box::new(body)));
    let found = verdict(&log.state, tenant(1).0, ReceiptId(first.id)).unwrap();
    assert_eq!((found.approval, found.index), (ReceiptId(said.id), said.index));
    assert_eq!(verdict(&log.state, tenant(1).0, ReceiptId(second.id)), None);
    let approval = approval_of(&log.state, tenant(1).0, found.approval).unwrap();
    assert_eq!((approval.approved, approval.left), (true, 3));
    assert_eq!(approval_of(&log.state, tenant(2).0, found.approval), None);
}

#[test]
fn a_breaker_is_seen_as_it_stands_now() {
    let mut log = Log::new();
    let define = GuardrailDefine {
        action: scope("invoice:*"),
        agent: None,
        cooldown_s: 60,
        guardrail: "pay".into(),
        on_behalf_of: None,
        threshold: 2,
        window_s: 3_600,
    };
    let defined = log.must(By::Tenant(1), Body::GuardrailDefine(Box::new(define)));
    log.must(By::Tenant(1), put(41, 1, PolicyEffect::Deny));
    let seen = |log: &Log, ms| guardrails(&log.state, tenant(1).0, ms).unwrap().remove(0);
    ask(&mut log);
    let at = seen(&log, log.ms);
    assert_eq!((at.name.as_str(), at.state, at.denials), ("pay", BreakerState::Closed, 1));
    assert_eq!((at.defined, at.changed), (defined.index, defined.index));
    assert_eq!(seen(&log, log.ms + HOUR).denials, 0, "another window");
    ask(&mut log);
    let opened = log.ms;
    let at = seen(&log, opened + MINUTE - 1);
    assert_eq!((at.state, at.since_ms), (BreakerState::Open, opened));
    let at = seen(&log, opened + MINUTE);
    assert_eq!((at.state, at.since_ms), (BreakerState::HalfOpen, opened + MINUTE));
    assert_eq!(guardrails(&log.state, tenant(2).0, opened), Ok(Vec::new()));
}

#[test]
fn a_name_means_the_first_tool_that_has_it_until_that_one_gives_it_up() {
    let mut log = Log::new();
    let register = |number: u64, name: &str, list: &[&str]| {
        Body::ToolRegister(Box::new(ToolRegister {
            digest: None,
            name: name.into(),
            on_behalf_of: None,
            owner_key: None,
            scopes: scopes(list),
            tool: ToolId(id(number)),
            version: None,
        }))
    };
    let named = |log: &Log, name| tool_named(&log.state, tenant(1).0, name);
    log.must(By::Tenant(1), register(71, "mail", &["mail:send"]));
    log.must(By::Tenant(1), register(72, "mail", &["mail:send"]));
    assert_eq!(named(&log, "mail"), Some(ToolId(id(71))));
    assert_eq!(tool_named(&log.state, tenant(2).0, "mail"), None);
    // Renamed: the name is nobody's until somebody registers it again.
    log.must(By::Tenant(1), register(71, "post", &["mail:send"]));
    assert_eq!((named(&log, "mail"), named(&log, "post")), (None, Some(ToolId(id(71)))));
    log.must(By::Tenant(1), register(72, "mail", &["mail:send"]));
    assert_eq!(named(&log, "mail"), Some(ToolId(id(72))));
    // Without scopes it may be used for nothing, and its name is free.
    log.must(By::Tenant(1), register(72, "mail", &[]));
    let newest = log.must(By::Tenant(1), register(73, "mail", &["mail:send"]));
    assert_eq!(named(&log, "mail"), Some(ToolId(id(73))));
    assert_eq!(tool(&log.state, ToolId(id(73))).unwrap().index, newest.index);
}

#[test]
fn the_newest_definition_of_a_scope_counts() {
    let mut log = Log::new();
    let define = |critical| {
        let body =
            ScopeDefine { critical, description: None, on_behalf_of: None, scope: scope("invoice:pay") };
        Body::ScopeDefine(Box::new(body))
    };
    log.must(By::Tenant(1), define(false));
    let said = log.must(By::Tenant(1), define(true));
    let at = scope_defined(&log.state, tenant(1).0, &scope("invoice:pay")).unwrap();
    assert_eq!((at.critical, at.index), (true, said.index));
    assert_eq!(scope_defined(&log.state, tenant(1).0, &scope("invoice:*")), None);
    assert_eq!(scope_defined(&log.state, tenant(2).0, &scope("invoice:pay")), None);
}
