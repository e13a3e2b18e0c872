//! What the score is computed from: inputs, which the ledger derives from its entries. Vector files call them events.

use super::constants::{FULL_BP, MAX_INTEGER, ONE_Q12};
use super::error::TrustError;
use super::id::Id;

/// One thing that happened, with the log time of the entry that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Log time in milliseconds, at most 2^53 - 1.
    pub ms: u64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A tenant has a new agent: active, without evidence.
    Register {
        /// The new agent.
        agent: Id,
        /// Its tenant.
        tenant: Id,
    },
    /// What attestations by agents of a tenant are worth from now on; 0 until this says otherwise.
    TenantWeight {
        /// The tenant.
        tenant: Id,
        /// At most 4096, which is full weight.
        weight_q12: u64,
    },
    /// An action was executed, and its enforcer says how.
    Action {
        /// Who acted.
        agent: Id,
        /// How it went.
        outcome: ActionOutcome,
    },
    /// An attempt was refused for lack of authority.
    Denial {
        /// Who tried.
        agent: Id,
    },
    /// A session ended, or was abused after its end.
    Session {
        /// Whose session.
        agent: Id,
        /// How it ended.
        outcome: SessionOutcome,
    },
    /// An agent vouches for or against another.
    Attest(Attestation),
    /// Sets the agent's delegation ceiling, in place of an earlier one.
    Delegate {
        /// Who acts on somebody's behalf.
        agent: Id,
        /// The delegator's score, at most 10000.
        ceiling_bp: u64,
        /// Whether the two are of different tenants.
        cross_tenant: bool,
    },
    /// The agent's status changes.
    Status {
        /// Whose status.
        agent: Id,
        /// How.
        change: StatusChange,
    },
}

/// One agent's word about another, after an interaction of the two that is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Whom it is about.
    pub agent: Id,
    /// Who says it.
    pub by: Id,
    /// Index of the interaction.
    pub interaction: u64,
    /// Log time of the interaction, which its index determines.
    pub interaction_ms: u64,
    /// What is said.
    pub verdict: Verdict,
}

/// Declares an enum whose variants have names in JSON.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of that name.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }
    };
}
pub(crate) use named;

named! {
    /// How an executed action went.
    ActionOutcome {
        /// As it should.
        Ok = "ok",
        /// A minor violation.
        Minor = "minor",
        /// A major violation.
        Major = "major",
        /// A critical violation.
        Critical = "critical",
    }
}

named! {
    /// How a session ended.
    SessionOutcome {
        /// Closed.
        Clean = "clean",
        /// Ran out unclosed.
        Expired = "expired",
        /// Broken off.
        Aborted = "aborted",
        /// Used after its end.
        UseAfterEnd = "use_after_end",
    }
}

named! {
    /// For or against.
    Verdict {
        /// For.
        Good = "good",
        /// Against.
        Bad = "bad",
    }
}

named! {
    /// A change of status. What does not apply is ignored; nothing undoes a revocation or a kill.
    StatusChange {
        /// Active becomes suspended.
        Suspend = "suspend",
        /// Suspended becomes active.
        Reactivate = "reactivate",
        /// For ever.
        Revoke = "revoke",
        /// For ever, and above a revocation.
        Kill = "kill",
    }
}

impl What {
    /// The agent that it is about; none for a tenant's weight.
    pub fn agent(&self) -> Option<&Id> {
        match self {
            Self::TenantWeight { .. } => None,
            Self::Attest(attestation) => Some(&attestation.agent),
            Self::Register { agent, .. }
            | Self::Action { agent, .. }
            | Self::Denial { agent }
            | Self::Session { agent, .. }
            | Self::Delegate { agent, .. }
            | Self::Status { agent, .. } => Some(agent),
        }
    }
}

impl Input {
    /// Rejects what can be rejected without any state: ranges first, then an interaction of the future.
    pub fn check(&self) -> Result<(), TrustError> {
        let in_range = match &self.what {
            What::TenantWeight { weight_q12, .. } => *weight_q12 <= ONE_Q12,
            What::Delegate { ceiling_bp, .. } => *ceiling_bp <= FULL_BP,
            What::Attest(a) => a.interaction <= MAX_INTEGER && a.interaction_ms <= MAX_INTEGER,
            _ => true,
        };
        if self.ms > MAX_INTEGER || !in_range {
            return Err(TrustError::Malformed);
        }
        match &self.what {
            What::Attest(a) if a.interaction_ms > self.ms => Err(TrustError::InteractionInFuture),
            _ => Ok(()),
        }
    }
}
