//! `log.key`: rotation of the log's verifier key (rule R5). The origin stays.

use ledger_format::Vkey;
use ledger_format::record::{LOG_KEYS_MAX, LogKey, LogKeyAction};

use crate::batch::{Batch, Stop};
use crate::rejection::{Code, Rejection};
use crate::values::{LOG_KEYS_EVER_MAX, LogKeySpan, LogKeys};
use crate::view::View;

/// Adds or retires a key. From the next publication on.
pub(crate) fn change<V: View + ?Sized>(batch: &mut Batch<'_, V>, body: &LogKey) -> Result<(), Stop> {
    let origin = batch.genesis()?.origin.clone();
    let mut keys = batch.log_keys()?;
    let index = batch.next_index();
    match body.action {
        LogKeyAction::Add => add(&mut keys, &body.vkey, &origin, index)?,
        LogKeyAction::Retire => retire(&mut keys, &body.vkey, index)?,
    }
    batch.put_log_keys(keys);
    Ok(())
}

fn add(keys: &mut LogKeys, vkey: &str, origin: &str, index: u64) -> Result<(), Rejection> {
    let refuse = |code, message: String, fix: &str| Err(Rejection::new(code, "body.vkey", message, fix));
    // The record was read, so the key parses; one that does not is nobody's.
    if !Vkey::parse(vkey).is_ok_and(|key| key.name() == origin) {
        let message = format!("the key is not named {origin}, which is this log's origin");
        return refuse(Code::LogKeyOfOtherLog, message, "make a key whose name is the origin");
    }
    if let Some(known) = keys.0.iter().find(|known| known.vkey == vkey) {
        let message = format!("the log has or had this key since index {}", known.from);
        return refuse(Code::LogKeyReused, message, "make a new key");
    }
    if keys.in_force().count() >= LOG_KEYS_MAX || keys.0.len() >= LOG_KEYS_EVER_MAX {
        let message = format!("a log has at most {LOG_KEYS_MAX} keys at once and {LOG_KEYS_EVER_MAX} ever");
        return refuse(Code::TooManyLogKeys, message, "retire a key first, or begin a new log");
    }
    keys.0.push(LogKeySpan { vkey: vkey.to_owned(), from: index, until: None });
    Ok(())
}

fn retire(keys: &mut LogKeys, vkey: &str, index: u64) -> Result<(), Rejection> {
    if keys.in_force().eq([vkey]) {
        let message = "it is the only key in force: nobody could sign for the log any more";
        return Err(Rejection::new(Code::LastLogKey, "body.vkey", message, "add another key first"));
    }
    let found = keys.0.iter_mut().find(|known| known.vkey == vkey && known.until.is_none());
    let unknown = || {
        let message = "the key is not in force in this log";
        Rejection::new(Code::LogKeyUnknown, "body.vkey", message, "name a key that is in force")
    };
    found.ok_or_else(unknown)?.until = Some(index);
    Ok(())
}
