//! `erasure`: what a digest stands for was destroyed.

use super::declare::body;
use super::fields::Digest;
use super::kinds::{DigestOf, OnBehalfOf, Token};

body! {
    /// Body of `erasure`: the key and the salts of a subject's payloads were destroyed. The log keeps digests, which say nothing without them.
    ///
    /// Effect: the subject is marked erased. Refused: `subject_erased`.
    Erasure = "erasure" by [Tenant, Operator], info INFO {
        /// see the envelope
        optional on_behalf_of: String as OnBehalfOf,
        /// why
        required reason: String as Token,
        /// the salted commitment that named the subject
        required subject: Digest as DigestOf,
    }
}
