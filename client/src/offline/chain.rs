//! From the bytes of a chain file to a verdict.

use ledger_format::{
    Chain, ChainFreshness, ChainQuestion, ChainReason, ChainVerdict, Policy, PolicyFailure, VerifyError,
    verify, verify_chain,
};

/// The answer for a chain file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainJudgement {
    /// The chain holds, and nothing of it is taken back.
    Valid(ChainVerdict),
    /// The same, as of longer ago than asked for.
    Stale(ChainVerdict),
    /// It does not hold.
    Invalid {
        /// For programs: the code of a [`ChainReason`], or `malformed`.
        code: &'static str,
        /// For people.
        why: String,
    },
    /// The policy does not know a log, or an age is not known.
    CannotJudge {
        /// For programs: `unknown_log` or `age_unknown`.
        code: &'static str,
        /// For people.
        why: String,
    },
}

/// Judges one chain file.
pub fn judge_chain(bytes: &[u8], policy: &Policy, question: &ChainQuestion<'_>) -> ChainJudgement {
    let chain = match Chain::parse(bytes) {
        Ok(chain) => chain,
        Err(error) => return ChainJudgement::Invalid { code: "malformed", why: error.to_string() },
    };
    match verify_chain(&chain, policy, question) {
        Ok(verdict) => match verdict.freshness {
            ChainFreshness::Fresh => ChainJudgement::Valid(verdict),
            ChainFreshness::Stale => ChainJudgement::Stale(verdict),
            ChainFreshness::Unknown => ChainJudgement::CannotJudge {
                code: "age_unknown",
                why: "the chain holds, but how old its statuses are is not known: no witness states a time, a witness is \
                      ahead of this clock, or changes waited to be sealed"
                    .into(),
            },
        },
        Err(fault) => match unknown_log(&chain, policy).filter(|_| fault.reason == ChainReason::NotProven) {
            Some(why) => ChainJudgement::CannotJudge { code: "unknown_log", why },
            None => ChainJudgement::Invalid { code: fault.reason.code(), why: fault.detail },
        },
    }
}

/// Says which log of the file the policy does not list.
fn unknown_log(chain: &Chain, policy: &Policy) -> Option<String> {
    let proofs = [&chain.offers, &chain.accepts, &chain.agreements, &chain.identities].into_iter().flatten();
    proofs.chain([&chain.receipt]).find_map(|proof| {
        match verify(proof.entry().unwrap_or_default(), proof, policy) {
            Err(VerifyError::Policy(failure @ PolicyFailure::UnknownLog { .. })) => {
                Some(format!("{failure}: a chain across logs needs a policy that lists them all"))
            }
            _ => None,
        }
    })
}
