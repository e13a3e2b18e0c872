//! A log that ended something for good and later sealed a status by which it goes on.
//!
//! Whoever revokes gets an index. From the first staple that speaks of a larger size on, the status must show it: the entry and the
//! staple together are the promise and its breach, both under the log's own signatures.

use super::NotEvidence;
use crate::checkpoint::Checkpoint;
use crate::merkle::{leaf_hash, verify_inclusion};
use crate::proof::TlogProof;
use crate::record::json::{self, Value};
use crate::record::{Body, Entry, Record};
use crate::status_proof::{Staple, map_key};

/// Checks that the two contradict each other; the origin of the log that is to blame, if it signed both.
pub(super) fn check(ending: &TlogProof, staple: &Staple) -> Result<String, NotEvidence> {
    let (checkpoint, entry) = included(ending)?;
    let (ended, words) = ended_by(entry).ok_or(NotEvidence::EndsNothing)?;
    let (later, _) = included(&staple.inclusion)?;
    if later.origin != checkpoint.origin {
        return Err(NotEvidence::TwoLogs { first: checkpoint.origin, second: later.origin });
    }
    if staple.subject != ended {
        return Err(NotEvidence::OtherSubject { got: staple.subject.clone(), ended });
    }
    let root = staple.state_root().ok_or(NotEvidence::NoStateRoot)?;
    if root.as_of_size <= ending.index {
        return Err(NotEvidence::StapleBefore { as_of_size: root.as_of_size, index: ending.index });
    }
    let proof = staple.map_proof();
    proof.verify(root.map_root, map_key(&ended), staple.value()).map_err(|_| NotEvidence::NotInMap)?;
    if staple.value().is_some_and(|value| says(value, words)) {
        return Err(NotEvidence::NoContradiction);
    }
    Ok(checkpoint.origin)
}

/// The checkpoint and the entry that is in its tree.
fn included(proof: &TlogProof) -> Result<(Checkpoint, &[u8]), NotEvidence> {
    let checkpoint = Checkpoint::parse(proof.note.text())?;
    let entry = proof.entry().ok_or(NotEvidence::NoEntry)?;
    verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, &proof.hashes, checkpoint.root)?;
    Ok((checkpoint, entry))
}

/// What the entry ends for good, and the words by which a later status must say so. What can be undone, like a suspension, and what
/// ends without being named is not among it.
fn ended_by(entry: &[u8]) -> Option<(String, &'static [&'static str])> {
    let record = Record::parse(Entry::parse(entry).ok()?.record).ok()?;
    Some(match &record.body {
        Body::AgentRevoke(body) => (body.agent.to_string(), &["revoked", "killed"]),
        Body::AgentKill(body) => (body.agent.to_string(), &["killed"]),
        Body::DelegationRevoke(body) => (body.grant.to_string(), &["revoked"]),
        Body::DelegationReject(body) => (body.grant.to_string(), &["rejected"]),
        Body::SessionClose(body) => (body.session.to_string(), &["closed", "aborted"]),
        Body::FederationEnd(body) => (format!("agreement:{}", body.agreement), &["ended"]),
        _ => return None,
    })
}

/// Whether the status is one of the words.
fn says(status: &[u8], words: &[&str]) -> bool {
    let Ok(Value::Object(fields)) = json::parse(status) else { return false };
    fields.iter().any(|(key, value)| {
        key == "status" && matches!(value, Value::Str(word) if words.contains(&word.as_str()))
    })
}
