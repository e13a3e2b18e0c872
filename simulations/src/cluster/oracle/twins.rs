//! Two clusters with one key may each sign; what a quorum of witnesses has cosigned stays one log.

use ledger_format::Hash;

use super::{Facts, Replica, is_witnessed, notes::roots};

/// Whether all that was witnessed is of the log of one of the two. `facts` of either: both hear of every cosignature.
pub(crate) fn one_log(facts: &Facts, one: &[Replica], other: &[Replica]) -> Result<(), String> {
    let mut witnessed: Vec<(u64, Hash)> = facts.cosigned.iter().map(|c| (c.size, c.root)).collect();
    witnessed.retain(|(size, root)| is_witnessed(facts, *size, *root));
    witnessed.sort_unstable();
    witnessed.dedup();
    let holds = |replicas: &[Replica]| {
        let longest = replicas.iter().max_by_key(|replica| replica.entries.len());
        let roots = longest.map(roots).unwrap_or_default();
        let is_of = |(size, root): &(u64, Hash)| {
            usize::try_from(*size).ok().and_then(|size| roots.get(size)) == Some(root)
        };
        witnessed.iter().find(|checkpoint| !is_of(checkpoint)).map(|(size, _)| *size)
    };
    match (holds(one), holds(other)) {
        (Some(first), Some(second)) => Err(format!(
            "what is witnessed is not one log: {first} entries are not the first cluster's, {second} not the second's"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Cosigned, Replica},
        *,
    };

    fn replica(entries: &[&str]) -> Vec<Replica> {
        let entries = entries.iter().map(|entry| entry.as_bytes().to_vec()).collect();
        vec![Replica { id: 1, raft_index: 1, entries, state: Vec::new() }]
    }

    #[test]
    fn a_checkpoint_of_each_cluster_is_not_one_log() {
        let (one, other) = (replica(&["a", "b"]), replica(&["a", "c", "d"]));
        let mut facts = Facts::default();
        let witness = |replicas: &[Replica], size: usize, facts: &mut Facts| {
            let root = roots(&replicas[0])[size];
            let given = |witness| Cosigned { witness, size: size as u64, root, stored: size as u64 };
            facts.cosigned.extend([given(0), given(1)]);
        };
        witness(&one, 1, &mut facts);
        witness(&other, 3, &mut facts);
        assert_eq!(one_log(&facts, &one, &other), Ok(()), "the second cluster has both");
        witness(&one, 2, &mut facts);
        assert!(one_log(&facts, &one, &other).is_err());
    }
}
