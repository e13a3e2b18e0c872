//! Which generation of a sandbox log the cluster runs.
//!
//! A log never goes back. So a sandbox that is reset ends, and another log of its own origin, its own Raft group and its own
//! directory begins under the same name: the next *generation*. Which one it is stands in the private state of the main log,
//! agreed on through the main log's Raft like everything in it: two resets at once are one or two, never a mix, a crash leaves
//! the old or the new one, and a node that was away learns it with everything else that it missed. Each node then makes what
//! it hosts follow what its copy of the main log says.
//!
//! A generation is agreed on together with its first voters, those of the main log at that moment: whichever of them begins
//! its Raft group, and however many do, they begin it alike.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    admin::AdminError,
    bytes_codec::{Malformed, Reader, Writer},
    hosted::HostedLog,
    ledger::{AppliedMark, LedgerError},
    options::Member,
    private::{Change, TransactOutcome},
};

/// Before the sandbox's name: the key of its generation in the private state.
const KEY_PREFIX: &str = "generation/";
/// First byte of the value.
const VALUE_VERSION: u8 = 1;
/// Most first voters of a generation.
const MEMBERS_MAX: u32 = 256;
/// How long a majority may take to agree.
const AGREE_LIMIT: Duration = Duration::from_secs(10);

/// A generation of a sandbox log, as the cluster has agreed on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// From 1.
    pub number: u32,
    /// The first voters of its Raft group; empty for the first generation, whose voters are configured.
    pub members: Vec<Member>,
}

impl Generation {
    /// The one that a sandbox begins with, and the only one of a production log.
    #[must_use]
    pub fn first() -> Self {
        Self { number: 1, members: Vec::new() }
    }

    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.u8(VALUE_VERSION).u32(self.number).u32(self.members.len() as u32);
        for member in &self.members {
            w.u64(member.id).bytes(member.peer.as_bytes()).bytes(member.api.as_bytes());
        }
        w.finish().to_vec()
    }

    fn decode(bytes: Vec<u8>) -> Result<Self, Malformed> {
        let mut r = Reader::new(Bytes::from(bytes), "generation of a sandbox");
        r.version(VALUE_VERSION)?;
        let (number, count) = (r.u32()?, r.u32()?);
        if number == 0 || count > MEMBERS_MAX {
            return Err(r.fault());
        }
        let member = |r: &mut Reader| Ok(Member { id: r.u64()?, peer: r.string()?, api: r.string()? });
        let members = (0..count).map(|_| member(&mut r)).collect::<Result<_, Malformed>>()?;
        r.end()?;
        Ok(Self { number, members })
    }
}

impl HostedLog {
    /// Which generation of this sandbox log it is, from 1; `None` for a production log, which has none.
    #[must_use]
    pub fn generation(&self) -> Option<u32> {
        self.core.options.generation
    }

    /// Names the Raft group of this log among those of the nodes: of another generation it is another.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.core.group
    }

    /// Watches how far this node has applied.
    #[must_use]
    pub fn watch_applied(&self) -> watch::Receiver<AppliedMark> {
        self.core.ledger.watch_applied()
    }

    /// Of the main log: the generation of a sandbox, as far as this node has applied.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn generation_of(&self, sandbox: &str) -> Result<Generation, LedgerError> {
        let value = self.core.ledger.with_view(|view| ledger_state::private(view, &key(sandbox)))?;
        let corrupt = |e: Malformed| LedgerError::malformed("private state", &e);
        value.map_or_else(|| Ok(Generation::first()), |value| Generation::decode(value).map_err(corrupt))
    }

    /// Of the main log, at its leader: agrees that generation `ended` of a sandbox is over and the next one begins, with the
    /// present voters. Returns what is agreed on now: the next generation, or, when another reset came first, its.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn end_generation(&self, sandbox: &str, ended: u32) -> Result<Generation, AdminError> {
        self.only_leader()?;
        let failed = |e: LedgerError| AdminError::Failed(e.to_string());
        let known = self.generation_of(sandbox).map_err(failed)?;
        if known.number != ended {
            return Ok(known);
        }
        let next = Generation { number: ended + 1, members: self.settled_voters()? };
        let key = key(sandbox);
        let change = Change::new().put(key.clone(), next.encode());
        let change = match ended {
            1 => change.expect_absent(key),
            _ => change.expect_value(key, &known.encode()),
        };
        match self.transact(change, AGREE_LIMIT).await {
            // Another reset came first: what is agreed on now is its.
            Ok(TransactOutcome::Done | TransactOutcome::Conflict { .. }) => {
                self.generation_of(sandbox).map_err(failed)
            }
            Err(refused) => Err(AdminError::Failed(refused.message)),
        }
    }

    /// The voters, when nobody else is on the way in: a learner would be in this log and not in the next generation.
    fn settled_voters(&self) -> Result<Vec<Member>, AdminError> {
        let members = self.members();
        if let Some(learner) = members.iter().find(|known| !known.voter) {
            let id = learner.member.id;
            return Err(AdminError::Refused(format!(
                "node {id} is a learner; promote it or remove it first"
            )));
        }
        Ok(members.into_iter().map(|known| known.member).collect())
    }

    /// Whether nothing in this process uses this log any more beside the caller; only then may its files go.
    #[must_use]
    pub fn is_released(&self) -> bool {
        Arc::strong_count(&self.core) == 1
    }
}

/// Key of a sandbox's generation in the private state of the main log.
fn key(sandbox: &str) -> Vec<u8> {
    [KEY_PREFIX.as_bytes(), sandbox.as_bytes()].concat()
}

/// Names a Raft group: the log's name, from the second generation on with its number.
pub(crate) fn group_name(log: &str, generation: Option<u32>) -> String {
    match generation {
        Some(number) if number > 1 => format!("{log}/{number}"),
        _ => log.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_comes_back_and_damage_is_noticed() {
        let member = |id: u64| Member { id, peer: format!("n{id}:1"), api: format!("https://n{id}:2") };
        let generation = Generation { number: 7, members: vec![member(1), member(3)] };
        let bytes = generation.encode();
        assert_eq!(Generation::decode(bytes.clone()).unwrap(), generation);
        assert!(Generation::decode(bytes[..bytes.len() - 1].to_vec()).is_err());
        assert!(Generation::decode([&bytes[..], &[0]].concat()).is_err());
        assert!(Generation::decode(Generation { number: 0, members: vec![] }.encode()).is_err());
        let mut other_version = bytes;
        other_version[0] = 2;
        assert_eq!(
            Generation::decode(other_version),
            Err(Malformed::Version { what: "generation of a sandbox", version: 2 })
        );
    }

    #[test]
    fn each_generation_is_a_raft_group_of_its_own() {
        assert_eq!(group_name("main", None), "main");
        assert_eq!(group_name("sandbox", Some(1)), "sandbox");
        assert_eq!(group_name("sandbox", Some(2)), "sandbox/2");
    }
}
