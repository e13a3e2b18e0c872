//! What agents say of each other: `attest.peer`.

use ledger_format::record::{AgentId, AttestPeer, PeerVerdict, Record};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::fields::value;
use crate::keys;
use crate::rejection::{Code, Rejection};
use crate::scores::agent_name;
use crate::trust::{Attestation, Verdict, What};
use crate::values::Flags;
use crate::view::View;

value! {
    /// Two agents that an entry brought together.
    pub(crate) Interaction {
        /// The one.
        first: AgentId,
        /// The other.
        second: AgentId,
        /// The log's time in the entry, ms since 1970.
        ms: u64,
    }
}

pub(crate) fn peer<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AttestPeer,
    flags: Flags,
) -> Result<Flags, Stop> {
    let refuse = |code, field: &str, message: String, fix: &str| Rejection::new(code, field, message, fix);
    batch.acting_agent_of(record.tenant, body.agent, "body.agent")?;
    let unknown = || {
        let message = format!("agent {} is not registered", body.subject);
        refuse(Code::AgentUnknown, "body.subject", message, "name an agent of this log")
    };
    batch.find_agent(body.subject)?.ok_or_else(unknown)?;
    let no_interaction = || {
        let message = format!("entry {} brought no two agents together", body.interaction);
        let fix = "cite a grant, an acceptance, a hand-off or an action under a grant";
        refuse(Code::InteractionUnknown, "body.interaction", message, fix)
    };
    let met = batch.get::<Interaction>(keys::interaction(body.interaction))?.ok_or_else(no_interaction)?;
    let pair = (met.first, met.second);
    if pair != (body.agent, body.subject) && pair != (body.subject, body.agent) {
        let message = format!("entry {} is about {} and {}", body.interaction, met.first, met.second);
        return Err(refuse(
            Code::InteractionOfOthers,
            "body.interaction",
            message,
            "cite an entry of the two",
        )
        .into());
    }
    batch.refresh_weight(record.tenant)?;
    let attestation = |verdict| {
        What::Attest(Attestation {
            agent: agent_name(body.subject),
            by: agent_name(body.agent),
            interaction: body.interaction,
            interaction_ms: met.ms,
            verdict,
        })
    };
    match body.verdict {
        PeerVerdict::Good => {
            batch.observe(attestation(Verdict::Good))?;
            Ok(flags)
        }
        PeerVerdict::Bad => Ok(flags.with(batch.observe_harm(body.subject, attestation(Verdict::Bad))?)),
    }
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// Notes that the entry at hand is about these two, so that they may attest each other.
    pub(crate) fn note_interaction(&mut self, first: AgentId, second: AgentId) -> Result<(), Alarm> {
        if first != second {
            let ms = self.service.log_ms;
            self.put(keys::interaction(self.next_index()), Interaction { first, second, ms });
        }
        Ok(())
    }
}
