//! Random transactions on the private state, and the plainest thing that could do them.

use std::collections::BTreeMap;

use ledger_state::{Command, Expect, Private, PrivateWrite, Transaction, ValueDigest};
use proptest::prelude::*;

use super::START_MS;

/// A transaction and the leader's clock. Numbers are small, so that they meet: ids come again, values are expected and there.
#[derive(Clone, Debug)]
pub(crate) struct PrivateStep {
    pub(crate) log_ms: u64,
    pub(crate) transaction: Transaction,
}

impl PrivateStep {
    pub(crate) fn command(&self) -> Command {
        let PrivateStep { log_ms, transaction } = self.clone();
        Command::Private(Private::Transact { log_ms, transaction })
    }
}

pub(crate) fn private_key(number: u8) -> Vec<u8> {
    vec![b'k', number]
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    (0..6u8).prop_map(private_key)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    (0..3u8, 0..4usize).prop_map(|(byte, length)| vec![byte; length])
}

fn time() -> impl Strategy<Value = u64> {
    (0..5_000u64).prop_map(|ms| START_MS + ms)
}

fn expect() -> impl Strategy<Value = Expect> {
    prop_oneof![Just(Expect::Absent), value().prop_map(|value| Expect::Is(ValueDigest::of(&value)))]
}

fn write() -> impl Strategy<Value = PrivateWrite> {
    prop_oneof![
        1 => Just(PrivateWrite::Delete),
        4 => (value(), proptest::option::of(time()))
            .prop_map(|(value, expires_at_ms)| PrivateWrite::Put { value, expires_at_ms }),
    ]
}

fn step() -> impl Strategy<Value = PrivateStep> {
    let expects = proptest::collection::btree_map(key(), expect(), 0..2);
    let writes = proptest::collection::btree_map(key(), write(), 0..4);
    (time(), 0..24u8, time(), expects, writes).prop_map(|(log_ms, id, good_until_ms, expects, writes)| {
        PrivateStep { log_ms, transaction: Transaction { id: [id; 16], good_until_ms, expects, writes } }
    })
}

/// A history of transactions; the leader's clock may run back.
pub(crate) fn private_steps() -> impl Strategy<Value = Vec<PrivateStep>> {
    proptest::collection::vec(step(), 1..60)
}

pub(crate) fn private_commands(steps: &[PrivateStep]) -> Vec<Command> {
    steps.iter().map(PrivateStep::command).collect()
}

/// The private state as one would explain it: a map, a clock, and the transactions that were done.
#[derive(Default)]
pub(crate) struct PrivateModel {
    pub(crate) now: u64,
    values: BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>,
    done: BTreeMap<[u8; 16], u64>,
}

impl PrivateModel {
    /// The value that counts.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let (value, end) = self.values.get(key)?;
        end.is_none_or(|end| self.now < end).then_some(value)
    }

    /// Does a transaction: `Ok(true)`, done; `Ok(false)`, too late; `Err`, the key that differs.
    pub(crate) fn run(&mut self, step: &PrivateStep) -> Result<bool, Vec<u8>> {
        let PrivateStep { log_ms, transaction } = step;
        self.now = self.now.max(*log_ms);
        if self.now > transaction.good_until_ms {
            return Ok(false);
        }
        if self.done.get(&transaction.id).is_some_and(|until| self.now <= *until) {
            return Ok(true);
        }
        for (key, expect) in &transaction.expects {
            let good = match (expect, self.get(key)) {
                (Expect::Absent, found) => found.is_none(),
                (Expect::Is(digest), Some(found)) => ValueDigest::of(found) == *digest,
                (Expect::Is(_), None) => false,
            };
            if !good {
                return Err(key.clone());
            }
        }
        for (key, write) in &transaction.writes {
            match write {
                PrivateWrite::Delete => self.values.remove(key),
                PrivateWrite::Put { value, expires_at_ms } => {
                    self.values.insert(key.clone(), (value.clone(), *expires_at_ms))
                }
            };
        }
        if !transaction.writes.is_empty() {
            self.done.insert(transaction.id, transaction.good_until_ms);
        }
        Ok(true)
    }
}
