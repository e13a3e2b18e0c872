//! All notes ever signed, published or not, are pairwise consistent.
//!
//! When the whole cluster was set back to a backup, that is more than anybody can promise: then each node's own notes are
//! consistent, and none contradicts what was witnessed before it. When a disk has lied, entries below a note may be gone, and
//! only the first is left.

use ledger_format::{Frontier, Hash, leaf_hash};

use super::{Facts, Replica, Signed, is_witnessed};

pub(super) fn check(facts: &Facts, replicas: &[Replica]) -> Result<(), String> {
    let set_back = facts.may_have_lost();
    // What is promised after a restoration depends on what was witnessed since.
    let judged = if set_back { 0 } else { facts.judged.signed };
    for (at, note) in facts.signed.iter().enumerate().skip(judged) {
        for other in &facts.signed[..at] {
            let contradicts = note.size == other.size && note.root != other.root;
            let promised = !set_back || note.by == other.by || is_witnessed(facts, other.size, other.root);
            if contradicts && promised {
                return Err(format!(
                    "nodes {} and {} signed different roots for {} entries",
                    other.by, note.by, note.size
                ));
            }
        }
    }
    if facts.disk_lied {
        return Ok(());
    }
    let late = facts.set_back_at.unwrap_or(0);
    for note in &facts.signed[late..] {
        against_witnessed(note, &facts.witnessed_before)?;
    }
    replicas.iter().try_for_each(|replica| {
        let roots = roots(replica);
        let witnessed = facts.witnessed_before.len().saturating_sub(1);
        let beyond = facts.signed[late..].iter().find(|note| note.size >= witnessed as u64);
        if let (Some(note), Some(own)) = (beyond, roots.get(witnessed))
            && facts.witnessed_before.last().is_some_and(|before| before != own)
        {
            return Err(format!("node {} signed {} entries against what was witnessed", note.by, note.size));
        }
        facts.signed[late..].iter().try_for_each(|note| fits(note, replica.id, &roots))
    })
}

/// Set back or not, nothing is signed against what was witnessed before.
fn against_witnessed(note: &Signed, witnessed: &[Hash]) -> Result<(), String> {
    match usize::try_from(note.size).ok().and_then(|size| witnessed.get(size)) {
        Some(root) if *root != note.root => {
            Err(format!("node {} signed {} entries against what was witnessed", note.by, note.size))
        }
        _ => Ok(()),
    }
}

fn fits(note: &Signed, replica: u64, roots: &[Hash]) -> Result<(), String> {
    match usize::try_from(note.size).ok().and_then(|size| roots.get(size)) {
        Some(root) if *root != note.root => Err(format!(
            "node {} signed a root for {} entries that is not the one of node {replica}'s entries",
            note.by, note.size
        )),
        _ => Ok(()),
    }
}

/// The root at each size, by what the entries say.
pub(super) fn roots(replica: &Replica) -> Vec<Hash> {
    let mut frontier = Frontier::new();
    let mut roots = vec![frontier.root()];
    for entry in &replica.entries {
        frontier.push(leaf_hash(entry));
        roots.push(frontier.root());
    }
    roots
}
