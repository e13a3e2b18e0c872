//! A small log with everything a verifier meets: genesis, a tenant, an agent, receipts, three witnesses.

use std::{fs, path::Path};

use ledger_client::monitor::Mirror;
use ledger_format::status_proof::Standing;
use ledger_format::{
    Checkpoint, CoseProof, CoseReceipt, Hash, Note, NoteSigner, Policy, SignatureType, Staple, TlogProof,
    leaf_hash, prove_inclusion, record::*, tree_root,
};
use ledger_state::{Command, MemoryState, Outcome, Rejection, Subject, staple_parts};

/// When the witnesses cosign, unless a test says otherwise, in seconds since 1970.
pub(crate) const NOW_S: u64 = 1_769_000_000;

pub(crate) const ORIGIN: &str = "ledger.example/test";

pub(crate) fn operator_key() -> SigningKey {
    SigningKey::from_seed([2; 32])
}

pub(crate) fn tenant_key() -> SigningKey {
    SigningKey::from_seed([3; 32])
}

pub(crate) fn agent_key() -> SigningKey {
    SigningKey::from_seed([4; 32])
}

/// A log, its keys, and everybody else's.
pub(crate) struct World {
    state: MemoryState,
    origin: &'static str,
    pub(crate) log: NoteSigner,
    witnesses: Vec<NoteSigner>,
    pub(crate) tenant: Ulid,
    pub(crate) agent: AgentId,
    /// Everything in the log, in order.
    pub(crate) entries: Vec<Vec<u8>>,
    next_id: u128,
}

impl World {
    /// Entry 0 is the genesis, 1 the tenant, 2 the agent.
    pub(crate) fn new() -> Self {
        Self::of(ORIGIN)
    }

    /// The same people in a log of this origin, which has a key of its own.
    pub(crate) fn of(origin: &'static str) -> Self {
        let signer = |name: &str, ty, seed| NoteSigner::new(name, ty, [seed; 32]).unwrap();
        let mut world = Self {
            state: MemoryState::new(),
            origin,
            log: signer(origin, SignatureType::Ed25519, if origin == ORIGIN { 1 } else { 9 }),
            witnesses: (1..=3u8)
                .map(|n| signer(&format!("w{n}.example"), SignatureType::CosignatureV1, 10 + n))
                .collect(),
            tenant: Ulid(0x77),
            agent: AgentId(Ulid(0xa1)),
            entries: Vec::new(),
            next_id: 1,
        };
        let genesis = LogGenesis {
            limits: GenesisLimits::default(),
            log_keys: vec![world.log.vkey().to_string()],
            predecessor: None,
            operator_key: operator_key().public(),
            origin: origin.into(),
            policy: world.policy_text(),
            trust_algorithm: "maip-trust-1".into(),
        };
        world.log_record(Ulid::NIL, Actor::Operator, Body::LogGenesis(Box::new(genesis)), &operator_key());
        let register = TenantRegister {
            key: Some(tenant_key().public()),
            name: "Example".into(),
            on_behalf_of: None,
            plan: None,
        };
        world.log_record(world.tenant, Actor::Tenant, Body::TenantRegister(register), &tenant_key());
        let agent = AgentRegister {
            agent: world.agent,
            denies: vec![],
            key: agent_key().public(),
            name: "bot".into(),
            on_behalf_of: None,
            parent: None,
            runtime_type: None,
            scopes: vec![Scope::parse("invoice:read").unwrap()],
            agent_type: AgentType::Autonomous,
        };
        world.log_record(world.tenant, Actor::Tenant, Body::AgentRegister(Box::new(agent)), &tenant_key());
        world
    }

    /// The same log with the same keys, to be forged.
    pub(crate) fn copy(&self) -> Self {
        Self {
            state: self.state.clone(),
            entries: self.entries.clone(),
            next_id: self.next_id,
            tenant: self.tenant,
            agent: self.agent,
            ..Self::of(self.origin)
        }
    }

    /// With so many receipts after the registrations.
    pub(crate) fn with_receipts(count: usize) -> Self {
        let mut world = Self::new();
        (0..count).for_each(|_| {
            world.receipt();
        });
        world
    }

    /// A receipt that the agent signs.
    pub(crate) fn receipt(&mut self) -> u64 {
        let body = self.action(None);
        self.log_record(self.tenant, Actor::Agent(self.agent), body, &agent_key())
    }

    /// A receipt that only the operator vouches for.
    pub(crate) fn receipt_on_behalf_of(&mut self, caller: &str) -> u64 {
        let body = self.action(Some(caller.into()));
        self.log_record(self.tenant, Actor::Operator, body, &operator_key())
    }

    /// A receipt that the tenant signs with its verdict, so many days after the beginning.
    pub(crate) fn judged(&mut self, day: u64, verdict: ActionVerdict) -> u64 {
        let Body::ReceiptAction(action) = self.action(None) else { unreachable!() };
        let body = Body::ReceiptAction(ReceiptAction { verdict: Some(verdict), ..action });
        let record = self.draft(self.tenant, Actor::Tenant, body).sign(&tenant_key());
        self.submit_at((NOW_S + day * 86_400) * 1_000, &record.to_bytes()).0
    }

    /// A session of the agent, opened so many days after the beginning.
    pub(crate) fn open_session(&mut self, day: u64) -> u64 {
        let body = SessionOpen {
            agent: self.agent,
            audience: None,
            on_behalf_of: None,
            proof_key: None,
            scopes: vec![Scope::parse("invoice:read").unwrap()],
            session: SessionId(Ulid(0x5e55 + u128::from(day))),
            ttl_min: 5,
        };
        let record = self.draft(self.tenant, Actor::Tenant, Body::SessionOpen(Box::new(body)));
        self.submit_at((NOW_S + day * 86_400) * 1_000, &record.sign(&tenant_key()).to_bytes()).0
    }

    fn action(&self, on_behalf_of: Option<String>) -> Body {
        Body::ReceiptAction(ReceiptAction {
            approval: None,
            decision: None,
            grant: None,
            action: Scope::parse("invoice:read").unwrap(),
            agent: self.agent,
            detail: vec![],
            input: Digest::blake3(b"in"),
            on_behalf_of,
            outcome: Some(ActionOutcome::Success),
            output: Digest::blake3(b"out"),
            session: None,
            tool: None,
            verdict: None,
        })
    }

    /// A record that is not logged yet.
    pub(crate) fn draft(&mut self, tenant: Ulid, actor: Actor, body: Body) -> Draft {
        self.next_id += 1;
        Draft::new(tenant, Ulid(self.next_id), actor, NOW_S * 1_000, body)
    }

    /// A signed receipt that is not logged yet.
    pub(crate) fn unlogged_receipt(&mut self) -> Record {
        let (tenant, actor, body) = (self.tenant, Actor::Agent(self.agent), self.action(None));
        self.draft(tenant, actor, body).sign(&agent_key())
    }

    /// Seals the statuses that have changed; index of the `state.root`.
    pub(crate) fn seal(&mut self) -> u64 {
        let applied = self.state.apply(&Command::Seal { log_ms: NOW_S * 1_000 });
        self.entries.extend(applied.entries.iter().map(|e| e.bytes.clone()));
        match &applied.outcomes[..] {
            [Outcome::Sequenced { index, .. }] => *index,
            other => panic!("{other:?} {:?}", applied.alarm),
        }
    }

    /// Entries whose changes are sealed.
    pub(crate) fn sealed_size(&self) -> u64 {
        let staple = self.staple(Subject::Agent(self.agent), self.checkpoint(self.size()));
        staple.and_then(|staple| staple.state_root()).map_or(0, |root| root.as_of_size)
    }

    /// The newest sealed status of an agent.
    pub(crate) fn sealed_status(&self, agent: AgentId) -> serde_json::Value {
        let parts = staple_parts(&self.state, Subject::Agent(agent), u64::MAX).unwrap().unwrap();
        let Standing::Present(status) = parts.standing else { panic!("not sealed") };
        serde_json::from_slice(&status).unwrap()
    }

    /// The staple of a subject under the checkpoint in `note`; `None` while nothing below it is sealed.
    pub(crate) fn staple(&self, subject: Subject, note: Note) -> Option<Staple> {
        let size = Checkpoint::parse(note.text()).unwrap().size;
        let parts = staple_parts(&self.state, subject, size).unwrap()?;
        Some(Staple {
            origin: self.origin.into(),
            subject: subject.to_string(),
            standing: parts.standing,
            siblings: parts.siblings,
            inclusion: self.proof_under(parts.version.index, note),
        })
    }

    pub(crate) fn state(&self) -> &MemoryState {
        &self.state
    }

    /// Agents below the world's agent.
    pub(crate) fn agents_below(&mut self, count: u8) -> Vec<AgentId> {
        let register = |number: u8| AgentRegister {
            agent: AgentId(Ulid(0xb00 + u128::from(number))),
            denies: vec![],
            key: SigningKey::from_seed([100 + number; 32]).public(),
            name: "below".into(),
            on_behalf_of: None,
            parent: Some(self.agent),
            runtime_type: None,
            scopes: vec![Scope::parse("invoice:read").unwrap()],
            agent_type: AgentType::Autonomous,
        };
        let bodies: Vec<_> = (0..count).map(register).collect();
        let ids = bodies.iter().map(|body| body.agent).collect();
        for body in bodies {
            let body = Body::AgentRegister(Box::new(body));
            self.log_record(self.tenant, Actor::Tenant, body, &tenant_key());
        }
        ids
    }

    /// A session of an agent, opened by the tenant.
    pub(crate) fn session(&mut self, agent: AgentId) -> u64 {
        self.next_id += 1;
        let body = SessionOpen {
            agent,
            audience: None,
            on_behalf_of: None,
            proof_key: None,
            scopes: vec![Scope::parse("invoice:read").unwrap()],
            session: SessionId(Ulid(0xc000 + self.next_id)),
            ttl_min: 30,
        };
        self.log_record(self.tenant, Actor::Tenant, Body::SessionOpen(Box::new(body)), &tenant_key())
    }

    /// The kill switch, pulled by the tenant.
    pub(crate) fn kill(&mut self) -> u64 {
        let body = AgentKill {
            agent: self.agent,
            cascade: true,
            compromised_at: None,
            on_behalf_of: None,
            reason: "stolen".into(),
        };
        self.log_record(self.tenant, Actor::Tenant, Body::AgentKill(body), &tenant_key())
    }

    /// Another tenant registers.
    pub(crate) fn other_tenant(&mut self) -> u64 {
        let body = TenantRegister {
            key: Some(agent_key().public()),
            name: "Y".into(),
            on_behalf_of: None,
            plan: None,
        };
        self.log_record(Ulid(0x78), Actor::Tenant, Body::TenantRegister(body), &agent_key())
    }

    fn log_record(&mut self, tenant: Ulid, actor: Actor, body: Body, key: &SigningKey) -> u64 {
        let record = self.draft(tenant, actor, body).sign(key);
        self.submit(&record.to_bytes()).0
    }

    /// Logs a record as a node would; its index and log time.
    pub(crate) fn submit(&mut self, record: &[u8]) -> (u64, u64, bool) {
        self.submit_at(NOW_S * 1_000, record)
    }

    fn submit_at(&mut self, log_ms: u64, record: &[u8]) -> (u64, u64, bool) {
        self.try_submit_at(log_ms, record).unwrap()
    }

    /// As [`Self::submit`], for records that may be refused.
    pub(crate) fn try_submit(&mut self, record: &[u8]) -> Result<(u64, u64, bool), Rejection> {
        self.try_submit_at(NOW_S * 1_000, record)
    }

    fn try_submit_at(&mut self, log_ms: u64, record: &[u8]) -> Result<(u64, u64, bool), Rejection> {
        let command = Command::Append { log_ms, records: vec![record.to_vec()] };
        let applied = self.state.apply(&command);
        self.entries.extend(applied.entries.iter().map(|e| e.bytes.clone()));
        match &applied.outcomes[..] {
            [Outcome::Sequenced { index, log_ms, duplicate, .. }] => Ok((*index, *log_ms, *duplicate)),
            [Outcome::Rejected(rejection)] => Err(rejection.clone()),
            other => panic!("{other:?} {:?}", applied.alarm),
        }
    }

    /// Trusts the log and two of the three witnesses.
    pub(crate) fn policy_text(&self) -> String {
        let mut text = format!("log {}\n", self.log.vkey());
        for (n, witness) in (1..).zip(&self.witnesses) {
            text += &format!("witness w{n} {}\n", witness.vkey());
        }
        text + "group quorum 2 w1 w2 w3\nquorum quorum\n"
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy::parse(&self.policy_text()).unwrap()
    }

    pub(crate) fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(|e| leaf_hash(e)).collect()
    }

    /// The checkpoint of the first `size` entries, cosigned by w1 and w2 now.
    pub(crate) fn checkpoint(&self, size: u64) -> Note {
        self.cosigned(size, &[(0, NOW_S), (1, NOW_S)])
    }

    /// The checkpoint of the first `size` entries with cosignatures of these witnesses at these times.
    pub(crate) fn cosigned(&self, size: u64, cosigners: &[(usize, u64)]) -> Note {
        let root = tree_root(&self.leaves()[..], size).unwrap();
        let text = Checkpoint::new(self.origin, size, root).to_string();
        let mut note = Note::new(text.clone());
        note.push(self.log.sign(&text));
        for &(witness, time) in cosigners {
            note.push(self.witnesses[witness].cosign(&text, time));
        }
        note
    }

    /// The proof file of one entry under the checkpoint in `note`.
    pub(crate) fn proof_under(&self, index: u64, note: Note) -> TlogProof {
        let size = Checkpoint::parse(note.text()).unwrap().size;
        let hashes = prove_inclusion(&self.leaves()[..], index, size).unwrap();
        let extra = Some(self.entries[usize::try_from(index).unwrap()].clone());
        TlogProof { extra, index, hashes, note }
    }

    /// The proof file of one entry under the present checkpoint.
    pub(crate) fn proof(&self, index: u64) -> TlogProof {
        self.proof_under(index, self.checkpoint(self.size()))
    }

    /// A COSE receipt of one entry.
    pub(crate) fn cose(&self, index: u64) -> Vec<u8> {
        let (size, leaves) = (self.size(), self.leaves());
        let path = prove_inclusion(&leaves[..], index, size).unwrap();
        let root = tree_root(&leaves[..], size).unwrap();
        CoseReceipt::sign(&self.log, CoseProof::Inclusion { size, index, path }, root).unwrap().to_bytes()
    }

    /// Writes the published files of the first `size` entries.
    pub(crate) fn publish(&self, dir: &Path, size: u64) {
        self.publish_note(dir, size, &self.checkpoint(size));
    }

    /// Writes the published files of the first `size` entries with this checkpoint.
    pub(crate) fn publish_note(&self, dir: &Path, size: u64, note: &Note) {
        // A fresh directory each time: what an earlier size left could hide a mistake.
        let _ = fs::remove_dir_all(dir);
        let mut mirror = Mirror::open(dir).unwrap();
        for entry in &self.entries[..usize::try_from(size).unwrap()] {
            mirror.push(entry, leaf_hash(entry), false).unwrap();
        }
        mirror.commit(&note.to_bytes()).unwrap();
    }
}
