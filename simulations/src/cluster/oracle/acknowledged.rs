//! No acknowledged record is lost or moved. A cluster that was set back to an older backup has lost some; what it must not do is go
//! on as if it had not, which the other invariants hold.

use ledger_format::leaf_hash;

use super::{Facts, Replica};

pub(super) fn check(facts: &Facts, replicas: &[Replica]) -> Result<(), String> {
    if facts.set_back_at.is_some() {
        return Ok(());
    }
    let longest = replicas.iter().map(|replica| replica.entries.len()).max();
    for told in &facts.acknowledged {
        for replica in replicas {
            let entry = usize::try_from(told.index).ok().and_then(|index| replica.entries.get(index));
            match entry {
                Some(entry) if leaf_hash(entry) != told.leaf => {
                    return Err(format!("entry {} of node {} is another one", told.index, replica.id));
                }
                None if Some(replica.entries.len()) == longest => {
                    return Err(format!("entry {} is gone from node {}", told.index, replica.id));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
