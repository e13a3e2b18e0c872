//! Who speaks in the history of a fixture: test keys, made of their numbers.

use anyhow::{Context as _, Result, anyhow};
use devnet::{Devnet, Submitter};
use ledger_format::record::{
    Actor, AgentId, Body, Draft, FederationAgree, PeerSignature, Record, RecordHash, Scope, SigningKey,
    TenantId, Ulid,
};
use ledger_proto::v1::Ack;
use serde_json::{Value, json};

/// Minutes for which agreements and grants of the history are good.
const MINUTES: u64 = 1_440;

/// Who signs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// An agent of this number, of the first tenant; from [`Cast::FOREIGN`] on of the second.
    Agent(u8),
    /// A tenant, 1 or 2.
    Tenant(u8),
    /// The operator for a tenant; 0: for the log.
    Operator(u8),
}

/// What became of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) id: Ulid,
    pub(crate) hash: RecordHash,
    pub(crate) index: u64,
}

/// The people of a history, and their way to the log.
pub(crate) struct Cast {
    pub(crate) submitter: Submitter,
    /// The operator's key as its file has it.
    operator: String,
    born_ms: u64,
    records: u64,
    /// Keys that took over from the first ones: agent or tenant, and the number of the key.
    rotated: Vec<(String, u8)>,
}

impl Cast {
    /// Agents from this number on are the second tenant's.
    pub(crate) const FOREIGN: u8 = 100;

    pub(crate) fn new(devnet: &Devnet, now_ms: u64) -> Result<Cast> {
        let path = devnet.data().join("node-1/keys/main.operator.key");
        let operator = std::fs::read_to_string(path)?;
        let submitter = Submitter::connect(devnet.manifest(), "main")?;
        Ok(Cast { submitter, operator, born_ms: now_ms, records: 0, rotated: Vec::new() })
    }

    /// A moment some hours from now, in the log's time.
    pub(crate) fn in_hours(&self, hours: u64) -> u64 {
        self.born_ms + hours * 3_600_000
    }

    /// An id of nothing in particular.
    pub(crate) fn id(&self, number: u64) -> Ulid {
        Ulid::from_parts(self.born_ms, u128::from(number))
    }

    pub(crate) fn tenant(&self, number: u8) -> TenantId {
        TenantId(self.id(1_000 + u64::from(number)))
    }

    pub(crate) fn agent(&self, number: u8) -> AgentId {
        AgentId(self.id(2_000 + u64::from(number)))
    }

    /// The key that an agent or tenant has now.
    pub(crate) fn key(&self, by: By) -> SigningKey {
        let (name, first) = match by {
            By::Agent(number) => (format!("agent {number}"), number),
            By::Tenant(number) => (format!("tenant {number}"), 200 + number),
            By::Operator(_) => return SigningKey::parse_seed_text(&self.operator).unwrap_or_else(|_| key(0)),
        };
        let newest = self.rotated.iter().rev().find(|(who, _)| *who == name);
        key(newest.map_or(first, |(_, number)| *number))
    }

    /// From now on it signs with another key.
    pub(crate) fn rotate(&mut self, by: By, number: u8) {
        let name = match by {
            By::Agent(who) => format!("agent {who}"),
            By::Tenant(who) => format!("tenant {who}"),
            By::Operator(_) => return,
        };
        self.rotated.push((name, number));
    }

    fn tenant_of(by: By) -> u8 {
        match by {
            By::Agent(number) => 1 + u8::from(number >= Cast::FOREIGN),
            By::Tenant(number) | By::Operator(number) => number,
        }
    }

    /// Signs a record with this body and logs it.
    pub(crate) async fn say(&mut self, by: By, type_name: &str, body: Value) -> Result<Said> {
        let tenant = match Cast::tenant_of(by) {
            0 => Ulid::NIL,
            number => self.tenant(number).0,
        };
        let (actor, key) = (self.actor(by), self.key(by));
        let body = body_of(type_name, actor, tenant, &key, &body)?;
        self.log(by, tenant, body).await.with_context(|| format!("{type_name} by {by:?}"))
    }

    fn actor(&self, by: By) -> Actor {
        match by {
            By::Agent(number) => Actor::Agent(self.agent(number)),
            By::Tenant(_) => Actor::Tenant,
            By::Operator(_) => Actor::Operator,
        }
    }

    async fn log(&mut self, by: By, tenant: Ulid, body: Body) -> Result<Said> {
        self.records += 1;
        let id = self.id(10_000 + self.records);
        let record = Draft::new(tenant, id, self.actor(by), self.born_ms, body).sign(&self.key(by));
        let (bytes, hash) = (record.to_bytes(), record.hash());
        let answer = self.submitter.submit_as_operator(bytes, Ack::Sequenced).await?;
        Ok(Said { id, hash, index: answer.index })
    }

    /// An agreement between the first tenant and the second, whose half of it is signed, too.
    pub(crate) async fn agree(&mut self, scopes: &[&str]) -> Result<Said> {
        let (peer, key) = (self.tenant(2), self.key(By::Tenant(2)));
        let scopes =
            scopes.iter().map(|text| Scope::parse(text).context("a scope")).collect::<Result<_>>()?;
        let mut body = FederationAgree {
            expires_at: self.in_hours(MINUTES / 60),
            hops: 0,
            on_behalf_of: None,
            origin: None,
            peer,
            peer_key: key.public(),
            peer_sig: PeerSignature { kid: key.kid(), value: [0; 64] },
            scopes,
            ttl_min: MINUTES,
        };
        let tenant = self.tenant(1).0;
        body.sign_as_peer(tenant, &key);
        self.log(By::Tenant(1), tenant, Body::FederationAgree(Box::new(body))).await
    }
}

/// The test key of a number.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed([number; 32])
}

/// A body from its JSON. Only whole records can be read, so it is put into one whose signature nobody looks at.
fn body_of(type_name: &str, actor: Actor, tenant: Ulid, key: &SigningKey, body: &Value) -> Result<Body> {
    let whole = json!({
        "actor": actor.to_string(), "at": 0, "body": body, "id": Ulid::NIL.to_string(),
        "sig": { "alg": "ed25519", "kid": key.kid().to_string(), "value": "A".repeat(86) },
        "tenant": tenant.to_string(), "type": type_name, "v": 1,
    });
    let record = Record::parse(whole.to_string().as_bytes());
    Ok(record.map_err(|error| anyhow!("{type_name}: {error}"))?.body)
}
