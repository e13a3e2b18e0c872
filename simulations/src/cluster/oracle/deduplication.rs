//! A record is in the log once, however often it was sent.

use std::collections::BTreeMap;

use ledger_format::record::Entry;

use super::{Facts, Replica};

pub(super) fn check(facts: &Facts, replicas: &[Replica]) -> Result<(), String> {
    if !facts.may_have_lost() {
        let mut told: BTreeMap<&[u8], u64> = BTreeMap::new();
        for answer in &facts.acknowledged {
            let first = *told.entry(&answer.record).or_insert(answer.index);
            if first != answer.index {
                return Err(format!("one record was given the indexes {first} and {}", answer.index));
            }
        }
    }
    for replica in replicas {
        let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for (index, entry) in replica.entries.iter().enumerate() {
            let entry = Entry::parse(entry).map_err(|e| format!("entry {index} cannot be read: {e}"))?;
            if let Some(first) = seen.insert(entry.record.to_vec(), index) {
                return Err(format!("entries {first} and {index} of node {} are one record", replica.id));
            }
        }
    }
    Ok(())
}
