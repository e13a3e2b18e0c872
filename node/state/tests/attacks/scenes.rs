//! Attacks on the log's own judgement, as sequences of records. What each record must meet is written here by hand.

use ledger_format::record::{
    Approval, ApprovalVerdict, Body, DelegationAccept, DelegationOffer, DelegationRevoke, FederationEnd,
    ReceiptAction, ReceiptId, RecordHash, ScopeDefine,
};

use crate::world::{speak::*, *};

/// A name from the list of attacks, what happens, and how.
pub(crate) type Scene = (&'static str, &'static str, fn(&mut Log));

/// Every attack that a log meets and a verifier of files does not, or that both meet.
pub(crate) const SCENES: &[Scene] = &[
    ("superset child", "more scopes than its parent", |log| {
        handed_on(log, |child| child.scopes = scopes(&["invoice:*", "order:read"]));
    }),
    ("wildcard smuggled", "everything, below a root of less", |log| {
        handed_on(log, |child| child.scopes = scopes(&["*:*"]));
    }),
    ("deny dropped", "a child that does not repeat a deny", |log| {
        let root = log.must(By::Tenant(1), give(bounded()));
        let mut child = child_of(root.hash);
        child.limits = bounded().limits;
        exceeds(log, child);
    }),
    ("limits reset by re-delegating", "a child without its parent's bounds", |log| {
        let root = log.must(By::Tenant(1), give(bounded()));
        let mut child = child_of(root.hash);
        child.deny = bounded().deny;
        exceeds(log, child);
    }),
    (
        "parallel children exceeding the parent's budget",
        "two children share the parent's three calls",
        budget,
    ),
    ("gap", "a parent that is not there", |log| {
        log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
        refused(log, By::Agent(2), give(child_of(RecordHash([7; 32]))), "grant_unknown");
    }),
    ("spliced from two valid chains", "another agent hands on what it was not given", |log| {
        let root = log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
        let spliced = DelegationOffer { from: Some(agent(1)), ..child_of(root.hash) };
        refused(log, By::Agent(1), give(spliced), "grant_unknown");
    }),
    ("key swap at a link", "handed on with another key than the one that it was granted to", |log| {
        let root = log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
        refused(log, By::AgentWithKey(2, 50), give(child_of(root.hash)), "key_not_valid");
    }),
    ("hops not decreasing", "as many hops left as the parent has", |log| {
        handed_on(log, |child| child.hops = 2)
    }),
    ("cycle", "back to an agent above", |log| {
        let root = log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
        let child = log.must(By::Agent(2), give(child_of(root.hash)));
        let mut back = offer(3, Some(4), (1, 2), &["invoice:pay"]);
        (back.parent, back.hops) = (Some(child.hash), 0);
        refused(log, By::Agent(4), give(back), "delegation_cycle");
    }),
    ("self-delegation to refresh expiry", "to itself", |log| {
        let root = log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
        let mut own = child_of(root.hash);
        (own.to.agent, own.to.kid) = (agent(2), key(2).kid());
        refused(log, By::Agent(2), give(own), "delegation_cycle");
    }),
    ("callee reuses the caller's grant upstream", "an agent acts under the grant above its own", |log| {
        let root = log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
        log.must(By::Agent(2), give(child_of(root.hash)));
        acts(log, 4, "invoice:pay", Some(2), &[]);
        acts(log, 4, "invoice:pay", Some(1), &["grant_unknown"]);
    }),
    ("token for A shown to B", "an agent acts under a grant to another", |log| {
        log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
        acts(log, 1, "invoice:pay", Some(1), &["grant_unknown"]);
    }),
    ("tenant header differs from the credential's tenant", "an agent's record under another tenant", |log| {
        let record = receipt(2, 900, 1, "invoice:pay");
        assert_eq!(log.hear(&record).err(), Some("agent_of_other_tenant"));
    }),
    ("resource of another tenant", "one tenant ends the agent of another, and its grant", |log| {
        assert_eq!(log.hear(&revoke(2, 900, 1, true)).err(), Some("agent_of_other_tenant"));
        log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
        refused(log, By::Tenant(2), take_back(1), "not_yours_to_revoke");
        acts(log, 2, "invoice:pay", Some(1), &[]);
    }),
    ("approval for X used for Y", "an approval of reading shown for paying", |log| {
        let said = approvals(log, "invoice:read");
        acts_approved(log, said.id, &["no_approval"]);
    }),
    ("receipt shown as an approval", "an earlier receipt in the place of an approval", |log| {
        approvals(log, "invoice:read");
        let said = log.must(By::Agent(6), Body::ReceiptAction(action_body(6, "invoice:read")));
        acts_approved(log, said.id, &["no_approval"]);
    }),
    ("use between commit and checkpoint", "the entry behind a revocation, before any checkpoint", |log| {
        log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
        acts(log, 2, "invoice:pay", Some(1), &[]);
        log.must(By::Tenant(1), take_back(1));
        acts(log, 2, "invoice:pay", Some(1), &["grant_ended"]);
    }),
    ("revocation by a stranger", "a receiver, agents and tenants beside the path", |log| {
        let root = log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
        log.must(By::Agent(2), give(child_of(root.hash)));
        for stranger in [By::Agent(1), By::Agent(3), By::Agent(4), By::Tenant(2)] {
            refused(log, stranger, take_back(2), "not_yours_to_revoke");
        }
        acts(log, 4, "invoice:pay", Some(2), &[]);
    }),
    ("back-dated at with a stolen key", "a rotated key, and a time from before", |log| {
        log.hear(&rotate(900, 1, 1, 50).sign(&key(1))).expect("a rotation");
        log.ms += HOUR;
        let mut draft = receipt_draft(1, 901, 1, "invoice:pay");
        draft.at = START_MS - HOUR;
        assert_eq!(log.hear(&draft.sign(&key(1))).err(), Some("key_not_valid"));
    }),
    ("revoke then rotate", "a revoked agent takes a new key", |log| {
        log.hear(&revoke(1, 900, 1, true)).expect("a revocation");
        assert_eq!(log.hear(&rotate(901, 1, 1, 50).sign(&key(1))).err(), Some("agent_revoked"));
    }),
    ("killed agent re-registers", "the same id again", |log| {
        log.hear(&kill(900, 1, true)).expect("a kill");
        refused(log, By::Tenant(1), Body::AgentRegister(Box::new(agent_body(1, None))), "agent_exists");
    }),
    ("in-flight session", "a session goes on after the kill of its agent", |log| {
        log.hear(&open(900, 1, 2, 5, "invoice:*")).expect("a session");
        log.hear(&kill(901, 1, true)).expect("the agent above it is killed");
        assert_eq!(log.hear(&refresh(902, 1, 2, 5)).err(), Some("session_ended"));
        let body = ReceiptAction { session: Some(session(1)), ..action_body(2, "invoice:pay") };
        refused(log, By::Agent(2), Body::ReceiptAction(body), "agent_revoked");
    }),
    ("agreement ended while the grant lives", "an action under the grant, afterwards", |log| {
        let (agreed, _) = across(log);
        let end = FederationEnd { agreement: agreed, on_behalf_of: None, reason: "over".into() };
        log.must(By::Tenant(2), Body::FederationEnd(Box::new(end)));
        acts(log, 3, "invoice:read", Some(1), &["grant_ended"]);
    }),
    ("third-tenant hop", "handed on beyond the agreement", |log| {
        let (agreed, root) = across(log);
        let mut on = offer(2, Some(3), (1, 4), &["invoice:read"]);
        (on.parent, on.hops, on.agreement) = (Some(root), 1, Some(agreed));
        refused(log, By::Agent(3), give(on), "too_deep");
    }),
];

fn give(offer: DelegationOffer) -> Body {
    Body::DelegationOffer(Box::new(offer))
}

fn take_back(number: u8) -> Body {
    let body = DelegationRevoke { grant: deleg(number), on_behalf_of: None, reason: "over".into() };
    Body::DelegationRevoke(Box::new(body))
}

/// Grant 2: what agent 2 hands on to agent 4 of the grant in that record.
fn child_of(parent: RecordHash) -> DelegationOffer {
    DelegationOffer { parent: Some(parent), hops: 1, ..offer(2, Some(2), (1, 4), &["invoice:pay"]) }
}

/// Grant 1, with a deny and bounds.
fn bounded() -> DelegationOffer {
    let mut root = offer(1, None, (1, 2), &["invoice:*"]);
    root.deny = scopes(&["invoice:delete"]);
    (root.limits.calls, root.limits.window_s) = (Some(3), Some(60));
    root
}

#[track_caller]
fn refused(log: &mut Log, by: By, body: Body, code: &'static str) {
    assert_eq!(log.say(by, body).err(), Some(code), "{by:?}");
}

#[track_caller]
fn acts(log: &mut Log, number: u8, action: &str, grant: Option<u8>, flags: &[&str]) {
    assert_eq!(log.act(number, action, grant), flags);
}

/// An offer that is logged, flagged, and worth nothing.
#[track_caller]
fn exceeds(log: &mut Log, child: DelegationOffer) {
    assert_eq!(log.must(By::Agent(2), give(child)).flags, ["grant_exceeded"]);
    acts(log, 4, "invoice:pay", Some(2), &["grant_ended"]);
}

#[track_caller]
fn handed_on(log: &mut Log, change: fn(&mut DelegationOffer)) {
    let root = log.must(By::Tenant(1), give(offer(1, None, (1, 2), &["invoice:*"])));
    let mut child = child_of(root.hash);
    change(&mut child);
    exceeds(log, child);
}

fn budget(log: &mut Log) {
    let mut root = bounded();
    root.deny = Vec::new();
    let (bounds, root) = (root.limits.clone(), log.must(By::Tenant(1), give(root)));
    for (number, to) in [(2, 4), (3, 1)] {
        let mut child = offer(number, Some(2), (1, to), &["invoice:pay"]);
        (child.parent, child.hops, child.limits) = (Some(root.hash), 1, bounds.clone());
        log.must(By::Agent(2), give(child));
    }
    for (number, grant) in [(4, 2), (1, 3), (4, 2)] {
        acts(log, number, "invoice:pay", Some(grant), &[]);
    }
    acts(log, 1, "invoice:pay", Some(3), &["grant_exceeded"]);
}

/// A supervised agent 6, a critical scope, and an approval of one action: what approves it.
fn approvals(log: &mut Log, action: &str) -> Said {
    let mut body = agent_body(6, None);
    body.agent_type = ledger_format::record::AgentType::Supervised;
    log.must(By::Tenant(1), Body::AgentRegister(Box::new(body)));
    let define =
        ScopeDefine { critical: true, description: None, on_behalf_of: None, scope: scope("invoice:pay") };
    log.must(By::Tenant(1), Body::ScopeDefine(Box::new(define)));
    let approval = Approval {
        action: scope(action),
        agent: agent(6),
        decision: None,
        expires_at: log.ms + HOUR,
        on_behalf_of: None,
        uses: 1,
        verdict: ApprovalVerdict::Approved,
    };
    log.must(By::Tenant(1), Body::Approval(Box::new(approval)))
}

#[track_caller]
fn acts_approved(log: &mut Log, shown: ledger_format::record::Ulid, flags: &[&str]) {
    let body = ReceiptAction { approval: Some(ReceiptId(shown)), ..action_body(6, "invoice:pay") };
    assert_eq!(log.must(By::Agent(6), Body::ReceiptAction(body)).flags, flags);
}

/// Grant 1 goes from agent 1 to agent 3 of the other tenant and is used; the agreement, and the grant's record.
fn across(log: &mut Log) -> (RecordHash, RecordHash) {
    let agreed = log.agree(0, &["invoice:read"]);
    let body = DelegationOffer { agreement: Some(agreed), ..offer(1, Some(1), (2, 3), &["invoice:read"]) };
    let offered = log.must(By::Agent(1), give(body));
    let accept = DelegationAccept {
        agent: agent(3),
        agreement: None,
        foreign: None,
        foreign_origin: None,
        grant: deleg(1),
        offer: offered.hash,
        on_behalf_of: None,
    };
    log.must(By::Agent(3), Body::DelegationAccept(Box::new(accept)));
    acts(log, 3, "invoice:read", Some(1), &[]);
    (agreed, offered.hash)
}
