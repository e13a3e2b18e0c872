//! What a transaction does.
//!
//! The log's time moves first, then what has expired is cleared away, a bounded number at a time and the oldest first; what is
//! left over counts as absent all the same. Then the transaction is done, or nothing of it.

use super::{Note, PRIVATE_WAIT_MAX_MS, PrivateValue, PrivateWrite, Transaction, TransactionFault};
use crate::applied::{Alarm, Applied, Outcome};
use crate::apply::advance;
use crate::keys;
use crate::overlay::{Overlay, Raw};
use crate::values::Service;
use crate::view::View;

/// Most values and marks that one transaction clears away. More than one transaction can make (its writes and its own mark), so
/// what has expired never piles up.
pub const PRIVATE_SWEEP_MAX: usize = 128;

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transacted {
    /// It is done, now or since it came first.
    Done,
    /// Nothing was done: something else is under this key, the first of those expected.
    Conflict {
        /// The key.
        key: Vec<u8>,
    },
    /// Nothing was done: the log's time is beyond `good_until_ms`. An earlier sending of it may have been done.
    Late,
    /// Nothing was done: it breaks a bound.
    Refused(TransactionFault),
}

/// Does a transaction, or nothing of it.
pub(crate) fn transact<V: View + ?Sized>(
    view: &V,
    log_ms: u64,
    transaction: &Transaction,
) -> Result<Applied, Alarm> {
    let mut state = Overlay::new(view);
    let mut service = state.get::<Service>(keys::SERVICE.to_vec())?.as_deref().copied().unwrap_or_default();
    service.log_ms = advance(service.log_ms, log_ms);
    state.put(keys::SERVICE.to_vec(), service);
    sweep(&mut state, service.log_ms);
    let done = judge(&mut state, service.log_ms, transaction)?;
    let outcomes = vec![Outcome::Transacted(done)];
    Ok(Applied { outcomes, writes: state.into_writes(), ..Applied::default() })
}

fn judge<V: View + ?Sized>(
    state: &mut Overlay<'_, V>,
    now: u64,
    transaction: &Transaction,
) -> Result<Transacted, Alarm> {
    if let Err(fault) = transaction.check() {
        return Ok(Transacted::Refused(fault));
    }
    if transaction.good_until_ms > now.saturating_add(PRIVATE_WAIT_MAX_MS) {
        return Ok(Transacted::Refused(TransactionFault::GoodForTooLong));
    }
    if now > transaction.good_until_ms {
        return Ok(Transacted::Late);
    }
    let mark = keys::transaction(transaction.id);
    if live(state, &mark, now)?.is_some() {
        return Ok(Transacted::Done);
    }
    for (key, expect) in &transaction.expects {
        if !expect.holds(live(state, &keys::private(key), now)?.as_deref()) {
            return Ok(Transacted::Conflict { key: key.clone() });
        }
    }
    for (key, write) in &transaction.writes {
        let value = match write {
            PrivateWrite::Delete => None,
            PrivateWrite::Put { value, expires_at_ms } => {
                Some(PrivateValue { expires_at_ms: *expires_at_ms, bytes: value.clone() })
            }
        };
        replace(state, keys::private(key), value.filter(|value| value.live(now)))?;
    }
    if transaction.writes.is_empty() {
        // Whoever changes nothing may be asked twice.
        return Ok(Transacted::Done);
    }
    let until = Some(transaction.good_until_ms.saturating_add(1));
    replace(state, mark, Some(PrivateValue { expires_at_ms: until, bytes: Vec::new() }))?;
    Ok(Transacted::Done)
}

/// The value under a key, unless its time is over.
fn live<V: View + ?Sized>(
    state: &mut Overlay<'_, V>,
    key: &[u8],
    now: u64,
) -> Result<Option<Vec<u8>>, Alarm> {
    let value = state.get::<PrivateValue>(key.to_vec())?;
    Ok(value.filter(|value| value.live(now)).map(|value| value.bytes.clone()))
}

/// Keeps what came with a record.
pub(crate) fn keep<V: View + ?Sized>(state: &mut Overlay<'_, V>, note: &Note) -> Result<(), Alarm> {
    let value = PrivateValue { expires_at_ms: None, bytes: note.value().to_vec() };
    replace(state, keys::private(note.key()), Some(value))
}

/// Puts or deletes a value, and moves its place in the order of expiry.
fn replace<V: View + ?Sized>(
    state: &mut Overlay<'_, V>,
    key: Vec<u8>,
    value: Option<PrivateValue>,
) -> Result<(), Alarm> {
    if let Some(before) = state.get::<PrivateValue>(key.clone())? {
        if let Some(end) = before.expires_at_ms {
            state.delete(keys::private_due(end, &key));
        }
        if value.is_none() {
            state.delete(key);
            return Ok(());
        }
    }
    if let Some(value) = value {
        if let Some(end) = value.expires_at_ms {
            state.put(keys::private_due(end, &key), Raw(Vec::new()));
        }
        state.put(key, value);
    }
    Ok(())
}

/// Clears away what has expired, the oldest first.
fn sweep<V: View + ?Sized>(state: &mut Overlay<'_, V>, now: u64) {
    let (from, to) = (keys::private_due_from(0), keys::private_due_from(now.saturating_add(1)));
    for _ in 0..PRIVATE_SWEEP_MAX {
        let Some(place) = state.next_key(&from, &to) else { break };
        if let Some(key) = keys::private_due_key(&place) {
            state.delete(key.to_vec());
        }
        state.delete(place);
    }
}
