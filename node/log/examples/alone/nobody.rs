//! Nobody to reach.

use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use ledger_log::{HttpAnswer, Member, PeerError, PeerStream, PeerTransport, WitnessTransport};

/// One node has no peers and, with `quorum none`, asks no witness.
pub(crate) struct Nobody;

impl PeerTransport for Nobody {
    fn call(
        &self,
        _: &Member,
        _: &str,
        _: u32,
        _: Bytes,
        _: Duration,
    ) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        async { Err(PeerError::Unreachable("there is no other node".into())) }.boxed()
    }

    fn append_stream(&self, _: &Member, _: &str) -> BoxFuture<'static, Result<PeerStream, PeerError>> {
        async { Err(PeerError::Unreachable("there is no other node".into())) }.boxed()
    }
}

impl WitnessTransport for Nobody {
    fn add_checkpoint(
        &self,
        _: &str,
        _: Vec<u8>,
        _: Duration,
    ) -> BoxFuture<'static, Result<HttpAnswer, String>> {
        async { Err("there is no witness".into()) }.boxed()
    }

    fn get(&self, _: &str, _: Duration) -> BoxFuture<'static, Result<HttpAnswer, String>> {
        async { Err("there is no witness".into()) }.boxed()
    }
}
