//! How old the checkpoint is that this node serves, and why the next one is due.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::ledger::PublishedCheckpoint;

/// Why a checkpoint is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The log has entries that the last one does not cover.
    Grown,
    /// The last one is old: its age stays bounded.
    Old,
    /// The last one lacks the cosignatures of the policy. Without any more this one is the same, and not committed.
    Bare,
}

/// The checkpoint that this node serves, and since when it has seen it.
#[derive(Default)]
pub(super) struct Served(Option<(Arc<PublishedCheckpoint>, Instant)>);

impl Served {
    /// Notes what is served now. One that was published again is another one, also with the same bytes.
    pub(super) fn see(&mut self, published: Option<Arc<PublishedCheckpoint>>, now: Instant) {
        let Some(published) = published else { return };
        if self.checkpoint().is_none_or(|known| !Arc::ptr_eq(known, &published)) {
            self.0 = Some((published, now));
        }
    }

    /// The checkpoint that was seen last.
    pub(super) fn checkpoint(&self) -> Option<&Arc<PublishedCheckpoint>> {
        self.0.as_ref().map(|(checkpoint, _)| checkpoint)
    }

    /// Its age, as its cosignatures say. Without any it says no time: then since when this node has seen it.
    pub(super) fn age(&self, now_ms: u64, now: Instant) -> Duration {
        match &self.0 {
            Some((checkpoint, _)) if checkpoint.at_ms > 0 => {
                Duration::from_millis(now_ms.saturating_sub(checkpoint.at_ms))
            }
            Some((_, since)) => now.saturating_duration_since(*since),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger_format::{Checkpoint, Note, NoteSigner, SignatureType, leaf_hash};

    use super::*;

    fn published(cosigned_s: Option<u64>) -> Arc<PublishedCheckpoint> {
        let mut note = Note::new(Checkpoint::new("log.example/a", 5, leaf_hash(b"root")).to_string());
        let key = NoteSigner::new("log.example/a", SignatureType::Ed25519, [1; 32]).unwrap();
        let line = key.sign(note.text());
        note.push(line);
        if let Some(time_s) = cosigned_s {
            let witness = NoteSigner::new("w1", SignatureType::CosignatureV1, [2; 32]).unwrap();
            let line = witness.cosign(note.text(), time_s);
            note.push(line);
        }
        Arc::new(PublishedCheckpoint::read(&note.to_bytes()).unwrap())
    }

    #[test]
    fn without_a_cosignature_a_checkpoint_is_as_old_as_it_has_been_seen() {
        let (start, now_ms) = (Instant::now(), 1_769_000_000_000);
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut served = Served::default();
        served.see(None, start);
        assert!(served.checkpoint().is_none());

        let bare = published(None);
        served.see(Some(bare.clone()), start);
        served.see(Some(bare), after(5));
        assert_eq!(served.age(now_ms, after(7)), Duration::from_secs(7));
        served.see(Some(published(None)), after(8));
        assert_eq!(served.age(now_ms, after(10)), Duration::from_secs(2), "the same bytes, published again");

        served.see(Some(published(Some(1_768_999_999))), after(11));
        assert_eq!(served.age(now_ms, after(600)), Duration::from_secs(1), "as its witness says");
    }
}
