//! Rules of the log that change while it runs: `log.policy`, `trust.algorithm`.

use super::declare::{Kind, body};
use super::fields::{Digest, words};
use super::ids::TenantId;
use super::json::{JsonError, Reader, Reason, Writer};
use super::kinds::{Algorithm, DigestOf, Tenants, Word, word_kind};
use super::log_genesis::read_policy;

/// A witness policy, as in the genesis.
pub(crate) struct PolicyText;

impl Kind for PolicyText {
    type Value = String;
    const RULE: &'static str = "a tlog-policy text of at most 16384 bytes";

    fn read(r: &mut Reader<'_>) -> Result<String, JsonError> {
        read_policy(r)
    }

    fn write(value: &String, w: &mut Writer) {
        w.string(value);
    }
}

words! {
    /// What becomes of a record that is above the quota of its tenant's plan.
    Quotas, "one of counted, enforced" {
        /// It is taken, and counts. So it is in a log that nobody pays for.
        Counted = "counted",
        /// It is refused.
        Enforced = "enforced",
    }
}
word_kind!(Quotas);

body! {
    /// Body of `log.policy`: the log's witness policy, its federation seeds, or whether quotas bind, from this index on.
    ///
    /// Effect: what is given replaces what was. A seed's attestations have full weight; the weight of other tenants follows from their
    /// agreements with seeds. Where quotas are enforced, what a plan does not include is refused: `quota_exceeded`. At least one of the
    /// fields.
    LogPolicy = "log.policy" by [Operator], info POLICY, check says_something {
        /// the witness policy
        optional policy: String as PolicyText,
        /// whether quotas bind; `counted` at a log's beginning
        optional quotas: Quotas as Word<Quotas>,
        /// the federation seeds: tenants whose word the log takes as given
        optional seeds: Vec<TenantId> as Tenants,
    }
}

impl LogPolicy {
    fn says_something(&self, r: &Reader<'_>) -> Result<(), JsonError> {
        if self.policy.is_some() || self.quotas.is_some() || self.seeds.is_some() {
            return Ok(());
        }
        Err(r.field_error(
            "policy",
            Reason::Invalid { rule: "a change: at least one of policy, quotas, seeds" },
        ))
    }
}

body! {
    /// Body of `trust.algorithm`: which algorithm computes scores from this index on.
    ///
    /// Effect: recorded. Refused, unless the log's software has exactly this algorithm: `trust_algorithm_unknown`.
    TrustAlgorithm = "trust.algorithm" by [Operator], info TRUST {
        /// its name and version
        required algorithm: String as Algorithm,
        /// digest of its table of constants
        required id: Digest as DigestOf,
    }
}
