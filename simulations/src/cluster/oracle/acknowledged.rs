//! No acknowledged record is lost or moved. A cluster that was set back to an older backup has lost some; what it must not do is go
//! on as if it had not, which the other invariants hold.
//!
//! Where bits flip, the node that answers may be the one whose log time is wrong, until the next checkpoint stops it: then the
//! record is where it said, and the leaf that it told is not the log's. A proof never has such a leaf.

use ledger_format::{leaf_hash, record::Entry};

use super::{Facts, Replica};

pub(super) fn check(facts: &Facts, replicas: &[Replica]) -> Result<(), String> {
    if facts.may_have_lost() {
        return Ok(());
    }
    let rots = !facts.rotten.is_empty();
    let longest = replicas.iter().map(|replica| replica.entries.len()).max();
    for told in &facts.acknowledged {
        for replica in replicas {
            let entry = usize::try_from(told.index).ok().and_then(|index| replica.entries.get(index));
            match entry {
                Some(entry) if leaf_hash(entry) != told.leaf && !(rots && is_record(entry, &told.record)) => {
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

fn is_record(entry: &[u8], record: &[u8]) -> bool {
    Entry::parse(entry).is_ok_and(|entry| entry.record == record)
}
