//! Tenants.

use ledger_format::record::{Kid, Plan, TrustThresholds};

use super::SignerKey;
use crate::codec::{DecodeError, Decoder, Encoder};
use crate::fields::{Part, value, word_parts};

word_parts!(Plan);

impl Part for SignerKey {
    fn write(&self, e: &mut Encoder) {
        SignerKey::write(self, e);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        SignerKey::read(d)
    }
}

impl Part for TrustThresholds {
    fn write(&self, e: &mut Encoder) {
        e.integer(self.approval).integer(self.monitor).integer(self.suspend);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { approval: d.integer()?, monitor: d.integer()?, suspend: d.integer()? })
    }
}

value! {
    /// A registered tenant.
    pub Tenant {
        /// What people call it.
        name: String,
        /// What it has subscribed to.
        plan: Plan,
        /// Its root key; without one only the operator acts for it.
        key: Option<SignerKey>,
        /// Root keys that it had before.
        former_keys: Vec<Kid>,
        /// Index of its registration.
        registered: u64,
        /// The log's time there, ms since 1970.
        registered_ms: u64,
        /// Agents registered so far, revoked ones included.
        agents: u64,
        /// Scores at which something happens to its agents, if it has set them.
        thresholds: Option<TrustThresholds>,
        /// Index of the suspension that is in force.
        suspended: Option<u64>,
        /// Sessions that began before this index have ended with a suspension; 0 without any.
        sessions_end: u64,
    }
}

impl Tenant {
    /// Whether its agents may act.
    pub fn is_active(&self) -> bool {
        self.suspended.is_none()
    }
}
