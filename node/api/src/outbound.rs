//! HTTP to hosts that callers name: targets of webhooks, steps of workflows.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;

/// How the API reaches other hosts. The node brings it, with its proxy, its authorities and its rule which addresses may be reached.
pub trait Outbound: Send + Sync {
    /// Whether a URL may be called at all, as far as it shows without asking anybody.
    ///
    /// # Errors
    /// [`OutboundFault::Forbidden`].
    fn check(&self, url: &str) -> Result<(), OutboundFault>;

    /// Sends one request and reads the whole answer, no more than [`OutboundCall::answer_bytes_max`] of it. Follows no redirects.
    fn send(&self, call: OutboundCall) -> BoxFuture<'static, Result<OutboundAnswer, OutboundFault>>;
}

/// Whoever shares an [`Outbound`].
pub type SharedOutbound = Arc<dyn Outbound>;

/// One request to another host.
#[derive(Clone, Debug)]
pub struct OutboundCall {
    /// `POST`, `GET`, …
    pub method: &'static str,
    /// `http` or `https`.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// For the whole exchange.
    pub timeout: Duration,
    /// Longest answer that is read.
    pub answer_bytes_max: usize,
}

/// What the other host said.
#[derive(Clone, Debug)]
pub struct OutboundAnswer {
    /// Status of the answer.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundFault {
    /// The address is one that callers may not make a node reach; trying again is no use.
    #[error("{0} may not be reached from here")]
    Forbidden(String),
    /// It did not work this time.
    #[error("{0}")]
    Failed(String),
}
