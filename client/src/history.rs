//! Whether a list of receipts is all that the log holds about an agent.
//!
//! An agent's public status says how many receipts there are about it and the head of their chain: a hash over their record hashes
//! in order. A staple proves that status. So whoever recomputes the head from the receipts at hand knows that none is missing,
//! none is added and none is in another place, up to the size that the staple speaks of.

use ledger_format::{
    Hash, node_hash,
    record::{AgentId, Entry, Record},
};
use ledger_state::receipt_about;
use serde::Deserialize;

/// What a proven status says of an agent's receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// How many there are.
    pub count: u64,
    /// Hash over their record hashes in order.
    pub head: Hash,
    /// Every receipt below this size is among them.
    pub as_of_size: u64,
}

/// Why receipts are not all that there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryFault {
    /// The bytes of an entry are no receipt about the agent.
    #[error("entry {index} is no receipt about the agent: {reason}")]
    NoReceipt {
        /// Its index, as the node says.
        index: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The indices do not ascend.
    #[error("entry {index} comes after entry {before}")]
    Order {
        /// The later one in the list.
        index: u64,
        /// The one before it.
        before: u64,
    },
    /// There are too few.
    #[error("{got} receipts, but the log counts {count}: some were left out")]
    TooFew {
        /// In the list.
        got: u64,
        /// In the status.
        count: u64,
    },
    /// There is one more than the status counts, at a place up to which it counts them all.
    #[error(
        "entry {index} is one more than the {count} receipts that the log counts up to size {as_of_size}"
    )]
    TooMany {
        /// Its index, as the node says.
        index: u64,
        /// In the status.
        count: u64,
        /// Up to where the status counts.
        as_of_size: u64,
    },
    /// Another head comes out.
    #[error(
        "the receipts give the chain head {got}, the log's is {stated}: one is missing, added, altered or in another place"
    )]
    Head {
        /// Of the list.
        got: Hash,
        /// In the status.
        stated: Hash,
    },
}

impl Stated {
    /// Reads it from an agent's public status; `None` for the status of something else.
    pub fn of_status(status: &[u8], as_of_size: u64) -> Option<Stated> {
        #[derive(Deserialize)]
        struct Status {
            receipts: Receipts,
        }
        #[derive(Deserialize)]
        struct Receipts {
            count: u64,
            head: String,
        }
        let Receipts { count, head } = serde_json::from_slice::<Status>(status).ok()?.receipts;
        Some(Stated { count, head: Hash::from_hex(&head)?, as_of_size })
    }
}

/// The chain of receipts at hand, one after the other.
#[derive(Clone, Debug)]
pub struct History {
    agent: AgentId,
    count: u64,
    head: Hash,
    last: Option<u64>,
}

impl History {
    /// No receipts yet.
    pub fn new(agent: AgentId) -> History {
        History { agent, count: 0, head: Hash([0; 32]), last: None }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// It is no receipt about the agent, or not behind the one before.
    pub fn push(&mut self, index: u64, entry: &[u8]) -> Result<(), HistoryFault> {
        let hash = self.check(index, entry)?;
        self.head = node_hash(self.head, hash);
        self.count += 1;
        Ok(())
    }

    /// A receipt that is newer than the status. One that is not was added.
    ///
    /// # Errors
    /// As [`Self::push`], or the status counts everything up to there.
    pub fn push_newer(&mut self, stated: &Stated, index: u64, entry: &[u8]) -> Result<(), HistoryFault> {
        self.check(index, entry)?;
        if index < stated.as_of_size {
            let (count, as_of_size) = (stated.count, stated.as_of_size);
            return Err(HistoryFault::TooMany { index, count, as_of_size });
        }
        Ok(())
    }

    /// Receipts that make up the chain.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether these are exactly the receipts of the status.
    ///
    /// # Errors
    /// Too few, or others.
    pub fn finish(&self, stated: &Stated) -> Result<(), HistoryFault> {
        if self.count < stated.count {
            return Err(HistoryFault::TooFew { got: self.count, count: stated.count });
        }
        if self.count != stated.count || self.head != stated.head {
            return Err(HistoryFault::Head { got: self.head, stated: stated.head });
        }
        Ok(())
    }

    /// The record's hash.
    fn check(&mut self, index: u64, entry: &[u8]) -> Result<Hash, HistoryFault> {
        if let Some(before) = self.last.filter(|last| *last >= index) {
            return Err(HistoryFault::Order { index, before });
        }
        self.last = Some(index);
        let other = |reason: String| HistoryFault::NoReceipt { index, reason };
        let entry = Entry::parse(entry).map_err(|e| other(e.to_string()))?;
        let record = Record::parse(entry.record).map_err(|e| other(e.to_string()))?;
        match receipt_about(&record.body) {
            Some(agent) if agent == self.agent => Ok(Hash(record.hash().0)),
            Some(agent) => Err(other(format!("it is about {agent}"))),
            None => Err(other(format!("it is a {}", record.type_name()))),
        }
    }
}
