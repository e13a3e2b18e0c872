//! A log to talk to: who says what, and what the log says to that.

use ledger_format::record::{
    ActionVerdict, Actor, Body, DelegationId, DelegationOffer, FederationAgree, GrantLimits, GrantTo, Kid,
    PeerSignature, ReceiptAction, RecordHash, TenantId,
};
use ledger_state::flags;

use super::*;

pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// Who speaks; numbers are those of [`tenant`], [`agent`] and [`key`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// An agent with the key of its number.
    Agent(u8),
    /// An agent with another key.
    AgentWithKey(u8, u8),
    /// A tenant.
    Tenant(u8),
    /// The operator for a tenant; bodies get `on_behalf_of` from the caller.
    Operator(u8),
    /// The operator in its own name.
    Log,
}

/// What became of a record that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) index: u64,
    pub(crate) id: Ulid,
    pub(crate) hash: RecordHash,
    pub(crate) bytes: Vec<u8>,
    /// What it is flagged with, but for what trust makes of it.
    pub(crate) flags: Vec<&'static str>,
    /// What trust makes of it.
    pub(crate) trust: Vec<&'static str>,
}

/// A record as it came, and what became of it: its flags, or the code of the refusal.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) ms: u64,
    pub(crate) record: Vec<u8>,
    pub(crate) outcome: Result<Vec<&'static str>, &'static str>,
}

/// A log with time.
pub(crate) struct Log {
    pub(crate) state: MemoryState,
    pub(crate) ms: u64,
    /// Everything that was said, refused or not.
    pub(crate) heard: Vec<Heard>,
    next: u64,
}

impl Log {
    /// Tenants 1 and 2; agents 1, 2 (below 1) and 4 of tenant 1, 3 and 5 of tenant 2. All have `invoice:*`.
    pub(crate) fn new() -> Log {
        let mut log = Log { state: populated(), ms: START_MS, heard: Vec::new(), next: 1_000 };
        for (tenant, number) in [(2, 3), (1, 4), (2, 5)] {
            log.must(By::Tenant(tenant), Body::AgentRegister(Box::new(agent_body(number, None))));
        }
        log
    }

    fn tenant_of(&self, by: By) -> Ulid {
        match by {
            By::Agent(number) | By::AgentWithKey(number, _) => {
                ledger_state::agent(&self.state, agent(number)).expect("an agent").tenant
            }
            By::Tenant(number) | By::Operator(number) => tenant(number).0,
            By::Log => Ulid::NIL,
        }
    }

    /// Signs and sends a record; the code, if it is refused.
    pub(crate) fn say(&mut self, by: By, body: Body) -> Result<Said, &'static str> {
        self.next += 1;
        let record_id = id(self.next);
        let (actor, signer) = match by {
            By::Agent(number) => (Actor::Agent(agent(number)), key(number)),
            By::AgentWithKey(number, other) => (Actor::Agent(agent(number)), key(other)),
            By::Tenant(number) => (Actor::Tenant, tenant(number).1),
            By::Operator(_) | By::Log => (Actor::Operator, operator()),
        };
        self.hear(&Draft::new(self.tenant_of(by), record_id, actor, START_MS, body).sign(&signer))
    }

    /// Takes a record as somebody made it; the code, if it is refused.
    pub(crate) fn hear(&mut self, record: &Record) -> Result<Said, &'static str> {
        let said = match one_at(&mut self.state, self.ms, record) {
            Outcome::Sequenced { index, .. } => {
                let all = flags(&self.state, index).names();
                let (trust, flags) = all.partition(|name| name.starts_with("trust_"));
                let (id, hash, bytes) = (record.id, record.hash(), record.to_bytes());
                Ok(Said { index, id, hash, bytes, flags, trust })
            }
            refused => Err(code(&refused)),
        };
        let outcome = said.as_ref().map(|said| said.flags.clone()).map_err(|code| *code);
        self.heard.push(Heard { ms: self.ms, record: record.to_bytes(), outcome });
        said
    }

    /// As [`Log::say`], for what must be taken.
    #[track_caller]
    pub(crate) fn must(&mut self, by: By, body: Body) -> Said {
        match self.say(by, body) {
            Ok(said) => said,
            Err(code) => panic!("{by:?} was refused: {code}"),
        }
    }

    /// An action of an agent under a grant; the flags that it got.
    #[track_caller]
    pub(crate) fn act(&mut self, number: u8, action: &str, grant: Option<u8>) -> Vec<&'static str> {
        let body = ReceiptAction { grant: grant.map(deleg), ..action_body(number, action) };
        self.must(By::Agent(number), Body::ReceiptAction(body)).flags
    }

    /// A score, in basis points.
    pub(crate) fn score(&self, number: u8) -> Option<u64> {
        ledger_state::trust_reading(&self.state, agent(number), self.ms).expect("a reading").score
    }

    /// Good actions, so that there is a score: `count`, judged by the tenant.
    pub(crate) fn behave(&mut self, by: u8, number: u8, count: usize) {
        for _ in 0..count {
            let body =
                ReceiptAction { verdict: Some(ActionVerdict::Ok), ..action_body(number, "invoice:read") };
            self.must(By::Tenant(by), Body::ReceiptAction(body));
        }
    }

    /// Tenants 1 and 2 agree for a day; the agreement's hash.
    #[track_caller]
    pub(crate) fn agree(&mut self, hops: u64, scopes: &[&str]) -> RecordHash {
        let body = agreement(1, 2, hops, scopes, self.ms + 60 * DAY);
        self.must(By::Tenant(1), Body::FederationAgree(Box::new(body))).hash
    }
}

/// A grant's id, by number.
pub(crate) fn deleg(number: u8) -> DelegationId {
    DelegationId(Ulid::from_parts(START_MS, 3_000 + u128::from(number)))
}

/// An agreement of two tenants, signed by the second.
pub(crate) fn agreement(from: u8, to: u8, hops: u64, list: &[&str], expires_at: u64) -> FederationAgree {
    let mut body = FederationAgree {
        expires_at,
        hops,
        on_behalf_of: None,
        origin: None,
        peer: TenantId(tenant(to).0),
        peer_key: tenant(to).1.public(),
        peer_sig: PeerSignature { kid: Kid([0; 16]), value: [0; 64] },
        scopes: scopes(list),
        ttl_min: 60,
    };
    body.sign_as_peer(tenant(from).0, &tenant(to).1);
    body
}

/// A grant of `list` to an agent of a tenant, for half an hour from the beginning; two hops.
pub(crate) fn offer(number: u8, from: Option<u8>, to: (u8, u8), list: &[&str]) -> DelegationOffer {
    DelegationOffer {
        agreement: None,
        deny: Vec::new(),
        from: from.map(agent),
        grant: deleg(number),
        hops: 2,
        limits: GrantLimits::until(START_MS + HOUR / 2),
        on_behalf_of: None,
        parent: None,
        scopes: scopes(list),
        to: GrantTo {
            agent: agent(to.1),
            kid: key(to.1).kid(),
            origin: None,
            tenant: TenantId(tenant(to.0).0),
        },
    }
}
