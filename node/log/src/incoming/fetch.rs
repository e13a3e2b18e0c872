//! The entries before a snapshot: fetched from a member bundle by bundle, each with its proof.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use ledger_format::{Hash, TILE_WIDTH};

use crate::{
    bytes_codec::{Malformed, Reader, Writer},
    hosted::Core,
    ledger::Imported,
    options::{Member, PeerError},
    peer::{Kind, refuse},
    snapshot::Manifest,
};

/// How long a peer may take for one bundle.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Bundles requested ahead.
const FETCH_AHEAD: usize = 8;
/// Tries for one bundle.
const FETCH_TRIES: u32 = 5;

impl Core {
    /// Fetches what a snapshot needs from its sender; where the snapshot does not name it, as it was taken before the sender was a
    /// member, from the others. Entries prove themselves, whoever gives them.
    pub(super) async fn fetch_from_members(&self, sender: u64, manifest: &Manifest) -> Result<(), String> {
        let members = manifest.meta.last_membership.nodes();
        let (named, others): (Vec<_>, Vec<_>) =
            members.filter(|(id, _)| **id != self.options.node_id).partition(|(id, _)| **id == sender);
        let sources = if named.is_empty() { others } else { named };
        let mut failed = String::from("it names nobody else");
        for (_, source) in sources {
            match self.fetch_bundles(source, manifest).await {
                Ok(()) => return Ok(()),
                Err(error) => failed = error,
            }
        }
        Err(format!("the entries before the snapshot cannot be fetched: {failed}"))
    }

    async fn fetch_bundles(&self, source: &Member, manifest: &Manifest) -> Result<(), String> {
        let mut import = Imported::begin(&self.ledger, manifest).map_err(|e| e.to_string())?;
        let Some(first) = import.next_bundle() else { return import.finish().map_err(|e| e.to_string()) };
        let last = manifest.full_until() / TILE_WIDTH;
        tracing::info!(log = %self.name, from = source.id, bundles = last - first, "fetching what a snapshot needs");
        let mut fetched = stream::iter(first..last)
            .map(|index| self.fetch_bundle(source.clone(), index, manifest.size))
            .buffered(FETCH_AHEAD);
        while let Some(bundle) = fetched.next().await {
            let (bundle, proof) = bundle.map_err(|e| e.to_string())?;
            import.add(&bundle, &proof).map_err(|e| e.to_string())?;
        }
        drop(fetched);
        import.finish().map_err(|e| e.to_string())
    }

    /// One full bundle from a peer with the proof that it belongs into the tree of `size`.
    pub(crate) async fn fetch_bundle(
        &self,
        source: Member,
        index: u64,
        size: u64,
    ) -> Result<(Bytes, Vec<Hash>), PeerError> {
        let body = Writer::default().u64(index).u64(size).finish();
        let mut tries = 0;
        loop {
            tries += 1;
            match self
                .peers
                .call(&source, &self.group, Kind::FetchBundle as u32, body.clone(), FETCH_TIMEOUT)
                .await
            {
                Ok(answer) => return parse_bundle_answer(answer).map_err(refuse),
                Err(error @ PeerError::Refused(_)) => return Err(error),
                Err(error) if tries >= FETCH_TRIES => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }
}

pub(crate) fn parse_bundle_answer(answer: Bytes) -> Result<(Bytes, Vec<Hash>), Malformed> {
    let mut r = Reader::new(answer, "bundle answer");
    let bundle = r.bytes()?;
    let count = r.u32()?;
    if count > 64 {
        return Err(r.fault());
    }
    let proof = (0..count).map(|_| r.hash()).collect::<Result<_, _>>()?;
    r.end()?;
    Ok((bundle, proof))
}
