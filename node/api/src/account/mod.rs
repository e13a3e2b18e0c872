//! Accounts: who calls, with which key, how often. All of it is private state of the main log: replicated, never in a log.

mod caller;
mod certificate;
mod idempotency;
mod keys;
pub(crate) mod quota;
mod rate;
mod secrets;
pub(crate) mod session;
mod store;
mod tenant;

pub(crate) use caller::{Caller, Environment, Principal, authenticate, still_holds};
pub use certificate::ClientUris;
pub(crate) use idempotency::{KEY_CHARS_MAX, claim, finish};
pub(crate) use keys::{
    ApiKey, Issued, KEYS_LISTED_MAX, KEYS_MAX, KeyState, find_key, keep_changed, keep_new, key_state_name,
    keys_of, make as make_key, place as key_place,
};
pub(crate) use rate::{Rate, Rates};
pub(crate) use secrets::Secrets;
pub(crate) use store::{Changes, Store};
pub(crate) use tenant::Account;
