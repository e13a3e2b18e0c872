//! What happened, in order: every step goes into one hash, the ones that a person wants to read are kept as sentences.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger_format::{Hash, leaf_hash};
use tokio::time::Instant;

/// Time at which every simulation begins: milliseconds since 1970.
pub(super) const BEGIN_MS: u64 = 1_800_000_000_000;
/// Sentences kept of one story.
const SENTENCES_MAX: usize = 4_096;

struct Told {
    hash: Hash,
    steps: u64,
    sentences: Vec<String>,
}

/// The history of one run. Clones write to the same one.
#[derive(Clone)]
pub(super) struct History {
    begin: Instant,
    /// Every step is printed, to find where two histories part.
    trace: bool,
    told: Arc<Mutex<Told>>,
}

impl History {
    pub(super) fn new() -> Self {
        let told = Told { hash: leaf_hash(b"history"), steps: 0, sentences: Vec::new() };
        let trace = std::env::var_os("MAIP_SIMULATION_TRACE").is_some();
        Self { begin: Instant::now(), trace, told: Arc::new(Mutex::new(told)) }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Simulated milliseconds since the beginning.
    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A step that goes into the hash only.
    pub(super) fn note(&self, step: &str) {
        let line = format!("{} {step}", self.elapsed_ms());
        if self.trace {
            eprintln!("{line}");
        }
        let mut told = self.lock();
        told.hash = leaf_hash(&[&told.hash.0[..], line.as_bytes()].concat());
        told.steps += 1;
    }

    /// A step that a person wants to read.
    pub(super) fn tell(&self, step: &str) {
        self.note(step);
        let ms = self.elapsed_ms();
        let mut told = self.lock();
        if told.sentences.len() < SENTENCES_MAX {
            told.sentences.push(format!("{:>4}.{:03} s  {step}", ms / 1_000, ms % 1_000));
        }
    }

    /// Hash of all steps, their number, and the sentences.
    pub(super) fn end(&self) -> (Hash, u64, Vec<String>) {
        let mut told = self.lock();
        (told.hash, told.steps, std::mem::take(&mut told.sentences))
    }
}
