//! Decisions: what policies, grants, trust, approvals and breakers say, and that the log takes no other answer.

mod world;

use ledger_format::record::{
    ActionVerdict, AgentType, AgentUpdate, Amount, AnomalyReport, AnomalyResolution, AnomalyResolve,
    Approval, ApprovalVerdict, Body, BreakerState, Decision, DecisionKind, DecisionReason, DecisionResult,
    Digest, GuardrailDefine, GuardrailStatus, MinutesOfDay, PolicyCondition, PolicyEffect, PolicyId,
    PolicyPut, PolicyRule, PolicyState, PolicyStatus, RateLimit, ReceiptAction, ReceiptId, ScopeDefine,
    Severity, SpendLimit, TenantUpdate, ToolId, ToolRegister, TrustThresholds,
};
use ledger_state::{AgentStatus, Answer, Question, Replayer, evaluate};
use world::speak::*;
use world::*;

fn question(number: u8, action: &str) -> Question {
    Question {
        tenant: tenant(1).0,
        agent: agent(number),
        action: scope(action),
        kind: DecisionKind::Policy,
        amount: None,
        approval: None,
        grant: None,
        session: None,
        tool: None,
    }
}

fn record(question: &Question, answer: &Answer) -> Body {
    Body::Decision(Box::new(Decision {
        action: question.action.clone(),
        agent: question.agent,
        amount: question.amount.clone(),
        approval: question.approval,
        grant: question.grant,
        inputs: Digest::sha256(b"inputs"),
        kind: question.kind,
        on_behalf_of: None,
        policies: answer.policies.clone(),
        reason: answer.reason,
        result: answer.result,
        rules: answer.rules.clone(),
        session: question.session,
        tool: question.tool,
    }))
}

/// Asks, logs the answer, and returns its reason and the places of the rules that decided.
#[track_caller]
fn ask(log: &mut Log, question: &Question) -> (&'static str, Vec<u64>) {
    let answer = evaluate(&log.state, question, log.ms).expect("an answer");
    log.must(By::Tenant(1), record(question, &answer));
    (answer.reason.as_str(), answer.rules.iter().map(|rule| rule.place).collect())
}

fn policy_id(number: u8) -> PolicyId {
    PolicyId(ledger_format::record::Ulid::from_parts(START_MS, 4_000 + u128::from(number)))
}

fn nothing() -> PolicyCondition {
    PolicyCondition {
        calls: None,
        days: None,
        depth_max: None,
        depth_min: None,
        minutes: None,
        spend: None,
        trust_max_bp: None,
        trust_min_bp: None,
    }
}

fn rule(effect: PolicyEffect, actions: &[&str], when: Option<PolicyCondition>) -> PolicyRule {
    PolicyRule { actions: scopes(actions), agent_types: None, agents: None, effect, when }
}

fn policy(number: u8, priority: u64, rules: Vec<PolicyRule>) -> Body {
    let name = format!("Policy {number}");
    let policy = policy_id(number);
    Body::PolicyPut(Box::new(PolicyPut { name, on_behalf_of: None, policy, priority, rules }))
}

/// Sessions that have run out since the last entry weigh on trust before anything is decided, asked or logged.
#[test]
fn the_answer_knows_of_sessions_that_have_run_out() {
    let mut log = Log::new();
    log.behave(1, 1, 30);
    // Below the cap of newcomers, so that sessions show in the score.
    for _ in 0..12 {
        let verdict = Some(ActionVerdict::Minor);
        log.must(
            By::Tenant(1),
            Body::ReceiptAction(ReceiptAction { verdict, ..action_body(1, "invoice:read") }),
        );
    }
    for number in 1..=5 {
        index(&one(&mut log.state, &open(600 + u64::from(number), number, 1, 1, "invoice:read")));
    }
    let later = log.ms + 2 * MINUTE;
    let seen = |log: &Log| ledger_state::trust_reading(&log.state, agent(1), later).unwrap().score;
    let before = seen(&log).expect("a score");
    let when = PolicyCondition { trust_max_bp: Some(before - 1), ..nothing() };
    log.must(By::Tenant(1), policy(1, 1, vec![rule(PolicyEffect::Deny, &["invoice:pay"], Some(when))]));
    assert_eq!(seen(&log), Some(before), "no entry has ended them yet");
    log.ms = later;
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")), ("policy", vec![0]));
    assert!(seen(&log) < Some(before));
}

#[test]
fn the_log_takes_no_other_answer_than_its_own() {
    let mut log = Log::new();
    log.must(By::Tenant(1), policy(1, 1, vec![rule(PolicyEffect::Deny, &["invoice:delete"], None)]));
    let asked = question(1, "invoice:delete");
    let answer = evaluate(&log.state, &asked, log.ms).unwrap();
    assert_eq!((answer.result, answer.reason), (DecisionResult::Denied, DecisionReason::Policy));
    let lies = [
        Answer { result: DecisionResult::Allowed, ..answer.clone() },
        Answer { reason: DecisionReason::Trust, ..answer.clone() },
        Answer { policies: Vec::new(), ..answer.clone() },
        Answer { rules: Vec::new(), ..answer.clone() },
    ];
    for lie in lies {
        assert_eq!(log.say(By::Tenant(1), record(&asked, &lie)).err(), Some("decision_differs"), "{lie:?}");
    }
    log.must(By::Tenant(1), record(&asked, &answer));
    // Another moment, another answer: the policy is off.
    let off = PolicyStatus { on_behalf_of: None, policy: policy_id(1), status: PolicyState::Disabled };
    log.must(By::Tenant(1), Body::PolicyStatus(Box::new(off)));
    assert_eq!(log.say(By::Tenant(1), record(&asked, &answer)).err(), Some("decision_differs"));
    assert_eq!(ask(&mut log, &asked), ("within_scope", vec![]));
}

#[test]
fn scopes_come_before_policies() {
    let mut log = Log::new();
    assert_eq!(ask(&mut log, &question(1, "order:read")), ("no_scope", vec![]));
    let denies = Some(scopes(&["invoice:pay"]));
    let update = AgentUpdate {
        agent: agent(1),
        critical: None,
        denies,
        name: None,
        on_behalf_of: None,
        runtime_type: None,
        scopes: None,
    };
    log.must(By::Tenant(1), Body::AgentUpdate(Box::new(update)));
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")), ("denied_scope", vec![]));
    assert_eq!(ask(&mut log, &question(1, "invoice:read")), ("within_scope", vec![]));
    let mut asked = question(1, "invoice:read");
    asked.session = Some(session(1));
    assert_eq!(ask(&mut log, &asked), ("session_ended", vec![]));
    asked.session = None;
    asked.grant = Some(deleg(1));
    assert_eq!(ask(&mut log, &asked), ("grant_ended", vec![]));
    run(&mut log.state, &[suspend(600, 1)]);
    assert_eq!(ask(&mut log, &question(1, "invoice:read")), ("agent_not_active", vec![]));
}

#[test]
fn deny_overrides_and_rules_are_named_in_order() {
    let mut log = Log::new();
    let approve = rule(PolicyEffect::Approve, &["invoice:*"], None);
    let deny = rule(PolicyEffect::Deny, &["invoice:pay"], None);
    log.must(By::Tenant(1), policy(1, 20, vec![approve.clone(), deny.clone(), deny.clone()]));
    log.must(By::Tenant(1), policy(2, 10, vec![approve, deny]));
    let asked = question(1, "invoice:pay");
    let answer = evaluate(&log.state, &asked, log.ms).unwrap();
    let places: Vec<_> = answer.rules.iter().map(|rule| (rule.policy, rule.place)).collect();
    assert_eq!(
        places,
        [(policy_id(2), 1), (policy_id(1), 1), (policy_id(1), 2)],
        "by priority, then in order"
    );
    assert_eq!(answer.policies.len(), 2);
    assert_eq!(ask(&mut log, &asked), ("policy", vec![1, 1, 2]));
    assert_eq!(ask(&mut log, &question(1, "invoice:read")), ("approval_needed", vec![0, 0]));
    let other = policy(1, 5, vec![rule(PolicyEffect::Deny, &["a:b"], None)]);
    assert_eq!(log.say(By::Tenant(2), other).err(), Some("policy_of_other_tenant"));
}

#[test]
fn conditions() {
    let deny_when = |when| vec![rule(PolicyEffect::Deny, &["invoice:*"], Some(when))];
    // Wednesday 12:53.
    let wednesday = PolicyCondition { days: Some(vec![3]), ..nothing() };
    let lunch = PolicyCondition { minutes: Some(MinutesOfDay { from: 720, to: 780 }), ..nothing() };
    let evening = PolicyCondition { minutes: Some(MinutesOfDay { from: 1_080, to: 1_440 }), ..nothing() };
    let both = PolicyCondition { days: Some(vec![3]), ..evening.clone() };
    let scored = PolicyCondition { trust_min_bp: Some(0), ..nothing() };
    let flat = PolicyCondition { depth_max: Some(0), ..nothing() };
    let deep = PolicyCondition { depth_min: Some(1), ..nothing() };
    let cases = [
        (wednesday, "policy"),
        (lunch, "policy"),
        (evening, "within_scope"),
        (both, "within_scope"),
        (scored, "within_scope"),
        (flat, "policy"),
        (deep, "within_scope"),
    ];
    for (when, want) in cases {
        let mut log = Log::new();
        log.must(By::Tenant(1), policy(1, 1, deny_when(when.clone())));
        assert_eq!(ask(&mut log, &question(1, "invoice:pay")).0, want, "{when:?}");
    }
    // What requires something is denied without it: an agent without a score has not 50.00.
    let mut log = Log::new();
    let trusted = PolicyCondition { trust_min_bp: Some(5_000), ..nothing() };
    log.must(By::Tenant(1), policy(1, 1, vec![rule(PolicyEffect::Require, &["invoice:*"], Some(trusted))]));
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")), ("policy", vec![0]));
    log.behave(1, 1, 10);
    log.ms += DAY;
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")), ("within_scope", vec![]));
    // A rule about other agents, or other types of agents, is about nobody else.
    let mut about = rule(PolicyEffect::Deny, &["invoice:*"], None);
    about.agents = Some(vec![agent(2)]);
    let mut kind = rule(PolicyEffect::Deny, &["invoice:*"], None);
    kind.agent_types = Some(vec![AgentType::System]);
    log.must(By::Tenant(1), policy(1, 1, vec![about, kind]));
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")), ("within_scope", vec![]));
    assert_eq!(ask(&mut log, &question(2, "invoice:pay")), ("policy", vec![0]));
}

#[test]
fn rates_and_budgets() {
    let mut log = Log::new();
    let rate = PolicyCondition { calls: Some(RateLimit { max: 2, window_s: 60 }), ..nothing() };
    let spend = SpendLimit { currency: "EUR".into(), max_minor: 100, window_s: 3_600 };
    let budget = PolicyCondition { spend: Some(spend), ..nothing() };
    let rules = vec![
        rule(PolicyEffect::Require, &["invoice:read"], Some(rate)),
        rule(PolicyEffect::Require, &["invoice:pay"], Some(budget)),
    ];
    log.must(By::Tenant(1), policy(1, 1, rules));
    let read = question(1, "invoice:read");
    let reasons: Vec<_> = (0..3).map(|_| ask(&mut log, &read).0).collect();
    assert_eq!(reasons, ["within_scope", "within_scope", "policy"]);
    assert_eq!(ask(&mut log, &question(2, "invoice:read")).0, "within_scope", "each agent has its own");
    log.ms += MINUTE;
    assert_eq!(ask(&mut log, &read).0, "within_scope", "the next window");
    let pay = |currency: &str, minor| Question {
        amount: Some(Amount { currency: currency.into(), minor }),
        ..question(1, "invoice:pay")
    };
    assert_eq!(ask(&mut log, &pay("EUR", 60)).0, "within_scope");
    assert_eq!(ask(&mut log, &pay("EUR", 60)).0, "policy");
    assert_eq!(ask(&mut log, &pay("EUR", 40)).0, "within_scope");
    assert_eq!(ask(&mut log, &pay("EUR", 1)).0, "policy");
}

fn approve(number: u8, action: &str, uses: u64, verdict: ApprovalVerdict, expires_at: u64) -> Body {
    Body::Approval(Box::new(Approval {
        action: scope(action),
        agent: agent(number),
        decision: None,
        expires_at,
        on_behalf_of: None,
        uses,
        verdict,
    }))
}

#[test]
fn an_approval_is_good_for_its_own_action_as_often_as_it_says() {
    let mut log = Log::new();
    log.must(By::Tenant(1), policy(1, 1, vec![rule(PolicyEffect::Approve, &["invoice:pay"], None)]));
    let end = log.ms + HOUR;
    let with = |said: &Said, number, action| Question {
        approval: Some(ReceiptId(said.id)),
        ..question(number, action)
    };
    let yes = log.must(By::Tenant(1), approve(1, "invoice:pay", 2, ApprovalVerdict::Approved, end));
    let no = log.must(By::Tenant(1), approve(1, "invoice:pay", 2, ApprovalVerdict::Rejected, end));
    let other = log.must(By::Tenant(1), approve(1, "invoice:read", 2, ApprovalVerdict::Approved, end));
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")).0, "approval_needed");
    assert_eq!(ask(&mut log, &with(&no, 1, "invoice:pay")).0, "approval_needed");
    assert_eq!(ask(&mut log, &with(&other, 1, "invoice:pay")).0, "approval_needed", "for X used for Y");
    assert_eq!(ask(&mut log, &with(&yes, 2, "invoice:pay")).0, "approval_needed", "another agent's");
    let receipt = log.must(By::Agent(1), Body::ReceiptAction(action_body(1, "invoice:pay")));
    assert_eq!(
        ask(&mut log, &with(&receipt, 1, "invoice:pay")).0,
        "approval_needed",
        "a receipt shown as one"
    );
    let reasons: Vec<_> = (0..3).map(|_| ask(&mut log, &with(&yes, 1, "invoice:pay")).0).collect();
    assert_eq!(reasons, ["within_scope", "within_scope", "approval_needed"]);
    let late = log.must(By::Tenant(1), approve(1, "invoice:pay", 2, ApprovalVerdict::Approved, end));
    log.ms = end;
    assert_eq!(ask(&mut log, &with(&late, 1, "invoice:pay")).0, "approval_needed", "its time is over");
    let past = approve(1, "invoice:pay", 1, ApprovalVerdict::Approved, end);
    assert_eq!(log.say(By::Tenant(1), past).err(), Some("expires_too_soon"));
}

#[test]
fn a_supervised_agents_critical_actions_need_an_approval() {
    let mut log = Log::new();
    let mut body = agent_body(6, None);
    body.agent_type = AgentType::Supervised;
    log.must(By::Tenant(1), Body::AgentRegister(Box::new(body)));
    assert_eq!(log.act(6, "invoice:pay", None), Vec::<&str>::new());
    let define =
        ScopeDefine { critical: true, description: None, on_behalf_of: None, scope: scope("invoice:pay") };
    log.must(By::Tenant(1), Body::ScopeDefine(Box::new(define)));
    assert_eq!(log.act(6, "invoice:pay", None), ["no_approval"]);
    assert_eq!(log.act(6, "invoice:read", None), Vec::<&str>::new());
    assert_eq!(log.act(1, "invoice:pay", None), Vec::<&str>::new(), "an autonomous one needs none");
    assert_eq!(ask(&mut log, &question(6, "invoice:pay")).0, "approval_needed");
    let end = log.ms + HOUR;
    let said = log.must(By::Tenant(1), approve(6, "invoice:pay", 1, ApprovalVerdict::Approved, end));
    let approval = Some(ReceiptId(said.id));
    let act = || Body::ReceiptAction(ReceiptAction { approval, ..action_body(6, "invoice:pay") });
    assert_eq!(log.must(By::Agent(6), act()).flags, Vec::<&str>::new());
    assert_eq!(log.must(By::Agent(6), act()).flags, ["no_approval"], "it was good once");
}

#[test]
fn a_receipt_names_the_decision_that_allowed_it() {
    let mut log = Log::new();
    let asked = question(1, "invoice:pay");
    let answer = evaluate(&log.state, &asked, log.ms).unwrap();
    let yes = log.must(By::Tenant(1), record(&asked, &answer));
    let refused = question(1, "order:read");
    let answer = evaluate(&log.state, &refused, log.ms).unwrap();
    let no = log.must(By::Tenant(1), record(&refused, &answer));
    let act = |action: &str, said: &Said| {
        let decision = Some(ReceiptId(said.id));
        Body::ReceiptAction(ReceiptAction { decision, ..action_body(1, action) })
    };
    assert_eq!(log.must(By::Agent(1), act("invoice:pay", &yes)).flags, Vec::<&str>::new());
    assert_eq!(log.must(By::Agent(1), act("invoice:read", &yes)).flags, ["decision_mismatch"]);
    assert_eq!(log.must(By::Agent(1), act("order:read", &no)).flags, ["out_of_scope", "decision_mismatch"]);
}

#[test]
fn a_tool_is_used_for_what_it_is_for() {
    let mut log = Log::new();
    let tool = ToolId(id(70));
    let body = ToolRegister {
        digest: None,
        name: "ERP".into(),
        on_behalf_of: None,
        owner_key: None,
        scopes: scopes(&["invoice:read"]),
        tool,
        version: None,
    };
    log.must(By::Tenant(1), Body::ToolRegister(Box::new(body.clone())));
    assert_eq!(
        log.say(By::Tenant(2), Body::ToolRegister(Box::new(body))).err(),
        Some("owned_by_other_tenant")
    );
    let with = |action| Question { kind: DecisionKind::Tool, tool: Some(tool), ..question(1, action) };
    assert_eq!(ask(&mut log, &with("invoice:read")).0, "within_scope");
    assert_eq!(ask(&mut log, &with("invoice:pay")).0, "no_scope");
    let unknown = Question { tool: Some(ToolId(id(71))), ..with("invoice:read") };
    assert_eq!(ask(&mut log, &unknown).0, "no_scope");
}

#[test]
fn denials_for_lack_of_authority_cost_trust_and_others_do_not() {
    let mut log = Log::new();
    for _ in 0..30 {
        log.ms += DAY;
        log.behave(1, 1, 8);
        log.behave(1, 4, 8);
    }
    log.must(By::Tenant(1), policy(1, 1, vec![rule(PolicyEffect::Deny, &["invoice:pay"], None)]));
    let before = (log.score(1), log.score(4));
    assert_eq!(before.0, before.1);
    ask(&mut log, &question(1, "invoice:pay"));
    assert_eq!(log.score(1), before.0, "a policy's no is not the agent's fault");
    ask(&mut log, &question(4, "order:read"));
    assert!(log.score(4) < before.1);
}

#[test]
fn trust_below_the_tenants_threshold_stops_an_agent() {
    let mut log = Log::new();
    log.behave(1, 1, 10);
    log.ms += DAY;
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")).0, "within_scope");
    let thresholds = |suspend, approval, monitor| {
        let thresholds = Some(TrustThresholds { approval, monitor, suspend });
        Body::TenantUpdate(Box::new(TenantUpdate { name: None, on_behalf_of: None, plan: None, thresholds }))
    };
    log.must(By::Tenant(1), thresholds(6_000, 7_000, 8_000));
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")).0, "trust");
    // Between the two thresholds only critical actions ask for a person.
    log.must(By::Tenant(1), thresholds(1_000, 7_000, 8_000));
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")).0, "within_scope");
    let define =
        ScopeDefine { critical: true, description: None, on_behalf_of: None, scope: scope("invoice:*") };
    log.must(By::Tenant(1), Body::ScopeDefine(Box::new(define)));
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")).0, "approval_needed");
}

#[test]
fn trust_that_falls_alerts_and_suspends_at_the_entry_that_did_it() {
    let judged = |verdict| {
        Body::ReceiptAction(ReceiptAction { verdict: Some(verdict), ..action_body(1, "invoice:pay") })
    };
    let mut log = Log::new();
    for _ in 0..30 {
        log.ms += DAY;
        log.behave(1, 1, 8);
    }
    index(&one(&mut log.state, &open(600, 1, 1, 60, "invoice:*")));
    let minor = log.must(By::Tenant(1), judged(ActionVerdict::Minor));
    assert_eq!(minor.trust, Vec::<&str>::new(), "{:?}", log.score(1));
    let major = log.must(By::Tenant(1), judged(ActionVerdict::Major));
    assert_eq!((major.trust, log.score(1)), (vec!["trust_alert"], Some(5_900)));
    let again = log.must(By::Tenant(1), judged(ActionVerdict::Major));
    assert_eq!(again.trust, Vec::<&str>::new(), "it was below already");
    let critical = log.must(By::Tenant(1), judged(ActionVerdict::Critical));
    assert_eq!((critical.trust, log.score(1)), (vec!["trust_suspended"], Some(2_900)));
    let known = ledger_state::agent(&log.state, agent(1)).unwrap();
    let AgentStatus::Suspended { index: since, reason, .. } = known.status else { panic!("{known:?}") };
    assert_eq!((since, reason.as_str()), (critical.index, "trust"));
    assert_eq!(log.act(1, "invoice:pay", None), ["suspended"]);
    assert_eq!(code(&one(&mut log.state, &refresh(601, 1, 1, 60))), "session_ended");
    // Whoever reactivates it answers for it; the next harm suspends it again.
    index(&one(&mut log.state, &reactivate(602, 1)));
    assert_eq!(log.act(1, "invoice:pay", None), Vec::<&str>::new());
    assert_eq!(log.must(By::Tenant(1), judged(ActionVerdict::Minor)).trust, ["trust_suspended"]);
    // A tenant that wants none of it says so.
    let thresholds = Some(TrustThresholds { approval: 0, monitor: 0, suspend: 0 });
    let update = TenantUpdate { name: None, on_behalf_of: None, plan: None, thresholds };
    log.must(By::Tenant(1), Body::TenantUpdate(Box::new(update)));
    index(&one(&mut log.state, &reactivate(603, 1)));
    assert_eq!(log.must(By::Tenant(1), judged(ActionVerdict::Critical)).trust, Vec::<&str>::new());
}

#[test]
fn a_breaker_opens_after_denials_and_closes_again() {
    let mut log = Log::new();
    let define = GuardrailDefine {
        action: scope("*:*"),
        agent: Some(agent(1)),
        cooldown_s: 60,
        guardrail: "all".into(),
        on_behalf_of: None,
        threshold: 2,
        window_s: 3_600,
    };
    log.must(By::Tenant(1), Body::GuardrailDefine(Box::new(define)));
    let (good, bad) = (question(1, "invoice:pay"), question(1, "order:read"));
    assert_eq!(ask(&mut log, &bad).0, "no_scope");
    assert_eq!(ask(&mut log, &good).0, "within_scope");
    assert_eq!(ask(&mut log, &bad).0, "no_scope");
    assert_eq!(ask(&mut log, &good).0, "guardrail", "open");
    assert_eq!(ask(&mut log, &question(2, "invoice:pay")).0, "within_scope", "another agent");
    log.ms += MINUTE;
    assert_eq!(ask(&mut log, &bad).0, "no_scope", "half open: one passes, and fails");
    assert_eq!(ask(&mut log, &good).0, "guardrail", "open again");
    log.ms += MINUTE;
    assert_eq!(ask(&mut log, &good).0, "within_scope", "half open, and good");
    assert_eq!(ask(&mut log, &good).0, "within_scope", "closed");
    let set = |state| {
        Body::GuardrailStatus(Box::new(GuardrailStatus {
            guardrail: "all".into(),
            on_behalf_of: None,
            state,
        }))
    };
    log.must(By::Tenant(1), set(BreakerState::Open));
    assert_eq!(ask(&mut log, &good).0, "guardrail", "by hand");
    log.must(By::Tenant(1), set(BreakerState::Disabled));
    assert_eq!(ask(&mut log, &good).0, "within_scope");
}

#[test]
fn anomalies_have_consequences_when_somebody_else_reports_them() {
    let report = |number: u64, severity| {
        Body::AnomalyReport(Box::new(AnomalyReport {
            agent: agent(1),
            anomaly: ledger_format::record::AnomalyId(id(number)),
            evidence: None,
            kind: "burst".into(),
            on_behalf_of: None,
            severity,
        }))
    };
    let mut log = Log::new();
    log.must(By::Agent(1), report(90, Severity::Critical));
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")).0, "within_scope", "its own word stops nobody");
    log.must(By::Tenant(1), report(91, Severity::Low));
    log.must(By::Tenant(1), report(92, Severity::Medium));
    assert_eq!(log.say(By::Tenant(1), report(92, Severity::Low)).err(), Some("anomaly_exists"));
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")).0, "approval_needed", "throttled");
    let resolve = AnomalyResolve {
        anomaly: ledger_format::record::AnomalyId(id(92)),
        on_behalf_of: None,
        resolution: AnomalyResolution::FalsePositive,
    };
    log.must(By::Tenant(1), Body::AnomalyResolve(Box::new(resolve.clone())));
    assert_eq!(
        log.say(By::Tenant(1), Body::AnomalyResolve(Box::new(resolve.clone()))).err(),
        Some("anomaly_resolved")
    );
    assert_eq!(
        log.say(By::Tenant(2), Body::AnomalyResolve(Box::new(resolve))).err(),
        Some("anomaly_unknown")
    );
    let anomaly = |number| ledger_state::anomaly(&log.state, ledger_format::record::AnomalyId(id(number)));
    assert!(anomaly(92).is_some_and(|read| read.agent == agent(1) && read.resolved.is_some()));
    assert!(anomaly(91).is_some_and(|read| read.resolved.is_none()) && anomaly(95).is_none());
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")).0, "within_scope");
    index(&one(&mut log.state, &open(601, 1, 1, 60, "invoice:*")));
    let in_session = Question { session: Some(session(1)), ..question(1, "invoice:pay") };
    assert_eq!(ask(&mut log, &in_session).0, "within_scope");
    log.must(By::Tenant(1), report(93, Severity::High));
    assert_eq!(ask(&mut log, &in_session).0, "session_ended");
    log.must(By::Tenant(1), report(94, Severity::Critical));
    assert_eq!(ask(&mut log, &question(1, "invoice:pay")).0, "agent_not_active");
}

/// Whoever replays a log has checked every decision in it.
#[test]
fn a_replay_finds_a_decision_that_does_not_follow() {
    let mut log = Log::new();
    let asked = question(1, "order:read");
    let lie = Answer {
        result: DecisionResult::Allowed,
        reason: DecisionReason::WithinScope,
        policies: Vec::new(),
        rules: Vec::new(),
    };
    let (root, key) = tenant(1);
    let body = record(&asked, &lie);
    let forged = ledger_format::record::Draft::new(
        root,
        id(9_000),
        ledger_format::record::Actor::Tenant,
        START_MS,
        body,
    )
    .sign(&key);
    let mut replayer = Replayer::resume(log.state.clone());
    let size = replayer.size();
    let entry = ledger_format::record::Entry::encode(log.ms, &forged.to_bytes());
    let error = replayer.push(size, &entry).unwrap_err().to_string();
    assert!(error.contains("decision_differs"), "{error}");
    let _ = ask(&mut log, &asked);
}
