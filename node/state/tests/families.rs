//! The families that keep books: what may follow what.

mod world;

use ledger_format::record::{
    AttestPeer, AttestationId, Body, ClaimCreate, ClaimId, ClaimResolve, ClaimResult, ClaimVote,
    ComplianceCheck, ComplianceCheckId, ComplianceReport, DatasetAttest, DatasetId, Digest, DocumentAttest,
    DocumentId, DocumentResult, DocumentVerdict, Erasure, Finding, FindingStatus, Framework, LogPolicy,
    ModelAttest, ModelId, OrchestrationFinish, OrchestrationId, OrchestrationStart, OrchestrationStep,
    PeerVerdict, Plan, ReceiptId, ReceiptRevoke, ReceiptStatement, ReceiptSupersede, ReportId, RunResult,
    StepKind, StepStatus, TenantId, TenantKey, TenantReactivate, TenantSuspend, TenantUpdate, ToolId,
    ToolRegister, TrustAlgorithm, Ulid, VerdictMethod, WitnessAttest, WitnessRequest, WorkflowDefine,
    WorkflowId, WorkflowPublish, WorkflowStep,
};
use world::speak::*;
use world::*;

fn ulid(number: u64) -> Ulid {
    id(5_000 + number)
}

fn digest() -> Digest {
    Digest::sha256(b"something")
}

#[test]
fn a_tenants_root_key_changes_and_the_old_one_signs_no_more() {
    let mut log = Log::new();
    let rotation = |to: u8, previous: Option<u8>| {
        Body::TenantKey(Box::new(TenantKey {
            key: key(to).public(),
            on_behalf_of: None,
            previous: previous.map(|number| key(number).kid()),
            reason: "scheduled".into(),
        }))
    };
    assert_eq!(log.say(By::Tenant(1), rotation(60, Some(61))).err(), Some("previous_key_wrong"));
    assert_eq!(log.say(By::Tenant(1), rotation(101, Some(101))).err(), Some("key_reused"));
    log.must(By::Tenant(1), rotation(60, Some(101)));
    assert_eq!(
        log.say(By::Tenant(1), rotation(62, Some(60))).err(),
        Some("key_not_valid"),
        "signed with the old key"
    );
    let mut name =
        TenantUpdate { name: Some("Acme".into()), on_behalf_of: None, plan: None, thresholds: None };
    assert_eq!(
        log.say(By::Tenant(1), Body::TenantUpdate(Box::new(name.clone()))).err(),
        Some("key_not_valid")
    );
    (name.plan, name.on_behalf_of) = (Some(Plan::Business), Some("desk".into()));
    log.must(By::Operator(1), Body::TenantUpdate(Box::new(name)));
    let known = ledger_state::tenant(&log.state, tenant(1).0).unwrap();
    assert_eq!(
        (known.name.as_str(), known.plan, known.key.unwrap().kid),
        ("Acme", Plan::Business, key(60).kid())
    );
}

#[test]
fn a_suspended_tenants_agents_do_nothing_that_counts() {
    let mut log = Log::new();
    index(&one(&mut log.state, &open(700, 1, 1, 60, "invoice:*")));
    let suspend = || {
        Body::TenantSuspend(Box::new(TenantSuspend {
            on_behalf_of: Some("desk".into()),
            reason: "unpaid".into(),
        }))
    };
    let back = || {
        Body::TenantReactivate(Box::new(TenantReactivate {
            on_behalf_of: Some("desk".into()),
            reason: "paid".into(),
        }))
    };
    assert_eq!(log.say(By::Operator(1), back()).err(), Some("tenant_not_suspended"));
    log.must(By::Operator(1), suspend());
    assert_eq!(log.say(By::Operator(1), suspend()).err(), Some("tenant_suspended"));
    assert_eq!(log.act(1, "invoice:pay", None), ["suspended"]);
    assert_eq!(code(&one(&mut log.state, &open(701, 2, 1, 60, "invoice:*"))), "tenant_suspended");
    assert_eq!(log.act(3, "invoice:pay", None), Vec::<&str>::new(), "another tenant's agent");
    log.must(By::Operator(1), back());
    assert_eq!(log.act(1, "invoice:pay", None), Vec::<&str>::new());
    assert_eq!(
        code(&one(&mut log.state, &refresh(702, 1, 1, 60))),
        "session_ended",
        "sessions do not come back"
    );
}

#[test]
fn receipts_are_superseded_and_revoked_once() {
    let mut log = Log::new();
    let statement = |number: u8| ReceiptStatement {
        agent: agent(number),
        detail: None,
        input: None,
        on_behalf_of: None,
        output: None,
        subject: Some("q3".into()),
    };
    let first = log.must(By::Agent(1), Body::ReceiptClaim(Box::new(statement(1))));
    let second = log.must(By::Agent(1), Body::ReceiptModel(Box::new(statement(1))));
    let others = log.must(By::Agent(2), Body::ReceiptGenesis(Box::new(statement(2))));
    assert_eq!(ledger_state::chain(&log.state, agent(1)).count, 2);
    let supersede = |receipt: &Said, replacement: &Said| {
        Body::ReceiptSupersede(Box::new(ReceiptSupersede {
            agent: agent(1),
            on_behalf_of: None,
            reason: "corrected".into(),
            receipt: ReceiptId(receipt.id),
            replacement: ReceiptId(replacement.id),
        }))
    };
    let revoke = |receipt: &Said| {
        let receipt = ReceiptId(receipt.id);
        Body::ReceiptRevoke(Box::new(ReceiptRevoke {
            agent: agent(1),
            on_behalf_of: None,
            reason: "wrong".into(),
            receipt,
        }))
    };
    assert_eq!(log.say(By::Agent(1), revoke(&others)).err(), Some("receipt_of_other_agent"));
    log.must(By::Agent(1), supersede(&first, &second));
    assert_eq!(log.say(By::Agent(1), supersede(&first, &second)).err(), Some("receipt_superseded"));
    let not_a_receipt = log.must(By::Agent(1), revoke(&second));
    assert_eq!(log.say(By::Agent(1), revoke(&second)).err(), Some("receipt_revoked"));
    assert_eq!(log.say(By::Agent(1), revoke(&not_a_receipt)).err(), Some("receipt_unknown"));
    let mark = ledger_state::receipt_mark(&log.state, tenant(1).0, ReceiptId(first.id)).unwrap();
    assert_eq!((mark.superseded_by, mark.revoked), (Some(ReceiptId(second.id)), None));
}

#[test]
fn an_attestation_cites_a_meeting_of_the_two() {
    let mut log = Log::new();
    let attest = |by: u8, about: u8, interaction: u64| {
        Body::AttestPeer(Box::new(AttestPeer {
            agent: agent(by),
            interaction,
            on_behalf_of: None,
            subject: agent(about),
            verdict: PeerVerdict::Good,
        }))
    };
    for _ in 0..40 {
        log.ms += DAY;
        log.behave(1, 1, 8);
        log.behave(2, 3, 8);
    }
    let alone = log.must(By::Agent(1), Body::ReceiptAction(action_body(1, "invoice:pay")));
    assert_eq!(log.say(By::Agent(3), attest(3, 1, alone.index)).err(), Some("interaction_unknown"));
    let agreed = log.agree(0, &["invoice:*"]);
    let mut body = offer(1, Some(1), (2, 3), &["invoice:read"]);
    (body.agreement, body.limits.expires_at) = (Some(agreed), log.ms + MINUTE);
    let met = log.must(By::Agent(1), Body::DelegationOffer(Box::new(body)));
    assert_eq!(log.say(By::Agent(5), attest(5, 1, met.index)).err(), Some("interaction_of_others"));
    let before = log.score(1);
    log.must(By::Agent(3), attest(3, 1, met.index));
    assert_eq!(log.score(1), before, "tenant 2 is nobody to the log yet");
    // Tenant 1 becomes a seed: its word counts in full, and tenant 2, with an agreement and 40 days old, counts by half.
    let seeds = LogPolicy { policy: None, quotas: None, seeds: Some(vec![TenantId(tenant(1).0)]) };
    log.must(By::Log, Body::LogPolicy(Box::new(seeds)));
    let mut body = offer(2, Some(1), (2, 3), &["invoice:read"]);
    (body.agreement, body.limits.expires_at) = (Some(agreed), log.ms + MINUTE);
    let met = log.must(By::Agent(1), Body::DelegationOffer(Box::new(body)));
    log.must(By::Agent(3), attest(3, 1, met.index));
    assert!(log.score(1) > before, "{:?} > {before:?}", log.score(1));
    let raised = log.score(3);
    log.must(By::Agent(1), attest(1, 3, met.index));
    assert!(log.score(3) > raised);
}

#[test]
fn votes_decide_a_claim() {
    let claim_id = |number| ClaimId(ulid(number));
    let create = |number, internal| {
        Body::ClaimCreate(Box::new(ClaimCreate {
            agent: agent(1),
            claim: claim_id(number),
            internal,
            on_behalf_of: None,
            statement: digest(),
            subject: None,
        }))
    };
    let request = |number, deadline, quorum| {
        Body::WitnessRequest(Box::new(WitnessRequest {
            agent: agent(1),
            claim: claim_id(number),
            deadline,
            on_behalf_of: None,
            quorum,
        }))
    };
    let vote = |number, by: u8, vote| {
        Body::WitnessAttest(Box::new(WitnessAttest {
            agent: agent(by),
            attestation: AttestationId(ulid(100 + u64::from(by))),
            claim: claim_id(number),
            on_behalf_of: None,
            vote,
        }))
    };
    let resolve = |number, result| {
        Body::ClaimResolve(Box::new(ClaimResolve {
            claim: claim_id(number),
            method: None,
            on_behalf_of: None,
            result,
            tool: None,
        }))
    };
    // What each of the agents 2, 4 (of the tenant itself), 3, 5 (of the other one) says, the quorum, and what follows.
    use ClaimVote::{Abstain as A, Confirm as C, Deny as D};
    type Case<'a> = (bool, &'a [(u8, ClaimVote)], u64, ClaimResult);
    let cases: &[Case<'_>] = &[
        (true, &[(2, C), (4, C)], 2, ClaimResult::Confirmed),
        (false, &[(2, C), (4, C)], 2, ClaimResult::Inconclusive),
        (false, &[(2, C), (3, C)], 2, ClaimResult::Confirmed),
        (false, &[(3, C)], 2, ClaimResult::Inconclusive),
        (false, &[(3, C), (5, A)], 2, ClaimResult::Confirmed),
        (false, &[(3, C), (5, D)], 2, ClaimResult::Inconclusive),
        (false, &[(2, D), (4, D), (3, C)], 3, ClaimResult::Rejected),
        (true, &[], 1, ClaimResult::Inconclusive),
    ];
    for (place, (internal, votes, quorum, result)) in cases.iter().enumerate() {
        let (mut log, number) = (Log::new(), place as u64);
        log.must(By::Agent(1), create(number, *internal));
        log.must(By::Agent(1), request(number, log.ms + HOUR, *quorum));
        for (by, what) in *votes {
            log.must(By::Agent(*by), vote(number, *by, *what));
        }
        let wrong = ClaimResult::ALL.iter().find(|other| *other != result).unwrap();
        assert_eq!(
            log.say(By::Tenant(1), resolve(number, *wrong)).err(),
            Some("result_differs"),
            "case {place}"
        );
        log.must(By::Tenant(1), resolve(number, *result));
        assert_eq!(log.say(By::Tenant(1), resolve(number, *result)).err(), Some("claim_resolved"));
    }
    let mut log = Log::new();
    assert_eq!(log.say(By::Agent(2), vote(1, 2, C)).err(), Some("claim_unknown"));
    log.must(By::Agent(1), create(1, true));
    assert_eq!(log.say(By::Agent(1), create(1, true)).err(), Some("claim_exists"));
    assert_eq!(log.say(By::Agent(2), vote(1, 2, C)).err(), Some("vote_not_asked"));
    assert_eq!(log.say(By::Agent(1), request(1, log.ms, 1)).err(), Some("expires_too_soon"));
    log.must(By::Agent(1), request(1, log.ms + HOUR, 1));
    assert_eq!(log.say(By::Agent(1), vote(1, 1, C)).err(), Some("own_claim"));
    log.must(By::Agent(2), vote(1, 2, C));
    assert_eq!(log.say(By::Agent(2), vote(1, 2, D)).err(), Some("vote_exists"));
    assert_eq!(log.say(By::Tenant(2), resolve(1, ClaimResult::Confirmed)).err(), Some("claim_unknown"));
    log.ms += HOUR;
    assert_eq!(log.say(By::Agent(4), vote(1, 4, C)).err(), Some("vote_too_late"));
}

#[test]
fn a_person_or_a_tool_decides_a_claim_where_no_votes_were_asked_for() {
    let mut log = Log::new();
    let claim = |number| ClaimId(ulid(number));
    for number in 1..4 {
        let body = ClaimCreate {
            agent: agent(1),
            claim: claim(number),
            internal: true,
            on_behalf_of: None,
            statement: digest(),
            subject: None,
        };
        log.must(By::Agent(1), Body::ClaimCreate(Box::new(body)));
    }
    let resolve = |number, method, tool, result| {
        let claim = claim(number);
        Body::ClaimResolve(Box::new(ClaimResolve {
            claim,
            method: Some(method),
            on_behalf_of: None,
            result,
            tool,
        }))
    };
    let tool = ToolId(ulid(50));
    let external = |number| resolve(number, VerdictMethod::External, Some(tool), ClaimResult::Rejected);
    assert_eq!(log.say(By::Tenant(1), external(1)).err(), Some("tool_unknown"));
    let person = resolve(1, VerdictMethod::Human, None, ClaimResult::Confirmed);
    let said = log.must(By::Tenant(1), person.clone());
    let known = ledger_state::claim(&log.state, claim(1)).unwrap();
    assert_eq!((known.result, known.resolved), (Some(ClaimResult::Confirmed), Some(said.index)));
    assert_eq!(log.say(By::Tenant(1), person).err(), Some("claim_resolved"));

    let body = ToolRegister {
        digest: None,
        name: "verifier".into(),
        on_behalf_of: None,
        owner_key: None,
        scopes: scopes(&["claims:judge"]),
        tool,
        version: None,
    };
    log.must(By::Tenant(1), Body::ToolRegister(Box::new(body)));
    log.must(By::Tenant(1), external(2));

    // Where votes were asked for, they decide.
    let request = WitnessRequest {
        agent: agent(1),
        claim: claim(3),
        deadline: log.ms + HOUR,
        on_behalf_of: None,
        quorum: 2,
    };
    let asked = log.must(By::Agent(1), Body::WitnessRequest(Box::new(request)));
    assert_eq!(log.say(By::Tenant(1), external(3)).err(), Some("result_differs"));
    let votes: Vec<_> = [4, 2]
        .into_iter()
        .map(|by| {
            let attestation = AttestationId(ulid(60 + u64::from(by)));
            let body = WitnessAttest {
                agent: agent(by),
                attestation,
                claim: claim(3),
                on_behalf_of: None,
                vote: ClaimVote::Deny,
            };
            log.must(By::Agent(by), Body::WitnessAttest(Box::new(body))).index
        })
        .collect();
    assert_eq!(
        log.say(By::Tenant(1), external(3)).err(),
        Some("result_differs"),
        "not even with their result"
    );
    let found = ledger_state::claim_votes(&log.state, claim(3), 9);
    assert_eq!(
        found.iter().map(|(by, vote)| (*by, vote.index, vote.vote)).collect::<Vec<_>>(),
        [(agent(2), votes[1], ClaimVote::Deny), (agent(4), votes[0], ClaimVote::Deny)]
    );
    assert_eq!(ledger_state::claim_votes(&log.state, claim(3), 1).len(), 1);
    assert_eq!(ledger_state::claim(&log.state, claim(3)).unwrap().request, Some(asked.index));
    log.must(By::Tenant(1), resolve(3, VerdictMethod::Witness, None, ClaimResult::Rejected));
}

#[test]
fn documents_checks_and_reports() {
    let mut log = Log::new();
    let document = DocumentId(ulid(1));
    let attest = Body::DocumentAttest(Box::new(DocumentAttest {
        agent: agent(1),
        digest: digest(),
        document,
        media_type: None,
        on_behalf_of: None,
    }));
    let verdict = |tool| {
        let method = if tool { VerdictMethod::External } else { VerdictMethod::Human };
        let tool = tool.then(|| ToolId(ulid(2)));
        Body::DocumentVerdict(Box::new(DocumentVerdict {
            document,
            method,
            on_behalf_of: None,
            tool,
            verdict: DocumentResult::Valid,
        }))
    };
    assert_eq!(log.say(By::Tenant(1), verdict(false)).err(), Some("document_unknown"));
    log.must(By::Agent(1), attest.clone());
    assert_eq!(log.say(By::Agent(1), attest).err(), Some("document_exists"));
    assert_eq!(log.say(By::Tenant(2), verdict(false)).err(), Some("document_unknown"), "another tenant's");
    assert_eq!(log.say(By::Tenant(1), verdict(true)).err(), Some("tool_unknown"));
    log.must(By::Tenant(1), verdict(false));
    assert_eq!(ledger_state::document(&log.state, document).unwrap().verdict, Some(DocumentResult::Valid));
    let check = |number, evidence: Vec<u64>| {
        let finding =
            Finding { control: "cc6.1".into(), evidence, remedy: None, status: FindingStatus::Pass };
        Body::ComplianceCheck(Box::new(ComplianceCheck {
            agent: None,
            check: ComplianceCheckId(ulid(number)),
            findings: vec![finding],
            framework: Framework::Soc2,
            on_behalf_of: None,
        }))
    };
    let said = log.must(By::Tenant(1), check(10, vec![0, 3]));
    assert_eq!(ledger_state::compliance_check(&log.state, ComplianceCheckId(ulid(10))), Some(said.index));
    assert_eq!(ledger_state::compliance_check(&log.state, ComplianceCheckId(ulid(11))), None);
    assert_eq!(log.say(By::Tenant(1), check(10, vec![])).err(), Some("check_exists"));
    assert_eq!(log.say(By::Tenant(1), check(11, vec![9_999])).err(), Some("evidence_unknown"));
    let report = Body::ComplianceReport(Box::new(ComplianceReport {
        digest: digest(),
        framework: Framework::Gdpr,
        from: 1,
        on_behalf_of: None,
        report: ReportId(ulid(12)),
        to: 2,
    }));
    let said = log.must(By::Tenant(1), report.clone());
    assert_eq!(ledger_state::compliance_report(&log.state, ReportId(ulid(12))), Some(said.index));
    assert_eq!(log.say(By::Tenant(1), report).err(), Some("report_exists"));
    let erase =
        Body::Erasure(Box::new(Erasure { on_behalf_of: None, reason: "gdpr-17".into(), subject: digest() }));
    let said = log.must(By::Tenant(1), erase.clone());
    assert_eq!(log.say(By::Tenant(1), erase).err(), Some("subject_erased"));
    assert_eq!(ledger_state::erased(&log.state, tenant(1).0, &digest()), Some(said.index));
}

#[test]
fn lineage_has_no_holes() {
    let mut log = Log::new();
    let dataset = |number, sources: &[u64]| {
        let sources: Vec<_> = sources.iter().map(|number| DatasetId(ulid(*number))).collect();
        Body::DatasetAttest(Box::new(DatasetAttest {
            agent: agent(1),
            dataset: DatasetId(ulid(number)),
            digest: digest(),
            name: "orders".into(),
            on_behalf_of: None,
            sources: (!sources.is_empty()).then_some(sources),
        }))
    };
    let model = |number, base: Option<u64>, datasets: &[u64]| {
        let datasets: Vec<_> = datasets.iter().map(|number| DatasetId(ulid(*number))).collect();
        Body::ModelAttest(Box::new(ModelAttest {
            agent: agent(1),
            base: base.map(|number| ModelId(ulid(number))),
            datasets: (!datasets.is_empty()).then_some(datasets),
            digest: digest(),
            model: ModelId(ulid(number)),
            name: "scorer".into(),
            on_behalf_of: None,
            version: None,
        }))
    };
    assert_eq!(log.say(By::Agent(1), dataset(2, &[1])).err(), Some("dataset_unknown"));
    log.must(By::Agent(1), dataset(1, &[]));
    log.must(By::Agent(1), dataset(2, &[1]));
    assert_eq!(log.say(By::Agent(1), dataset(2, &[1])).err(), Some("dataset_exists"));
    assert_eq!(log.say(By::Agent(1), model(1, Some(2), &[1])).err(), Some("model_unknown"));
    assert_eq!(log.say(By::Agent(1), model(1, None, &[3])).err(), Some("dataset_unknown"));
    log.must(By::Agent(1), model(1, None, &[1, 2]));
    log.must(By::Agent(1), model(2, Some(1), &[]));
    assert_eq!(log.say(By::Agent(1), model(2, None, &[])).err(), Some("model_exists"));
    let read = ledger_state::dataset(&log.state, DatasetId(ulid(2))).unwrap();
    assert_eq!((read.name.as_str(), read.datasets), ("orders", vec![DatasetId(ulid(1))]));
    let read = ledger_state::model(&log.state, ModelId(ulid(2))).unwrap();
    assert_eq!((read.tenant, read.base), (tenant(1).0, Some(ModelId(ulid(1)))));
    assert!(ledger_state::model(&log.state, ModelId(ulid(3))).is_none());
}

#[test]
fn a_run_follows_its_workflow() {
    let mut log = Log::new();
    let (workflow, orchestration) = (WorkflowId(ulid(1)), OrchestrationId(ulid(2)));
    let define = |version| {
        let step = |name: &str, after: Option<&str>| WorkflowStep {
            after: after.map(|name| vec![name.to_owned()]),
            kind: StepKind::ToolCall,
            scope: None,
            step: name.into(),
        };
        Body::WorkflowDefine(Box::new(WorkflowDefine {
            digest: digest(),
            name: "Close".into(),
            on_behalf_of: None,
            steps: vec![step("fetch", None), step("sum", Some("fetch"))],
            version,
            workflow,
        }))
    };
    let publish =
        |version| Body::WorkflowPublish(Box::new(WorkflowPublish { on_behalf_of: None, version, workflow }));
    let start = || {
        Body::OrchestrationStart(Box::new(OrchestrationStart {
            agent: Some(agent(1)),
            on_behalf_of: None,
            orchestration,
            version: 1,
            workflow,
        }))
    };
    let step = |name: &str, status| {
        let body = OrchestrationStep {
            agent: Some(agent(1)),
            on_behalf_of: None,
            orchestration,
            receipt: None,
            status,
            step: name.into(),
        };
        Body::OrchestrationStep(Box::new(body))
    };
    let finish = |result| {
        Body::OrchestrationFinish(Box::new(OrchestrationFinish { on_behalf_of: None, orchestration, result }))
    };
    assert_eq!(log.say(By::Tenant(1), publish(1)).err(), Some("workflow_unknown"));
    assert_eq!(log.say(By::Tenant(1), define(2)).err(), Some("workflow_version_wrong"));
    log.must(By::Tenant(1), define(1));
    assert_eq!(log.say(By::Tenant(2), define(2)).err(), Some("workflow_of_other_tenant"));
    assert_eq!(log.say(By::Tenant(1), publish(2)).err(), Some("workflow_version_wrong"));
    assert_eq!(log.say(By::Agent(1), start()).err(), Some("workflow_not_published"));
    log.must(By::Tenant(1), publish(1));
    assert_eq!(
        log.say(By::Agent(1), step("fetch", StepStatus::Assigned)).err(),
        Some("orchestration_unknown")
    );
    log.must(By::Agent(1), start());
    assert_eq!(log.say(By::Agent(1), start()).err(), Some("orchestration_exists"));
    assert_eq!(log.say(By::Agent(1), step("sum", StepStatus::Assigned)).err(), Some("step_not_ready"));
    assert_eq!(log.say(By::Agent(1), step("mail", StepStatus::Assigned)).err(), Some("step_unknown"));
    log.must(By::Agent(1), step("fetch", StepStatus::Failed));
    log.must(By::Agent(1), step("fetch", StepStatus::Succeeded));
    assert_eq!(log.say(By::Agent(1), step("fetch", StepStatus::Failed)).err(), Some("step_done"));
    assert_eq!(log.say(By::Tenant(1), finish(RunResult::Succeeded)).err(), Some("step_not_ready"));
    log.must(By::Agent(1), step("sum", StepStatus::Skipped));
    log.must(By::Tenant(1), finish(RunResult::Succeeded));
    assert_eq!(log.say(By::Tenant(1), finish(RunResult::Failed)).err(), Some("orchestration_finished"));
    assert_eq!(ledger_state::run(&log.state, orchestration).unwrap().result, Some(RunResult::Succeeded));
}

#[test]
fn the_log_has_one_trust_algorithm() {
    let mut log = Log::new();
    let name = |algorithm: &str, id| {
        Body::TrustAlgorithm(Box::new(TrustAlgorithm { algorithm: algorithm.into(), id }))
    };
    let own = Digest::parse(&format!("sha256:{}", ledger_state::trust::ALGORITHM_ID)).unwrap();
    log.must(By::Log, name("maip-trust/1", own));
    assert_eq!(log.say(By::Log, name("maip-trust/1", digest())).err(), Some("trust_algorithm_unknown"));
    assert_eq!(log.say(By::Log, name("maip-trust/2", own)).err(), Some("trust_algorithm_unknown"));
}
