//! Grants: who may give what to whom, what a chain is worth, and how it ends.

mod world;

use ledger_format::record::{
    Actor, AgentType, Body, DelegationAccept, DelegationOffer, DelegationReject, DelegationRevoke,
    FederationEnd, RecordHash, TenantId, TenantSuspend,
};
use ledger_state::{Grant, GrantStanding};
use world::speak::*;
use world::*;

fn give(offer: DelegationOffer) -> Body {
    Body::DelegationOffer(Box::new(offer))
}

fn take(number: u8, agent_number: u8, offer: RecordHash) -> Body {
    Body::DelegationAccept(Box::new(DelegationAccept {
        agent: agent(agent_number),
        agreement: None,
        foreign: None,
        foreign_origin: None,
        grant: deleg(number),
        offer,
        on_behalf_of: None,
    }))
}

fn take_back(number: u8) -> Body {
    let body = DelegationRevoke { grant: deleg(number), on_behalf_of: None, reason: "over".into() };
    Body::DelegationRevoke(Box::new(body))
}

fn grant(log: &Log, number: u8) -> Grant {
    ledger_state::grant(&log.state, deleg(number)).expect("a grant")
}

/// Tenant 1 grants to agent 2, which hands on to agent 4.
fn chain_of_two(log: &mut Log, change: impl FnOnce(&mut DelegationOffer)) -> Result<Said, &'static str> {
    let root = log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
    let mut child = offer(2, Some(2), (1, 4), &["invoice:pay"]);
    child.parent = Some(root.hash);
    child.hops = 1;
    change(&mut child);
    log.say(By::Agent(2), give(child))
}

#[test]
fn an_action_under_a_grant_is_judged_by_the_grant() {
    let mut log = Log::new();
    log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["order:read"])));
    assert_eq!(log.act(2, "order:read", Some(1)), Vec::<&str>::new(), "not one of the agent's own scopes");
    assert_eq!(log.act(2, "order:pay", Some(1)), ["out_of_scope"]);
    assert_eq!(log.act(4, "order:read", Some(1)), ["grant_unknown"], "granted to another agent");
    assert_eq!(log.act(2, "order:read", Some(9)), ["grant_unknown"]);
    log.ms += HOUR;
    assert_eq!(log.act(2, "order:read", Some(1)), ["grant_ended"], "its time is over");
}

/// Judged before anything is done: the same words as for a chain file, and the link at fault.
#[test]
fn a_grant_is_judged_link_by_link() {
    use ledger_format::ChainReason;
    let mut log = Log::new();
    chain_of_two(&mut log, |child| child.deny = scopes(&["invoice:void"])).unwrap();
    let judge = |log: &Log, action: Option<&str>, ms: u64| {
        let action = action.map(|action| scopes(&[action]).remove(0));
        ledger_state::judge_grant(&log.state, deleg(2), action.as_ref(), ms).unwrap().expect("a grant")
    };
    let found = judge(&log, Some("invoice:pay"), 0);
    assert_eq!(found.chain.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [deleg(1), deleg(2)]);
    assert_eq!((found.fault, found.scopes), (None, scopes(&["invoice:pay"])));
    let fault = |log: &Log, action, ms| judge(log, action, ms).fault.map(|fault| (fault.grant, fault.reason));
    assert_eq!(fault(&log, Some("invoice:read"), 0), Some((deleg(2), ChainReason::OutOfScope)));
    assert_eq!(fault(&log, Some("order:read"), 0), Some((deleg(1), ChainReason::OutOfScope)));
    assert_eq!(fault(&log, Some("invoice:void"), 0), Some((deleg(2), ChainReason::Denied)));
    // Nobody writes to the log, and its time is over all the same.
    let end = grant(&log, 2).limits.expires_at;
    assert_eq!(fault(&log, None, end), Some((deleg(2), ChainReason::OutOfTime)));
    log.must(By::Tenant(1), take_back(1));
    let found = judge(&log, None, 0);
    assert_eq!(found.fault.map(|fault| (fault.grant, fault.reason)), Some((deleg(1), ChainReason::NotLive)));
    assert_eq!(found.scopes, scopes(&[]));
    assert_eq!(ledger_state::judge_grant(&log.state, deleg(9), None, 0).unwrap(), None);
}

#[test]
fn a_chain_is_worth_what_all_its_links_are() {
    let mut log = Log::new();
    chain_of_two(&mut log, |_| {}).unwrap();
    assert_eq!(log.act(4, "invoice:pay", Some(2)), Vec::<&str>::new());
    assert_eq!(log.act(4, "invoice:read", Some(2)), ["out_of_scope"]);
    let denied = Log::new();
    let mut log = denied;
    let mut root = offer(1, None, (1, 2), &["invoice:*"]);
    root.deny = scopes(&["invoice:pay"]);
    let root = log.must(By::Tenant(1), give(root));
    let mut child = offer(2, Some(2), (1, 4), &["invoice:*"]);
    (child.parent, child.hops, child.deny) = (Some(root.hash), 1, scopes(&["invoice:*"]));
    log.must(By::Agent(2), give(child));
    assert_eq!(log.act(4, "invoice:read", Some(2)), ["denied"], "a child may add denies");
}

/// What a re-delegation may not do: each is logged, flagged, a denial for trust, and worth nothing.
#[test]
fn an_offer_of_more_than_its_grantor_has_grants_nothing() {
    type Change = fn(&mut DelegationOffer);
    let cases: &[(&str, Change)] = &[
        ("superset child", |child| child.scopes = scopes(&["invoice:*", "order:read"])),
        ("wildcard smuggled", |child| child.scopes = scopes(&["*:*"])),
        ("hops not decreasing", |child| child.hops = 2),
        ("longer life", |child| child.limits.expires_at += 1),
    ];
    for (what, change) in cases {
        let mut log = Log::new();
        let said = chain_of_two(&mut log, change).unwrap();
        assert_eq!(said.flags, ["grant_exceeded"], "{what}");
        assert_eq!(grant(&log, 2).standing, GrantStanding::Void, "{what}");
        assert_eq!(log.act(4, "invoice:pay", Some(2)), ["grant_ended"], "{what}");
    }
    // Limits: whatever the parent bounds, the child bounds as tightly.
    let limits: &[(&str, Change)] = &[
        ("limits dropped by re-delegating", |child| {
            (child.limits.calls, child.limits.window_s) = (None, None)
        }),
        ("more calls", |child| child.limits.calls = Some(11)),
        ("another window", |child| child.limits.window_s = Some(61)),
        ("another environment", |child| child.limits.env = Some(vec!["prod".into(), "test".into()])),
        ("less trust", |child| child.limits.min_trust_bp = Some(4_999)),
        ("another purpose", |child| child.limits.purpose = Some("fun".into())),
        ("a higher approval limit", |child| child.limits.approval_over = Some(101)),
        ("another currency", |child| child.limits.currency = Some("USD".into())),
        ("deny dropped", |child| child.deny = scopes(&[])),
    ];
    for (what, change) in limits {
        let mut log = Log::new();
        let mut root = offer(1, None, (1, 2), &["invoice:*"]);
        root.deny = scopes(&["invoice:delete"]);
        let bounds = &mut root.limits;
        (bounds.calls, bounds.window_s, bounds.min_trust_bp) = (Some(10), Some(60), Some(5_000));
        (bounds.env, bounds.purpose) = (Some(vec!["test".into()]), Some("audit".into()));
        (bounds.approval_over, bounds.currency) = (Some(100), Some("EUR".into()));
        let (same_limits, deny) = (root.limits.clone(), root.deny.clone());
        let root = log.must(By::Tenant(1), give(root));
        let mut child = offer(2, Some(2), (1, 4), &["invoice:pay"]);
        (child.parent, child.hops, child.limits, child.deny) = (Some(root.hash), 1, same_limits, deny);
        let mut good = child.clone();
        good.grant = deleg(3);
        assert_eq!(log.must(By::Agent(2), give(good)).flags, Vec::<&str>::new());
        change(&mut child);
        assert_eq!(log.must(By::Agent(2), give(child)).flags, ["grant_exceeded"], "{what}");
    }
}

#[test]
fn an_escalating_offer_counts_against_its_grantor() {
    let mut log = Log::new();
    for _ in 0..30 {
        log.ms += DAY;
        log.behave(1, 1, 8);
    }
    let before = log.score(1);
    let mut body = offer(1, Some(1), (1, 4), &["payroll:*"]);
    body.limits.expires_at = log.ms + HOUR;
    assert_eq!(log.must(By::Agent(1), give(body)).flags, ["grant_exceeded"]);
    assert!(log.score(1) < before, "{:?} is not below {before:?}", log.score(1));
    assert_eq!(grant(&log, 1).standing, GrantStanding::Void);
}

/// What is refused and not logged.
#[test]
fn offers_that_make_no_sense() {
    let mut log = Log::new();
    let root = log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
    let child = || {
        let mut child = offer(2, Some(2), (1, 4), &["invoice:pay"]);
        (child.parent, child.hops) = (Some(root.hash), 1);
        child
    };
    let mut try_with = |by: By, change: &dyn Fn(&mut DelegationOffer)| {
        let mut body = child();
        change(&mut body);
        log.say(by, give(body)).map(|said| said.index)
    };
    let agent_2 = By::Agent(2);
    assert_eq!(try_with(agent_2, &|c| c.grant = deleg(1)), Err("grant_exists"));
    assert_eq!(try_with(agent_2, &|c| c.parent = Some(RecordHash([7; 32]))), Err("grant_unknown"), "gap");
    assert_eq!(try_with(By::Agent(1), &|c| c.from = Some(agent(1))), Err("grant_unknown"), "spliced");
    assert_eq!(try_with(By::Tenant(1), &|_| {}), Err("key_not_valid"), "the tenant signs for the agent");
    assert_eq!(try_with(agent_2, &|c| c.to.agent = agent(2)), Err("delegation_cycle"), "to itself");
    assert_eq!(try_with(agent_2, &|c| c.to.kid = key(9).kid()), Err("key_not_valid"), "key swap");
    assert_eq!(try_with(agent_2, &|c| c.limits.expires_at = START_MS), Err("expires_too_soon"));
    assert_eq!(try_with(agent_2, &|c| c.limits.expires_at = START_MS + 366 * DAY), Err("expires_too_late"));
    assert_eq!(try_with(agent_2, &|c| c.to.agent = agent(9)), Err("agent_unknown"));
    assert_eq!(try_with(agent_2, &|c| c.to.tenant = TenantId(tenant(2).0)), Err("agent_of_other_tenant"));
    assert_eq!(
        try_with(agent_2, &|c| (c.to.tenant, c.to.agent, c.to.kid) =
            (TenantId(tenant(2).0), agent(3), key(3).kid())),
        Err("agreement_unknown"),
        "across tenants without an agreement"
    );
    assert_eq!(try_with(agent_2, &|c| c.agreement = Some(RecordHash([1; 32]))), Err("agreement_unknown"));
    assert!(try_with(agent_2, &|_| {}).is_ok());
    // A cycle over a link: back to whoever gave it.
    let second = ledger_state::grant(&log.state, deleg(2)).unwrap();
    let mut back = offer(3, Some(4), (1, 2), &["invoice:pay"]);
    (back.parent, back.hops) = (Some(second.offer), 0);
    assert_eq!(log.say(By::Agent(4), give(back)).err(), Some("delegation_cycle"));
}

#[test]
fn the_key_that_a_link_grants_to_signs_the_next_one() {
    let mut log = Log::new();
    let root = log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
    let rotation = rotate(500, 2, 2, 50).sign(&key(2));
    index(&one(&mut log.state, &rotation));
    let mut child = offer(2, Some(2), (1, 4), &["invoice:pay"]);
    (child.parent, child.hops) = (Some(root.hash), 1);
    assert_eq!(log.say(By::AgentWithKey(2, 50), give(child.clone())).err(), Some("key_not_valid"));
    assert_eq!(
        log.say(By::AgentWithKey(2, 2), give(child)).err(),
        Some("key_not_valid"),
        "the old key is over"
    );
    let body = Body::ReceiptAction(ledger_format::record::ReceiptAction {
        grant: Some(deleg(1)),
        ..action_body(2, "invoice:pay")
    });
    assert_eq!(log.must(By::AgentWithKey(2, 50), body).flags, ["grant_unknown"]);
}

#[test]
fn across_tenants_a_grant_needs_agreement_and_acceptance() {
    let mut log = Log::new();
    let agreed = log.agree(0, &["invoice:read"]);
    let mut body = offer(1, Some(1), (2, 3), &["invoice:read"]);
    body.agreement = Some(agreed);
    let offered = log.must(By::Agent(1), give(body.clone()));
    assert_eq!(log.act(3, "invoice:read", Some(1)), ["grant_ended"], "not accepted yet");
    assert_eq!(log.say(By::Agent(5), take(1, 5, offered.hash)).err(), Some("grant_unknown"));
    assert_eq!(log.say(By::Agent(3), take(1, 3, RecordHash([0; 32]))).err(), Some("offer_mismatch"));
    log.must(By::Agent(3), take(1, 3, offered.hash));
    assert_eq!(log.say(By::Agent(3), take(1, 3, offered.hash)).err(), Some("grant_accepted"));
    assert_eq!(log.act(3, "invoice:read", Some(1)), Vec::<&str>::new());
    // Beyond the agreement.
    let mut wide = offer(2, Some(1), (2, 3), &["invoice:pay"]);
    wide.agreement = Some(agreed);
    assert_eq!(log.must(By::Agent(1), give(wide)).flags, ["grant_exceeded"]);
    let mut long = offer(3, Some(1), (2, 3), &["invoice:read"]);
    (long.agreement, long.limits.expires_at) = (Some(agreed), START_MS + 2 * HOUR);
    assert_eq!(log.say(By::Agent(1), give(long)).err(), Some("expires_too_late"));
    // The agreement ends while the grant lives.
    let end = FederationEnd { agreement: agreed, on_behalf_of: None, reason: "over".into() };
    assert_eq!(
        log.say(
            By::Tenant(1),
            Body::FederationEnd(Box::new(FederationEnd { agreement: RecordHash([3; 32]), ..end.clone() }))
        )
        .err(),
        Some("agreement_unknown")
    );
    log.must(By::Tenant(2), Body::FederationEnd(Box::new(end.clone())));
    assert_eq!(log.say(By::Tenant(1), Body::FederationEnd(Box::new(end))).err(), Some("agreement_ended"));
    assert_eq!(log.act(3, "invoice:read", Some(1)), ["grant_ended"]);
    (body.grant, body.limits.expires_at) = (deleg(4), START_MS + MINUTE);
    assert_eq!(log.say(By::Agent(1), give(body)).err(), Some("agreement_ended"));
}

#[test]
fn an_agreement_says_how_far_a_grant_may_go_on() {
    let mut log = Log::new();
    let agreed = log.agree(0, &["invoice:read"]);
    let mut body = offer(1, Some(1), (2, 3), &["invoice:read"]);
    body.agreement = Some(agreed);
    let offered = log.must(By::Agent(1), give(body));
    log.must(By::Agent(3), take(1, 3, offered.hash));
    let onward = |log: &mut Log, agreement| {
        let mut on = offer(2, Some(3), (1, 4), &["invoice:read"]);
        (on.parent, on.hops, on.agreement) = (Some(offered.hash), 1, Some(agreement));
        log.say(By::Agent(3), give(on))
    };
    assert_eq!(onward(&mut log, agreed).err(), Some("too_deep"), "the first agreement lets it go no further");
}

#[test]
fn an_offer_lapses_and_a_receiver_may_refuse() {
    let mut log = Log::new();
    let agreed = log.agree(0, &["invoice:read"]);
    let mut body = offer(1, Some(1), (1, 4), &["invoice:read"]);
    body.limits.expires_at = START_MS + 30 * DAY;
    let offered = log.must(By::Agent(1), give(body));
    log.ms += DAY;
    assert_eq!(log.say(By::Agent(4), take(1, 4, offered.hash)).err(), Some("offer_lapsed"));
    let mut body = offer(2, Some(1), (2, 3), &["invoice:read"]);
    (body.agreement, body.limits.expires_at) = (Some(agreed), log.ms + MINUTE);
    let offered = log.must(By::Agent(1), give(body));
    let no = DelegationReject {
        agent: agent(3),
        grant: deleg(2),
        offer: offered.hash,
        on_behalf_of: None,
        reason: "unspecified".into(),
    };
    log.must(By::Agent(3), Body::DelegationReject(Box::new(no.clone())));
    assert_eq!(grant(&log, 2).standing, GrantStanding::Rejected);
    assert_eq!(log.say(By::Agent(3), Body::DelegationReject(Box::new(no))).err(), Some("grant_ended"));
    assert_eq!(log.say(By::Agent(3), take(2, 3, offered.hash)).err(), Some("grant_ended"));
}

#[test]
fn revocation_holds_from_its_index_for_everything_below() {
    let mut log = Log::new();
    chain_of_two(&mut log, |_| {}).unwrap();
    assert_eq!(log.act(4, "invoice:pay", Some(2)), Vec::<&str>::new());
    for stranger in [By::Agent(1), By::Agent(3), By::Agent(4), By::Tenant(2)] {
        assert_eq!(log.say(stranger, take_back(2)).err(), Some("not_yours_to_revoke"), "{stranger:?}");
    }
    log.must(By::Tenant(1), take_back(1));
    assert_eq!(log.act(4, "invoice:pay", Some(2)), ["grant_ended"], "the parent is revoked");
    assert_eq!(grant(&log, 2).standing, GrantStanding::Offered, "nothing was written into the child");
    assert_eq!(log.say(By::Tenant(1), take_back(1)).err(), Some("grant_ended"));
    log.must(By::Agent(2), take_back(2));
    assert_eq!(log.say(By::Agent(2), take_back(9)).err(), Some("grant_unknown"));
}

#[test]
fn whoever_ends_on_the_path_ends_the_path() {
    type End = fn(&mut Log);
    let ends: &[(&str, End)] = &[
        ("the agent between is killed", |log| drop(run(&mut log.state, &[kill(600, 2, false)]))),
        ("it is suspended", |log| drop(run(&mut log.state, &[suspend(600, 2)]))),
        ("its tenant is suspended", |log| {
            let body = TenantSuspend { on_behalf_of: Some("desk".into()), reason: "unpaid".into() };
            log.must(By::Operator(1), Body::TenantSuspend(Box::new(body)));
        }),
    ];
    for (what, end) in ends {
        let mut log = Log::new();
        chain_of_two(&mut log, |_| {}).unwrap();
        end(&mut log);
        let flags = log.act(4, "invoice:pay", Some(2));
        assert!(flags.contains(&"grant_ended"), "{what}: {flags:?}");
    }
}

#[test]
fn calls_are_counted_over_all_children_together() {
    let mut log = Log::new();
    let mut root = offer(1, None, (1, 2), &["invoice:*"]);
    (root.limits.calls, root.limits.window_s) = (Some(3), Some(60));
    let (bounds, root) = (root.limits.clone(), log.must(By::Tenant(1), give(root)));
    // Two children, each with all that the parent has: together they have no more.
    for (number, to) in [(2, 4), (3, 1)] {
        let mut child = offer(number, Some(2), (1, to), &["invoice:pay"]);
        (child.parent, child.hops, child.limits) = (Some(root.hash), 1, bounds.clone());
        log.must(By::Agent(2), give(child));
    }
    assert_eq!(log.act(4, "invoice:pay", Some(2)), Vec::<&str>::new());
    assert_eq!(log.act(1, "invoice:pay", Some(3)), Vec::<&str>::new());
    assert_eq!(log.act(4, "invoice:pay", Some(2)), Vec::<&str>::new());
    assert_eq!(log.act(1, "invoice:pay", Some(3)), ["grant_exceeded"]);
    log.ms += MINUTE;
    assert_eq!(log.act(1, "invoice:pay", Some(3)), Vec::<&str>::new(), "the next window");
}

#[test]
fn trust_in_the_receiver_is_capped_by_trust_in_the_grantor() {
    let mut log = Log::new();
    for _ in 0..30 {
        log.ms += DAY;
        log.behave(2, 3, 8);
    }
    let before = log.score(3).unwrap();
    let agreed = log.agree(0, &["invoice:read"]);
    let mut body = offer(1, Some(1), (2, 3), &["invoice:read"]);
    (body.agreement, body.limits.expires_at) = (Some(agreed), log.ms + MINUTE);
    let offered = log.must(By::Agent(1), give(body));
    log.must(By::Agent(3), take(1, 3, offered.hash));
    // An unscored grantor counts as 50.00, across tenants times 0.8.
    assert_eq!((before > 4_000, log.score(3)), (true, Some(4_000)));
}

#[test]
fn an_agent_of_the_type_delegated_acts_under_grants_only() {
    let mut log = Log::new();
    let mut body = agent_body(6, None);
    body.agent_type = AgentType::Delegated;
    log.must(By::Tenant(1), Body::AgentRegister(Box::new(body)));
    assert_eq!(log.act(6, "invoice:pay", None), ["no_grant"]);
    log.must(By::Tenant(1), give(offer(1, None, (1, 6), &["invoice:pay"])));
    assert_eq!(log.act(6, "invoice:pay", Some(1)), Vec::<&str>::new());
}

#[test]
fn a_grant_of_another_log_is_taken_with_its_offer() {
    let other = "ledger.example/other";
    // The other log's tenant 7 grants to our agent 3 of tenant 2.
    let mut body = offer(1, None, (2, 3), &["invoice:read"]);
    body.to.origin = Some(ORIGIN.into());
    body.agreement = Some(RecordHash([5; 32]));
    let offered = by_tenant(7, 77, give(body.clone()));
    let mut log = Log::new();
    let mut agreed = agreement(2, 7, 0, &["invoice:*"], START_MS + DAY);
    agreed.origin = Some(other.into());
    agreed.sign_as_peer(tenant(2).0, &tenant(7).1);
    let agreed = log.must(By::Tenant(2), Body::FederationAgree(Box::new(agreed))).hash;
    let accept = |foreign: &ledger_format::record::Record| DelegationAccept {
        agent: agent(3),
        agreement: Some(agreed),
        foreign: Some(String::from_utf8(foreign.to_bytes()).unwrap()),
        foreign_origin: Some(other.into()),
        grant: deleg(1),
        offer: foreign.hash(),
        on_behalf_of: None,
    };
    let take = |body: DelegationAccept| Body::DelegationAccept(Box::new(body));
    let good = accept(&offered);
    let refusals = [
        (DelegationAccept { offer: RecordHash([0; 32]), ..good.clone() }, "offer_mismatch"),
        (DelegationAccept { grant: deleg(2), ..good.clone() }, "offer_mismatch"),
        (
            DelegationAccept { foreign_origin: Some("ledger.example/third".into()), ..good.clone() },
            "agreement_unknown",
        ),
        (DelegationAccept { foreign_origin: Some(ORIGIN.into()), ..good.clone() }, "offer_mismatch"),
        (DelegationAccept { agreement: Some(RecordHash([9; 32])), ..good.clone() }, "agreement_unknown"),
        (DelegationAccept { foreign: Some("{}".into()), ..good.clone() }, "offer_mismatch"),
        (accept(&by_tenant(8, 77, give(body.clone()))), "agreement_unknown"),
        (accept(&receipt(1, 9, 1, "invoice:read")), "offer_mismatch"),
    ];
    for (body, want) in refusals {
        assert_eq!(log.say(By::Agent(3), take(body)).err(), Some(want));
    }
    assert_eq!(
        log.say(By::Agent(5), take(DelegationAccept { agent: agent(5), ..good.clone() })).err(),
        Some("offer_mismatch")
    );
    // Another key of that tenant than the one that the agreement names.
    let forged = ledger_format::record::Draft::new(tenant(7).0, id(78), Actor::Tenant, START_MS, give(body))
        .sign(&key(66));
    assert_eq!(log.say(By::Agent(3), take(accept(&forged))).err(), Some("offer_mismatch"));
    log.must(By::Agent(3), take(good));
    assert_eq!(log.act(3, "invoice:read", Some(1)), Vec::<&str>::new());
    assert_eq!(log.act(3, "invoice:pay", Some(1)), ["out_of_scope"]);
    log.must(By::Tenant(2), take_back(1));
    assert_eq!(log.act(3, "invoice:read", Some(1)), ["grant_ended"]);
}
