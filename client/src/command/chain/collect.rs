//! From a receipt to a chain file: what the logs on the way say.

use std::collections::{BTreeMap, BTreeSet};

use ledger_client::transport::Which;
use ledger_format::{
    Chain, TlogProof,
    record::{Actor, Body, DelegationId, DelegationOffer, Record, RecordHash, TenantId, Ulid},
};
use serde_json::Value;

use super::{
    super::Failure,
    log_at::{Found, LogAt},
};

/// A chain file in the making.
pub(super) struct Collector<'a> {
    logs: &'a [LogAt<'a>],
    chain: Chain,
    /// Subjects whose staples go in, by log.
    subjects: BTreeSet<(String, String)>,
    /// The last index of the chain in each log.
    last: BTreeMap<String, u64>,
    /// Who signed, by log: their registrations go in.
    signers: Vec<(String, Ulid, Actor, String)>,
    identities: BTreeMap<(String, u64), TlogProof>,
}

/// Collects the chain of the receipt in the first log.
pub(super) async fn collect(logs: &[LogAt<'_>], receipt: &Which) -> Result<Chain, Failure> {
    let home = &logs[0];
    let found = home.proof(receipt).await?;
    let Body::ReceiptAction(body) = &found.record.body else {
        return Err(Failure::no(format!("that is a {}, not a receipt.action", found.record.type_name())));
    };
    let grant = body.grant.ok_or_else(|| {
        Failure::no("the receipt names no grant")
            .next("an action by the agent's own right has no chain: `maip proof get`")
    })?;
    let mut collector = Collector {
        logs,
        chain: Chain::of(found.proof.clone()),
        subjects: BTreeSet::new(),
        last: BTreeMap::new(),
        signers: Vec::new(),
        identities: BTreeMap::new(),
    };
    collector.note(&home.origin, &found);
    collector.grants(home.origin.clone(), grant).await?;
    collector.registrations().await?;
    collector.staples().await?;
    Ok(collector.chain)
}

impl<'a> Collector<'a> {
    fn log(&self, origin: &str) -> Result<&'a LogAt<'a>, Failure> {
        self.logs.iter().find(|log| log.origin == origin).ok_or_else(|| {
            Failure::cannot(format!("the chain goes through the log {origin}, and no node of it is known"))
                .next("name one with --peer")
        })
    }

    fn note(&mut self, origin: &str, found: &Found) {
        let last = self.last.entry(origin.to_owned()).or_default();
        *last = (*last).max(found.proof.index);
        let record = &found.record;
        self.signers.push((origin.to_owned(), record.tenant, record.actor, record.sig.kid.to_string()));
    }

    async fn fetch(&mut self, origin: &str, index: u64) -> Result<Found, Failure> {
        let found = self.log(origin)?.proof(&Which::Index(index)).await?;
        self.note(origin, &found);
        Ok(found)
    }

    /// From the leaf to the root.
    async fn grants(&mut self, mut origin: String, mut grant: DelegationId) -> Result<(), Failure> {
        loop {
            let mut status = self.log(&origin)?.status(&grant.to_string()).await?;
            let mut found = self.fetch(&origin, number(&status, "index")?).await?;
            let mut is_taken = false;
            // A grant of another log is known here by its acceptance.
            if let Body::DelegationAccept(accept) = &found.record.body
                && let Some(there) = accept.foreign_origin.clone()
            {
                self.subjects.insert((origin.clone(), grant.to_string()));
                self.agreement(&origin, accept.agreement).await?;
                self.chain.accepts.insert(0, found.proof.clone());
                (is_taken, origin) = (true, there);
                status = self.log(&origin)?.status(&grant.to_string()).await?;
                found = self.fetch(&origin, number(&status, "index")?).await?;
            }
            let Body::DelegationOffer(offer) = &found.record.body else {
                return Err(Failure::no(format!("{origin} has no offer of {grant}")).next("ask another node"));
            };
            self.name(&origin, &found.record, offer);
            self.agreement(&origin, offer.agreement).await?;
            self.chain.offers.insert(0, found.proof.clone());
            let crosses = offer.to.tenant.0 != found.record.tenant;
            if let Some(index) = status["accepted"].as_u64().filter(|_| crosses && !is_taken) {
                let accept = self.fetch(&origin, index).await?;
                self.chain.accepts.insert(0, accept.proof);
            }
            let Some(parent) = status["parent"].as_str().and_then(DelegationId::parse) else { return Ok(()) };
            grant = parent;
        }
    }

    /// All whose status a verifier wants to know.
    fn name(&mut self, origin: &str, record: &Record, offer: &DelegationOffer) {
        let there = offer.to.origin.as_deref().unwrap_or(origin);
        let mut add = |origin: &str, subject: String| self.subjects.insert((origin.to_owned(), subject));
        add(origin, offer.grant.to_string());
        add(origin, TenantId(record.tenant).to_string());
        add(there, offer.to.tenant.to_string());
        add(there, offer.to.agent.to_string());
        if let Some(from) = offer.from {
            add(origin, from.to_string());
        }
    }

    async fn agreement(&mut self, origin: &str, hash: Option<RecordHash>) -> Result<(), Failure> {
        let Some(hash) = hash else { return Ok(()) };
        let subject = format!("agreement:{hash}");
        if !self.subjects.insert((origin.to_owned(), subject.clone())) {
            return Ok(());
        }
        let status = self.log(origin)?.status(&subject).await?;
        let found = self.fetch(origin, number(&status, "index")?).await?;
        if let Body::FederationAgree(body) = &found.record.body {
            let home = body.origin.clone().unwrap_or_else(|| origin.to_owned());
            self.signers.push((home, body.peer.0, Actor::Tenant, body.peer_key.kid().to_string()));
        }
        self.chain.agreements.push(found.proof);
        Ok(())
    }

    /// The registrations of all who signed, and of who signed those.
    async fn registrations(&mut self) -> Result<(), Failure> {
        let mut done = BTreeSet::new();
        while let Some((origin, tenant, actor, kid)) = self.signers.pop() {
            if !done.insert((origin.clone(), tenant, actor, kid.clone())) {
                continue;
            }
            let log = self.log(&origin)?;
            let indexes = match actor {
                Actor::Operator => vec![0],
                Actor::Tenant => {
                    let status = log.status(&TenantId(tenant).to_string()).await?;
                    let registered = number(&status, "registered")?;
                    // The key of a rotation is valid from the next index on.
                    let rotated = status["key_from"].as_u64().filter(|from| *from > registered);
                    [registered].into_iter().chain(rotated.map(|from| from - 1)).collect()
                }
                Actor::Agent(agent) => key_indexes(&log.status(&agent.to_string()).await?, &kid)?,
            };
            for index in indexes {
                if self.identities.contains_key(&(origin.clone(), index)) {
                    continue;
                }
                let found = log.proof(&Which::Index(index)).await?;
                let record = &found.record;
                if index > 0 {
                    self.signers.push((
                        origin.clone(),
                        record.tenant,
                        record.actor,
                        record.sig.kid.to_string(),
                    ));
                }
                self.identities.insert((origin.clone(), index), found.proof);
            }
        }
        self.chain.identities = std::mem::take(&mut self.identities).into_values().collect();
        Ok(())
    }

    async fn staples(&mut self) -> Result<(), Failure> {
        for (origin, subject) in std::mem::take(&mut self.subjects) {
            let log = self.log(&origin)?;
            let min_size = self.last.get(&origin).map_or(0, |last| last + 1);
            self.chain.staples.push(log.staple(&subject, min_size).await?);
        }
        Ok(())
    }
}

/// Where the records are that gave an agent its keys up to this one.
fn key_indexes(status: &Value, kid: &str) -> Result<Vec<u64>, Failure> {
    let keys = status["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    if number(status, "key_count")? > keys.len() as u64 {
        return Err(Failure::no("the agent has had so many keys that its first ones are not in its status"));
    }
    let mut indexes = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let from = number(key, "from")?;
        indexes.push(if place == 0 { from } else { from.saturating_sub(1) });
        if key["kid"] == kid {
            break;
        }
    }
    Ok(indexes)
}

fn number(value: &Value, field: &str) -> Result<u64, Failure> {
    value[field].as_u64().ok_or_else(|| {
        Failure::no(format!("the node's status has no {field}"))
            .next("ask a node of the same version as this program")
    })
}
