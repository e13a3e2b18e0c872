//! The vault: payloads of one tenant, kept beside its keys and out of the log, each until its subject is erased.
//!
//! ```text
//!   vault/name-key                       32 random bytes: with them names of subjects become names of directories
//!   vault/subjects/<hash of name>/key    the subject's key and the salt of its commitment; mode 0600
//!   vault/subjects/<hash of name>/<hex>  one payload, encrypted; <hex> is its commitment, the digest in the log
//!   vault/erased/subjects/<hash of name> the subject's commitment, as the `erasure` record states it
//!   vault/erased/payloads/<hex>          empty: what this commitment stood for is gone
//! ```
//!
//! **Invariants:** no file holds a value, a salt of a value or a name that can be read without a key in another file.
//! A subject's key is destroyed only after its erasure is in the log, and before anything else of it, so that a crash at any
//! point leaves either a subject that can be erased or an erasure that can be finished.

mod erase;
mod error;
mod files;
mod payload;
mod store;
mod subject;

pub use erase::{Destroyed, Standing};
pub use error::VaultError;
pub use payload::{MEDIA_MAX, Payload, SALT_BYTES, VALUE_MAX, commitment};
pub use store::{Kept, Vault};
pub use subject::NAME_MAX;
