//! The fork alarm means that entries are lost: as long as no backup was restored, no disk lied about what it has and no second cluster
//! runs, nobody raises it. But for two who may: a leader to whom a witness names a size that it never cosigned (rule C4 cannot know
//! better), and a node whose sign guard or whose entries have rotted.

use super::{Facts, Replica};

pub(super) fn check(facts: &Facts, _: &[Replica]) -> Result<(), String> {
    if facts.may_have_lost() || facts.witness_lied || facts.has_twin {
        return Ok(());
    }
    match facts.fork_alarms.iter().find(|(node, _)| !facts.contradicting.contains(node)) {
        Some((node, text)) => Err(format!("node {node} raised {text:?}")),
        None => Ok(()),
    }
}
