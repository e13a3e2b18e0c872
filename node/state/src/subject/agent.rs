//! The public status of an agent: whether it may act, with which keys it signed, what it did, how far it is trusted.

use ledger_format::Hash;
use ledger_format::record::json::Writer;
use ledger_format::record::{AgentId, Kid, TenantId};

use super::object;
use crate::applied::Alarm;
use crate::batch::Batch;
use crate::keys;
use crate::values::{Agent, AgentStatus, Chain, KeySpan};
use crate::view::View;

/// Most keys in an agent's status: the newest. How many there were is said beside them.
pub(super) const STATUS_KEYS_MAX: usize = 16;

/// Canonical JSON. `since` is the index from which on the status has been what it is; for an active agent, of its registration. Trust
/// is that of the log's time now: it fades and recovers with time, so the time is said.
pub(super) fn json<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    id: AgentId,
    agent: &Agent,
) -> Result<Vec<u8>, Alarm> {
    let (as_of_ms, keys) = (batch.service.log_ms, KeyHistory::of(batch, id, agent)?);
    let (chain, trust) = (batch.chain(id)?, batch.trust_of(id)?);
    let tenant_cap_bp = batch.tenant_cap_bp(agent.tenant)?;
    Ok(object(|w| {
        // What the agent signed from then on may be somebody else's: whoever judges a receipt compares the log's time.
        if let AgentStatus::Revoked { compromised_at: Some(at), .. } = agent.status {
            w.unsigned_field("compromised_at", at);
        }
        w.text_field("key", &agent.key.kid.to_string());
        keys.write(w);
        write_receipts(w, &chain);
        let (status, since) = standing(agent);
        w.unsigned_field("since", since);
        w.text_field("status", status);
        w.text_field("tenant", &TenantId(agent.tenant).to_string());
        w.key("trust");
        trust.write_status(w, as_of_ms, tenant_cap_bp);
        w.text_field("type", agent.agent_type.as_str());
    }))
}

fn standing(agent: &Agent) -> (&'static str, u64) {
    match &agent.status {
        AgentStatus::Active => ("active", agent.registered),
        AgentStatus::Suspended { index, .. } => ("suspended", *index),
        AgentStatus::Revoked { killed: false, index, .. } => ("revoked", *index),
        AgentStatus::Revoked { killed: true, index, .. } => ("killed", *index),
    }
}

fn write_receipts(w: &mut Writer, chain: &Chain) {
    w.key("receipts");
    w.open_object();
    w.unsigned_field("count", chain.count);
    w.unsigned_field("flagged", chain.flagged);
    w.text_field("head", &Hash(chain.head).to_hex());
    w.close_object();
}

/// The keys that an agent has signed with, and when.
struct KeyHistory {
    count: u64,
    /// The newest, oldest first.
    newest: Vec<(Kid, u64, Option<u64>)>,
}

impl KeyHistory {
    /// Walks back from the current key, a bounded number of steps. An agent that still has its first key and may act is known without a
    /// look: that is most of them.
    fn of<V: View + ?Sized>(batch: &mut Batch<'_, V>, id: AgentId, agent: &Agent) -> Result<Self, Alarm> {
        if agent.key.from == agent.registered && !agent.is_revoked() {
            return Ok(Self { count: 1, newest: vec![(agent.key.kid, agent.key.from, None)] });
        }
        let (mut count, mut newest, mut next) = (0, Vec::new(), Some(agent.key.kid));
        while let Some(kid) = next.filter(|_| newest.len() < STATUS_KEYS_MAX) {
            let missing =
                || Alarm::CorruptState { key: keys::agent_key(id, kid), reason: "a key is missing".into() };
            let KeySpan { from, until, previous, number, .. } =
                batch.agent_key(id, kid)?.ok_or_else(missing)?;
            count = count.max(number);
            newest.push((kid, from, until));
            next = previous;
        }
        newest.reverse();
        Ok(Self { count, newest })
    }

    fn write(&self, w: &mut Writer) {
        w.unsigned_field("key_count", self.count);
        w.key("keys");
        w.open_array();
        for (kid, from, until) in &self.newest {
            w.open_object();
            w.unsigned_field("from", *from);
            w.text_field("kid", &kid.to_string());
            if let Some(until) = until {
                w.unsigned_field("until", *until);
            }
            w.close_object();
        }
        w.close_array();
    }
}
