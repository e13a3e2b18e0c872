//! The HTTP face of a node: what anybody may read of any number of hosted logs, over plain GET.
//!
//! [`router`] mounts the C2SP transparency endpoints (checkpoint, tiles, entry bundles) of every hosted log, the proof
//! endpoints, staples, metrics and health. Every refusal is an [`ApiError`]: one JSON shape with the field and the fix. A request
//! carries its trace id in [`trace`].
//!
//! **Invariant:** nothing here changes a log, and nothing above a log's published size is served, except under
//! `unpublished/` on the listeners that switch it on (witnesses that replay entries before they cosign).

mod account;
mod compliance;
mod docs;
mod endpoint;
mod engine;
mod error;
mod events;
mod groups;
mod health;
mod keys;
mod logs;
mod maip;
pub mod metrics;
mod older;
mod outbound;
mod plain;
mod proofs;
mod router;
mod status;
mod tail;
pub mod trace;
mod transparency;
mod webhooks;
mod wire;

pub use account::ClientUris;
pub use engine::run_workflows;
pub use error::{ApiError, Quota, blocking};
pub use health::{LogHealth, is_ready, named_health};
pub use logs::{Logs, is_log_name};
pub use maip::{CALLS_A_MINUTE, MaipOptions, maip, openapi};
pub use outbound::{Outbound, OutboundAnswer, OutboundCall, OutboundFault, SharedOutbound};
pub use router::{Options, router};
pub use status::{staple, subject};
pub use webhooks::deliver_webhooks;
