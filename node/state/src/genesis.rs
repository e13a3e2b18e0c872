//! `log.genesis`: entry 0, and never again.

use ledger_format::record::LogGenesis;

use crate::batch::{Batch, Stop};
use crate::rejection::{Code, Rejection};
use crate::values::{Genesis, LogKeySpan, LogKeys, SignerKey};
use crate::view::View;

pub(crate) fn register<V: View + ?Sized>(batch: &mut Batch<'_, V>, body: &LogGenesis) -> Result<(), Stop> {
    if batch.next_index() > 0 {
        let message = "the log has its genesis at index 0";
        return Err(
            Rejection::new(Code::GenesisExists, "type", message, "start a new origin for a new log").into()
        );
    }
    let span = |vkey: &String| LogKeySpan { vkey: vkey.clone(), from: 0, until: None };
    batch.put_log_keys(LogKeys(body.log_keys.iter().map(span).collect()));
    batch.put_genesis(Genesis {
        origin: body.origin.clone(),
        log_keys: body.log_keys.clone(),
        operator: SignerKey { public: *body.operator_key.as_bytes(), kid: body.operator_key.kid(), from: 0 },
        policy: body.policy.clone(),
        predecessor: body.predecessor.clone(),
        trust_algorithm: body.trust_algorithm.clone(),
        limits: body.limits,
    });
    Ok(())
}
