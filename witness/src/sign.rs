//! Cosignatures, and the two steps between making one and giving it away.
//!
//! ```text
//! Advance --Signer::cosign--> Cosigned --Memory::commit--> Released
//! decide says yes             signed, nobody can see it    remembered, may leave
//! ```
//! Spec: <https://c2sp.org/tlog-cosignature>
//!
//! A cosignature's time is the clock's, and never goes back: not while the program runs, and not over a
//! restart, because the largest time in the memory is handed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger_format::{Hash, Note, NoteSigner, SignatureLine, SignatureType, Vkey};

use crate::clock::Clock;
use crate::decide::Advance;
use crate::persist::Remembered;

/// A cosignature younger than this, in seconds, is given out again for the same checkpoint instead of a new one. One second, so that it
/// is the one that would be made now: a log may refresh its checkpoint as often as it likes, and finds it refreshed.
const REPEATED_S: u64 = 1;
/// Largest time a cosignature can carry, in seconds.
const TIME_S_MAX: u64 = i64::MAX as u64;

/// The machine has no usable time of day. Not the caller's fault; set the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clock of this machine gives no time that a cosignature can carry ({now_s} s)")]
pub struct NoTime {
    /// What the clock said.
    pub now_s: u64,
}

/// The witness's keys and clock.
#[derive(Debug)]
pub struct Signer {
    /// Ed25519, type 0x04: every checkpoint. Its vkey names the witness.
    key: NoteSigner,
    /// ML-DSA-44, type 0x06: a second line on every checkpoint, and subtrees.
    ml_dsa_key: Option<NoteSigner>,
    clock: Arc<dyn Clock>,
    /// Largest time signed so far, in seconds.
    last_s: AtomicU64,
}

impl Signer {
    /// A signer that will not sign a time before `last_s`.
    ///
    /// # Panics
    /// If the keys are not of type 0x04 and 0x06, in this order.
    pub fn new(key: NoteSigner, ml_dsa_key: Option<NoteSigner>, clock: Arc<dyn Clock>, last_s: u64) -> Self {
        assert_eq!(
            key.vkey().signature_type(),
            SignatureType::CosignatureV1,
            "the configuration was checked"
        );
        if let Some(key) = &ml_dsa_key {
            assert_eq!(key.vkey().signature_type(), SignatureType::MlDsa44, "the configuration was checked");
        }
        Self { key, ml_dsa_key, clock, last_s: AtomicU64::new(last_s) }
    }

    /// What verifiers need to check our cosignatures.
    pub fn vkeys(&self) -> impl Iterator<Item = &Vkey> {
        [Some(&self.key), self.ml_dsa_key.as_ref()].into_iter().flatten().map(NoteSigner::vkey)
    }

    /// Cosigns a subtree of a checkpoint that this witness cosigned; `None` without an ML-DSA-44 key.
    pub fn cosign_subtree(&self, origin: &str, range: (u64, u64), hash: Hash) -> Option<SignatureLine> {
        self.ml_dsa_key.as_ref()?.cosign_subtree(origin, range, hash)
    }

    /// Seconds by which the clock is behind the largest time signed.
    pub fn clock_behind_s(&self) -> u64 {
        self.last_s.load(Ordering::Relaxed).saturating_sub(self.clock.now_s())
    }

    /// Cosigns a checkpoint for which [`crate::decide::decide`] gave an [`Advance`].
    ///
    /// `text` is the checkpoint as the log signed it, extension lines included, and `log_lines` are the
    /// signatures that [`crate::decide::authenticate`] accepted.
    pub fn cosign(
        &self,
        advance: Advance,
        origin: &str,
        text: &str,
        log_lines: Vec<SignatureLine>,
    ) -> Result<Cosigned, NoTime> {
        let now_s = self.now_s()?;
        let time_s = self.last_s.fetch_max(now_s, Ordering::Relaxed).max(now_s);
        let mut ours = vec![self.key.cosign(text, time_s)];
        ours.extend(self.ml_dsa_key.iter().map(|key| key.cosign(text, time_s)));

        let mut note = Note::new(text.to_owned());
        for line in log_lines.into_iter().chain(ours.iter().cloned()) {
            note.push(line);
        }
        let lines = ours.iter().map(|line| format!("{line}\n")).collect();
        let note = note.to_bytes().into();
        Ok(Cosigned { origin: origin.to_owned(), advance, time_s, note, lines })
    }

    /// The cosignature that is remembered of the checkpoint with this text and these signatures of its log, if it is so young that a new
    /// one would say the same.
    ///
    /// Whoever knows a checkpoint can post it again. This way it costs a signature and a write once a second, however often it comes; and
    /// for another note of the same tree, which is signed each time, the memory writes once a second, too: a time that it holds is no news.
    pub(crate) fn repeat(
        &self,
        remembered: &Remembered,
        text: &str,
        log_lines: &[SignatureLine],
    ) -> Option<Released> {
        let now_s = self.now_s().ok()?.max(self.last_s.load(Ordering::Relaxed));
        if now_s.saturating_sub(remembered.time_s) >= REPEATED_S {
            return None;
        }
        let note = Note::parse(&remembered.note).ok()?;
        // The same tree may come with other extension lines, or signed with a new key of the log.
        if note.text() != text || !log_lines.iter().all(|line| note.signatures().contains(line)) {
            return None;
        }
        let lines = self.vkeys().map(|key| note.signature_of(key).map(|line| format!("{line}\n")));
        Some(Released { lines: lines.collect::<Option<String>>()? })
    }

    /// The clock's time, if a cosignature can carry it.
    fn now_s(&self) -> Result<u64, NoTime> {
        let now_s = self.clock.now_s();
        // SPEC (tlog-cosignature): the time is not zero for a cosignature of a checkpoint, and at most 2^63-1.
        if now_s == 0 || now_s > TIME_S_MAX { Err(NoTime { now_s }) } else { Ok(now_s) }
    }
}

/// A cosigned checkpoint that is not yet remembered. Its signatures cannot be read.
#[derive(Clone)]
pub struct Cosigned {
    origin: String,
    advance: Advance,
    time_s: u64,
    note: Arc<[u8]>,
    lines: String,
}

impl std::fmt::Debug for Cosigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cosigned")
            .field("origin", &self.origin)
            .field("advance", &self.advance)
            .field("time_s", &self.time_s)
            .finish_non_exhaustive()
    }
}

impl Cosigned {
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn advance(&self) -> Advance {
        self.advance
    }

    pub(crate) fn time_s(&self) -> u64 {
        self.time_s
    }

    pub(crate) fn to_remembered(&self) -> Remembered {
        let to = self.advance.to();
        let (origin, note) = (self.origin.clone(), self.note.clone());
        Remembered { origin, size: to.size, root: to.root, time_s: self.time_s, note }
    }

    /// For the memory's writer alone, after the flush.
    pub(crate) fn release(self) -> Released {
        Released { lines: self.lines }
    }
}

/// Signature lines that may leave the program: what they state is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    lines: String,
}

impl Released {
    /// One or more signature lines, each with its newline: the body of the answer.
    pub fn into_lines(self) -> String {
        self.lines
    }
}
