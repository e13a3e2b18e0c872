//! How old a witnessed checkpoint is.

use super::Policy;
use crate::note::Note;

/// How far ahead of the verifier's clock a witness's may be, in seconds, before its time says nothing.
pub const FUTURE_TOLERANCE_S: u64 = 300;

impl Policy {
    /// The latest time at which a whole quorum vouches for the checkpoint, in seconds since 1970. `cosigners` is what
    /// [`Policy::check`] gave for the note.
    ///
    /// Not the newest cosignature: one witness alone must not make an old checkpoint young. Cosignatures are taken newest
    /// first until the policy is satisfied. `None` when the policy needs no witness and none cosigned.
    pub fn vouched_at(&self, note: &Note, cosigners: &[(String, u64)]) -> Option<u64> {
        let mut times: Vec<u64> = cosigners.iter().map(|(_, time)| *time).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.dedup();
        times.into_iter().find(|&time| self.holds_since(note, time))
    }

    /// Whether the cosignatures made at `time` or later are enough on their own.
    fn holds_since(&self, note: &Note, time: u64) -> bool {
        let mut fresh = Note::new(note.text());
        for line in note.signatures() {
            let stated = self
                .witnesses()
                .iter()
                .find(|w| w.vkey.name() == line.name && w.vkey.key_id() == line.key_id)
                .and_then(|w| line.timestamp(w.vkey.signature_type()));
            if stated.is_none_or(|t| t >= time) {
                fresh.push(line.clone());
            }
        }
        self.check(&fresh).is_ok()
    }
}
