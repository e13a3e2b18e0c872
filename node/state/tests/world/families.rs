//! Records of the families that no other attempt of a random history is of, from the text of their bodies.

use ledger_format::record::{FederationEnd, RecordHash};

use super::speak::{HOUR, agreement, deleg};
use super::*;

/// Who signs: the agent, tenant 1, or the operator.
#[derive(Clone, Copy)]
enum Signer {
    Agent,
    Tenant,
    Operator,
}
use Signer::{Agent, Operator, Tenant};

/// A type, who signs it, and its body: `{a}` and `{b}` are agents, `{n}` an id by number, `{w}` the number, `{r}` and `{q}` receipts of the agent, `{o}` the hash of
/// the offer of that number, `{e}` an hour after the beginning, `{i}` an early index. In an order in which each may build on those before it.
const BODIES: &[(&str, Signer, &str)] = &[
    ("agent.update", Tenant, r#"{"agent":"{a}","name":"Renamed","scopes":["invoice:*","order:read"]}"#),
    (
        "tenant.update",
        Tenant,
        r#"{"name":"Acme","thresholds":{"approval":2000,"monitor":3000,"suspend":1000}}"#,
    ),
    ("scope.define", Tenant, r#"{"critical":true,"scope":"invoice:pay"}"#),
    ("tool.register", Tenant, r#"{"name":"ERP","scopes":["invoice:*"],"tool":"maip-tool:{n}"}"#),
    (
        "guardrail.define",
        Tenant,
        r#"{"action":"invoice:*","cooldown_s":60,"guardrail":"g{w}","threshold":1,"window_s":300}"#,
    ),
    ("guardrail.status", Tenant, r#"{"guardrail":"g{w}","state":"open"}"#),
    ("policy.status", Tenant, r#"{"policy":"maip-pol:00000000000000000000000001","status":"disabled"}"#),
    ("receipt.genesis", Agent, r#"{"agent":"{a}"}"#),
    ("receipt.delegation", Agent, r#"{"agent":"{a}"}"#),
    ("receipt.revocation", Agent, r#"{"agent":"{a}"}"#),
    ("receipt.dataset", Agent, r#"{"agent":"{a}"}"#),
    ("receipt.model", Agent, r#"{"agent":"{a}"}"#),
    ("receipt.compliance", Agent, r#"{"agent":"{a}"}"#),
    ("receipt.claim", Agent, r#"{"agent":"{a}"}"#),
    ("receipt.approval", Agent, r#"{"agent":"{a}"}"#),
    (
        "receipt.supersede",
        Agent,
        r#"{"agent":"{a}","reason":"corrected","receipt":"maip-rcpt:{r}","replacement":"maip-rcpt:{q}"}"#,
    ),
    ("receipt.revoke", Agent, r#"{"agent":"{a}","reason":"wrong","receipt":"maip-rcpt:{r}"}"#),
    (
        "approval",
        Tenant,
        r#"{"action":"invoice:pay","agent":"{a}","expires_at":{e},"uses":1,"verdict":"approved"}"#,
    ),
    ("attest.peer", Agent, r#"{"agent":"{a}","interaction":{i},"subject":"{b}","verdict":"good"}"#),
    ("claim.create", Agent, r#"{"agent":"{a}","claim":"maip-tc:{n}","internal":true,"statement":"{d}"}"#),
    ("witness.request", Agent, r#"{"agent":"{a}","claim":"maip-tc:{n}","deadline":{e},"quorum":1}"#),
    (
        "witness.attest",
        Agent,
        r#"{"agent":"{b}","attestation":"maip-wit:{n}","claim":"maip-tc:{n}","vote":"confirm"}"#,
    ),
    ("claim.resolve", Tenant, r#"{"claim":"maip-tc:{n}","result":"confirmed"}"#),
    ("document.attest", Agent, r#"{"agent":"{a}","digest":"{d}","document":"maip-doc:{n}"}"#),
    ("document.verdict", Tenant, r#"{"document":"maip-doc:{n}","method":"human","verdict":"valid"}"#),
    (
        "compliance.check",
        Tenant,
        r#"{"agent":"{a}","check":"maip-cc:{n}","findings":[{"control":"cc6.1","evidence":[1],"status":"fail"}],"framework":"soc2"}"#,
    ),
    (
        "compliance.report",
        Tenant,
        r#"{"digest":"{d}","framework":"soc2","from":0,"report":"maip-report:{n}","to":{e}}"#,
    ),
    (
        "anomaly.report",
        Tenant,
        r#"{"agent":"{a}","anomaly":"maip-anom:{n}","kind":"burst","severity":"medium"}"#,
    ),
    ("anomaly.resolve", Tenant, r#"{"anomaly":"maip-anom:{n}","resolution":"false_positive"}"#),
    ("dataset.attest", Agent, r#"{"agent":"{a}","dataset":"maip-ds:{n}","digest":"{d}","name":"orders"}"#),
    (
        "model.attest",
        Agent,
        r#"{"agent":"{a}","datasets":["maip-ds:{n}"],"digest":"{d}","model":"maip-model:{n}","name":"scorer"}"#,
    ),
    (
        "workflow.define",
        Tenant,
        r#"{"digest":"{d}","name":"Close","steps":[{"kind":"tool_call","scope":"ledger:read","step":"fetch"}],"version":1,"workflow":"maip-wf:{n}"}"#,
    ),
    ("workflow.publish", Tenant, r#"{"version":1,"workflow":"maip-wf:{n}"}"#),
    (
        "orchestration.start",
        Agent,
        r#"{"agent":"{a}","orchestration":"maip-orch:{n}","version":1,"workflow":"maip-wf:{n}"}"#,
    ),
    (
        "orchestration.step",
        Agent,
        r#"{"agent":"{a}","orchestration":"maip-orch:{n}","status":"succeeded","step":"fetch"}"#,
    ),
    ("orchestration.finish", Tenant, r#"{"orchestration":"maip-orch:{n}","result":"succeeded"}"#),
    ("trust.compute", Tenant, r#"{"agent":"{a}"}"#),
    ("erasure", Tenant, r#"{"reason":"asked","subject":"{d}"}"#),
    ("delegation.accept", Agent, r#"{"agent":"{a}","grant":"{g}","offer":"{o}"}"#),
    ("delegation.reject", Agent, r#"{"agent":"{a}","grant":"{g}","offer":"{o}","reason":"busy"}"#),
    ("federation.agree", Tenant, ""),
    ("federation.end", Tenant, ""),
    ("log.policy", Operator, r#"{"seeds":["maip-tenant:{t}"]}"#),
    ("trust.algorithm", Operator, r#"{"algorithm":"maip-trust/1","id":"{x}"}"#),
    ("log.key", Operator, r#"{"action":"add","vkey":"{v}"}"#),
    // Its root key is another from here on: what tenant 1 says afterwards is refused.
    ("tenant.key", Tenant, r#"{"key":"{k}","previous":"{p}","reason":"rotation"}"#),
];

/// How many there are.
pub(crate) const FAMILIES: usize = BODIES.len();

/// The number of a family's record: the same one again is the same record, of another agent a conflict.
fn number_of(family: usize, number: u8) -> u64 {
    1_000 + 8 * family as u64 + u64::from(number)
}

/// A record of the family. `number` is that of what it is about, below 8.
pub(crate) fn record_of(family: usize, number: u8, by: u8, offer: RecordHash) -> Record {
    let (type_name, signer, text) = BODIES[family];
    let record = number_of(family, number);
    match type_name {
        "federation.agree" => return agree(record),
        "federation.end" => {
            let before = BODIES.iter().position(|(name, _, _)| *name == "federation.agree").expect("there");
            let agreement = agree(number_of(before, number)).hash();
            let body = FederationEnd { agreement, on_behalf_of: None, reason: "over".into() };
            return by_tenant(1, record, Body::FederationEnd(Box::new(body)));
        }
        _ => {}
    }
    // Votes are others': a claim is not the voter's own.
    let by = if type_name == "witness.attest" { by % 5 + 1 } else { by };
    let about = if type_name == "witness.attest" { agent(by) } else { agent(by % 5 + 1) };
    let first_receipt = BODIES.iter().position(|(name, _, _)| *name == "receipt.genesis").expect("there");
    let text = [
        ("{a}", agent(by).to_string()),
        ("{b}", about.to_string()),
        ("{n}", id(5_000 + u64::from(number)).to_string()),
        ("{w}", number.to_string()),
        ("{i}", (4 + 5 * u64::from(number) + u64::from(by)).to_string()),
        ("{r}", id(number_of(first_receipt, number)).to_string()),
        ("{q}", id(number_of(first_receipt + 1, number)).to_string()),
        ("{g}", deleg(number).to_string()),
        ("{o}", offer.to_string()),
        ("{e}", (START_MS + HOUR).to_string()),
        ("{d}", Digest::sha256(&[number]).to_string()),
        ("{t}", tenant(1).0.to_string()),
        ("{x}", format!("sha256:{}", ledger_state::trust::ALGORITHM_ID)),
        ("{v}", NoteSigner::new(ORIGIN, SignatureType::Ed25519, [9; 32]).expect("a name").vkey().to_string()),
        ("{k}", key(111).public().to_string()),
        ("{p}", tenant(1).1.public().kid().to_string()),
    ]
    .iter()
    .fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value));
    let (actor, tenant_id, key) = match signer {
        Agent => (Actor::Agent(agent(by)), tenant(1).0, key(by)),
        Tenant => (Actor::Tenant, tenant(1).0, tenant(1).1),
        Operator => (Actor::Operator, Ulid::NIL, operator()),
    };
    let body = body_of(type_name, actor, tenant_id, &key, &text);
    Draft::new(tenant_id, id(record), actor, START_MS, body).sign(&key)
}

fn agree(record: u64) -> Record {
    let body = agreement(1, 2, 1, &["invoice:*"], START_MS + 24 * HOUR);
    by_tenant(1, record, Body::FederationAgree(Box::new(body)))
}

/// Only whole records can be read, so the body is put into one whose signature nobody looks at.
fn body_of(type_name: &str, actor: Actor, tenant: Ulid, key: &SigningKey, text: &str) -> Body {
    let whole = format!(
        r#"{{"actor":"{actor}","at":0,"body":{text},"id":"{}","sig":{{"alg":"ed25519","kid":"{}","value":"{}"}},"tenant":"{tenant}","type":"{type_name}","v":1}}"#,
        Ulid::NIL,
        key.public().kid(),
        "A".repeat(86),
    );
    Record::parse(whole.as_bytes()).unwrap_or_else(|error| panic!("{type_name}: {error}")).body
}
