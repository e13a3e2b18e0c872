//! Tenants, agents and the records they sign: what the demo, the bench and the tests submit.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use ledger_format::record::{
    ActionOutcome, ActionVerdict, Actor, AgentId, AgentKill, AgentRegister, AgentType, Body,
    DelegationAccept, DelegationId, DelegationOffer, DelegationRevoke, DetailValue, Digest, Draft,
    FederationAgree, GrantLimits, GrantTo, PeerSignature, ReceiptAction, RecordHash, Scope, SessionId,
    SessionOpen, SigningKey, TenantId, TenantRegister, Ulid, record_hash,
};
use ledger_format::token::TokenRequest;
use ledger_proto::v1::IssueTokenRequest;

/// A tenant that holds its own root key.
#[derive(Debug)]
pub struct Tenant {
    id: Ulid,
    name: String,
    key: SigningKey,
}

/// An agent that holds its own key.
#[derive(Debug)]
pub struct Agent {
    id: AgentId,
    name: String,
    key: SigningKey,
    tenant: Ulid,
    receipts: i64,
}

impl Tenant {
    /// A tenant with a fresh id and key. The log does not know it before [`Tenant::register`] is submitted.
    pub fn new(name: &str) -> Result<Tenant> {
        Ok(Tenant { id: fresh_id()?, name: name.to_owned(), key: fresh_key()? })
    }

    /// The id as records spell it.
    pub fn id(&self) -> TenantId {
        TenantId(self.id)
    }

    /// The tenant's registration, signed by itself.
    pub fn register(&self) -> Result<Vec<u8>> {
        let body = TenantRegister {
            key: Some(self.key.public()),
            name: self.name.clone(),
            on_behalf_of: None,
            plan: None,
        };
        sign(self.id, Actor::Tenant, Body::TenantRegister(body), &self.key)
    }

    /// The registration of one of its agents, which may do `crate:*` and `ledger:*`; signed by the tenant.
    pub fn register_agent(&self, agent: &Agent) -> Result<Vec<u8>> {
        self.register_below(agent, None)
    }

    /// The same, below another of its agents if one is named.
    pub fn register_below(&self, agent: &Agent, parent: Option<AgentId>) -> Result<Vec<u8>> {
        let body = AgentRegister {
            agent: agent.id,
            denies: Vec::new(),
            key: agent.key.public(),
            name: agent.name.clone(),
            on_behalf_of: None,
            parent,
            runtime_type: None,
            scopes: vec![scope("crate:*")?, scope("ledger:*")?],
            agent_type: AgentType::Autonomous,
        };
        sign(self.id, Actor::Tenant, Body::AgentRegister(Box::new(body)), &self.key)
    }
}

impl Tenant {
    /// A session of one of its agents, with `crate:*`; signed by the tenant. The session's id comes along.
    pub fn open_session(&self, agent: &Agent, ttl_min: u64) -> Result<(SessionId, Vec<u8>)> {
        let session = SessionId(fresh_id()?);
        let body = SessionOpen {
            agent: agent.id,
            audience: None,
            on_behalf_of: None,
            proof_key: None,
            scopes: vec![scope("crate:*")?],
            session,
            ttl_min,
        };
        Ok((session, sign(self.id, Actor::Tenant, Body::SessionOpen(Box::new(body)), &self.key)?))
    }

    /// A signed request for a token of a session, with which its agent may do all that the session allows.
    pub fn request_token(&self, origin: &str, session: SessionId) -> Result<IssueTokenRequest> {
        let request = TokenRequest {
            origin: origin.to_owned(),
            session,
            actor: Actor::Tenant,
            at_ms: now_ms()?,
            nonce: fresh_id()?.to_string(),
            scopes: Vec::new(),
            bind: false,
        };
        Ok(IssueTokenRequest {
            session: session.to_string(),
            actor: request.actor.to_string(),
            at_ms: request.at_ms,
            nonce: request.nonce.clone(),
            signature: self.key.sign(&request.signed_bytes()).to_vec().into(),
            ..IssueTokenRequest::default()
        })
    }

    /// What one of its agents did, with the tenant's verdict; signed by the tenant.
    pub fn judge(&self, agent: &Agent, action: &str, note: &str, verdict: ActionVerdict) -> Result<Vec<u8>> {
        let body = ReceiptAction { verdict: Some(verdict), ..agent.action(action, note)? };
        sign(self.id, Actor::Tenant, Body::ReceiptAction(body), &self.key)
    }

    /// The kill switch for one of its agents; signed by the tenant.
    pub fn kill(&self, agent: &Agent, reason: &str) -> Result<Vec<u8>> {
        let body = AgentKill {
            agent: agent.id,
            cascade: true,
            compromised_at: None,
            on_behalf_of: None,
            reason: reason.to_owned(),
        };
        sign(self.id, Actor::Tenant, Body::AgentKill(body), &self.key)
    }
}

/// An offer of another log, as it is taken.
#[derive(Clone, Copy, Debug)]
pub struct ForeignOffer<'a> {
    /// The offer's record.
    pub record: &'a [u8],
    /// Its log.
    pub origin: &'a str,
    /// The agreement in the log where it is taken.
    pub agreement: RecordHash,
}

/// Minutes that an agreement between two demo tenants lasts, and at most a grant under it.
const AGREEMENT_MINUTES: u64 = 60;

impl Tenant {
    /// An agreement with a tenant of the log `origin`, by default the same log, for `scopes`: the other one has signed it, this one signs
    /// the record.
    pub fn agree(&self, peer: &Tenant, origin: Option<&str>, scopes: &[&str]) -> Result<Vec<u8>> {
        let mut body = FederationAgree {
            expires_at: now_ms()? + AGREEMENT_MINUTES * 60_000,
            hops: 0,
            on_behalf_of: None,
            origin: origin.map(str::to_owned),
            peer: peer.id(),
            peer_key: peer.key.public(),
            peer_sig: PeerSignature { kid: peer.key.kid(), value: [0; 64] },
            scopes: scopes.iter().map(|text| scope(text)).collect::<Result<_>>()?,
            ttl_min: AGREEMENT_MINUTES,
        };
        body.sign_as_peer(self.id, &peer.key);
        sign(self.id, Actor::Tenant, Body::FederationAgree(Box::new(body)), &self.key)
    }

    /// Takes a grant back.
    pub fn revoke_grant(&self, grant: DelegationId, reason: &str) -> Result<Vec<u8>> {
        let body = DelegationRevoke { grant, on_behalf_of: None, reason: reason.to_owned() };
        sign(self.id, Actor::Tenant, Body::DelegationRevoke(Box::new(body)), &self.key)
    }
}

impl Agent {
    /// Grants `scopes` to another tenant's agent, of the log `origin` if it is not the same, under an agreement (the hash of its record), for half an hour; the grant's id
    /// comes along.
    pub fn grant(
        &self,
        to: &Agent,
        origin: Option<&str>,
        agreement: RecordHash,
        scopes: &[&str],
    ) -> Result<(DelegationId, Vec<u8>)> {
        let grant = DelegationId(fresh_id()?);
        let body = DelegationOffer {
            agreement: Some(agreement),
            deny: Vec::new(),
            from: Some(self.id),
            grant,
            hops: 0,
            limits: GrantLimits::until(now_ms()? + 30 * 60_000),
            on_behalf_of: None,
            parent: None,
            scopes: scopes.iter().map(|text| scope(text)).collect::<Result<_>>()?,
            to: GrantTo {
                agent: to.id,
                kid: to.key.kid(),
                origin: origin.map(str::to_owned),
                tenant: to.tenant(),
            },
        };
        Ok((
            grant,
            sign(self.tenant, Actor::Agent(self.id), Body::DelegationOffer(Box::new(body)), &self.key)?,
        ))
    }

    /// Takes a grant that was offered in another log.
    pub fn accept(&self, grant: DelegationId, offer: &ForeignOffer<'_>) -> Result<Vec<u8>> {
        let body = DelegationAccept {
            agent: self.id,
            agreement: Some(offer.agreement),
            foreign: Some(String::from_utf8(offer.record.to_vec()).context("a record is text")?),
            foreign_origin: Some(offer.origin.to_owned()),
            grant,
            offer: record_hash(offer.record),
            on_behalf_of: None,
        };
        sign(self.tenant, Actor::Agent(self.id), Body::DelegationAccept(Box::new(body)), &self.key)
    }

    /// A receipt for something that was done under a grant.
    pub fn receipt_under(&mut self, grant: DelegationId, action: &str, note: &str) -> Result<Vec<u8>> {
        self.receipts += 1;
        let body = ReceiptAction { grant: Some(grant), ..self.action(action, note)? };
        sign(self.tenant, Actor::Agent(self.id), Body::ReceiptAction(body), &self.key)
    }
}

impl Agent {
    /// An agent of this tenant with a fresh id and key.
    pub fn new(tenant: &Tenant, name: &str) -> Result<Agent> {
        Ok(Agent {
            id: AgentId(fresh_id()?),
            name: name.to_owned(),
            key: fresh_key()?,
            tenant: tenant.id,
            receipts: 0,
        })
    }

    /// The id as records spell it.
    pub fn id(&self) -> AgentId {
        self.id
    }

    /// The tenant it belongs to.
    pub fn tenant(&self) -> TenantId {
        TenantId(self.tenant)
    }

    /// A receipt for something the agent did, signed by the agent; its action body has about 300 bytes.
    pub fn receipt(&mut self, action: &str, note: &str) -> Result<Vec<u8>> {
        self.receipts += 1;
        let body = self.action(action, note)?;
        sign(self.tenant, Actor::Agent(self.id), Body::ReceiptAction(body), &self.key)
    }

    fn action(&self, action: &str, note: &str) -> Result<ReceiptAction> {
        Ok(ReceiptAction {
            approval: None,
            decision: None,
            grant: None,
            action: scope(action)?,
            agent: self.id,
            detail: vec![
                ("note".to_owned(), DetailValue::Text(note.to_owned())),
                ("number".to_owned(), DetailValue::Integer(self.receipts)),
            ],
            input: Digest::sha256(note.as_bytes()),
            on_behalf_of: None,
            outcome: Some(ActionOutcome::Success),
            output: Digest::sha256(&self.receipts.to_be_bytes()),
            session: None,
            tool: None,
            verdict: None,
        })
    }
}

fn sign(tenant: Ulid, actor: Actor, body: Body, key: &SigningKey) -> Result<Vec<u8>> {
    let draft = Draft { id: fresh_id()?, tenant, actor, at: now_ms()?, anchor: None, prev: None, body };
    Ok(draft.sign(key).to_bytes())
}

fn scope(text: &str) -> Result<Scope> {
    Scope::parse(text).with_context(|| format!("{text:?} is not a scope"))
}

fn fresh_key() -> Result<SigningKey> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("no randomness from the operating system")?;
    Ok(SigningKey::from_seed(seed))
}

fn fresh_id() -> Result<Ulid> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).context("no randomness from the operating system")?;
    Ok(Ulid::from_parts(now_ms()?, u128::from_be_bytes(random)))
}

fn now_ms() -> Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
    Ok(u64::try_from(since.as_millis())?)
}

#[test]
fn what_is_signed_verifies() {
    use ledger_format::record::Record;
    let tenant = Tenant::new("t").unwrap();
    let mut agent = Agent::new(&tenant, "a").unwrap();
    let receipt = agent.receipt("crate:move", "crate 1 moved").unwrap();
    let record = Record::parse(&receipt).unwrap();
    record.verify_signature(&agent.key.public()).unwrap();
    let registered = Record::parse(&tenant.register_agent(&agent).unwrap()).unwrap();
    registered.verify_signature(&tenant.key.public()).unwrap();
    assert!(record.verify_signature(&tenant.key.public()).is_err());
}
