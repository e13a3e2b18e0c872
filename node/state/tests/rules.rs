//! The admission rules, one by one: what is logged, what is logged and flagged, what is refused and why.

mod world;

use ledger_format::record::SigningKey;
use ledger_format::record::{
    Actor, AgentRegister, Body, Draft, GenesisLimits, Plan, Record, TenantRegister, Ulid,
};
use ledger_state::{AgentStatus, Command, Flags, MemoryState, Outcome, Private};
use world::*;

fn register(number: u8, parent: Option<u8>, change: impl FnOnce(&mut AgentRegister)) -> Record {
    let mut body = agent_body(number, parent);
    change(&mut body);
    by_tenant(1, 5_000 + u64::from(number), Body::AgentRegister(Box::new(body)))
}

/// A node that was given the places of records before it applies them, and applies them after all.
#[test]
fn what_is_known_of_records_to_come_changes_nothing() {
    let (mut ahead, mut plain) = (populated(), populated());
    let records = [receipt(1, 700, 1, "invoice:pay"), receipt(1, 701, 2, "invoice:read")];
    let applied = plain.apply(&append(&records));
    let mut values = ahead.values().clone();
    for (index, entry) in (ahead.leaves().len() as u64..).zip(&applied.entries) {
        values.extend(ledger_state::record_index(index, &entry.bytes));
    }
    assert!(values.len() > ahead.values().len());
    ahead = MemoryState::from_parts(values, ahead.leaves().to_vec());
    assert_eq!(ahead.apply(&append(&records)).entries, applied.entries);
    assert_eq!(ahead, plain);
}

#[test]
fn the_first_entry_is_the_genesis_and_only_the_first() {
    let mut state = MemoryState::new();
    assert_eq!(code(&one(&mut state, &register_tenant(1))), "no_genesis");
    assert_eq!(index(&one(&mut state, &genesis())), 0);
    let second = genesis_with(GenesisLimits { agent_depth: 1, ..GenesisLimits::default() });
    assert_eq!(code(&one(&mut state, &second)), "id_conflict");
    let mut draft_with_other_id = second;
    draft_with_other_id.id = id(77);
    assert_eq!(code(&one(&mut state, &draft_with_other_id)), "genesis_exists");
    assert_eq!(ledger_state::genesis(&state).map(|g| g.origin), Some(ORIGIN.into()));
}

#[test]
fn the_same_record_gets_its_first_index_back_and_another_one_is_a_conflict() {
    let mut state = populated();
    let receipt = world::receipt(1, 100, 1, "invoice:approve");
    let first = one(&mut state, &receipt);
    let Outcome::Sequenced { index, leaf, log_ms, duplicate: false } = first else { panic!("{first:?}") };
    let size = ledger_state::status(&state).size;

    let later = state.run(&append_at(START_MS + 9_999, &[receipt.clone(), receipt.clone()])).unwrap();
    assert_eq!(later, vec![Outcome::Sequenced { index, leaf, log_ms, duplicate: true }; 2]);
    assert_eq!(ledger_state::status(&state).size, size, "a duplicate adds no entry");

    let other = world::receipt(1, 100, 1, "invoice:reject");
    assert_eq!(code(&one(&mut state, &other)), "id_conflict");
    // Ids are unique within a tenant, not across tenants.
    let of_other_tenant = by_tenant(2, 100, Body::AgentRegister(Box::new(agent_body(9, None))));
    assert!(matches!(one(&mut state, &of_other_tenant), Outcome::Sequenced { duplicate: false, .. }));
}

#[test]
fn time_never_runs_back() {
    let mut state = populated();
    let times: Vec<u64> = [START_MS + 50, START_MS, u64::MAX, 5]
        .into_iter()
        .zip(200..)
        .map(|(at, number)| {
            let outcomes = state.run(&append_at(at, &[receipt(1, number, 1, "invoice:pay")])).unwrap();
            let Outcome::Sequenced { log_ms, .. } = outcomes[0] else { panic!("{outcomes:?}") };
            log_ms
        })
        .collect();
    let max = ledger_format::record::json::INTEGER_MAX;
    assert_eq!(times, [START_MS + 50, START_MS + 50, max, max]);
}

#[test]
fn a_seal_without_a_change_advances_time_only() {
    let mut state = populated();
    assert!(matches!(
        state.run(&Command::Seal { log_ms: START_MS }).unwrap()[..],
        [Outcome::Sequenced { .. }]
    ));
    let before = ledger_state::status(&state);
    assert_eq!(state.run(&Command::Seal { log_ms: START_MS + 7 }), Ok(vec![Outcome::Done]));
    let after = ledger_state::status(&state);
    assert_eq!((after.size, after.root, after.log_ms), (before.size, before.root, START_MS + 7));
    assert_eq!(after.last_entry_ms, before.last_entry_ms);
}

#[test]
fn malformed_records_are_refused_with_the_field() {
    let mut state = populated();
    let bytes = receipt(1, 100, 1, "invoice:approve").to_bytes();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let cases = [
        (text.replace("invoice:approve", "invoice:*"), "body.action"),
        (text.replace("\"v\":1", "\"v\":2"), "v"),
        (text.replace(",\"at\":", ", \"at\":"), ""),
        (text.replace("receipt.action", "receipt.unheard"), "type"),
        ("[]".into(), ""),
    ];
    for (text, field) in cases {
        let outcomes =
            state.run(&Command::Append { log_ms: 0, records: vec![text.clone().into_bytes()] }).unwrap();
        assert_eq!(code(&outcomes[0]), "malformed", "{text}");
        let Outcome::Rejected(rejection) = &outcomes[0] else { unreachable!() };
        assert_eq!(rejection.field, field, "{rejection}");
    }
    let huge = vec![b' '; 70_000];
    let outcomes = state.run(&Command::Append { log_ms: 0, records: vec![huge] }).unwrap();
    assert_eq!(code(&outcomes[0]), "too_large");
}

#[test]
fn the_genesis_bounds_the_log() {
    let limits = GenesisLimits { agent_depth: 1, agent_descendants: 2, agent_scopes: 2, record_bytes: 4_096 };
    let mut state = MemoryState::new();
    run(&mut state, &[genesis_with(limits), register_tenant(1), register_agent(1, 2, 1, None)]);
    assert_eq!(index(&one(&mut state, &register(2, Some(1), |_| {}))), 3);
    assert_eq!(code(&one(&mut state, &register(3, Some(2), |_| {}))), "too_deep");
    assert_eq!(index(&one(&mut state, &register(4, Some(1), |_| {}))), 4);
    assert_eq!(code(&one(&mut state, &register(5, Some(1), |_| {}))), "too_many_descendants");
    let three = register(6, None, |b| b.scopes = scopes(&["a:a", "a:b", "a:c"]));
    assert_eq!(code(&one(&mut state, &three)), "too_many_scopes");
    let long = register(7, None, |b| b.name = "n".repeat(100));
    let mut draft = receipt_draft(1, 900, 1, "invoice:pay");
    if let Body::ReceiptAction(body) = &mut draft.body {
        let text = ledger_format::record::DetailValue::Text("x".repeat(256));
        body.detail = (0..16).map(|i| (format!("k{i:02}"), text.clone())).collect();
    }
    assert_eq!(code(&one(&mut state, &draft.sign(&key(1)))), "too_large");
    assert_eq!(index(&one(&mut state, &long)), 5);
}

#[test]
fn tenants() {
    let mut state = populated();
    let mut again = register_tenant(1);
    again.id = id(50);
    assert_eq!(code(&one(&mut state, &again)), "tenant_exists");

    // Registered by the operator without a key: only the operator acts for it.
    let other = Ulid::from_parts(START_MS, 999);
    let body = TenantRegister {
        key: None,
        name: "Without key".into(),
        on_behalf_of: Some("apikey-7".into()),
        plan: Some(Plan::Enterprise),
    };
    let record =
        Draft::new(other, id(1), Actor::Operator, START_MS, Body::TenantRegister(body)).sign(&operator());
    index(&one(&mut state, &record));
    assert_eq!(ledger_state::tenant(&state, other).map(|t| (t.plan, t.key)), Some((Plan::Enterprise, None)));
    let register = |actor, on_behalf_of: Option<&str>, key: SigningKey| {
        let mut body = agent_body(30, None);
        body.on_behalf_of = on_behalf_of.map(str::to_owned);
        Draft::new(other, id(2), actor, START_MS, Body::AgentRegister(Box::new(body))).sign(&key)
    };
    assert_eq!(code(&one(&mut state, &register(Actor::Tenant, None, key(1)))), "tenant_without_key");
    index(&one(&mut state, &register(Actor::Operator, Some("apikey-7"), operator())));
    let stranger = Draft { tenant: Ulid(77), ..receipt_draft(1, 9, 1, "invoice:pay") }.sign(&key(1));
    assert_eq!(code(&one(&mut state, &stranger)), "agent_of_other_tenant");
    let nobody = by_tenant(9, 1, Body::AgentRegister(Box::new(agent_body(31, None))));
    assert_eq!(code(&one(&mut state, &nobody)), "tenant_unknown");
}

#[test]
fn a_child_may_do_no_more_than_its_parent() {
    let mut state = populated();
    let parent = register(10, None, |b| {
        b.scopes = scopes(&["invoice:*", "order:read"]);
        b.denies = scopes(&["invoice:delete"]);
    });
    index(&one(&mut state, &parent));
    let child = |number, wanted: &[&str], denied: &[&str]| {
        register(number, Some(10), |b| (b.scopes, b.denies) = (scopes(wanted), scopes(denied)))
    };
    assert_eq!(
        code(&one(&mut state, &child(11, &["order:write"], &["invoice:delete"]))),
        "scope_exceeds_parent"
    );
    assert_eq!(code(&one(&mut state, &child(11, &["order:*"], &["invoice:delete"]))), "scope_exceeds_parent");
    assert_eq!(code(&one(&mut state, &child(11, &["*:*"], &["invoice:delete"]))), "scope_exceeds_parent");
    assert_eq!(code(&one(&mut state, &child(11, &["invoice:pay"], &[]))), "deny_dropped");
    assert_eq!(code(&one(&mut state, &child(11, &["invoice:pay"], &["invoice:pay"]))), "deny_dropped");
    index(&one(&mut state, &child(11, &["invoice:pay", "order:read"], &["invoice:*"])));

    // A root may have everything, and only a root.
    index(&one(&mut state, &register(12, None, |b| b.scopes = scopes(&["*:*"]))));
    assert_eq!(
        code(&one(&mut state, &register(13, Some(12), |b| b.scopes = scopes(&["*:*"])))),
        "scope_exceeds_parent"
    );
    assert_eq!(code(&one(&mut state, &register(10, None, |b| b.name = "again".into()))), "id_conflict");
    assert_eq!(code(&one(&mut state, &register(14, Some(99), |_| {}))), "agent_unknown");
    let foreign = by_tenant(2, 60, Body::AgentRegister(Box::new(agent_body(15, Some(1)))));
    assert_eq!(code(&one(&mut state, &foreign)), "agent_of_other_tenant");
    let taken = by_tenant(2, 61, Body::AgentRegister(Box::new(agent_body(1, None))));
    assert_eq!(code(&one(&mut state, &taken)), "agent_exists");
}

#[test]
fn evidence_is_never_refused_but_flagged() {
    let mut state = populated();
    index(&one(&mut state, &register(10, None, |b| b.denies = scopes(&["invoice:delete"]))));
    let cases = [
        ("invoice:pay", Flags::NONE),
        // The first harm brings trust below what the tenant watches.
        ("order:read", Flags::OUT_OF_SCOPE.with(Flags::TRUST_ALERT)),
        ("invoice:delete", Flags::DENIED),
    ];
    for (number, (action, want)) in (300..).zip(cases) {
        let at = index(&one(&mut state, &receipt(1, number, 10, action)));
        assert_eq!(ledger_state::flags(&state, at), want, "{action}");
    }
    let chain = ledger_state::chain(&state, agent(10));
    assert_eq!((chain.count, chain.flagged), (3, 2));
    assert_eq!(
        Flags::OUT_OF_SCOPE.with(Flags::DENIED).names().collect::<Vec<_>>(),
        ["out_of_scope", "denied"]
    );
}

#[test]
fn a_wrong_predecessor_is_flagged() {
    let mut state = populated();
    let first = receipt(1, 300, 1, "invoice:pay");
    index(&one(&mut state, &first));
    let mut next = receipt_draft(1, 301, 1, "invoice:pay");
    next.prev = Some(first.hash());
    let next = next.sign(&key(1));
    let at = index(&one(&mut state, &next));
    assert!(ledger_state::flags(&state, at).is_empty());
    let mut skipped = receipt_draft(1, 302, 1, "invoice:pay");
    skipped.prev = Some(first.hash());
    let at = index(&one(&mut state, &skipped.sign(&key(1))));
    assert_eq!(ledger_state::flags(&state, at), Flags::PREV_MISMATCH);
    assert_eq!(ledger_state::chain(&state, agent(1)).flagged, 1);
}

#[test]
fn the_chain_commits_to_every_receipt_in_order() {
    let mut state = populated();
    let receipts: Vec<_> = (300..305).map(|n| receipt(1, n, 1, "invoice:pay")).collect();
    let last = run(&mut state, &receipts).last().map(index);
    let mut head = ledger_format::Hash([0; 32]);
    for receipt in &receipts {
        head = ledger_format::node_hash(head, ledger_format::Hash(receipt.hash().0));
    }
    let chain = ledger_state::chain(&state, agent(1));
    assert_eq!((chain.count, chain.head, Some(chain.last)), (5, head.0, last));
    assert_eq!(chain.signed, Some(receipts[4].hash()));
}

#[test]
fn an_anchor_names_a_size_that_the_log_has_reached() {
    let mut state = populated();
    let size = ledger_state::status(&state).size;
    let anchored =
        |number, anchor| Draft { anchor: Some(anchor), ..receipt_draft(1, number, 1, "invoice:pay") };
    assert_eq!(code(&one(&mut state, &anchored(300, size + 1).sign(&key(1)))), "anchor_ahead");
    index(&one(&mut state, &anchored(300, size).sign(&key(1))));
}

#[test]
fn a_rotated_key_signs_up_to_its_rotation_and_the_new_one_after_it() {
    let mut state = populated();
    assert_eq!(code(&one(&mut state, &rotate(400, 1, 2, 50).sign(&key(1)))), "previous_key_wrong");
    assert_eq!(code(&one(&mut state, &rotate(400, 1, 1, 1).sign(&key(1)))), "key_reused");
    assert_eq!(code(&one(&mut state, &rotate(400, 1, 1, 50).sign(&key(50)))), "key_not_valid");
    let at = index(&one(&mut state, &rotate(400, 1, 1, 50).sign(&key(1))));

    let outcome = one(&mut state, &receipt(1, 401, 1, "invoice:pay"));
    assert_eq!(code(&outcome), "key_not_valid");
    let Outcome::Rejected(rejection) = outcome else { unreachable!() };
    assert!(rejection.message.contains(&format!("index {}", at + 1)), "{rejection}");
    index(&one(&mut state, &receipt_draft(1, 402, 1, "invoice:pay").sign(&key(50))));
    assert_eq!(code(&one(&mut state, &rotate(403, 1, 50, 1).sign(&key(50)))), "key_reused");

    let span = |number: u8| ledger_state::agent_key(&state, agent(1), key(number).kid()).unwrap();
    assert!(span(1).is_valid_at(at) && !span(1).is_valid_at(at + 1));
    assert!(!span(50).is_valid_at(at) && span(50).is_valid_at(at + 1));
    assert_eq!(span(50).previous, Some(key(1).kid()));
}

#[test]
fn rotation_in_the_same_batch_holds_for_the_records_after_it() {
    let mut state = populated();
    let batch = [
        receipt(1, 400, 1, "invoice:pay"),
        rotate(401, 1, 1, 50).sign(&key(1)),
        receipt(1, 402, 1, "invoice:pay"),
        receipt_draft(1, 403, 1, "invoice:pay").sign(&key(50)),
    ];
    let outcomes = state.run(&append(&batch)).unwrap();
    assert_eq!(code(&outcomes[2]), "key_not_valid");
    assert_eq!([index(&outcomes[0]), index(&outcomes[1]), index(&outcomes[3])], [5, 6, 7]);
}

#[test]
fn revocation_ends_the_agent_and_with_cascade_every_agent_below() {
    let mut state = populated();
    index(&one(&mut state, &register(3, Some(2), |_| {})));
    index(&one(&mut state, &register(4, Some(1), |_| {})));
    index(&one(&mut state, &register(5, None, |_| {})));

    // Without cascade, in the middle of the tree.
    let middle = index(&one(&mut state, &revoke(1, 500, 2, false)));
    assert_eq!(code(&one(&mut state, &revoke(1, 501, 2, false))), "agent_revoked");
    index(&one(&mut state, &receipt(1, 502, 3, "invoice:pay")));
    assert_eq!(code(&one(&mut state, &receipt(1, 503, 2, "invoice:pay"))), "agent_revoked");
    assert_eq!(code(&one(&mut state, &register(6, Some(2), |_| {}))), "agent_revoked");

    // With cascade, from the top: agent 2 keeps its own revocation, 1, 3 and 4 end here.
    let top = index(&one(&mut state, &revoke(1, 504, 1, true)));
    let revoked_at = |number| match ledger_state::agent(&state, agent(number)).unwrap().status {
        AgentStatus::Revoked { index, cause, .. } => Some((index, cause)),
        AgentStatus::Active | AgentStatus::Suspended { .. } => None,
    };
    let by_top = Some((top, agent(1)));
    assert_eq!([1, 2, 3, 4, 5].map(revoked_at), [by_top, Some((middle, agent(2))), by_top, by_top, None]);
    for number in [1, 3, 4] {
        let span = ledger_state::agent_key(&state, agent(number), key(number).kid()).unwrap();
        assert_eq!(span.until, Some(top));
        assert_eq!(code(&one(&mut state, &receipt(1, 505, number, "invoice:pay"))), "agent_revoked");
    }
    assert_eq!(code(&one(&mut state, &revoke(1, 506, 1, true))), "agent_revoked");
    assert_eq!(code(&one(&mut state, &rotate(507, 1, 1, 60).sign(&key(1)))), "agent_revoked");
    // A killed agent does not come back under its id.
    let again = by_tenant(1, 508, Body::AgentRegister(Box::new(agent_body(1, None))));
    assert_eq!(code(&one(&mut state, &again)), "agent_exists");
    assert_eq!(ledger_state::children(&state, agent(1), 0, 10), [agent(2), agent(4)]);
}

#[test]
fn strangers_revoke_nothing() {
    let mut state = populated();
    assert_eq!(code(&one(&mut state, &revoke(2, 500, 1, true))), "agent_of_other_tenant");
    let (own, _) = tenant(1);
    let (_, foreign_key) = tenant(2);
    let mut draft = revoke(1, 500, 1, true);
    assert_eq!(draft.tenant, own);
    draft.sig.kid = foreign_key.kid();
    assert_eq!(code(&one(&mut state, &draft)), "key_not_valid");
}

#[test]
fn the_operator_acts_on_behalf_of_others() {
    let mut state = populated();
    let mut body = action_body(1, "invoice:pay");
    body.on_behalf_of = Some("apikey-7".into());
    let draft = Draft::new(tenant(1).0, id(600), Actor::Operator, START_MS, Body::ReceiptAction(body));
    let record = draft.clone().sign(&operator());
    assert_eq!(ledger_state::check_signature(&state, &record), Ok(()));
    index(&one(&mut state, &record));
    let chain = ledger_state::chain(&state, agent(1));
    assert_eq!((chain.count, chain.signed), (1, None), "the agent signed nothing itself");
    assert_eq!(code(&one(&mut state, &Draft { id: id(601), ..draft }.sign(&key(1)))), "key_not_valid");
}

#[test]
fn signatures_are_checked_against_the_state() {
    let state = populated();
    let good = receipt(1, 600, 1, "invoice:pay");
    assert_eq!(ledger_state::check_signature(&state, &good), Ok(()));
    let key_1 = ledger_state::signer_key(&state, &good).unwrap();
    assert_eq!(key_1.public, *key(1).public().as_bytes());
    let mut changed = good.clone();
    changed.at += 1;
    let mut unknown = good.clone();
    unknown.actor = Actor::Agent(agent(99));
    let mut other_key = good.clone();
    other_key.sig.kid = key(2).kid();
    for (record, want) in
        [(changed, "bad_signature"), (unknown, "agent_unknown"), (other_key, "key_not_valid")]
    {
        let Err(ledger_state::SignatureFault::Rejected(rejection)) =
            ledger_state::check_signature(&state, &record)
        else {
            panic!("{want}: accepted");
        };
        assert_eq!(rejection.code.as_str(), want);
    }
}

/// Whoever has signed a record just now asks for the rest.
#[test]
fn a_record_of_ones_own_needs_the_right_key_all_the_same() {
    let state = populated();
    let by = |number: u64, key: &SigningKey| {
        let body = Body::ReceiptAction(action_body(1, "invoice:pay"));
        Draft::new(tenant(1).0, id(number), Actor::Operator, START_MS, body).sign(key)
    };
    let mut checker = ledger_state::SignatureChecker::new(&state).unwrap();
    assert_eq!(checker.check_own(&by(600, &operator())), Ok(()));
    let Err(ledger_state::SignatureFault::Rejected(rejection)) = checker.check_own(&by(601, &key(1))) else {
        panic!("accepted");
    };
    assert_eq!(rejection.code.as_str(), "key_not_valid");
}

#[test]
fn a_node_id_belongs_to_one_disk() {
    let mut state = MemoryState::new();
    let node = |id, incarnation| Command::Private(Private::NodeId { id, incarnation });
    assert_eq!(state.run(&node(1, 7)), Ok(vec![Outcome::Done]));
    assert_eq!(state.run(&node(1, 7)), Ok(vec![Outcome::Done]));
    assert_eq!(state.run(&node(2, 7)), Ok(vec![Outcome::Done]));
    let outcomes = state.run(&node(1, 8)).unwrap();
    assert_eq!(code(&outcomes[0]), "node_id_used");
}

#[test]
fn codes_have_one_word_each() {
    for &code in ledger_state::Code::ALL {
        assert_eq!(ledger_state::Code::parse(code.as_str()), Some(code));
    }
}

#[test]
fn records_that_arrive_together_may_build_on_each_other() {
    let mut state = MemoryState::new();
    index(&one(&mut state, &genesis()));
    let batch = [
        register_tenant(1),
        register_agent(1, 2, 1, None),
        receipt(1, 3, 1, "invoice:pay"),
        rotate(4, 1, 1, 50).sign(&key(1)),
        receipt_draft(1, 5, 1, "invoice:pay").sign(&key(50)),
    ];
    let mut checker = ledger_state::SignatureChecker::new(&state).unwrap();
    for record in &batch {
        assert_eq!(checker.check(record), Ok(()), "{}", record.type_name());
    }
    // A key that nobody brought, and a key that somebody brought under another record's signature.
    let Err(ledger_state::SignatureFault::Rejected(stranger)) =
        checker.check(&receipt(1, 6, 2, "invoice:pay"))
    else {
        panic!("accepted");
    };
    assert!(stranger.code.may_be_lag(), "{stranger}");
    let mut forged = batch[2].clone();
    forged.at += 1;
    let Err(ledger_state::SignatureFault::Rejected(forged)) = checker.check(&forged) else {
        panic!("accepted")
    };
    assert_eq!((forged.code.as_str(), forged.code.may_be_lag()), ("bad_signature", false));
    let outcomes = state.run(&append(&batch)).unwrap();
    assert_eq!(outcomes.iter().map(index).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_key_from_the_same_batch_gives_no_rights_that_the_log_does_not_give() {
    let mut state = populated();
    // The registration of a taken id is signed well, so the receipt's signature verifies; the log refuses both.
    let mut body = agent_body(1, None);
    body.key = key(60).public();
    let batch = [
        by_tenant(1, 900, Body::AgentRegister(Box::new(body))),
        receipt_draft(1, 901, 1, "invoice:pay").sign(&key(60)),
    ];
    let mut checker = ledger_state::SignatureChecker::new(&state).unwrap();
    assert!(batch.iter().all(|record| checker.check(record).is_ok()));
    let outcomes = state.run(&append(&batch)).unwrap();
    assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), ["agent_exists", "key_not_valid"]);
}
