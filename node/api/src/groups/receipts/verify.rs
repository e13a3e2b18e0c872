//! Whether a record is what it seems: signature, place in the published log, chain, and what became of it. Each check is done here, now, with what
//! a third party would use; who does not trust this node takes the proof file and checks it elsewhere.

use ledger_format::{
    Policy, TlogProof,
    record::{Actor, Body, Kid, PublicKey, Record, RecordHash, record_hash},
    verify,
};
use ledger_log::TimelineQuery;
use ledger_state::{AgentStatus, Flags};
use serde::Serialize;
use utoipa::ToSchema;

use super::found::Found;
use crate::{ApiError, endpoint::Context};

/// Flags that say that the grant, under which something was done, did not hold.
const GRANT_FAULTS: Flags = Flags::GRANT_UNKNOWN.with(Flags::GRANT_ENDED);

/// What the checks found.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    /// The record's signature verifies under the key that was valid for its signer at its index.
    pub(crate) signature: bool,
    /// The entry is in the tree of a checkpoint that the log's own policy accepts.
    pub(crate) transparency: bool,
    /// It stands in its agent's chain of receipts, and the grant that it names held.
    pub(crate) chain: bool,
    /// No checkpoint covers it yet.
    pub(crate) unpublished: bool,
    /// Its signer or agent was in foreign hands when it was logged, according to whoever revoked it.
    pub(crate) compromised: bool,
    /// Size of the checkpoint that covers it.
    pub(crate) tree_size: Option<u64>,
    /// Witnesses that cosigned that checkpoint.
    pub(crate) witnesses: Vec<String>,
    /// What did not hold, in sentences.
    pub(crate) faults: Vec<String>,
}

/// The verdict of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Verdict {
    /// Every check holds, and nothing has taken it back.
    Valid,
    /// Nothing is wrong, but not everything could be checked yet.
    Incomplete,
    /// What was sent is not what was attested.
    Altered,
    /// It was taken back.
    Revoked,
    /// Another counts instead.
    Superseded,
    /// Its time is over.
    Expired,
    /// Its signature does not verify.
    InvalidSignature,
    /// Its key was in foreign hands.
    KeyCompromised,
    /// It is not in the published log.
    LogProofFailed,
    /// Its chain does not hold.
    Invalid,
    /// There is none of that id.
    NotFound,
}

impl Checked {
    /// The verdict over the checks and what became of the receipt; the gravest wins.
    pub(crate) fn verdict(&self, status: &str) -> Verdict {
        if !self.signature {
            Verdict::InvalidSignature
        } else if self.compromised {
            Verdict::KeyCompromised
        } else if !self.chain {
            Verdict::Invalid
        } else if status == "revoked" {
            Verdict::Revoked
        } else if status == "superseded" {
            Verdict::Superseded
        } else if self.unpublished {
            Verdict::Incomplete
        } else if !self.transparency {
            Verdict::LogProofFailed
        } else {
            Verdict::Valid
        }
    }
}

/// Does every check. Waits for a checkpoint that covers the record, as long as the call may wait.
pub(crate) async fn check(context: &Context, found: &Found) -> Result<Checked, ApiError> {
    let mut checked = Checked {
        signature: false,
        transparency: false,
        chain: false,
        unpublished: false,
        compromised: false,
        tree_size: None,
        witnesses: Vec::new(),
        faults: Vec::new(),
    };
    match signature(context, found) {
        Ok(()) => checked.signature = true,
        Err(fault) => checked.faults.push(fault),
    }
    transparency(context, found, &mut checked).await?;
    match chain(found) {
        Ok(()) => checked.chain = true,
        Err(fault) => checked.faults.push(fault),
    }
    if let Some(at) = compromised_at(context, found)?
        && at <= found.at.log_ms
    {
        checked.compromised = true;
        checked.faults.push("whoever revoked the agent says that it was in foreign hands by then".into());
    }
    Ok(checked)
}

/// The record's signature, under the key that was valid for its signer at its index.
fn signature(context: &Context, found: &Found) -> Result<(), String> {
    let record = &found.record;
    let key = key_at(context, found).map_err(|error| error.to_string())?;
    let key = key.ok_or_else(|| {
        format!("{} had no key {} at index {}", record.actor, record.sig.kid, found.at.index)
    })?;
    record.verify_signature(&key).map_err(|error| error.to_string())
}

/// The key that the signature names, if it was the signer's at that index.
pub(crate) fn key_at(context: &Context, found: &Found) -> Result<Option<PublicKey>, ApiError> {
    let (kid, index) = (found.record.sig.kid, found.at.index);
    let public = match found.record.actor {
        Actor::Operator => {
            let operator =
                context.view(|view| ledger_state::genesis(view).map(|genesis| genesis.operator))?;
            operator.filter(|key| key.kid == kid && key.from <= index).map(|key| key.public)
        }
        Actor::Agent(agent) => {
            let span = context.view(|view| ledger_state::agent_key(view, agent, kid))?;
            span.filter(|span| span.is_valid_at(index)).map(|span| span.public)
        }
        Actor::Tenant => return tenant_key(context, found, kid),
    };
    Ok(public.and_then(|public| PublicKey::from_bytes(&public).ok()))
}

/// The tenant's root key at an index: the last that a record before it brought. The state holds the current one only.
fn tenant_key(context: &Context, found: &Found, kid: Kid) -> Result<Option<PublicKey>, ApiError> {
    let query = TimelineQuery {
        tenant: found.tenant,
        types: &["tenant.register", "tenant.key"],
        agent: None,
        before: Some(found.at.index + 1),
        from: 0,
        limit: 2,
        ascending: false,
    };
    for row in context.reader.timeline(&query).map_err(ApiError::internal)?.rows {
        let key = match context.entry(row.index)?.map(|(_, record)| record.body) {
            Some(Body::TenantRegister(body)) => body.key,
            // The old key signs up to and with this record.
            Some(Body::TenantKey(body)) if row.index < found.at.index => Some(body.key),
            _ => None,
        };
        if let Some(key) = key {
            return Ok((key.kid() == kid).then_some(key));
        }
    }
    Ok(None)
}

/// The entry in the tree of the published checkpoint, checked as an offline verifier does it.
async fn transparency(context: &Context, found: &Found, checked: &mut Checked) -> Result<(), ApiError> {
    let index = found.at.index;
    if context.reader.wait_published(index + 1, context.timeout).await.is_none() {
        checked.unpublished = true;
        checked.faults.push("no published checkpoint covers it yet".into());
        return Ok(());
    }
    let bytes = context.reader.proof(index).map_err(ApiError::internal)?.unwrap_or_default();
    match prove(&bytes, &found.entry, context.log.policy_text()) {
        Ok((size, witnesses)) => {
            (checked.transparency, checked.tree_size, checked.witnesses) = (true, Some(size), witnesses);
        }
        Err(fault) => checked.faults.push(fault),
    }
    Ok(())
}

/// Size of the checkpoint that proves the entry under the policy, and who cosigned it.
fn prove(proof: &[u8], entry: &[u8], policy: &str) -> Result<(u64, Vec<String>), String> {
    let proof = TlogProof::parse(proof).map_err(|error| error.to_string())?;
    let policy = Policy::parse(policy).map_err(|error| error.to_string())?;
    let proven = verify(entry, &proof, &policy).map_err(|error| error.to_string())?;
    Ok((proven.checkpoint.size, proven.cosigners.into_iter().map(|(name, _)| name).collect()))
}

/// That the chain has this record and not another one, and that the grant held.
fn chain(found: &Found) -> Result<(), String> {
    if !is_same(&found.record, found.at.hash) {
        return Err("the agent's chain of receipts has another record under this id".into());
    }
    if ledger_format::leaf_hash(&found.entry) != found.at.leaf {
        return Err("the entry has another leaf hash than the index says".into());
    }
    if found.flags.has_any(GRANT_FAULTS) {
        let names: Vec<&str> = found.flags.names().filter(|name| name.starts_with("grant_")).collect();
        return Err(format!("the grant that it names did not hold: {}", names.join(", ")));
    }
    Ok(())
}

fn is_same(record: &Record, hash: RecordHash) -> bool {
    record_hash(&record.to_bytes()) == hash
}

fn compromised_at(context: &Context, found: &Found) -> Result<Option<u64>, ApiError> {
    let Some(agent) = found.agent() else { return Ok(None) };
    let agent = context.view(|view| ledger_state::agent(view, agent))?;
    Ok(agent.and_then(|agent| match agent.status {
        AgentStatus::Revoked { compromised_at, .. } => compromised_at,
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Checked = Checked {
        signature: true,
        transparency: true,
        chain: true,
        unpublished: false,
        compromised: false,
        tree_size: None,
        witnesses: Vec::new(),
        faults: Vec::new(),
    };

    #[test]
    fn the_gravest_finding_is_the_verdict() {
        let unpublished = Checked { unpublished: true, transparency: false, ..GOOD };
        for (checked, status, verdict) in [
            (GOOD, "valid", Verdict::Valid),
            (GOOD, "revoked", Verdict::Revoked),
            (GOOD, "superseded", Verdict::Superseded),
            (unpublished.clone(), "valid", Verdict::Incomplete),
            (unpublished.clone(), "revoked", Verdict::Revoked),
            (Checked { transparency: false, ..GOOD }, "valid", Verdict::LogProofFailed),
            (Checked { chain: false, ..GOOD }, "revoked", Verdict::Invalid),
            (Checked { compromised: true, chain: false, ..GOOD }, "valid", Verdict::KeyCompromised),
            (
                Checked { signature: false, compromised: true, ..unpublished },
                "revoked",
                Verdict::InvalidSignature,
            ),
        ] {
            assert_eq!(checked.verdict(status), verdict, "{checked:?} {status}");
        }
    }

    #[test]
    fn what_is_no_proof_proves_nothing() {
        assert!(prove(b"", b"entry", "").is_err());
        assert!(
            prove(b"c2sp.org/tlog-proof@v1\nindex 0\n\nx\n1\nAA\n\n", b"entry", "quorum none\n").is_err()
        );
    }
}
