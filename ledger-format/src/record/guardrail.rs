//! Guardrails and their breakers: `guardrail.define`, `guardrail.status`.

use super::declare::body;
use super::fields::words;
use super::ids::AgentId;
use super::kinds::{Count, Id, OnBehalfOf, OneScope, Token, WindowSeconds, Word, word_kind};
use super::scope::Scope;

words! {
    /// How a breaker stands.
    BreakerState, "one of closed, open, half_open, disabled" {
        /// Actions pass.
        Closed = "closed",
        /// Actions do not pass.
        Open = "open",
        /// One action passes, and what becomes of it decides.
        HalfOpen = "half_open",
        /// The guardrail is not looked at.
        Disabled = "disabled",
    }
}
word_kind!(BreakerState);

body! {
    /// Body of `guardrail.define`: too many denials stop an action for a while.
    ///
    /// Effect: the guardrail is there, its breaker closed. `threshold` denied decisions about its actions within `window_s` open it; after
    /// `cooldown_s` it is half open, and the next decision closes or opens it again. Refused: `too_many_guardrails`.
    GuardrailDefine = "guardrail.define" by [Tenant, Operator], info DEFINE {
        /// the actions
        required action: Scope as OneScope,
        /// the agent; absent: all agents of the tenant together
        optional agent: AgentId as Id<AgentId>,
        /// how long the breaker stays open
        required cooldown_s: u64 as WindowSeconds,
        /// its name, unique in the tenant
        required guardrail: String as Token,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// denials that open it
        required threshold: u64 as Count,
        /// within how long
        required window_s: u64 as WindowSeconds,
    }
}

body! {
    /// Body of `guardrail.status`: somebody sets a breaker by hand.
    ///
    /// Effect: as it says. Refused: `guardrail_unknown`.
    GuardrailStatus = "guardrail.status" by [Tenant, Operator], info STATUS {
        /// the guardrail
        required guardrail: String as Token,
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// the breaker
        required state: BreakerState as Word<BreakerState>,
    }
}
