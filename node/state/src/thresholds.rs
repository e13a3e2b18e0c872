//! What happens by itself when trust in an agent falls: the tenant is alerted, the agent suspended.
//!
//! Both are seen at the entry that caused them, as flags of it; who replays the log sees them too.

use std::rc::Rc;

use ledger_format::record::{AgentId, TrustThresholds};

use crate::agent_status;
use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::trust::What;
use crate::values::{Flags, Tenant};
use crate::view::View;

/// The reason in a suspension that trust has caused.
const REASON: &str = "trust";

impl Tenant {
    /// The scores at which something happens to its agents.
    pub fn thresholds_or_default(&self) -> TrustThresholds {
        self.thresholds.clone().unwrap_or(TrustThresholds::DEFAULT)
    }
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// As [`Batch::observe`], for what can only lower trust in the agent; what followed, as flags of the entry at hand.
    pub(crate) fn observe_harm(&mut self, agent: AgentId, what: What) -> Result<Flags, Stop> {
        let before = self.response_bp(agent)?;
        self.observe(what)?;
        let after = self.response_bp(agent)?;
        let Some(known) = self.find_agent(agent)? else { return Ok(Flags::NONE) };
        let thresholds = self.tenant(known.tenant)?.thresholds_or_default();
        let mut flags = Flags::NONE;
        if before >= thresholds.monitor && after < thresholds.monitor {
            flags = flags.with(Flags::TRUST_ALERT);
        }
        if after < thresholds.suspend && known.is_active() {
            agent_status::suspend_for(self, agent, Rc::unwrap_or_clone(known), REASON)?;
            flags = flags.with(Flags::TRUST_SUSPENDED);
        }
        Ok(flags)
    }

    /// The lower of score and severity cap, in basis points: see `Reading::response_bp`.
    fn response_bp(&mut self, agent: AgentId) -> Result<u64, Alarm> {
        Ok(self.trust_of(agent)?.response_bp())
    }
}
