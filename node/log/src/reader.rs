//! The read path: what is published, from any node (rules V1, V2).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ledger_format::{
    BundleId, Hash, Staple, TILE_WIDTH, TileId, TlogProof, prove_consistency, prove_inclusion,
    record::{AgentId, Ulid},
};

use ledger_state::{Alarm, MapStatus, StapleParts, Subject, View, map_status, staple_parts};

use crate::{
    hosted::Core,
    ledger::{Ledger, LedgerError, PublishedCheckpoint},
};

/// Why something cannot be read: this node is at fault, another may serve it.
#[derive(Debug, thiserror::Error)]
#[error("this node cannot read its log: {0}")]
pub struct ReadError(#[from] LedgerError);

/// Reads one hosted log. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(crate) core: Arc<Core>,
}

impl Reader {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The checkpoint that this node serves; it never goes back.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Arc<PublishedCheckpoint>> {
        self.core.ledger.published()
    }

    /// Waits until a checkpoint of at least `size` is published, or the time is over.
    pub async fn wait_published(&self, size: u64, timeout: Duration) -> Option<Arc<PublishedCheckpoint>> {
        let mut published = self.core.ledger.watch_published();
        let far_enough = |checkpoint: &Option<Arc<PublishedCheckpoint>>| {
            checkpoint.as_ref().is_some_and(|p| p.checkpoint.size >= size)
        };
        if !far_enough(&published.borrow()) {
            self.core.want_published(size).await;
        }
        let reached = tokio::time::timeout(timeout, published.wait_for(far_enough)).await;
        reached.ok()?.ok()?.clone()
    }

    /// Waits until the published checkpoint is another one than of `size`.
    pub async fn wait_beyond(&self, size: u64) -> Option<Arc<PublishedCheckpoint>> {
        let mut published = self.core.ledger.watch_published();
        published.wait_for(|p| p.as_ref().is_some_and(|p| p.checkpoint.size > size)).await.ok()?.clone()
    }

    /// Resolves when this node has let go of the log: it stops, or a sandbox was reset.
    pub async fn closed(&self) {
        // The sender lives as long as the reader.
        let _ = self.core.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// A tile below the published size, exactly `id.width` wide.
    ///
    /// # Errors
    /// The tile should be here but cannot be read.
    pub fn tile(&self, id: TileId) -> Result<Option<Bytes>, ReadError> {
        self.tile_below(id, self.core.published_size())
    }

    /// A tile below the applied size, for witnesses that check entries before they cosign.
    ///
    /// # Errors
    /// As [`Self::tile`].
    pub fn unpublished_tile(&self, id: TileId) -> Result<Option<Bytes>, ReadError> {
        self.tile_below(id, self.core.ledger.size())
    }

    fn tile_below(&self, id: TileId, size: u64) -> Result<Option<Bytes>, ReadError> {
        let hashes = size.checked_shr(8 * u32::from(id.level)).unwrap_or(0);
        if id.width == 0 || !holds(hashes, id.index, id.width) {
            return Ok(None);
        }
        Ok(self.core.ledger.tile_bytes(id)?)
    }

    /// Entries below the published size, exactly `id.width` of them.
    ///
    /// # Errors
    /// The bundle should be here but cannot be read.
    pub fn bundle(&self, id: BundleId) -> Result<Option<Bytes>, ReadError> {
        self.bundle_below(id, self.core.published_size())
    }

    /// Entries below the applied size, for witnesses that check entries before they cosign.
    ///
    /// # Errors
    /// As [`Self::bundle`].
    pub fn unpublished_bundle(&self, id: BundleId) -> Result<Option<Bytes>, ReadError> {
        self.bundle_below(id, self.core.ledger.size())
    }

    fn bundle_below(&self, id: BundleId, size: u64) -> Result<Option<Bytes>, ReadError> {
        if id.width == 0 || !holds(size, id.index, id.width) {
            return Ok(None);
        }
        Ok(self.core.ledger.bundle_bytes(id)?)
    }

    /// One published entry.
    ///
    /// # Errors
    /// The entry should be here but cannot be read.
    pub fn entry(&self, index: u64) -> Result<Option<Bytes>, ReadError> {
        if index >= self.core.published_size() {
            return Ok(None);
        }
        Ok(self.core.ledger.entry(index)?)
    }

    /// The index of a tenant's record, if it is applied here.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn find(&self, tenant: Ulid, id: Ulid) -> Result<Option<u64>, ReadError> {
        let found = self.core.ledger.with_view(|view| ledger_state::record_at(view, tenant, id))?;
        Ok(found.map(|at| at.index))
    }

    /// Indices of published receipts about an agent, from index `from` on, at most `limit`.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn receipts(&self, agent: AgentId, from: u64, limit: usize) -> Result<Vec<u64>, ReadError> {
        let published = self.core.published_size();
        if from >= published {
            return Ok(Vec::new());
        }
        Ok(self.core.ledger.receipts_between(agent, from, published, limit)?)
    }

    /// The `.tlog-proof` of an entry under the published checkpoint, the entry in `extra`.
    ///
    /// # Errors
    /// The tree cannot be read.
    pub fn proof(&self, index: u64) -> Result<Option<Vec<u8>>, ReadError> {
        match self.checkpoint() {
            Some(checkpoint) => Ok(proof_under(&self.core.ledger, index, &checkpoint)?),
            None => Ok(None),
        }
    }

    /// The staple of a subject under the published checkpoint: its status, or that the log knows no such subject. `None`
    /// while the published checkpoint covers no `state.root` that this node keeps.
    ///
    /// # Errors
    /// The tree or the state cannot be read.
    pub fn staple(&self, subject: Subject) -> Result<Option<Staple>, ReadError> {
        let Some(published) = self.checkpoint() else { return Ok(None) };
        let ledger = &self.core.ledger;
        let parts = ledger.with_view(|view| staple_parts(view, subject, published.checkpoint.size))?;
        let damaged = |alarm: Alarm| LedgerError::corrupt("the status map", alarm.to_string());
        let Some(StapleParts { version, standing, siblings }) = parts.map_err(damaged)? else {
            return Ok(None);
        };
        let Some(inclusion) = tlog_proof_under(ledger, version.index, &published)? else { return Ok(None) };
        let origin = published.checkpoint.origin.clone();
        Ok(Some(Staple { origin, subject: subject.to_string(), standing, siblings, inclusion }))
    }

    /// Where this node's status map stands, published or not.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn map_status(&self) -> Result<MapStatus, ReadError> {
        Ok(self.core.ledger.with_view(|view| map_status(view))?)
    }

    /// An inclusion proof at a published size; `None` beyond it.
    ///
    /// # Errors
    /// The tree cannot be read.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Option<Vec<Hash>>, ReadError> {
        if size > self.core.published_size() || index >= size {
            return Ok(None);
        }
        Ok(Some(prove_inclusion(&self.core.ledger.hashes(), index, size)?))
    }

    /// A consistency proof between two published sizes; `None` beyond them.
    ///
    /// # Errors
    /// The tree cannot be read.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Option<Vec<Hash>>, ReadError> {
        if old > new || new > self.core.published_size() {
            return Ok(None);
        }
        Ok(Some(prove_consistency(&self.core.ledger.hashes(), old, new)?))
    }

    /// Reads the state that this node has applied: one moment of it, published or not.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn state<T>(&self, read: impl FnOnce(&dyn View) -> T) -> Result<T, ReadError> {
        Ok(self.core.ledger.with_view(|view| read(view))?)
    }

    /// Entries that this node has applied, published or not.
    #[must_use]
    pub fn applied_size(&self) -> u64 {
        self.core.ledger.size()
    }
}

/// Whether a row of `count` items holds the first `width` items of its tile `index`.
fn holds(count: u64, index: u64, width: u16) -> bool {
    index
        .checked_mul(TILE_WIDTH)
        .and_then(|first| first.checked_add(u64::from(width)))
        .is_some_and(|end| end <= count)
}

/// The `.tlog-proof` of an entry under a given checkpoint; `None` when it does not cover the entry.
pub(crate) fn proof_under(
    ledger: &Ledger,
    index: u64,
    published: &PublishedCheckpoint,
) -> Result<Option<Vec<u8>>, LedgerError> {
    Ok(tlog_proof_under(ledger, index, published)?.map(|proof| proof.to_bytes()))
}

fn tlog_proof_under(
    ledger: &Ledger,
    index: u64,
    published: &PublishedCheckpoint,
) -> Result<Option<TlogProof>, LedgerError> {
    let size = published.checkpoint.size;
    if index >= size {
        return Ok(None);
    }
    let Some(entry) = ledger.entry(index)? else { return Ok(None) };
    let hashes = prove_inclusion(&ledger.hashes(), index, size)?;
    let note = published.parsed.clone();
    Ok(Some(TlogProof { extra: Some(entry.to_vec()), index, hashes, note }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_wholly_below_the_size_is_held() {
        for (count, index, width, want) in [
            (300, 0, 256, true),
            (300, 1, 44, true),
            (300, 1, 45, false),
            (300, 1, 256, false),
            (0, 0, 1, false),
            (u64::MAX, u64::MAX / 256 + 1, 1, false),
        ] {
            assert_eq!(holds(count, index, width), want, "{count} {index} {width}");
        }
    }
}
