//! Proof of possession: who has a token that is bound to a key signs each call with that key.
//!
//! HTTP message signatures (RFC 9421) in one profile, so that nothing is negotiable:
//!
//! ```text
//! Signature-Input: maip=("@method" "@target-uri" "authorization" "content-digest" "maip-audience" "maip-grant")
//!                  ;created=1769000000;keyid="<thumbprint>";alg="ed25519";nonce="<nonce>";tag="maip-call"   (one line)
//! Signature:       maip=:<base64 of 64 bytes>:
//! ```
//!
//! | component | what it binds |
//! |---|---|
//! | `@method`, `@target-uri` | what is called |
//! | `authorization` | the token that is shown with it: `Bearer <token>` |
//! | `content-digest` | the body (RFC 9530, `sha-256` alone); of the empty body where there is none |
//! | `maip-audience` | the tool that is called, by the name that it gives itself |
//! | `maip-grant` | the grant under which the call is made; there when, and only when, it is made under one |
//!
//! `keyid` is the RFC 7638 thumbprint that the token's `cnf` names. `created` and `nonce` make a proof good once: the node that checks
//! it remembers the nonce for as long as `created` may lie back. All components are covered, in this order, with these parameters in this
//! order, and any other spelling is refused.

mod call;
mod proof;

pub use call::{Call, CallError, content_digest};
pub use proof::{CallProof, CallProofError};
