//! Why a chain does not hold.

use std::fmt;

macro_rules! reasons {
    ($($(#[$about:meta])* $name:ident = $code:literal,)+) => {
        /// Why a chain does not hold. The codes stay what they are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum ChainReason {
            $($(#[$about])* $name,)+
        }

        impl ChainReason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word for programs.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }
        }
    };
}

reasons! {
    /// An entry is not in a log that the policy accepts.
    NotProven = "not_proven",
    /// A proven entry holds no record in its one spelling.
    BadRecord = "bad_record",
    /// A part holds a record of another type than it must.
    WrongType = "wrong_type",
    /// No registration in the same log gives the key that signed to who is said to have signed.
    KeyUnknown = "key_unknown",
    /// The key was somebody's, and not at that index.
    KeyNotValid = "key_not_valid",
    /// The signature does not hold.
    BadSignature = "bad_signature",
    /// The file has no grant.
    NoLinks = "no_links",
    /// More grants than a chain can have.
    TooDeep = "too_deep",
    /// A grant does not hang on the one before it, or the first one hangs on one that is not there.
    Gap = "gap",
    /// A grant is not given by who signed it.
    NotItsGrantor = "not_its_grantor",
    /// A grant is signed with another key than the one above grants to.
    KeySwapped = "key_swapped",
    /// A record is not in the log where it must be, or not behind what it builds on.
    WrongPlace = "wrong_place",
    /// The root grant is not vouched for by the root key that the verifier named.
    RootNotPinned = "root_not_pinned",
    /// An agent stands in the chain twice.
    Cycle = "cycle",
    /// Re-delegations left do not fall.
    HopsNotFalling = "hops_not_falling",
    /// A grant is about more than the one above.
    ScopeExceeded = "scope_exceeded",
    /// `*:*` below the root.
    WildcardBelowRoot = "wildcard_below_root",
    /// A grant does not repeat what the one above denies.
    DenyDropped = "deny_dropped",
    /// A grant is bounded less than the one above.
    LimitsLoosened = "limits_loosened",
    /// A grant goes to another tenant or log without the agreement that it names.
    NoAgreement = "no_agreement",
    /// The agreement is between others, or not signed by the peer, or with another key than the peer's root key.
    AgreementMismatch = "agreement_mismatch",
    /// The agreement's time was over.
    AgreementEnded = "agreement_ended",
    /// A grant is about more, or lives longer, than the agreement allows.
    AgreementExceeded = "agreement_exceeded",
    /// A grant goes through more tenants than it may.
    TooManyCrossings = "too_many_crossings",
    /// A grant lives longer than its kind may.
    LivesTooLong = "lives_too_long",
    /// A grant to another tenant is not accepted.
    NotAccepted = "not_accepted",
    /// The acceptance is of another offer, by somebody else, or with another key.
    AcceptMismatch = "accept_mismatch",
    /// The acceptance came more than 24 hours after the offer.
    OfferLapsed = "offer_lapsed",
    /// The receipt is not of the leaf's receiver under the leaf's grant.
    OtherReceipt = "other_receipt",
    /// The receipt is not signed with the leaf's key.
    ReceiptKey = "receipt_key",
    /// The action was before a grant began or after it ended.
    OutOfTime = "out_of_time",
    /// The action is not within every grant.
    OutOfScope = "out_of_scope",
    /// A grant denies the action.
    Denied = "denied",
    /// The status of something on the way is missing.
    NoStaple = "no_staple",
    /// Two staples of one subject.
    SecondStaple = "second_staple",
    /// A staple does not prove what it says.
    BadStaple = "bad_staple",
    /// A status from before what it must speak for.
    StapleBehind = "staple_behind",
    /// A status that ends the chain: revoked, suspended, killed, ended, void, or of another subject than on the way.
    NotLive = "not_live",
}

impl fmt::Display for ChainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why a chain does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
#[non_exhaustive]
pub struct ChainFault {
    /// For programs.
    pub reason: ChainReason,
    /// For people.
    pub detail: String,
}

impl ChainFault {
    pub(super) fn new(reason: ChainReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// `Ok` if it holds.
pub(super) fn must(
    holds: bool,
    reason: ChainReason,
    detail: impl FnOnce() -> String,
) -> Result<(), ChainFault> {
    if holds { Ok(()) } else { Err(ChainFault::new(reason, detail())) }
}
